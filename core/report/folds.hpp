// SPDX-License-Identifier: Apache-2.0
// What the folds of a cross-validation say together: mean and spread of each number.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/experiment/run.hpp"

namespace assay::report {

struct FoldMean {
  std::string metric;
  double mean = 0, deviation = 0;  // of the sample (n - 1); NaN for one fold
};

// The folds of one combination and repeat that ended well.
struct Folds {
  std::vector<std::pair<std::string, std::string>> cell;  // without the fold
  std::string label;
  int64_t repeat = 0, count = 0;
  std::vector<FoldMean> numbers;
};

// The numbers of a trial's closing row, named as in results.csv.
std::vector<std::pair<std::string, double>> closing_numbers(const experiment::TrialResult& trial);

// In the order of the trials; empty without folds.
std::vector<Folds> over_folds(const experiment::RunResult& result);

}  // namespace assay::report
