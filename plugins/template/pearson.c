/* SPDX-License-Identifier: Apache-2.0 */
/* Pearson's chi-square divergence: l(x, m) = (x - m)^2 / (2 m), l' = 1/2 - x^2 / (2 m^2). */
#include <assay/plugin.h>
#include <math.h>

ASSAY_SIMD static int32_t value(void *self, assay_ctx *ctx, int64_t n, const double *restrict x,
                                const double *restrict m, double *restrict out) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) out[i] = (x[i] - m[i]) * (x[i] - m[i]) / (2 * m[i]);
  return ASSAY_OK;
}
ASSAY_SIMD static int32_t grad(void *self, assay_ctx *ctx, int64_t n, const double *restrict x,
                               const double *restrict m, double *restrict out) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) out[i] = 0.5 - 0.5 * (x[i] / m[i]) * (x[i] / m[i]);
  return ASSAY_OK;
}
/* l' = den - num with both halves >= 0 is all that multiplicative updates need. */
ASSAY_SIMD static int32_t mu_split(void *self, assay_ctx *ctx, int64_t n, const double *restrict x,
                                   const double *restrict m, double *restrict num,
                                   double *restrict den) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) {
    num[i] = 0.5 * (x[i] / m[i]) * (x[i] / m[i]);
    den[i] = 0.5;
  }
  return ASSAY_OK;
}
static int32_t describe(void *self, assay_loss_facts *out) {
  (void)self;
  out->flags = ASSAY_LOSS_CONVEX | ASSAY_LOSS_M_LO_OPEN; /* x >= 0, m > 0 */
  out->x_hi = out->m_hi = out->curvature_bound = INFINITY;
  out->zero_term = ASSAY_ZERO_LINEAR; /* l(0, m) = m / 2 */
  out->zero_a = out->den_is = out->mu_exponent = 0.5;
  return ASSAY_OK;
}
static const assay_loss vtable = {.struct_size = sizeof vtable,
                                  .describe = describe,
                                  .value = value,
                                  .grad = grad,
                                  .mu_split = mu_split};
static const assay_plugin plugin = {.struct_size = sizeof plugin,
                                    .kind = "assay.loss/1",
                                    .id = "acme.pearson",
                                    .summary = "Pearson's chi-square divergence",
                                    .maths = "l(x, m) = (x - m)^2 / (2 m)",
                                    .vtable = &vtable};
ASSAY_MODULE("com.example.pearson", "1.0", plugin)
