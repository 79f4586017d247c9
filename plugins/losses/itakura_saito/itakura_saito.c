/* SPDX-License-Identifier: Apache-2.0 */
/* Itakura-Saito divergence: l(x, m) = x / m - log(x / m) - 1, for x, m > 0.
   l' = (m - x) / m^2, MU split num = x / m^2, den = 1 / m (monotone with exponent 1/2: Fevotte and
   Idier 2011, Theorem 1), l'' = (2 x - m) / m^3, below 0 where m > 2 x: not convex.
   With the ratio r rounded once, r - 1 is exact near 1 and the error is that of log r: relative. */
#include <assay/losses.h>
#include <math.h>

ASSAY_LOSS_SPAN(ratio, {
  for (int64_t i = 0; i < n; i++) {
    const T r = x[i] / m[i];
    out[i] = r > ASSAY_SMALLEST ? r : ASSAY_SMALLEST;
  }
})
ASSAY_LOSS_SPAN(combine, {
  for (int64_t i = 0; i < n; i++) {
    const T v = x[i] / m[i] - 1 - out[i];
    out[i] = v > 0 ? v : 0;
  }
})
ASSAY_LOSS_SPAN(value, {
  const assay_math* math = self;
  ASSAY_TWIN(ratio)(self, ctx, n, x, m, out);
  ASSAY_TWIN(math->log)(n, out, out);
  ASSAY_TWIN(combine)(self, ctx, n, x, m, out);
})
ASSAY_LOSS_SPAN(grad, {
  for (int64_t i = 0; i < n; i++) out[i] = (m[i] - x[i]) / m[i] / m[i];
})
ASSAY_LOSS_SPLIT(mu_split, {
  for (int64_t i = 0; i < n; i++) {
    den[i] = 1 / m[i];
    num[i] = x[i] * den[i] * den[i];
  }
})
ASSAY_LOSS_SPAN(curvature, {
  for (int64_t i = 0; i < n; i++) out[i] = (2 * x[i] - m[i]) / m[i] / m[i] / m[i];
})

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

static const assay_loss vtable = {.struct_size = sizeof vtable,
                                  .create = assay_loss_with_math,
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
