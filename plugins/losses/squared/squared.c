/* SPDX-License-Identifier: Apache-2.0 */
/* Squared error: l(x, m) = 1/2 (x - m)^2, so that it equals the beta divergence with beta = 2.
   l' = m - x, MU split num = x, den = m (Lee and Seung 2001, eq. 4: exponent 1 is monotone), l''
   = 1. */
#include <assay/losses.h>
#include <math.h>

ASSAY_LOSS_SPAN(value, {
  for (int64_t i = 0; i < n; i++) out[i] = (T)0.5 * (x[i] - m[i]) * (x[i] - m[i]);
})
ASSAY_LOSS_SPAN(grad, {
  for (int64_t i = 0; i < n; i++) out[i] = m[i] - x[i];
})
ASSAY_LOSS_SPLIT(mu_split, {
  for (int64_t i = 0; i < n; i++) {
    num[i] = x[i];
    den[i] = m[i];
  }
})
ASSAY_LOSS_SPAN(curvature, {
  for (int64_t i = 0; i < n; i++) out[i] = 1;
})

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

static const assay_loss vtable = {.struct_size = sizeof vtable,
                                  .describe = describe,
                                  ASSAY_LOSS_TWINS(value),
                                  ASSAY_LOSS_TWINS(grad),
                                  ASSAY_LOSS_TWINS(mu_split),
                                  ASSAY_LOSS_TWINS(curvature),
                                  .log_density = log_density};
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
