/* SPDX-License-Identifier: Apache-2.0 */
/* A solver that hands a block function a buffer it did not declare. */
#include <assay/plugin.h>

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_problem* problem,
                      void** self) {
  (void)host, (void)ctx, (void)problem;
  *self = NULL;
  return ASSAY_OK;
}
static int32_t nothing(void* self, const assay_block* block) {
  (void)self, (void)block;
  return ASSAY_OK;
}
static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  (void)self;
  if (purpose != ASSAY_STEP) return ASSAY_OK;
  ASSAY_EACH(b, "touch", ASSAY_ROWS, nothing, {b->factor(b, 0), ASSAY_INOUT}, {99, ASSAY_IN});
  return b->status(b);
}
static void destroy(void* self) { (void)self; }

static const assay_solver vtable = {.struct_size = sizeof vtable,
                                    .create = create,
                                    .build = build,
                                    .destroy = destroy};
static const assay_plugin plugin = {.struct_size = sizeof plugin,
                                    .kind = "assay.solver/1",
                                    .id = "undeclared",
                                    .summary = "that uses what it did not declare",
                                    .vtable = &vtable};
ASSAY_MODULE("test.module", "1.0", plugin)
