// SPDX-License-Identifier: Apache-2.0
// Inits and metrics of the registry run on small models.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/data/data.hpp"
#include "core/fit/method.hpp"
#include "core/graph/model.hpp"
#include "core/graph/plan.hpp"
#include "core/plugin/registry.hpp"

namespace assay::programs {

inline const plugin::Registry& registry() {
  static const std::shared_ptr<plugin::Registry> r = [] {
    plugin::SearchOptions o;
    if (const char* folder = std::getenv("ASSAY_TEST_TEMPLATE")) o.plugin_dirs.emplace_back(folder);
    return *plugin::Registry::open(o);
  }();
  return *r;
}

inline plugin::Options options(const std::map<std::string, double>& numbers,
                               const std::map<std::string, std::string>& texts = {}) {
  plugin::Options o;
  for (const auto& [name, v] : numbers) {
    o.values[name].number = v;
    o.values[name].given = true;
  }
  for (const auto& [name, t] : texts) {
    o.values[name].type = ASSAY_OPT_STRING;
    o.values[name].text = t;
    o.values[name].has_text = o.values[name].given = true;
  }
  return o;
}

// W and H of width k, both with the named penalties.
inline graph::Model model(data::Data x,
                          int64_t k,
                          const std::string& loss = "squared",
                          const std::vector<std::string>& penalties = {"nonneg"}) {
  graph::Model m;
  m.x = std::make_shared<const data::Data>(std::move(x));
  m.facts = data::measure(*m.x);
  m.loss = *plugin::Loss::create(*registry().find("loss", loss), {});
  for (auto& side : {0, 1}) {
    std::vector<std::pair<const plugin::Descriptor*, plugin::Options>> items;
    for (const std::string& id : penalties)
      items.emplace_back(registry().find("penalty", id), plugin::Options{});
    m.penalties[side] = *plugin::PenaltySet::create(items);
  }
  m.factor[0] = graph::Buffer::make(ASSAY_F64, m.n(), k);
  m.factor[1] = graph::Buffer::make(ASSAY_F64, m.d(), k);
  return m;
}

inline graph::PlanOptions plan_options(graph::Force force = {}) {
  graph::PlanOptions o;
  o.isa = *kernels::isa_from_environment();
  o.force = force;
  return o;
}

// Runs one purpose of a plugin once; the reports, or the error.
inline Expected<graph::StepResult> run(graph::Model& m,
                                       const std::string& kind,
                                       const std::string& id,
                                       int32_t purpose,
                                       const plugin::Options& given = {},
                                       uint64_t stream = 1,
                                       int32_t side = -1,
                                       const graph::PlanOptions& how = plan_options()) {
  const plugin::Descriptor* d = registry().find(kind, id);
  REQUIRE(d != nullptr);
  auto complete = plugin::Options::complete(d->plugin->options, given, id);
  if (!complete) return std::move(complete.error());
  auto method = fit::Method::create({d, *complete, stream}, m, side, nullptr);
  if (!method) return std::move(method.error());
  auto plan = (*method)->plan(purpose, m, how);
  if (!plan) return std::move(plan.error());
  REQUIRE((*plan != nullptr));
  return (*plan)->run(true);
}

inline void init(graph::Model& m,
                 const std::string& id,
                 const plugin::Options& given = {},
                 uint64_t stream = 1) {
  const auto r = run(m, "init", id, ASSAY_INIT, given, stream);
  if (!r) FAIL(r.error().message);
}

inline double metric(graph::Model& m, const std::string& id, int32_t side = -1) {
  const auto r = run(m, "metric", id, ASSAY_MEASURE, {}, 1, side);
  if (!r) FAIL(r.error().message);
  REQUIRE(r->reports.size() == 1);
  return r->reports.begin()->second;
}

// Entry (i, j) of W H.
inline double product(const graph::Model& m, int64_t i, int64_t j) {
  double sum = 0;
  for (int64_t a = 0; a < m.factor[0].width; ++a)
    sum += m.factor[0].get(i, a) * m.factor[1].get(j, a);
  return sum;
}

}  // namespace assay::programs
