/* SPDX-License-Identifier: Apache-2.0 */
/* A loss whose MU split fails with a message, as one that finds its input wrong does. */
#include "plain_loss.h"

static const assay_host* the_host(void* self) { return self; }
static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_options* options,
                      void** self) {
  (void)ctx, (void)options;
  *self = (void*)(uintptr_t)host;
  return ASSAY_OK;
}
static int32_t split(void* self,
                     assay_ctx* ctx,
                     int64_t n,
                     const double* x,
                     const double* m,
                     double* num,
                     double* den) {
  (void)n, (void)x, (void)m, (void)num, (void)den;
  return the_host(self)->set_error(ctx, ASSAY_E_NUMERIC, "this loss fails on purpose");
}
static const assay_loss own = {.struct_size = sizeof own,
                               .create = create,
                               .describe = describe,
                               .value = zeros,
                               .grad = zeros,
                               .mu_split = split};
static const assay_plugin plugin = {.struct_size = sizeof plugin,
                                    .kind = "assay.loss/1",
                                    .id = "span_error",
                                    .summary = "that fails",
                                    .vtable = &own};
ASSAY_MODULE("test.module", "1.0", plugin)
