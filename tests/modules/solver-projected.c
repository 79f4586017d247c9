/* SPDX-License-Identifier: Apache-2.0 */
/* Proximal gradient with one step for all rows, 1 / trace(O'O): takes any penalty with a prox,
 * under the squared loss. */
#include <assay/plugin.h>

typedef struct {
  const assay_host* host;
  const assay_penalty_calls* penalties;
  int64_t k;
} projected;

static int32_t update(void* self, const assay_block* b) {
  const projected* s = self;
  const assay_view *F = &b->arg[0], *G = &b->arg[1], *gram = &b->arg[2];
  double trace = 1e-300;
  for (int64_t a = 0; a < gram->rows; a++)
    trace += ((const double*)gram->data)[a * gram->stride + a];
  const double step = 1 / trace;
  for (int64_t i = 0; i < F->rows; i++) {
    double* f = (double*)F->data + i * F->stride;
    const double* g = (const double*)G->data + i * G->stride;
    for (int64_t a = 0; a < F->cols; a++) f[a] -= step * g[a];
  }
  assay_view moved = *F;
  return s->penalties->prox(b->ctx, b->tag, &moved, step);
}

static int32_t create(const assay_host* host, assay_ctx* ctx, const assay_problem* p, void** self) {
  projected* s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the solver");
  s->host = host;
  s->penalties = host->service("assay.penalty/1");
  s->k = p->k[0];
  *self = s;
  return ASSAY_OK;
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const projected* s = self;
  if (purpose != ASSAY_STEP) return ASSAY_OK;
  for (int32_t side = 0; side < 2; side++) {
    const assay_buf F = b->factor(b, side), O = b->factor(b, 1 - side);
    const assay_buf G = assay_local(b, side ? "grad_h" : "grad_w", side, 0);
    assay_buffer d = {(uint32_t)sizeof d,
                      0,
                      side ? "gram_w" : "gram_h",
                      ASSAY_ONE,
                      ASSAY_SUM,
                      ASSAY_F64,
                      0,
                      s->k,
                      s->k};
    const assay_buf gram = b->buffer(b, &d);
    const assay_terms t = {sizeof t,        0, ASSAY_GRAD, side,     b->factor(b, 0),
                           b->factor(b, 1), G, ASSAY_NO,   ASSAY_NO, 0};
    b->gram(b, gram, O, O);
    b->terms(b, &t);
    const assay_arg args[] = {{F, ASSAY_INOUT}, {G, ASSAY_IN}, {gram, ASSAY_IN}};
    const assay_each each = {sizeof each, 0, side ? "update_h" : "update_w", side, 3, update, args,
                             side,        0};
    b->each(b, &each);
  }
  return b->status(b);
}

static void destroy(void* self) {
  if (self) ((projected*)self)->host->free(self);
}

static const assay_solver vtable = {.struct_size = sizeof vtable,
                                    .needs_loss = ASSAY_NEEDS_SQUARED,
                                    .needs_penalty = ASSAY_NEEDS_PROX,
                                    .takes_data = ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK,
                                    .create = create,
                                    .build = build,
                                    .destroy = destroy};
static const assay_plugin plugin = {.struct_size = sizeof plugin,
                                    .flags = ASSAY_PLUGIN_DETERMINISTIC,
                                    .kind = "assay.solver/1",
                                    .id = "projected",
                                    .summary = "proximal gradient",
                                    .maths = "guarantee: no step raises the objective",
                                    .vtable = &vtable};
ASSAY_MODULE("org.assay.test.projected", "1.0", plugin)
