// SPDX-License-Identifier: Apache-2.0
// What programs about centroids share: distances of rows from centroids (columns of a buffer on COLS), the nearest one, and
// what a row of X is apart from a point. A plugin derives from Centroids<itself>.
//
// Distances are taken about a reference r near the data, so that data far from the origin keep their digits. Rows
// far from r as well, beyond 1e7 times what parts two centroids (1e3 in float32), do lose them:
//   |x - c|^2 = |x - r|^2 + 2 (half_c - x'V(c - r)),  half_c = (c - r)'V((c - r) / 2 + r),  V the weights of the columns.
#ifndef ASSAY_AUTHOR_CENTROIDS_HPP
#define ASSAY_AUTHOR_CENTROIDS_HPP

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "program.hpp"

namespace assay::author {

// The least of half[a] - x[a] over a < width, ties to the lower index.
struct NearestOf {
  int64_t index;
  double score;
};
ASSAY_SIMD static inline NearestOf nearest_of(int64_t width, const double *__restrict__ x,
                                              const double *__restrict__ half) {
  NearestOf out{0, half[0] - x[0]};
  int64_t a = 0;
  if (width >= 8) {
    double best[8];
    int64_t at[8];
    for (int l = 0; l < 8; ++l) {
      best[l] = half[l] - x[l];
      at[l] = l;
    }
    for (a = 8; a + 8 <= width; a += 8)
      for (int l = 0; l < 8; ++l) {
        const double score = half[a + l] - x[a + l];
        at[l] = score < best[l] ? a + l : at[l];
        best[l] = score < best[l] ? score : best[l];
      }
    for (int l = 0; l < 8; ++l)
      if (best[l] < out.score || (best[l] == out.score && at[l] < out.index)) out = {at[l], best[l]};
  }
  for (; a < width; ++a)
    if (half[a] - x[a] < out.score) out = {a, half[a] - x[a]};
  return out;
}

template <class Plugin>
class Centroids {
 protected:
  explicit Centroids(Call call) : tile_(call.service<assay_tile>("assay.tile/1")) {}

  // The reference (COLS) and each row's squared distance from it (ROWS), once a program: STATE of a solver, else LOCAL.
  struct Frame {
    assay_buf reference, apart;
  };
  static Frame frame(const Builder &b, int32_t role) {
    return {b.buffer("centroids_reference", ASSAY_COLS, role, 0, 1, role == ASSAY_STATE),
            b.buffer("centroids_apart", ASSAY_ROWS, role, 0, 1, role == ASSAY_STATE)};
  }
  // The reference becomes the mean of the centroids as they are at this line.
  void refer(const Builder &b, const Frame &f, assay_buf centres) const {
    b.template each<&Centroids::mean_of_columns, Plugin>(
        "reference", ASSAY_COLS, {{centres, ASSAY_IN}, {f.reference, ASSAY_OUT}});
    measure_rows(b, f.reference, f.apart, "apart");
  }
  // out (width 1): the squared distance of each row from a point (COLS, width 1).
  void measure_rows(const Builder &b, assay_buf point, assay_buf out, const char *name) const {
    b.template each<&Centroids::distances, Plugin>(name, ASSAY_ROWS,
                                                   {{point, ASSAY_IN},
                                                    {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                                                    {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                                    {out, ASSAY_OUT}},
                                                   0, ASSAY_EACH_X);
  }

  // products: x'V(c - r); half: 1 x width. Names of buffers begin with `name`.
  struct Products {
    assay_buf products, half;
  };
  Products products(const Builder &b, const Frame &f, assay_buf centres, int64_t width,
                    const std::string &name) const {
    const assay_buf shifted = b.local((name + "_shifted").c_str(), ASSAY_COLS, width),
                    half = b.sum((name + "_half").c_str(), 1, width),
                    out = b.local((name + "_products").c_str(), ASSAY_ROWS, width);
    b.template each<&Centroids::shift, Plugin>((name + "_shift").c_str(), ASSAY_COLS,
                                               {{centres, ASSAY_IN},
                                                {f.reference, ASSAY_IN},
                                                {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                                                {shifted, ASSAY_OUT},
                                                {half, ASSAY_ADD}});
    b.times(out, ASSAY_X, shifted);
    return {out, half};
  }

  // ---- block functions ----

  // {centres, reference}
  void mean_of_columns(const Block &b) const {
    const Matrix centres = b.matrix(0), out = b.matrix(1);
    for (int64_t j = 0; j < out.rows(); ++j) {
      double sum = 0;
      for (int64_t a = 0; a < centres.cols(); ++a) sum += centres(j, a);
      out(j, 0) = sum / static_cast<double>(centres.cols());
    }
  }

  // {centres, reference, column weights, shifted, half}
  void shift(const Block &b) const {
    const Matrix centres = b.matrix(0), r = b.matrix(1), v = b.matrix(2), shifted = b.matrix(3),
                 half = b.matrix(4);
    for (int64_t j = 0; j < centres.rows(); ++j)
      for (int64_t a = 0; a < centres.cols(); ++a) {
        const double c = centres(j, a) - r(j, 0), w = v(j, 0) * c;
        shifted(j, a) = w;
        half(0, a) += w * (c / 2 + r(j, 0));
      }
  }

  // {point, column weights, row weights, out}
  void distances(const Block &b) const {
    const Matrix point = b.matrix(0), columns = b.matrix(1), rows = b.matrix(2), out = b.matrix(3);
    double all = 0;
    for (int64_t j = 0; j < point.rows(); ++j) all += columns(j, 0) * point(j, 0) * point(j, 0);
    const auto p = b.call().scratch<double>(point.rows()), v = b.call().scratch<double>(point.rows());
    for (int64_t j = 0; j < point.rows(); ++j) {
      p[static_cast<size_t>(j)] = point(j, 0);
      v[static_cast<size_t>(j)] = columns(j, 0);
    }
    for (int64_t i = 0; i < out.rows(); ++i) {
      assay_line line{};
      Call::check(tile_->line(b.call().ctx, i, &line));
      if (line.idx) {
        double sum = line.zeros ? all : 0;
        for (int64_t e = 0; e < line.n; ++e) {
          const double at = point(line.idx[e], 0), from = line.x[e] - at;
          sum += columns(line.idx[e], 0) * (from * from - (line.zeros ? at * at : 0));
        }
        out(i, 0) = std::max(sum, 0.0);
      } else {
        out(i, 0) = distance(line.n, line.x, p.data(), v.data());
      }
      check_weights(line, rows(i, 0), columns);
    }
  }

 private:
  ASSAY_SIMD static double distance(int64_t n, const double *__restrict__ x,
                                    const double *__restrict__ p, const double *__restrict__ v) {
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

  // A row counts as a whole: its entries have the weight of the row and of their columns.
  static void check_weights(const assay_line &line, double row, const Matrix &columns) {
    if (!line.w) return;
    for (int64_t e = 0; e < line.n; ++e) {
      const double w = row * columns(line.idx ? line.idx[e] : e, 0);
      if (std::abs(line.w[e] - w) > 1e-6 * w)
        throw Failure(ASSAY_E_COMBINATION, "distances between rows need entries that count alike")
            .help("weigh rows or columns, not single entries");
    }
  }

 protected:
  const assay_tile *tile_;
};

}  // namespace assay::author

#endif
