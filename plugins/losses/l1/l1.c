/* SPDX-License-Identifier: Apache-2.0 */
/* Absolute error, smoothed: l(x, m) = sqrt(r^2 + s^2) - s, r = m - x, within s of |r|.
   l is concave in r^2, so its tangent there, 1/2 w r^2 + const with w = 1 / sqrt(r^2 + s^2), lies
   above it everywhere (Hunter and Lange 2000): w is a majorising curvature, and the multiplicative
   step of the weighted squared error, num = w x, den = w m, never raises l for x, m >= 0 (Du, Li
   and Fan 2012). l' = w r. With s = 0 it is |r| itself: l' = sign(r), 0 where r is 0, and no
   parabola lies above it there; a solver that knows its prox is exact. */
#include <assay/losses.h>
#include <math.h>

/* sqrt(r^2 + s^2), and where that is next to nothing a number whose inverse is one. */
#define ROUNDED(r, s) (ASSAY_SQRT((r) * (r) + (s) * (s)) + (T)(sizeof(T) == 4 ? 1e-18 : 1e-150))

ASSAY_LOSS_SPAN(value, {
  const T s = (T)assay_loss_number_of(self);
  for (int64_t i = 0; i < n; i++) {
    const T r = m[i] - x[i];
    out[i] = r * r / (ROUNDED(r, s) + s);
  }
})
ASSAY_LOSS_SPAN(grad, {
  const T s = (T)assay_loss_number_of(self);
  for (int64_t i = 0; i < n; i++) {
    const T r = m[i] - x[i];
    out[i] = r / ROUNDED(r, s);
  }
})
ASSAY_LOSS_SPAN(curvature, {
  const T s = (T)assay_loss_number_of(self);
  for (int64_t i = 0; i < n; i++) {
    const T r = m[i] - x[i];
    out[i] = 1 / ROUNDED(r, s);
  }
})
ASSAY_LOSS_SPLIT(mu_split, {
  const T s = (T)assay_loss_number_of(self);
  for (int64_t i = 0; i < n; i++) {
    const T r = m[i] - x[i], w = 1 / ROUNDED(r, s);
    num[i] = w * x[i];
    den[i] = w * m[i];
  }
})

/* Laplace of scale 1, of the error as it is: log 2 = .693... */
static int32_t log_density(void* self,
                           assay_ctx* ctx,
                           int64_t n,
                           const double* x,
                           const double* m,
                           double* out) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) out[i] = -fabs(x[i] - m[i]) - 0.693147180559945309;
  return ASSAY_OK;
}

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_options* options,
                      void** self) {
  return assay_loss_with_number(host, ctx, options, "smoothing", self);
}

static int32_t describe(void* self, assay_loss_facts* out) {
  const double s = assay_loss_number_of(self);
  out->flags = ASSAY_LOSS_CONVEX | (s > 0 ? ASSAY_LOSS_CURVATURE_MAJORISES : 0u);
  out->x_lo = out->m_lo = -INFINITY;
  out->x_hi = out->m_hi = INFINITY;
  out->tag = ASSAY_TAG_L1;
  out->tag_parameter = s;
  out->den_is = NAN;
  out->mu_exponent = 1;
  out->curvature_bound = s > 0 ? 1 / s : INFINITY;
  out->noise = ASSAY_NOISE_LAPLACE;
  return ASSAY_OK;
}

static const assay_option options[] = {
    {"smoothing",
     "residuals far below it count as squares; in the units of X; 0: the error itself, for `admm`",
     ASSAY_OPT_FLOAT, 0, 1e-3, 0, 1e300, NULL, NULL},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_loss vtable = {.struct_size = sizeof vtable,
                                  .create = create,
                                  .destroy = assay_loss_free,
                                  .describe = describe,
                                  ASSAY_LOSS_TWINS(value),
                                  ASSAY_LOSS_TWINS(grad),
                                  ASSAY_LOSS_TWINS(mu_split),
                                  ASSAY_LOSS_TWINS(curvature),
                                  .log_density = log_density};
static const assay_plugin plugin = {
    sizeof plugin,
    0,
    "assay.loss/1",
    "l1",
    "absolute error, smoothed at 0: robust against outliers",
    "Hunter and Lange 2000; Du, Li and Fan 2012",
    "l(x, m) = sqrt(r^2 + s^2) - s,  r = m - x,  s the smoothing: |r| less at most s\n"
    "l'      = r w = den - num,  w = 1 / sqrt(r^2 + s^2),  num = w x,  den = w m\n"
    "w       = curvature of a parabola that lies above l everywhere, so MU is monotone\n"
    "s = 0   : |r| itself, which has no such parabola; `admm` solves it exactly, by its prox\n"
    "noise   = Laplace: the error's density is exp(-|r| / scale) / (2 scale)",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.l1", "1.0", plugin)
