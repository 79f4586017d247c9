/* SPDX-License-Identifier: Apache-2.0 */
/* A module whose file is not named after its plugin. */
#include "plain_loss.h"

static const assay_plugin plugin = {.struct_size = sizeof plugin,
                                    .kind = "assay.loss/1",
                                    .id = "another_name",
                                    .summary = "of another name",
                                    .vtable = &vtable};
ASSAY_MODULE("test.module", "1.0", plugin)
