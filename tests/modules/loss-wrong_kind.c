/* SPDX-License-Identifier: Apache-2.0 */
/* A module of a kind this host does not know. */
#include "plain_loss.h"

static const assay_plugin plugin = {.struct_size = sizeof plugin,
                                    .kind = "assay.lost/1",
                                    .id = "wrong_kind",
                                    .summary = "of no kind",
                                    .vtable = &vtable};
ASSAY_MODULE("test.module", "1.0", plugin)
