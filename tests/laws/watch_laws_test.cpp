// SPDX-License-Identifier: Apache-2.0
// Laws of early stopping, for every solver: the model is the iterate whose watched metric was best,
// the fit ends when patience is out, and a fit that was cut ends alike.
#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

// A quarter of the rows held out and watched.
spec::Trial watching(const Posed& posed, int64_t patience) {
  spec::Trial trial = posed.trial;
  trial.split.kind = spec::SplitSpec::Kind::kRows;
  trial.split.test = 0.25;
  trial.measure.metrics = {{"heldout.rmse", "rmse", "", true}};
  trial.measure.every = 2;
  trial.stop.watch = "heldout.rmse";
  trial.stop.patience = patience;
  trial.stop.max_iter = 25;
  return trial;
}

// The best of the rows before the closing one, and where it is.
struct Seen {
  double best = std::numeric_limits<double>::infinity();
  int64_t iteration = -1, since = 0;
};
Seen seen(const fit::Trace& trace) {
  Seen s;
  for (size_t r = 0; r + 1 < trace.rows.size(); ++r) {
    const double value = trace.rows[r].metrics[0];
    ++s.since;
    if (value < s.best) s = {value, trace.rows[r].iteration, 0};
  }
  return s;
}

}  // namespace

TEST_CASE("law: a watched fit leaves its best iterate and stops when patience is out") {
  for_every_solver([](const Posed& posed) {
    if (posed.symmetric) return;
    const auto x = dense(small_problem(posed, 24, 11));
    for (const int64_t patience : {0, 2}) {
      const spec::Trial trial = watching(posed, patience);
      const auto fit = attempt(trial, x);
      if (!fit) {
        CHECK_MESSAGE(refusal(fit.error()), fit.error().message);
        return;
      }
      const fit::Trace& trace = fit->result.trace;
      const Seen s = seen(trace);
      const int64_t kept = trace.rows.back().iteration;
      // The last iterate competes too; else the closing row is of the best row.
      CHECK((kept == s.iteration || kept == fit->result.iterations));
      if (patience == 0) CHECK(fit->result.stop != fit::Stop::kStalled);
      if (fit->result.stop == fit::Stop::kStalled) CHECK(s.since >= patience);
      if (kept == fit->result.iterations || kept == 0) continue;
      // As a fit that does no more than these steps.
      spec::Trial brief = trial;
      brief.stop.watch.clear();
      brief.stop.patience = 0;
      brief.stop.max_iter = kept;
      const Outcome same = fitted(brief, x);
      for (int side = 0; side < 3; ++side) CHECK(same.factor[side] == fit->factor[side]);
      CHECK(same.result.trace.rows.back().objective == trace.rows.back().objective);
    }
  });
}

TEST_CASE("law: a watched fit that was cut ends as one that was not") {
  for_every_solver([](const Posed& posed) {
    if (posed.symmetric) return;
    const auto x = dense(small_problem(posed, 24, 11));
    const spec::Trial trial = watching(posed, 3);
    if (!attempt(trial, x)) return;
    Fixture whole(x, trial, 1), first(x, trial, 1), second(x, trial, 1);
    const fit::Result uncut = whole.run();
    if (uncut.iterations < 8) return;
    const fit::Checkpoint saved = first.cut(7);
    second.task.resume = &saved;
    const fit::Result resumed = second.run();
    CHECK(resumed.stop == uncut.stop);
    CHECK(resumed.iterations == uncut.iterations);
    CHECK(resumed.trace.rows.back().iteration == uncut.trace.rows.back().iteration);
    for (int side = 0; side < 2; ++side) CHECK(second.factor(side) == whole.factor(side));
  });
}

TEST_CASE("a model that fits noise is stopped where held-out rows are fitted best") {
  // Rank 6 of few noisy rows: the error of held-out entries falls, then rises.
  Problem p = random_problem(30, 20, 2, 5);
  for (size_t at = 0; at < p.x.size(); ++at)
    p.x[at] += 0.4 * std::abs(std::sin(static_cast<double>(at * at % 997)));
  spec::Trial trial = mu_trial("squared", 8);
  trial.split.kind = spec::SplitSpec::Kind::kEntries;
  trial.split.test = 0.3;
  trial.measure.metrics = {{"heldout.rmse", "rmse", "", true}};
  trial.measure.every = 5;
  trial.stop.watch = "heldout.rmse";
  trial.stop.patience = 6;
  trial.stop.max_iter = 3000;
  const Outcome fit = fitted(trial, dense(p));
  const Seen s = seen(fit.result.trace);
  CHECK(fit.result.stop == fit::Stop::kStalled);
  CHECK(s.since == 6);
  CHECK(s.iteration > 0);
  CHECK(fit.result.trace.rows.back().iteration == s.iteration);
  CHECK(fit.result.trace.rows.back().metrics[0] == s.best);
}
