/* SPDX-License-Identifier: Apache-2.0 */
/* Logistic loss of binary x and log odds m: l(x, m) = log(1 + exp(m)) - x m.
   l' = s(m) - x, s(m) = 1 / (1 + exp(-m)). Curvature: tanh(m / 2) / (2 m), at most 1/4, of the
   parabola above l everywhere (Jaakkola and Jordan 2000).
   MU split for m >= 0: num = x, den = s(m). There s(t m) <= t s(m) for t >= 1 and >= for t <= 1,
   since s is concave with s(0) > 0; so the integral of s(t m) m over t lies below that of t s(m) m,
   a parabola whose minimiser is the multiplicative step: exponent 1 is monotone (the rule of Yang
   and Oja 2011). exp(-|m|) never overflows. */
#include <assay/losses.h>
#include <math.h>

/* -|m| */
ASSAY_LOSS_SPAN(minus_size, {
  for (int64_t i = 0; i < n; i++) out[i] = m[i] < 0 ? m[i] : -m[i];
})
ASSAY_LOSS_SPAN(add_linear, {
  for (int64_t i = 0; i < n; i++) out[i] += (m[i] > 0 ? m[i] : 0) - x[i] * m[i];
})
ASSAY_LOSS_SPAN(value, {
  const assay_math* math = self;
  ASSAY_TWIN(minus_size)(self, ctx, n, x, m, out);
  ASSAY_TWIN(math->exp)(n, out, out);
  ASSAY_TWIN(math->log1p)(n, out, out);
  ASSAY_TWIN(add_linear)(self, ctx, n, x, m, out);
})
/* s(m) from exp(-|m|), in place. */
ASSAY_LOSS_SPAN(sigmoid, {
  for (int64_t i = 0; i < n; i++) out[i] = (m[i] < 0 ? out[i] : 1) / (1 + out[i]);
})
ASSAY_LOSS_SPAN(probability, {
  const assay_math* math = self;
  ASSAY_TWIN(minus_size)(self, ctx, n, x, m, out);
  ASSAY_TWIN(math->exp)(n, out, out);
  ASSAY_TWIN(sigmoid)(self, ctx, n, x, m, out);
})
ASSAY_LOSS_SPAN(grad, {
  ASSAY_TWIN(probability)(self, ctx, n, x, m, out);
  for (int64_t i = 0; i < n; i++) out[i] -= x[i];
})
ASSAY_LOSS_SPLIT(mu_split, {
  for (int64_t i = 0; i < n; i++) num[i] = x[i];
  ASSAY_TWIN(probability)(self, ctx, n, x, m, den);
})
/* tanh(a / 2) / (2 a) from expm1(-a), a = |m|, in place. */
ASSAY_LOSS_SPAN(bound, {
  for (int64_t i = 0; i < n; i++) {
    const T a = m[i] < 0 ? -m[i] : m[i];
    out[i] = a > (T)1e-10 ? -out[i] / (2 * a * (2 + out[i])) : (T)0.25;
  }
})
ASSAY_LOSS_SPAN(curvature, {
  const assay_math* math = self;
  ASSAY_TWIN(minus_size)(self, ctx, n, x, m, out);
  ASSAY_TWIN(math->expm1)(n, out, out);
  ASSAY_TWIN(bound)(self, ctx, n, x, m, out);
})

static int32_t log_density(void* self,
                           assay_ctx* ctx,
                           int64_t n,
                           const double* x,
                           const double* m,
                           double* out) {
  const int32_t status = value(self, ctx, n, x, m, out);
  if (status) return status;
  for (int64_t i = 0; i < n; i++) out[i] = -out[i];
  return ASSAY_OK;
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
    "logistic",
    "logistic loss, for binary data: the model is the log odds of a 1",
    "Jaakkola and Jordan 2000; Yang and Oja 2011",
    "l(x, m) = log(1 + exp(m)) - x m,  x from 0 to 1, m of any sign\n"
    "l'      = s(m) - x = den - num,  s(m) = 1 / (1 + exp(-m)),  num = x,  den = s(m)\n"
    "          (a split for m >= 0, where the odds are even or better)\n"
    "curvature tanh(m / 2) / (2 m) <= 1/4 of a parabola that lies above l everywhere\n"
    "noise   = Bernoulli: x = 1 with probability s(m)\n"
    "mean    = s(m): what `rmse`, `rel_error`, `explained_variance` and `reconstruct` take for m",
    NULL,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.logistic", "1.0", plugin)
