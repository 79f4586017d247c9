// SPDX-License-Identifier: Apache-2.0
// Names of stop reasons, and a trace as text.
#include "core/fit/trace.hpp"

#include <array>
#include <cmath>

#include "core/base/number.hpp"

namespace assay::fit {
namespace {

constexpr std::array<const char*, 9> kNames = {"none",        "converged",   "max_iter",
                                               "max_seconds", "target",      "stalled",
                                               "diverged",    "interrupted", "non_finite"};

void append(std::string& line, double value) {
  line += ',';
  if (!std::isnan(value)) line += format_shortest(value);
}

}  // namespace

const char* stop_name(Stop stop) { return kNames[static_cast<size_t>(stop)]; }

Stop stop_from_name(const std::string& name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<Stop>(i);
  }
  return Stop::kNone;
}

std::string to_csv(const Trace& trace) {
  std::string text = "iteration,seconds,objective,loss,penalty,kkt,rel_change";
  for (const std::string& name : trace.columns) text.append(",").append(name);
  text += '\n';
  for (const TraceRow& row : trace.rows) {
    text += std::to_string(row.iteration);
    for (double v : {row.seconds, row.objective, row.loss, row.penalty, row.kkt, row.rel_change}) {
      append(text, v);
    }
    for (double v : row.metrics) append(text, v);
    text += '\n';
  }
  return text;
}

}  // namespace assay::fit
