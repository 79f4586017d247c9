// SPDX-License-Identifier: Apache-2.0
// results.csv of a run: tidy, one number a line, made from the trials and nothing else.
#pragma once

#include <string>

#include "core/base/expected.hpp"
#include "core/experiment/run.hpp"

namespace assay::report {

// A field of a CSV file, in quotes where it has to be.
std::string csv_field(const std::string& text);

// Columns: trial, status, stop, one per matrix key, repeat, metric, value. Trials without numbers
// have one line. Numbers about all repeats of a cell have an empty trial and the repeat `all`.
std::string results_csv(const experiment::RunResult& result);

// Into the run's folder; a file that would not change is left alone. Returns its path.
Expected<std::string> write_results(const experiment::RunResult& result);

}  // namespace assay::report
