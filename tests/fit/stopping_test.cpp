// SPDX-License-Identifier: Apache-2.0
// Every reason a fit can end for, on rows made by hand and in real fits.
#include <cmath>
#include <limits>

#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;
using fit::Stop;

namespace {

fit::TraceRow row(double objective, double kkt = fit::kNotMeasured) {
  fit::TraceRow r;
  r.objective = objective;
  r.kkt = kkt;
  return r;
}

// The stop reason after each of these objectives in turn.
Stop after(const fit::StopRules& rules, const std::vector<double>& objectives) {
  fit::StopMemory memory;
  Stop stop = Stop::kNone;
  for (size_t i = 0; i < objectives.size(); ++i) {
    stop = fit::test_row(rules, row(objectives[i]), memory);
    if (i + 1 < objectives.size()) REQUIRE(stop == Stop::kNone);
  }
  return stop;
}

fit::StopRules only(double rel_tol, int64_t patience) {
  fit::StopRules r;
  r.rel_tol = rel_tol;
  r.patience = patience;
  return r;
}

}  // namespace

TEST_CASE("rows: converged when the relative change is within rel_tol, never on the first row") {
  CHECK(after(only(1e-3, 0), {10}) == Stop::kNone);
  CHECK(after(only(1e-3, 0), {10, 9.98}) == Stop::kNone);
  CHECK(after(only(1e-3, 0), {10, 9.9901}) == Stop::kConverged);
  CHECK(after(only(1e-3, 0), {-10, -10.009}) == Stop::kConverged);
  CHECK(after(only(0, 0), {10, 10}) == Stop::kNone);
  CHECK(after(only(1e-3, 0), {0, 0}) == Stop::kConverged);
}

TEST_CASE("rows: target, stalled, diverged") {
  fit::StopRules rules = only(0, 3);
  rules.target = 5;
  CHECK(after(rules, {10, 5.1}) == Stop::kNone);
  CHECK(after(rules, {10, 5}) == Stop::kTarget);
  CHECK(after(only(0, 3), {10, 9, 11, 9, 9.5}) == Stop::kStalled);
  CHECK(after(only(0, 3), {10, 11, 12, 13}) == Stop::kDiverged);
  CHECK(after(only(0, 3), {10, 9, 30, 29, 31}) == Stop::kDiverged);  // wavers above its start
  CHECK(after(only(0, 3), {10, 10.05, 10, 10.05}) == Stop::kStalled);
  CHECK(after(only(0, 3), {10, 11, 12, 9, 10, 11}) == Stop::kNone);
  CHECK(after(only(0, 0), {10, 11, 12, 13, 14, 15}) == Stop::kNone);
  CHECK(after(only(0, 3), {10, std::numeric_limits<double>::infinity()}) == Stop::kDiverged);
  CHECK(after(only(0, 3), {std::nan("")}) == Stop::kDiverged);
}

TEST_CASE("rows: the KKT test counts only where it is measured") {
  fit::StopRules rules = only(0, 0);
  rules.kkt_tol = 1e-3;
  fit::StopMemory memory;
  CHECK(fit::test_row(rules, row(5), memory) == Stop::kNone);
  CHECK(fit::test_row(rules, row(4, 2e-3), memory) == Stop::kNone);
  CHECK(fit::test_row(rules, row(3, 1e-3), memory) == Stop::kConverged);
}

TEST_CASE("limits: iterations and seconds, 0 is off") {
  fit::StopRules rules;
  rules.max_iter = 7;
  rules.max_seconds = 2;
  CHECK(fit::test_limits(rules, 6, 1.9) == Stop::kNone);
  CHECK(fit::test_limits(rules, 7, 0) == Stop::kMaxIter);
  CHECK(fit::test_limits(rules, 1, 2) == Stop::kMaxSeconds);
  rules.max_iter = 0;
  rules.max_seconds = 0;
  CHECK(fit::test_limits(rules, 1000000, 1e9) == Stop::kNone);
}

TEST_CASE("names of stop reasons survive a round trip") {
  for (int i = 0; i <= static_cast<int>(Stop::kNonFinite); ++i) {
    const auto stop = static_cast<Stop>(i);
    CHECK(fit::stop_from_name(fit::stop_name(stop)) == stop);
  }
}

TEST_CASE("fits end by max_iter, converged, target and kkt") {
  const Problem p = random_problem();
  spec::Trial trial = mu_trial("squared", p.k);
  SUBCASE("max_iter") {
    Fixture f(dense(p), trial);
    const fit::Result r = f.run();
    CHECK(r.stop == Stop::kMaxIter);
    CHECK(r.iterations == 30);
  }
  SUBCASE("converged") {
    trial.stop.rel_tol = 1e-3;
    trial.stop.max_iter = 5000;
    Fixture f(dense(p), trial);
    const fit::Result r = f.run();
    CHECK(r.stop == Stop::kConverged);
    CHECK(r.iterations < 5000);
  }
  SUBCASE("target") {
    Fixture probe(dense(p), trial);
    const double reached = probe.run().trace.rows[20].objective;
    trial.stop.target = reached;
    Fixture f(dense(p), trial);
    const fit::Result r = f.run();
    CHECK(r.stop == Stop::kTarget);
    CHECK(r.iterations == 21);
  }
  SUBCASE("kkt") {
    trial.stop.kkt_tol = 2e-2;
    trial.stop.max_iter = 20000;
    trial.measure.every = 50;
    Fixture f(dense(p), trial);
    const fit::Result r = f.run();
    CHECK(r.stop == Stop::kConverged);
    CHECK(r.trace.rows[r.trace.rows.size() - 2].kkt <= 2e-2);
  }
}

TEST_CASE("fits end by a time limit and by a cancel flag, between steps, with a certificate") {
  const Problem p = random_problem(200, 50, 4);
  spec::Trial trial = mu_trial("kl", p.k);
  trial.stop.max_iter = 1000000000;
  SUBCASE("max_seconds") {
    trial.stop.max_seconds = 0.05;
    Fixture f(dense(p), trial);
    const fit::Result r = f.run();
    CHECK(r.stop == Stop::kMaxSeconds);
    CHECK(r.seconds >= 0.05);
    CHECK(std::isfinite(r.trace.rows.back().objective));
  }
  SUBCASE("interrupted") {
    std::atomic<bool> cancel{false};
    Fixture f(dense(p), trial);
    f.task.plan.cancel = &cancel;
    f.task.on_step = [&cancel](int64_t iteration, double) {
      if (iteration == 17) cancel = true;
    };
    int saved = 0;
    f.task.save = [&saved](const fit::Checkpoint&) -> Expected<void> {
      ++saved;
      return {};
    };
    const fit::Result r = f.run();
    CHECK(r.stop == Stop::kInterrupted);
    CHECK(r.iterations == 17);
    CHECK(saved == 1);
    CHECK(r.trace.rows.back().kkt > 0);
  }
}
