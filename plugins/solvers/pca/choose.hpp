// SPDX-License-Identifier: Apache-2.0
// How many components to keep: by a fraction of the variance, by Minka's evidence (2000), or by
// parallel analysis (Horn 1965).
#pragma once

#include <algorithm>
#include <assay/author/call.hpp>
#include <cfloat>
#include <cmath>
#include <numbers>
#include <span>

namespace assay::author {

inline size_t place(int64_t i) { return static_cast<size_t>(i); }

// The fewest whose variances reach the fraction of the total; all where none do.
inline int64_t keep_fraction(std::span<const double> variances, double total, double fraction) {
  double sum = 0;
  for (size_t a = 0; a < variances.size(); ++a) {
    sum += variances[a];
    if (sum >= fraction * total * (1 - 1e-12)) return static_cast<int64_t>(a) + 1;
  }
  return static_cast<int64_t>(variances.size());
}

// Laplace's approximation of log p(X | m) for a Gaussian of m components and noise (Minka 2000, eq.
// 30), from all d eigenvalues of the covariance, descending. What is rounding beside the largest
// counts as noise of that size.
class Evidence {
 public:
  Evidence(std::span<const double> spectrum, double rows, const assay_math& math)
      : spectrum_(spectrum), rows_(rows), math_(math), least_(1e-15 * spectrum[0]) {}

  double operator()(int64_t m) const {
    const auto d = static_cast<int64_t>(spectrum_.size());
    const double log_n = std::log(rows_), rest = static_cast<double>(d - m);
    double prior = 0, logs = 0, noise = 0, hessian = 0;
    for (int64_t i = 0; i < m; ++i) {
      const double half = static_cast<double>(d - i) / 2;
      double gamma = 0;
      math_.lgamma(1, &half, &gamma);
      prior += gamma - half * std::log(std::numbers::pi) - std::numbers::ln2;
      logs += std::log(value(i));
    }
    for (int64_t i = m; i < d; ++i) noise += spectrum_[place(i)];
    noise = std::max(noise / rest, least_);
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = i + 1; j < d; ++j) {
        const double other = j < m ? value(j) : noise;
        hessian += std::log(std::max(value(i) - value(j), least_)) +
                   std::log(std::max(1 / other - 1 / value(i), DBL_MIN)) + log_n;
      }
    const double k = static_cast<double>(m), parameters = rest * k + k * (k - 1) / 2;
    return prior - rows_ / 2 * (logs + rest * std::log(noise)) +
           (parameters + k) / 2 * std::log(2 * std::numbers::pi) - hessian / 2 - k * log_n / 2;
  }

 private:
  double value(int64_t i) const { return std::max(spectrum_[place(i)], least_); }
  std::span<const double> spectrum_;
  double rows_;
  const assay_math& math_;
  double least_;
};

// The best of 1 .. most (< d) components.
inline int64_t keep_most_evident(const Evidence& evidence, int64_t most) {
  int64_t best = 1;
  double highest = evidence(1);
  for (int64_t m = 2; m <= most; ++m) {
    const double now = evidence(m);
    if (now > highest) highest = now, best = m;
  }
  return best;
}

// Scatter matrices of Gaussian columns without common directions: d columns with the given
// deviations, `freedom` rows.
class RandomScatter {
 public:
  RandomScatter(std::span<const double> deviations,
                int64_t freedom,
                const assay_rng& rng,
                uint64_t stream)
      : deviations_(deviations), freedom_(freedom), rng_(rng), stream_(stream) {}

  int64_t rows() const { return std::min(freedom_, columns()); }
  int64_t columns() const { return static_cast<int64_t>(deviations_.size()); }

  // G (rows() x d) with G'G distributed as the scatter. Of more rows than columns by Bartlett's
  // decomposition: G is upper triangular, its diagonal roots of chi squares, the rest normal.
  void draw(int64_t number, std::span<double> G) const {
    const int64_t r = rows(), d = columns();
    const uint64_t normals = rng_.split(stream_, 2 * static_cast<uint64_t>(number)),
                   squares = rng_.split(stream_, 2 * static_cast<uint64_t>(number) + 1);
    rng_.normal(normals, 0, r * d, G.data());
    for (int64_t i = 0; i < r; ++i)
      for (int64_t j = 0; j < d; ++j) {
        double& g = G[place(i * d + j)];
        if (freedom_ >= d && j < i) g = 0;
        if (freedom_ >= d && j == i)
          g = std::sqrt(chi_square(rng_.split(squares, static_cast<uint64_t>(i)), freedom_ - i));
        g *= deviations_[place(j)];
      }
  }

 private:
  // Marsaglia and Tsang 2000, for shape freedom / 2; below 1 through shape + 1.
  double chi_square(uint64_t stream, int64_t freedom) const {
    double shape = static_cast<double>(freedom) / 2, boost = 1, u = 0, x = 0;
    if (shape < 1) {
      rng_.uniform(stream, 0, 1, &u);
      boost = std::pow(u, 1 / shape);
      shape += 1;
    }
    const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
    for (uint64_t turn = 1;; ++turn) {
      rng_.uniform(rng_.split(stream, 1), turn, 1, &u);
      rng_.normal(rng_.split(stream, 2), turn, 1, &x);
      const double v = std::pow(1 + c * x, 3);
      if (v > 0 && std::log(u) < x * x / 2 + d - d * v + d * std::log(v)) return 2 * d * v * boost;
    }
  }

  std::span<const double> deviations_;
  int64_t freedom_;
  const assay_rng& rng_;
  uint64_t stream_;
};

// How many leading eigenvalues of the scatter lie above the quantile of those of random scatters.
inline int64_t keep_above_random(std::span<const double> observed,
                                 const RandomScatter& random,
                                 int64_t draws,
                                 double quantile,
                                 const assay_la& la,
                                 const Call& call) {
  const int64_t r = random.rows(), d = random.columns(),
                k = std::min(static_cast<int64_t>(observed.size()), r);
  const auto G = call.scratch<double>(r * d), S = call.scratch<double>(r * r),
             w = call.scratch<double>(r), all = call.scratch<double>(k * draws);
  for (int64_t t = 0; t < draws; ++t) {
    random.draw(t, G);
    Call::check(la.gemm(0, 1, r, r, d, 1, G.data(), d, G.data(), d, 0, S.data(), r));
    Call::check(la.eigh(r, S.data(), r, w.data()));
    for (int64_t a = 0; a < k; ++a) all[place(a * draws + t)] = w[place(r - 1 - a)];
  }
  const int64_t rank =
      std::min(draws - 1, static_cast<int64_t>(quantile * static_cast<double>(draws)));
  for (int64_t a = 0; a < k; ++a) {
    const auto of_a = all.subspan(place(a * draws), place(draws));
    std::sort(of_a.begin(), of_a.end());
    if (!(observed[place(a)] > of_a[place(rank)])) return a;
  }
  return k;
}

}  // namespace assay::author
