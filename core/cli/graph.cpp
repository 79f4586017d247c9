// SPDX-License-Identifier: Apache-2.0
// assay graph: how a trial's programs are run, in words or as DOT.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "core/cli/verbs.hpp"
#include "core/experiment/files.hpp"
#include "core/experiment/run.hpp"

namespace assay::cli {
namespace {
constexpr int kTracedSteps = 5;
}

int graph(const Tool& tool, const GraphFlags& flags) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  const auto parsed = spec::parse_file(flags.spec, {flags.overrides, {}, false}, *registry);
  if (const int code = tool.show(parsed); !parsed.ok()) return code;
  if (!flags.trace.empty()) {
    const auto times =
        experiment::trace_steps(*parsed.experiment, flags.trial, kTracedSteps, registry);
    if (!times) return tool.show(times.error(), parsed);
    if (const auto written = experiment::write_file(flags.trace, *times); !written)
      return tool.show(written.error(), parsed);
    tool.out(fmt::format("{} steps timed; open {} in a browser at chrome://tracing\n", kTracedSteps,
                         flags.trace));
    return kOk;
  }
  const auto plans = experiment::plans(*parsed.experiment, flags.trial, registry);
  if (!plans) return tool.show(plans.error(), parsed);
  for (const experiment::PlanText& plan : *plans) {
    if (tool.json) {
      tool.out(nlohmann::ordered_json{
                   {"program", plan.program}, {"words", plan.words}, {"dot", plan.dot}}
                   .dump() +
               "\n");
    } else if (flags.dot) {
      tool.out(plan.dot);
    } else {
      tool.out(Tool::paint(tool.color_out, "1", plan.program) + "\n" + plan.words + "\n");
    }
  }
  if (!tool.json && !flags.dot)
    tool.out(
        fmt::format("next: assay graph {} --dot | dot -Tsvg > plan.svg\n", quoted(flags.spec)));
  return kOk;
}

}  // namespace assay::cli
