// SPDX-License-Identifier: Apache-2.0
// Some rows of X side by side, in memory that is made once and filled again and again: what batches
// of shuffled rows read.
#pragma once

#include <memory>

#include "core/data/data.hpp"

namespace assay::data {

class RowWindow {
 public:
  // For at most `size` rows of x, which must outlive it.
  RowWindow(const Data& x, int64_t size);
  // Rows rows[0 .. count - 1] of x with all that belongs to them become rows 0 .. count - 1 of
  // data().
  void load(const int64_t* rows, int64_t count);
  const Data& data() const { return data_; }

 private:
  void load_dense(const int64_t* rows, int64_t count);
  void load_sparse(const int64_t* rows, int64_t count);

  const Data& x_;
  Data data_;
  AlignedArray<unsigned char> entries_;  // dense rows, or stored values
  AlignedArray<int64_t> indptr_;
  AlignedArray<int32_t> indices_;
  AlignedArray<float> stored_weights_;
  std::shared_ptr<Bitmap> mask_;
  std::shared_ptr<AlignedArray<float>> entry_weights_;
  std::shared_ptr<AlignedArray<double>> row_weights_;
};

}  // namespace assay::data
