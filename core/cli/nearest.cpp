// SPDX-License-Identifier: Apache-2.0
// assay nearest: the training rows most similar to new rows, as a table, as CSV or as JSON.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "core/base/number.hpp"
#include "core/cli/verbs.hpp"
#include "core/experiment/nearest_rows.hpp"
#include "core/report/results.hpp"

namespace assay::cli {
namespace {

using experiment::NearestRows;

// A name, or the row's number from 1.
std::string name_of(const std::vector<std::string>& names, size_t row) {
  return row < names.size() && !names[row].empty() ? names[row] : std::to_string(row + 1);
}
std::string label_of(const NearestRows& found, size_t row) {
  return row < found.labels.size() ? found.labels[row] : "";
}

void as_json(const Tool& tool, const NearestRows& found) {
  for (size_t i = 0; i < found.of.size(); ++i) {
    nlohmann::ordered_json near = nlohmann::ordered_json::array();
    for (const auto& n : found.of[i]) {
      const auto row = static_cast<size_t>(n.row);
      near.push_back({{"row", n.row + 1}, {"name", name_of(found.rows, row)}});
      if (!found.labels.empty()) near.back()["label"] = label_of(found, row);
      near.back()["cosine"] = n.cosine;
    }
    tool.out(nlohmann::ordered_json{
                 {"query", name_of(found.queries, i)}, {"row", i + 1}, {"nearest", near}}
                 .dump() +
             "\n");
  }
}

void as_csv(const Tool& tool, const NearestRows& found) {
  std::string text = "query,place,row,name,label,cosine\n";
  for (size_t i = 0; i < found.of.size(); ++i) {
    size_t place = 0;
    for (const auto& n : found.of[i]) {
      const auto row = static_cast<size_t>(n.row);
      text += fmt::format("{},{},{},{},{},{}\n", report::csv_field(name_of(found.queries, i)),
                          ++place, n.row + 1, report::csv_field(name_of(found.rows, row)),
                          report::csv_field(label_of(found, row)), format_shortest(n.cosine));
    }
  }
  tool.out(text);
}

void as_table(const Tool& tool, const NearestRows& found) {
  std::vector<std::string> head = {"query", "place", "nearest"};
  if (!found.labels.empty()) head.emplace_back("label");
  head.emplace_back("cosine");
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < found.of.size(); ++i) {
    size_t place = 0;
    for (const auto& n : found.of[i]) {
      const auto row = static_cast<size_t>(n.row);
      rows.push_back(
          {name_of(found.queries, i), std::to_string(++place), name_of(found.rows, row)});
      if (!found.labels.empty()) rows.back().push_back(label_of(found, row));
      rows.back().push_back(fmt::format("{:.4f}", n.cosine));
    }
  }
  if (!rows.empty()) tool.out(table(head, rows, tool.color_out));
}

}  // namespace

int nearest(const Tool& tool, const ApplyFlags& flags) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  catch_signals();
  const auto found = experiment::nearest_rows(flags.model, flags.data, flags.top, registry,
                                              apply_options(tool, flags));
  if (!found) return tool.show(found.error());
  if (tool.json) {
    as_json(tool, *found);
  } else if (flags.csv) {
    as_csv(tool, *found);
  } else {
    as_table(tool, *found);
  }
  for (size_t i = 0; i < found->of.size(); ++i)
    if (found->of[i].empty() && !tool.quiet)
      tool.err(fmt::format("note: row `{}` has nothing in common with the model: its W is 0\n",
                           name_of(found->queries, i)));
  return caught_signal() != 0 ? 128 + caught_signal() : kOk;
}

}  // namespace assay::cli
