/* SPDX-License-Identifier: Apache-2.0 */
/* Logistic loss of binary x and log odds m: l(x, m) = log(1 + exp(m)) - x m.
   l' = s(m) - x, s(m) = 1 / (1 + exp(-m)). Curvature: tanh(m / 2) / (2 m), at most 1/4, of the
   parabola above l everywhere (Jaakkola and Jordan 2000).
   MU split for m >= 0: num = x, den = s(m). There s(t m) <= t s(m) for t >= 1 and >= for t <= 1,
   since s is concave with s(0) > 0; so the integral of s(t m) m over t lies below that of t s(m) m,
   a parabola whose minimiser is the multiplicative step: exponent 1 is monotone (the rule of Yang
   and Oja 2011). exp(-|m|) never overflows. */
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

#define SPANS(T, suffix)                                                                          \
  ASSAY_SIMD static void minus_size##suffix(int64_t n, const T* restrict m, T* restrict out) {    \
    for (int64_t i = 0; i < n; i++) out[i] = m[i] < 0 ? m[i] : -m[i];                             \
  }                                                                                               \
  ASSAY_SIMD static void add_linear##suffix(int64_t n, const T* restrict x, const T* restrict m,  \
                                            T* restrict out) {                                    \
    for (int64_t i = 0; i < n; i++) out[i] += (m[i] > 0 ? m[i] : 0) - x[i] * m[i];                \
  }                                                                                               \
  static int32_t value##suffix(void* self, assay_ctx* ctx, int64_t n, const T* x, const T* m,     \
                               T* out) {                                                          \
    (void)ctx;                                                                                    \
    const assay_math* math = self;                                                                \
    minus_size##suffix(n, m, out);                                                                \
    math->exp##suffix(n, out, out);                                                               \
    math->log1p##suffix(n, out, out);                                                             \
    add_linear##suffix(n, x, m, out);                                                             \
    return ASSAY_OK;                                                                              \
  }                                                                                               \
  /* s(m) from e = exp(-|m|), in place. */                                                        \
  ASSAY_SIMD static void sigmoid##suffix(int64_t n, const T* restrict m, T* restrict e) {         \
    for (int64_t i = 0; i < n; i++) e[i] = (m[i] < 0 ? e[i] : 1) / (1 + e[i]);                    \
  }                                                                                               \
  ASSAY_SIMD static void less##suffix(int64_t n, const T* restrict x, T* restrict out) {          \
    for (int64_t i = 0; i < n; i++) out[i] -= x[i];                                               \
  }                                                                                               \
  static void probability##suffix(const assay_math* math, int64_t n, const T* m, T* out) {        \
    minus_size##suffix(n, m, out);                                                                \
    math->exp##suffix(n, out, out);                                                               \
    sigmoid##suffix(n, m, out);                                                                   \
  }                                                                                               \
  static int32_t grad##suffix(void* self, assay_ctx* ctx, int64_t n, const T* x, const T* m,      \
                              T* out) {                                                           \
    (void)ctx;                                                                                    \
    probability##suffix(self, n, m, out);                                                         \
    less##suffix(n, x, out);                                                                      \
    return ASSAY_OK;                                                                              \
  }                                                                                               \
  static int32_t mu_split##suffix(void* self, assay_ctx* ctx, int64_t n, const T* x, const T* m,  \
                                  T* num, T* den) {                                               \
    (void)ctx;                                                                                    \
    for (int64_t i = 0; i < n; i++) num[i] = x[i];                                                \
    probability##suffix(self, n, m, den);                                                         \
    return ASSAY_OK;                                                                              \
  }                                                                                               \
  /* tanh(a / 2) / (2 a) from q = expm1(-a), a = |m|. */                                          \
  ASSAY_SIMD static void bound##suffix(int64_t n, const T* restrict m, T* restrict q) {           \
    for (int64_t i = 0; i < n; i++) {                                                             \
      const T a = m[i] < 0 ? -m[i] : m[i];                                                        \
      q[i] = a > (T)1e-10 ? -q[i] / (2 * a * (2 + q[i])) : (T)0.25;                               \
    }                                                                                             \
  }                                                                                               \
  static int32_t curvature##suffix(void* self, assay_ctx* ctx, int64_t n, const T* x, const T* m, \
                                   T* out) {                                                      \
    (void)ctx, (void)x;                                                                           \
    minus_size##suffix(n, m, out);                                                                \
    ((const assay_math*)self)->expm1##suffix(n, out, out);                                        \
    bound##suffix(n, m, out);                                                                     \
    return ASSAY_OK;                                                                              \
  }
SPANS(double, )
SPANS(float, _f32)

static int32_t log_density(void* self,
                           assay_ctx* ctx,
                           int64_t n,
                           const double* x,
                           const double* m,
                           double* out) {
  const int32_t status = value(self, ctx, n, x, m, out);
  for (int64_t i = 0; i < n; i++) out[i] = -out[i];
  return status;
}

static int32_t describe(void* self, assay_loss_facts* out) {
  (void)self;
  out->flags = ASSAY_LOSS_CONVEX | ASSAY_LOSS_CURVATURE_MAJORISES;
  out->x_hi = 1;
  out->m_lo = -INFINITY;
  out->m_hi = INFINITY;
  out->tag = ASSAY_TAG_LOGISTIC;
  out->den_is = NAN;
  out->mu_exponent = 1;
  out->curvature_bound = 0.25;
  out->noise = ASSAY_NOISE_BERNOULLI;
  return ASSAY_OK;
}

static const assay_loss vtable = {
    sizeof vtable, 0,         create,    NULL,     describe,     value,         grad,
    mu_split,      curvature, value_f32, grad_f32, mu_split_f32, curvature_f32, log_density};
static const assay_plugin plugin = {
    sizeof plugin,
    0,
    "assay.loss/1",
    "logistic",
    "logistic loss, for binary data: the model is the log odds of a 1",
    "Jaakkola and Jordan 2000; Yang and Oja 2011",
    "l(x, m) = log(1 + exp(m)) - x m,  x from 0 to 1, m of any sign\n"
    "l'      = s(m) - x = den - num,  s(m) = 1 / (1 + exp(-m)),  num = x,  den = s(m)\n"
    "          (a split for m >= 0, where the odds are even or better)\n"
    "curvature tanh(m / 2) / (2 m) <= 1/4 of a parabola that lies above l everywhere\n"
    "noise   = Bernoulli: x = 1 with probability s(m)",
    NULL,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.logistic", "1.0", plugin)
