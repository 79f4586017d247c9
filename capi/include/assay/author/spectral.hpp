// SPDX-License-Identifier: Apache-2.0
// What programs about singular vectors share: orthonormal columns by Cholesky-QR's relative on Gram matrices, the singular
// value decomposition of a tall product, and columns that complete a basis. A plugin derives from Spectral<itself>.
//
// Columns are made orthonormal as Z V D^(-1/2) of Z'Z = V D V': one pass leaves an error of eps cond(Z)^2, two leave
// rounding. Directions below rounding come out as columns of zeros. (Stathopoulos and Wu 2002, SVQB.)
#ifndef ASSAY_AUTHOR_SPECTRAL_HPP
#define ASSAY_AUTHOR_SPECTRAL_HPP

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>

#include "program.hpp"

namespace assay::author {

template <class Plugin>
class Spectral {
 protected:
  explicit Spectral(Call call) : la_(call.service<assay_la>("assay.la/1")) {}

  // Z R with orthonormal columns, `width` of them on axis; names of its buffers begin with `name`.
  assay_buf orthonormal(const Builder &b, assay_buf Z, int32_t axis, int64_t width,
                        const std::string &name) const {
    const assay_buf G = gram(b, Z, width, name),
                    R = b.small((name + "_inverse").c_str(), width, width),
                    Q = b.local((name + "_orthonormal").c_str(), axis, width);
    b.template each<&Spectral::invert, Plugin>((name + "_invert").c_str(), ASSAY_ONE,
                                               {{G, ASSAY_IN}, {R, ASSAY_OUT}});
    b.times(Q, Z, R);
    return Q;
  }

  // The k leading triplets of A from B = A Z (on axis, q wide) and orthonormal Z (on the other axis): A ~ left diag(sigma)
  // right', sigma descending; columns of `left` are zeros where sigma is rounding.
  struct Triplets {
    assay_buf left, right, sigma;  // k wide; sigma 1 x k on ONE
  };
  Triplets triplets(const Builder &b, assay_buf B, int32_t axis, assay_buf Z, int64_t q, int64_t k,
                    const std::string &name) const {
    const assay_buf G = gram(b, B, q, name + "_range"),
                    R = b.small((name + "_range_inverse").c_str(), q, q),
                    Q = b.local((name + "_range_basis").c_str(), axis, q);
    b.template each<&Spectral::invert, Plugin>((name + "_invert_range").c_str(), ASSAY_ONE,
                                               {{G, ASSAY_IN}, {R, ASSAY_OUT}});
    b.times(Q, B, R);
    const assay_buf G2 = gram(b, Q, q, name + "_range_basis"),
                    P = b.small((name + "_left").c_str(), q, k),
                    T = b.small((name + "_right").c_str(), q, k),
                    s = b.small((name + "_sigma").c_str(), 1, k);
    b.template each<&Spectral::decompose, Plugin>(
        (name + "_decompose").c_str(), ASSAY_ONE,
        {{G, ASSAY_IN}, {G2, ASSAY_IN}, {P, ASSAY_OUT}, {T, ASSAY_OUT}, {s, ASSAY_OUT}});
    const int32_t other = axis == ASSAY_ROWS ? ASSAY_COLS : ASSAY_ROWS;
    const Triplets out = {b.local((name + "_left_vectors").c_str(), axis, k),
                          b.local((name + "_right_vectors").c_str(), other, k), s};
    b.times(out.left, Q, P);
    b.times(out.right, Z, T);
    return out;
  }

  // to = from, of equal shape on axis.
  void assign(const Builder &b, const std::string &name, int32_t axis, assay_buf from,
              assay_buf to) const {
    b.template each<&Spectral::copy, Plugin>(name.c_str(), axis,
                                             {{from, ASSAY_IN}, {to, ASSAY_OUT}});
  }

  const assay_la *la() const { return la_; }

  // {Gram matrix, R}: R = V D^(-1/2), columns of 0 for directions that are rounding.
  void invert(const Block &b) const {
    const Matrix R = b.matrix(1);
    const int64_t q = R.rows();
    inverse_root(b.matrix(0), &R, b.call().scratch<double>(q * q), b.call().scratch<double>(q));
  }

 private:
  assay_buf gram(const Builder &b, assay_buf a, int64_t width, const std::string &name) const {
    const assay_buf G = b.sum((name + "_gram").c_str(), width, width);
    b.gram(G, a, a);
    return G;
  }

  void copy(const Block &b) const {
    const Matrix from = b.matrix(0), to = b.matrix(1);
    for (int64_t i = 0; i < from.rows(); ++i)
      std::copy_n(from.row(i).data(), from.cols(), to.row(i).data());
  }

  // G = V D V' -> V D^(-1/2); eigenvalues into d, 0 where they are rounding, vectors into v.
  void inverse_root(const Matrix &G, const Matrix *out, std::span<double> v,
                    std::span<double> d) const {
    const int64_t q = G.rows();
    for (int64_t i = 0; i < q; ++i) std::copy_n(&G(i, 0), q, &v[static_cast<size_t>(i * q)]);
    Call::check(la_->eigh(q, v.data(), q, d.data()));
    const double least = d[static_cast<size_t>(q - 1)] * static_cast<double>(q) * 2.3e-16;
    for (double &w : d)
      if (!(w > least)) w = 0;
    if (out == nullptr) return;
    for (int64_t i = 0; i < q; ++i)
      for (int64_t j = 0; j < q; ++j) {
        const double w = d[static_cast<size_t>(j)];
        (*out)(i, j) = w > 0 ? v[static_cast<size_t>(i * q + j)] / std::sqrt(w) : 0;
      }
  }

  // {B'B, Q'Q, left, right, sigma}: B = Q R1 with R1 = D1^(1/2) V1', Q = Q2 R2 likewise from its own Gram matrix; svd(R2 R1)
  // = P diag(s) T'. left = R2^(-1) P, so that Q left are the left vectors; right = T; both the first k columns.
  void decompose(const Block &b) const {
    const int64_t q = b.matrix(0).rows(), k = b.matrix(2).cols();
    const auto qq = [&] { return b.call().scratch<double>(q * q); };
    const auto root = [q](std::span<const double> v, std::span<const double> d,
                          std::span<double> out) {
      for (int64_t i = 0; i < q; ++i)
        for (int64_t j = 0; j < q; ++j)
          out[static_cast<size_t>(i * q + j)] =
              std::sqrt(d[static_cast<size_t>(i)]) * v[static_cast<size_t>(j * q + i)];
    };
    const auto v = qq(), R1 = qq(), R2 = qq(), product = qq(), inverse = qq(), U = qq(), Vt = qq();
    const auto d = b.call().scratch<double>(q), s = b.call().scratch<double>(q);
    inverse_root(b.matrix(0), nullptr, v, d);
    root(v, d, R1);
    const Matrix R2_inverse(assay_view{inverse.data(), q, q, q, 0, ASSAY_F64, 0});
    inverse_root(b.matrix(1), &R2_inverse, v, d);
    root(v, d, R2);
    Call::check(la_->gemm(0, 0, q, q, q, 1, R2.data(), q, R1.data(), q, 0, product.data(), q));
    Call::check(la_->svd(q, q, product.data(), q, U.data(), q, s.data(), Vt.data(), q));
    const Matrix left = b.matrix(2), right = b.matrix(3), sigma = b.matrix(4);
    Call::check(
        la_->gemm(0, 0, q, k, q, 1, inverse.data(), q, U.data(), q, 0, left.data(), left.stride()));
    for (int64_t a = 0; a < k; ++a) {
      sigma(0, a) = s[static_cast<size_t>(a)];
      for (int64_t i = 0; i < q; ++i) right(i, a) = Vt[static_cast<size_t>(a * q + i)];
    }
  }

  const assay_la *la_;
};

}  // namespace assay::author

#endif
