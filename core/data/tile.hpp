// SPDX-License-Identifier: Apache-2.0
// Tiles of a dense X, or of a sparse one made dense tile by tile: entries as the view shows them, hidden ones as 0.
#pragma once

#include "core/data/data.hpp"

namespace assay::data {

// Direct pointer to entry (r0, c0) when storage is T and the view is the identity with nothing hidden, else nullptr: then
// kernels may read X where it lies (row stride dense.stride).
template <class T>
const T* direct(const Data& x, int64_t r0, int64_t c0);

// out[i * ld + j] = entry (r0 + i, c0 + j) as the view shows it, widened to T; hidden entries 0. Sparse: unstored entries
// as the view shows a zero. Deterministic, no allocation.
template <class T>
void load(const Data& x, int64_t r0, int64_t rows, int64_t c0, int64_t cols, T* out, int64_t ld);

// out[i * ld + j] = weight of the entry: entry weight x row weight x column weight, 0 where hidden.
template <class T>
void load_weights(const Data& x, int64_t r0, int64_t rows, int64_t c0, int64_t cols, T* out, int64_t ld);

}  // namespace assay::data
