// SPDX-License-Identifier: Apache-2.0
// Squared distances of rows from points by differences. Sums of a pair lie in 32 lanes, whatever
// the width of a vector, and up to four points of a row go together.
#include "core/kernels/isa/vector.hpp"

namespace assay::kernels::ASSAY_ISA_NS {
namespace {

typedef double Eight __attribute__((vector_size(64)));
typedef double EightU __attribute__((vector_size(64), aligned(8), may_alias));
typedef float EightF __attribute__((vector_size(32), aligned(4), may_alias));
constexpr int kSums = 4;  // of eight lanes

ASSAY_INLINE void eight(const double* p, Eight& out) { out = *reinterpret_cast<const EightU*>(p); }
ASSAY_INLINE void eight(const float* p, Eight& out) {
  out = __builtin_convertvector(*reinterpret_cast<const EightF*>(p), Eight);
}

// One row and P points.
template <class T, int P, bool W>
ASSAY_INLINE void pairs(int64_t cols,
                        const T* x,
                        const double* const* p,
                        const double* w,
                        double* out) {
  Eight sum[P][kSums] = {};
  int64_t j = 0;
  for (; j + 8 * kSums <= cols; j += 8 * kSums) {
    ASSAY_UNROLL
    for (int s = 0; s < kSums; ++s) {
      Eight at, v;
      eight(x + j + 8 * s, at);
      if constexpr (W) eight(w + j + 8 * s, v);
      ASSAY_UNROLL
      for (int r = 0; r < P; ++r) {
        Eight from;
        eight(p[r] + j + 8 * s, from);
        from = at - from;
        if constexpr (W)
          sum[r][s] += v * from * from;
        else
          sum[r][s] += from * from;
      }
    }
  }
  for (; j + 8 <= cols; j += 8) {
    Eight at, v;
    eight(x + j, at);
    if constexpr (W) eight(w + j, v);
    ASSAY_UNROLL
    for (int r = 0; r < P; ++r) {
      Eight from;
      eight(p[r] + j, from);
      from = at - from;
      if constexpr (W)
        sum[r][0] += v * from * from;
      else
        sum[r][0] += from * from;
    }
  }
  for (int r = 0; r < P; ++r) {
    const Eight all = (sum[r][0] + sum[r][1]) + (sum[r][2] + sum[r][3]);
    double rest = 0;
    for (int64_t t = j; t < cols; ++t) {
      const double from = static_cast<double>(x[t]) - p[r][t];
      rest += W ? w[t] * from * from : from * from;
    }
    out[r] =
        (((all[0] + all[4]) + (all[1] + all[5])) + ((all[2] + all[6]) + (all[3] + all[7]))) + rest;
  }
}

template <class T, bool W>
void all_pairs(int64_t count,
               const int64_t* rows,
               const int32_t* lines,
               int64_t cols,
               const T* x,
               int64_t ldx,
               const double* p,
               int64_t ldp,
               const double* w,
               double* out) {
  const auto row = [rows](int64_t e) { return rows ? rows[e] : e; };
  for (int64_t e = 0; e < count;) {
    const T* at = x + row(e) * ldx;
    const double* points[4];
    int n = 0;
    for (; n < 4 && e + n < count && row(e + n) == row(e); ++n) points[n] = p + lines[e + n] * ldp;
    if (n == 4)
      pairs<T, 4, W>(cols, at, points, w, out + e);
    else if (n >= 2)
      pairs<T, 2, W>(cols, at, points, w, out + e);
    else
      pairs<T, 1, W>(cols, at, points, w, out + e);
    e += n == 4 ? 4 : n >= 2 ? 2 : 1;
  }
}

}  // namespace

template <class T>
void distances_of(int64_t count,
                  const int64_t* rows,
                  const int32_t* lines,
                  int64_t cols,
                  const T* x,
                  int64_t ldx,
                  const double* p,
                  int64_t ldp,
                  const double* w,
                  double* out) {
  if (w)
    all_pairs<T, true>(count, rows, lines, cols, x, ldx, p, ldp, w, out);
  else
    all_pairs<T, false>(count, rows, lines, cols, x, ldx, p, ldp, w, out);
}

template void distances_of<double>(int64_t,
                                   const int64_t*,
                                   const int32_t*,
                                   int64_t,
                                   const double*,
                                   int64_t,
                                   const double*,
                                   int64_t,
                                   const double*,
                                   double*);
template void distances_of<float>(int64_t,
                                  const int64_t*,
                                  const int32_t*,
                                  int64_t,
                                  const float*,
                                  int64_t,
                                  const double*,
                                  int64_t,
                                  const double*,
                                  double*);

}  // namespace assay::kernels::ASSAY_ISA_NS
