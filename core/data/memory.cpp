// SPDX-License-Identifier: Apache-2.0
// Dense views: checks, conversion of types and strides.
#include "core/data/memory.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <string>

namespace assay::data {
namespace {

struct Half {
  uint16_t bits;
};

// IEEE binary16 to float32; exact.
float widened(Half h) {
  const uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000u) << 16,
                 exponent = (h.bits >> 10) & 31u, fraction = h.bits & 1023u;
  if (exponent == 0) {
    const float tiny = std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -tiny : tiny;
  }
  const uint32_t wide =
      sign | (exponent == 31 ? 255u << 23 : (exponent + 112) << 23) | (fraction << 13);
  float out;
  std::memcpy(&out, &wide, sizeof out);
  return out;
}
template <class S>
S widened(S x) {
  return x;
}

// In squares, so that neither side walks memory in long strides.
template <class S, class T>
void copy_strided(const assay_dense& from, T* to, int64_t stride) {
  constexpr int64_t kSquare = 32;
  const S* x = static_cast<const S*>(from.data);
  for (int64_t i0 = 0; i0 < from.rows; i0 += kSquare) {
    for (int64_t j0 = 0; j0 < from.cols; j0 += kSquare) {
      const int64_t i1 = std::min(i0 + kSquare, from.rows), j1 = std::min(j0 + kSquare, from.cols);
      for (int64_t i = i0; i < i1; ++i)
        for (int64_t j = j0; j < j1; ++j)
          to[i * stride + j] =
              static_cast<T>(widened(x[i * from.row_stride + j * from.col_stride]));
    }
  }
}

template <class T>
void copy_as(const assay_dense& from, T* to, int64_t stride) {
  switch (from.dtype) {
    case ASSAY_F64:
      return copy_strided<double>(from, to, stride);
    case ASSAY_F32:
      return copy_strided<float>(from, to, stride);
    case ASSAY_F16:
      return copy_strided<Half>(from, to, stride);
    case ASSAY_U8:
      return copy_strided<uint8_t>(from, to, stride);
    case ASSAY_U16:
      return copy_strided<uint16_t>(from, to, stride);
    case ASSAY_I32:
      return copy_strided<int32_t>(from, to, stride);
    default:
      return copy_strided<int64_t>(from, to, stride);
  }
}

}  // namespace

int32_t storage_dtype(int32_t dtype) {
  switch (dtype) {
    case ASSAY_F64:
    case ASSAY_F32:
    case ASSAY_U8:
    case ASSAY_U16:
      return dtype;
    case ASSAY_F16:
      return ASSAY_F32;
    case ASSAY_I32:
    case ASSAY_I64:
      return ASSAY_F64;
    default:
      return 0;
  }
}

void copy_dense(const assay_dense& from, int32_t dtype, void* to, int64_t stride) {
  if (from.dtype == dtype && from.col_stride == 1) {
    const int64_t size = dtype_size(dtype);
    for (int64_t i = 0; i < from.rows; ++i)
      std::memcpy(static_cast<unsigned char*>(to) + i * stride * size,
                  static_cast<const unsigned char*>(from.data) + i * from.row_stride * size,
                  static_cast<size_t>(from.cols * size));
    return;
  }
  switch (dtype) {
    case ASSAY_F64:
      return copy_as(from, static_cast<double*>(to), stride);
    case ASSAY_F32:
      return copy_as(from, static_cast<float*>(to), stride);
    case ASSAY_U16:
      return copy_as(from, static_cast<uint16_t*>(to), stride);
    default:
      return copy_as(from, static_cast<uint8_t*>(to), stride);
  }
}

Expected<void> check_shape(int64_t rows, int64_t cols) {
  const std::string shape = std::to_string(rows) + " x " + std::to_string(cols);
  if (rows < 0 || cols < 0) return Error(ASSAY_E_SHAPE, "", "a matrix cannot be " + shape);
  if (rows == 0 || cols == 0)
    return Error(ASSAY_E_EMPTY, "", "the data are empty")
        .with_found("a matrix of " + shape)
        .with_help("give at least one row and one column");
  if (rows > std::numeric_limits<int32_t>::max() || cols > std::numeric_limits<int32_t>::max())
    return Error(ASSAY_E_SHAPE, "", "a matrix of " + shape + " is too large")
        .with_expected("fewer than 2147483648 rows and columns");
  return {};
}

Expected<DenseStore> allocate_dense(int64_t rows, int64_t cols, int32_t dtype) {
  try {
    if (rows > (int64_t{1} << 56) / cols)
      throw std::bad_alloc();  // the product of sizes must not overflow
    auto bytes = std::make_shared<AlignedArray<unsigned char>>(rows * cols * dtype_size(dtype));
    DenseStore store;
    store.data = bytes->data();
    store.dense.data = bytes->data();
    store.dense.dtype = dtype;
    store.dense.stride = cols;
    store.dense.owner = std::move(bytes);
    return store;
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "",
                 "not enough memory for " + std::to_string(rows) + " x " + std::to_string(cols) +
                     " entries of " + dtype_name(dtype))
        .with_help("select fewer rows with `rows`, or columns with `columns`");
  }
}

Expected<Data> from_dense(const assay_dense& view, std::shared_ptr<const void> owner) {
  ASSAY_TRY(check_shape(view.rows, view.cols));
  const int32_t dtype = storage_dtype(view.dtype);
  if (dtype == 0)
    return Error(ASSAY_E_ARGUMENT, "", "dtype " + std::to_string(view.dtype) + " cannot hold data");
  if (!view.data) return Error(ASSAY_E_ARGUMENT, "", "the matrix has no memory: `data` is NULL");
  if (view.row_stride < 1 || view.col_stride < 1)
    return Error(ASSAY_E_SHAPE, "", "strides must be positive")
        .with_found("row_stride " + std::to_string(view.row_stride) + ", col_stride " +
                    std::to_string(view.col_stride));
  Data x;
  x.rows = view.rows;
  x.cols = view.cols;
  const auto address = reinterpret_cast<uintptr_t>(view.data);
  const bool in_place = dtype == view.dtype && view.col_stride == 1 &&
                        (view.row_stride >= view.cols || view.rows == 1) &&
                        address % static_cast<uintptr_t>(dtype_size(dtype)) == 0;
  if (in_place) {
    x.dense = {std::move(owner), view.data, dtype, view.rows == 1 ? view.cols : view.row_stride};
    return x;
  }
  auto store = allocate_dense(view.rows, view.cols, dtype);
  if (!store) return std::move(store.error());
  copy_dense(view, dtype, store->data, view.cols);
  x.dense = std::move(store->dense);
  return x;
}

}  // namespace assay::data
