// SPDX-License-Identifier: Apache-2.0
// Entries of sparse lines: their values, the inner products of a line's factor row with the gathered rows, and sums of
// gathered rows.
#pragma once

#include "core/kernels/isa/isa.hpp"

namespace assay::kernels::ASSAY_ISA_NS {

// Entries ahead whose row of the other factor is fetched.
constexpr int64_t kAhead = 16;

template <class T>
ASSAY_INLINE void prefetch_row(const T* row, int64_t kp) {
  constexpr int64_t kLineElements = 64 / static_cast<int64_t>(sizeof(T));
  for (int64_t p = 0; p < kp; p += kLineElements) __builtin_prefetch(row + p);
}

template <class T>
ASSAY_INLINE T value_at(const SparseTile<T>& t, int64_t e) {
  return t.dtype == ASSAY_F32 ? static_cast<T>(static_cast<const float*>(t.values)[e])
                              : static_cast<T>(static_cast<const double*>(t.values)[e]);
}

// x' of entry e of line l, as the view shows it.
template <class T>
ASSAY_INLINE T viewed(const SparseTile<T>& t, int64_t l, int64_t e) {
  T x = value_at(t, e);
  if (t.line_scale != nullptr) x *= static_cast<T>(t.line_scale[l]);
  if (t.index_scale != nullptr) x *= static_cast<T>(t.index_scale[t.indices[e]]);
  return x;
}

// Product of the weights of line l and index j.
template <class T>
ASSAY_INLINE T outer_weight(const SparseTile<T>& t, int64_t l, int64_t j) {
  double w = t.line_weights != nullptr ? t.line_weights[l] : 1.0;
  if (t.index_weights != nullptr) w *= t.index_weights[j];
  return static_cast<T>(w);
}

// out[e] = inner product of a (kp) and row indices[e] of b, for e < n; out has room for a whole vector at its end.
template <class T>
ASSAY_INLINE void gathered_dots(int64_t n,
                                const int32_t* indices,
                                const T* a,
                                const T* b,
                                int64_t ldb,
                                int64_t kp,
                                T* out) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t e = 0; e < n; e += L) {
    Vec<T> sum[L] = {};
    const int64_t part = n - e < L ? n - e : L;
    if (part == L) {
      ASSAY_UNROLL
      for (int64_t l = 0; l < L; ++l) {
        const T* row = b + indices[e + l] * ldb;
        for (int64_t p = 0; p < kp; p += L) sum[l] += load(a + p) * load(row + p);
      }
    } else {
      ASSAY_UNROLL
      for (int64_t l = 0; l < L; ++l) {
        const T* row = b + indices[l < part ? e + l : e] * ldb;
        for (int64_t p = 0; p < kp; p += L) sum[l] += load(a + p) * load(row + p);
      }
    }
    store(out + e, sum_each<T>(sum));
  }
}

// out (kp) += sum over e < n of v[e] times row indices[e] of b (its squares).
template <class T, bool kSquares>
ASSAY_INLINE void gathered_sum(int64_t n,
                               const int32_t* indices,
                               const T* v,
                               const T* b,
                               int64_t ldb,
                               int64_t kp,
                               T* out) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t p = 0; p < kp; p += L) {
    Vec<T> sum[4] = {};
    int64_t e = 0;
    for (; e + 4 <= n; e += 4) {
      ASSAY_UNROLL
      for (int u = 0; u < 4; ++u) {
        const Vec<T> row = load(b + indices[e + u] * ldb + p);
        sum[u] += splat(v[e + u]) * (kSquares ? row * row : row);
      }
    }
    for (; e < n; ++e) {
      const Vec<T> row = load(b + indices[e] * ldb + p);
      sum[0] += splat(v[e]) * (kSquares ? row * row : row);
    }
    store(out + p, load(out + p) + ((sum[0] + sum[1]) + (sum[2] + sum[3])));
  }
}

// Row indices[e] of s (kp doubles) += v[e] times a, for e < n.
template <class T>
ASSAY_INLINE void scattered_sum(int64_t n,
                                const int32_t* indices,
                                const T* v,
                                const double* a,
                                int64_t kp,
                                double* s,
                                int64_t lds) {
  constexpr int64_t L = kLanes<double>;
  for (int64_t e = 0; e < n; ++e) {
    double* row = s + indices[e] * lds;
    if (e + kAhead < n) prefetch_row(s + indices[e + kAhead] * lds, kp);
    const Vec<double> entry = splat(static_cast<double>(v[e]));
    for (int64_t p = 0; p < kp; p += L) store(row + p, load(row + p) + entry * load(a + p));
  }
}

}  // namespace assay::kernels::ASSAY_ISA_NS
