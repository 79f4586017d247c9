/* SPDX-License-Identifier: Apache-2.0 */
/* A loss that lies: the twin in float32 has another sign. */
#include "lying_loss.h"

static int32_t grad_f32(void* self,
                        assay_ctx* ctx,
                        int64_t n,
                        const float* x,
                        const float* m,
                        float* out) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) out[i] = x[i] - m[i];
  return ASSAY_OK;
}
LYING_LOSS("lies_f32", .describe = honest_facts, .grad = honest_grad, .grad_f32 = grad_f32)
