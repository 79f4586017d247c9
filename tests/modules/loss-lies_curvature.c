/* SPDX-License-Identifier: Apache-2.0 */
/* A loss that lies: half the second derivative is said to majorise. */
#include "lying_loss.h"

static int32_t curvature(SPAN, double* out) {
  (void)self, (void)ctx, (void)x, (void)m;
  for (int64_t i = 0; i < n; i++) out[i] = 0.5;
  return ASSAY_OK;
}
static int32_t describe(void* self, assay_loss_facts* out) {
  const int32_t status = honest_facts(self, out);
  out->flags |= ASSAY_LOSS_CURVATURE_MAJORISES;
  return status;
}
LYING_LOSS("lies_curvature", .describe = describe, .grad = honest_grad, .curvature = curvature)
