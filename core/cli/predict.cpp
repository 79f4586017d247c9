// SPDX-License-Identifier: Apache-2.0
// assay predict: the cluster of each new row, as a file, and how many rows each has.
#include "core/experiment/predict.hpp"

#include <fmt/core.h>

#include <map>
#include <nlohmann/json.hpp>

#include "core/base/number.hpp"
#include "core/cli/verbs.hpp"
#include "core/experiment/apply.hpp"
#include "core/experiment/files.hpp"
#include "core/report/results.hpp"

namespace assay::cli {
namespace {

// The table row,label,weight,... as text.
std::string to_csv(const experiment::Predicted& predicted) {
  std::string text = "row,label,weight";
  for (const auto& [name, buffer] : predicted.beside) text += "," + report::csv_field(name);
  text += '\n';
  for (size_t i = 0; i < predicted.labels.size(); ++i) {
    text +=
        i < predicted.names.size() ? report::csv_field(predicted.names[i]) : std::to_string(i + 1);
    text += "," + std::to_string(predicted.labels[i]) + "," + format_shortest(predicted.weights[i]);
    for (const auto& [name, buffer] : predicted.beside)
      text += "," + format_shortest(buffer.get(static_cast<int64_t>(i), 0));
    text += '\n';
  }
  return text;
}

bool ends(const std::string& path, const std::string& suffix) {
  return path.size() > suffix.size() &&
         path.compare(path.size() - suffix.size(), suffix.size(), suffix) == 0;
}

// The table by its suffix: text, or its numbers as an array, labels first.
Expected<void> write(const std::string& path, const experiment::Predicted& predicted) {
  if (!ends(path, ".npy") && !ends(path, ".npz") && !ends(path, ".csv"))
    return Error(ASSAY_E_ARGUMENT, "E0008", fmt::format("cannot tell the format of `{}`", path))
        .with_help("end the name with `.npy`, `.npz` or `.csv`");
  if (ends(path, ".csv")) return experiment::write_file(path, to_csv(predicted));
  kernels::Member out;
  out.name = "labels";
  out.dtype = ASSAY_F64;
  out.rows = static_cast<int64_t>(predicted.labels.size());
  out.cols = 2 + static_cast<int64_t>(predicted.beside.size());
  out.bytes.resize(static_cast<size_t>(out.rows * out.cols) * sizeof(double));
  auto* to = reinterpret_cast<double*>(out.bytes.data());
  for (size_t i = 0; i < predicted.labels.size(); ++i) {
    *to++ = static_cast<double>(predicted.labels[i]);
    *to++ = predicted.weights[i];
    for (const auto& [name, buffer] : predicted.beside)
      *to++ = buffer.get(static_cast<int64_t>(i), 0);
  }
  return experiment::write_array(path, out, {});
}

}  // namespace

int predict(const Tool& tool, const ApplyFlags& flags) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  catch_signals();
  const auto found =
      experiment::predict(flags.model, flags.data, registry, apply_options(tool, flags));
  if (!found) return tool.show(found.error());
  if (auto done = write(flags.output, *found); !done) return tool.show(done.error());
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
