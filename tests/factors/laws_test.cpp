// SPDX-License-Identifier: Apache-2.0
// Laws of the solvers for other factorizations: descent, feasibility, and what must not change the
// answer.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "tests/factors/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

// A start that depends on row, column and component only.
void set_start(Fixture& f, const std::vector<int64_t>& order = {}) {
  f.task.init.reset();
  for (int side = 0; side < f.model->n_factors; ++side) {
    graph::Buffer& b = f.model->factor[side];
    for (int64_t i = 0; i < b.rows; ++i) {
      const int64_t from = side == 0 && !order.empty() ? order[static_cast<size_t>(i)] : i;
      for (int64_t a = 0; a < b.width; ++a) {
        const double t = std::sin(static_cast<double>(1 + side + 7 * from + 13 * a));
        b.set(i, a, 0.1 + t * t);
      }
    }
  }
}

std::vector<double> everything(const Fixture& f) {
  std::vector<double> all;
  for (int side = 0; side < f.model->n_factors; ++side) {
    const auto one = f.factor(side);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

bool in_sets(const Fixture& f) {
  for (int side = 0; side < f.model->n_factors; ++side) {
    const auto& set = f.model->penalties[side];
    for (const double v : f.factor(side))
      if (!std::isfinite(v) || (set && set->nonneg() && v < 0)) return false;
  }
  return true;
}

bool is_symmetric(const Case& c) { return c.name.rfind("symmetric", 0) == 0; }

}  // namespace

TEST_CASE("law: no step raises the objective, with and without penalties") {
  for (const Case& c : cases()) {
    for (const char* penalty : {"", "l1", "l2"}) {
      const bool penalised = *penalty != 0;
      if (penalised && (c.name == "onmf" || c.name.rfind("convex", 0) == 0)) continue;
      CAPTURE(c.name);
      CAPTURE(penalty);
      spec::Trial trial = c.trial;
      trial.stop.max_iter = 150;
      trial.stop.kkt_tol = 1e-300;  // every row from an exact sweep
      if (penalised) {
        spec::Use u = use("penalty", penalty);
        u.options.values["weight"].number = 0.1;
        for (spec::FactorSpec* factor : {&trial.model.W, &trial.model.H, &trial.model.S})
          if (factor->constraint) factor->penalties = {u};
        if (trial.model.rank.size() == 1) trial.model.S.penalties.clear();
      }
      Fixture f(dense(c.problem), trial);
      const fit::Result r = f.run();
      const auto& rows = r.trace.rows;
      REQUIRE(rows.size() == 151);
      for (size_t i = 1; i < rows.size(); ++i)
        CHECK(rows[i].objective <= rows[i - 1].objective + 1e-12 * std::abs(rows[0].objective));
      CHECK(rows.back().objective < 0.98 * rows.front().objective);
      CHECK(in_sets(f));
    }
  }
}

TEST_CASE("law: no step raises the objective where entries count differently") {
  for (const Case& c : cases(40, 23)) {
    CAPTURE(c.name);
    for (const Form& form : unequal_forms(c.problem)) {
      for (const char* penalty : {"", "l1", "l2"}) {
        if (*penalty && c.name == "onmf") continue;
        CAPTURE(form.name);
        CAPTURE(penalty);
        spec::Trial trial = c.trial;
        trial.stop.max_iter = 80;
        trial.stop.kkt_tol = 1e-300;
        if (*penalty) {
          spec::Use u = use("penalty", penalty);
          u.options.values["weight"].number = 0.05;
          trial.model.W.penalties = {u};
          if (!trial.model.W.constraint)
            std::swap(trial.model.W.penalties, trial.model.H.penalties);
        }
        Fixture f(form.x, trial);
        const fit::Result r = f.run();
        const auto& rows = r.trace.rows;
        for (size_t i = 1; i < rows.size(); ++i)
          CHECK(rows[i].objective <= rows[i - 1].objective + 1e-12 * std::abs(rows[0].objective));
        CHECK(rows.back().objective < 0.98 * rows.front().objective);
        CHECK(rows.back().kkt < rows.front().kkt);
        CHECK(in_sets(f));
      }
    }
  }
}

TEST_CASE("law: threads change no bit where entries count differently") {
  for (const Case& c : cases(150, 30)) {
    CAPTURE(c.name);
    for (const Form& form : unequal_forms(c.problem)) {
      CAPTURE(form.name);
      const auto fitted = [&](int threads) {
        spec::Trial trial = c.trial;
        trial.stop.max_iter = 3;
        Fixture f(form.x, trial, threads);
        f.runtime.force.run = graph::Force::Run::kGraph;
        f.task.plan = f.runtime.plan_options();
        const fit::Result r = f.run();
        std::vector<double> all = everything(f);
        all.push_back(r.certificate.kkt);
        return all;
      };
      CHECK(fitted(3) == fitted(1));
    }
  }
}

TEST_CASE("law: sparse equals dense from the same start") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    Fixture a(dense(c.problem), c.trial), b(sparse(c.problem), c.trial);
    set_start(a);
    set_start(b);
    const fit::Result ra = a.run(), rb = b.run();
    for (int side = 0; side < a.model->n_factors; ++side)
      CHECK(distance(factor(a, side), factor(b, side)) < 1e-7);
    CHECK(ra.certificate.loss == doctest::Approx(rb.certificate.loss).epsilon(1e-9));
  }
}

TEST_CASE("law: permuting rows permutes W and leaves H") {
  for (const Case& c : cases(64, 20)) {
    if (is_symmetric(c)) continue;  // columns move too
    CAPTURE(c.name);
    const Problem& p = c.problem;
    std::vector<int64_t> order(static_cast<size_t>(p.n));
    std::iota(order.begin(), order.end(), 0);
    for (size_t i = 0; i < order.size(); ++i)
      std::swap(order[i], order[(i * 37 + 11) % order.size()]);
    Problem q = p;
    for (int64_t i = 0; i < p.n; ++i)
      for (int64_t j = 0; j < p.d; ++j)
        q.x[static_cast<size_t>(i * p.d + j)] =
            p.x[static_cast<size_t>(order[static_cast<size_t>(i)] * p.d + j)];
    Fixture a(dense(p), c.trial), b(dense(q), c.trial);
    set_start(a);
    set_start(b, order);
    a.run();
    b.run();
    Mat W = factor(a, 0), permuted = W;
    for (int64_t i = 0; i < p.n; ++i)
      for (int64_t k = 0; k < W.cols; ++k) permuted(i, k) = W(order[static_cast<size_t>(i)], k);
    CHECK(distance(permuted, factor(b, 0)) < 1e-8);
    CHECK(distance(factor(a, 1), factor(b, 1)) < 1e-8);
  }
}

TEST_CASE("law: equal bits for 1, 2 and 7 threads") {
  for (const Case& c : cases(400, 30)) {
    CAPTURE(c.name);
    const auto fitted = [&c](int threads) {
      spec::Trial trial = c.trial;
      trial.stop.max_iter = 8;
      Fixture f(dense(c.problem), trial, threads);
      f.runtime.force.run = graph::Force::Run::kGraph;
      f.task.plan = f.runtime.plan_options();
      const fit::Result r = f.run();
      std::vector<double> all = everything(f);
      all.push_back(r.certificate.loss);
      return all;
    };
    const auto one = fitted(1);
    CHECK(fitted(2) == one);
    CHECK(fitted(7) == one);
  }
}

TEST_CASE("law: a resumed fit has the bits of one that was never cut") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const auto x = dense(c.problem);
    Fixture whole(x, c.trial);
    const fit::Result uncut = whole.run();
    for (const int64_t cut : {1, 7}) {
      std::vector<fit::Checkpoint> saved;
      Fixture first(x, c.trial);
      std::atomic<bool> cancel{false};
      first.task.plan.cancel = &cancel;
      first.task.on_step = [&](int64_t iteration, double) { cancel = iteration == cut; };
      first.task.save = [&saved](const fit::Checkpoint& s) -> Expected<void> {
        saved.push_back(s);
        return {};
      };
      CHECK(first.run().stop == fit::Stop::kInterrupted);
      REQUIRE(saved.size() == 1);
      Fixture second(x, c.trial, 1);
      second.task.resume = &saved[0];
      const fit::Result resumed = second.run();
      CHECK(everything(second) == everything(whole));
      REQUIRE(resumed.trace.rows.size() == uncut.trace.rows.size());
      CHECK(resumed.trace.rows.back().objective == uncut.trace.rows.back().objective);
    }
  }
}

TEST_CASE("law: float32 follows float64 over 30 steps") {
  for (const Case& c : cases(120, 40)) {
    CAPTURE(c.name);
    Fixture wide(dense(c.problem), c.trial), narrow(dense(c.problem, ASSAY_F32), c.trial);
    REQUIRE(narrow.model->compute == ASSAY_F32);
    set_start(wide);
    set_start(narrow);
    const fit::Result a = wide.run(), b = narrow.run();
    CHECK(b.certificate.loss == doctest::Approx(a.certificate.loss).epsilon(1e-3));
    CHECK(in_sets(narrow));
    const auto forms = unequal_forms(c.problem), floats = unequal_forms(c.problem, ASSAY_F32);
    for (size_t i = 0; i < 2; ++i) {  // those of dense X
      CAPTURE(forms[i].name);
      Fixture exact(forms[i].x, c.trial), rounded(floats[i].x, c.trial);
      REQUIRE(rounded.model->compute == ASSAY_F32);
      set_start(exact);
      set_start(rounded);
      const double loss = exact.run().certificate.loss;
      CHECK(rounded.run().certificate.loss == doctest::Approx(loss).epsilon(1e-3));
      CHECK(in_sets(rounded));
    }
  }
}

TEST_CASE("law: degenerate data give finite, feasible factors and a stop reason") {
  struct Data {
    const char* name;
    std::function<double(int64_t, int64_t, double)> entry;
    int64_t n, d, k;
  };
  const std::vector<Data> all = {
      {"zero rows and columns",
       [](int64_t i, int64_t j, double x) { return i % 5 == 0 || j % 4 == 1 ? 0 : x; }, 20, 20, 3},
      {"X = 0", [](int64_t, int64_t, double) { return 0.0; }, 12, 12, 3},
      {"one row", [](int64_t, int64_t, double x) { return x; }, 1, 9, 1},
      {"one column", [](int64_t, int64_t, double x) { return x; }, 9, 1, 1},
      {"one entry", [](int64_t, int64_t, double x) { return x; }, 1, 1, 1},
      {"rank of all rows", [](int64_t, int64_t, double x) { return x; }, 6, 6, 6},
      {"rank above the columns", [](int64_t, int64_t, double x) { return x; }, 9, 4, 6},
      {"equal rows", [](int64_t, int64_t j, double) { return 1.0 + static_cast<double>(j % 3); },
       14, 14, 3},
      {"subnormal", [](int64_t, int64_t, double x) { return x * 1e-310; }, 10, 10, 2},
  };
  for (const Data& data : all) {
    for (const Case& c : cases()) {
      if (is_symmetric(c) && data.n != data.d) continue;
      CAPTURE(data.name);
      CAPTURE(c.name);
      Problem p = random_problem(data.n, data.d, data.k);
      for (int64_t i = 0; i < p.n; ++i)
        for (int64_t j = 0; j < p.d; ++j) {
          double& x = p.x[static_cast<size_t>(i * p.d + j)];
          x = data.entry(i, j, 0.1 + x);
          if (is_symmetric(c) && j < i) x = p.x[static_cast<size_t>(j * p.d + i)];
        }
      if (is_symmetric(c) && std::string(data.name) == "zero rows and columns")
        for (int64_t i = 0; i < p.n; ++i)
          for (int64_t j = 0; j < p.d; ++j)
            if (i % 5 == 0 || j % 5 == 0) p.x[static_cast<size_t>(i * p.d + j)] = 0;
      if (is_symmetric(c))
        for (int64_t i = 0; i < p.n; ++i)
          for (int64_t j = 0; j < i; ++j)
            p.x[static_cast<size_t>(i * p.d + j)] = p.x[static_cast<size_t>(j * p.d + i)];
      spec::Trial trial = c.trial;
      trial.stop.max_iter = 50;
      for (int64_t& k : trial.model.rank) k = data.k;
      Fixture f(dense(p), trial);
      const fit::Result r = f.run();
      CHECK(in_sets(f));
      CHECK(r.stop != fit::Stop::kNone);
      CHECK(r.stop != fit::Stop::kNonFinite);
      CHECK(std::isfinite(r.certificate.loss));
    }
  }
}
