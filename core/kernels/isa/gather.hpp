// SPDX-License-Identifier: Apache-2.0
// Entries of sparse lines: their values, the inner products of a line's factor row with the
// gathered rows, and sums of gathered rows.
#pragma once

#include "core/kernels/isa/isa.hpp"

namespace assay::kernels::ASSAY_ISA_NS {

template <int N>
struct Count {
  static constexpr int value = N;
};

// Vectors of a row that are worked on at once; longer rows take several passes.
constexpr int kRowVectors = 8;

// Entries ahead whose row of the other factor is fetched.
template <class T>
constexpr int64_t kAhead = kLanes<T> > 8 ? 32 : 16;

template <class T>
ASSAY_INLINE void prefetch_row(const T* row, int64_t n) {
  constexpr int64_t kLineElements = 64 / static_cast<int64_t>(sizeof(T));
  for (int64_t p = 0; p < n; p += kLineElements) __builtin_prefetch(row + p);
}

// Calls body with the first component and the number of vectors, a constant, of each part of a row
// of kp components.
template <int C, class T, class Body>
ASSAY_INLINE void with_vectors(int64_t c, int64_t at, const Body& body) {
  if constexpr (C > 0) {
    if (c == C) return body(at, Count<C>{});
    with_vectors<C - 1, T>(c, at, body);
  }
}
template <class T, class Body>
ASSAY_INLINE void by_vectors(int64_t kp, const Body& body) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t p = 0; p < kp; p += kRowVectors * L) {
    const int64_t left = (kp - p) / L;
    with_vectors<kRowVectors, T>(left < kRowVectors ? left : kRowVectors, p, body);
  }
}

template <class T, class Value>
ASSAY_INLINE void copy_values(int64_t n, const Value* values, T* out) {
  for (int64_t e = 0; e < n; ++e) out[e] = static_cast<T>(values[e]);
}

// x' of entries begin .. begin + n - 1 of line l, as the view shows them.
template <class T>
ASSAY_INLINE void viewed(const SparseTile<T>& t, int64_t l, int64_t begin, int64_t n, T* out) {
  if (t.dtype == ASSAY_F32) {
    copy_values(n, static_cast<const float*>(t.values) + begin, out);
  } else {
    copy_values(n, static_cast<const double*>(t.values) + begin, out);
  }
  if (t.line_scale != nullptr) {
    const T scale = static_cast<T>(t.line_scale[l]);
    for (int64_t e = 0; e < n; ++e) out[e] *= scale;
  }
  if (t.index_scale != nullptr) {
    for (int64_t e = 0; e < n; ++e) out[e] *= static_cast<T>(t.index_scale[t.indices[begin + e]]);
  }
}

// Product of the weights of line l and index j.
template <class T>
ASSAY_INLINE T outer_weight(const SparseTile<T>& t, int64_t l, int64_t j) {
  double w = t.line_weights != nullptr ? t.line_weights[l] : 1.0;
  if (t.index_weights != nullptr) w *= t.index_weights[j];
  return static_cast<T>(w);
}

// out[e] = inner product of a (kp) and row indices[e] of b, for e < n; out has room for a whole
// vector at its end. `known` indices, n or more, may be looked at to fetch rows ahead.
template <class T, int C>
ASSAY_INLINE void dots_of_part(int64_t n,
                               int64_t known,
                               const int32_t* indices,
                               const T* a,
                               const T* b,
                               int64_t ldb,
                               bool add,
                               T* out) {
  constexpr int L = kLanes<T>;
  Vec<T> own[C];
  ASSAY_UNROLL
  for (int c = 0; c < C; ++c) own[c] = load(a + c * L);
  for (int64_t e = 0; e < n; e += L) {
    for (int64_t f = e + kAhead<T>; f < e + kAhead<T> + L && f < known; ++f) {
      prefetch_row(b + indices[f] * ldb, C * L);
    }
    Vec<T> sum[L];
    ASSAY_UNROLL
    for (int l = 0; l < L; ++l) {
      // Behind the end the last entry stands in; its lanes are not used.
      const T* row = b + indices[e + l < n ? e + l : n - 1] * ldb;
      sum[l] = own[0] * load(row);
      ASSAY_UNROLL
      for (int c = 1; c < C; ++c) sum[l] += own[c] * load(row + c * L);
    }
    const Vec<T> total = sum_each<T>(sum);
    store(out + e, add ? load(out + e) + total : total);
  }
}

template <class T>
ASSAY_INLINE void gathered_dots(int64_t n,
                                int64_t known,
                                const int32_t* indices,
                                const T* a,
                                const T* b,
                                int64_t ldb,
                                int64_t kp,
                                T* out) {
  by_vectors<T>(
      kp, [&](int64_t p, auto c) __attribute__((always_inline)) {
        dots_of_part<T, decltype(c)::value>(n, known, indices, a + p, b + p, ldb, p > 0, out);
      });
}

// out (kp) += sum over e < n of v[e] times row indices[e] of b (its squares).
template <class T, int C, bool kSquares, bool kFetch>
ASSAY_INLINE void sum_of_part(int64_t n,
                              int64_t known,
                              const int32_t* indices,
                              const T* v,
                              const T* b,
                              int64_t ldb,
                              T* out) {
  constexpr int L = kLanes<T>;
  constexpr int kChains = C == 1 ? 4 : C <= 4 ? 2 : 1;
  Vec<T> sum[kChains][C] = {};
  int64_t e = 0;
  const auto add = [&](int u) __attribute__((always_inline)) {
    if (kFetch && e + kAhead<T> < known) prefetch_row(b + indices[e + kAhead<T>] * ldb, C * L);
    const T* row = b + indices[e] * ldb;
    const Vec<T> entry = splat(v[e]);
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) {
      const Vec<T> line = load(row + c * L);
      sum[u][c] += entry * (kSquares ? line * line : line);
    }
    ++e;
  };
  while (e + kChains <= n) {
    ASSAY_UNROLL
    for (int u = 0; u < kChains; ++u) add(u);
  }
  while (e < n) add(0);
  ASSAY_UNROLL
  for (int c = 0; c < C; ++c) {
    ASSAY_UNROLL
    for (int u = 1; u < kChains; ++u) sum[0][c] += sum[u][c];
    store(out + c * L, load(out + c * L) + sum[0][c]);
  }
}

template <class T, bool kSquares, bool kFetch>
ASSAY_INLINE void gathered_sum(int64_t n,
                               int64_t known,
                               const int32_t* indices,
                               const T* v,
                               const T* b,
                               int64_t ldb,
                               int64_t kp,
                               T* out) {
  by_vectors<T>(
      kp, [&](int64_t p, auto c) __attribute__((always_inline)) {
        sum_of_part<T, decltype(c)::value, kSquares, kFetch>(n, known, indices, v, b + p, ldb,
                                                             out + p);
      });
}

// Row indices[e] of s (kp doubles) += v[e] times a, for e < n.
template <class T>
ASSAY_INLINE void scattered_sum(int64_t n,
                                int64_t known,
                                const int32_t* indices,
                                const T* v,
                                const double* a,
                                int64_t kp,
                                double* s,
                                int64_t lds) {
  constexpr int L = kLanes<double>;
  by_vectors<double>(
      kp, [&](int64_t p, auto count) __attribute__((always_inline)) {
        constexpr int C = decltype(count)::value;
        Vec<double> own[C];
        ASSAY_UNROLL
        for (int c = 0; c < C; ++c) own[c] = load(a + p + c * L);
        for (int64_t e = 0; e < n; ++e) {
          if (e + kAhead<double> < known)
            prefetch_row(s + indices[e + kAhead<double>] * lds + p, C * L);
          double* row = s + indices[e] * lds + p;
          const Vec<double> entry = splat(static_cast<double>(v[e]));
          ASSAY_UNROLL
          for (int c = 0; c < C; ++c) store(row + c * L, load(row + c * L) + entry * own[c]);
        }
      });
}

}  // namespace assay::kernels::ASSAY_ISA_NS
