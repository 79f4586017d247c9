// SPDX-License-Identifier: Apache-2.0
// LAPACK's divide and conquer on a dense copy of X in float64, every singular value to full accuracy: n x d numbers copied
// twice, and 2 min(n, d) (n + d) for the vectors; on one thread. Of symmetric X its eigenvectors.
#ifndef ASSAY_AUTHOR_SPECTRAL_DENSE_HPP
#define ASSAY_AUTHOR_SPECTRAL_DENSE_HPP

#include "truncated.hpp"

namespace assay::author {

template <class Base>
class Lapack : public Base {
 protected:
  using Base::Base;

  void lapack(const Builder &b, bool symmetric) const {
    const int64_t k = this->k_;
    const assay_buf X = b.local("copy", ASSAY_ROWS, this->d_), U = b.small("left", this->n_, k),
                    V = b.small("right", this->d_, k), left = b.local("left_part", ASSAY_ROWS),
                    right = b.local("right_part", ASSAY_COLS);
    this->template each<&Lapack::copy_rows>(b, "copy", ASSAY_ROWS, {{X, ASSAY_OUT}}, 0,
                                            ASSAY_EACH_X);
    this->template each<&Lapack::decompose_copy>(
        b, "lapack", ASSAY_ONE, {{X, ASSAY_IN}, {U, ASSAY_OUT}, {V, ASSAY_OUT}}, symmetric ? 1 : 0);
    this->template each<&Lapack::rows_of>(b, "left", ASSAY_ROWS,
                                          {{U, ASSAY_IN}, {left, ASSAY_OUT}});
    this->template each<&Lapack::rows_of>(b, "right", ASSAY_COLS,
                                          {{V, ASSAY_IN}, {right, ASSAY_OUT}});
    const bool tall = this->long_ == ASSAY_ROWS;
    this->leave(b, tall ? left : right, tall ? right : left);
    this->once(b);
  }

  // {rows of X}
  void copy_rows(const Block &b) const {
    const Matrix out = b.matrix(0);
    const auto *tile = b.call().template service<assay_tile>("assay.tile/1");
    for (int64_t i = 0; i < out.rows(); ++i) {
      assay_line line{};
      line.struct_size = sizeof line;
      Call::check(tile->line(b.call().ctx, i, &line));
      std::fill_n(out.row(i).data(), out.cols(), 0.0);
      for (int64_t e = 0; e < line.n; ++e) out(i, line.idx ? line.idx[e] : e) = line.x[e];
    }
  }

 private:
  // {X, left, right}: the factors that `leave` wants, singular values on the side of the longer axis.
  void decompose_copy(const Block &b) const {
    const Matrix X = b.matrix(0), left = b.matrix(1), right = b.matrix(2);
    const int64_t n = X.rows(), d = X.cols(), r = this->least_;
    const auto at = [](int64_t i, int64_t width, int64_t j) {
      return static_cast<size_t>(i * width + j);
    };
    const auto A = b.call().template scratch<double>(n * d),
               s = b.call().template scratch<double>(r);
    for (int64_t i = 0; i < n; ++i) std::copy_n(X.row(i).data(), d, &A[at(i, d, 0)]);
    if (b.tag() != 0) {
      check_symmetric(X);
      Call::check(this->la()->eigh(n, A.data(), n, s.data()));
      const auto order = by_size(s, b.call());
      for (int64_t i = 0; i < n; ++i)
        for (int64_t a = 0; a < this->k_; ++a) {
          const int64_t from = order[static_cast<size_t>(a)];
          right(i, a) = A[at(i, n, from)];
          left(i, a) = right(i, a) * s[static_cast<size_t>(from)];
        }
      return;
    }
    const auto U = b.call().template scratch<double>(n * r),
               Vt = b.call().template scratch<double>(r * d);
    Call::check(this->la()->svd(n, d, A.data(), d, U.data(), r, s.data(), Vt.data(), d));
    const bool tall = this->long_ == ASSAY_ROWS;
    for (int64_t a = 0; a < this->k_; ++a) {
      const double size = s[static_cast<size_t>(a)];
      for (int64_t i = 0; i < n; ++i) left(i, a) = U[at(i, r, a)] * (tall ? size : 1);
      for (int64_t j = 0; j < d; ++j) right(j, a) = Vt[at(a, d, j)] * (tall ? 1 : size);
    }
  }

  static void check_symmetric(const Matrix &X) {
    double largest = 0, difference = 0;
    for (int64_t i = 0; i < X.rows(); ++i)
      for (int64_t j = 0; j < i; ++j) {
        largest = std::max({largest, std::fabs(X(i, j)), std::fabs(X(j, i))});
        difference = std::max(difference, std::fabs(X(i, j) - X(j, i)));
      }
    if (difference > 1e-6 * largest) Base::refuse_asymmetry();
  }

 protected:
  // Indices of eigenvalues by descending magnitude.
  static std::span<int64_t> by_size(std::span<const double> w, const Call &call) {
    const auto order = call.scratch<int64_t>(static_cast<int64_t>(w.size()));
    for (size_t a = 0; a < w.size(); ++a) order[a] = static_cast<int64_t>(a);
    std::sort(order.begin(), order.end(), [w](int64_t a, int64_t c) {
      const double x = std::fabs(w[static_cast<size_t>(a)]),
                   y = std::fabs(w[static_cast<size_t>(c)]);
      return x != y ? x > y : a > c;
    });
    return order;
  }
};

}  // namespace assay::author

#endif
