/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `log1p`: x' = log(1 + x), for counts; keeps 0, so that sparse X stays sparse. Its
 * inverse is expm1. */
#include <assay/plugin.h>

typedef struct {
  const assay_host* host;
  const assay_math* math;
} log1p_of;

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_problem* problem,
                      void** self) {
  const assay_math* math = host->service("assay.math/1");
  (void)problem;
  if (!math) return host->set_error(ctx, ASSAY_E_PLUGIN, "this host has no service `assay.math/1`");
  log1p_of* s = host->alloc((int64_t)sizeof *s);
  if (!s) return ASSAY_E_MEMORY;
  s->host = host;
  s->math = math;
  *self = s;
  return ASSAY_OK;
}

static void destroy(void* self) {
  log1p_of* s = self;
  s->host->free(s);
}

static int32_t apply(void* self, assay_ctx* ctx, int64_t n, double* x) {
  const log1p_of* s = self;
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] > -1) continue;
    s->host->set_error(ctx, ASSAY_E_DOMAIN, "transform `log1p` needs entries above -1");
    s->host->add_detail(ctx, ASSAY_DETAIL_HELP, "shift the data first, or leave `log1p` out");
    return ASSAY_E_DOMAIN;
  }
  s->math->log1p(n, x, x);
  return ASSAY_OK;
}

static int32_t invert(void* self, assay_ctx* ctx, int64_t n, double* x) {
  const log1p_of* s = self;
  (void)ctx;
  s->math->expm1(n, x, x);
  return ASSAY_OK;
}

static const assay_transform vtable = {
    sizeof vtable, 0, ASSAY_TRANSFORM_ELEMENT, 0, create, NULL, NULL, apply, invert, destroy};
static const assay_plugin plugin = {sizeof plugin,
                                    ASSAY_PLUGIN_DETERMINISTIC,
                                    "assay.transform/1",
                                    "log1p",
                                    "logarithm of 1 + x, for counts",
                                    NULL,
                                    "x' = log(1 + x)",
                                    NULL,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.log1p", "1.0", plugin)
