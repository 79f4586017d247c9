// SPDX-License-Identifier: Apache-2.0
// The section `select`: the metric that trials are compared by, and whether less of it is better.
#include <fmt/core.h>

#include <algorithm>

#include "assay/plugin.h"
#include "core/plugin/registry.hpp"
#include "core/spec/sections.hpp"

namespace assay::spec {
namespace {

const Metric* find_metric(const std::vector<Metric>& metrics, const std::string& name) {
  const auto at = std::find_if(metrics.begin(), metrics.end(),
                               [&name](const Metric& m) { return m.text == name; });
  return at == metrics.end() ? nullptr : &*at;
}

}  // namespace

void read_select(const Node& root, Context& context, Experiment& out) {
  if (!root.find("select")) return;
  const Section select(root, "select", context);
  if (!select.map()) return;
  if (!select.find("by"))
    return report_missing(root, "select.by", "name a metric: `select: { by: bic }`", {}, context);
  std::string by;
  select.text("by", by);
  const auto refuse = [&](const std::string& why, const std::string& help) {
    context.out.push_back(Diagnostic("E0117", fmt::format("`{}` {}", by, why))
                              .at(select.find("by")->mark)
                              .about("select.by")
                              .with_help(help));
  };
  if (by.empty()) return;
  const Metric* chosen = nullptr;
  for (const Trial& t : out.trials) {
    if (!chosen) chosen = find_metric(t.measure.metrics, by);
    if (find_metric(t.measure.across, by))
      return refuse("is about all repeats together", "choose by a metric of one fit");
  }
  if (!chosen && by != "objective")
    return refuse("is not measured, so no trial can be chosen by it",
                  fmt::format("measure it: `measure: {{ metrics: [{}] }}`", by));
  out.select.by = by;
  if (!chosen) return;
  const auto* found = context.registry.find("metric", chosen->id);
  const auto* table = static_cast<const assay_metric*>(found->plugin->vtable);
  out.select.lower = (table->flags & ASSAY_METRIC_LOWER_IS_BETTER) != 0;
}

}  // namespace assay::spec
