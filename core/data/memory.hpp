// SPDX-License-Identifier: Apache-2.0
// Views in somebody's memory as Data: no copy where the layout allows, one where it does not.
#pragma once

#include <memory>

#include "assay/types.h"
#include "core/base/expected.hpp"
#include "core/data/data.hpp"

namespace assay::data {

// The type entries of `dtype` are kept in: float64, float32, uint8 and uint16 as they are, float16
// as float32, integers as float64; 0 for types we do not read.
int32_t storage_dtype(int32_t dtype);

// Copies a view of any strides and type into rows of `stride` entries of `dtype` (one of
// storage_dtype's).
void copy_dense(const assay_dense& from, int32_t dtype, void* to, int64_t stride);

// Zeros to be filled by copy_dense.
struct DenseStore {
  Dense dense;
  void* data = nullptr;
};
Expected<DenseStore> allocate_dense(int64_t rows, int64_t cols, int32_t dtype);

// Rows are kept where they lie when they are contiguous and of a type that is kept; `owner` keeps
// that memory alive.
Expected<Data> from_dense(const assay_dense& view, std::shared_ptr<const void> owner);

// Indices of either width and base, CSR or CSC, sorted or not. An entry stored twice is refused.
// Values, indices and pointers are each kept where they lie when they fit.
Expected<Data> from_sparse(const assay_sparse& view, std::shared_ptr<const void> owner);

// Shapes that are refused: empty ones (E0303), negative ones and sides of 2^31 or more (E0307).
Expected<void> check_shape(int64_t rows, int64_t cols);

}  // namespace assay::data
