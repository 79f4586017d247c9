// SPDX-License-Identifier: Apache-2.0
// Vectors of the width of the instruction set a file is compiled for, through gcc and clang vector
// extensions. Everything lives in the namespace of that set and is forced inline, so that no object
// shares code with another set's.
#pragma once

#include <stdint.h>

#include "core/kernels/tiles.hpp"

#define ASSAY_INLINE static inline __attribute__((always_inline))

#ifdef __clang__
#define ASSAY_UNROLL _Pragma("clang loop unroll(full)")
#else
#define ASSAY_UNROLL _Pragma("GCC unroll 16")
#endif

namespace assay::kernels::ASSAY_ISA_NS {

#if defined(__AVX512F__)
#define ASSAY_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define ASSAY_VECTOR_BYTES 32
#else
#define ASSAY_VECTOR_BYTES 16
#endif

template <class T>
struct Simd;

template <>
struct Simd<double> {
  typedef double V __attribute__((vector_size(ASSAY_VECTOR_BYTES)));
  typedef double U __attribute__((vector_size(ASSAY_VECTOR_BYTES), aligned(8), may_alias));
  typedef double Half __attribute__((vector_size(ASSAY_VECTOR_BYTES / 2)));
  typedef double HalfU __attribute__((vector_size(ASSAY_VECTOR_BYTES / 2), aligned(8), may_alias));
  static constexpr int kLanes = ASSAY_VECTOR_BYTES / 8;
};

template <>
struct Simd<float> {
  typedef float V __attribute__((vector_size(ASSAY_VECTOR_BYTES)));
  typedef float U __attribute__((vector_size(ASSAY_VECTOR_BYTES), aligned(4), may_alias));
  typedef float Half __attribute__((vector_size(ASSAY_VECTOR_BYTES / 2)));
  typedef float HalfU __attribute__((vector_size(ASSAY_VECTOR_BYTES / 2), aligned(4), may_alias));
  static constexpr int kLanes = ASSAY_VECTOR_BYTES / 4;
};

template <class T>
using Vec = typename Simd<T>::V;
template <class T>
constexpr int kLanes = Simd<T>::kLanes;

template <class T>
ASSAY_INLINE Vec<T> load(const T* p) {
  return *reinterpret_cast<const typename Simd<T>::U*>(p);
}
template <class T>
ASSAY_INLINE void store(T* p, Vec<T> v) {
  *reinterpret_cast<typename Simd<T>::U*>(p) = v;
}
template <class T>
ASSAY_INLINE Vec<T> splat(T s) {
  return s - Vec<T>{};
}

// The same of half the width.
template <class T>
using HalfVec = typename Simd<T>::Half;
template <class T>
ASSAY_INLINE HalfVec<T> load_half(const T* p) {
  return *reinterpret_cast<const typename Simd<T>::HalfU*>(p);
}
template <class T>
ASSAY_INLINE void store_half(T* p, HalfVec<T> v) {
  *reinterpret_cast<typename Simd<T>::HalfU*>(p) = v;
}
template <class T>
ASSAY_INLINE HalfVec<T> splat_half(T s) {
  return s - HalfVec<T>{};
}

template <class V>
ASSAY_INLINE V larger(V a, V b) {
  return a > b ? a : b;
}
template <class V>
ASSAY_INLINE V smaller(V a, V b) {
  return a < b ? a : b;
}

// Even and odd lanes of the pair (a, b).
#if ASSAY_VECTOR_BYTES == 64
ASSAY_INLINE Vec<double> even(Vec<double> a, Vec<double> b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
}
ASSAY_INLINE Vec<double> odd(Vec<double> a, Vec<double> b) {
  return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}
ASSAY_INLINE Vec<float> even(Vec<float> a, Vec<float> b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}
ASSAY_INLINE Vec<float> odd(Vec<float> a, Vec<float> b) {
  return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}
ASSAY_INLINE Simd<float>::Half low_half(Vec<float> v) {
  return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
}
ASSAY_INLINE Simd<float>::Half high_half(Vec<float> v) {
  return __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
}
#elif ASSAY_VECTOR_BYTES == 32
ASSAY_INLINE Vec<double> even(Vec<double> a, Vec<double> b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6);
}
ASSAY_INLINE Vec<double> odd(Vec<double> a, Vec<double> b) {
  return __builtin_shufflevector(a, b, 1, 3, 5, 7);
}
ASSAY_INLINE Vec<float> even(Vec<float> a, Vec<float> b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
}
ASSAY_INLINE Vec<float> odd(Vec<float> a, Vec<float> b) {
  return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}
ASSAY_INLINE Simd<float>::Half low_half(Vec<float> v) {
  return __builtin_shufflevector(v, v, 0, 1, 2, 3);
}
ASSAY_INLINE Simd<float>::Half high_half(Vec<float> v) {
  return __builtin_shufflevector(v, v, 4, 5, 6, 7);
}
#else
ASSAY_INLINE Vec<double> even(Vec<double> a, Vec<double> b) {
  return __builtin_shufflevector(a, b, 0, 2);
}
ASSAY_INLINE Vec<double> odd(Vec<double> a, Vec<double> b) {
  return __builtin_shufflevector(a, b, 1, 3);
}
ASSAY_INLINE Vec<float> even(Vec<float> a, Vec<float> b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6);
}
ASSAY_INLINE Vec<float> odd(Vec<float> a, Vec<float> b) {
  return __builtin_shufflevector(a, b, 1, 3, 5, 7);
}
ASSAY_INLINE Simd<float>::Half low_half(Vec<float> v) {
  return __builtin_shufflevector(v, v, 0, 1);
}
ASSAY_INLINE Simd<float>::Half high_half(Vec<float> v) {
  return __builtin_shufflevector(v, v, 2, 3);
}
#endif

// Lane e of the result is the sum of the lanes of v[e]; v is destroyed.
template <class T>
ASSAY_INLINE Vec<T> sum_each(Vec<T>* v) {
  ASSAY_UNROLL
  for (int n = kLanes<T>; n > 1; n /= 2) {
    ASSAY_UNROLL
    for (int e = 0; e < n / 2; ++e) {
      v[e] = even(v[2 * e], v[2 * e + 1]) + odd(v[2 * e], v[2 * e + 1]);
    }
  }
  return v[0];
}

// s[0 .. lanes) += v, in double.
ASSAY_INLINE void add_to(double* s, Vec<double> v) { store(s, load(s) + v); }
ASSAY_INLINE void add_to(double* s, Vec<float> v) {
  add_to(s, __builtin_convertvector(low_half(v), Vec<double>));
  add_to(s + kLanes<double>, __builtin_convertvector(high_half(v), Vec<double>));
}
ASSAY_INLINE void add_half_to(double* s, HalfVec<double> v) { store_half(s, load_half(s) + v); }
ASSAY_INLINE void add_half_to(double* s, HalfVec<float> v) {
  add_to(s, __builtin_convertvector(v, Vec<double>));
}

}  // namespace assay::kernels::ASSAY_ISA_NS
