/* SPDX-License-Identifier: Apache-2.0 */
/* Squared error: l(x, m) = 1/2 (x - m)^2, so that it equals the beta divergence with beta = 2.
   l' = m - x, MU split num = x, den = m (Lee and Seung 2001, eq. 4: exponent 1 is monotone), l''
   = 1. */
#include <assay/plugin.h>
#include <math.h>

#define SPANS(T, suffix)                                                                          \
  ASSAY_SIMD static int32_t value##suffix(void* self, assay_ctx* ctx, int64_t n,                  \
                                          const T* restrict x, const T* restrict m,               \
                                          T* restrict out) {                                      \
    (void)self, (void)ctx;                                                                        \
    for (int64_t i = 0; i < n; i++) out[i] = (T)0.5 * (x[i] - m[i]) * (x[i] - m[i]);              \
    return ASSAY_OK;                                                                              \
  }                                                                                               \
  ASSAY_SIMD static int32_t grad##suffix(void* self, assay_ctx* ctx, int64_t n,                   \
                                         const T* restrict x, const T* restrict m,                \
                                         T* restrict out) {                                       \
    (void)self, (void)ctx;                                                                        \
    for (int64_t i = 0; i < n; i++) out[i] = m[i] - x[i];                                         \
    return ASSAY_OK;                                                                              \
  }                                                                                               \
  ASSAY_SIMD static int32_t mu_split##suffix(void* self, assay_ctx* ctx, int64_t n,               \
                                             const T* restrict x, const T* restrict m,            \
                                             T* restrict num, T* restrict den) {                  \
    (void)self, (void)ctx;                                                                        \
    for (int64_t i = 0; i < n; i++) {                                                             \
      num[i] = x[i];                                                                              \
      den[i] = m[i];                                                                              \
    }                                                                                             \
    return ASSAY_OK;                                                                              \
  }                                                                                               \
  static int32_t curvature##suffix(void* self, assay_ctx* ctx, int64_t n, const T* x, const T* m, \
                                   T* out) {                                                      \
    (void)self, (void)ctx, (void)x, (void)m;                                                      \
    for (int64_t i = 0; i < n; i++) out[i] = 1;                                                   \
    return ASSAY_OK;                                                                              \
  }
SPANS(double, )
SPANS(float, _f32)

/* Normal of variance 1: log(2 pi) / 2 = .918... */
static int32_t log_density(void* self,
                           assay_ctx* ctx,
                           int64_t n,
                           const double* x,
                           const double* m,
                           double* out) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++)
    out[i] = -0.5 * (x[i] - m[i]) * (x[i] - m[i]) - 0.918938533204672742;
  return ASSAY_OK;
}

static int32_t describe(void* self, assay_loss_facts* out) {
  (void)self;
  out->flags = ASSAY_LOSS_CONVEX | ASSAY_LOSS_CURVATURE_MAJORISES;
  out->x_lo = out->m_lo = -INFINITY;
  out->x_hi = out->m_hi = INFINITY;
  out->tag = ASSAY_TAG_SQUARED;
  out->zero_term = ASSAY_ZERO_QUADRATIC;
  out->zero_a = 0.5;
  out->den_is = NAN;
  out->mu_exponent = 1;
  out->curvature_bound = 1;
  out->noise = ASSAY_NOISE_NORMAL;
  return ASSAY_OK;
}

static const assay_loss vtable = {
    sizeof vtable, 0,         NULL,      NULL,     describe,     value,         grad,
    mu_split,      curvature, value_f32, grad_f32, mu_split_f32, curvature_f32, log_density};
static const assay_plugin plugin = {sizeof plugin,
                                    ASSAY_PLUGIN_DEFAULT,
                                    "assay.loss/1",
                                    "squared",
                                    "squared error, for data with Gaussian noise",
                                    "Lee and Seung 2001",
                                    "l(x, m) = 1/2 (x - m)^2\n"
                                    "l'      = m - x = den - num,  num = x,  den = m\n"
                                    "noise   = normal with the same variance everywhere",
                                    NULL,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.squared", "1.0", plugin)
