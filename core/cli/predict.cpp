// SPDX-License-Identifier: Apache-2.0
// assay predict: the cluster of each new row, as a file, and how many rows each has.
#include "core/experiment/predict.hpp"

#include <fmt/core.h>

#include <map>
#include <nlohmann/json.hpp>

#include "core/cli/verbs.hpp"
#include "core/experiment/files.hpp"

namespace assay::cli {

int predict(const Tool& tool, const ApplyFlags& flags) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  catch_signals();
  const auto found =
      experiment::predict(flags.model, flags.data, registry, apply_options(tool, flags));
  if (!found) return tool.show(found.error());
  if (auto done = experiment::write_file(flags.output, experiment::to_csv(*found)); !done)
    return tool.show(done.error());
  std::map<int64_t, int64_t> counts;
  for (const int64_t label : found->labels) ++counts[label];
  if (tool.json) {
    nlohmann::ordered_json rows = nlohmann::ordered_json::object();
    for (const auto& [label, count] : counts) rows[std::to_string(label)] = count;
    tool.out(nlohmann::ordered_json{
                 {"file", flags.output}, {"rows", found->labels.size()}, {"labels", rows}}
                 .dump() +
             "\n");
    return kOk;
  }
  tool.out(fmt::format("wrote {}: {} rows, {} labels\n", flags.output, found->labels.size(),
                       counts.size()));
  return caught_signal() != 0 ? 128 + caught_signal() : kOk;
}

}  // namespace assay::cli
