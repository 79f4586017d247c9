// SPDX-License-Identifier: Apache-2.0
// Gathering rows into memory of fixed size.
#include "core/data/window.hpp"

#include <algorithm>
#include <cstring>

namespace assay::data {
namespace {

// Entries that any `size` rows store at most.
int64_t most_stored(const Lines& csr, int64_t size) {
  int64_t longest = 0;
  for (int64_t i = 0; i < csr.lines; ++i)
    longest = std::max(longest, csr.indptr[i + 1] - csr.indptr[i]);
  return std::min(csr.nnz, longest * size);
}

}  // namespace

RowWindow::RowWindow(const Data& x, int64_t size) : x_(x), data_(x) {
  size = std::min(size, x.rows);
  data_.rows = size;
  data_.names = nullptr;
  data_.truth = nullptr;
  if (x.row_weights) {
    row_weights_ = std::make_shared<AlignedArray<double>>(size);
    data_.row_weights = row_weights_;
  }
  if (x.sparse) {
    const int64_t most = most_stored(x.csr, size);
    entries_ = AlignedArray<unsigned char>(most * dtype_size(x.csr.dtype));
    indptr_ = AlignedArray<int64_t>(size + 1);
    indices_ = AlignedArray<int32_t>(most);
    if (x.csr.weights) stored_weights_ = AlignedArray<float>(most);
    data_.csr.owner = nullptr;
    data_.csr.values = entries_.data();
    data_.csr.indptr = indptr_.data();
    data_.csr.indices = indices_.data();
    data_.csr.weights = x.csr.weights ? stored_weights_.data() : nullptr;
    return;
  }
  entries_ = AlignedArray<unsigned char>(size * x.cols * dtype_size(x.dense.dtype));
  data_.dense.owner = nullptr;
  data_.dense.data = entries_.data();
  data_.dense.stride = x.cols;
  if (x.entry_weights) {
    entry_weights_ = std::make_shared<AlignedArray<float>>(size * x.cols);
    data_.entry_weights = entry_weights_;
  }
  if (x.mask) {
    mask_ = std::make_shared<Bitmap>();
    mask_->rows = size;
    mask_->cols = x.cols;
    mask_->words = x.mask->words;
    mask_->bits = AlignedArray<uint64_t>(size * mask_->words);
    data_.mask = mask_;
  }
}

void RowWindow::load(const int64_t* rows, int64_t count) {
  data_.rows = count;
  if (row_weights_)
    for (int64_t r = 0; r < count; ++r) (*row_weights_)[r] = (*x_.row_weights)[rows[r]];
  x_.sparse ? load_sparse(rows, count) : load_dense(rows, count);
}

void RowWindow::load_dense(const int64_t* rows, int64_t count) {
  const int64_t size = dtype_size(x_.dense.dtype), bytes = x_.cols * size;
  const auto* from = static_cast<const unsigned char*>(x_.dense.data);
  for (int64_t r = 0; r < count; ++r)
    std::memcpy(entries_.data() + r * bytes, from + rows[r] * x_.dense.stride * size,
                static_cast<size_t>(bytes));
  if (entry_weights_)
    for (int64_t r = 0; r < count; ++r)
      std::copy_n(x_.entry_weights->data() + rows[r] * x_.cols, x_.cols,
                  entry_weights_->data() + r * x_.cols);
  if (mask_)
    for (int64_t r = 0; r < count; ++r)
      std::copy_n(x_.mask->bits.data() + rows[r] * mask_->words, mask_->words,
                  mask_->bits.data() + r * mask_->words);
}

void RowWindow::load_sparse(const int64_t* rows, int64_t count) {
  const Lines& from = x_.csr;
  const int64_t size = dtype_size(from.dtype);
  const auto* values = static_cast<const unsigned char*>(from.values);
  int64_t at = 0;
  for (int64_t r = 0; r < count; ++r) {
    const int64_t begin = from.indptr[rows[r]], n = from.indptr[rows[r] + 1] - begin;
    std::memcpy(entries_.data() + at * size, values + begin * size, static_cast<size_t>(n * size));
    std::copy_n(from.indices + begin, n, indices_.data() + at);
    if (from.weights) std::copy_n(from.weights + begin, n, stored_weights_.data() + at);
    at += n;
    indptr_[r + 1] = at;
  }
  data_.csr.lines = count;
  data_.csr.nnz = at;
}

}  // namespace assay::data
