// SPDX-License-Identifier: Apache-2.0
// What programs about singular vectors share: orthonormal columns by Cholesky-QR's relative on Gram matrices, the singular
// value decomposition of a tall product, and columns that complete a basis. A plugin derives from Spectral<itself>.
//
// Columns are made orthonormal as Z D^(-1) V L^(-1/2) of Z'Z = D V L V' D with D the columns' lengths: one pass leaves an
// error of eps cond(Z D^(-1))^2, two leave rounding. Directions below rounding come out as columns of zeros. (Stathopoulos
// and Wu 2002, SVQB.)
#ifndef ASSAY_AUTHOR_SPECTRAL_HPP
#define ASSAY_AUTHOR_SPECTRAL_HPP

#include <algorithm>
#include <cfloat>
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
  assay_buf orthonormal(const Builder &b, assay_buf columns, int32_t axis, int64_t width,
                        const std::string &name) const {
    const assay_buf Z = of_size_one(b, columns, axis, width, name), G = gram(b, Z, width, name),
                    R = b.small((name + "_inverse").c_str(), width, width),
                    Q = b.local((name + "_orthonormal").c_str(), axis, width);
    b.template each<&Spectral::invert, Plugin>((name + "_invert").c_str(), ASSAY_ONE,
                                               {{G, ASSAY_IN}, {R, ASSAY_OUT}});
    b.times(Q, Z, R);
    return Q;
  }

  // Each column by its largest entry, so that what X is measured in does not reach a Gram matrix squared once more.
  assay_buf of_size_one(const Builder &b, assay_buf Z, int32_t axis, int64_t width,
                        const std::string &name) const {
    const assay_buf most = b.buffer((name + "_largest").c_str(), ASSAY_ONE, ASSAY_MAX, 1, width),
                    out = b.local((name + "_of_size_one").c_str(), axis, width);
    b.template each<&Spectral::measure_size, Plugin>((name + "_size").c_str(), axis,
                                                     {{Z, ASSAY_IN}, {most, ASSAY_ADD}});
    b.template each<&Spectral::divide, Plugin>((name + "_divide").c_str(), axis,
                                               {{Z, ASSAY_IN}, {most, ASSAY_IN}, {out, ASSAY_OUT}});
    return out;
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
    b.template each<&Spectral::invert_range, Plugin>((name + "_invert_range").c_str(), ASSAY_ONE,
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

  // From B = A Z with nearly orthogonal columns, as Ritz vectors leave them (on axis, k wide): right, k x k on ONE, and sigma
  // with A (Z right) ~ (columns of lengths sigma, orthogonal); B is read once.
  struct Rotation {
    assay_buf right, sigma;
  };
  Rotation rotation(const Builder &b, assay_buf B, int64_t k, const std::string &name) const {
    const Rotation out = {b.small((name + "_right").c_str(), k, k),
                          b.small((name + "_sigma").c_str(), 1, k)};
    b.template each<&Spectral::rotate, Plugin>(
        (name + "_rotate").c_str(), ASSAY_ONE,
        {{gram(b, B, k, name), ASSAY_IN}, {out.right, ASSAY_OUT}, {out.sigma, ASSAY_OUT}});
    return out;
  }

  // to = from, of equal shape on axis.
  void assign(const Builder &b, const std::string &name, int32_t axis, assay_buf from,
              assay_buf to) const {
    b.template each<&Spectral::copy, Plugin>(name.c_str(), axis,
                                             {{from, ASSAY_IN}, {to, ASSAY_OUT}});
  }

  const assay_la *la() const { return la_; }

  // {Gram matrix, R}: R = D^(-1) V L^(-1/2), the largest L first, columns of 0 for directions that are rounding: last, so
  // that what completes them is made orthogonal to the others and not they to it.
  void invert(const Block &b) const { invert_gram(b, true); }
  // The same with D = I, for a Gram matrix whose small diagonal entries are rounding.
  void invert_unscaled(const Block &b) const { invert_gram(b, false); }

 private:
  // {B'B, R}: R of the parts as decompose() sees them, the largest last.
  void invert_range(const Block &b) const {
    Parts parts(b.call(), b.matrix(0).rows());
    split(b.matrix(0), parts);
    inverse_root(parts, b.matrix(1));
  }
  void invert_gram(const Block &b, bool scaled) const {
    const Matrix G = b.matrix(0), R = b.matrix(1);
    const int64_t q = G.rows();
    Parts parts(b.call(), q);
    split(G, parts, scaled);
    inverse_root(parts, R);
    for (int64_t i = 0; i < q; ++i) std::reverse(R.row(i).data(), R.row(i).data() + q);
  }

  assay_buf gram(const Builder &b, assay_buf a, int64_t width, const std::string &name) const {
    const assay_buf G = b.sum((name + "_gram").c_str(), width, width);
    b.gram(G, a, a);
    return G;
  }

  // {Z, largest}
  void measure_size(const Block &b) const {
    const Matrix Z = b.matrix(0), most = b.matrix(1);
    for (int64_t i = 0; i < Z.rows(); ++i)
      for (int64_t a = 0; a < Z.cols(); ++a) most(0, a) = std::max(most(0, a), std::fabs(Z(i, a)));
  }
  // {Z, largest, out}
  void divide(const Block &b) const {
    const Matrix Z = b.matrix(0), most = b.matrix(1), out = b.matrix(2);
    for (int64_t i = 0; i < Z.rows(); ++i)
      for (int64_t a = 0; a < Z.cols(); ++a) out(i, a) = most(0, a) > 0 ? Z(i, a) / most(0, a) : 0;
  }

  void copy(const Block &b) const {
    const Matrix from = b.matrix(0), to = b.matrix(1);
    for (int64_t i = 0; i < from.rows(); ++i)
      std::copy_n(from.row(i).data(), from.cols(), to.row(i).data());
  }

  // G = D V L V' D, D the roots of the diagonal; l is 0 where a direction is rounding.
  struct Parts {
    Parts(const Call &call, int64_t q)
        : v(call.scratch<double>(q * q)), l(call.scratch<double>(q)), d(call.scratch<double>(q)) {}
    std::span<double> v, l, d;
  };
  static size_t at(int64_t i, int64_t j, int64_t q) { return static_cast<size_t>(i * q + j); }
  void split(const Matrix &G, const Parts &p, bool scaled = true) const {
    const int64_t q = G.rows();
    for (int64_t i = 0; i < q; ++i) {
      const double length = G(i, i) > DBL_MIN ? std::sqrt(G(i, i)) : 0;
      p.d[static_cast<size_t>(i)] = scaled ? length : 1;
    }
    for (int64_t i = 0; i < q; ++i)
      for (int64_t j = 0; j < q; ++j) {
        const double size = p.d[static_cast<size_t>(i)] * p.d[static_cast<size_t>(j)];
        p.v[at(i, j, q)] = size > 0 ? G(i, j) / size : 0;
      }
    Call::check(la_->eigh(q, p.v.data(), q, p.l.data()));
    const double least = p.l[static_cast<size_t>(q - 1)] * static_cast<double>(q) * DBL_EPSILON;
    for (double &l : p.l)
      if (!(l > least)) l = 0;
  }
  static void inverse_root(const Parts &p, const Matrix &out) {
    const int64_t q = out.rows();
    for (int64_t i = 0; i < q; ++i)
      for (int64_t j = 0; j < q; ++j) {
        const double l = p.l[static_cast<size_t>(j)], d = p.d[static_cast<size_t>(i)];
        out(i, j) = l > 0 && d > 0 ? p.v[at(i, j, q)] / (d * std::sqrt(l)) : 0;
      }
  }
  // L^(1/2) V' D.
  static void root(const Parts &p, int64_t q, std::span<double> out) {
    for (int64_t i = 0; i < q; ++i)
      for (int64_t j = 0; j < q; ++j)
        out[at(i, j, q)] =
            std::sqrt(p.l[static_cast<size_t>(i)]) * p.v[at(j, i, q)] * p.d[static_cast<size_t>(j)];
  }

  // {B'B, right, sigma}: the root R of B'B = P diag(s) T', right = T.
  void rotate(const Block &b) const {
    const Matrix G = b.matrix(0), right = b.matrix(1), sigma = b.matrix(2);
    const int64_t q = G.rows();
    const auto qq = [&] { return b.call().scratch<double>(q * q); };
    const auto R = qq(), U = qq(), Vt = qq();
    const auto s = b.call().scratch<double>(q);
    const Parts parts(b.call(), q);
    split(G, parts);
    root(parts, q, R);
    Call::check(la_->svd(q, q, R.data(), q, U.data(), q, s.data(), Vt.data(), q));
    for (int64_t a = 0; a < q; ++a) {
      sigma(0, a) = s[static_cast<size_t>(a)];
      for (int64_t i = 0; i < q; ++i) right(i, a) = Vt[at(a, i, q)];
    }
  }

  // {B'B, Q'Q, left, right, sigma}: B = Q R1 with the root R1 of B'B, Q = Q2 R2 likewise; svd(R2 R1) = P diag(s) T'. left =
  // R2^(-1) P, so that Q left are the left vectors; right = T; both the first k columns.
  void decompose(const Block &b) const {
    const int64_t q = b.matrix(0).rows(), k = b.matrix(2).cols();
    const auto qq = [&] { return b.call().scratch<double>(q * q); };
    const auto R1 = qq(), R2 = qq(), product = qq(), inverse = qq(), U = qq(), Vt = qq();
    const auto s = b.call().scratch<double>(q);
    const Parts parts(b.call(), q);
    split(b.matrix(0), parts);
    root(parts, q, R1);
    split(b.matrix(1), parts);
    root(parts, q, R2);
    inverse_root(parts, Matrix(assay_view{inverse.data(), q, q, q, 0, ASSAY_F64, 0}));
    Call::check(la_->gemm(0, 0, q, q, q, 1, R2.data(), q, R1.data(), q, 0, product.data(), q));
    Call::check(la_->svd(q, q, product.data(), q, U.data(), q, s.data(), Vt.data(), q));
    const Matrix left = b.matrix(2), right = b.matrix(3), sigma = b.matrix(4);
    Call::check(
        la_->gemm(0, 0, q, k, q, 1, inverse.data(), q, U.data(), q, 0, left.data(), left.stride()));
    for (int64_t a = 0; a < k; ++a) {
      sigma(0, a) = s[static_cast<size_t>(a)];
      for (int64_t i = 0; i < q; ++i) right(i, a) = Vt[at(a, i, q)];
    }
  }

  const assay_la *la_;
};

}  // namespace assay::author

#endif
