// SPDX-License-Identifier: Apache-2.0
// Steps of the solvers against dense formulas as their papers write them.
#include "tests/factors/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

constexpr int kSteps = 4;
constexpr double kClose = 1e-10;

// The factors before the first step, and after kSteps of them.
struct Run {
  Mat W, H, S, W1, H1, S1;
};
Run run(const Case& c, const DataPtr& x) {
  spec::Trial trial = c.trial;
  trial.stop.max_iter = 0;
  trial.stop.max_seconds = 1;
  Fixture start(x, trial);
  start.task.stop.max_iter = kSteps;
  Fixture fitted(x, trial);
  fitted.task.stop.max_iter = kSteps;
  fitted.task.stop.max_seconds = 0;
  // The init alone: PREPARE belongs to the solver.
  auto init = fit::Method::create(*start.task.init, *start.model, -1, nullptr);
  REQUIRE(init.ok());
  auto plan = (*init)->plan(ASSAY_INIT, *start.model, start.task.plan);
  REQUIRE(plan.ok());
  REQUIRE((*plan)->run(false).ok());
  fitted.run();
  const auto of = [](const Fixture& f, int side) {
    return side < f.model->n_factors ? factor(f, side) : Mat(0, 0);
  };
  return {of(start, 0), of(start, 1), of(start, 2), of(fitted, 0), of(fitted, 1), of(fitted, 2)};
}

Run run(const Case& c, bool is_sparse = false) {
  return run(c, is_sparse ? sparse(c.problem) : dense(c.problem));
}

Mat times(const Mat& a, const Mat& b) {
  return zip(a, b, [](double x, double y) { return x * y; });
}
// sum over j of w_ij o_j o_j'
Mat gram_of_row(const Mat& w, int64_t i, const Mat& O) {
  Mat G(O.cols, O.cols);
  for (int64_t j = 0; j < O.rows; ++j)
    for (int64_t a = 0; a < O.cols; ++a)
      for (int64_t b = 0; b < O.cols; ++b) G(a, b) += w(i, j) * O(j, a) * O(j, b);
  return G;
}
Mat row_of(const Mat& a, int64_t i) {
  Mat out(1, a.cols);
  for (int64_t j = 0; j < a.cols; ++j) out(0, j) = a(i, j);
  return out;
}
void set_row(Mat& a, int64_t i, const Mat& row) {
  for (int64_t j = 0; j < a.cols; ++j) a(i, j) = row(0, j);
}
// F <- F * sqrt((P+ + F G-) / (P- + F G+)) with a G for each row.
Mat split_rows(const Mat& F, const Mat& w, const Mat& X, const Mat& O) {
  const Mat P = times(w, X) * O;
  Mat out = F;
  for (int64_t i = 0; i < F.rows; ++i) {
    const Mat G = gram_of_row(w, i, O), f = row_of(F, i), q = row_of(P, i);
    set_row(out, i, scaled(f, positive(q) + f * negative(G), negative(q) + f * positive(G), 0.5));
  }
  return out;
}

const Case& named(const std::vector<Case>& all, const std::string& name) {
  for (const Case& c : all)
    if (c.name == name) return c;
  FAIL("no case " << name);
  return all[0];
}

// C^-1 by Gauss-Jordan.
Mat inverse(Mat c) {
  const int64_t k = c.rows;
  Mat out(k, k);
  for (int64_t a = 0; a < k; ++a) out(a, a) = 1;
  for (int64_t a = 0; a < k; ++a) {
    const double pivot = c(a, a);
    for (int64_t j = 0; j < k; ++j) c(a, j) /= pivot, out(a, j) /= pivot;
    for (int64_t i = 0; i < k; ++i) {
      if (i == a) continue;
      const double f = c(i, a);
      for (int64_t j = 0; j < k; ++j) c(i, j) -= f * c(a, j), out(i, j) -= f * out(a, j);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("tri: squared and kl steps are the formulas, dense and sparse") {
  for (const char* name : {"tri", "tri kl"}) {
    const auto all = cases();
    const Case& c = named(all, name);
    const bool kl = std::string(name) == "tri kl";
    const Mat X = matrix(c.problem);
    const Mat ones = map(X, [](double) { return 1.0; });
    for (const bool is_sparse : {false, true}) {
      const Run r = run(c, is_sparse);
      Mat W = r.W, H = r.H, S = r.S;
      // N and D before the contraction with W, H or both.
      const auto halves = [&](Mat& n, Mat& d) {
        const Mat M = W * S * t(H);
        n = kl ? zip(X, M, [](double x, double m) { return x / m; }) : X;
        d = kl ? ones : M;
      };
      for (int step = 0; step < kSteps; ++step) {
        Mat n(0, 0), d(0, 0);
        halves(n, d);
        const Mat B = H * t(S);
        W = scaled(W, n * B, d * B, 1);
        halves(n, d);
        const Mat A = W * S;
        H = scaled(H, t(n) * A, t(d) * A, 1);
        halves(n, d);
        S = scaled(S, t(W) * n * H, t(W) * d * H, 1);
      }
      CHECK(distance(r.W1, W) < kClose);
      CHECK(distance(r.H1, H) < kClose);
      CHECK(distance(r.S1, S) < kClose);
    }
  }
}

TEST_CASE("tri: orthogonal steps are those of Ding et al., and lead towards orthogonality") {
  Case c{"tri", trial_of("tri", {4, 3}), random_problem(60, 23, 4)};
  set_option(c.trial, "orthogonal", "both");
  const Mat X = matrix(c.problem);
  const Run r = run(c);
  Mat W = r.W, H = r.H, S = r.S;
  for (int step = 0; step < kSteps; ++step) {
    const Mat nw = X * H * t(S);
    W = scaled(W, nw, W * (t(W) * nw), 0.5);
    const Mat nh = t(X) * W * S;
    H = scaled(H, nh, H * (t(H) * nh), 0.5);
    S = scaled(S, t(W) * X * H, t(W) * W * S * (t(H) * H), 1);
  }
  CHECK(distance(r.W1, W) < kClose);
  CHECK(distance(r.H1, H) < kClose);
  CHECK(distance(r.S1, S) < kClose);

  // Largest cosine of two components, with and without the rule.
  const auto overlap = [&](const char* orthogonal) {
    set_option(c.trial, "orthogonal", orthogonal);
    c.trial.stop.max_iter = 500;
    Fixture f(dense(c.problem), c.trial);
    const fit::Result result = f.run();
    CHECK(result.trace.rows.back().objective < result.trace.rows.front().objective);
    double worst = 0;
    for (const int side : {0, 1}) {
      const Mat F = factor(f, side), G = t(F) * F;
      for (int64_t a = 0; a < G.rows; ++a)
        for (int64_t b = 0; b < a; ++b)
          worst = std::max(worst, G(a, b) / std::sqrt(G(a, a) * G(b, b)));
    }
    return worst;
  };
  CHECK(overlap("both") < 0.5 * overlap("none"));
}

TEST_CASE("semi: steps are those of Ding, Li and Jordan, either factor signed") {
  for (const char* name : {"semi, H signed", "semi, W signed"}) {
    const auto all = cases();
    const Case& c = named(all, name);
    const bool h_signed = std::string(name) == "semi, H signed";
    const Mat X = h_signed ? matrix(c.problem) : t(matrix(c.problem));
    for (const bool is_sparse : {false, true}) {
      const Run r = run(c, is_sparse);
      Mat F = h_signed ? r.W : r.H, O = h_signed ? r.H : r.W;
      for (int step = 0; step < kSteps; ++step) {
        const Mat P = X * O, G = t(O) * O;
        F = scaled(F, positive(P) + F * negative(G), negative(P) + F * positive(G), 0.5);
        O = t(X) * F * inverse(t(F) * F);
      }
      CHECK(distance(h_signed ? r.W1 : r.H1, F) < 1e-9);
      CHECK(distance(h_signed ? r.H1 : r.W1, O) < 1e-9);
    }
  }
}

TEST_CASE(
    "convex: steps are those of Ding, Li and Jordan with K formed, X of one sign and of both") {
  for (const char* name : {"convex", "convex, signed X"}) {
    const auto all = cases();
    const Case& c = named(all, name);
    const Mat X = matrix(c.problem), K = X * t(X), B = map(X, [](double x) { return std::abs(x); });
    // Any split of K into non-negative symmetric matrices is a valid one.
    const Mat both = B * t(B);
    const Mat up = zip(both, K, [](double p, double q) { return (p + q) / 2; }),
              down = zip(both, K, [](double p, double q) { return (p - q) / 2; });
    const Run r = run(c);
    Mat W = r.W, A = W;
    for (int64_t a = 0; a < W.cols; ++a) {
      double sum = 0;
      for (int64_t i = 0; i < W.rows; ++i) sum += W(i, a);
      for (int64_t i = 0; i < W.rows; ++i) A(i, a) /= sum;
    }
    for (int step = 0; step < kSteps; ++step) {
      const Mat P = K * A, G = t(A) * K * A;
      W = scaled(W, positive(P) + W * negative(G), negative(P) + W * positive(G), 0.5);
      const Mat C = t(W) * W;
      A = scaled(A, up * W + down * A * C, down * W + up * A * C, 0.5);
    }
    CHECK(distance(r.W1, W) < kClose);
    CHECK(distance(r.H1, t(X) * A) < kClose);
  }
}

TEST_CASE("symmetric: steps are the powers and the damped rule, with two and three factors") {
  for (const char* name : {"symmetric", "symmetric, W S W'"}) {
    for (const char* rule : {"monotone", "damped"}) {
      const auto all = cases();
      Case c = named(all, name);
      set_option(c.trial, "rule", rule);
      const bool three = c.trial.model.rank.size() == 2, damped = std::string(rule) == "damped";
      const Mat X = matrix(c.problem);
      const Run r = run(c);
      Mat W = r.W, S(4, 4);
      for (int64_t a = 0; a < 4; ++a)
        for (int64_t b = 0; b < 4; ++b)
          S(a, b) = three ? (r.S(a, b) + r.S(b, a)) / 2 : (a == b ? 1.0 : 0.0);
      for (int step = 0; step < kSteps; ++step) {
        const Mat N = X * W * S, D = W * S * t(W) * W * S;
        W = damped ? zip(W, scaled(W, N, D, 1), [](double w, double q) { return (w + q) / 2; })
                   : scaled(W, N, D, 0.25);
        if (three) S = scaled(S, t(W) * X * W, t(W) * W * S * t(W) * W, 0.5);
      }
      CHECK(distance(r.W1, W) < kClose);
      CHECK(r.H1.v == r.W1.v);
      if (three) CHECK(distance(r.S1, S) < kClose);
    }
  }
}

TEST_CASE("onmf: steps are assignments and projections of the rows") {
  const Case c{"onmf", trial_of("onmf", {2}), random_problem(60, 23, 2)};
  const Mat X = matrix(c.problem);
  for (const bool is_sparse : {false, true}) {
    const Run r = run(c, is_sparse);
    Mat W = r.W, H = r.H;
    for (int step = 0; step < kSteps; ++step) {
      const Mat P = X * H, G = t(H) * H;
      W = Mat(W.rows, W.cols);
      for (int64_t i = 0; i < X.rows; ++i) {
        int64_t best = 0;
        for (int64_t a = 1; a < W.cols; ++a)
          if (P(i, a) / std::sqrt(G(a, a)) > P(i, best) / std::sqrt(G(best, best))) best = a;
        W(i, best) = P(i, best) / std::sqrt(G(best, best));
      }
      for (int64_t a = 0; a < W.cols; ++a) {
        double squares = 0;
        for (int64_t i = 0; i < W.rows; ++i) squares += W(i, a) * W(i, a);
        REQUIRE(squares > 0);
        for (int64_t i = 0; i < W.rows; ++i) W(i, a) /= std::sqrt(squares);
      }
      H = t(X) * W;
    }
    CHECK(distance(r.W1, W) < kClose);
    CHECK(distance(r.H1, H) < kClose);
  }
}

TEST_CASE("semi: where entries count differently each row has its own Gram matrix") {
  for (const char* name : {"semi, H signed", "semi, W signed"}) {
    const auto all = cases(40, 17);
    const Case& c = named(all, name);
    const bool h_signed = std::string(name) == "semi, H signed";
    for (const Form& form : unequal_forms(c.problem)) {
      CAPTURE(form.name);
      const Mat X = h_signed ? matrix(c.problem) : t(matrix(c.problem)),
                w = h_signed ? form.weights : t(form.weights);
      const Run r = run(c, form.x);
      Mat F = h_signed ? r.W : r.H, O = h_signed ? r.H : r.W;
      for (int step = 0; step < kSteps; ++step) {
        F = split_rows(F, w, X, O);
        const Mat Q = t(times(w, X)) * F;
        for (int64_t j = 0; j < O.rows; ++j)
          set_row(O, j, row_of(Q, j) * inverse(gram_of_row(t(w), j, F)));
      }
      CHECK(distance(h_signed ? r.W1 : r.H1, F) < 1e-8);
      CHECK(distance(h_signed ? r.H1 : r.W1, O) < 1e-8);
    }
  }
}

TEST_CASE("convex: where entries count differently components combine what is observed") {
  for (const char* name : {"convex", "convex, signed X"}) {
    const auto all = cases(40, 17);
    const Case& c = named(all, name);
    for (const Form& form : unequal_forms(c.problem)) {
      CAPTURE(form.name);
      const Mat X = matrix(c.problem), &w = form.weights;
      const Mat Y = zip(X, w, [](double x, double v) { return v > 0 ? x : 0; }),
                B = map(Y, [](double x) { return std::abs(x); });
      const Run r = run(c, form.x);
      Mat W = r.W, A = W;
      for (int64_t a = 0; a < W.cols; ++a) {
        double sum = 0;
        for (int64_t i = 0; i < W.rows; ++i) {
          double count = 0;
          for (int64_t j = 0; j < w.cols; ++j) count += w(i, j);
          sum += A(i, a) *= count;
        }
        for (int64_t i = 0; i < W.rows; ++i) A(i, a) /= sum;
      }
      for (int step = 0; step < kSteps; ++step) {
        const Mat H = t(Y) * A;
        W = split_rows(W, w, X, H);
        const Mat R = Y * t(times(w, X)) * W, E = Y * t(times(w, W * t(H))) * W,
                  E2 = B * t(times(w, W * t(A) * B)) * W;
        A = scaled(A, positive(R) + map(E2 - E, [](double v) { return v / 2; }),
                   negative(R) + map(E2 + E, [](double v) { return v / 2; }), 0.5);
      }
      CHECK(distance(r.W1, W) < 1e-9);
      CHECK(distance(r.H1, t(Y) * A) < 1e-9);
    }
  }
}

TEST_CASE("symmetric: x_ij and x_ji count each with its own weight") {
  for (const char* name : {"symmetric", "symmetric, W S W'"}) {
    const auto all = cases(30);
    const Case& c = named(all, name);
    const bool three = c.trial.model.rank.size() == 2;
    for (const Form& form : unequal_forms(c.problem)) {
      CAPTURE(form.name);
      const Mat X = matrix(c.problem), &w = form.weights;
      const Run r = run(c, form.x);
      const auto even = [](const Mat& m) { return map(m + t(m), [](double v) { return v / 2; }); };
      const Mat wx = even(times(w, X)), w2 = even(w);
      Mat W = r.W, S(4, 4);
      for (int64_t a = 0; a < 4; ++a)
        for (int64_t b = 0; b < 4; ++b)
          S(a, b) = three ? (r.S(a, b) + r.S(b, a)) / 2 : (a == b ? 1.0 : 0.0);
      for (int step = 0; step < kSteps; ++step) {
        W = scaled(W, wx * W * S, times(w2, W * S * t(W)) * W * S, 0.25);
        if (three) S = scaled(S, t(W) * wx * W, t(W) * times(w2, W * S * t(W)) * W, 0.5);
      }
      CHECK(distance(r.W1, W) < kClose);
      CHECK(r.H1.v == r.W1.v);
      if (three) CHECK(distance(r.S1, S) < kClose);
    }
  }
}

TEST_CASE("onmf: labels, weights and components are best over what is observed") {
  const Case c{"onmf", trial_of("onmf", {3}), random_problem(50, 19, 3)};
  for (const Form& form : unequal_forms(c.problem)) {
    CAPTURE(form.name);
    const Mat X = matrix(c.problem), &w = form.weights;
    const Run r = run(c, form.x);
    Mat W = r.W, H = r.H;
    const auto square = [](const Mat& m) { return map(m, [](double v) { return v * v; }); };
    for (int step = 0; step < kSteps; ++step) {
      const Mat P = times(w, X) * H, Q = w * square(H);
      W = Mat(W.rows, W.cols);
      for (int64_t i = 0; i < X.rows; ++i) {
        int64_t best = 0;
        for (int64_t a = 1; a < W.cols; ++a)
          if (P(i, a) * P(i, a) / Q(i, a) > P(i, best) * P(i, best) / Q(i, best)) best = a;
        W(i, best) = P(i, best) / Q(i, best);
      }
      for (int64_t a = 0; a < W.cols; ++a) {
        double squares = 0;
        for (int64_t i = 0; i < W.rows; ++i) squares += W(i, a) * W(i, a);
        REQUIRE(squares > 0);
        for (int64_t i = 0; i < W.rows; ++i) W(i, a) /= std::sqrt(squares);
      }
      H = zip(t(times(w, X)) * W, t(w) * square(W),
              [](double n, double d) { return d > 0 ? n / d : 0; });
    }
    CHECK(distance(r.W1, W) < kClose);
    CHECK(distance(r.H1, H) < kClose);
  }
}
