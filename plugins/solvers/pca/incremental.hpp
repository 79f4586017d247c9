// SPDX-License-Identifier: Apache-2.0
// Incremental PCA (Ross, Lim, Lin and Yang 2008): rows come in batches, and what was seen so far is
// kept as k directions V, singular values s, the mean and the number of rows. A batch of m rows
// with mean c and scatter C about it makes
//   M = V diag(s^2) V' + C + n m / (n + m) (c - mean)(c - mean)',
// whose k leading eigenvectors are the next V; without centring M = V diag(s^2) V' + X_b'X_b. State
// lies on the columns, so a saved model goes on with new rows; how far the mean moved in such a fit
// is in the units of its X and named as the means of transform `centre`, which the host then moves.
// d^2 numbers, d^3 flops a batch; exact where k reaches the rank.
#pragma once

#include <algorithm>
#include <assay/author/spectral/methods.hpp>
#include <cmath>

template <class Base>
class Incremental : public Base {
 protected:
  using Base::Base;
  using Block = assay::author::Block;
  using Builder = assay::author::Builder;
  using Matrix = assay::author::Matrix;

  struct Seen {
    assay_buf V, s, mean, sizes;  // sizes: rows, sum of squares about the mean
  };
  Seen seen(const Builder& b) const {
    return {b.buffer("incremental_vectors", ASSAY_COLS, ASSAY_STATE, 0, this->k_, true),
            b.buffer("incremental_values", ASSAY_ONE, ASSAY_STATE, 1, this->k_, true),
            b.buffer(centred_ ? "centre.means" : "incremental_mean", ASSAY_COLS, ASSAY_STATE, 0, 1,
                     true),
            b.buffer("incremental_sizes", ASSAY_ONE, ASSAY_STATE, 1, 2, true)};
  }

  void set_centred(bool centred) { centred_ = centred; }

  Seen epoch(const Builder& b, int64_t batch) const {
    const int64_t d = this->d_, k = this->k_;
    const Seen now = seen(b);
    const assay_buf ones = b.given(ASSAY_ROW_WEIGHTS), rows = b.local("batch_rows", ASSAY_ROWS, d),
                    C = b.sum("scatter", d, d), count = b.sum("batch_count", 1, 1),
                    sums = b.local("batch_sums", ASSAY_COLS, 1), R = b.small("merged", d, k);
    b.batches(batch, ASSAY_NATURAL, 0);
    this->template each<&Incremental::copy_rows>(b, "rows", ASSAY_ROWS, {{rows, ASSAY_OUT}}, 0,
                                                 ASSAY_EACH_X);
    b.gram(C, rows, rows);
    b.gram(count, ones, ones);
    b.times(sums, ASSAY_X, ones);
    this->template each<&Incremental::merge>(b, "merge", ASSAY_ONE,
                                             {{now.V, ASSAY_IN},
                                              {now.mean, ASSAY_IN},
                                              {C, ASSAY_IN},
                                              {sums, ASSAY_IN},
                                              {count, ASSAY_IN},
                                              {now.s, ASSAY_INOUT},
                                              {now.sizes, ASSAY_INOUT},
                                              {R, ASSAY_OUT}});
    this->template each<&Incremental::move_on>(b, "move_on", ASSAY_COLS,
                                               {{R, ASSAY_IN},
                                                {sums, ASSAY_IN},
                                                {count, ASSAY_IN},
                                                {now.sizes, ASSAY_IN},
                                                {now.V, ASSAY_OUT},
                                                {now.mean, ASSAY_INOUT}});
    b.end();
    return now;
  }

 private:
  // {V, mean, X_b'X_b, column sums, count, s, sizes, R}
  void merge(const Block& b) const {
    const Matrix V = b.matrix(0), mean = b.matrix(1), C = b.matrix(2), sums = b.matrix(3),
                 s = b.matrix(5), sizes = b.matrix(6), R = b.matrix(7);
    const int64_t d = C.rows(), k = s.cols();
    const double n = sizes(0, 0), m = b.number(4);
    const auto M = b.call().template scratch<double>(d * d),
               w = b.call().template scratch<double>(d);
    const auto scaled = b.call().template scratch<double>(d * k);
    for (int64_t i = 0; i < d; ++i) {
      for (int64_t j = 0; j < d; ++j) {
        double about = 0;
        if (centred_) {
          const double ci = sums(i, 0) / m, cj = sums(j, 0) / m;
          about = n * m / (n + m) * (ci - mean(i, 0)) * (cj - mean(j, 0)) - m * ci * cj;
        }
        M[at(i, j, d)] = C(i, j) + about;
      }
      for (int64_t a = 0; a < k; ++a) scaled[at(i, a, k)] = V(i, a) * s(0, a);
    }
    for (int64_t i = 0; i < d; ++i) sizes(0, 1) += M[at(i, i, d)];
    const auto* la = this->la();
    using assay::author::Call;
    Call::check(la->gemm(0, 1, d, d, k, 1, scaled.data(), k, scaled.data(), k, 1, M.data(), d));
    Call::check(la->eigh(d, M.data(), d, w.data()));
    for (int64_t a = 0; a < k; ++a) {
      s(0, a) = std::sqrt(std::max(w[static_cast<size_t>(d - 1 - a)], 0.0));
      for (int64_t i = 0; i < d; ++i) R(i, a) = M[at(i, d - 1 - a, d)];
    }
    sizes(0, 0) = n + m;
  }
  static size_t at(int64_t i, int64_t j, int64_t width) {
    return static_cast<size_t>(i * width + j);
  }

  // {R, column sums, count, sizes, V, mean}
  void move_on(const Block& b) const {
    const Matrix R = b.matrix(0), sums = b.matrix(1), sizes = b.matrix(3), V = b.matrix(4),
                 mean = b.matrix(5);
    const double m = b.number(2), n = sizes(0, 0);
    for (int64_t j = 0; j < V.rows(); ++j) {
      std::copy_n(R.row(b.first() + j).data(), V.cols(), V.row(j).data());
      mean(j, 0) += (sums(j, 0) - m * mean(j, 0)) / n;
    }
  }

  bool centred_ = true;
};
