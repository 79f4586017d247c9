// SPDX-License-Identifier: Apache-2.0
// Randomized block Krylov (Halko, Martinsson and Tropp 2011; Musco and Musco 2015): from q = k + oversample random columns
// Z_0 the blocks S_i = A'A Z_i, Z_(i+1) = orth(S_i) against all blocks before, i = 0 .. power. All images stay in play: with
// K = [Z_0 ..], S = A'A K the best approximation of A by the span of A K has the right vectors of B = (A K)^+' A, that is
//   K'S = Q L Q',   B' = S Q L^(-1/2),   Z = the k leading left vectors of B'.
// power + 2 reads of X, the images A Z_i live in tiles alone. Blocks stop where they would fill the space. K'S is the Gram
// matrix of A K, so one pass against the blocks before will do: K need not be orthonormal to rounding.
#ifndef ASSAY_AUTHOR_SPECTRAL_RANDOMIZED_HPP
#define ASSAY_AUTHOR_SPECTRAL_RANDOMIZED_HPP

#include "truncated.hpp"

namespace assay::author {

template <class Base>
class Randomized : public Base {
 protected:
  using Base::Base;

  void block_krylov(const Builder &b, int64_t q, int64_t power) const {
    const int32_t axis = this->short_;
    const int64_t blocks = std::min(power + 1, (this->least_ + q - 1) / q), m = q * blocks;
    const Blocks s = {b.local("blocks", axis, m), b.local("images", axis, m),
                      b.small("blocks_known", 1, 1)};
    this->template each<&Randomized::clear>(b, "clear", ASSAY_ONE, {{s.count, ASSAY_OUT}});
    this->template each<&Randomized::empty>(b, "empty", axis, {{s.Z, ASSAY_OUT}, {s.S, ASSAY_OUT}});
    put(b, "first_block", twice(b, this->start(b, q), q, "start"), s.count, s.Z);
    b.loop(blocks, ASSAY_NO);
    extend(b, s, q, m);
    b.end();

    const assay_buf T = b.sum("projection", m, m), R = b.small("whiten", m, m),
                    B = b.local("co_range", axis, m), G = b.sum("co_range_gram", m, m),
                    best = b.small("rotation", m, this->k_), Z = b.local("directions", axis);
    b.gram(T, s.Z, s.S);
    this->template each<&Randomized::invert_unscaled>(b, "whiten", ASSAY_ONE,
                                                      {{T, ASSAY_IN}, {R, ASSAY_OUT}});
    b.times(B, s.S, R);
    b.gram(G, B, B);
    this->template each<&Randomized::leading>(b, "rotate", ASSAY_ONE,
                                              {{G, ASSAY_IN}, {best, ASSAY_OUT}});
    b.times(Z, B, best);
    const assay_buf unit = twice(b, Z, this->k_, "directions");
    this->leave(b, this->completed(b, unit, axis, this->k_, "directions"));
    this->once(b);
  }

 private:
  struct Blocks {
    assay_buf Z, S, count;
  };

  assay_buf twice(const Builder &b, assay_buf Z, int64_t width, const std::string &name) const {
    const int32_t axis = this->short_;
    return this->orthonormal(b, this->orthonormal(b, Z, axis, width, name + "_once"), axis, width,
                             name + "_twice");
  }
  void put(const Builder &b, const char *name, assay_buf block, assay_buf count,
           assay_buf all) const {
    this->template each<&Randomized::put_block>(
        b, name, this->short_, {{block, ASSAY_IN}, {count, ASSAY_IN}, {all, ASSAY_INOUT}});
  }

  // Block `count`: its image, and the next block.
  void extend(const Builder &b, const Blocks &s, int64_t q, int64_t m) const {
    const int32_t axis = this->short_;
    const assay_buf Z = b.local("block", axis, q), Y = b.local("image", this->long_, q),
                    S = b.local("power", axis, q);
    this->template each<&Randomized::pick_block>(
        b, "pick", axis, {{s.Z, ASSAY_IN}, {s.count, ASSAY_IN}, {Z, ASSAY_OUT}});
    b.times(Y, ASSAY_X, Z);
    b.times(S, ASSAY_X, Y);
    put(b, "put_image", S, s.count, s.S);
    this->template each<&Randomized::count_on>(b, "count", ASSAY_ONE, {{s.count, ASSAY_INOUT}});
    const assay_buf h = b.sum("overlap", m, q), known = b.local("known", axis, q),
                    rest = b.local("rest", axis, q);
    b.gram(h, s.Z, S);
    b.times(known, s.Z, h);
    this->template each<&Randomized::subtract>(
        b, "subtract", axis, {{S, ASSAY_IN}, {known, ASSAY_IN}, {rest, ASSAY_OUT}});
    put(b, "next_block", twice(b, rest, q, "next"), s.count, s.Z);
  }

  // ---- block functions ----

  void clear(const Block &b) const { b.number(0) = 0; }
  void empty(const Block &b) const {
    for (const int32_t all : {0, 1})
      for (int64_t i = 0; i < b.count(); ++i)
        std::fill_n(b.matrix(all).row(i).data(), b.matrix(all).cols(), 0.0);
  }
  void count_on(const Block &b) const { b.number(0) += 1; }
  // {block, count, all}
  void put_block(const Block &b) const {
    const Matrix from = b.matrix(0), to = b.matrix(2);
    const int64_t q = from.cols(), c = static_cast<int64_t>(b.number(1)) * q;
    if (c >= to.cols()) return;  // behind the last
    for (int64_t i = 0; i < to.rows(); ++i)
      std::copy_n(from.row(i).data(), q, to.row(i).data() + c);
  }
  // {all, count, block}
  void pick_block(const Block &b) const {
    const Matrix from = b.matrix(0), to = b.matrix(2);
    const int64_t q = to.cols(), c = static_cast<int64_t>(b.number(1)) * q;
    for (int64_t i = 0; i < to.rows(); ++i)
      std::copy_n(from.row(i).data() + c, q, to.row(i).data());
  }
  // {a, b, a - b}
  void subtract(const Block &b) const {
    const Matrix x = b.matrix(0), y = b.matrix(1), out = b.matrix(2);
    for (int64_t i = 0; i < out.rows(); ++i)
      for (int64_t a = 0; a < out.cols(); ++a) out(i, a) = x(i, a) - y(i, a);
  }
};

}  // namespace assay::author

#endif
