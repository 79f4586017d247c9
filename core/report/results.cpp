// SPDX-License-Identifier: Apache-2.0
// The closing row of every trial's trace as lines of metric and value; then the mean and the spread
// over folds, and what the repeats of a cell say together.
#include "core/report/results.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/base/number.hpp"
#include "core/experiment/files.hpp"
#include "core/report/folds.hpp"
#include "core/spec/experiment.hpp"

namespace assay::report {
namespace {

using experiment::TrialResult;

std::vector<std::string> matrix_keys(const experiment::RunResult& result) {
  std::vector<std::string> keys;
  for (const TrialResult& t : result.trials) {
    for (const auto& [key, value] : t.cell) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  return keys;
}

std::string cells(const std::vector<std::pair<std::string, std::string>>& values,
                  const std::vector<std::string>& keys) {
  std::string line;
  for (const std::string& key : keys) {
    const auto cell =
        std::find_if(values.begin(), values.end(), [&](const auto& c) { return c.first == key; });
    line.append(",");
    if (cell != values.end()) line += csv_field(cell->second);
  }
  return line;
}

std::string identity(const TrialResult& t, const std::vector<std::string>& keys) {
  std::string line = t.id;
  line.append(",").append(experiment::status_name(t.status)).append(",");
  if (t.stop != fit::Stop::kNone) line += fit::stop_name(t.stop);
  line += cells(t.cell, keys);
  line.append(",").append(t.deterministic ? "deterministic" : std::to_string(t.repeat));
  return line;
}

}  // namespace

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string results_csv(const experiment::RunResult& result) {
  const std::vector<std::string> keys = matrix_keys(result);
  std::string text = "trial,status,stop";
  for (const std::string& key : keys) text.append(",").append(csv_field(key));
  text += ",repeat,metric,value\n";
  for (const TrialResult& t : result.trials) {
    const std::string head = identity(t, keys);
    const auto values = closing_numbers(t);
    if (values.empty()) text.append(head).append(",,\n");
    for (const auto& [metric, value] : values) {
      text.append(head).append(",").append(csv_field(metric)).append(",");
      if (!std::isnan(value)) text += format_shortest(value);
      text += '\n';
    }
  }
  for (const Folds& folds : over_folds(result)) {
    for (const bool spread : {false, true}) {
      auto cell = folds.cell;
      cell.emplace_back(spec::kFold, spread ? "sd" : "mean");
      for (const FoldMean& m : folds.numbers) {
        const double value = spread ? m.deviation : m.mean;
        text.append(",,")
            .append(cells(cell, keys))
            .append(",")
            .append(std::to_string(folds.repeat));
        text.append(",").append(csv_field(m.metric)).append(",");
        if (!std::isnan(value)) text += format_shortest(value);
        text += '\n';
      }
    }
  }
  for (const experiment::GroupResult& g : result.groups) {
    for (const auto& [metric, value] : g.numbers) {
      text.append(",,").append(cells(g.cell, keys)).append(",all,").append(csv_field(metric));
      text += ",";
      if (!std::isnan(value)) text += format_shortest(value);
      text += '\n';
    }
  }
  return text;
}

Expected<std::string> write_results(const experiment::RunResult& result) {
  const std::string path = result.folder + "/results.csv";
  ASSAY_TRY(experiment::write_if_changed(path, results_csv(result)));
  return path;
}

}  // namespace assay::report
