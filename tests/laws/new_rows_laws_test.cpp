// SPDX-License-Identifier: Apache-2.0
// Law: transform solves W's problem. On the training rows its objective never ends above that of
// the fit, and equals it where the fit had arrived; for every solver and every loss it takes.
#include "core/experiment/model_file.hpp"
#include "core/experiment/new_rows.hpp"
#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

// The objective after more steps for W with H as it is, from the W there is.
double loss_from(const graph::Model& fitted, const Posed& posed, const DataPtr& x) {
  spec::Trial trial = posed.trial;
  trial.stop.max_iter = 50;
  const auto out = attempt(trial, x, [&](fit::Task& task, graph::Model& model) {
    task.init.reset();
    for (int side = 0; side < model.n_factors; ++side) {
      model.factor[side] = fitted.factor[side];
      model.frozen[side] = side > 0;
    }
  });
  REQUIRE_MESSAGE(out.ok(), out.error().message);
  return out->result.trace.rows.back().objective;
}

void transform_is_not_worse(const Posed& posed, const DataPtr& x) {
  spec::Trial trial = posed.trial;
  trial.stop.max_iter = 400;
  trial.stop.kkt_tol = 1e-8;
  trial.measure.every = 10;
  auto fit = attempt(trial, x);
  if (!fit) {
    CHECK_MESSAGE(refusal(fit.error()), fit.error().message);
    return;
  }
  const experiment::SavedModel saved =
      experiment::save(trial, "", *fit->model, fit->data, fit->result, *registry());
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  auto rows = experiment::transform_rows(saved, x, *runtime);
  if (!rows) {
    CHECK_MESSAGE(refusal(rows.error()), rows.error().message);
    return;
  }
  const double before = fit->result.trace.rows.back().objective,
               after = rows->fitted.trace.rows.back().objective;
  const double scale = std::max(std::abs(before), 1e-12 * fit->data.facts.sumsq);
  // W alone has one minimum where the loss is convex; else another start may end in another, and
  // what holds is descent: from its own start, and from the W that was fitted.
  if (!(posed.facts.flags & ASSAY_LOSS_CONVEX)) {
    const auto& trace = rows->fitted.trace.rows;
    CHECK(after <= trace.front().objective + 1e-9 * scale);
    CHECK(loss_from(*fit->model, posed, x) <= before + 1e-6 * scale);
    return;
  }
  CHECK(after <= before + 1e-6 * scale);
  // A residual relative to a steep start can be met far from the end. W free of H may go lower than
  // W = H.
  if (fit->result.stop == fit::Stop::kConverged && posed.deterministic() && !posed.symmetric)
    CHECK(after >= before - 1e-6 * scale);
}

}  // namespace

TEST_CASE("law: transform of the training rows is not above the fit" *
          doctest::test_suite("long")) {
  for_every_solver([](const Posed& posed) {
    const Problem p = small_problem(posed, 24, posed.symmetric ? 24 : 12);
    transform_is_not_worse(posed, dense(p));
    if (posed.takes(ASSAY_TAKES_MASK)) {
      CAPTURE("masked");
      transform_is_not_worse(posed, hide_where(dense(p), scattered));
    }
  });
}
