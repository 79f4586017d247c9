// SPDX-License-Identifier: Apache-2.0
// Transforms through their tables: what they do to columns and entries, and what centring learns
// from training entries.
#include <doctest/doctest.h>

#include <cmath>

#include "core/data/observe.hpp"
#include "core/graph/plan.hpp"
#include "core/plugin/registry.hpp"
#include "tests/unit/data_samples.hpp"
#include "tests/unit/reader_files.hpp"

using namespace assay;
using namespace assay::samples;

namespace {

struct Transform {
  const assay_transform* table = nullptr;
  void* self = nullptr;
  assay_ctx ctx;
  plugin::Options options;
  int32_t status = 0;

  Transform(const std::string& id, const plugin::Options& given, const graph::Model& model) {
    const plugin::Descriptor* d = registry().find("transform", id);
    REQUIRE(d != nullptr);
    table = static_cast<const assay_transform*>(d->plugin->vtable);
    options = *plugin::Options::complete(d->plugin->options, given, id);
    assay_problem problem = model.problem();
    problem.options = options.handle();
    status = table->create(plugin::host(), &ctx, &problem, &self);
  }
  ~Transform() {
    if (self && table->destroy) table->destroy(self);
  }
  Transform(const Transform&) = delete;
  Transform& operator=(const Transform&) = delete;
};

graph::Model model_of(data::Data x) {
  graph::Model m;
  m.facts = data::measure(x);
  m.x = std::make_shared<const data::Data>(std::move(x));
  m.n_factors = 0;
  return m;
}

plugin::Options number(const std::string& name, double value) {
  plugin::Options options;
  add_number(options, name, value, ASSAY_OPT_FLOAT);
  return options;
}

// Means of columns as the fit program leaves them.
std::vector<double> means(data::Data x) {
  graph::Model model = model_of(std::move(x));
  Transform centre("centre", {}, model);
  REQUIRE(centre.status == ASSAY_OK);
  auto program = graph::Program::build(model, "centre", centre.self, [&](assay_builder* b) {
    return centre.table->build(centre.self, b, ASSAY_FIT);
  });
  REQUIRE(program.ok());
  auto plan = graph::Plan::make(*program, model, {});
  REQUIRE(plan.ok());
  REQUIRE((*plan)->run(false).ok());
  const graph::Buffer& learnt = model.state.at("means");
  CHECK(learnt.dtype == ASSAY_F64);
  std::vector<double> out;
  for (int64_t j = 0; j < model.d(); ++j) out.push_back(learnt.get(j, 0));
  std::vector<double> scale(out.size(), 1), shift(out.size(), 0);
  std::vector<double> column = out;
  const double* arrays[] = {column.data()};
  CHECK(centre.table->affine(centre.self, &centre.ctx, model.d(), 1, arrays, scale.data(),
                             shift.data()) == ASSAY_OK);
  for (size_t j = 0; j < out.size(); ++j) CHECK(shift[j] == -out[j]);
  CHECK(centre.table->affine(centre.self, &centre.ctx, model.d(), 0, nullptr, scale.data(),
                             shift.data()) < 0);
  return out;
}

// The same entry by entry, rows by their weights.
void check_means(const data::Data& x) {
  const auto got = means(x);
  for (int64_t j = 0; j < x.cols; ++j) {
    double sum = 0, count = 0;
    for (int64_t i = 0; i < x.rows; ++i) {
      const double w = x.weight(i, j) / (x.col_weights ? (*x.col_weights)[j] : 1);
      sum += w * x.value(i, j);
      count += w;
    }
    CHECK(got[static_cast<size_t>(j)] ==
          doctest::Approx(count > 0 ? sum / count : 0).epsilon(1e-12));
  }
}

data::Matrix axis(int64_t n) {
  data::Matrix m;
  m.rows = n;
  m.cols = 1;
  for (int64_t i = 0; i < n; ++i) m.values.push_back(0.5 + static_cast<double>(i % 3));
  return m;
}

}  // namespace

TEST_CASE("scale and shift are the same for every column") {
  const graph::Model model = model_of(pixels<double>(4, 3));
  Transform scale("scale", number("by", 0.25), model), shift("shift", number("by", -2), model);
  std::vector<double> s(3, 1), t(3, 0);
  CHECK(scale.table->affine(scale.self, &scale.ctx, 3, 0, nullptr, s.data(), t.data()) == ASSAY_OK);
  CHECK(shift.table->affine(shift.self, &shift.ctx, 3, 0, nullptr, s.data(), t.data()) == ASSAY_OK);
  CHECK(s == std::vector<double>{0.25, 0.25, 0.25});
  CHECK(t == std::vector<double>{-2, -2, -2});
  Transform nothing("scale", number("by", 0), model);
  CHECK(nothing.status == ASSAY_E_SPEC);
}

TEST_CASE("log1p and binarise work entry by entry") {
  const graph::Model model = model_of(pixels<double>(4, 3));
  Transform log("log1p", {}, model), step("binarise", number("threshold", 2), model);
  std::vector<double> x{0, 1, 2, 3}, y = x;
  CHECK(log.table->apply(log.self, &log.ctx, 4, x.data()) == ASSAY_OK);
  for (size_t e = 0; e < 4; ++e) CHECK(x[e] == doctest::Approx(std::log1p(y[e])).epsilon(1e-15));
  CHECK(log.table->invert(log.self, &log.ctx, 4, x.data()) == ASSAY_OK);
  for (size_t e = 0; e < 4; ++e) CHECK(x[e] == doctest::Approx(y[e]).epsilon(1e-15));
  x[1] = -1;
  CHECK(log.table->apply(log.self, &log.ctx, 4, x.data()) == ASSAY_E_DOMAIN);
  CHECK(step.table->apply(step.self, &step.ctx, 4, y.data()) == ASSAY_OK);
  CHECK(y == std::vector<double>{0, 0, 0, 1});
}

TEST_CASE("centring learns the means of observed entries") {
  const data::Data x = pixels<double>(37, 11);
  check_means(x);
  check_means(pixels<uint8_t>(37, 11));
  std::vector<double> values;
  for (int64_t i = 0; i < 37; ++i)
    for (int64_t j = 0; j < 11; ++j) values.push_back((i + j) % 4 == 0 ? kNan : pixel(i, j));
  check_means(*data::hide_nan(dense(37, 11, values)));
  check_means(*data::weigh_cols(*data::weigh_rows(x, axis(37)), axis(11)));
  const auto zeros = mostly_zeros(37, 11);
  check_means(sparse(37, 11, zeros));
  check_means(sparse(37, 11, zeros, true));
  check_means(*data::weigh_rows(sparse(37, 11, zeros), axis(37)));
}
