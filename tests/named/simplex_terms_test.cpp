// SPDX-License-Identifier: Apache-2.0
// The two terms of simplex factorization that solvers report in each step, and weights of rows and
// columns in the bound and in archetypal analysis.
#include "core/data/observe.hpp"
#include "core/spec/parse.hpp"
#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

spec::Trial by(const std::string& solver, const std::string& metrics = "") {
  auto parsed = spec::parse("terms.yaml",
                            "assay: 1\nname: terms\nmodel: { rank: 4, loss: squared }\ninit: "
                            "random\nsolver: " +
                                solver +
                                "\nstop: { max_iter: 12, rel_tol: 0, patience: 0 }\nmeasure: { "
                                "every: 1, metrics: [" +
                                metrics + "] }\n",
                            {{}, {}, true}, *registry());
  REQUIRE(parsed.ok());
  REQUIRE(!parsed.experiment->trials.empty());
  return parsed.experiment->trials.front();
}

size_t column(const fit::Trace& trace, const std::string& name) {
  const auto at = std::find(trace.columns.begin(), trace.columns.end(), name);
  REQUIRE_MESSAGE(at != trace.columns.end(), name);
  return static_cast<size_t>(at - trace.columns.begin());
}

// H starts at the rows given, W in the middle.
Change start_at(const Problem& p, const std::vector<int64_t>& rows) {
  return [&p, rows](fit::Task& task, graph::Model& model) {
    task.init.reset();
    for (int64_t a = 0; a < model.factor[1].width; ++a) {
      for (int64_t i = 0; i < model.factor[0].rows; ++i) model.factor[0].set(i, a, 0.25);
      for (int64_t j = 0; j < p.d; ++j)
        model.factor[1].set(j, a, p.x[static_cast<size_t>(rows[static_cast<size_t>(a)] * p.d + j)]);
    }
  };
}

DataPtr weighed(DataPtr x, const std::vector<double>& rows, const std::vector<double>& cols) {
  if (!rows.empty()) {
    auto made = data::weigh_rows(*x, {static_cast<int64_t>(rows.size()), 1, rows});
    REQUIRE(made.ok());
    x = std::make_shared<const data::Data>(std::move(*made));
  }
  if (cols.empty()) return x;
  auto made = data::weigh_cols(*x, {1, static_cast<int64_t>(cols.size()), cols});
  REQUIRE(made.ok());
  return std::make_shared<const data::Data>(std::move(*made));
}

// No structure, so that few rows are near a tie.
Problem spread_problem() {
  Problem p{20, 6, 4, {}};
  uint64_t state = 9;
  const auto next = [&state] {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<double>(state >> 11) / 9007199254740992.0;
  };
  for (int64_t e = 0; e < p.n * p.d; ++e) p.x.push_back(next() < 0.2 ? 0 : next());
  return p;
}

const std::vector<double> kRows = {3, 1, 0, 2, 1, 1, 2, 4, 1, 0, 1, 2, 1, 3, 1, 2, 1, 1, 2, 1};
const std::vector<int64_t> kStart = {0, 4, 7, 13};

}  // namespace

TEST_CASE("each step reports a bound and a correction that add up to half the squared error") {
  const Problem p = spread_problem();
  std::vector<double> cols = {1, 2, 0.5, 1, 3, 1};
  for (const std::string solver :
       {"simplex_mf", "archetypal", "simplex_bound", "{ use: simplex_bound, temperature: 0.1 }",
        "{ use: simplex_bound, temperature: 0.2, weights: true }"})
    for (const int weights : {0, 1, 2}) {
      CAPTURE(solver);
      CAPTURE(weights);
      const DataPtr x = weighed(dense(p), weights ? kRows : std::vector<double>{},
                                weights == 2 ? cols : std::vector<double>{});
      const spec::Trial trial = by(solver, "simplex_bound, simplex_correction");
      const Outcome out = fitted(trial, x, start_at(p, kStart));
      const fit::Trace& trace = out.result.trace;
      REQUIRE(trace.rows.size() >= 3);
      const size_t bound = column(trace, "bound"), correction = column(trace, "correction");
      const bool makes_w = solver.find("simplex_bound") != std::string::npos;
      for (const fit::TraceRow& row : trace.rows) {
        CAPTURE(row.iteration);
        const double b = row.metrics[bound], c = row.metrics[correction];
        CHECK(c <= 0);
        CHECK(2 * b == doctest::Approx(row.metrics[0]).epsilon(1e-10));
        CHECK(2 * c == doctest::Approx(row.metrics[1]).epsilon(1e-10).scale(b));
        if (!makes_w) CHECK(b + c == doctest::Approx(row.loss).epsilon(1e-10));
        if (solver == "simplex_bound") CHECK(b == doctest::Approx(row.loss).epsilon(1e-12));
        if (solver == "simplex_bound") CHECK(c == 0);
      }
    }
}

TEST_CASE("a row of weight w counts as w copies of it") {
  const Problem p = spread_problem();
  Problem copies{0, p.d, p.k, {}};
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t c = 0; c < static_cast<int64_t>(kRows[static_cast<size_t>(i)]); ++c, ++copies.n)
      copies.x.insert(copies.x.end(), p.x.begin() + i * p.d, p.x.begin() + (i + 1) * p.d);
  for (const std::string solver :
       {"simplex_mf", "archetypal", "simplex_bound", "{ use: simplex_bound, temperature: 0.1 }",
        "{ use: simplex_bound, temperature: 0.2, weights: true }"}) {
    CAPTURE(solver);
    spec::Trial trial = by(solver);
    if (solver == "archetypal") trial.stop.max_iter = 2;  // later roundings choose between rows
    const Outcome a = fitted(trial, weighed(dense(p), kRows, {}), start_at(p, kStart));
    const Outcome b = fitted(trial, weighed(sparse(p), kRows, {}), start_at(p, kStart));
    const Outcome c = fitted(trial, dense(copies), start_at(p, kStart));
    CHECK(a.result.trace.rows.back().loss ==
          doctest::Approx(c.result.trace.rows.back().loss).epsilon(1e-9));
    CHECK(b.result.trace.rows.back().loss ==
          doctest::Approx(c.result.trace.rows.back().loss).epsilon(1e-9));
    CHECK(worst_relative(a.factor[1], c.factor[1]) < 1e-7);
    CHECK(worst_relative(b.factor[1], c.factor[1]) < 1e-7);
  }
}

TEST_CASE("a column of weight c counts as itself times the root of c") {
  const Problem p = spread_problem();
  const std::vector<double> cols = {1, 4, 0.25, 1, 9, 1};
  Problem scaled = p;
  for (size_t e = 0; e < p.x.size(); ++e) scaled.x[e] *= std::sqrt(cols[e % 6]);
  for (const std::string solver :
       {"archetypal", "simplex_bound", "{ use: simplex_bound, temperature: 0.1 }"}) {
    CAPTURE(solver);
    spec::Trial trial = by(solver);
    if (solver == "archetypal") trial.stop.max_iter = 2;  // later roundings choose between rows
    const Outcome a = fitted(trial, weighed(dense(p), {}, cols), start_at(p, kStart));
    const Outcome b = fitted(trial, dense(scaled), start_at(scaled, kStart));
    CHECK(a.result.trace.rows.back().loss ==
          doctest::Approx(b.result.trace.rows.back().loss).epsilon(1e-9));
    for (int64_t j = 0; j < p.d; ++j)
      for (int64_t h = 0; h < p.k; ++h)
        CHECK(a.model->factor[1].get(j, h) * std::sqrt(cols[static_cast<size_t>(j)]) ==
              doctest::Approx(b.model->factor[1].get(j, h)).epsilon(1e-7));
  }
}

TEST_CASE("archetypes leave out rows of weight 0, and are stationary under weights") {
  Problem p = spread_problem();
  for (int64_t j = 0; j < p.d; ++j)
    p.x[static_cast<size_t>(2 * p.d + j)] = 50;  // weight 0, far out
  spec::Trial trial = by("archetypal");
  trial.stop.max_iter = 600;
  const Outcome out =
      fitted(trial, weighed(dense(p), kRows, {1, 2, 0.5, 1, 3, 1}), start_at(p, kStart));
  const auto& rows = out.result.trace.rows;
  for (size_t i = 1; i < rows.size(); ++i)
    CHECK(rows[i].objective <= rows[i - 1].objective * (1 + 1e-12));
  CHECK(rows.back().kkt < 1e-6);
  for (int64_t a = 0; a < p.k; ++a) CHECK(out.model->state.at("rows.B").get(2, a) == 0);
}
