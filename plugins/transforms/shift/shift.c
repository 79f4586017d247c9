/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `shift`: x' = x + by, the same number for every column. */
#include <assay/plugin.h>

typedef struct {
  const assay_host* host;
  double by;
} shift;

static const assay_option options[] = {{"by", "number added to every entry", ASSAY_OPT_FLOAT,
                                        ASSAY_OPT_REQUIRED, 0, -1e300, 1e300, NULL, NULL},
                                       {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_problem* problem,
                      void** self) {
  shift* s = host->alloc((int64_t)sizeof *s);
  (void)ctx;
  if (!s) return ASSAY_E_MEMORY;
  s->host = host;
  s->by = host->option_number(problem->options, "by");
  *self = s;
  return ASSAY_OK;
}

static void destroy(void* self) {
  shift* s = self;
  s->host->free(s);
}

static int32_t affine(void* self,
                      assay_ctx* ctx,
                      int64_t d,
                      int32_t n_learnt,
                      const double* const* learnt,
                      double* scales,
                      double* shifts) {
  const shift* s = self;
  (void)ctx, (void)n_learnt, (void)learnt, (void)scales;
  for (int64_t j = 0; j < d; ++j) shifts[j] = s->by;
  return ASSAY_OK;
}

static const assay_transform vtable = {
    sizeof vtable, 0, ASSAY_TRANSFORM_AFFINE, 0, create, NULL, affine, NULL, NULL, destroy};
static const assay_plugin plugin = {sizeof plugin,
                                    ASSAY_PLUGIN_DETERMINISTIC,
                                    "assay.transform/1",
                                    "shift",
                                    "add a number to every entry",
                                    NULL,
                                    "x' = x + by",
                                    options,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.shift", "1.0", plugin)
