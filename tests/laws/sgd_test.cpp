// SPDX-License-Identifier: Apache-2.0
// sgd: what its step schedules and the cut of the grid do, how a fit that diverges ends, and that
// penalties count once an epoch.
#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

spec::Trial sgd_trial(const std::string& options,
                      const std::string& loss = "squared",
                      const std::string& factor = "constraint: nonneg") {
  const std::string text =
      "assay: 1\nname: sgd\nmodel: { rank: 4, loss: " + loss + ", W: {" + factor + "}, H: {" +
      factor + "} }\ninit: random\nsolver: { use: sgd" + options +
      " }\nstop: { max_iter: 60, rel_tol: 0, patience: 0 }\nmeasure: { every: 1, metrics: [] }\n";
  auto parsed = spec::parse("sgd.yaml", text, {{}, {}, true}, *registry());
  REQUIRE_MESSAGE(parsed.ok(), parsed.diagnostics.front().message);
  return parsed.experiment->trials[0];
}

double last(const Outcome& o) { return o.result.trace.rows.back().objective; }
double first(const Outcome& o) { return o.result.trace.rows.front().objective; }

double size(const std::vector<double>& f) {
  double sum = 0;
  for (double v : f) sum += v * v;
  return sum;
}

}  // namespace

TEST_CASE("sgd comes near the best fit under every schedule, in float32 too") {
  const Problem p = random_problem(90, 40, 4);
  const double good = last(fitted(mu_trial("squared", 4), dense(p)));
  for (const char* options : {"", ", schedule: constant", ", schedule: inverse, step: 0.3"}) {
    CAPTURE(options);
    for (const int32_t dtype : {ASSAY_F64, ASSAY_F32}) {
      const Outcome o = fitted(sgd_trial(options), dense(p, dtype));
      CHECK(last(o) < 0.1 * first(o));
      CHECK(last(o) < 2 * good);
      for (const auto& f : o.factor)
        for (double v : f) CHECK(v >= 0);
    }
  }
}

TEST_CASE("sgd: the cut of the grid is part of the method, and any cut fits") {
  const Problem p = random_problem(90, 40, 4);
  std::vector<double> ends;
  for (const char* blocks : {"1", "2", "8", "40"}) {
    const Outcome o = fitted(sgd_trial(", blocks: " + std::string(blocks)), dense(p));
    CHECK(last(o) < 0.1 * first(o));
    ends.push_back(last(o));
  }
  CHECK(ends[0] != ends[2]);
}

TEST_CASE("sgd with steps that are too long ends with its last finite factors and says why") {
  const Problem p = random_problem(60, 23, 4);
  spec::Trial trial = sgd_trial(", schedule: constant, step: 1000", "squared", "");
  trial.stop.patience = 5;
  const Outcome o = fitted(trial, dense(p));
  CHECK((o.result.stop == fit::Stop::kNonFinite || o.result.stop == fit::Stop::kDiverged));
  for (const auto& f : o.factor)
    for (double v : f) CHECK(std::isfinite(v));
}

TEST_CASE("sgd: a penalty counts once an epoch, whatever the cut") {
  const Problem p = random_problem(90, 40, 4);
  const std::string l2 = "constraint: nonneg, penalties: [{ use: l2, weight: 0.5 }]";
  spec::Trial exact = sgd_trial("", "squared", l2);
  exact.solver = use("solver", "mu");
  exact.stop.max_iter = 500;
  const double good = last(fitted(exact, dense(p)));
  const double free = size(fitted(sgd_trial(""), dense(p)).factor[0]);
  for (const char* blocks : {"1", "4", "16"}) {
    CAPTURE(blocks);
    const Outcome o =
        fitted(sgd_trial(", blocks: " + std::string(blocks), "squared", l2), dense(p));
    CHECK(last(o) < 1.5 * good);
    CHECK(size(o.factor[0]) < 0.9 * free);
  }
}

TEST_CASE("sgd refuses sparse X whose unstored entries are zeros, and says what to do") {
  const auto refused = attempt(sgd_trial(""), sparse(random_problem()));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == "E0206");
  CHECK_FALSE(refused.error().help.empty());
}
