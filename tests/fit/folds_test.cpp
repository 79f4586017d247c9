// SPDX-License-Identifier: Apache-2.0
// Cross-validation: every row is held out once in a repeat, and tables give mean and spread over
// the folds that ended well.
#include "core/report/folds.hpp"

#include <cmath>
#include <set>

#include "core/report/results.hpp"
#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;

TEST_CASE("folds hold out every row once, and another cut belongs to another repeat") {
  Problem p = random_problem(23, 5, 2);
  for (size_t at = 0; at < p.x.size(); ++at)
    p.x[at] = static_cast<double>(static_cast<int64_t>(at) / p.d);
  const auto x = dense(p);
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  std::vector<std::multiset<double>> first_folds;
  for (const int64_t repeat : {0, 1}) {
    std::multiset<double> seen;
    for (int64_t fold = 0; fold < 4; ++fold) {
      spec::Trial trial = mu_trial("squared", 2);
      trial.split.kind = spec::SplitSpec::Kind::kFolds;
      trial.split.folds = 4;
      trial.split.fold = fold;
      trial.repeat = repeat;
      const auto data = experiment::prepare(trial, x, *runtime);
      REQUIRE_MESSAGE(data.ok(), data.error().message);
      CHECK(data->train->rows + data->heldout->rows == 23);
      std::multiset<double> rows;
      for (int64_t r = 0; r < data->heldout->rows; ++r) rows.insert(data->heldout->value(r, 0));
      seen.insert(rows.begin(), rows.end());
      if (fold == 0) first_folds.push_back(rows);
    }
    CHECK(seen.size() == 23);
    CHECK(std::set<double>(seen.begin(), seen.end()).size() == 23);
  }
  CHECK(first_folds[0] != first_folds[1]);
}

TEST_CASE("results give mean and spread over the folds that ended well") {
  experiment::RunResult run;
  const double values[] = {1, 2, 6, 100};
  for (int f = 0; f < 4; ++f) {
    experiment::TrialResult t;
    t.id = std::string(1, static_cast<char>('a' + f));
    t.cell = {{"solver", "mu"}, {"fold", std::to_string(f + 1)}};
    t.label = "mu, fold " + std::to_string(f + 1);
    t.status = f == 3 ? experiment::Status::kFailed : experiment::Status::kOk;
    t.trace.columns = {"heldout.rmse"};
    fit::TraceRow row;
    row.objective = 10;
    row.metrics = {values[f]};
    t.trace.rows = {row};
    run.trials.push_back(t);
  }
  const auto all = report::over_folds(run);
  REQUIRE(all.size() == 1);
  CHECK(all[0].count == 3);
  CHECK(all[0].label == "mu");
  CHECK(all[0].numbers.back().metric == "heldout.rmse");
  CHECK(all[0].numbers.back().mean == doctest::Approx(3));
  CHECK(all[0].numbers.back().deviation == doctest::Approx(std::sqrt(7.0)));
  const std::string csv = report::results_csv(run);
  CHECK(csv.find("\n,,,mu,mean,0,heldout.rmse,3") != std::string::npos);
  CHECK(csv.find("\n,,,mu,sd,0,heldout.rmse,2.645751") != std::string::npos);
}
