/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `scale`: x' = by x, the same factor for every column. */
#include <assay/plugin.h>

typedef struct {
  const assay_host* host;
  double by;
} scale;

static const assay_option options[] = {{"by", "factor of every entry", ASSAY_OPT_FLOAT,
                                        ASSAY_OPT_REQUIRED, 1, -1e300, 1e300, NULL, NULL},
                                       {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_problem* problem,
                      void** self) {
  const double by = host->option_number(problem->options, "by");
  if (by == 0) {
    host->set_error(ctx, ASSAY_E_SPEC, "transform `scale` by 0 leaves nothing of the data");
    host->add_detail(ctx, ASSAY_DETAIL_HELP, "give a factor that is not 0");
    return ASSAY_E_SPEC;
  }
  scale* s = host->alloc((int64_t)sizeof *s);
  if (!s) return ASSAY_E_MEMORY;
  s->host = host;
  s->by = by;
  *self = s;
  return ASSAY_OK;
}

static void destroy(void* self) {
  scale* s = self;
  s->host->free(s);
}

static int32_t affine(void* self,
                      assay_ctx* ctx,
                      int64_t d,
                      int32_t n_learnt,
                      const double* const* learnt,
                      double* scales,
                      double* shifts) {
  const scale* s = self;
  (void)ctx, (void)n_learnt, (void)learnt, (void)shifts;
  for (int64_t j = 0; j < d; ++j) scales[j] = s->by;
  return ASSAY_OK;
}

static const assay_transform vtable = {
    sizeof vtable, 0, ASSAY_TRANSFORM_AFFINE, 0, create, NULL, affine, NULL, NULL, destroy};
static const assay_plugin plugin = {sizeof plugin,
                                    ASSAY_PLUGIN_DETERMINISTIC,
                                    "assay.transform/1",
                                    "scale",
                                    "multiply every entry by a number",
                                    NULL,
                                    "x' = by x",
                                    options,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.scale", "1.0", plugin)
