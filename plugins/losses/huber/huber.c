/* SPDX-License-Identifier: Apache-2.0 */
/* Huber's loss: with r = m - x, l(x, m) = 1/2 r^2 where |r| <= delta, else delta |r| - 1/2 delta^2.
   l is concave in r^2, so its tangent there, 1/2 w r^2 + const with w = min(1, delta / |r|), lies
   above it everywhere (Huber 1964; Hunter and Lange 2004, section 3): w is a majorising curvature,
   and the multiplicative step of the weighted squared error, num = w x, den = w m, never raises l
   for x, m >= 0 (Du, Li and Fan 2012). l' = w r. */
#include <assay/losses.h>
#include <math.h>

ASSAY_LOSS_SPAN(value, {
  const T d = (T)assay_loss_number_of(self); /* delta */
  for (int64_t i = 0; i < n; i++) {
    const T r = m[i] - x[i];
    const T a = r < 0 ? -r : r;
    out[i] = a <= d ? (T)0.5 * r * r : d * (a - (T)0.5 * d);
  }
})
ASSAY_LOSS_SPAN(grad, {
  const T d = (T)assay_loss_number_of(self); /* delta */
  for (int64_t i = 0; i < n; i++) {
    const T r = m[i] - x[i];
    out[i] = r > d ? d : r < -d ? -d : r;
  }
})
ASSAY_LOSS_SPAN(curvature, {
  const T d = (T)assay_loss_number_of(self); /* delta */
  for (int64_t i = 0; i < n; i++) {
    const T r = m[i] - x[i];
    const T a = r < 0 ? -r : r;
    out[i] = a <= d ? 1 : d / a;
  }
})
ASSAY_LOSS_SPLIT(mu_split, {
  const T d = (T)assay_loss_number_of(self); /* delta */
  for (int64_t i = 0; i < n; i++) {
    const T r = m[i] - x[i], a = r < 0 ? -r : r, w = a <= d ? 1 : d / a;
    num[i] = w * x[i];
    den[i] = w * m[i];
  }
})

/* Huber's least favourable law, exp(-l) over its integral: normal inside, Laplace outside. */
static int32_t log_density(void* self,
                           assay_ctx* ctx,
                           int64_t n,
                           const double* x,
                           const double* m,
                           double* out) {
  const double d = assay_loss_number_of(self);
  const double root_2_pi = 2.50662827463100050, root_half = 0.707106781186547524;
  const double integral = root_2_pi * erf(d * root_half) + 2 / d * exp(-0.5 * d * d);
  const int32_t status = value(self, ctx, n, x, m, out);
  if (status) return status;
  for (int64_t i = 0; i < n; i++) out[i] = -out[i] - log(integral);
  return ASSAY_OK;
}

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_options* options,
                      void** self) {
  return assay_loss_with_number(host, ctx, options, "delta", self);
}

static int32_t describe(void* self, assay_loss_facts* out) {
  const double d = assay_loss_number_of(self);
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
