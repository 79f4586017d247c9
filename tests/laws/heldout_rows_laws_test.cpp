// SPDX-License-Identifier: Apache-2.0
// Laws of held-out rows: a fit does not see them, their score is that of `transform`, and neither
// depends on threads or on where the fit was cut.
#include "core/experiment/model_file.hpp"
#include "core/experiment/new_rows.hpp"
#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

spec::Metric heldout(const std::string& id) { return {"heldout." + id, id, "", true}; }

// A third of the rows held out of a pose that takes any X.
spec::Trial by_rows(const Posed& posed, bool scored) {
  spec::Trial trial = posed.trial;
  trial.split.kind = spec::SplitSpec::Kind::kRows;
  trial.split.test = 1.0 / 3;
  trial.measure.metrics.clear();
  if (scored) trial.measure.metrics = {heldout("rmse")};
  return trial;
}

Problem problem_for(const Posed& posed) { return small_problem(posed, 21, 11); }

// Which rows the trial holds out: the draw is by their number alone, so that of data whose entries
// are the number of their row shows it.
std::vector<int64_t> held_rows(const spec::Trial& trial, Problem p) {
  for (size_t at = 0; at < p.x.size(); ++at)
    p.x[at] = static_cast<double>(static_cast<int64_t>(at) / p.d);
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  const auto prepared = experiment::prepare(trial, dense(p), *runtime);
  REQUIRE_MESSAGE(prepared.ok(), prepared.error().message);
  std::vector<int64_t> rows;
  for (int64_t r = 0; r < prepared->heldout->rows; ++r)
    rows.push_back(static_cast<int64_t>(prepared->heldout->value(r, 0)));
  return rows;
}

// The mean of x at W H, or W S H, against x, row by row of x.
double rmse_of(const kernels::Member& W, const graph::Model& fitted, const data::Data& x) {
  const graph::Buffer w = experiment::storage_view(W, 0);
  const graph::Buffer &h = fitted.factor[1], &s = fitted.factor[2];
  double sum = 0;
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t j = 0; j < x.cols; ++j) {
      double m = 0;
      for (int64_t c = 0; c < h.width; ++c) {
        double left = fitted.n_factors == 2 ? w.get(i, c) : 0;
        for (int64_t a = 0; fitted.n_factors == 3 && a < w.width; ++a)
          left += w.get(i, a) * s.get(a, c);
        m += left * h.get(j, c);
      }
      if (fitted.loss->has_link()) fitted.loss->to_means(1, &m);
      const double apart = x.value(i, j) - m;
      sum += apart * apart;
    }
  }
  return std::sqrt(sum / static_cast<double>(x.rows * x.cols));
}

}  // namespace

TEST_CASE("law: held-out rows do not change a bit of the fit") {
  for_every_solver([](const Posed& posed) {
    if (posed.symmetric) return;
    const Problem p = problem_for(posed);
    const spec::Trial blind = by_rows(posed, false);
    const Outcome one = fitted(blind, dense(p));
    REQUIRE(one.data.heldout_rows);
    CHECK(one.data.train->rows == 14);
    const std::vector<int64_t> held = held_rows(blind, p);
    REQUIRE(held.size() == 7);
    for (const double value : {std::numeric_limits<double>::quiet_NaN(), -1e9}) {
      Problem other = p;
      for (const int64_t i : held) std::fill_n(other.x.data() + i * p.d, p.d, value);
      const Outcome two = fitted(blind, dense(other));
      for (int side = 0; side < 3; ++side) CHECK(one.factor[side] == two.factor[side]);
    }
    // Being scored does not change it either.
    const auto scored = attempt(by_rows(posed, true), dense(p));
    if (!scored) {
      CHECK_MESSAGE(refusal(scored.error()), scored.error().message);
      return;
    }
    for (int side = 0; side < 3; ++side) CHECK(one.factor[side] == scored->factor[side]);
  });
}

TEST_CASE("law: the score of held-out rows is that of transform, whatever the threads") {
  for_every_solver([](const Posed& posed) {
    if (posed.symmetric) return;
    const spec::Trial trial = by_rows(posed, true);
    const auto fit = attempt(trial, dense(problem_for(posed)));
    if (!fit) return;
    const auto& trace = fit->result.trace.rows;
    for (const auto& row : trace) CHECK(std::isfinite(row.metrics[0]));
    experiment::SavedModel saved =
        experiment::save(trial, "", *fit->model, fit->data, fit->result, *registry());
    saved.about["transforms"] =
        experiment::Json::array();  // the rows held out have been through them
    auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
    REQUIRE(runtime.ok());
    data::Data held = *fit->data.heldout;
    held.id = fit->data.heldout_id;
    auto rows =
        experiment::transform_rows(saved, std::make_shared<const data::Data>(held), *runtime);
    REQUIRE_MESSAGE(rows.ok(), rows.error().message);
    CHECK(trace.back().metrics[0] ==
          doctest::Approx(rmse_of(rows->W, *fit->model, held)).epsilon(1e-9));
    const Outcome wide = fitted(trial, dense(problem_for(posed)), {}, 3, "graph");
    REQUIRE(wide.result.trace.rows.size() == trace.size());
    for (size_t r = 0; r < trace.size(); ++r)
      CHECK(wide.result.trace.rows[r].metrics == trace[r].metrics);
  });
}

TEST_CASE("law: scores of held-out rows are the same where a fit was cut") {
  for_every_solver([](const Posed& posed) {
    if (posed.symmetric) return;
    const spec::Trial trial = by_rows(posed, true);
    const auto x = dense(problem_for(posed));
    if (!attempt(trial, x)) return;
    Fixture whole(x, trial, 1), first(x, trial, 1), second(x, trial, 1);
    const fit::Result uncut = whole.run();
    if (uncut.iterations < 6) return;  // done in a step
    const fit::Checkpoint saved = first.cut(5);
    second.task.resume = &saved;
    const fit::Result resumed = second.run();
    REQUIRE(resumed.trace.rows.size() == uncut.trace.rows.size());
    for (size_t r = 0; r < uncut.trace.rows.size(); ++r)
      CHECK(resumed.trace.rows[r].metrics == uncut.trace.rows[r].metrics);
  });
}
