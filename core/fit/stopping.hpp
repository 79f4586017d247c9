// SPDX-License-Identifier: Apache-2.0
// Stop tests: each a named predicate on measured rows of the trace, with the memory they need
// between rows.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "core/fit/trace.hpp"

namespace assay::fit {

// 0 switches a test off.
struct StopRules {
  int64_t max_iter = 500;
  double max_seconds = 0;
  double rel_tol = 1e-5, kkt_tol = 0;
  std::optional<double> target;
  int64_t patience = 10;
};

// What the tests remember of earlier rows; part of a checkpoint.
struct StopMemory {
  double previous = std::numeric_limits<double>::quiet_NaN();  // objective of the row before
  double best = std::numeric_limits<double>::infinity();
  int64_t rows_without_best = 0, rises = 0;
  double first = std::numeric_limits<double>::quiet_NaN();  // objective at the start
};

// (F_prev - F) / |F_prev|, NaN on the first row.
double relative_change(const StopMemory& memory, double objective);

// Tests a measured row and takes it into memory. kNone: go on.
Stop test_row(const StopRules& rules, const TraceRow& row, StopMemory& memory);

// Tests made after every step: iterations done and seconds spent.
Stop test_limits(const StopRules& rules, int64_t iteration, double seconds);

}  // namespace assay::fit
