/* SPDX-License-Identifier: Apache-2.0 */
/* A solver that takes the squared loss, differentiable penalties and dense data without weights,
 * and nothing else. */
#include <assay/plugin.h>

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_problem* problem,
                      void** self) {
  (void)host, (void)ctx, (void)problem;
  *self = NULL;
  return ASSAY_OK;
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  (void)self, (void)purpose;
  return b->status(b);
}

static const assay_solver vtable = {
    sizeof vtable, 0,   ASSAY_NEEDS_SQUARED, ASSAY_NEEDS_GRAD_ADD, 0, 0, NULL, create, build,
    NULL,          NULL, NULL, NULL};
static const assay_plugin plugin = {
    sizeof plugin, 0,    "assay.solver/1", "plain", "does nothing to a squared loss", NULL,
    NULL,          NULL, &vtable,          NULL};
ASSAY_MODULE("org.assay.test.plain", "1.0", plugin)
