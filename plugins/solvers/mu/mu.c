/* SPDX-License-Identifier: Apache-2.0 */
/* Multiplicative updates: minimise sum l(x, (W H')) + penalties over W, H >= 0.
     F <- F * ((N + n_pen) / (D + d_pen))^e,  N = num(X, W H') O,  D = den(X, W H') O
   for F = W (O = H), then F = H (O = W). Cost per step 4ndk (squared) to 12ndk; monotone for the
   exponent e of the loss. Entries stay above a floor that is relative to sqrt(mean |X| / k), so
   that X in other units takes the same steps. Lee and Seung 2001, eq. 4-5; Fevotte and Idier 2011.
 */
#include <assay/plugin.h>
#include <assay/steps.h>
#include <float.h>
#include <math.h>

typedef struct {
  const assay_host* host;
  const assay_math* math;
  const assay_penalty_calls* penalties;
  double exponent[2], floor; /* of the ratio, per factor; smallest value of an entry */
  int clip[2];               /* the factor's set is more than f >= 0 */
} mu;

/* 0 / 0 is 0: an entry that nothing speaks for goes to the floor. */
ASSAY_SIMD static void divide(int64_t n, double* restrict N, const double* restrict D) {
  for (int64_t j = 0; j < n; j++) N[j] /= D[j] > DBL_MIN ? D[j] : DBL_MIN;
}
ASSAY_SIMD static void scale(int64_t n,
                             const double* restrict r,
                             double floor,
                             double* restrict F) {
  for (int64_t j = 0; j < n; j++) {
    const double f = F[j] * r[j];
    F[j] = f > floor ? f : floor;
  }
}

static int32_t update(const mu* s, const assay_block* b, int32_t side) {
  const assay_view* F = &b->arg[0];
  assay_view N = b->arg[1], D = b->arg[2];
  const int64_t k = F->cols, n = F->rows;
  const int32_t bad = s->penalties->mu(b->ctx, side, F, &N, &D);
  if (bad) return bad;
  /* Rows whose storage has no gap are one run; padding is never written. */
  const int whole = F->stride == k && N.stride == k && D.stride == k;
  const int64_t runs = whole ? 1 : n, length = whole ? n * k : k;
  for (int64_t i = 0; i < runs; i++) {
    double* f = (double*)F->data + i * F->stride;
    double* r = (double*)N.data + i * N.stride;
    divide(length, r, (const double*)D.data + i * D.stride);
    if (s->exponent[side] != 1.0) s->math->pow(length, r, s->exponent[side], r);
    scale(length, r, s->floor, f);
  }
  if (!s->clip[side]) return ASSAY_OK;
  assay_view clipped = *F; /* the majoriser is a sum over entries: its least value in an interval */
  return s->penalties->prox(b->ctx, side, &clipped, 0);
}
static int32_t update_w(void* self, const assay_block* b) { return update(self, b, 0); }
static int32_t update_h(void* self, const assay_block* b) { return update(self, b, 1); }

static int32_t create(const assay_host* host, assay_ctx* ctx, const assay_problem* p, void** self) {
  mu* s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the solver");
  s->host = host;
  s->math = host->service("assay.math/1");
  s->penalties = host->service("assay.penalty/1");
  for (int32_t side = 0; side < 2; side++) {
    s->exponent[side] = assay_mu_exponent(p->loss, p->mu_power[side]);
    s->clip[side] = (p->factor_flags[side] & ASSAY_FACTOR_SET) != 0;
  }
  const double mean = p->observed > 0 ? fabs(p->x_sum) / p->observed : 0;
  s->floor = host->option_number(p->options, "floor") * sqrt(mean / (double)p->k[0]);
  *self = s;
  return ASSAY_OK;
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  (void)self;
  if (purpose != ASSAY_STEP) return ASSAY_OK;
  for (int32_t side = 0; side < 2; side++) { /* ASSAY_ROWS, then ASSAY_COLS */
    const assay_buf N = assay_local(b, side ? "num_h" : "num_w", side, 0);
    const assay_buf D = assay_local(b, side ? "den_h" : "den_w", side, 0);
    const assay_terms t = {sizeof t,        0, ASSAY_MU, side,     b->factor(b, 0),
                           b->factor(b, 1), N, D,        ASSAY_NO, 0};
    b->terms(b, &t);
    ASSAY_EACH(b, side ? "update_h" : "update_w", side, side ? update_h : update_w,
               {b->factor(b, side), ASSAY_INOUT}, {N, ASSAY_INOUT}, {D, ASSAY_INOUT});
  }
  return b->status(b);
}

static void destroy(void* self) {
  if (self) ((mu*)self)->host->free(self);
}

static const assay_option options[] = {
    {"floor", "smallest value of a factor's entry, as a share of sqrt(mean of X / rank)",
     ASSAY_OPT_FLOAT, ASSAY_OPT_HI_OPEN, 1e-16, 0, 1, NULL, NULL},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_solver vtable = {
    sizeof vtable,
    0,
    ASSAY_NEEDS_MU_SPLIT,
    ASSAY_NEEDS_MU_ADD | ASSAY_NEEDS_CLIP,
    ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK | ASSAY_TAKES_WEIGHTS | ASSAY_TAKES_UNOBSERVED,
    0,
    "nonneg",
    create,
    build,
    destroy,
    NULL,
    NULL,
    NULL};
static const assay_plugin plugin = {
    sizeof plugin,
    ASSAY_PLUGIN_DETERMINISTIC,
    "assay.solver/1",
    "mu",
    "multiplicative updates, for any loss with a split gradient",
    "Lee and Seung 2001; Fevotte and Idier 2011",
    "F <- F * ((N + n_pen) / (D + d_pen))^e,  N = num(X, W H) O,  D = den(X, W H) O\n"
    "for F = W (O = H), then F = H (O = W)\n"
    "cost: 4ndk + 2(n + d)k^2 flops a step and one read of X (squared), 8ndk other losses;\n"
    "  4 nnz k where the loss at zeros has a closed form\n"
    "guarantee: the objective never rises, in float64, for convex losses and others with the\n"
    "  exponent the loss states; a floor keeps entries from sticking at 0. Sets that tie entries\n"
    "  together (simplex, unit_norm) are refused: projected onto them the update may rise",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.mu", "1.0", plugin)
