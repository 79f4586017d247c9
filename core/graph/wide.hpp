// SPDX-License-Identifier: Apache-2.0
// A factor in float64: where it lies, or a widened copy of a float32 one.
#pragma once

#include "core/graph/model.hpp"

namespace assay::graph {

class Wide {
 public:
  // Valid until the next call, and as long as the buffer.
  assay_view of(Buffer& b) {
    if (b.dtype == ASSAY_F64) return {b.as<double>(), b.rows, b.width, b.ld, 0, ASSAY_F64, 0};
    if (copy_.size() != b.rows * b.width) copy_ = AlignedArray<double>(b.rows * b.width);
    for (int64_t i = 0; i < b.rows; ++i)
      for (int64_t a = 0; a < b.width; ++a) copy_[i * b.width + a] = b.get(i, a);
    return {copy_.data(), b.rows, b.width, b.width, 0, ASSAY_F64, 0};
  }
  // What was written to the view of b.
  void put_back(Buffer& b) const {
    if (b.dtype == ASSAY_F64) return;
    for (int64_t i = 0; i < b.rows; ++i)
      for (int64_t a = 0; a < b.width; ++a) b.set(i, a, copy_[i * b.width + a]);
  }

 private:
  AlignedArray<double> copy_;
};

}  // namespace assay::graph
