// SPDX-License-Identifier: Apache-2.0
// What programs about centroids share: products of rows with centroids (columns of a buffer on COLS), distances by
// differences, and the reference that keeps products short. A plugin derives from Centroids<itself>.
//
// Products are taken about a reference r near the data, so that data far from the origin keep their digits:
//   |x - c|^2 = |x - r|^2 + 2 (half_c - x'V(c - r)),  half_c = (c - r)'V((c - r) / 2 + r),  V the weights of the columns.
// Which centroid is nearest, and how near, differences decide: nearest.hpp.
#ifndef ASSAY_AUTHOR_CENTROIDS_HPP
#define ASSAY_AUTHOR_CENTROIDS_HPP

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "nearest.hpp"

namespace assay::author {

template <class Plugin>
class Centroids {
 protected:
  Centroids(Call call, const assay_problem &p)
      : tile_(call.service<assay_tile>("assay.tile/1")),
        n_(p.n),
        d_(p.d),
        unequal_((p.flags & ASSAY_PROBLEM_UNEQUAL) != 0),
        sparse_(p.sparse != 0),
        f32_((p.flags & ASSAY_PROBLEM_F32) != 0) {}

  // Of a program, COLS: STATE of a solver, else LOCAL.
  static assay_buf reference(const Builder &b, int32_t role) {
    return b.buffer("centroids_reference", ASSAY_COLS, role, 0, 1, role == ASSAY_STATE);
  }
  // It becomes the median, column by column, of rows from all over X, which a few rows far away do not move; 0 of sparse X.
  void refer(const Builder &b, assay_buf reference) const {
    const int64_t count = sparse_ ? 1 : std::min(n_, kReferenceRows);
    const assay_buf which = b.small("reference_which", count, 1),
                    rows = b.small("reference_rows", count, d_);
    b.template each<&Centroids::spread_rows, Plugin>("reference_which", ASSAY_ONE, {{which, ASSAY_OUT}});
    b.gather(rows, which);
    b.template each<&Centroids::median_of_rows, Plugin>(
        "reference", ASSAY_COLS, {{rows, ASSAY_IN}, {reference, ASSAY_OUT}});
  }
  // Fails where entries of a row count differently but for the weights of their columns.
  void check_weights(const Builder &b) const {
    if (unequal_)
      b.template each<&Centroids::check_rows, Plugin>(
          "check_weights", ASSAY_ROWS,
          {{b.given(ASSAY_COL_WEIGHTS), ASSAY_IN}, {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN}}, 0,
          ASSAY_EACH_X);
  }

  // products: x'V(c - r), ROWS; facts, lines: of the centroids as nearest.hpp has them. Names of buffers begin with `name`.
  struct Products {
    assay_buf products, facts, lines;
  };
  Products products(const Builder &b, assay_buf reference, assay_buf centres, int64_t width,
                    const std::string &name) const {
    const assay_buf shifted = b.local((name + "_shifted").c_str(), ASSAY_COLS, width),
                    facts = b.sum((name + "_facts").c_str(), kCentroidFacts, width),
                    out = b.local((name + "_products").c_str(), ASSAY_ROWS, width);
    b.template each<&Centroids::shift, Plugin>((name + "_shift").c_str(), ASSAY_COLS,
                                               {{centres, ASSAY_IN},
                                                {reference, ASSAY_IN},
                                                {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                                                {shifted, ASSAY_OUT},
                                                {facts, ASSAY_ADD}});
    // Ahead of the product, so that whatever reads it joins its sweep.
    const assay_buf turned = lines(b, centres, width, name);
    b.times(out, ASSAY_X, shifted);
    return {out, facts, turned};
  }
  // The centroids a line each.
  assay_buf lines(const Builder &b, assay_buf centres, int64_t width, const std::string &name) const {
    const assay_buf out = b.small((name + "_lines").c_str(), width, d_);
    b.template each<&Centroids::turn, Plugin>((name + "_turn").c_str(), ASSAY_ONE,
                                              {{centres, ASSAY_IN}, {out, ASSAY_OUT}});
    return out;
  }
  // out (ROWS, a number for each of `count` lines): squared distances of rows from lines.
  void measure_rows(const Builder &b, assay_buf lines, int64_t count, assay_buf out,
                    const std::string &name) const {
    const assay_buf squares = b.small((name + "_squares").c_str(), 1, count);
    b.template each<&Centroids::squares_of_lines, Plugin>(
        (name + "_squares").c_str(), ASSAY_ONE,
        {{lines, ASSAY_IN}, {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN}, {squares, ASSAY_OUT}});
    b.template each<&Centroids::distances, Plugin>(
        name.c_str(), ASSAY_ROWS, {{lines, ASSAY_IN}, {squares, ASSAY_IN}, {out, ASSAY_OUT}}, 0,
        ASSAY_EACH_X);
  }

  NearestRows nearest_rows(const Block &b, int32_t facts, int32_t lines) const {
    return {b, tile_, b.matrix(facts), b.view(lines), f32_};
  }

  // ---- block functions ----

  // {which}
  void spread_rows(const Block &b) const {
    const Matrix which = b.matrix(0);
    for (int64_t s = 0; s < which.rows(); ++s)
      which(s, 0) = sparse_ ? -1 : static_cast<double>((2 * s + 1) * n_ / (2 * which.rows()));
  }
  // {rows, reference}
  void median_of_rows(const Block &b) const {
    const Matrix rows = b.matrix(0), out = b.matrix(1);
    double x[kReferenceRows];
    for (int64_t j = 0; j < out.rows(); ++j) {
      for (int64_t s = 0; s < rows.rows(); ++s) x[s] = rows(s, b.first() + j);
      std::nth_element(x, x + rows.rows() / 2, x + rows.rows());
      out(j, 0) = x[rows.rows() / 2];
    }
  }
  // {column weights, row weights}
  void check_rows(const Block &b) const {
    const Matrix columns = b.matrix(0), rows = b.matrix(1);
    for (int64_t i = 0; i < b.count(); ++i) {
      assay_line line{};
      Call::check(tile_->line(b.call().ctx, i, &line));
      for (int64_t e = 0; line.w && e < line.n; ++e) {
        const double w = rows(i, 0) * columns(line.idx ? line.idx[e] : e, 0);
        if (std::abs(line.w[e] - w) > 1e-6 * w)
          throw Failure(ASSAY_E_COMBINATION, "distances between rows need entries that count alike")
              .help("weigh rows or columns, not single entries");
      }
    }
  }
  // {centres, reference, column weights, shifted, facts}
  void shift(const Block &b) const {
    const Matrix centres = b.matrix(0), r = b.matrix(1), v = b.matrix(2), shifted = b.matrix(3),
                 facts = b.matrix(4);
    for (int64_t j = 0; j < centres.rows(); ++j) {
      facts(kReference, 0) += v(j, 0) * r(j, 0) * r(j, 0);
      for (int64_t a = 0; a < centres.cols(); ++a) {
        const double c = centres(j, a) - r(j, 0), w = v(j, 0) * c;
        shifted(j, a) = w;
        facts(kHalf, a) += w * (c / 2 + r(j, 0));
        facts(kShifted, a) += w * c;
        facts(kSquare, a) += v(j, 0) * centres(j, a) * centres(j, a);
      }
    }
  }
  // {centres, lines}
  void turn(const Block &b) const {
    const Matrix centres = b.matrix(0), lines = b.matrix(1);
    for (int64_t j = 0; j < centres.rows(); ++j)
      for (int64_t a = 0; a < centres.cols(); ++a) lines(a, j) = centres(j, a);
  }
  // {lines, column weights, squares}
  void squares_of_lines(const Block &b) const {
    const Matrix lines = b.matrix(0), v = b.matrix(1), out = b.matrix(2);
    for (int64_t a = 0; a < lines.rows(); ++a) {
      out(0, a) = 0;
      for (int64_t j = 0; j < lines.cols(); ++j) out(0, a) += v(j, 0) * lines(a, j) * lines(a, j);
    }
  }
  // {lines, squares, out}
  void distances(const Block &b) const {
    const Matrix squares = b.matrix(1), out = b.matrix(2);
    const int64_t m = squares.cols();
    const auto row = b.call().template scratch<int64_t>(m);
    const auto line = b.call().template scratch<int32_t>(m);
    for (int64_t a = 0; a < m; ++a) line[static_cast<size_t>(a)] = static_cast<int32_t>(a);
    for (int64_t i = 0; i < b.count(); ++i) {
      std::fill(row.begin(), row.end(), i);
      Call::check(tile_->distances(b.call().ctx, m, row.data(), line.data(), &b.view(0),
                                   &squares(0, 0), &out(i, 0)));
    }
  }

  static constexpr int64_t kReferenceRows = 31;
  const assay_tile *tile_;
  int64_t n_, d_;
  bool unequal_, sparse_, f32_;  // f32: products are made in float32
};

}  // namespace assay::author

#endif
