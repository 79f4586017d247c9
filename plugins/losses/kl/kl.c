/* SPDX-License-Identifier: Apache-2.0 */
/* Generalised Kullback-Leibler divergence: l(x, m) = x log(x / m) - x + m, with 0 log 0 = 0.
   l' = 1 - x / m, MU split num = x / m, den = 1 (Lee and Seung 2001, eq. 5: exponent 1 is
   monotone), l'' = x / m^2. */
#include <assay/plugin.h>
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

/* The ratio is 1 where x is 0 (or so small that x / m is), so that x log(ratio) is 0 there. */
#define SPANS(T, suffix)                                                                      \
  ASSAY_SIMD static void ratio##suffix(int64_t n, const T* restrict x, const T* restrict m,   \
                                       T* restrict out) {                                     \
    for (int64_t i = 0; i < n; i++) {                                                         \
      const T r = x[i] / m[i];                                                                \
      out[i] = r > 0 ? r : 1;                                                                 \
    }                                                                                         \
  }                                                                                           \
  ASSAY_SIMD static void combine##suffix(int64_t n, const T* restrict x, const T* restrict m, \
                                         T* restrict out) {                                   \
    for (int64_t i = 0; i < n; i++) out[i] = x[i] * out[i] + (m[i] - x[i]);                   \
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
    for (int64_t i = 0; i < n; i++) out[i] = 1 - x[i] / m[i];                                 \
    return ASSAY_OK;                                                                          \
  }                                                                                           \
  ASSAY_SIMD static int32_t mu_split##suffix(void* self, assay_ctx* ctx, int64_t n,           \
                                             const T* restrict x, const T* restrict m,        \
                                             T* restrict num, T* restrict den) {              \
    (void)self, (void)ctx;                                                                    \
    for (int64_t i = 0; i < n; i++) {                                                         \
      num[i] = x[i] / m[i];                                                                   \
      den[i] = 1;                                                                             \
    }                                                                                         \
    return ASSAY_OK;                                                                          \
  }                                                                                           \
  ASSAY_SIMD static int32_t curvature##suffix(void* self, assay_ctx* ctx, int64_t n,          \
                                              const T* restrict x, const T* restrict m,       \
                                              T* restrict out) {                              \
    (void)self, (void)ctx;                                                                    \
    for (int64_t i = 0; i < n; i++) out[i] = x[i] / m[i] / m[i];                              \
    return ASSAY_OK;                                                                          \
  }
SPANS(double, )
SPANS(float, _f32)

/* Poisson of mean m: x log m - m - log x!. */
static int32_t log_density(void* self,
                           assay_ctx* ctx,
                           int64_t n,
                           const double* x,
                           const double* m,
                           double* out) {
  (void)ctx;
  enum { CHUNK = 128 };
  const assay_math* math = self;
  double factorial[CHUNK];
  math->log(n, m, out);
  for (int64_t i = 0; i < n; i += CHUNK) {
    const int64_t size = n - i < CHUNK ? n - i : CHUNK;
    for (int64_t j = 0; j < size; j++) factorial[j] = x[i + j] + 1;
    math->lgamma(size, factorial, factorial);
    for (int64_t j = 0; j < size; j++) out[i + j] = x[i + j] * out[i + j] - m[i + j] - factorial[j];
  }
  return ASSAY_OK;
}

static int32_t describe(void* self, assay_loss_facts* out) {
  (void)self;
  out->flags = ASSAY_LOSS_CONVEX | ASSAY_LOSS_M_LO_OPEN;
  out->x_hi = out->m_hi = INFINITY;
  out->tag = ASSAY_TAG_KL;
  out->zero_term = ASSAY_ZERO_LINEAR;
  out->zero_a = 1;
  out->den_is = 1;
  out->mu_exponent = 1;
  out->curvature_bound = INFINITY;
  out->noise = ASSAY_NOISE_POISSON;
  return ASSAY_OK;
}

static const assay_loss vtable = {
    sizeof vtable, 0,         create,    NULL,     describe,     value,         grad,
    mu_split,      curvature, value_f32, grad_f32, mu_split_f32, curvature_f32, log_density};
static const assay_plugin plugin = {sizeof plugin,
                                    0,
                                    "assay.loss/1",
                                    "kl",
                                    "generalised Kullback-Leibler divergence, for counts",
                                    "Lee and Seung 2001",
                                    "l(x, m) = x log(x / m) - x + m,  0 log 0 = 0\n"
                                    "l'      = 1 - x / m = den - num,  num = x / m,  den = 1\n"
                                    "noise   = Poisson counts of mean m",
                                    NULL,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.kl", "1.0", plugin)
