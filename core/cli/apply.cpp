// SPDX-License-Identifier: Apache-2.0
// assay transform, assay partial-fit, assay reconstruct and assay sample: a saved model on new
// rows, moved on by them, its approximation of the rows it was fitted to, and rows drawn from it.
#include "core/experiment/apply.hpp"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "core/cli/verbs.hpp"
#include "core/experiment/sample.hpp"

namespace assay::cli {
namespace {

int report(const Tool& tool, const Expected<experiment::Applied>& done, bool fitted) {
  if (!done) return tool.show(done.error());
  if (tool.json) {
    nlohmann::ordered_json out = {{"file", done->file}, {"rows", done->rows}, {"cols", done->cols}};
    if (fitted)
      out.update({{"stop", fit::stop_name(done->stop)},
                  {"iterations", done->iterations},
                  {"F", done->objective}});
    if (!done->units.empty()) out["units"] = "after " + done->units;
    tool.out(out.dump() + "\n");
    return kOk;
  }
  tool.out(fmt::format("wrote {}: {} x {}", done->file, done->rows, done->cols));
  if (fitted)
    tool.out(fmt::format(", {} after {} step{}, F {:.6g}", fit::stop_name(done->stop),
                         done->iterations, done->iterations == 1 ? "" : "s", done->objective));
  if (!done->units.empty())
    tool.out(fmt::format(", in the units after transform `{}`, which has no inverse", done->units));
  tool.out("\n");
  return caught_signal() != 0 ? 128 + caught_signal() : kOk;
}

}  // namespace

experiment::ApplyOptions apply_options(const Tool& tool, const ApplyFlags& flags) {
  experiment::ApplyOptions options;
  options.reader = flags.reader;
  options.mask = flags.mask;
  options.threads = flags.threads;
  options.cancel = &cancelled();
  if (!tool.quiet)
    options.log = [&tool](int32_t level, const std::string& text) {
      if (level >= ASSAY_LOG_WARNING) tool.err("note: " + text + "\n");
    };
  return options;
}

int transform(const Tool& tool, const ApplyFlags& flags) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  catch_signals();
  const experiment::ApplyOptions options = apply_options(tool, flags);
  return report(
      tool, experiment::transform(flags.model, flags.data, flags.output, registry, options), true);
}

int partial_fit(const Tool& tool, const ApplyFlags& flags) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  catch_signals();
  const experiment::ApplyOptions options = apply_options(tool, flags);
  return report(tool,
                experiment::partial_fit(flags.model, flags.data, flags.output, flags.steps,
                                        registry, options),
                true);
}

int sample(const Tool& tool, const ApplyFlags& flags) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  return report(tool,
                experiment::sample(flags.model, flags.output, flags.rows,
                                   static_cast<uint64_t>(flags.seed), registry),
                false);
}

int reconstruct(const Tool& tool, const ApplyFlags& flags) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  return report(tool, experiment::reconstruct(flags.model, flags.output, registry, {}), false);
}

}  // namespace assay::cli
