// SPDX-License-Identifier: Apache-2.0
// The start of W for new rows, how far it is solved, and W of held-out rows.
#include "core/fit/rows.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/fit/fit.hpp"
#include "core/graph/ops.hpp"

namespace assay::fit {
namespace {

std::vector<double> column_means(const graph::Buffer& buffer) {
  std::vector<double> means(static_cast<size_t>(buffer.width));
  for (int64_t i = 0; i < buffer.rows; ++i) {
    for (int64_t a = 0; a < buffer.width; ++a) means[static_cast<size_t>(a)] += buffer.get(i, a);
  }
  for (double& m : means) m /= static_cast<double>(buffer.rows);
  return means;
}

// Mean of what multiplies W: H, or S H.
double mean_right(const graph::Model& model) {
  const std::vector<double> h = column_means(model.factor[1]);
  if (model.n_factors == 2)
    return std::accumulate(h.begin(), h.end(), 0.0) / static_cast<double>(h.size());
  const graph::Buffer& S = model.factor[2];
  double sum = 0;
  for (int64_t a = 0; a < S.rows; ++a) {
    for (int64_t c = 0; c < S.width; ++c) sum += S.get(a, c) * h[static_cast<size_t>(c)];
  }
  return sum / static_cast<double>(S.rows);
}

double mean_of(const data::Facts& facts) {
  return facts.observed > 0 ? facts.sum / facts.observed : 0;
}

// Ends where the objective no longer moves in the digits a curve shows.
StopRules solve_briefly() {
  StopRules rules;
  rules.max_iter = kStepsForTrace;
  rules.rel_tol = 1e-6;
  rules.patience = 0;
  return rules;
}

void copy(const graph::Buffer& from, graph::Buffer& to) {
  std::copy_n(from.bytes.data(), from.bytes.size(), to.bytes.data());
}

// What a solver kept from other factors must not be seen again; but what makes W from X beside
// them, the layers of an autoencoder, is the fit's. In place: plans of metrics point at it.
void take_state(const graph::Model& fitted, graph::Model& rows) {
  for (auto& [name, state] : rows.state)
    std::fill_n(state.bytes.data(), state.bytes.size(), static_cast<unsigned char>(0));
  if (fitted.layers.empty() && !fitted.apply.fn) return;
  for (const auto& [name, state] : fitted.state) {
    if (name.rfind(graph::kRowsState, 0) == 0) continue;
    const auto found = rows.state.find(name);
    if (found == rows.state.end()) {
      rows.state.emplace(name, state);
    } else {
      copy(state, found->second);
    }
  }
}

}  // namespace

void start_rows(graph::Model& rows, double mean_x) {
  const double h = mean_right(rows);
  graph::Buffer& W = rows.factor[0];
  const auto k = static_cast<double>(W.width);
  const double start = h > 0 && mean_x > 0 ? mean_x / (k * h) : 1 / k;
  for (int64_t i = 0; i < W.rows; ++i) {
    for (int64_t a = 0; a < W.width; ++a) W.set(i, a, start);
  }
}

StopRules solve_well(StopRules rules) {
  constexpr double kResidual = 1e-9, kChange = 1e-9;
  constexpr int64_t kSteps = 2000;
  rules.kkt_tol = rules.kkt_tol > 0 ? std::min(rules.kkt_tol, kResidual) : kResidual;
  rules.rel_tol = rules.rel_tol > 0 ? std::min(rules.rel_tol, kChange) : 0;
  rules.max_iter = std::max(rules.max_iter, kSteps);
  rules.max_seconds = 0;  // W must not depend on the machine
  rules.target.reset();
  return rules;
}

Expected<Result> make_rows(const Task& task) {
  graph::Model& model = *task.model;
  auto solver = Method::create(task.solver, model, -1, task.plan.log);
  if (!solver) return std::move(solver.error());
  Result result;
  result.stop = Stop::kConverged;
  result.iterations = 1;
  result.certificate = {kNotMeasured, kNotMeasured};
  TraceRow row;
  for (const int32_t purpose : {ASSAY_APPLY, ASSAY_MEASURE}) {
    auto plan = (*solver)->plan(purpose, model, task.plan);
    if (!plan) return std::move(plan.error());
    if (!*plan) continue;
    auto step = (*plan)->run(false);
    if (!step) return std::move(step.error());
    if (step->has_objective) row.loss = row.objective = result.certificate.loss = step->objective;
    if (purpose != ASSAY_APPLY) continue;
    for (const std::string& name : (*plan)->row_outputs()) {
      auto found = (*plan)->output(name);
      if (found) result.rows.emplace_back(name, std::move(*found));
    }
  }
  result.trace.rows.push_back(std::move(row));
  return result;
}

Expected<void> solve_rows(const HeldoutRows& rows,
                          const graph::Model& fitted,
                          bool brief,
                          const graph::PlanOptions& options) {
  graph::Model& model = *rows.model;
  for (int side = 1; side < model.n_factors; ++side) copy(fitted.factor[side], model.factor[side]);
  take_state(fitted, model);
  if (fitted.apply.fn) return {};  // W is made where it is asked for
  start_rows(model, mean_of(fitted.facts));
  Task task;
  task.model = &model;
  task.solver = rows.solver;
  task.stop = brief ? solve_briefly() : solve_well(rows.stop);
  task.measure_every = brief ? 5 : rows.measure_every;
  task.plan = options;
  task.plan.cancel = nullptr;  // a W that was cut short would be another number in the trace
  task.plan.log = nullptr;
  auto result = fit(task);
  if (!result) return std::move(result.error());
  return {};
}

}  // namespace assay::fit
