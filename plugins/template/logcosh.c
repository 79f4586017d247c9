/* SPDX-License-Identifier: Apache-2.0 */
/* A robust loss with everything a solver may ask for: l(x, m) = log cosh(r), r = m - x, x, m >= 0:
   squared for small r, absolute for large. l' = tanh r. s = tanh(r) / r falls with |r|, so the
   parabola of curvature s through l and l' at m lies above l everywhere: that is what hals, cd,
   anls_bpp and admm want. MU split: num = s x, den = s m. */
#include <assay/plugin.h>
#include <math.h>

static int32_t create(const assay_host *host, assay_ctx *ctx, const assay_options *options,
                      void **self) {
  (void)ctx, (void)options;
  *self = (void *)(uintptr_t)host->service("assay.math/1");
  return ASSAY_OK;
}

/* out = exp(-2 |m - x|), which is in (0, 1]. */
static void decay(const void *math, int64_t n, const double *x, const double *m, double *out) {
  for (int64_t i = 0; i < n; i++) out[i] = -2 * fabs(m[i] - x[i]);
  ((const assay_math *)math)->exp(n, out, out);
}

static int32_t value(void *self, assay_ctx *ctx, int64_t n, const double *x, const double *m,
                     double *out) {
  (void)ctx;
  decay(self, n, x, m, out);
  ((const assay_math *)self)->log1p(n, out, out);
  for (int64_t i = 0; i < n; i++) out[i] += fabs(m[i] - x[i]) - 0.69314718055994530942;
  return ASSAY_OK;
}
static int32_t grad(void *self, assay_ctx *ctx, int64_t n, const double *x, const double *m,
                    double *out) {
  (void)ctx;
  decay(self, n, x, m, out);
  for (int64_t i = 0; i < n; i++) out[i] = (m[i] < x[i] ? -1 : 1) * (1 - out[i]) / (1 + out[i]);
  return ASSAY_OK;
}
static int32_t curvature(void *self, assay_ctx *ctx, int64_t n, const double *x, const double *m,
                         double *out) {
  (void)ctx;
  decay(self, n, x, m, out);
  for (int64_t i = 0; i < n; i++) {
    const double r = fabs(m[i] - x[i]);
    out[i] = r > 1e-6 ? (1 - out[i]) / ((1 + out[i]) * r) : 1;
  }
  return ASSAY_OK;
}
static int32_t mu_split(void *self, assay_ctx *ctx, int64_t n, const double *x, const double *m,
                        double *num, double *den) {
  curvature(self, ctx, n, x, m, den);
  for (int64_t i = 0; i < n; i++) {
    num[i] = den[i] * x[i];
    den[i] *= m[i];
  }
  return ASSAY_OK;
}
static int32_t describe(void *self, assay_loss_facts *out) {
  (void)self;
  out->flags = ASSAY_LOSS_CONVEX | ASSAY_LOSS_CURVATURE_MAJORISES; /* x >= 0, m >= 0 */
  out->x_hi = out->m_hi = INFINITY;
  out->den_is = NAN;
  out->mu_exponent = out->curvature_bound = 1;
  return ASSAY_OK;
}

static const assay_loss vtable = {.struct_size = sizeof vtable,
                                  .create = create,
                                  .describe = describe,
                                  .value = value,
                                  .grad = grad,
                                  .mu_split = mu_split,
                                  .curvature = curvature};
static const assay_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = "assay.loss/1",
    .id = "acme.logcosh",
    .summary = "logarithm of the hyperbolic cosine, for data with outliers",
    .vtable = &vtable};
ASSAY_MODULE("com.acme.logcosh", "1.0", plugin)
