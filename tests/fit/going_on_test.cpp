// SPDX-License-Identifier: Apache-2.0
// Fits that start where another ended: a warm start loses nothing, and a partial fit keeps what
// earlier rows said of H.
#include "core/experiment/going_on.hpp"

#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

experiment::SavedModel saved_of(Fixture& f, const fit::Result& r) {
  return experiment::save(f.trial, "", *f.model, f.data, r, *registry());
}

spec::Trial online_trial(int64_t k, double forgetting) {
  spec::Trial t = mu_trial("squared", k);
  t.solver = use("solver", "online");
  t.solver.options.values["batch_size"].number = 20;
  t.solver.options.values["forgetting"].number = forgetting;
  t.stop.max_iter = 60;
  return t;
}

double loss_of(const experiment::SavedModel& model,
               const std::shared_ptr<const data::Data>& x,
               const experiment::Runtime& runtime) {
  auto rows = experiment::transform_rows(model, x, runtime);
  REQUIRE_MESSAGE(rows.ok(), rows.error().message);
  return rows->fitted.certificate.loss;
}

// Half the steps, saved and gone on with, are all of them at once, to the bit. The saved half.
experiment::SavedModel check_halves(const Problem& p, spec::Trial trial) {
  trial.stop.max_iter = 10;
  Fixture one(dense(p), trial), two(dense(p), trial);
  trial.stop.max_iter = 20;
  Fixture uncut(dense(p), trial);
  experiment::SavedModel model = saved_of(one, one.run());
  REQUIRE(experiment::start_from(model, two.task).ok());
  two.run();
  uncut.run();
  CHECK(two.factor(0) == uncut.factor(0));
  CHECK(two.factor(1) == uncut.factor(1));
  return model;
}

}  // namespace

TEST_CASE("warm start: two fits of half the steps are one of all, to the bit") {
  const Problem p = random_problem();
  const spec::Trial trial = mu_trial("kl", p.k);
  const experiment::SavedModel model = check_halves(p, trial);
  Fixture other(dense(random_problem(61, p.d, p.k)), trial);
  const auto refused = experiment::start_from(model, other.task);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == "E0307");
}

TEST_CASE("warm start of three factors begins with all three") {
  const Problem p = random_problem();
  spec::Trial t = mu_trial("squared", 3);
  t.solver = use("solver", "tri");
  t.model.rank = {3, 3};
  t.model.S.constraint = use("penalty", "nonneg");
  t.stop.max_iter = 30;
  Fixture one(dense(p), t);
  const experiment::SavedModel model = saved_of(one, one.run());
  Fixture two(dense(p), t);
  REQUIRE(experiment::start_from(model, two.task).ok());
  for (const int side : {0, 1, 2}) CHECK(two.factor(side) == one.factor(side));
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  const auto more = experiment::partial_fit(model, dense(p), 20, *runtime);
  REQUIRE(more.ok());
  CHECK(more->fitted.certificate.loss < 1.01 * loss_of(model, dense(p), *runtime));
}

TEST_CASE("partial fit: H moves to the new rows and keeps what the old ones said") {
  const Problem old_rows = random_problem(80, 23, 3, 3), new_rows = random_problem(40, 23, 3, 9);
  const auto goes_on = [&](const char* update, const char* state) {
    CAPTURE(update);
    spec::Trial trial = online_trial(6, 0.9);
    trial.solver.options.values["update"].text = update;
    Fixture f(dense(old_rows), trial);
    const experiment::SavedModel model = saved_of(f, f.run());
    REQUIRE(model.find(state) != nullptr);
    experiment::SavedModel forgetful = model;
    std::erase_if(forgetful.arrays,
                  [](const kernels::Member& m) { return m.name.rfind("state.", 0) == 0; });

    const auto x = dense(new_rows);
    const double before = loss_of(model, x, f.runtime);
    const auto kept = experiment::partial_fit(model, x, 3, f.runtime);
    const auto lost = experiment::partial_fit(forgetful, x, 3, f.runtime);
    REQUIRE(kept.ok());
    REQUIRE(lost.ok());
    CHECK(kept->model.find("W")->rows == 40);
    CHECK(kept->fitted.iterations == 3);
    CHECK(loss_of(kept->model, x, f.runtime) < before);
    CHECK(loss_of(kept->model, dense(old_rows), f.runtime) <
          loss_of(lost->model, dense(old_rows), f.runtime));

    // What it leaves can go on again.
    const auto again = experiment::partial_fit(kept->model, x, 2, f.runtime);
    REQUIRE(again.ok());
    CHECK(loss_of(again->model, x, f.runtime) < before);
  };
  goes_on("multiplicative", "state.kept_num");
  goes_on("coordinate", "state.kept_gram");
}

TEST_CASE("partial fit: solvers without a state go on from H alone") {
  const Problem p = random_problem(60, 23, 4, 3), q = random_problem(30, 23, 4, 5);
  Fixture f(dense(p), mu_trial("kl", p.k));
  const experiment::SavedModel model = saved_of(f, f.run());
  const auto more = experiment::partial_fit(model, dense(q), 20, f.runtime);
  REQUIRE(more.ok());
  CHECK(loss_of(more->model, dense(q), f.runtime) < loss_of(model, dense(q), f.runtime));
}

TEST_CASE("convex: a warm start goes on with A, and other rows are refused in words") {
  const Problem p = random_problem(60, 23, 4, 3);
  spec::Trial trial = mu_trial("squared", p.k);
  trial.solver = use("solver", "convex");
  trial.model.H.constraint.reset();
  const experiment::SavedModel model = check_halves(p, trial);
  Fixture other(dense(p), trial);
  for (const int64_t rows : {60, 30}) {
    const auto more =
        experiment::partial_fit(model, dense(random_problem(rows, 23, 4, 5)), 5, other.runtime);
    REQUIRE_FALSE(more.ok());
    CHECK(more.error().message.find("other rows") != std::string::npos);
  }
}
