/* SPDX-License-Identifier: Apache-2.0 */
/* Poisson loss of counts x and a log mean m: l(x, m) = exp(m) - x m, l' = exp(m) - x, l'' = exp(m).
   No MU split: exp grows faster than any power, so no fixed exponent is monotone. */
#include <assay/plugin.h>
#include <math.h>

enum { CHUNK = 128 };

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

#define SPANS(T, suffix)                                                                           \
  ASSAY_SIMD static void less_product##suffix(int64_t n, const T* restrict x, const T* restrict m, \
                                              T* restrict out) {                                   \
    for (int64_t i = 0; i < n; i++) out[i] -= x[i] * m[i];                                         \
  }                                                                                                \
  ASSAY_SIMD static void less##suffix(int64_t n, const T* restrict x, T* restrict out) {           \
    for (int64_t i = 0; i < n; i++) out[i] -= x[i];                                                \
  }                                                                                                \
  static int32_t value##suffix(void* self, assay_ctx* ctx, int64_t n, const T* x, const T* m,      \
                               T* out) {                                                           \
    (void)ctx;                                                                                     \
    ((const assay_math*)self)->exp##suffix(n, m, out);                                             \
    less_product##suffix(n, x, m, out);                                                            \
    return ASSAY_OK;                                                                               \
  }                                                                                                \
  static int32_t grad##suffix(void* self, assay_ctx* ctx, int64_t n, const T* x, const T* m,       \
                              T* out) {                                                            \
    (void)ctx;                                                                                     \
    ((const assay_math*)self)->exp##suffix(n, m, out);                                             \
    less##suffix(n, x, out);                                                                       \
    return ASSAY_OK;                                                                               \
  }                                                                                                \
  static int32_t curvature##suffix(void* self, assay_ctx* ctx, int64_t n, const T* x, const T* m,  \
                                   T* out) {                                                       \
    (void)ctx, (void)x;                                                                            \
    ((const assay_math*)self)->exp##suffix(n, m, out);                                             \
    return ASSAY_OK;                                                                               \
  }
SPANS(double, )
SPANS(float, _f32)

static int32_t log_density(void* self,
                           assay_ctx* ctx,
                           int64_t n,
                           const double* x,
                           const double* m,
                           double* out) {
  const assay_math* math = self;
  double factorial[CHUNK];
  value(self, ctx, n, x, m, out);
  for (int64_t i = 0; i < n; i += CHUNK) {
    const int64_t size = n - i < CHUNK ? n - i : CHUNK;
    for (int64_t j = 0; j < size; j++) factorial[j] = x[i + j] + 1;
    math->lgamma(size, factorial, factorial);
    for (int64_t j = 0; j < size; j++) out[i + j] = -out[i + j] - factorial[j];
  }
  return ASSAY_OK;
}

static int32_t describe(void* self, assay_loss_facts* out) {
  (void)self;
  out->flags = ASSAY_LOSS_CONVEX;
  out->x_hi = out->m_hi = INFINITY;
  out->m_lo = -INFINITY;
  out->tag = ASSAY_TAG_POISSON_LOG;
  out->den_is = NAN;
  out->mu_exponent = 1;
  out->curvature_bound = INFINITY;
  out->noise = ASSAY_NOISE_POISSON;
  return ASSAY_OK;
}

static const assay_loss vtable = {sizeof vtable, 0,    create,        NULL,       describe,
                                  value,         grad, NULL,          curvature,  value_f32,
                                  grad_f32,      NULL, curvature_f32, log_density};
static const assay_plugin plugin = {
    sizeof plugin,
    0,
    "assay.loss/1",
    "poisson_log",
    "Poisson loss with a log link, for counts: the model is the log of the mean",
    "Collins, Dasgupta and Schapire 2001",
    "l(x, m) = exp(m) - x m,  x >= 0, m of any sign\n"
    "l'      = exp(m) - x,  l'' = exp(m)\n"
    "noise   = Poisson counts of mean exp(m)",
    NULL,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.poisson_log", "1.0", plugin)
