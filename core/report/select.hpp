// SPDX-License-Identifier: Apache-2.0
// The best of a run's trials by the metric of `select`; with folds, by its mean over them.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/expected.hpp"
#include "core/experiment/run.hpp"

namespace assay::report {

struct Selected {
  std::string by;
  bool lower = true;
  double value = 0;
  size_t of = 0;  // so many were compared
  std::string label;
  std::vector<std::pair<std::string, std::string>> cell;
  const experiment::TrialResult* trial = nullptr;  // null: folds together
  std::vector<std::string> files;                  // pictures of it beside the results
};

// Among trials that ended well and whose number is finite; the first of equals. Nothing where no
// metric is named or none has a number.
std::optional<Selected> select(const experiment::RunResult& result, const spec::SelectSpec& by);

// "covariance tied, components 3": the cell by the last words of its keys, or the label.
std::string selected_name(const Selected& selected);

// selected.json into the run's folder, and copies of the trial's pictures into selected/ there,
// whose paths become selected.files.
Expected<void> write_selected(const experiment::RunResult& result, Selected& selected);

}  // namespace assay::report
