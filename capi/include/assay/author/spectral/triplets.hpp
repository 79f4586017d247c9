// SPDX-License-Identifier: Apache-2.0
// From the factors (A Z, Z) a method leaves to the singular triplets of X: a small SVD, U and V completed where s is 0, the
// entry of largest magnitude of each right vector positive. Of symmetric X through its eigenvectors in the span of Z, so
// that the signs of eigenvalues are known and a pair lambda, -lambda is kept apart.
#ifndef ASSAY_AUTHOR_SPECTRAL_TRIPLETS_HPP
#define ASSAY_AUTHOR_SPECTRAL_TRIPLETS_HPP

#include "dense.hpp"

namespace assay::author {

template <class Base>
class SignedTriplets : public Base {
 protected:
  using Base::Base;

  struct Whole {
    assay_buf vectors[2], sigma, values;  // U on ROWS, V on COLS; sigma, values 1 x k on ONE
  };

  // Signs are still the method's own. values: the eigenvalues of symmetric X; else ASSAY_NO.
  Whole whole_triplets(const Builder &b, bool symmetric) const {
    Whole out{};
    out.values = ASSAY_NO;
    if (symmetric) {
      eigenvectors(b, out);
    } else {
      const auto t = this->triplets(b, b.factor(this->long_), this->long_, b.factor(this->short_),
                                    this->k_, this->k_, "svd");
      out.vectors[this->long_] = t.left;
      out.vectors[this->short_] = t.right;
      out.sigma = t.sigma;
    }
    for (int32_t side = 0; side < 2; ++side)
      out.vectors[side] = this->completed(b, out.vectors[side], side, this->k_, kNames[side]);
    if (symmetric) as_eigenvectors(b, out);
    return out;
  }

  // 2 x k: the largest entry of each column of V (on COLS), and the largest of its negative.
  assay_buf ends_of(const Builder &b, assay_buf V) const {
    const assay_buf ends = b.buffer("ends", ASSAY_ONE, ASSAY_MAX, 2, this->k_);
    this->template each<&SignedTriplets::measure_ends>(b, "ends", ASSAY_COLS,
                                                       {{V, ASSAY_IN}, {ends, ASSAY_ADD}});
    return ends;
  }
  // What column a is multiplied with, so that the entry of largest magnitude of the right vector is positive.
  static double sign(const Matrix &ends, int64_t a) { return ends(0, a) >= ends(1, a) ? 1 : -1; }

 private:
  static constexpr const char *kNames[2] = {"left_vectors", "right_vectors"};

  // Symmetric X: Z'X Z = Q diag(lambda) Q', V = Z Q, s = |lambda|.
  void eigenvectors(const Builder &b, Whole &out) const {
    const int64_t k = this->k_;
    const assay_buf Z = b.factor(ASSAY_COLS), rows = b.local("as_rows", ASSAY_ROWS),
                    Y = b.local("image_of_rows", ASSAY_ROWS), T = b.sum("quotients", k, k),
                    Q = b.small("turn", k, k);
    out.values = b.small("eigen", 1, k);
    out.sigma = b.small("sizes", 1, k);
    this->template each<&SignedTriplets::rows_of>(b, "as_rows", ASSAY_ROWS,
                                                  {{Z, ASSAY_IN}, {rows, ASSAY_OUT}});
    b.times(Y, ASSAY_X, Z);
    b.gram(T, rows, Y);
    this->template each<&SignedTriplets::quotients>(
        b, "quotients", ASSAY_ONE,
        {{T, ASSAY_IN}, {Q, ASSAY_OUT}, {out.values, ASSAY_OUT}, {out.sigma, ASSAY_OUT}});
    out.vectors[ASSAY_COLS] = b.local("eigenvectors", ASSAY_COLS);
    out.vectors[ASSAY_ROWS] = b.local("eigenvectors_as_rows", ASSAY_ROWS);
    b.times(out.vectors[ASSAY_COLS], Z, Q);
    b.times(out.vectors[ASSAY_ROWS], rows, Q);
  }
  // U is V with the signs of the eigenvalues.
  void as_eigenvectors(const Builder &b, Whole &out) const {
    const assay_buf left = b.local("signed_left", ASSAY_ROWS);
    this->template each<&SignedTriplets::by_value>(
        b, "signed_left", ASSAY_ROWS,
        {{out.vectors[ASSAY_COLS], ASSAY_IN}, {out.values, ASSAY_IN}, {left, ASSAY_OUT}});
    out.vectors[ASSAY_ROWS] = left;
  }

  // ---- block functions ----

  // {Z'X Z, Q, eigenvalues, magnitudes}
  void quotients(const Block &b) const {
    const Matrix T = b.matrix(0), Q = b.matrix(1), values = b.matrix(2), sizes = b.matrix(3);
    const int64_t k = T.rows();
    const auto v = b.call().template scratch<double>(k * k),
               w = b.call().template scratch<double>(k);
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j) v[static_cast<size_t>(i * k + j)] = (T(i, j) + T(j, i)) / 2;
    Call::check(this->la()->eigh(k, v.data(), k, w.data()));
    const auto order = Base::by_size(w, b.call());
    for (int64_t a = 0; a < k; ++a) {
      const int64_t from = order[static_cast<size_t>(a)];
      values(0, a) = w[static_cast<size_t>(from)];
      sizes(0, a) = std::fabs(values(0, a));
      for (int64_t i = 0; i < k; ++i) Q(i, a) = v[static_cast<size_t>(i * k + from)];
    }
  }
  // {V, eigenvalues, U}
  void by_value(const Block &b) const {
    const Matrix V = b.matrix(0), values = b.matrix(1), U = b.matrix(2);
    for (int64_t i = 0; i < U.rows(); ++i)
      for (int64_t a = 0; a < U.cols(); ++a)
        U(i, a) = values(0, a) < 0 ? -V(b.first() + i, a) : V(b.first() + i, a);
  }
  // {V, ends}: the largest entry of each column, and the largest of its negative.
  void measure_ends(const Block &b) const {
    const Matrix V = b.matrix(0), ends = b.matrix(1);
    for (int64_t i = 0; i < V.rows(); ++i)
      for (int64_t a = 0; a < V.cols(); ++a) {
        ends(0, a) = std::max(ends(0, a), V(i, a));
        ends(1, a) = std::max(ends(1, a), -V(i, a));
      }
  }
};

}  // namespace assay::author

#endif
