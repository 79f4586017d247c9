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

TEST_CASE("sgd fits the zeros of sparse X, weighted and hidden ones too") {
  Problem p = random_problem(90, 40, 4);
  for (size_t at = 0; at < p.x.size(); ++at)
    if ((at * 2654435761u >> 9) % 5 < 2) p.x[at] = 0;
  for (int64_t j = 0; j < p.d; ++j) p.x[static_cast<size_t>(7 * p.d + j)] = 0;  // an empty row
  for (const char* loss : {"kl", "squared", "{ use: beta, beta: 1.5 }"}) {
    for (const bool hides : {false, true}) {
      CAPTURE(loss);
      CAPTURE(hides);
      const auto shown = [&](const DataPtr& x) {
        data::Data out = hides ? *hide_where(x, scattered) : *x;
        AlignedArray<double> cols(p.d);
        for (int64_t j = 0; j < p.d; ++j)
          cols[j] = hides ? 2 - 0.2 * static_cast<double>(j % 5) : 1;
        out.col_weights = std::make_shared<const AlignedArray<double>>(std::move(cols));
        return std::make_shared<const data::Data>(std::move(out));
      };
      spec::Trial exact = sgd_trial("", loss);
      exact.solver = use("solver", "mu");
      exact.stop.max_iter = 500;
      const double good = last(fitted(exact, shown(dense(p))));
      const Outcome o = fitted(sgd_trial("", loss), shown(sparse(p)));
      CHECK(last(o) < 1.5 * good);
      CHECK(last(fitted(sgd_trial("", loss), shown(dense(p)))) < 1.5 * good);
      if (std::string(loss)[0] != '{')
        for (size_t a = 0; a < 4; ++a) CHECK(o.factor[0][7 * 4 + a] == 0);
    }
  }
}

TEST_CASE("sgd: rows of W for a known H are the same for sparse and for dense X") {
  Problem p = random_problem(40, 20, 3);
  for (size_t at = 0; at < p.x.size(); at += 3) p.x[at] = 0;
  for (const char* loss : {"kl", "squared", "huber"}) {
    CAPTURE(loss);
    const auto known = [](fit::Task& task, graph::Model& model) {
      start_by_hand()(task, model);
      model.frozen[1] = true;
    };
    const Outcome a = fitted(sgd_trial("", loss), dense(p), known),
                  b = fitted(sgd_trial("", loss), sparse(p), known);
    CHECK(last(a) == doctest::Approx(last(b)).epsilon(1e-6));
    CHECK(last(a) < 0.5 * first(a));
  }
}

TEST_CASE("sgd: a row that nothing was observed of has its penalties alone") {
  const Problem p = random_problem(60, 23, 4);
  const DataPtr x = hide_where(dense(p), [](int64_t i, int64_t j) { return i == 5 || j == 3; });
  for (const char* options : {"", ", schedule: constant"}) {
    const Outcome o = fitted(
        sgd_trial(options, "squared", "constraint: nonneg, penalties: [{ use: l1, weight: 0.01 }]"),
        x);
    for (size_t a = 0; a < 4; ++a) {
      CHECK(o.factor[0][5 * 4 + a] == 0);
      CHECK(o.factor[1][3 * 4 + a] == 0);
    }
  }
}

// Source notes 003: with one entry in a row, a visit is the step w <- w - eta (e h + lambda / n_i
// w) with n_i = 1; with n entries in a row a visit takes a share of lambda / n.
TEST_CASE("sgd: a visit takes lambda / n_i of the penalty") {
  const auto shrunk = [](int64_t d) {
    // X = 0 and H = 0: only the penalty on W moves it; constant steps of eta.
    Problem p{1, d, 1, std::vector<double>(static_cast<size_t>(d), 0.0)};
    p.x[0] = 1e-30;
    spec::Trial t = sgd_trial(", schedule: constant, step: 0.1, blocks: 1", "squared",
                              "penalties: [{ use: l2, weight: 2 }]");
    t.model.rank = {1};
    t.stop.max_iter = 1;
    const Outcome o = fitted(t, dense(p), [](fit::Task& task, graph::Model& model) {
      task.init.reset();
      model.factor[0].set(0, 0, 1);
      for (int64_t j = 0; j < model.factor[1].rows; ++j) model.factor[1].set(j, 0, 0);
    });
    return o.factor[0][0];
  };
  // An epoch takes all of it, however many entries it is spread over.
  const double once = shrunk(1);
  CHECK(once < 1);
  CHECK(shrunk(7) == doctest::Approx(once).epsilon(0.05).scale(1));
}
