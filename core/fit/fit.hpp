// SPDX-License-Identifier: Apache-2.0
// fit(): the one iteration loop. A solver states its step; starting, measuring, stopping,
// checkpoints and the certificate are here, the same for every method.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/expected.hpp"
#include "core/fit/certificate.hpp"
#include "core/fit/checkpoint.hpp"
#include "core/fit/measure.hpp"
#include "core/fit/method.hpp"
#include "core/fit/stopping.hpp"
#include "core/fit/trace.hpp"
#include "core/graph/plan.hpp"

namespace assay::fit {

// Early stopping: the fit ends when a metric has had no new best for `patience` measured rows, and
// leaves the iterate it was best at, however it ends.
struct Watch {
  size_t column = 0;  // of Task::metrics
  bool lower = true;  // is better
};

struct Task {
  graph::Model* model = nullptr;  // factors have their shapes; the fit leaves the result in them
  std::optional<Chosen> init;     // absent: the factors hold their start
  Chosen solver;
  StopRules stop;
  int64_t measure_every = 10;  // the start and the end are always measured
  std::vector<MetricColumn> metrics;
  std::optional<Watch> watch;
  Heldout heldout;          // what `heldout.` metrics read
  graph::PlanOptions plan;  // arena, ISA, log; its cancel flag stops the fit between steps, or turns of one

  const Checkpoint* resume = nullptr;
  double checkpoint_seconds = 0;  // 0: none by time
  int64_t checkpoint_iterations = 0;

  // All optional, called on the fitting thread.
  std::function<Expected<void>(const Checkpoint&)> save;  // when due, and when interrupted
  std::function<void(const Trace&, const TraceRow&)> on_row;
  std::function<void(int64_t iteration, double seconds)> on_step;
};

struct Result {
  Stop stop = Stop::kNone;
  int64_t iterations = 0;
  double seconds = 0;  // inside steps
  Evaluation certificate;
  Trace trace;                   // last row: the certificate's
  std::optional<Error> numeric;  // what the step said, for kNonFinite
  // Of new rows, by name: what a solver that makes W says of each beside it.
  std::vector<std::pair<std::string, graph::Buffer>> rows;
};

// Numerical trouble is a stop reason; an error is a plugin's or ours.
Expected<Result> fit(const Task& task);

}  // namespace assay::fit
