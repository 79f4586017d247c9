// SPDX-License-Identifier: Apache-2.0
// Multiplicative updates with the exponent a loss states: the objective falls at every step, for
// beta from -1.2 to 2.5 and for the losses that reach MU through a majoriser, with penalties and
// without.
#include <cmath>

#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

void check_descent(const Problem& p, spec::Trial trial, const char* penalty, double weight = 0.1) {
  CAPTURE(penalty);
  CAPTURE(weight);
  trial.stop.max_iter = 120;
  trial.stop.kkt_tol = 1e-300;  // every row from an exact sweep
  if (*penalty) {
    spec::Use u = use("penalty", penalty);
    u.options.values["weight"].number = weight;
    trial.model.W.penalties = {u};
    trial.model.H.penalties = {u};
  }
  Fixture f(dense(p), trial);
  const auto& rows = f.run().trace.rows;
  REQUIRE(rows.size() > 5);  // a heavy penalty ends early, at 0
  for (size_t t = 1; t < rows.size(); ++t) {
    CAPTURE(t);
    // Rounding of a sum of n d terms.
    CHECK(rows[t].objective <= rows[t - 1].objective + 1e-13 * std::abs(rows[t - 1].objective));
  }
  CHECK(rows.back().objective < rows.front().objective);
}

Problem positive_problem() {
  Problem p = random_problem(50, 27, 4);
  for (double& v : p.x) v += 0.02;
  return p;
}

}  // namespace

TEST_CASE("law: the objective falls at every step for beta from -1.2 to 2.5, with penalties") {
  const Problem p = positive_problem();
  for (const double b : {-1.2, 0.0, 0.2, 1.0, 1.5, 2.0, 2.5}) {
    CAPTURE(b);
    spec::Trial trial = mu_trial("beta", p.k);
    trial.model.loss.options.values["beta"].number = b;
    for (const char* penalty : {"", "l1", "l2"}) check_descent(p, trial, penalty);
    check_descent(p, trial, "l2", 3);
  }
}

TEST_CASE("law: the objective falls at every step where MU comes from a majoriser") {
  Problem p = positive_problem();
  for (size_t at = 0; at < p.x.size(); at += 17) p.x[at] += 5;  // outliers
  for (const char* loss : {"l1", "huber", "logistic", "itakura_saito"}) {
    CAPTURE(loss);
    Problem q = p;
    if (std::string(loss) == "logistic")
      for (double& v : q.x) v = v > 0.4 ? 1 : 0;
    for (const char* penalty : {"", "l1", "l2"}) check_descent(q, mu_trial(loss, p.k), penalty);
    check_descent(q, mu_trial(loss, p.k), "l2", 3);
  }
}
