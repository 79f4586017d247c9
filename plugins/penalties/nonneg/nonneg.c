/* SPDX-License-Identifier: Apache-2.0 */
/* The constraint f >= 0, entry by entry; its prox is the projection max(f, 0). */
#include <assay/plugin.h>
#include <math.h>

static int32_t describe(void* self, assay_penalty_facts* out) {
  (void)self;
  out->flags = ASSAY_PENALTY_NONNEG | ASSAY_PENALTY_CONVEX;
  out->scope = ASSAY_SCOPE_ELEMENT;
  out->kind = ASSAY_PENALTY_SET;
  return ASSAY_OK;
}

static int32_t value(void* self, assay_ctx* ctx, const assay_view* F, double* out) {
  (void)self, (void)ctx;
  double total = 0;
  for (int64_t i = 0; i < F->rows; i++) {
    const double* f = (const double*)F->data + i * F->stride;
    for (int64_t j = 0; j < F->cols; j++)
      if (!(f[j] >= 0)) total = INFINITY;
  }
  *out = total;
  return ASSAY_OK;
}

static int32_t prox(void* self, assay_ctx* ctx, assay_view* F, double step) {
  (void)self, (void)ctx, (void)step;
  for (int64_t i = 0; i < F->rows; i++) {
    double* f = (double*)F->data + i * F->stride;
    for (int64_t j = 0; j < F->cols; j++) f[j] = f[j] < 0 ? 0 : f[j];
  }
  return ASSAY_OK;
}

static int32_t quad_add(void* self,
                        assay_ctx* ctx,
                        const assay_view* F,
                        double* diag,
                        double* lin,
                        double* lower,
                        double* upper) {
  (void)self, (void)ctx, (void)diag, (void)lin, (void)upper;
  const int64_t k = F->flags & ASSAY_BY_COMPONENT ? F->rows : F->cols;
  for (int64_t a = 0; a < k; a++)
    if (lower[a] < 0) lower[a] = 0;
  return ASSAY_OK;
}

static const assay_penalty vtable = {.struct_size = sizeof vtable,
                                     .describe = describe,
                                     .value = value,
                                     .prox = prox,
                                     .quad_add = quad_add};
static const assay_plugin plugin = {sizeof plugin,
                                    0,
                                    "assay.penalty/1",
                                    "nonneg",
                                    "every entry of the factor is at least 0",
                                    "Paatero and Tapper 1994",
                                    "f >= 0;  projection max(f, 0)",
                                    NULL,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.nonneg", "1.0", plugin)
