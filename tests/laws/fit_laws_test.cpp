// SPDX-License-Identifier: Apache-2.0
// Laws of whole fits by multiplicative updates: descent, feasibility, and what must not change the
// answer: storage, order of rows, hidden entries, threads, and (to its accuracy) float32.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/data/observe.hpp"
#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

const char* const kLosses[] = {"squared", "kl"};

}  // namespace

TEST_CASE("law: in float64 no step raises the objective, with and without penalties") {
  const Problem p = random_problem(70, 31, 4);
  for (const char* loss : kLosses) {
    for (const char* penalty : {"", "l1", "l2"}) {
      CAPTURE(loss);
      CAPTURE(penalty);
      spec::Trial trial = mu_trial(loss, p.k);
      trial.stop.max_iter = 150;
      trial.stop.kkt_tol = 1e-300;  // every row from an exact sweep
      if (*penalty) penalise(trial, penalty, 0.1);
      Fixture f(dense(p), trial);
      const fit::Result r = f.run();
      const auto& rows = r.trace.rows;
      REQUIRE(rows.size() == 151);
      for (size_t t = 1; t < rows.size(); ++t) {
        // Rounding of a sum of n d terms.
        const double slack = 1e-13 * std::abs(rows[t - 1].objective);
        CHECK(rows[t].objective <= rows[t - 1].objective + slack);
      }
      CHECK(rows.back().objective < 0.9 * rows.front().objective);
    }
  }
}

TEST_CASE("law: factors stay feasible and finite, also from a matrix with zero rows and columns") {
  Problem p = random_problem(40, 17, 3);
  for (int64_t j = 0; j < p.d; ++j) p.x[static_cast<size_t>(5 * p.d + j)] = 0;
  for (int64_t i = 0; i < p.n; ++i) p.x[static_cast<size_t>(i * p.d + 7)] = 0;
  for (const char* loss : kLosses) {
    CAPTURE(loss);
    for (const bool is_sparse : {false, true}) {
      Fixture f(is_sparse ? sparse(p) : dense(p), mu_trial(loss, p.k));
      f.run();
      for (int side : {0, 1}) {
        for (double v : f.factor(side)) {
          CHECK(std::isfinite(v));
          CHECK(v >= 0);
        }
      }
    }
  }
}

TEST_CASE("law: sparse equals dense from the same start") {
  const Problem p = random_problem(60, 45, 5);
  for (const char* loss : kLosses) {
    CAPTURE(loss);
    Fixture a(dense(p), mu_trial(loss, p.k)), b(sparse(p), mu_trial(loss, p.k));
    a.set_start();
    b.set_start();
    const fit::Result ra = a.run(), rb = b.run();
    CHECK(worst_relative(a.factor(0), b.factor(0)) < 1e-7);
    CHECK(worst_relative(a.factor(1), b.factor(1)) < 1e-7);
    CHECK(ra.certificate.loss == doctest::Approx(rb.certificate.loss).epsilon(1e-9));
  }
}

TEST_CASE("law: permuting rows permutes W and leaves H") {
  const Problem p = random_problem(64, 20, 4);
  std::vector<int64_t> order(static_cast<size_t>(p.n));
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = 0; i < order.size(); ++i)
    std::swap(order[i], order[(i * 37 + 11) % order.size()]);
  Problem q = p;
  for (int64_t i = 0; i < p.n; ++i) {
    for (int64_t j = 0; j < p.d; ++j) {
      q.x[static_cast<size_t>(i * p.d + j)] =
          p.x[static_cast<size_t>(order[static_cast<size_t>(i)] * p.d + j)];
    }
  }
  for (const char* loss : kLosses) {
    CAPTURE(loss);
    Fixture a(dense(p), mu_trial(loss, p.k)), b(dense(q), mu_trial(loss, p.k));
    a.set_start();
    b.set_start(order);
    a.run();
    b.run();
    std::vector<double> W = a.factor(0), permuted;
    for (int64_t i : order) {
      permuted.insert(permuted.end(), W.begin() + i * p.k, W.begin() + (i + 1) * p.k);
    }
    CHECK(worst_relative(permuted, b.factor(0)) < 1e-9);
    CHECK(worst_relative(a.factor(1), b.factor(1)) < 1e-9);
  }
}

TEST_CASE("law: what stands in hidden entries changes no bit") {
  Problem p = random_problem(50, 70, 4), q = p;
  for (size_t at = 3; at < p.x.size(); at += 11) {
    p.x[at] = std::numeric_limits<double>::quiet_NaN();
    q.x[at] = at % 2 ? -1e300 : 77;
  }
  const auto hidden = [&](const Problem& problem) {
    auto x = data::hide(*dense(problem), [&](int64_t row, uint64_t* words) {
      for (int64_t j = 0; j < p.d; ++j) {
        if (std::isnan(p.x[static_cast<size_t>(row * p.d + j)]))
          words[j / 64] |= uint64_t{1} << (j % 64);
      }
    });
    REQUIRE(x.ok());
    x->id = "the same for both";
    return std::make_shared<const data::Data>(std::move(*x));
  };
  for (const char* loss : kLosses) {
    CAPTURE(loss);
    spec::Trial trial = mu_trial(loss, p.k);
    spec::Metric metric;
    metric.text = metric.id = "rmse";
    trial.measure.metrics = {metric};
    Fixture a(hidden(p), trial), b(hidden(q), trial);
    const fit::Result ra = a.run(), rb = b.run();
    CHECK(a.factor(0) == b.factor(0));
    CHECK(a.factor(1) == b.factor(1));
    CHECK(ra.trace.rows.back().objective == rb.trace.rows.back().objective);
    CHECK(std::isfinite(ra.trace.rows.back().metrics[0]));
    CHECK(ra.trace.rows.back().metrics == rb.trace.rows.back().metrics);
  }
}

TEST_CASE("law: equal bits for 1, 2, 4 and 7 threads, end to end") {
  const Problem p = random_problem(900, 60, 5);
  for (const char* loss : kLosses) {
    for (const bool is_sparse : {false, true}) {
      CAPTURE(loss);
      CAPTURE(is_sparse);
      const auto x = is_sparse ? sparse(p) : dense(p);
      Fixture one(x, mu_trial(loss, p.k), 1);
      one.force_graph();
      const fit::Result r = one.run();
      for (const int threads : {2, 4, 7}) {
        CAPTURE(threads);
        Fixture many(x, mu_trial(loss, p.k), threads);
        many.force_graph();
        const fit::Result s = many.run();
        CHECK(many.factor(0) == one.factor(0));
        CHECK(many.factor(1) == one.factor(1));
        for (size_t t = 0; t < r.trace.rows.size(); ++t) {
          CHECK(s.trace.rows[t].objective == r.trace.rows[t].objective);
        }
        CHECK(s.certificate.kkt == r.certificate.kkt);
      }
    }
  }
}

TEST_CASE("law: float32 follows float64 to 1e-4 over 50 steps") {
  const Problem p = random_problem(120, 40, 4);
  for (const char* loss : kLosses) {
    CAPTURE(loss);
    spec::Trial trial = mu_trial(loss, p.k);
    trial.stop.max_iter = 50;
    Fixture wide(dense(p), trial), narrow(dense(p, ASSAY_F32), trial);
    REQUIRE(narrow.model->compute == ASSAY_F32);
    wide.set_start();
    narrow.set_start();
    wide.run();
    narrow.run();
    CHECK(worst_relative(wide.factor(0), narrow.factor(0)) < 1e-4);
    CHECK(worst_relative(wide.factor(1), narrow.factor(1)) < 1e-4);
  }
}

TEST_CASE(
    "law: with H frozen the fit of the training rows stays where it is, and H is not touched") {
  const Problem p = random_problem();
  spec::Trial trial = mu_trial("kl", p.k);
  trial.stop.max_iter = 400;
  Fixture f(dense(p), trial);
  const fit::Result r = f.run();
  Fixture g(dense(p), trial);
  g.task.init.reset();
  g.model->factor[0] = f.model->factor[0];
  g.model->factor[1] = f.model->factor[1];
  g.model->frozen[1] = true;
  const fit::Result s = g.run();
  CHECK(g.factor(1) == f.factor(1));
  CHECK(s.certificate.loss <= r.certificate.loss * (1 + 1e-12));
}
