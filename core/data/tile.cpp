// SPDX-License-Identifier: Apache-2.0
// Tiles: storage, view and mask to plain numbers, one row at a time.
#include "core/data/tile.hpp"

#include <algorithm>

#include "core/kernels/widen.hpp"

namespace assay::data {
namespace {

kernels::EntryView view_at(const Data& x, int64_t c0) {
  const int64_t skip = x.same_view ? 0 : c0;
  return {x.table ? x.table->data() : nullptr, x.scale ? x.scale->data() + skip : nullptr,
          x.shift ? x.shift->data() + skip : nullptr, x.same_view};
}

double scale_of(const Data& x, int64_t j) { return x.scale ? (*x.scale)[j] : 1; }
double shift_of(const Data& x, int64_t j) { return x.shift ? (*x.shift)[j] : 0; }

template <class T>
void load_dense(const Data& x,
                int64_t r0,
                int64_t rows,
                int64_t c0,
                int64_t cols,
                T* out,
                int64_t ld) {
  const kernels::Widen<T>& table = kernels::widen<T>();
  const kernels::EntryView view = view_at(x, c0);
  const int64_t size = dtype_size(x.dense.dtype);
  const auto* base = static_cast<const unsigned char*>(x.dense.data);
  for (int64_t i = 0; i < rows; ++i) {
    const auto* from = base + ((r0 + i) * x.dense.stride + c0) * size;
    table.entries(x.dense.dtype, cols, from, view, out + i * ld);
    if (x.mask) table.hide(cols, x.mask->bits.data() + (r0 + i) * x.mask->words, c0, out + i * ld);
  }
}

// The stored entries of columns c0 .. c0 + cols - 1 in line i.
struct Range {
  int64_t first, last;
};
Range stored(const Lines& csr, int64_t i, int64_t c0, int64_t cols) {
  const int32_t* begin = csr.indices + csr.indptr[i];
  const int32_t* end = csr.indices + csr.indptr[i + 1];
  return {std::lower_bound(begin, end, c0) - csr.indices,
          std::lower_bound(begin, end, c0 + cols) - csr.indices};
}

template <class T>
void load_sparse(const Data& x,
                 int64_t r0,
                 int64_t rows,
                 int64_t c0,
                 int64_t cols,
                 T* out,
                 int64_t ld) {
  const Lines& csr = x.csr;
  for (int64_t i = 0; i < rows; ++i) {
    T* row = out + i * ld;
    if (x.unstored_zero && x.shift) {
      for (int64_t j = 0; j < cols; ++j) row[j] = static_cast<T>(shift_of(x, c0 + j));
    } else {
      std::fill(row, row + cols, T{0});
    }
    const Range range = stored(csr, r0 + i, c0, cols);
    for (int64_t p = range.first; p < range.last; ++p) {
      const int64_t j = csr.indices[p];
      if (csr.weights && !(csr.weights[p] > 0)) {
        row[j - c0] = 0;
        continue;
      }
      const double v = csr.dtype == ASSAY_F64
                           ? static_cast<const double*>(csr.values)[p]
                           : static_cast<double>(static_cast<const float*>(csr.values)[p]);
      row[j - c0] = static_cast<T>(v * scale_of(x, j) + shift_of(x, j));
    }
  }
}

template <class T>
void weigh_dense(const Data& x, int64_t i, int64_t c0, int64_t cols, T* row) {
  if (x.entry_weights) {
    const float* from = x.entry_weights->data() + i * x.cols + c0;
    for (int64_t j = 0; j < cols; ++j) row[j] = static_cast<T>(from[j]);
  } else {
    std::fill(row, row + cols, T{1});
  }
  if (x.mask) kernels::widen<T>().hide(cols, x.mask->bits.data() + i * x.mask->words, c0, row);
}

template <class T>
void weigh_sparse(const Data& x, int64_t i, int64_t c0, int64_t cols, T* row) {
  std::fill(row, row + cols, x.unstored_zero ? T{1} : T{0});
  const Range range = stored(x.csr, i, c0, cols);
  for (int64_t p = range.first; p < range.last; ++p)
    row[x.csr.indices[p] - c0] = x.csr.weights ? static_cast<T>(x.csr.weights[p]) : T{1};
}

}  // namespace

template <class T>
const T* direct(const Data& x, int64_t r0, int64_t c0) {
  constexpr int32_t kWanted = sizeof(T) == 8 ? ASSAY_F64 : ASSAY_F32;
  if (x.sparse || x.dense.dtype != kWanted || x.table || x.scale || x.shift || x.mask)
    return nullptr;
  return static_cast<const T*>(x.dense.data) + r0 * x.dense.stride + c0;
}

template <class T>
void load(const Data& x, int64_t r0, int64_t rows, int64_t c0, int64_t cols, T* out, int64_t ld) {
  if (x.sparse) {
    load_sparse(x, r0, rows, c0, cols, out, ld);
  } else {
    load_dense(x, r0, rows, c0, cols, out, ld);
  }
}

template <class T>
void load_weights(const Data& x,
                  int64_t r0,
                  int64_t rows,
                  int64_t c0,
                  int64_t cols,
                  T* out,
                  int64_t ld) {
  for (int64_t i = 0; i < rows; ++i) {
    T* row = out + i * ld;
    if (x.sparse) {
      weigh_sparse(x, r0 + i, c0, cols, row);
    } else {
      weigh_dense(x, r0 + i, c0, cols, row);
    }
    if (x.row_weights) {
      const T weight = static_cast<T>((*x.row_weights)[r0 + i]);
      for (int64_t j = 0; j < cols; ++j) row[j] *= weight;
    }
    if (x.col_weights) {
      const double* weights = x.col_weights->data() + c0;
      for (int64_t j = 0; j < cols; ++j) row[j] *= static_cast<T>(weights[j]);
    }
  }
}

template const double* direct<double>(const Data&, int64_t, int64_t);
template const float* direct<float>(const Data&, int64_t, int64_t);
template void load<double>(const Data&, int64_t, int64_t, int64_t, int64_t, double*, int64_t);
template void load<float>(const Data&, int64_t, int64_t, int64_t, int64_t, float*, int64_t);
template void
load_weights<double>(const Data&, int64_t, int64_t, int64_t, int64_t, double*, int64_t);
template void load_weights<float>(const Data&, int64_t, int64_t, int64_t, int64_t, float*, int64_t);

}  // namespace assay::data
