/* SPDX-License-Identifier: Apache-2.0 */
/* A loss that lies: the gradient has the wrong sign. */
#include "lying_loss.h"

static int32_t grad(SPAN, double* out) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) out[i] = x[i] - m[i];
  return ASSAY_OK;
}
LYING_LOSS("lies_grad", .describe = honest_facts, .grad = grad)
