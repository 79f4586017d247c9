// SPDX-License-Identifier: Apache-2.0
// Transforms of entries as changes of the view: affine ones stay lazy, others go through a table or
// one rewrite.
#pragma once

#include <functional>

#include "core/base/expected.hpp"
#include "core/data/data.hpp"

namespace assay::data {

// x'' = scale_j x' + shift_j on top of the view of x; arrays of x.cols numbers.
Expected<Data> with_affine(const Data& x, const double* scale, const double* shift);

// A function of one entry, applied in place to n of them; a status other than 0 ends the whole.
using Elementwise = std::function<Expected<void>(int64_t n, double* x)>;

// What element() did to the storage.
enum class Rewrite { kNone, kTable, kStorage };

// x'' = f(x'): uint8 data under a view that is the same in every column get a table of 256; other
// storage is rewritten once, float64 (float32 where it was). Sparse data whose unstored entries are
// zeros need f(0) = 0 (E0102).
Expected<Data> with_element(const Data& x, const Elementwise& f, Rewrite* how);

// Each row x'' = f(x') of its own: f gets the observed entries of a row, of sparse data those that
// are stored (which may be none), and leaves as many. Rewritten once, float64 (float32 where it
// was).
Expected<Data> with_rows(const Data& x, const Elementwise& f);

}  // namespace assay::data
