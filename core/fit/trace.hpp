// SPDX-License-Identifier: Apache-2.0
// The curve of one fit, row by row, and the reasons a fit can end for.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace assay::fit {

enum class Stop {
  kNone,  // not ended
  kConverged,
  kMaxIter,
  kMaxSeconds,
  kTarget,
  kStalled,
  kDiverged,
  kInterrupted,
  kNonFinite
};

// "converged", "max_iter" ...; "none" for kNone.
const char* stop_name(Stop stop);
Stop stop_from_name(const std::string& name);

constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

// One row: the iterate that enters step `iteration` + 1 (row 0 is the start). NaN: not measured.
struct TraceRow {
  int64_t iteration = 0;
  double seconds = 0;  // spent inside steps so far
  double objective = kNotMeasured, loss = kNotMeasured, penalty = kNotMeasured;
  double kkt = kNotMeasured, rel_change = kNotMeasured;
  std::vector<double> metrics;  // in the order of Trace::columns
};

struct Trace {
  std::vector<std::string> columns;  // names of the metrics
  std::vector<TraceRow> rows;        // the last one is the certificate's
};

// With a head line; shortest numbers that read back; empty where not measured.
std::string to_csv(const Trace& trace);

}  // namespace assay::fit
