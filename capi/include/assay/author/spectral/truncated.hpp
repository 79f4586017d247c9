// SPDX-License-Identifier: Apache-2.0
// What all methods for the k leading singular directions of X start from and leave: a method derives from Truncated<Plugin>
// through any others, its lines state how an orthonormal Z on the shorter axis S of X is found, and leave() writes the
// factors (A Z, Z), A being X seen as L x S with L the longer axis. The start's factor on S is where Z begins, beside
// random columns.
#ifndef ASSAY_AUTHOR_SPECTRAL_TRUNCATED_HPP
#define ASSAY_AUTHOR_SPECTRAL_TRUNCATED_HPP

#include <algorithm>
#include <string>

#include "../spectral.hpp"

namespace assay::author {

template <class P>
class Truncated : public Spectral<P> {
 public:
  using Plugin = P;

 protected:
  Truncated(Call call, const assay_problem &p)
      : Spectral<P>(call),
        rng_(call.service<assay_rng>("assay.rng/1")),
        n_(p.n),
        d_(p.d),
        k_(p.k[0]),
        least_(std::min(p.n, p.d)),
        long_(p.n >= p.d ? ASSAY_ROWS : ASSAY_COLS),
        short_(1 - long_),
        stream_(rng_->split(p.stream, 1)),
        size_(p.x_sumsq > 0 ? p.x_sumsq : 1) {
    for (int32_t side = 0; side < 2; ++side)
      if (p.factor_flags[side] & ASSAY_FACTOR_FROZEN) known_ = side;
    goes_on_ = (p.flags & ASSAY_PROBLEM_GOES_ON) != 0;
    if (known_ < 0 && k_ > least_)
      throw Failure(ASSAY_E_SHAPE, "rank " + std::to_string(k_) +
                                       " is larger than the smaller side of X, " +
                                       std::to_string(least_))
          .help("use a smaller `model.rank`");
  }

  [[noreturn]] static void refuse_asymmetry() {
    throw Failure(ASSAY_E_DOMAIN, "X is not symmetric, but the solver's `symmetric` is true")
        .help("leave `symmetric` out for singular values");
  }

  template <auto Member>
  static void each(const Builder &b, const std::string &name, int32_t axis,
                   std::initializer_list<assay_arg> args, int32_t tag = 0, uint32_t flags = 0) {
    b.each<Member, P>(name.c_str(), axis, args, tag, flags);
  }

  // Nothing depends on the start or on the seed: what is arbitrary is drawn alike in every fit.
  void forget_seed() {
    stream_ = rng_->split(0, 1);
    settled_ = true;
  }

  // Columns to begin with: the start's factor, as many as fit, and random ones.
  assay_buf start(const Builder &b, int64_t width) const {
    const assay_buf Z = b.local("start_columns", short_, width);
    each<&Truncated::draw>(b, "draw", short_, {{b.factor(short_), ASSAY_IN}, {Z, ASSAY_OUT}});
    return Z;
  }

  // The factors (A Z, Z) of orthonormal Z, k wide.
  void leave(const Builder &b, assay_buf Z) const {
    const assay_buf Y = b.local("image_of_directions", long_);
    b.times(Y, ASSAY_X, Z);
    leave(b, Y, Z);
  }
  void leave(const Builder &b, assay_buf Y, assay_buf Z) const {
    this->assign(b, "write_short", short_, Z, b.factor(short_));
    this->assign(b, "write_long", long_, Y, b.factor(long_));
  }

  // There is nothing to do in a second step.
  void once(const Builder &b) const {
    const assay_buf done = b.small("done", 1, 1);
    each<&Truncated::one>(b, "done", ASSAY_ONE, {{done, ASSAY_OUT}});
    b.report("converged", done);
  }

  // The other factor of a known one F: X F (F'F)^-.
  void project(const Builder &b) const {
    const int32_t side = 1 - known_;
    const assay_buf F = b.factor(known_), product = b.local("product", side),
                    G = b.sum("known_gram", k_, k_), R = b.small("known_inverse", k_, k_),
                    half = b.local("half", side), whole = b.local("least_squares", side);
    b.times(product, ASSAY_X, F);
    b.gram(G, F, F);
    each<&Truncated::invert>(b, "invert", ASSAY_ONE, {{G, ASSAY_IN}, {R, ASSAY_OUT}});
    b.times(half, product, R);
    b.times(whole, half, R, ASSAY_TRANSPOSED);
    this->assign(b, "write", side, whole, b.factor(side));
    once(b);
  }

  // Orthonormal columns in place of those that are zeros: drawn, made orthogonal to the others, twice.
  assay_buf completed(const Builder &b, assay_buf F, int32_t axis, int64_t width,
                      const std::string &name) const {
    const assay_buf G = b.sum((name + "_lengths").c_str(), width, width),
                    filled = b.local((name + "_filled").c_str(), axis, width);
    b.gram(G, F, F);
    each<&Truncated::fill>(b, name + "_fill", axis,
                           {{F, ASSAY_IN}, {G, ASSAY_IN}, {filled, ASSAY_OUT}}, axis);
    return in_order(b, in_order(b, filled, axis, width, name + "_first"), axis, width,
                    name + "_second");
  }

  // {Gram matrix, R}: its leading eigenvectors, as many as R has columns.
  void leading(const Block &b) const {
    const Matrix G = b.matrix(0), R = b.matrix(1);
    const int64_t q = G.rows();
    const auto v = b.call().template scratch<double>(q * q),
               w = b.call().template scratch<double>(q);
    for (int64_t i = 0; i < q; ++i) std::copy_n(G.row(i).data(), q, &v[static_cast<size_t>(i * q)]);
    Call::check(this->la()->eigh(q, v.data(), q, w.data()));
    for (int64_t i = 0; i < q; ++i)
      for (int64_t a = 0; a < R.cols(); ++a) R(i, a) = v[static_cast<size_t>(i * q + q - 1 - a)];
  }

  // {rows on ONE, block}: the block's rows of them.
  void rows_of(const Block &b) const {
    const Matrix from = b.matrix(0), to = b.matrix(1);
    for (int64_t i = 0; i < to.rows(); ++i)
      std::copy_n(from.row(b.first() + i).data(), to.cols(), to.row(i).data());
  }

  const assay_rng *rng_;
  int64_t n_, d_, k_, least_;
  int32_t long_, short_, known_ = -1;
  uint64_t stream_;
  bool settled_ = false;
  bool goes_on_ = false;  // rows come to a fit of others
  double size_;  // |X|^2: A'A v / size_ is of a size that does not depend on what X is measured in

 private:
  // Cholesky QR: each column orthogonal to those before it.
  assay_buf in_order(const Builder &b, assay_buf F, int32_t axis, int64_t width,
                     const std::string &name) const {
    const assay_buf G = b.sum((name + "_gram").c_str(), width, width),
                    R = b.small((name + "_inverse").c_str(), width, width),
                    Q = b.local((name + "_basis").c_str(), axis, width);
    b.gram(G, F, F);
    each<&Truncated::cholesky>(b, name + "_cholesky", ASSAY_ONE, {{G, ASSAY_IN}, {R, ASSAY_OUT}});
    b.times(Q, F, R, ASSAY_TRANSPOSED);
    return Q;
  }

  void one(const Block &b) const { b.number(0) = 1; }

  // {factor, Z}
  void draw(const Block &b) const {
    const Matrix F = b.matrix(0), Z = b.matrix(1);
    for (int64_t i = 0; i < Z.rows(); ++i) {
      const auto at = static_cast<uint64_t>((b.first() + i) * Z.cols());
      rng_->normal(stream_, at, Z.cols(), Z.row(i).data());
      if (settled_) continue;
      std::copy_n(F.row(i).data(), std::min(F.cols(), Z.cols()), Z.row(i).data());
    }
  }

  // {F, its Gram matrix, filled}
  void fill(const Block &b) const {
    const Matrix F = b.matrix(0), G = b.matrix(1), out = b.matrix(2);
    const int64_t width = F.cols();
    const uint64_t stream = rng_->split(stream_, static_cast<uint64_t>(b.tag()) + 1);
    const auto random = b.call().template scratch<double>(width);
    for (int64_t i = 0; i < F.rows(); ++i) {
      rng_->normal(stream, static_cast<uint64_t>((b.first() + i) * width), width, random.data());
      for (int64_t a = 0; a < width; ++a)
        out(i, a) = G(a, a) > 0.5 ? F(i, a) : random[static_cast<size_t>(a)];
    }
  }

  // {G, R}: G = L L', R = L^(-1).
  void cholesky(const Block &b) const {
    const Matrix G = b.matrix(0), R = b.matrix(1);
    const int64_t q = G.rows();
    for (int64_t a = 0; a < q; ++a) std::copy_n(G.row(a).data(), q, R.row(a).data());
    Call::check(this->la()->potrf(q, R.data(), R.stride()));
    Call::check(this->la()->trtri(q, R.data(), R.stride()));
  }
};

}  // namespace assay::author

#endif
