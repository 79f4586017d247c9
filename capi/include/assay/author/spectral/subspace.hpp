// SPDX-License-Identifier: Apache-2.0
// Subspace iteration: one Z = orth(A'A Z) a step, q = k + oversample columns, and the k best directions of its span
// (Rayleigh and Ritz). One read of X a step; the error falls by (s_(q+1) / s_a)^2.
#ifndef ASSAY_AUTHOR_SPECTRAL_SUBSPACE_HPP
#define ASSAY_AUTHOR_SPECTRAL_SUBSPACE_HPP

#include "truncated.hpp"

namespace assay::author {

template <class Base>
class Subspace : public Base {
 protected:
  using Base::Base;

  void begin_subspace(const Builder &b, int64_t q) const {
    keep(b, this->start(b, q), basis(b, q), q, "start");
  }

  void subspace(const Builder &b, int64_t q) const {
    const int32_t axis = this->short_;
    const assay_buf Z = basis(b, q), Y = b.local("image", this->long_, q),
                    S = b.local("power", axis, q), G = b.sum("image_gram", q, q),
                    R = b.small("rotation", q, this->k_), best_long = b.local("long", this->long_),
                    best_short = b.local("short", axis);
    b.times(Y, ASSAY_X, Z);
    b.times(S, ASSAY_X, Y);
    b.gram(G, Y, Y);
    this->template each<&Subspace::leading>(b, "rotate", ASSAY_ONE,
                                            {{G, ASSAY_IN}, {R, ASSAY_OUT}});
    b.times(best_long, Y, R);
    b.times(best_short, Z, R);
    this->leave(b, best_long, best_short);
    keep(b, S, Z, q, "turn");
  }

 private:
  assay_buf basis(const Builder &b, int64_t q) const {
    return b.buffer("subspace", this->short_, ASSAY_STATE, 0, q, true);
  }
  void keep(const Builder &b, assay_buf S, assay_buf Z, int64_t q, const std::string &name) const {
    const int32_t axis = this->short_;
    const assay_buf Q = this->orthonormal(b, S, axis, q, name);
    this->assign(b, "keep_basis", axis, this->completed(b, Q, axis, q, name), Z);
  }
};

}  // namespace assay::author

#endif
