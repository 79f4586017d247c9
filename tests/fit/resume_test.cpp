// SPDX-License-Identifier: Apache-2.0
// A fit that is cut and resumed from its checkpoint gives the bits of one that never was.
#include <cstring>

#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

bool same(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

void check_equal(const fit::Trace& a, const fit::Trace& b) {
  REQUIRE(a.rows.size() == b.rows.size());
  for (size_t i = 0; i < a.rows.size(); ++i) {
    CHECK(a.rows[i].iteration == b.rows[i].iteration);
    CHECK(same(a.rows[i].objective, b.rows[i].objective));
    CHECK(same(a.rows[i].rel_change, b.rows[i].rel_change));
    CHECK(a.rows[i].metrics == b.rows[i].metrics);
  }
}

}  // namespace

TEST_CASE("resume: equal bits at every cut, both losses, dense and sparse") {
  const Problem p = random_problem(90, 40, 5);
  for (const char* loss : {"squared", "kl"}) {
    for (const bool is_sparse : {false, true}) {
      CAPTURE(loss);
      CAPTURE(is_sparse);
      const auto x = is_sparse ? sparse(p) : dense(p);
      spec::Trial trial = mu_trial(loss, p.k);
      trial.measure.every = 3;
      spec::Metric metric;
      metric.text = metric.id = "rel_error";
      trial.measure.metrics = {metric};
      Fixture whole(x, trial);
      const fit::Result uncut = whole.run();
      for (const int64_t cut : {1, 2, 3, 10, 29}) {
        CAPTURE(cut);
        Fixture first(x, trial);
        const fit::Checkpoint saved = first.cut(cut);
        Fixture second(x, trial, 1);
        second.task.resume = &saved;
        const fit::Result resumed = second.run();
        CHECK(resumed.stop == uncut.stop);
        CHECK(second.factor(0) == whole.factor(0));
        CHECK(second.factor(1) == whole.factor(1));
        check_equal(resumed.trace, uncut.trace);
      }
    }
  }
}

TEST_CASE("resume: stop tests remember rows from before the cut") {
  const Problem p = random_problem();
  spec::Trial trial = mu_trial("squared", p.k);
  trial.stop.rel_tol = 1e-3;
  trial.stop.max_iter = 2000;
  Fixture whole(dense(p), trial);
  const fit::Result uncut = whole.run();
  REQUIRE(uncut.iterations > 4);
  std::vector<fit::Checkpoint> saved;
  Fixture first(dense(p), trial);
  first.task.checkpoint_iterations = uncut.iterations - 1;
  first.task.save = [&saved](const fit::Checkpoint& c) -> Expected<void> {
    saved.push_back(c);
    return {};
  };
  first.run();
  REQUIRE(saved.size() == 1);
  Fixture second(dense(p), trial);
  second.task.resume = &saved[0];
  CHECK(second.run().iterations == uncut.iterations);
}

TEST_CASE("resume: a checkpoint of another shape is refused") {
  const Problem p = random_problem();
  std::vector<fit::Checkpoint> saved;
  Fixture first(dense(p), mu_trial("squared", 3));
  first.task.checkpoint_iterations = 10;
  first.task.save = [&saved](const fit::Checkpoint& c) -> Expected<void> {
    saved.push_back(c);
    return {};
  };
  first.run();
  REQUIRE(saved.size() == 2);
  Fixture second(dense(p), mu_trial("squared", 4));
  second.task.resume = &saved[0];
  auto result = fit::fit(second.task);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == "E0504");
}

TEST_CASE("a checkpoint that cannot be written ends the fit with its error") {
  const Problem p = random_problem();
  Fixture f(dense(p), mu_trial("squared", p.k));
  f.task.checkpoint_iterations = 5;
  f.task.save = [](const fit::Checkpoint&) -> Expected<void> {
    return Error(ASSAY_E_IO, "E0502", "no room");
  };
  auto result = fit::fit(f.task);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == "E0502");
}
