// SPDX-License-Identifier: Apache-2.0
// assay validate: everything about specs that needs no solving; with --data also the data they
// name.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/cli/verbs.hpp"
#include "core/experiment/run.hpp"

namespace assay::cli {
namespace {

// Trials that differ in solver or repeat alone need the same data: one of each data section and
// rank is opened.
int check_data(const Tool& tool,
               const spec::ParseResult& parsed,
               const std::shared_ptr<plugin::Registry>& registry) {
  const auto& trials = parsed.experiment->trials;
  std::set<std::string> seen;
  int code = kOk;
  for (size_t i = 0; i < trials.size(); ++i) {
    const auto config = nlohmann::json::parse(trials[i].config_json, nullptr, false);
    if (!seen.insert(config["data"].dump() + config["model"].dump() + config["split"].dump())
             .second)
      continue;
    const auto ok = experiment::check_data(*parsed.experiment, static_cast<int64_t>(i), registry);
    if (!ok) code = std::max(code, tool.show(ok.error(), parsed));
  }
  return code;
}

int validate_one(const Tool& tool,
                 const std::string& file,
                 const ValidateFlags& options,
                 const std::shared_ptr<plugin::Registry>& registry) {
  const auto parsed = spec::parse_file(file, {}, *registry);
  int code = tool.show(parsed);
  if (code == kOk && options.data) code = check_data(tool, parsed, registry);
  if (code != kOk || tool.json) return code;
  const auto& e = *parsed.experiment;
  const size_t trials = e.trials.size(), skipped = e.skipped.size();
  tool.out(fmt::format("{}: {} trial{}{}, no mistakes{}\n", file, trials, trials == 1 ? "" : "s",
                       skipped ? fmt::format(", {} combinations left out", skipped) : "",
                       options.data ? ", the data fit" : ""));
  return code;
}

}  // namespace

int validate(const Tool& tool, const ValidateFlags& flags) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  int code = kOk;
  for (const std::string& file : flags.specs)
    code = std::max(code, validate_one(tool, file, flags, registry));
  return code;
}

}  // namespace assay::cli
