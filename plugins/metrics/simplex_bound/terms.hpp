// SPDX-License-Identifier: Apache-2.0
// Where rows of W are mixtures (>= 0, sum 1), the squared error has two terms (Buhmann and
// Pletscher 2010, eq. 9):
//   |X - W H|^2 = sum_nk w_nk |x_n - h_k|^2 - sum_nk w_nk |h_k - w_n H|^2,
// a bound above it and a correction that does not see X. The second sum is made from distances
// between rows of H, sum_k w_k |h_k - w H|^2 = 1/2 w'Dw, D_ac = |h_a - h_c|^2: no digits cancel.
// Where entries count differently every row has a Gram matrix of its own, and the sum is
// sum_k w_k G_kk - w'Gw. A row of W off the simplex: no value.
#pragma once

#include <assay/plugin.hpp>
#include <cmath>

namespace simplex {

using namespace assay::author;

constexpr double kSlack = 1e-5;  // of the sum of a row: the rounding of float32

class Terms {
 public:
  Terms(Call, const assay_problem& p)
      : k_(p.k[0]), unequal_((p.flags & ASSAY_PROBLEM_UNEQUAL) != 0) {
    const int32_t tag = p.loss ? p.loss->tag : ASSAY_TAG_SQUARED;
    if (p.n_factors == 3 || tag == ASSAY_TAG_LOGISTIC || tag == ASSAY_TAG_POISSON_LOG ||
        (unequal_ && tag != ASSAY_TAG_SQUARED))
      throw Failure(ASSAY_E_COMBINATION,
                    "the terms of simplex factorization are those of the squared error of W H")
          .help("leave the metrics `simplex_bound` and `simplex_correction` out");
  }

 protected:
  // A SUM: sum_nk w_nk |h_k - w_n H|^2.
  template <class T>
  assay_buf spread(const Builder& b) const {
    const assay_buf out = b.sum("spread", 1, 1);
    if (unequal_) {
      const assay_buf G = b.local("grams", ASSAY_ROWS, k_ * k_), r = b.local("rhs", ASSAY_ROWS);
      b.normals(ASSAY_ROWS, G, r);
      b.each<&Terms::add_weighted, T>("spread", ASSAY_ROWS,
                                      {{b.factor(0), ASSAY_IN}, {G, ASSAY_IN}, {out, ASSAY_ADD}});
      return out;
    }
    const assay_buf D = b.sum("distances", k_, k_);
    b.each<&Terms::separate, T>("distances", ASSAY_COLS, {{b.factor(1), ASSAY_IN}, {D, ASSAY_ADD}});
    b.each<&Terms::add, T>("spread", ASSAY_ROWS,
                           {{b.factor(0), ASSAY_IN}, {D, ASSAY_IN}, {out, ASSAY_ADD}});
    return out;
  }

 private:
  // {H, D}
  void separate(const Block& b) const {
    const Matrix H = b.matrix(0), D = b.matrix(1);
    for (int64_t j = 0; j < H.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a)
        for (int64_t c = 0; c < k_; ++c) {
          const double gap = H(j, a) - H(j, c);
          D(a, c) += gap * gap;
        }
  }

  void check(std::span<const double> w) const {
    double sum = 0, least = 0;
    for (const double v : w) {
      sum += v;
      least = std::min(least, v);
    }
    if (!(least >= -kSlack && std::abs(sum - 1) <= kSlack))
      throw Failure(ASSAY_E_NUMERIC, "a row of W is not on the simplex");
  }

  // {W, D, spread}
  void add(const Block& b) const {
    const Matrix W = b.matrix(0), D = b.matrix(1);
    double total = 0;
    for (int64_t i = 0; i < W.rows(); ++i) {
      check(W.row(i));
      for (int64_t a = 0; a < k_; ++a) {
        if (W(i, a) == 0) continue;
        double mixed = 0;
        for (int64_t c = 0; c < k_; ++c) mixed += D(a, c) * W(i, c);
        total += W(i, a) * mixed;
      }
    }
    b.number(2) += 0.5 * total;
  }

  // {W, G, spread}
  void add_weighted(const Block& b) const {
    const Matrix W = b.matrix(0);
    const assay_view& G = b.view(1);
    double total = 0;
    for (int64_t i = 0; i < W.rows(); ++i) {
      check(W.row(i));
      const double* g = static_cast<const double*>(G.data) + i * G.step;
      for (int64_t a = 0; a < k_; ++a) {
        double mixed = 0;
        for (int64_t c = 0; c < k_; ++c) mixed += g[a * G.stride + c] * W(i, c);
        total += W(i, a) * (g[a * G.stride + a] - mixed);
      }
    }
    b.number(2) += total;
  }

  int64_t k_;
  bool unequal_;
};

}  // namespace simplex
