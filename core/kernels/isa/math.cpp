// SPDX-License-Identifier: Apache-2.0
// Span mathematics on SLEEF's vector functions. A tail goes through the same vector function as the
// rest, so that a span gives the same bits however it is cut.
#include <sleef.h>

#include "core/kernels/isa/isa.hpp"

#if !ASSAY_HAVE_X86
#define ASSAY_D(name) Sleef_##name##_u10
#define ASSAY_F(name) Sleef_##name##f_u10
#elif ASSAY_VECTOR_BYTES == 64
#define ASSAY_D(name) Sleef_##name##d8_u10avx512f
#define ASSAY_F(name) Sleef_##name##f16_u10avx512f
#elif ASSAY_VECTOR_BYTES == 32
#define ASSAY_D(name) Sleef_##name##d4_u10avx2
#define ASSAY_F(name) Sleef_##name##f8_u10avx2
#else
#define ASSAY_D(name) Sleef_##name##d2_u10sse2
#define ASSAY_F(name) Sleef_##name##f4_u10sse2
#endif

namespace assay::kernels::ASSAY_ISA_NS {
namespace {

#if ASSAY_HAVE_X86
template <class T>
using Arg = Vec<T>;
template <class T>
constexpr int kArgLanes = kLanes<T>;
template <class T>
ASSAY_INLINE Arg<T> get(const T* p) {
  return load(p);
}
template <class T>
ASSAY_INLINE void put(T* p, Arg<T> v) {
  store(p, v);
}
template <class T>
ASSAY_INLINE Arg<T> same(T s) {
  return splat(s);
}
#else
template <class T>
using Arg = T;
template <class T>
constexpr int kArgLanes = 1;
template <class T>
ASSAY_INLINE T get(const T* p) {
  return *p;
}
template <class T>
ASSAY_INLINE void put(T* p, T v) {
  *p = v;
}
template <class T>
ASSAY_INLINE T same(T s) {
  return s;
}
#endif

template <class T, class F>
ASSAY_INLINE void over_span(int64_t n, const T* x, T* out, F f) {
  constexpr int64_t L = kArgLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) put<T>(out + i, f(get<T>(x + i)));
  if (i == n) return;
  T tail[L];
  for (int64_t l = 0; l < L; ++l) tail[l] = i + l < n ? x[i + l] : T(1);
  put<T>(tail, f(get<T>(tail)));
  for (int64_t l = 0; i + l < n; ++l) out[i + l] = tail[l];
}

#define ASSAY_SPAN(name, T, call)                                                         \
  void name(int64_t n, const T* x, T* out) {                                              \
    over_span(                                                                            \
        n, x, out, [](Arg<T> v) __attribute__((always_inline))->Arg<T> { return call; }); \
  }

ASSAY_SPAN(log_f64, double, ASSAY_D(log)(v))
ASSAY_SPAN(exp_f64, double, ASSAY_D(exp)(v))
ASSAY_SPAN(log1p_f64, double, ASSAY_D(log1p)(v))
ASSAY_SPAN(expm1_f64, double, ASSAY_D(expm1)(v))
ASSAY_SPAN(lgamma_f64, double, ASSAY_D(lgamma)(v))
ASSAY_SPAN(log_f32, float, ASSAY_F(log)(v))
ASSAY_SPAN(exp_f32, float, ASSAY_F(exp)(v))
ASSAY_SPAN(log1p_f32, float, ASSAY_F(log1p)(v))
ASSAY_SPAN(expm1_f32, float, ASSAY_F(expm1)(v))
ASSAY_SPAN(lgamma_f32, float, ASSAY_F(lgamma)(v))

void pow_f64(int64_t n, const double* x, double exponent, double* out) {
  const Arg<double> e = same<double>(exponent);
  over_span(
      n, x, out, [e](Arg<double> v) __attribute__((always_inline))->Arg<double> {
        return ASSAY_D(pow)(v, e);
      });
}

void pow_f32(int64_t n, const float* x, float exponent, float* out) {
  const Arg<float> e = same<float>(exponent);
  over_span(
      n, x, out, [e](Arg<float> v) __attribute__((always_inline))->Arg<float> {
        return ASSAY_F(pow)(v, e);
      });
}

}  // namespace

extern const assay_math math = {static_cast<uint32_t>(sizeof(assay_math)),
                                0,
                                log_f64,
                                exp_f64,
                                log1p_f64,
                                expm1_f64,
                                lgamma_f64,
                                pow_f64,
                                log_f32,
                                exp_f32,
                                log1p_f32,
                                expm1_f32,
                                lgamma_f32,
                                pow_f32};

}  // namespace assay::kernels::ASSAY_ISA_NS
