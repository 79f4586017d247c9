/* SPDX-License-Identifier: Apache-2.0 */
/* Huber's loss: with r = m - x, l(x, m) = 1/2 r^2 where |r| <= delta, else delta |r| - 1/2 delta^2.
   l is concave in r^2, so its tangent there, 1/2 w r^2 + const with w = min(1, delta / |r|), lies
   above it everywhere (Huber 1964; Hunter and Lange 2004, section 3): w is a majorising curvature,
   and the multiplicative step of the weighted squared error, num = w x, den = w m, never raises l
   for x, m >= 0 (Du, Li and Fan 2012). l' = w r. */
#include <assay/plugin.h>
#include <math.h>

typedef struct {
  const assay_host* host;
  double delta;
} huber;

#define SPANS(T, suffix)                                                                \
  ASSAY_SIMD static int32_t value##suffix(void* self, assay_ctx* ctx, int64_t n,        \
                                          const T* restrict x, const T* restrict m,     \
                                          T* restrict out) {                            \
    (void)ctx;                                                                          \
    const T d = (T)((const huber*)self)->delta;                                         \
    for (int64_t i = 0; i < n; i++) {                                                   \
      const T r = m[i] - x[i];                                                          \
      const T a = r < 0 ? -r : r;                                                       \
      out[i] = a <= d ? (T)0.5 * r * r : d * (a - (T)0.5 * d);                          \
    }                                                                                   \
    return ASSAY_OK;                                                                    \
  }                                                                                     \
  ASSAY_SIMD static int32_t grad##suffix(void* self, assay_ctx* ctx, int64_t n,         \
                                         const T* restrict x, const T* restrict m,      \
                                         T* restrict out) {                             \
    (void)ctx;                                                                          \
    const T d = (T)((const huber*)self)->delta;                                         \
    for (int64_t i = 0; i < n; i++) {                                                   \
      const T r = m[i] - x[i];                                                          \
      out[i] = r > d ? d : r < -d ? -d : r;                                             \
    }                                                                                   \
    return ASSAY_OK;                                                                    \
  }                                                                                     \
  ASSAY_SIMD static int32_t curvature##suffix(void* self, assay_ctx* ctx, int64_t n,    \
                                              const T* restrict x, const T* restrict m, \
                                              T* restrict out) {                        \
    (void)ctx;                                                                          \
    const T d = (T)((const huber*)self)->delta;                                         \
    for (int64_t i = 0; i < n; i++) {                                                   \
      const T r = m[i] - x[i];                                                          \
      const T a = r < 0 ? -r : r;                                                       \
      out[i] = a <= d ? 1 : d / a;                                                      \
    }                                                                                   \
    return ASSAY_OK;                                                                    \
  }                                                                                     \
  ASSAY_SIMD static int32_t mu_split##suffix(void* self, assay_ctx* ctx, int64_t n,     \
                                             const T* restrict x, const T* restrict m,  \
                                             T* restrict num, T* restrict den) {        \
    (void)ctx;                                                                          \
    const T d = (T)((const huber*)self)->delta;                                         \
    for (int64_t i = 0; i < n; i++) {                                                   \
      const T r = m[i] - x[i], a = r < 0 ? -r : r, w = a <= d ? 1 : d / a;              \
      num[i] = w * x[i];                                                                \
      den[i] = w * m[i];                                                                \
    }                                                                                   \
    return ASSAY_OK;                                                                    \
  }
SPANS(double, )
SPANS(float, _f32)

/* Huber's least favourable law: exp(-l) over its integral, normal in the middle, Laplace outside.
 */
static int32_t log_density(void* self,
                           assay_ctx* ctx,
                           int64_t n,
                           const double* x,
                           const double* m,
                           double* out) {
  const double d = ((const huber*)self)->delta;
  const double root_2_pi = 2.50662827463100050, root_half = 0.707106781186547524;
  const double integral = root_2_pi * erf(d * root_half) + 2 / d * exp(-0.5 * d * d);
  const int32_t status = value(self, ctx, n, x, m, out);
  for (int64_t i = 0; i < n; i++) out[i] = -out[i] - log(integral);
  return status;
}

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_options* options,
                      void** self) {
  huber* s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the loss");
  s->host = host;
  s->delta = host->option_number(options, "delta");
  *self = s;
  return ASSAY_OK;
}
static void destroy(void* self) {
  if (self) ((huber*)self)->host->free(self);
}

static int32_t describe(void* self, assay_loss_facts* out) {
  const double d = ((const huber*)self)->delta;
  out->flags = ASSAY_LOSS_CONVEX | ASSAY_LOSS_CURVATURE_MAJORISES;
  out->x_lo = out->m_lo = -INFINITY;
  out->x_hi = out->m_hi = INFINITY;
  out->tag = ASSAY_TAG_HUBER;
  out->tag_parameter = d;
  out->den_is = NAN;
  out->mu_exponent = 1;
  out->curvature_bound = 1;
  out->noise = ASSAY_NOISE_HUBER;
  return ASSAY_OK;
}

static const assay_option options[] = {
    {"delta", "residuals up to it count as squares, larger ones by their size; in the units of X",
     ASSAY_OPT_FLOAT, ASSAY_OPT_LO_OPEN, 1, 0, 1e300, NULL, NULL},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_loss vtable = {
    sizeof vtable, 0,         create,    destroy,  describe,     value,         grad,
    mu_split,      curvature, value_f32, grad_f32, mu_split_f32, curvature_f32, log_density};
static const assay_plugin plugin = {
    sizeof plugin,
    0,
    "assay.loss/1",
    "huber",
    "squared error for small residuals, absolute error for outliers",
    "Huber 1964; Du, Li and Fan 2012",
    "l(x, m) = 1/2 r^2 for |r| <= delta, else delta |r| - 1/2 delta^2,  r = m - x\n"
    "l'      = r w = den - num,  w = min(1, delta / |r|),  num = w x,  den = w m\n"
    "w       = curvature of a parabola that lies above l everywhere, so MU is monotone\n"
    "noise   = normal with outliers: density exp(-l) / const, Laplace beyond delta",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.huber", "1.0", plugin)
