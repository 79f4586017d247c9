// SPDX-License-Identifier: Apache-2.0
// A row of X against points: its squared distance from one, and on which side of the middle between
// two it lies. Stored zeros or not; both by differences from what is near, so that data far from
// the origin keep their digits.
#ifndef ASSAY_BISECTING_ROWS_HPP
#define ASSAY_BISECTING_ROWS_HPP

#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>
#include <cstdint>

namespace assay::author {

// Sums of squares by the weights of the columns.
class Distances {
 public:
  Distances(const Block& b, const Matrix& weights) : v_(b.call().scratch<double>(weights.rows())) {
    for (int64_t j = 0; j < weights.rows(); ++j) v_[static_cast<size_t>(j)] = weights(j, 0);
  }
  double square(const double* point) const {
    double sum = 0;
    for (size_t j = 0; j < v_.size(); ++j) sum += v_[j] * point[j] * point[j];
    return sum;
  }
  // square: of the point; read where zeros are not stored.
  double apart(const assay_line& x, const double* point, double square) const {
    if (!x.idx) return whole(x.n, x.x, point, v_.data());
    double sum = x.zeros ? square : 0;
    for (int64_t e = 0; e < x.n; ++e) {
      const double at = point[x.idx[e]], from = x.x[e] - at;
      sum += v_[static_cast<size_t>(x.idx[e])] * (from * from - (x.zeros ? at * at : 0));
    }
    return std::max(sum, 0.0);
  }
  // Whether entries of a row count differently but for the weights of their columns.
  bool unequal(const assay_line& x, double weight) const {
    for (int64_t e = 0; x.w && e < x.n; ++e) {
      const double w = weight * v_[static_cast<size_t>(x.idx ? x.idx[e] : e)];
      if (std::abs(x.w[e] - w) > 1e-6 * w) return true;
    }
    return false;
  }

 private:
  ASSAY_SIMD static double whole(int64_t n,
                                 const double* __restrict__ x,
                                 const double* __restrict__ p,
                                 const double* __restrict__ v) {
    double sum[8] = {};
    int64_t j = 0;
    for (; j + 8 <= n; j += 8)
      for (int l = 0; l < 8; ++l) {
        const double from = x[j + l] - p[j + l];
        sum[l] += v[j + l] * from * from;
      }
    for (; j < n; ++j) sum[0] += v[j] * (x[j] - p[j]) * (x[j] - p[j]);
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
  }

  std::span<double> v_;
};

// (x - c)'D, D the `width` columns of directions, a multiple of 8 side by side; along: c'D.
class Sides {
 public:
  Sides(const Block& b, const double* c, const Matrix& directions, const double* along)
      : c_(c), d_(directions), along_(along), out_(b.call().scratch<double>(directions.cols())) {}
  const double* of(const assay_line& x) const {
    std::fill(out_.begin(), out_.end(), 0.0);
    for (int64_t first = 0; first < d_.cols(); first += 8) {
      double* const out = out_.data() + first;
      if (!x.idx) {
        dense(x.n, x.x, c_, d_.data() + first, d_.stride(), out);
        continue;
      }
      for (int64_t e = 0; e < x.n; ++e) {
        const double from = x.x[e] - (x.zeros ? 0 : c_[x.idx[e]]);
        for (int64_t t = 0; t < 8; ++t) out[t] += from * d_(x.idx[e], first + t);
      }
      for (int64_t t = 0; x.zeros && t < 8; ++t) out[t] -= along_[first + t];
    }
    return out_.data();
  }

 private:
  ASSAY_SIMD static void dense(int64_t n,
                               const double* __restrict__ x,
                               const double* __restrict__ c,
                               const double* __restrict__ directions,
                               int64_t stride,
                               double* __restrict__ out) {
    double sum[8] = {};
    for (int64_t j = 0; j < n; ++j) {
      const double from = x[j] - c[j];
      for (int t = 0; t < 8; ++t) sum[t] += from * directions[j * stride + t];
    }
    for (int t = 0; t < 8; ++t) out[t] = sum[t];
  }

  const double* c_;
  Matrix d_;
  const double* along_;
  std::span<double> out_;
};

ASSAY_SIMD static inline void add_whole(int64_t n,
                                        const double* __restrict__ x,
                                        double w,
                                        double* __restrict__ to) {
  for (int64_t j = 0; j < n; ++j) to[j] += w * x[j];
}
inline void add_row(const assay_line& x, double w, double* to) {
  if (!x.idx) return add_whole(x.n, x.x, w, to);
  for (int64_t e = 0; e < x.n; ++e) to[x.idx[e]] += w * x.x[e];
}

}  // namespace assay::author

#endif
