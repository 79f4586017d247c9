// SPDX-License-Identifier: Apache-2.0
// Squared distances of rows from points by differences: no digits cancel, however far both lie from
// the origin.
#pragma once

#include "core/kernels/kernels.hpp"

namespace assay::kernels {

// out[e] = sum_j w[j] (x[rows[e], j] - p[lines[e], j])^2, e < count, in double; rows null: e; w
// null: 1. A function of the row and the line alone: one order of summation. Equal rows one after
// another share what is read of x.
template <class T>
using Distances = void (*)(int64_t count,
                           const int64_t* rows,
                           const int32_t* lines,
                           int64_t cols,
                           const T* x,
                           int64_t ldx,
                           const double* p,
                           int64_t ldp,
                           const double* w,
                           double* out);
template <class T>
Distances<T> distances(Isa isa);

// The same of float32, summed in float32 in 64 lanes.
using NarrowDistances = void (*)(int64_t count,
                                 const int64_t* rows,
                                 const int32_t* lines,
                                 int64_t cols,
                                 const float* x,
                                 int64_t ldx,
                                 const float* p,
                                 int64_t ldp,
                                 double* out);
NarrowDistances narrow_distances(Isa isa);

}  // namespace assay::kernels
