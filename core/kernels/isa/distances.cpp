// SPDX-License-Identifier: Apache-2.0
// Squared distances of rows from points by differences. Sums of a pair lie in 32 lanes, whatever
// the width of a vector, and up to four points of a row go together.
#include "core/kernels/isa/vector.hpp"

namespace assay::kernels::ASSAY_ISA_NS {
namespace {

typedef double Eight __attribute__((vector_size(64)));
typedef double EightU __attribute__((vector_size(64), aligned(8), may_alias));
typedef float EightF __attribute__((vector_size(32), aligned(4), may_alias));
typedef float Sixteen __attribute__((vector_size(64)));
typedef float SixteenU __attribute__((vector_size(64), aligned(4), may_alias));
constexpr int kSums = 4;

ASSAY_INLINE void eight(const double* p, Eight& out) { out = *reinterpret_cast<const EightU*>(p); }
ASSAY_INLINE void eight(const float* p, Eight& out) {
  out = __builtin_convertvector(*reinterpret_cast<const EightF*>(p), Eight);
}
ASSAY_INLINE void sixteen(const float* p, Sixteen& out) {
  out = *reinterpret_cast<const SixteenU*>(p);
}
ASSAY_INLINE double sum_of(const Eight& v) {
  return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
}

// One row and P points. Ahead: every second cache line of `next` is asked for on the way.
template <class T, int P, bool W, bool Ahead>
ASSAY_INLINE void pairs(int64_t cols,
                        const T* x,
                        const T* next,
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
      if constexpr (Ahead)
        if (8 * s * sizeof(T) % 128 == 0) __builtin_prefetch(next + j + 8 * s, 0, 2);
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
    out[r] = sum_of(all) + rest;
  }
}

// The same in float32, in 64 lanes.
template <int P>
ASSAY_INLINE void narrow_pairs(int64_t cols, const float* x, const float* const* p, double* out) {
  Sixteen sum[P][kSums] = {};
  int64_t j = 0;
  for (; j + 16 * kSums <= cols; j += 16 * kSums) {
    ASSAY_UNROLL
    for (int s = 0; s < kSums; ++s) {
      Sixteen at;
      sixteen(x + j + 16 * s, at);
      ASSAY_UNROLL
      for (int r = 0; r < P; ++r) {
        Sixteen from;
        sixteen(p[r] + j + 16 * s, from);
        from = at - from;
        sum[r][s] += from * from;
      }
    }
  }
  for (; j + 16 <= cols; j += 16)
    for (int r = 0; r < P; ++r) {
      Sixteen at, from;
      sixteen(x + j, at);
      sixteen(p[r] + j, from);
      from = at - from;
      sum[r][0] += from * from;
    }
  for (int r = 0; r < P; ++r) {
    const Sixteen all = (sum[r][0] + sum[r][1]) + (sum[r][2] + sum[r][3]);
    double rest = 0;
    for (int64_t t = j; t < cols; ++t) {
      const double from = static_cast<double>(x[t]) - static_cast<double>(p[r][t]);
      rest += from * from;
    }
    for (int l = 0; l < 16; ++l) rest += static_cast<double>(all[l]);
    out[r] = rest;
  }
}

// Runs of one, two or four points of a row: pairs<how many>(the row, its points, where the first
// is).
template <class T, class L, class Pairs>
ASSAY_INLINE void by_row(int64_t count,
                         const int64_t* rows,
                         const int32_t* lines,
                         const T* x,
                         int64_t ldx,
                         const L* p,
                         int64_t ldp,
                         const Pairs& pairs) {
  for (int64_t e = 0; e < count;) {
    const int64_t row = rows ? rows[e] : e;
    const L* points[4];
    int n = 0;
    for (; n < 4 && e + n < count && (rows ? rows[e + n] : e + n) == row; ++n)
      points[n] = p + lines[e + n] * ldp;
    const T* at = x + row * ldx;
    if (n == 4)
      pairs.template operator()<4>(at, points, e);
    else if (n >= 2)
      pairs.template operator()<2>(at, points, e);
    else
      pairs.template operator()<1>(at, points, e);
    e += n == 3 ? 2 : n;
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
  by_row(count, rows, lines, x, ldx, p, ldp,
         [&]<int P>(const T* at, const double* const* points, int64_t e) {
           if (P == 1 && !rows)  // a block as it lies: the one behind it comes next
             pairs<T, P, W, true>(cols, at, at + count * ldx, points, w, out + e);
           else
             pairs<T, P, W, false>(cols, at, at, points, w, out + e);
         });
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
#define ASSAY_DISTANCES(T)                                                                  \
  template void distances_of<T>(int64_t, const int64_t*, const int32_t*, int64_t, const T*, \
                                int64_t, const double*, int64_t, const double*, double*);
ASSAY_DISTANCES(double)
ASSAY_DISTANCES(float)

void narrow_distances_of(int64_t count,
                         const int64_t* rows,
                         const int32_t* lines,
                         int64_t cols,
                         const float* x,
                         int64_t ldx,
                         const float* p,
                         int64_t ldp,
                         double* out) {
  by_row(count, rows, lines, x, ldx, p, ldp,
         [&]<int P>(const float* at, const float* const* points, int64_t e) {
           narrow_pairs<P>(cols, at, points, out + e);
         });
}

}  // namespace assay::kernels::ASSAY_ISA_NS
