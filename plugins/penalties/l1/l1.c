/* SPDX-License-Identifier: Apache-2.0 */
/* weight * sum |f|: pushes entries to 0. Its prox is the soft threshold. */
#include <assay/plugin.h>
#include <math.h>

typedef struct {
  const assay_host* host;
  double weight;
} penalty;

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_options* options,
                      void** self) {
  penalty* p = host->alloc(sizeof *p);
  if (!p) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory left");
  p->host = host;
  p->weight = host->option_number(options, "weight");
  *self = p;
  return ASSAY_OK;
}
static void destroy(void* self) {
  penalty* p = self;
  p->host->free(p);
}

static int32_t describe(void* self, assay_penalty_facts* out) {
  (void)self;
  out->flags = ASSAY_PENALTY_CONVEX;
  out->scope = ASSAY_SCOPE_ELEMENT;
  out->kind = ASSAY_PENALTY_L1;
  return ASSAY_OK;
}

static int32_t value(void* self, assay_ctx* ctx, const assay_view* F, double* out) {
  (void)ctx;
  double total = 0;
  for (int64_t i = 0; i < F->rows; i++) {
    const double* f = (const double*)F->data + i * F->stride;
    for (int64_t j = 0; j < F->cols; j++) total += fabs(f[j]);
  }
  *out = ((const penalty*)self)->weight * total;
  return ASSAY_OK;
}

static int32_t prox(void* self, assay_ctx* ctx, assay_view* F, double step) {
  (void)ctx;
  const double t = step * ((const penalty*)self)->weight;
  for (int64_t i = 0; i < F->rows; i++) {
    double* f = (double*)F->data + i * F->stride;
    for (int64_t j = 0; j < F->cols; j++) f[j] = f[j] > t ? f[j] - t : f[j] < -t ? f[j] + t : 0;
  }
  return ASSAY_OK;
}

/* Multiplicative updates keep f >= 0, where the gradient is the weight itself. */
static int32_t mu_add(void* self,
                      assay_ctx* ctx,
                      const assay_view* F,
                      assay_view* num,
                      assay_view* den) {
  (void)ctx, (void)num;
  const double weight = ((const penalty*)self)->weight;
  for (int64_t i = 0; i < F->rows; i++) {
    double* d = (double*)den->data + i * den->stride;
    for (int64_t j = 0; j < F->cols; j++) d[j] += weight;
  }
  return ASSAY_OK;
}

/* The linear term of f >= 0; a signed factor needs the prox. */
static int32_t quad_add(void* self,
                        assay_ctx* ctx,
                        const assay_view* F,
                        double* diag,
                        double* lin,
                        double* lower,
                        double* upper) {
  (void)ctx, (void)diag, (void)lower, (void)upper;
  const int64_t k = F->flags & ASSAY_BY_COMPONENT ? F->rows : F->cols;
  for (int64_t a = 0; a < k; a++) lin[a] += ((const penalty*)self)->weight;
  return ASSAY_OK;
}

static int32_t grad_add(void* self, assay_ctx* ctx, const assay_view* F, assay_view* grad) {
  (void)ctx;
  const double weight = ((const penalty*)self)->weight;
  for (int64_t i = 0; i < F->rows; i++) {
    const double* f = (const double*)F->data + i * F->stride;
    double* g = (double*)grad->data + i * grad->stride;
    for (int64_t j = 0; j < F->cols; j++) g[j] += f[j] >= 0 ? weight : -weight;
  }
  return ASSAY_OK;
}

static const assay_option options[] = {{"weight", "factor of the sum of absolute values",
                                        ASSAY_OPT_FLOAT, 0, 0.1, 0, INFINITY, NULL, NULL},
                                       {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_penalty vtable = {.struct_size = sizeof vtable,
                                     .create = create,
                                     .destroy = destroy,
                                     .describe = describe,
                                     .value = value,
                                     .prox = prox,
                                     .mu_add = mu_add,
                                     .quad_add = quad_add,
                                     .grad_add = grad_add};
static const assay_plugin plugin = {sizeof plugin,
                                    0,
                                    "assay.penalty/1",
                                    "l1",
                                    "sum of absolute values, for sparse factors",
                                    "Tibshirani 1996",
                                    "weight * sum |f|;  prox: sign(f) max(|f| - step weight, 0)",
                                    options,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.l1", "1.0", plugin)
