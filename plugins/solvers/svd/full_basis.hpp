// SPDX-License-Identifier: Apache-2.0
// `basis: full`: orthonormal columns completed to a square matrix, by a QR of them beside random
// ones.
#pragma once

#include <algorithm>
#include <assay/author/spectral/methods.hpp>

template <class Base>
class FullBasis : public Base {
 protected:
  using Base::Base;

  // Arrays U_full (n x n) and V_full (d x d), whose first columns are those of the vectors.
  void full_bases(const assay::author::Builder& b, const assay_buf vectors[2]) const {
    for (int32_t side = 0; side < 2; ++side) {
      const int64_t size = side == ASSAY_ROWS ? this->n_ : this->d_;
      const char* const name = side == ASSAY_ROWS ? "U_full" : "V_full";
      const assay_buf square =
                          b.small(side == ASSAY_ROWS ? "left_square" : "right_square", size, size),
                      out = b.buffer(name, side, ASSAY_STATE, 0, size, true, ASSAY_BUFFER_OUTPUT);
      this->template each<&FullBasis::complete>(b, std::string(name) + "_complete", ASSAY_ONE,
                                                {{vectors[side], ASSAY_IN}, {square, ASSAY_OUT}},
                                                side);
      this->template each<&FullBasis::rows_of>(b, name, side,
                                               {{square, ASSAY_IN}, {out, ASSAY_OUT}});
    }
  }

 private:
  // {vectors, square}
  void complete(const assay::author::Block& b) const {
    const assay::author::Matrix F = b.matrix(0), Q = b.matrix(1);
    const int64_t m = Q.rows(), k = F.cols();
    const uint64_t stream = this->rng_->split(this->stream_, 1000 + static_cast<uint64_t>(b.tag()));
    for (int64_t i = 0; i < m; ++i) {
      this->rng_->normal(stream, static_cast<uint64_t>(i * m), m, Q.row(i).data());
      std::copy_n(F.row(i).data(), k, Q.row(i).data());
    }
    const auto R = b.call().template scratch<double>(m * m);
    assay::author::Call::check(this->la()->qr(m, m, Q.data(), Q.stride(), R.data(), m));
  }
};
