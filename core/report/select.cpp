// SPDX-License-Identifier: Apache-2.0
// Choosing among trials, and what is written about the choice.
#include "core/report/select.hpp"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/experiment/files.hpp"
#include "core/report/folds.hpp"

namespace assay::report {
namespace {

void offer(std::optional<Selected>& best, Selected one, size_t& compared) {
  if (!std::isfinite(one.value)) return;
  ++compared;
  if (!best || (one.lower ? one.value < best->value : one.value > best->value))
    best = std::move(one);
}

}  // namespace

std::optional<Selected> select(const experiment::RunResult& result, const spec::SelectSpec& by) {
  std::optional<Selected> best;
  if (by.by.empty()) return best;
  size_t compared = 0;
  const std::vector<Folds> folds = over_folds(result);
  for (const Folds& f : folds)
    for (const FoldMean& m : f.numbers)
      if (m.metric == by.by)
        offer(best, {by.by, by.lower, m.mean, 0, f.label, f.cell, nullptr, {}}, compared);
  if (folds.empty())
    for (const experiment::TrialResult& t : result.trials) {
      if (t.status != experiment::Status::kOk) continue;
      for (const auto& [metric, value] : closing_numbers(t))
        if (metric == by.by)
          offer(best, {by.by, by.lower, value, 0, t.label, t.cell, &t, {}}, compared);
    }
  if (best) best->of = compared;
  return best;
}

std::string selected_name(const Selected& selected) {
  std::string name;
  for (const auto& [key, value] : selected.cell) {
    if (!name.empty()) name += ", ";
    name.append(key.substr(key.find_last_of('.') + 1)).append(" ").append(value);
  }
  return name.empty() ? selected.label : name;
}

Expected<void> write_selected(const experiment::RunResult& result, Selected& selected) {
  nlohmann::ordered_json about = {{"by", selected.by},
                                  {"better", selected.lower ? "lower" : "higher"},
                                  {"value", selected.value},
                                  {"compared", selected.of},
                                  {"label", selected.label}};
  for (const auto& [key, value] : selected.cell) about["cell"][key] = value;
  if (selected.trial) {
    about["trial"] = selected.trial->id;
    about["repeat"] = selected.trial->repeat;
    const std::string folder = result.folder + "/selected";
    for (const std::string& file : selected.trial->files) {
      const auto text = experiment::read_file(selected.trial->folder + "/" + file);
      if (!text) continue;
      ASSAY_TRY(experiment::make_folder(folder));
      const std::string path = folder + "/" + std::filesystem::path(file).filename().string();
      ASSAY_TRY(experiment::write_if_changed(path, *text));
      selected.files.push_back(path);
      about["files"].push_back("selected/" + std::filesystem::path(file).filename().string());
    }
  }
  const std::string text =
      about.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  return experiment::write_if_changed(result.folder + "/selected.json", text);
}

}  // namespace assay::report
