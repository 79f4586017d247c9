// SPDX-License-Identifier: Apache-2.0
// The stop tests. A rise within rel_tol counts as converged: near the end of a monotone method it
// is rounding.
#include "core/fit/stopping.hpp"

#include <cmath>

namespace assay::fit {
namespace {

bool objective_not_finite(const TraceRow& row) { return !std::isfinite(row.objective); }

bool target_reached(const StopRules& rules, const TraceRow& row) {
  return rules.target && row.objective <= *rules.target;
}

bool change_below_tolerance(const StopRules& rules, const TraceRow& row, const StopMemory& memory) {
  return rules.rel_tol > 0 && !std::isnan(memory.previous) &&
         std::abs(memory.previous - row.objective) <= rules.rel_tol * std::abs(memory.previous);
}

bool kkt_below_tolerance(const StopRules& rules, const TraceRow& row) {
  return rules.kkt_tol > 0 && row.kkt <= rules.kkt_tol;
}

bool rose_too_often(const StopRules& rules, const StopMemory& memory) {
  return rules.patience > 0 && memory.rises >= rules.patience;
}

bool no_new_minimum(const StopRules& rules, const StopMemory& memory) {
  return rules.patience > 0 && memory.rows_without_best >= rules.patience;
}

// A step that is too long may settle where the objective only wavers, above where it began.
bool above_the_start(const TraceRow& row, const StopMemory& memory) {
  return row.objective > memory.first + 0.01 * std::abs(memory.first);
}

void remember(const TraceRow& row, StopMemory& memory) {
  const double F = row.objective;
  if (std::isnan(memory.first)) memory.first = F;
  memory.rises = F > memory.previous ? memory.rises + 1 : 0;
  memory.rows_without_best = F < memory.best ? 0 : memory.rows_without_best + 1;
  if (F < memory.best) memory.best = F;
  memory.previous = F;
}

}  // namespace

double relative_change(const StopMemory& memory, double objective) {
  if (std::isnan(memory.previous)) return kNotMeasured;
  const double change = memory.previous - objective;
  return change == 0 ? 0 : change / std::abs(memory.previous);
}

Stop test_row(const StopRules& rules, const TraceRow& row, StopMemory& memory) {
  if (objective_not_finite(row)) return Stop::kDiverged;
  const bool settled = change_below_tolerance(rules, row, memory);
  remember(row, memory);
  if (target_reached(rules, row)) return Stop::kTarget;
  if (settled || kkt_below_tolerance(rules, row)) return Stop::kConverged;
  if (rose_too_often(rules, memory)) return Stop::kDiverged;
  if (no_new_minimum(rules, memory))
    return above_the_start(row, memory) ? Stop::kDiverged : Stop::kStalled;
  return Stop::kNone;
}

Stop test_limits(const StopRules& rules, int64_t iteration, double seconds) {
  if (rules.max_iter > 0 && iteration >= rules.max_iter) return Stop::kMaxIter;
  if (rules.max_seconds > 0 && seconds >= rules.max_seconds) return Stop::kMaxSeconds;
  return Stop::kNone;
}

}  // namespace assay::fit
