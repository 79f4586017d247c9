/* SPDX-License-Identifier: Apache-2.0 */
/* A loss that lies: half the second derivative is said to majorise. */
#include <assay/plugin.h>
#include <math.h>

static int32_t value(void* self,
                     assay_ctx* ctx,
                     int64_t n,
                     const double* x,
                     const double* m,
                     double* out) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) out[i] = 0.5 * (m[i] - x[i]) * (m[i] - x[i]);
  return ASSAY_OK;
}
static int32_t grad(void* self,
                    assay_ctx* ctx,
                    int64_t n,
                    const double* x,
                    const double* m,
                    double* out) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) out[i] = m[i] - x[i];
  return ASSAY_OK;
}
static int32_t curvature(void* self,
                         assay_ctx* ctx,
                         int64_t n,
                         const double* x,
                         const double* m,
                         double* out) {
  (void)self, (void)ctx, (void)x, (void)m;
  for (int64_t i = 0; i < n; i++) out[i] = 0.5;
  return ASSAY_OK;
}
static int32_t describe(void* self, assay_loss_facts* out) {
  (void)self;
  out->x_hi = out->m_hi = INFINITY;
  out->flags = ASSAY_LOSS_CONVEX | ASSAY_LOSS_CURVATURE_MAJORISES;
  out->den_is = NAN;
  out->zero_term = ASSAY_ZERO_QUADRATIC;
  out->zero_a = 0.5;
  return ASSAY_OK;
}
static const assay_loss vtable = {.struct_size = sizeof vtable,
                                  .describe = describe,
                                  .value = value,
                                  .grad = grad,
                                  .curvature = curvature};
static const assay_plugin plugin = {.struct_size = sizeof plugin,
                                    .kind = "assay.loss/1",
                                    .id = "lies_curvature",
                                    .summary = "lies",
                                    .vtable = &vtable};
ASSAY_MODULE("test.lies_curvature", "1.0", plugin)
