// SPDX-License-Identifier: Apache-2.0
// Directions as eigenvectors of A'A, the smaller of X'X and X X': one read of X for it and one for A Z. Its rounding is eps
// s_1^2: s_a is right to eps (s_1 / s_a)^2, and directions with s_a below 1e-8 s_1 are noise.
#ifndef ASSAY_AUTHOR_SPECTRAL_GRAM_HPP
#define ASSAY_AUTHOR_SPECTRAL_GRAM_HPP

#include "truncated.hpp"

namespace assay::author {

template <class Base>
class Gram : public Base {
 protected:
  using Base::Base;

  void eigenvectors_of_gram(const Builder &b) const {
    const int64_t size = this->least_;
    const assay_buf C = b.sum("cross_products", size, size), R = b.small("vectors", size, this->k_),
                    Z = b.local("directions", this->short_);
    b.times(C, ASSAY_X, ASSAY_X, this->short_ == ASSAY_ROWS ? ASSAY_TRANSPOSED : 0);
    this->template each<&Gram::leading>(b, "eigenvectors", ASSAY_ONE,
                                        {{C, ASSAY_IN}, {R, ASSAY_OUT}});
    this->template each<&Gram::rows_of>(b, "directions", this->short_,
                                        {{R, ASSAY_IN}, {Z, ASSAY_OUT}});
    this->leave(b, Z);
    this->once(b);
  }
};

}  // namespace assay::author

#endif
