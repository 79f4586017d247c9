// SPDX-License-Identifier: Apache-2.0
// Laws of the KKT residual that the host takes: a number of the factors alone, between 0 and 1,
// that nothing at the border of a loss's domain can make small.
#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

bool host_takes_it(const Posed& posed) {
  const auto* table = static_cast<const assay_solver*>(posed.solver->plugin->vtable);
  return (table->flags & ASSAY_SOLVER_NO_RESIDUAL) == 0;
}

// Starts from the factors of another fit.
Change from(const Outcome& before) {
  return [&before](fit::Task& task, graph::Model& model) {
    task.init.reset();
    for (int side = 0; side < model.n_factors; ++side) {
      graph::Buffer& b = model.factor[side];
      for (int64_t i = 0; i < b.rows; ++i)
        for (int64_t a = 0; a < b.width; ++a)
          b.set(i, a, before.factor[side][static_cast<size_t>(i * b.width + a)]);
    }
  };
}

}  // namespace

TEST_CASE("law: the residual does not depend on where a fit began") {
  for_every_solver([](const Posed& posed) {
    if (!host_takes_it(posed)) return;
    const DataPtr x = dense(small_problem(posed));
    spec::Trial trial = posed.trial;
    trial.stop.kkt_tol = 1e-300;  // taken on every measured row
    const Outcome first = fitted(trial, x);
    const Outcome second = fitted(trial, x, from(first));
    const double kkt = first.result.certificate.kkt, again = second.result.trace.rows[0].kkt;
    // Rounding of the sums behind the norms, whose difference is the gradient.
    CHECK(std::abs(again - kkt) <= 1e-10 + 1e-10 * kkt);
    for (const fit::TraceRow& row : first.result.trace.rows)
      if (!std::isnan(row.kkt)) CHECK((row.kkt >= 0 && row.kkt <= 1 + 1e-12));
  });
}

TEST_CASE("law: a random start is not nearly stationary, also with zeros in X and in the factors") {
  for_every_solver([](const Posed& posed) {
    if (!host_takes_it(posed)) return;
    Problem p = small_problem(posed);
    for (size_t i = 0; i < p.x.size(); i += 3)
      if (posed.holds(0) && !posed.symmetric) p.x[i] = 0;
    spec::Trial trial = posed.trial;
    trial.stop.kkt_tol = 1e-300;
    const Change start = start_by_hand();
    const Outcome out = fitted(trial, dense(p), [&start](fit::Task& task, graph::Model& model) {
      start(task, model);
      // Rows of W and H without an entry above 0: m is at the end of the domain there.
      for (int side = 0; side < 2; ++side)
        for (int64_t a = 0; a < model.factor[side].width; ++a) model.factor[side].set(0, a, 0);
    });
    const fit::TraceRow& first = out.result.trace.rows[0];
    // Itakura and Saito's distance has no bound there, and the square of its gradient overflows.
    CHECK((first.kkt > 1e-3 || (std::isnan(first.kkt) && first.objective > 1e100)));
  });
}
