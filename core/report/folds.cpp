// SPDX-License-Identifier: Apache-2.0
// Means over folds: trials that differ in their fold alone, gathered and averaged.
#include "core/report/folds.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/spec/experiment.hpp"

namespace assay::report {
namespace {

using experiment::TrialResult;

struct Gathered {
  Folds folds;
  std::vector<const TrialResult*> trials;
};

// "mu, fold 2" without the fold.
std::string label_of(const TrialResult& t, const std::string& fold) {
  const std::string tail = std::string(", ") + spec::kFold + " " + fold;
  const size_t at = t.label.rfind(tail);
  return at == std::string::npos ? t.label
                                 : t.label.substr(0, at) + t.label.substr(at + tail.size());
}

std::vector<Gathered> gathered(const experiment::RunResult& result) {
  std::vector<Gathered> all;
  for (const TrialResult& t : result.trials) {
    auto cell = t.cell;
    const auto fold = std::find_if(cell.begin(), cell.end(),
                                   [](const auto& c) { return c.first == spec::kFold; });
    if (fold == cell.end() || t.status != experiment::Status::kOk) continue;
    const std::string label = label_of(t, fold->second);
    cell.erase(fold);
    auto same = std::find_if(all.begin(), all.end(), [&](const Gathered& g) {
      return g.folds.cell == cell && g.folds.repeat == t.repeat;
    });
    if (same == all.end()) {
      Gathered fresh;
      fresh.folds.cell = cell;
      fresh.folds.label = label;
      fresh.folds.repeat = t.repeat;
      same = all.insert(all.end(), std::move(fresh));
    }
    same->trials.push_back(&t);
  }
  return all;
}

FoldMean mean_of(const std::string& metric, const std::vector<double>& values) {
  FoldMean m{metric, 0, std::numeric_limits<double>::quiet_NaN()};
  const auto n = static_cast<double>(values.size());
  for (const double v : values) m.mean += v / n;
  if (values.size() < 2) return m;
  double squares = 0;
  for (const double v : values) squares += (v - m.mean) * (v - m.mean);
  m.deviation = std::sqrt(squares / (n - 1));
  return m;
}

}  // namespace

std::vector<std::pair<std::string, double>> closing_numbers(const TrialResult& t) {
  if (t.trace.rows.empty()) return {};
  const fit::TraceRow& last = t.trace.rows.back();
  std::vector<std::pair<std::string, double>> out = {
      {"objective", last.objective},
      {"loss", last.loss},
      {"penalty", last.penalty},
      {"kkt", last.kkt},
      {"iterations", static_cast<double>(t.iterations)},
      {"seconds", t.seconds}};
  for (size_t i = 0; i < std::min(last.metrics.size(), t.trace.columns.size()); ++i)
    out.emplace_back(t.trace.columns[i], last.metrics[i]);
  return out;
}

std::vector<Folds> over_folds(const experiment::RunResult& result) {
  std::vector<Folds> out;
  for (Gathered& g : gathered(result)) {
    g.folds.count = static_cast<int64_t>(g.trials.size());
    std::vector<std::vector<std::pair<std::string, double>>> numbers;
    for (const TrialResult* t : g.trials) numbers.push_back(closing_numbers(*t));
    for (size_t m = 0; m < numbers.front().size(); ++m) {
      std::vector<double> values;
      for (const auto& of_trial : numbers)
        if (m < of_trial.size()) values.push_back(of_trial[m].second);
      g.folds.numbers.push_back(mean_of(numbers.front()[m].first, values));
    }
    out.push_back(std::move(g.folds));
  }
  return out;
}

}  // namespace assay::report
