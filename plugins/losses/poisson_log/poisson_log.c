/* SPDX-License-Identifier: Apache-2.0 */
/* Poisson loss of counts x and a log mean m: l(x, m) = exp(m) - x m, l' = exp(m) - x, l'' = exp(m).
   No MU split: exp grows faster than any power, so no fixed exponent is monotone. */
#include <assay/losses.h>
#include <math.h>

ASSAY_LOSS_SPAN(value, {
  const assay_math* math = self;
  ASSAY_TWIN(math->exp)(n, m, out);
  for (int64_t i = 0; i < n; i++) out[i] -= x[i] * m[i];
})
ASSAY_LOSS_SPAN(grad, {
  const assay_math* math = self;
  ASSAY_TWIN(math->exp)(n, m, out);
  for (int64_t i = 0; i < n; i++) out[i] -= x[i];
})
ASSAY_LOSS_SPAN(curvature, {
  const assay_math* math = self;
  ASSAY_TWIN(math->exp)(n, m, out);
})

static int32_t log_density(void* self,
                           assay_ctx* ctx,
                           int64_t n,
                           const double* x,
                           const double* m,
                           double* out) {
  value(self, ctx, n, x, m, out);
  for (int64_t i = 0; i < n; i++) out[i] = -out[i];
  assay_less_log_factorial(self, n, x, out);
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

static const assay_loss vtable = {.struct_size = sizeof vtable,
                                  .create = assay_loss_with_math,
                                  .describe = describe,
                                  ASSAY_LOSS_TWINS(value),
                                  ASSAY_LOSS_TWINS(grad),
                                  ASSAY_LOSS_TWINS(curvature),
                                  .log_density = log_density};
static const assay_plugin plugin = {
    sizeof plugin,
    0,
    "assay.loss/1",
    "poisson_log",
    "Poisson loss with a log link, for counts: the model is the log of the mean",
    "Collins, Dasgupta and Schapire 2001",
    "l(x, m) = exp(m) - x m,  x >= 0, m of any sign\n"
    "l'      = exp(m) - x,  l'' = exp(m)\n"
    "noise   = Poisson counts of mean exp(m)\n"
    "mean    = exp(m): what `rmse`, `rel_error`, `explained_variance` and `reconstruct` take for m",
    NULL,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.poisson_log", "1.0", plugin)
