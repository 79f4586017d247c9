/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `binarise`: x' = 1 where x > threshold, else 0. A threshold of 0 or more keeps 0, so
 * that sparse X stays sparse. */
#include <assay/plugin.h>

typedef struct {
  const assay_host* host;
  double threshold;
} binarise;

static const assay_option options[] = {{"threshold", "entries above it become 1, all others 0",
                                        ASSAY_OPT_FLOAT, 0, 0, -1e300, 1e300, NULL, NULL},
                                       {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_problem* problem,
                      void** self) {
  binarise* s = host->alloc((int64_t)sizeof *s);
  (void)ctx;
  if (!s) return ASSAY_E_MEMORY;
  s->host = host;
  s->threshold = host->option_number(problem->options, "threshold");
  *self = s;
  return ASSAY_OK;
}

static void destroy(void* self) {
  binarise* s = self;
  s->host->free(s);
}

static int32_t apply(void* self, assay_ctx* ctx, int64_t n, double* x) {
  const binarise* s = self;
  (void)ctx;
  for (int64_t i = 0; i < n; ++i) x[i] = x[i] > s->threshold ? 1 : 0;
  return ASSAY_OK;
}

static const assay_transform vtable = {
    sizeof vtable, 0, ASSAY_TRANSFORM_ELEMENT, 0, create, NULL, NULL, apply, NULL, destroy};
static const assay_plugin plugin = {sizeof plugin,
                                    ASSAY_PLUGIN_DETERMINISTIC,
                                    "assay.transform/1",
                                    "binarise",
                                    "1 above a threshold, 0 below",
                                    NULL,
                                    "x' = [x > threshold]",
                                    options,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.binarise", "1.0", plugin)
