// SPDX-License-Identifier: Apache-2.0
// Metrics: instances and plans made once, run on measured rows.
#include "core/fit/measure.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/fit/trace.hpp"

namespace assay::fit {
namespace {

// Freezes a model's factors while a program is built, so that it cannot write to them.
class Freeze {
 public:
  explicit Freeze(graph::Model& model) : model_(model) {
    std::copy_n(model.frozen, 3, before_);
    std::fill_n(model.frozen, 3, true);
  }
  ~Freeze() { std::copy_n(before_, 3, model_.frozen); }
  Freeze(const Freeze&) = delete;
  Freeze& operator=(const Freeze&) = delete;

 private:
  graph::Model& model_;
  bool before_[3];
};

void tell_limit(const plugin::LogSink* log) {
  if (!log || !*log) return;
  (*log)(ASSAY_LOG_INFO, "W of held-out rows is solved in at most " +
                             std::to_string(kStepsForTrace) +
                             " steps for a row of the trace, and as far as `assay transform` would "
                             "for the closing row");
}

}  // namespace

struct Measurer::Body {
  struct Column {
    std::unique_ptr<Method> method;
    std::unique_ptr<graph::Plan> plan;
    bool heldout = false;
  };
  graph::Model* model = nullptr;
  graph::Model entries;  // the same model over held-out entries; factors are copied in
  std::optional<HeldoutRows> rows;
  std::unique_ptr<Method> rows_solver;
  graph::PlanOptions options;
  std::vector<Column> columns;

  graph::Model& heldout() { return rows ? *rows->model : entries; }

  void over_entries(std::shared_ptr<const data::Data> x) {
    entries.facts = data::measure(*x);
    entries.x = std::move(x);
    entries.loss = model->loss;
    entries.density = model->density;
    entries.compute = model->compute;
    entries.n_factors = model->n_factors;
    entries.layers = model->layers;
    std::copy_n(model->penalties, 3, entries.penalties);
    std::copy_n(model->factor, 3, entries.factor);
  }

  // Where W of held-out rows is made, metrics of them ask this solver for it.
  Expected<void> made_by(const graph::PlanOptions& how) {
    if (!makes_w(*rows->solver.descriptor)) return {};
    auto made = Method::create(rows->solver, *rows->model, -1, how.log);
    if (!made) return std::move(made.error());
    rows_solver = std::move(*made);
    rows->model->apply = rows_solver->apply();
    return {};
  }

  Expected<void> take_factors(bool closing) {
    if (rows) return solve_rows(*rows, *model, !closing, options);
    for (int side = 0; side < model->n_factors; ++side) {
      const auto& from = model->factor[side].bytes;
      std::copy_n(from.data(), from.size(), entries.factor[side].bytes.data());
    }
    return {};
  }
};

Measurer::~Measurer() = default;

Expected<std::unique_ptr<Measurer>> Measurer::create(graph::Model& model,
                                                     const Heldout& heldout,
                                                     const std::vector<MetricColumn>& columns,
                                                     const graph::PlanOptions& options) {
  std::unique_ptr<Measurer> m(new Measurer);
  m->body_ = std::make_unique<Body>();
  Body& body = *m->body_;
  body.model = &model;
  body.options = options;
  const bool any_heldout =
      std::any_of(columns.begin(), columns.end(), [](const auto& c) { return c.heldout; });
  if (any_heldout && heldout.rows) {
    body.rows = heldout.rows;
    ASSAY_TRY(body.made_by(options));
    if (!body.rows->model->apply.fn) tell_limit(options.log);
  } else if (any_heldout) {
    const auto& x = heldout.entries;
    if (!x || x->rows != model.n() || x->cols != model.d()) {
      return Error(ASSAY_E_SPEC, "E0209", "a `heldout.` metric needs held-out entries or rows")
          .at("measure.metrics")
          .with_help("add `split: { use: entries, test: 0.1 }`");
    }
    body.over_entries(x);
  }

  graph::PlanOptions exact = options;
  exact.compute = ASSAY_F64;
  exact.cancel = nullptr;
  for (const MetricColumn& column : columns) {
    graph::Model& over = column.heldout ? body.heldout() : model;
    const Freeze freeze(over);
    Body::Column made;
    made.heldout = column.heldout;
    auto method = Method::create(column.chosen, over, column.side, options.log);
    if (!method) return std::move(method.error());
    made.method = std::move(*method);
    auto plan = made.method->plan(ASSAY_MEASURE, over, exact);
    if (!plan) return std::move(plan.error());
    made.plan = std::move(*plan);
    body.columns.push_back(std::move(made));
  }
  return m;
}

Expected<std::vector<double>> Measurer::measure(bool closing) {
  std::vector<double> values;
  bool taken = false;
  for (const auto& column : body_->columns) {
    if (column.heldout && !std::exchange(taken, true)) ASSAY_TRY(body_->take_factors(closing));
    double value = kNotMeasured;
    if (column.plan) {
      auto step = column.plan->run(false);
      if (step) {
        if (!step->reports.empty()) value = step->reports.begin()->second;
        if (step->has_objective) value = step->objective;
      } else if (step.error().status != ASSAY_E_NUMERIC &&
                 step.error().status != ASSAY_E_SINGULAR) {
        return std::move(step.error());
      }
    }
    // What overflows has no value here; the fit itself may be well.
    values.push_back(std::isfinite(value) ? value : kNotMeasured);
  }
  return values;
}

}  // namespace assay::fit
