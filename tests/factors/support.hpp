// SPDX-License-Identifier: Apache-2.0
// Trials of the solvers for other factorizations than W H >= 0, and small dense algebra that says
// what they must give.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/data/observe.hpp"
#include "tests/fit/support.hpp"

namespace assay::test {

struct Mat {
  int64_t rows = 0, cols = 0;
  std::vector<double> v;
  Mat(int64_t r, int64_t c) : rows(r), cols(c), v(static_cast<size_t>(r * c)) {}
  Mat(int64_t r, int64_t c, std::vector<double> values) : rows(r), cols(c), v(std::move(values)) {}
  double& operator()(int64_t i, int64_t j) { return v[static_cast<size_t>(i * cols + j)]; }
  double operator()(int64_t i, int64_t j) const { return v[static_cast<size_t>(i * cols + j)]; }
};

inline Mat operator*(const Mat& a, const Mat& b) {
  Mat out(a.rows, b.cols);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t l = 0; l < a.cols; ++l)
      for (int64_t j = 0; j < b.cols; ++j) out(i, j) += a(i, l) * b(l, j);
  return out;
}
inline Mat t(const Mat& a) {
  Mat out(a.cols, a.rows);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.cols; ++j) out(j, i) = a(i, j);
  return out;
}
inline Mat map(const Mat& a, const std::function<double(double)>& f) {
  Mat out = a;
  for (double& x : out.v) x = f(x);
  return out;
}
inline Mat zip(const Mat& a, const Mat& b, const std::function<double(double, double)>& f) {
  Mat out = a;
  for (size_t i = 0; i < a.v.size(); ++i) out.v[i] = f(a.v[i], b.v[i]);
  return out;
}
inline Mat positive(const Mat& a) {
  return map(a, [](double x) { return x > 0 ? x : 0; });
}
inline Mat negative(const Mat& a) {
  return map(a, [](double x) { return x < 0 ? -x : 0; });
}
inline Mat operator+(const Mat& a, const Mat& b) {
  return zip(a, b, [](double x, double y) { return x + y; });
}
inline Mat operator-(const Mat& a, const Mat& b) {
  return zip(a, b, [](double x, double y) { return x - y; });
}
// F * (N / D)^e
inline Mat scaled(const Mat& F, const Mat& N, const Mat& D, double e) {
  const Mat r = zip(N, D, [e](double n, double d) { return std::pow(n / d, e); });
  return zip(F, r, [](double f, double q) { return f * q; });
}
inline double half_squares(const Mat& a) {
  double sum = 0;
  for (double x : a.v) sum += x * x;
  return sum / 2;
}
inline double distance(const Mat& a, const Mat& b) {
  REQUIRE(a.v.size() == b.v.size());
  double worst = 0, size = 0;
  for (size_t i = 0; i < a.v.size(); ++i) {
    worst = std::max(worst, std::abs(a.v[i] - b.v[i]));
    size = std::max(size, std::abs(b.v[i]));
  }
  return size > 0 ? worst / size : worst;
}

inline Mat matrix(const Problem& p) { return {p.n, p.d, p.x}; }
// A factor as stored: W n x k, H d x k, S k1 x k2.
inline Mat factor(const Fixture& f, int side) {
  const graph::Buffer& b = f.model->factor[side];
  return {b.rows, b.width, f.factor(side)};
}

// Solver `id` with its usual constraints on W, H and S: "nf" is nonneg on W, free on H.
inline spec::Trial trial_of(const std::string& id,
                            const std::vector<int64_t>& rank,
                            const std::string& sets = "nnn",
                            const std::string& loss = "squared") {
  spec::Trial trial = mu_trial(loss, rank[0]);
  trial.model.rank = rank;
  trial.solver = use("solver", id);
  spec::FactorSpec* const factors[3] = {&trial.model.W, &trial.model.H, &trial.model.S};
  for (size_t s = 0; s < 3; ++s) {
    factors[s]->constraint.reset();
    if (s < sets.size() && sets[s] == 'n') factors[s]->constraint = use("penalty", "nonneg");
  }
  return trial;
}

inline void set_option(spec::Trial& trial, const std::string& name, const std::string& text) {
  auto& value = trial.solver.options.values.at(name);
  value.text = text;
  value.has_text = value.given = true;
}

// One of the solvers under test and the data it is made for.
struct Case {
  std::string name;
  spec::Trial trial;
  Problem problem;
};

// X of both signs.
inline Problem signed_problem(int64_t n, int64_t d, int64_t k) {
  Problem p = random_problem(n, d, k);
  for (size_t i = 0; i < p.x.size(); ++i)
    p.x[i] -= 0.3 + 0.4 * std::sin(static_cast<double>(i) * 0.37);
  return p;
}
// X X', scaled: square and symmetric.
inline Problem symmetric_problem(int64_t n, int64_t k) {
  const Problem p = random_problem(n, 2 * k + 3, k);
  const Mat X = matrix(p);
  Mat K = X * t(X);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < i; ++j) K(j, i) = K(i, j);
  return {n, n, k, K.v};
}

inline std::vector<Case> cases(int64_t n = 60, int64_t d = 23) {
  std::vector<Case> all;
  const Problem plain = random_problem(n, d, 4);
  all.push_back({"tri", trial_of("tri", {4, 3}), plain});
  all.push_back({"tri kl", trial_of("tri", {3, 5}, "nnn", "kl"), plain});
  all.push_back({"semi, H signed", trial_of("semi", {4}, "nf"), signed_problem(n, d, 4)});
  all.push_back({"semi, W signed", trial_of("semi", {4}, "fn"), signed_problem(n, d, 4)});
  all.push_back({"convex", trial_of("convex", {4}, "nf"), plain});
  all.push_back({"convex, signed X", trial_of("convex", {4}, "nf"), signed_problem(n, d, 4)});
  all.push_back({"symmetric", trial_of("symmetric", {4}), symmetric_problem(n, 4)});
  all.push_back({"symmetric, W S W'", trial_of("symmetric", {4, 4}), symmetric_problem(n, 4)});
  all.push_back({"onmf", trial_of("onmf", {4}), plain});
  return all;
}

using DataPtr = std::shared_ptr<const data::Data>;

// A scatter of hidden entries that is not symmetric, and weights that differ from entry to entry.
inline bool hidden_at(int64_t i, int64_t j) { return (3 * i + 5 * j) % 7 == 1; }
inline double weight_at(int64_t i, int64_t j) {
  return hidden_at(i, j) ? 0 : 0.25 * static_cast<double>(1 + (2 * i + 3 * j) % 5);
}
inline double row_weight_at(int64_t i) { return 0.5 + static_cast<double>(i % 3); }
inline double col_weight_at(int64_t j) { return 0.25 + 0.5 * static_cast<double>(j % 2); }

// Data whose entries count differently, and how much each of them counts.
struct Form {
  std::string name;
  DataPtr x;
  Mat weights;
};
inline std::vector<Form> unequal_forms(const Problem& p, int32_t dtype = ASSAY_F64) {
  const auto take = [](Expected<data::Data> made, const std::string& name) {
    REQUIRE_MESSAGE(made.ok(), made.error().message);
    made->id = name;
    return std::make_shared<const data::Data>(std::move(*made));
  };
  const auto hide = [&](const data::Data& x) {
    return data::hide(x, [&](int64_t i, uint64_t* words) {
      for (int64_t j = 0; j < p.d; ++j)
        if (hidden_at(i, j)) words[j / 64] |= uint64_t{1} << (j % 64);
    });
  };
  Mat seen(p.n, p.d), entries(p.n, p.d), lines(p.n, p.d);
  data::Matrix rows{p.n, 1, {}}, cols{1, p.d, {}};
  for (int64_t i = 0; i < p.n; ++i) rows.values.push_back(row_weight_at(i));
  for (int64_t j = 0; j < p.d; ++j) cols.values.push_back(col_weight_at(j));
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j < p.d; ++j) {
      seen(i, j) = hidden_at(i, j) ? 0 : 1;
      entries(i, j) = weight_at(i, j);
      lines(i, j) = seen(i, j) * row_weight_at(i) * col_weight_at(j);
    }
  std::vector<Form> all;
  all.push_back({"masked", take(hide(*dense(p, dtype)), "masked"), seen});
  all.push_back({"weighted",
                 take(data::weigh_entries(*dense(p, dtype), {p.n, p.d, entries.v}), "weighted"),
                 entries});
  auto weighed = data::weigh_rows(*take(hide(*sparse(p)), "hidden"), rows);
  REQUIRE(weighed.ok());
  all.push_back({"sparse, lines weighted", take(data::weigh_cols(*weighed, cols), "lines"), lines});
  Problem few = p;
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j < p.d; ++j)
      if (hidden_at(i, j)) few.x[static_cast<size_t>(i * p.d + j)] = 0;
  auto unobserved = std::make_shared<data::Data>(*sparse(few));
  unobserved->unstored_zero = false;
  Mat stored(p.n, p.d);
  for (size_t i = 0; i < few.x.size(); ++i) stored.v[i] = few.x[i] != 0 ? 1 : 0;
  all.push_back({"unobserved", unobserved, stored});
  return all;
}

}  // namespace assay::test
