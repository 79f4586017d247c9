/* SPDX-License-Identifier: Apache-2.0 */
/* A loss that lies: den is m, not 2. */
#include "lying_loss.h"

static int32_t describe(void* self, assay_loss_facts* out) {
  const int32_t status = honest_facts(self, out);
  out->den_is = 2;
  return status;
}
LYING_LOSS("lies_den_is", .describe = describe, .grad = honest_grad, .mu_split = honest_split)
