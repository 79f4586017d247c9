/* SPDX-License-Identifier: Apache-2.0 */
/* A loss without its mandatory gradient. */
#include "plain_loss.h"

static const assay_loss own = {.struct_size = sizeof own, .describe = describe, .value = zeros};
static const assay_plugin plugin = {.struct_size = sizeof plugin,
                                    .kind = "assay.loss/1",
                                    .id = "no_grad",
                                    .summary = "without a gradient",
                                    .vtable = &own};
ASSAY_MODULE("test.module", "1.0", plugin)
