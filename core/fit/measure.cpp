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

}  // namespace

struct Measurer::Body {
  struct Column {
    std::unique_ptr<Method> method;
    std::unique_ptr<graph::Plan> plan;
    bool heldout = false;
  };
  graph::Model* model = nullptr;
  graph::Model heldout;  // the same model over the held-out data; factors are copied in
  std::vector<Column> columns;

  void copy_factors() {
    for (int side = 0; side < model->n_factors; ++side) {
      const auto& from = model->factor[side].bytes;
      std::copy_n(from.data(), from.size(), heldout.factor[side].bytes.data());
    }
  }
};

Measurer::~Measurer() = default;

Expected<std::unique_ptr<Measurer>> Measurer::create(graph::Model& model,
                                                     std::shared_ptr<const data::Data> heldout,
                                                     const std::vector<MetricColumn>& columns,
                                                     const graph::PlanOptions& options) {
  std::unique_ptr<Measurer> m(new Measurer);
  m->body_ = std::make_unique<Body>();
  Body& body = *m->body_;
  body.model = &model;
  const bool any_heldout =
      std::any_of(columns.begin(), columns.end(), [](const auto& c) { return c.heldout; });
  if (any_heldout) {
    if (!heldout || heldout->rows != model.n() || heldout->cols != model.d()) {
      return Error(ASSAY_E_SPEC, "E0209", "a `heldout.` metric needs held-out entries")
          .at("measure.metrics")
          .with_help("add `split: { use: entries, test: 0.1 }`");
    }
    body.heldout.x = heldout;
    body.heldout.facts = data::measure(*heldout);
    body.heldout.loss = model.loss;
    body.heldout.compute = model.compute;
    body.heldout.n_factors = model.n_factors;
    std::copy_n(model.penalties, 3, body.heldout.penalties);
    std::copy_n(model.factor, 3, body.heldout.factor);
  }

  graph::PlanOptions exact = options;
  exact.compute = ASSAY_F64;
  exact.cancel = nullptr;
  for (const MetricColumn& column : columns) {
    graph::Model& over = column.heldout ? body.heldout : model;
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

Expected<std::vector<double>> Measurer::measure() {
  std::vector<double> values;
  bool copied = false;
  for (const auto& column : body_->columns) {
    if (column.heldout && !std::exchange(copied, true)) body_->copy_factors();
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
