/* SPDX-License-Identifier: Apache-2.0 */
/* A loss of an older header: its vtable ends after grad, and what follows in memory must not be
 * read. */
#include "plain_loss.h"

/* The prefix of assay_loss up to grad, then something else. */
static const struct {
  uint32_t struct_size, flags;
  int32_t (*create)(const assay_host*, assay_ctx*, const assay_options*, void**);
  void (*destroy)(void*);
  int32_t (*describe)(void*, assay_loss_facts*);
  int32_t (*value)(void*, assay_ctx*, int64_t, const double*, const double*, double*);
  int32_t (*grad)(void*, assay_ctx*, int64_t, const double*, const double*, double*);
  int64_t something_else[8];
} own = {(uint32_t)offsetof(assay_loss, mu_split),
         0,
         NULL,
         NULL,
         describe,
         zeros,
         zeros,
         {1, 2, 3, 4, 5, 6, 7, 8}};
static const assay_plugin plugin = {.struct_size = sizeof plugin,
                                    .kind = "assay.loss/1",
                                    .id = "short_table",
                                    .summary = "of an older header",
                                    .vtable = &own};
ASSAY_MODULE("test.module", "1.0", plugin)
