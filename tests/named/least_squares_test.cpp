// SPDX-License-Identifier: Apache-2.0
// Solvers of the least-squares family against numbers that are known: scikit-learn's factors after
// the same steps from the same start, and a matrix of exact rank, which they must factor to
// rounding.
#include <algorithm>
#include <cmath>

#include "tests/fit/support.hpp"
#include "tests/named/sklearn_factors.hpp"

using namespace assay;
using namespace assay::test;

namespace {

std::vector<spec::Use> elastic_net(double alpha, double l1_ratio) {
  if (alpha == 0) return {};
  spec::Use u = use("penalty", "elastic_net");
  u.options.values["alpha"].number = alpha;
  u.options.values["l1_ratio"].number = l1_ratio;
  return {u};
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

// Rank 5, uniform entries of the factors with half of them zero.
Problem exact_rank() {
  Problem p{60, 40, 5, std::vector<double>(60 * 40)};
  uint64_t state = 20;
  const auto next = [&state] {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<double>(state >> 11) / 9007199254740992.0;
  };
  const auto half = [&next] {
    const double keep = next(), v = next();
    return keep < 0.5 ? 0 : v;
  };
  std::vector<double> w(60 * 5), h(5 * 40);
  std::generate(w.begin(), w.end(), half);
  std::generate(h.begin(), h.end(), half);
  for (size_t i = 0; i < 60; ++i)
    for (size_t j = 0; j < 40; ++j)
      for (size_t a = 0; a < 5; ++a) p.x[i * 40 + j] += w[i * 5 + a] * h[a * 40 + j];
  return p;
}

// |X - W H| / |X|, entry by entry.
double relative_error(const Problem& p, const Fixture& f) {
  const std::vector<double> W = f.factor(0), H = f.factor(1);
  const auto k = static_cast<size_t>(p.k), d = static_cast<size_t>(p.d);
  double residual = 0, norm = 0;
  for (size_t i = 0; i < static_cast<size_t>(p.n); ++i)
    for (size_t j = 0; j < d; ++j) {
      double m = 0;
      for (size_t a = 0; a < k; ++a) m += W[i * k + a] * H[j * k + a];
      residual += (p.x[i * d + j] - m) * (p.x[i * d + j] - m);
      norm += p.x[i * d + j] * p.x[i * d + j];
    }
  return std::sqrt(residual / norm);
}

}  // namespace

TEST_CASE("cd and mu take scikit-learn's steps") {
  const Problem p{named::kRows, named::kCols, named::kRank, named::sklearn_x()};
  for (const named::SklearnCase& known : named::sklearn_cases()) {
    CAPTURE(known.code);
    for (const bool is_sparse : {false, true}) {
      CAPTURE(is_sparse);
      spec::Trial trial = mu_trial(known.loss, p.k);
      trial.solver = use("solver", known.solver);
      trial.stop.max_iter = named::kSteps;
      trial.model.W.penalties = elastic_net(known.alpha_w, known.l1_ratio);
      trial.model.H.penalties = elastic_net(known.alpha_h, known.l1_ratio);
      Fixture f(is_sparse ? sparse(p) : dense(p), trial);
      f.task.init.reset();
      std::vector<double> known_h;  // d x k
      for (int64_t i = 0; i < p.n; ++i)
        for (int64_t a = 0; a < p.k; ++a) f.model->factor[0].set(i, a, named::sklearn_w(i, a));
      for (int64_t j = 0; j < p.d; ++j)
        for (int64_t a = 0; a < p.k; ++a) {
          f.model->factor[1].set(j, a, named::sklearn_h(a, j));
          known_h.push_back(known.H[static_cast<size_t>(a * p.d + j)]);
        }
      f.run();
      CHECK(largest_difference(f.factor(0), known.W) < 1e-6);
      CHECK(largest_difference(f.factor(1), known_h) < 1e-6);
    }
  }
}

TEST_CASE("hals and block principal pivoting factor a matrix of exact rank to rounding") {
  const Problem p = exact_rank();
  for (const char* solver : {"hals", "cd", "anls_bpp"}) {
    CAPTURE(solver);
    double best = 1;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      spec::Trial trial = mu_trial("squared", p.k);
      trial.solver = use("solver", solver);
      trial.seed = seed;
      trial.stop.max_iter = 1000;
      trial.measure.every = 100;
      Fixture f(dense(p), trial);
      f.run();
      best = std::min(best, relative_error(p, f));
    }
    CHECK(best <= 1e-8);
  }
}

TEST_CASE("one step of block principal pivoting with H fixed is the exact minimiser of every row") {
  const Problem p = random_problem(50, 31, 6);
  const auto one_step = [&p](const char* solver, const char* constraint) {
    spec::Trial trial = mu_trial("squared", p.k);
    trial.solver = use("solver", solver);
    trial.stop.max_iter = 1;
    trial.model.W.constraint = use("penalty", constraint);
    trial.model.W.penalties = elastic_net(0.001, 0.5);
    Fixture f(dense(p), trial);
    f.task.init.reset();
    for (const int side : {0, 1})
      for (int64_t i = 0; i < f.model->factor[side].rows; ++i)
        for (int64_t a = 0; a < p.k; ++a)
          f.model->factor[side].set(i, a, named::sklearn_w(i, a * a + side));
    f.model->frozen[1] = true;
    return f.run().certificate.kkt;
  };
  for (const char* constraint : {"nonneg", "box"}) {
    CAPTURE(constraint);
    CHECK(one_step("anls_bpp", constraint) < 1e-12);
    CHECK(one_step("hals", constraint) > 1e-6);  // one sweep is not
  }
}
