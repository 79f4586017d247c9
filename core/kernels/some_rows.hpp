// SPDX-License-Identifier: Apache-2.0
// The product of some rows of a tile, for methods that look at a few rows at a time.
#pragma once

#include "core/kernels/kernels.hpp"

namespace assay::kernels {

// out[i, 0 .. k) = sum_j x[rows[i], j] b[j, 0 .. k), i < count: as rows_product of Kernels, with
// its bits.
template <class T>
using SomeRows = void (*)(int64_t count,
                          const int64_t* rows,
                          int64_t cols,
                          const T* x,
                          int64_t ldx,
                          const T* b,
                          int64_t ldb,
                          int64_t k,
                          T* out,
                          int64_t ldo);
template <class T>
SomeRows<T> some_rows(Isa isa);

}  // namespace assay::kernels
