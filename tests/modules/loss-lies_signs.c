/* SPDX-License-Identifier: Apache-2.0 */
/* A loss that lies: a half is negative. */
#include "lying_loss.h"

static int32_t mu_split(SPAN, double* num, double* den) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) {
    num[i] = x[i] - m[i];
    den[i] = 0;
  }
  return ASSAY_OK;
}
LYING_LOSS("lies_signs", .describe = honest_facts, .grad = honest_grad, .mu_split = mu_split)
