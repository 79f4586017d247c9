// SPDX-License-Identifier: Apache-2.0
// Lee and Seung, "Algorithms for Non-negative Matrix Factorization" (2001), as in note 002: the
// auxiliary functions, the additive rule, and that what the solver `mu` computes is their
// minimiser. Numbers in brackets are the equations.
#include "tests/named/lee_seung.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/named/steps.hpp"

using named::column;
using named::Divergence;
using named::dot;
using named::Matrix;
using named::objective;
using named::random_matrix;
using named::rule_for_h;
using named::Solver;
using named::Squared;
using named::times;
using named::times_transposed;
using named::transposed;
using named::Uniform;
using named::Vector;

namespace {

// One column v ~ W h, with a zero in v and in W so that the borders are met too.
struct Column {
  Matrix W;
  Vector v, h;
};

Column random_column(uint64_t seed) {
  Uniform draw(seed);
  Column c{random_matrix(12, 5, draw), column(random_matrix(12, 1, draw), 0), Vector(5)};
  for (double& x : c.h) x = draw(0.05, 2);
  c.v[3] = 0;
  c.W(7, 2) = 0;
  return c;
}

double relative(double a, double b) {
  return std::abs(a - b) / std::max({std::abs(a), std::abs(b), 1e-300});
}

double largest_relative(const Matrix& a, const Matrix& b) {
  double worst = 0;
  for (size_t i = 0; i < a.a.size(); i++) worst = std::max(worst, relative(a.a[i], b.a[i]));
  return worst;
}

constexpr uint64_t kSeeds = 20;

// Sums of a few dozen terms of size 1: 100 roundings.
constexpr double kRounding = 100 * 0x1p-53;

template <class L>
void check_auxiliary() {
  for (uint64_t seed = 0; seed < kSeeds; seed++) {
    const Column c = random_column(seed);
    Uniform draw(1000 + seed);
    CHECK(std::abs(L::G(c.W, c.v, c.h, c.h) - L::F(c.W, c.v, c.h)) < kRounding * 100);
    for (int trial = 0; trial < 50; trial++) {
      Vector h = c.h;
      for (double& x : h) x *= std::exp(draw(-3, 3));
      const double f = L::F(c.W, c.v, h);
      CHECK(L::G(c.W, c.v, h, c.h) >= f - kRounding * (100 + f));
    }
  }
}

template <class L>
void check_additive() {
  for (uint64_t seed = 0; seed < kSeeds; seed++) {
    const Column c = random_column(seed);
    const Vector g = L::gradient(c.W, c.v, c.h), eta = L::additive_step(c.W, c.h),
                 rule = L::rule(c.W, c.v, c.h);
    for (size_t a = 0; a < c.h.size(); a++)
      CHECK(std::abs(c.h[a] - eta[a] * g[a] - rule[a]) < kRounding * (c.h[a] + rule[a]));
  }
}

// A start, and what one step of the solver makes of it.
struct Step {
  Matrix V, W0, H0, W1, H1;
};

template <class L>
Step one_step(uint64_t seed) {
  Uniform draw(seed);
  Step s;
  s.V = random_matrix(23, 17, draw);
  s.W0 = random_matrix(23, 4, draw);
  s.H0 = random_matrix(4, 17, draw);
  s.V(2, 3) = 0;
  Solver solver(L::loss, s.V, s.W0, s.H0);
  solver.step();
  s.W1 = solver.W();
  s.H1 = solver.H();
  return s;
}

template <class L>
void check_step_is_rule() {
  for (uint64_t seed = 0; seed < kSeeds; seed++) {
    const Step s = one_step<L>(seed);
    CHECK(largest_relative(s.W1, transposed(rule_for_h<L>(transposed(s.V), transposed(s.H0),
                                                          transposed(s.W0)))) < 1e-12);
    CHECK(largest_relative(s.H1, rule_for_h<L>(s.V, s.W1, s.H0)) < 1e-12);
  }
}

// h1 is the minimiser of G(., h0): every point nearby is higher, and F follows the chain of
// inequalities.
template <class L>
void check_minimiser(const Matrix& V,
                     const Matrix& W,
                     const Matrix& H0,
                     const Matrix& H1,
                     Uniform& draw) {
  for (size_t j = 0; j < V.cols; j++) {
    const Vector v = column(V, j), h0 = column(H0, j), h1 = column(H1, j);
    const double lowest = L::G(W, v, h1, h0), slack = kRounding * 1000;
    for (size_t a = 0; a < h1.size(); a++)
      for (const double factor : {0.9, 0.999, 1.001, 1.1}) {
        Vector h = h1;
        h[a] *= factor;
        CHECK(L::G(W, v, h, h0) > lowest);
      }
    for (int trial = 0; trial < 5; trial++) {
      Vector h = h1;
      for (double& x : h) x *= std::exp(draw(-1, 1));
      CHECK(L::G(W, v, h, h0) > lowest);
    }
    CHECK(L::F(W, v, h1) <= lowest + slack);
    CHECK(lowest <= L::G(W, v, h0, h0) + slack);
  }
}

template <class L>
void check_step_minimises() {
  for (uint64_t seed = 0; seed < 5; seed++) {
    const Step s = one_step<L>(seed);
    Uniform draw(2000 + seed);
    check_minimiser<L>(s.V, s.W1, s.H0, s.H1, draw);
    check_minimiser<L>(transposed(s.V), transposed(s.H0), transposed(s.W0), transposed(s.W1), draw);
  }
}

template <class L>
void check_descent() {
  for (uint64_t seed = 0; seed < 10; seed++) {
    Uniform draw(3000 + seed);
    const Matrix V = random_matrix(30, 20, draw);
    const Matrix W = random_matrix(30, 3 + seed, draw), H = random_matrix(3 + seed, 20, draw);
    Solver solver(L::loss, V, W, H);
    double before = objective<L>(V, W, H);
    for (int t = 0; t < 60; t++) {
      solver.step();
      const double after = objective<L>(V, solver.W(), solver.H());
      CHECK(after <= before * (1 + 600 * 0x1p-53));  // 600 terms are summed
      before = after;
    }
  }
}

}  // namespace

TEST_CASE(
    "both forms of the divergence agree") {  // (3): a log(a/b) - a + b = a (b/a - 1 - log(b/a))
  Uniform draw(7);
  for (int trial = 0; trial < 1000; trial++) {
    const double a = std::exp(draw(-8, 8)), b = std::exp(draw(-8, 8));
    CHECK(std::abs(a * std::log(a / b) - a + b - a * (b / a - 1 - std::log(b / a))) <
          kRounding * (20 * a + b));
  }
}

TEST_CASE("G touches F at h and lies above it") {  // (10) for (14), (15) and for (26), (28)
  check_auxiliary<Squared>();
  check_auxiliary<Divergence>();
}

TEST_CASE("F is its own second-order expansion") {  // (16)
  for (uint64_t seed = 0; seed < kSeeds; seed++) {
    const Column c = random_column(seed);
    Uniform draw(4000 + seed);
    Vector step(c.h.size()), h = c.h;
    for (size_t a = 0; a < h.size(); a++) h[a] += step[a] = draw(-1, 1);
    const Vector ws = times(c.W, step);
    const double expansion =
        Squared::F(c.W, c.v, c.h) + dot(step, Squared::gradient(c.W, c.v, c.h)) + 0.5 * dot(ws, ws);
    CHECK(std::abs(expansion - Squared::F(c.W, c.v, h)) < kRounding * 100);
  }
}

TEST_CASE("K - W'W is positive semi-definite") {  // (17), (18), (20), (21), (22)
  for (uint64_t seed = 0; seed < kSeeds; seed++) {
    const Column c = random_column(seed);
    const size_t k = c.h.size();
    const Vector K = Squared::K(c.W, c.h);
    Uniform draw(5000 + seed);
    for (int trial = 0; trial < 50; trial++) {
      Vector u(k), hu(k);
      for (size_t a = 0; a < k; a++) hu[a] = c.h[a] * (u[a] = draw(-1, 1));
      const Vector whu = times(c.W, hu);
      double form = -dot(whu, whu), squares = 0;
      for (size_t a = 0; a < k; a++) form += K[a] * hu[a] * hu[a];
      for (size_t i = 0; i < c.W.rows; i++)
        for (size_t a = 0; a < k; a++)
          for (size_t b = 0; b < k; b++)
            squares +=
                0.5 * c.W(i, a) * c.W(i, b) * c.h[a] * c.h[b] * (u[a] - u[b]) * (u[a] - u[b]);
      CHECK(squares >= 0);
      CHECK(std::abs(form - squares) < kRounding * 1000);
    }
    const Vector wwh =
        times_transposed(c.W, times(c.W, c.h));  // h itself is in the kernel of K - W'W
    for (size_t a = 0; a < k; a++) CHECK(std::abs(K[a] * c.h[a] - wwh[a]) < kRounding * wwh[a]);
  }
}

TEST_CASE("minus log of a sum lies below its convex bound") {  // (29), (30), (31)
  for (uint64_t seed = 0; seed < kSeeds; seed++) {
    const Column c = random_column(seed);
    Uniform draw(6000 + seed);
    Vector h = c.h;
    for (double& x : h) x *= std::exp(draw(-2, 2));
    const Vector m = times(c.W, h), at = times(c.W, c.h);
    for (size_t i = 0; i < c.W.rows; i++) {
      double bound = 0, shares = 0;
      for (size_t a = 0; a < h.size(); a++) {
        const double alpha = c.W(i, a) * c.h[a] / at[i];
        shares += alpha;
        if (alpha > 0) bound -= alpha * std::log(c.W(i, a) * h[a] / alpha);
      }
      CHECK(std::abs(shares - 1) < kRounding);
      CHECK(-std::log(m[i]) <= bound + kRounding * 10);
    }
  }
}

TEST_CASE(
    "the additive rule with its special step is the multiplicative rule") {  // (6), (7), (24),
                                                                             // (25), (33)
  check_additive<Squared>();
  check_additive<Divergence>();
}

TEST_CASE("the solver's step is the rule of equations 4 and 5") {
  check_step_is_rule<Squared>();
  check_step_is_rule<Divergence>();
}

TEST_CASE("the step of the solver minimises G") {  // (11), (24), (25), (33), for H and for W
  check_step_minimises<Squared>();
  check_step_minimises<Divergence>();
}

TEST_CASE("the objective never rises") {  // each step, float64
  check_descent<Squared>();
  check_descent<Divergence>();
}
