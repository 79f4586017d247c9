// SPDX-License-Identifier: Apache-2.0
// Steps of the real solver `mu` on a test's matrices: registry, method and plan, without the loop
// of core/fit around them.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/fit/method.hpp"
#include "core/graph/plan.hpp"
#include "core/kernels/kernels.hpp"
#include "core/plugin/registry.hpp"
#include "tests/named/lee_seung.hpp"

namespace named {

class Solver {
 public:
  // V ~ W H, W and H >= 0, float64, planned as the runtime likes it.
  Solver(const std::string& loss, const Matrix& V, const Matrix& W, const Matrix& H) {
    model_.x = dense(V);
    model_.facts = assay::data::measure(*model_.x);
    const auto made = assay::plugin::Loss::create(*find("loss", loss), options_of("loss", loss));
    REQUIRE(made.ok());
    model_.loss = *made;
    for (int side = 0; side < 2; side++) {
      const auto set = assay::plugin::PenaltySet::create(
          {{find("penalty", "nonneg"), options_of("penalty", "nonneg")}});
      REQUIRE(set.ok());
      model_.penalties[side] = *set;
    }
    model_.factor[0] = buffer(W);
    model_.factor[1] = buffer(transposed(H));

    auto method = assay::fit::Method::create({find("solver", "mu"), options_of("solver", "mu"), 0},
                                             model_, -1, nullptr);
    REQUIRE(method.ok());
    method_ = std::move(*method);
    const auto isa = assay::kernels::isa_from_environment();
    REQUIRE(isa.ok());
    assay::graph::PlanOptions options;
    options.isa = *isa;
    auto plan = method_->plan(ASSAY_STEP, model_, options);
    REQUIRE(plan.ok());
    plan_ = std::move(*plan);
  }

  void step() { REQUIRE(plan_->run(false).ok()); }
  Matrix W() const { return matrix(model_.factor[0]); }
  Matrix H() const { return transposed(matrix(model_.factor[1])); }

 private:
  static const assay::plugin::Registry& registry() {
    static const auto opened = assay::plugin::Registry::open({});
    REQUIRE(opened.ok());
    return **opened;
  }
  static const assay::plugin::Descriptor* find(const std::string& kind, const std::string& id) {
    const auto* found = registry().find(kind, id);
    REQUIRE_MESSAGE(found, kind << " " << id);
    return found;
  }
  static assay::plugin::Options options_of(const std::string& kind, const std::string& id) {
    auto options = assay::plugin::Options::complete(find(kind, id)->plugin->options, {}, id);
    REQUIRE(options.ok());
    return *options;
  }
  static std::shared_ptr<const assay::data::Data> dense(const Matrix& m) {
    auto values = std::make_shared<Vector>(m.a);
    auto x = std::make_shared<assay::data::Data>();
    x->rows = static_cast<int64_t>(m.rows);
    x->cols = static_cast<int64_t>(m.cols);
    x->dense.data = values->data();
    x->dense.stride = x->cols;
    x->dense.owner = std::move(values);
    return x;
  }
  static assay::graph::Buffer buffer(const Matrix& m) {
    auto b = assay::graph::Buffer::make(ASSAY_F64, static_cast<int64_t>(m.rows),
                                        static_cast<int64_t>(m.cols));
    for (size_t i = 0; i < m.rows; i++)
      for (size_t j = 0; j < m.cols; j++)
        b.set(static_cast<int64_t>(i), static_cast<int64_t>(j), m(i, j));
    return b;
  }
  static Matrix matrix(const assay::graph::Buffer& b) {
    Matrix m(static_cast<size_t>(b.rows), static_cast<size_t>(b.width));
    for (size_t i = 0; i < m.rows; i++)
      for (size_t j = 0; j < m.cols; j++)
        m(i, j) = b.get(static_cast<int64_t>(i), static_cast<int64_t>(j));
    return m;
  }

  assay::graph::Model model_;
  std::unique_ptr<assay::fit::Method> method_;  // outlives its plan
  std::unique_ptr<assay::graph::Plan> plan_;
};

}  // namespace named
