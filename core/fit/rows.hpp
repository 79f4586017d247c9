// SPDX-License-Identifier: Apache-2.0
// Rows a model was not fitted to: W of them is a fit of its own, by the same solver with H (and S)
// frozen, its step pruned to W.
#pragma once

#include <cstdint>
#include <memory>

#include "core/base/expected.hpp"
#include "core/fit/method.hpp"
#include "core/fit/stopping.hpp"
#include "core/graph/model.hpp"
#include "core/graph/plan.hpp"

namespace assay::fit {

struct Task;
struct Result;

// Fills W with one constant, mean_x / (k mean(H)), so that W H starts at the mean of X and nothing
// depends on the order of the rows; with three factors the mean is that of S H. mean_x: of the
// training data.
void start_rows(graph::Model& rows, double mean_x);

// W alone is a smaller problem than the fit was, and is solved further: what stopped the fit early
// must not leave new rows worse off than those it saw.
StopRules solve_well(StopRules rules);

// W of new rows by a solver that makes it: one run of its lines into task.model, which stores W
// here. The result's objective is that of these rows, its `rows` what the lines leave beside W.
Expected<Result> make_rows(const Task& task);

// Held-out rows: a model over them with the training model's H and S and a W of its own, a function
// of those factors alone.
struct HeldoutRows {
  std::shared_ptr<graph::Model> model;  // frozen but for W
  Chosen solver;
  StopRules stop;  // of the fit
  int64_t measure_every = 10;
};

// Most steps for W on a measured row of the trace; the closing row has solve_well's.
inline constexpr int64_t kStepsForTrace = 100;

// Takes over the factors of `fitted` and solves for W of the held-out rows, as far as transform
// would, or (brief) at most kStepsForTrace steps. Numerical trouble leaves W where it came.
Expected<void> solve_rows(const HeldoutRows& rows,
                          const graph::Model& fitted,
                          bool brief,
                          const graph::PlanOptions& options);

}  // namespace assay::fit
