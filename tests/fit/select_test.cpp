// SPDX-License-Identifier: Apache-2.0
// `select`: which metric, which direction, and which trial it names.
#include "core/report/select.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "core/spec/parse.hpp"
#include "tests/fit/support.hpp"

using namespace assay;

namespace {

experiment::TrialResult trial(const std::string& label,
                              double value,
                              experiment::Status status = experiment::Status::kOk) {
  experiment::TrialResult t;
  t.id = t.label = label;
  t.cell = {{"model.components", label}};
  t.status = status;
  t.trace.columns = {"score"};
  fit::TraceRow row;
  row.metrics = {value};
  t.trace.rows.push_back(row);
  return t;
}

spec::ParseResult parsed(const std::string& metrics, const std::string& select) {
  return spec::parse("select.yaml",
                     "assay: 1\nname: select\nmodel: { rank: 2, loss: squared }\ninit: random\n"
                     "solver: hals\nmatrix: { model.rank: [2, 3] }\nmeasure: { metrics: [" +
                         metrics + "] }\nselect: " + select + "\n",
                     {{}, {}, true}, *test::registry());
}

}  // namespace

TEST_CASE("the best trial is the least or the most of a number, among those that ended well") {
  const double none = std::numeric_limits<double>::quiet_NaN();
  experiment::RunResult r;
  r.trials = {trial("a", 3), trial("b", none), trial("c", 1), trial("d", 9),
              trial("e", 0, experiment::Status::kDiverged), trial("f", 1)};
  const auto least = report::select(r, {"score", true}), most = report::select(r, {"score", false});
  REQUIRE(least);
  REQUIRE(most);
  CHECK(least->trial == &r.trials[2]);
  CHECK(least->of == 4);
  CHECK(report::selected_name(*least) == "components c");
  CHECK(most->trial == &r.trials[3]);
  CHECK(!report::select(r, {"other", true}));
  CHECK(!report::select(r, {}));
}

TEST_CASE("with folds the mean over them chooses") {
  experiment::RunResult r;
  const double values[2][2] = {{1, 6}, {3, 3}};
  for (int k = 0; k < 2; ++k)
    for (int fold = 0; fold < 2; ++fold) {
      r.trials.push_back(trial(k == 0 ? "2" : "3", values[k][fold]));
      r.trials.back().cell.emplace_back(spec::kFold, std::to_string(fold + 1));
    }
  const auto least = report::select(r, {"score", true});
  REQUIRE(least);
  CHECK(least->trial == nullptr);
  CHECK(least->value == 3);
  CHECK(least->of == 2);
  CHECK(report::selected_name(*least) == "components 3");
}

TEST_CASE("`select` names a measured metric, whose table says what is better") {
  const auto good = parsed("rel_error, explained_variance", "{ by: explained_variance }");
  REQUIRE(good.ok());
  CHECK(good.experiment->select.by == "explained_variance");
  CHECK(!good.experiment->select.lower);
  CHECK(parsed("rel_error", "{ by: rel_error }").experiment->select.lower);
  CHECK(parsed("rel_error", "{ by: objective }").experiment->select.lower);
  for (const std::string wrong : {"{ by: rmse }", "{ }", "{ by: }", "rmse", "{ of: rmse }"}) {
    CAPTURE(wrong);
    CHECK(!parsed("rel_error", wrong).ok());
  }
}
