/* SPDX-License-Identifier: Apache-2.0 */
/* A loss that lies: the loss at x = 0 is m^2 / 2, not m^2 / 4. */
#include "lying_loss.h"

static int32_t describe(void* self, assay_loss_facts* out) {
  const int32_t status = honest_facts(self, out);
  out->zero_a = 0.25;
  return status;
}
LYING_LOSS("lies_zero_a", .describe = describe, .grad = honest_grad, .mu_split = honest_split)
