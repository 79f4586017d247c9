/* SPDX-License-Identifier: Apache-2.0 */
/* The Kullback-Leibler divergence as a stranger writes it in plain C, without the tag by which the
   host would know the formula: what a loss of one's own costs beside the built-in one. */
#include <assay/plugin.h>
#include <math.h>

ASSAY_SIMD static int32_t value(void* self,
                                assay_ctx* ctx,
                                int64_t n,
                                const double* restrict x,
                                const double* restrict m,
                                double* restrict out) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) out[i] = (x[i] > 0 ? x[i] * log(x[i] / m[i]) : 0) - x[i] + m[i];
  return ASSAY_OK;
}
ASSAY_SIMD static int32_t grad(void* self,
                               assay_ctx* ctx,
                               int64_t n,
                               const double* restrict x,
                               const double* restrict m,
                               double* restrict out) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) out[i] = 1 - x[i] / m[i];
  return ASSAY_OK;
}
ASSAY_SIMD static int32_t mu_split(void* self,
                                   assay_ctx* ctx,
                                   int64_t n,
                                   const double* restrict x,
                                   const double* restrict m,
                                   double* restrict num,
                                   double* restrict den) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) num[i] = x[i] / m[i];
  for (int64_t i = 0; i < n; i++) den[i] = 1;
  return ASSAY_OK;
}
static int32_t describe(void* self, assay_loss_facts* out) {
  (void)self;
  out->flags = ASSAY_LOSS_CONVEX | ASSAY_LOSS_M_LO_OPEN;
  out->x_hi = out->m_hi = out->curvature_bound = INFINITY;
  out->zero_term = ASSAY_ZERO_LINEAR;
  out->zero_a = out->den_is = out->mu_exponent = 1;
  return ASSAY_OK;
}

static const assay_loss vtable = {.struct_size = sizeof vtable,
                                  .describe = describe,
                                  .value = value,
                                  .grad = grad,
                                  .mu_split = mu_split};
static const assay_plugin plugin = {.struct_size = sizeof plugin,
                                    .kind = "assay.loss/1",
                                    .id = "bench.kl",
                                    .summary = "the Kullback-Leibler divergence, untagged",
                                    .vtable = &vtable};
ASSAY_MODULE("bench.kl", "1.0", plugin)
