/* SPDX-License-Identifier: Apache-2.0 */
/* Generalised Kullback-Leibler divergence: l(x, m) = x log(x / m) - x + m, with 0 log 0 = 0.
   l' = 1 - x / m, MU split num = x / m, den = 1 (Lee and Seung 2001, eq. 5: exponent 1 is
   monotone), l'' = x / m^2. */
#include <assay/losses.h>
#include <math.h>

/* The ratio is 1 where x is 0 (or so small that x / m is), so that x log(ratio) is 0 there. */
ASSAY_LOSS_SPAN(ratio, {
  for (int64_t i = 0; i < n; i++) {
    const T r = x[i] / m[i];
    out[i] = r > 0 ? r : 1;
  }
})
ASSAY_LOSS_SPAN(combine, {
  for (int64_t i = 0; i < n; i++) out[i] = x[i] * out[i] + (m[i] - x[i]);
})
ASSAY_LOSS_SPAN(value, {
  const assay_math* math = self;
  ASSAY_TWIN(ratio)(self, ctx, n, x, m, out);
  ASSAY_TWIN(math->log)(n, out, out);
  ASSAY_TWIN(combine)(self, ctx, n, x, m, out);
})
ASSAY_LOSS_SPAN(grad, {
  for (int64_t i = 0; i < n; i++) out[i] = 1 - x[i] / m[i];
})
ASSAY_LOSS_SPLIT(mu_split, {
  for (int64_t i = 0; i < n; i++) {
    num[i] = x[i] / m[i];
    den[i] = 1;
  }
})
ASSAY_LOSS_SPAN(curvature, {
  for (int64_t i = 0; i < n; i++) out[i] = x[i] / m[i] / m[i];
})

/* Poisson of mean m: x log m - m - log x!. */
static int32_t log_density(void* self,
                           assay_ctx* ctx,
                           int64_t n,
                           const double* x,
                           const double* m,
                           double* out) {
  (void)ctx;
  const assay_math* math = self;
  math->log(n, m, out);
  for (int64_t i = 0; i < n; i++) out[i] = x[i] * out[i] - m[i];
  assay_less_log_factorial(math, n, x, out);
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

static const assay_loss vtable = {.struct_size = sizeof vtable,
                                  .create = assay_loss_with_math,
                                  .describe = describe,
                                  ASSAY_LOSS_TWINS(value),
                                  ASSAY_LOSS_TWINS(grad),
                                  ASSAY_LOSS_TWINS(mu_split),
                                  ASSAY_LOSS_TWINS(curvature),
                                  .log_density = log_density};
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
