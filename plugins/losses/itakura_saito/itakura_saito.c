/* SPDX-License-Identifier: Apache-2.0 */
/* Itakura-Saito divergence: l(x, m) = x / m - log(x / m) - 1, for x, m > 0.
   l' = (m - x) / m^2, MU split num = x / m^2, den = 1 / m (monotone with exponent 1/2: Fevotte and
   Idier 2011, Theorem 1), l'' = (2 x - m) / m^3, below 0 where m > 2 x: not convex.
   With the ratio r rounded once, r - 1 is exact near 1 and the error is that of log r: relative. */
#include <assay/plugin.h>
#include <float.h>
#include <math.h>

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_options* options,
                      void** self) {
  (void)options;
  const assay_math* math = host->service("assay.math/1");
  if (!math)
    return host->set_error(ctx, ASSAY_E_NOT_FOUND, "this host has no service `assay.math/1`");
  *self = (void*)(uintptr_t)math;
  return ASSAY_OK;
}

#define SPANS(T, suffix, smallest)                                                            \
  ASSAY_SIMD static void ratio##suffix(int64_t n, const T* restrict x, const T* restrict m,   \
                                       T* restrict out) {                                     \
    for (int64_t i = 0; i < n; i++) {                                                         \
      const T r = x[i] / m[i];                                                                \
      out[i] = r > smallest ? r : smallest;                                                   \
    }                                                                                         \
  }                                                                                           \
  ASSAY_SIMD static void combine##suffix(int64_t n, const T* restrict x, const T* restrict m, \
                                         T* restrict out) {                                   \
    for (int64_t i = 0; i < n; i++) {                                                         \
      const T v = x[i] / m[i] - 1 - out[i];                                                   \
      out[i] = v > 0 ? v : 0;                                                                 \
    }                                                                                         \
  }                                                                                           \
  static int32_t value##suffix(void* self, assay_ctx* ctx, int64_t n, const T* x, const T* m, \
                               T* out) {                                                      \
    (void)ctx;                                                                                \
    ratio##suffix(n, x, m, out);                                                              \
    ((const assay_math*)self)->log##suffix(n, out, out);                                      \
    combine##suffix(n, x, m, out);                                                            \
    return ASSAY_OK;                                                                          \
  }                                                                                           \
  ASSAY_SIMD static int32_t grad##suffix(void* self, assay_ctx* ctx, int64_t n,               \
                                         const T* restrict x, const T* restrict m,            \
                                         T* restrict out) {                                   \
    (void)self, (void)ctx;                                                                    \
    for (int64_t i = 0; i < n; i++) out[i] = (m[i] - x[i]) / m[i] / m[i];                     \
    return ASSAY_OK;                                                                          \
  }                                                                                           \
  ASSAY_SIMD static int32_t mu_split##suffix(void* self, assay_ctx* ctx, int64_t n,           \
                                             const T* restrict x, const T* restrict m,        \
                                             T* restrict num, T* restrict den) {              \
    (void)self, (void)ctx;                                                                    \
    for (int64_t i = 0; i < n; i++) {                                                         \
      den[i] = 1 / m[i];                                                                      \
      num[i] = x[i] * den[i] * den[i];                                                        \
    }                                                                                         \
    return ASSAY_OK;                                                                          \
  }                                                                                           \
  ASSAY_SIMD static int32_t curvature##suffix(void* self, assay_ctx* ctx, int64_t n,          \
                                              const T* restrict x, const T* restrict m,       \
                                              T* restrict out) {                              \
    (void)self, (void)ctx;                                                                    \
    for (int64_t i = 0; i < n; i++) out[i] = (2 * x[i] - m[i]) / m[i] / m[i] / m[i];          \
    return ASSAY_OK;                                                                          \
  }
SPANS(double, , DBL_MIN)
SPANS(float, _f32, FLT_MIN)

/* Exponential of mean m, the gamma law of shape 1. */
static int32_t log_density(void* self,
                           assay_ctx* ctx,
                           int64_t n,
                           const double* x,
                           const double* m,
                           double* out) {
  (void)ctx;
  ((const assay_math*)self)->log(n, m, out);
  for (int64_t i = 0; i < n; i++) out[i] = -out[i] - x[i] / m[i];
  return ASSAY_OK;
}

static int32_t describe(void* self, assay_loss_facts* out) {
  (void)self;
  out->flags = ASSAY_LOSS_X_LO_OPEN | ASSAY_LOSS_M_LO_OPEN;
  out->x_hi = out->m_hi = INFINITY;
  out->tag = ASSAY_TAG_IS;
  out->den_is = NAN;
  out->mu_exponent = 0.5;
  out->curvature_bound = INFINITY;
  out->noise = ASSAY_NOISE_GAMMA;
  return ASSAY_OK;
}

static const assay_loss vtable = {
    sizeof vtable, 0,         create,    NULL,     describe,     value,         grad,
    mu_split,      curvature, value_f32, grad_f32, mu_split_f32, curvature_f32, log_density};
static const assay_plugin plugin = {
    sizeof plugin,
    0,
    "assay.loss/1",
    "itakura_saito",
    "Itakura-Saito divergence, for positive data with multiplicative noise",
    "Itakura and Saito 1968; Fevotte, Bertin and Durrieu 2009",
    "l(x, m) = x / m - log(x / m) - 1,  x, m > 0; l(g x, g m) = l(x, m)\n"
    "l'      = (m - x) / m^2 = den - num,  num = x / m^2,  den = 1 / m\n"
    "MU      = monotone with exponent 1/2\n"
    "noise   = multiplicative: x = m g, g gamma of mean 1 (power spectra: shape 1)",
    NULL,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.itakura_saito", "1.0", plugin)
