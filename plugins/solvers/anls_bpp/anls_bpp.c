/* SPDX-License-Identifier: Apache-2.0 */
/* Alternating non-negative least squares by block principal pivoting: every row w of W becomes the
   exact minimiser over its bounds of
     1/2 w'G w - r'w + penalties,
     G = H'V H,  r = H'V z:  V = 1, z = x for the squared loss; else the loss's majorising curvature
                             and working response (of each entry, or its bound for all).
   Then the rows of H. Rows with the same free components share one Cholesky factor. A singular G
   gets a proximal term, pivoting that does not end a few sweeps of coordinate descent. Cost per
   step: the products of `hals`, k^3/3 a pattern, 2k^2 a row and round. Never raises the objective.
   Kim and Park 2011. */
#include <assay/normals.h>

#include "pivoting.h"

typedef struct {
  const assay_host* host;
  const assay_penalty_calls* penalties;
  int64_t k;
  int32_t majoriser; /* flags of the normals */
} bpp;

/* {F io, G, R} */
static int32_t update(void* self, const assay_block* b) {
  const bpp* s = self;
  const assay_view *F = &b->arg[0], *G = &b->arg[1], *R = &b->arg[2];
  const int64_t k = F->cols, n = F->rows, ld = F->stride, together = G->step == 0 ? n : 1;
  void* work = s->host->scratch(b->ctx, least_squares_bytes(together, k));
  if (!work) return s->host->set_error(b->ctx, ASSAY_E_MEMORY, "no memory for a block");
  assay_row_penalties of;
  const int32_t bad = assay_penalties_of_rows(s->host, s->penalties, b->ctx, b->tag, F, &of);
  if (bad) return bad;
  double* r = of.lin; /* r - lin */
  for (int64_t i = 0; i < n; i++)
    for (int64_t a = 0; a < k; a++)
      r[i * ld + a] = ((const double*)R->data)[i * R->stride + a] - r[i * ld + a];
  for (int64_t i = 0; i < n; i += together) {
    const least_squares p = {together,
                             k,
                             (double*)F->data + i * ld,
                             r + i * ld,
                             of.lower + i * ld,
                             of.upper + i * ld,
                             ld,
                             (const double*)G->data + i * G->step,
                             of.diag,
                             G->stride};
    least_squares_solve(&p, work);
  }
  return ASSAY_OK;
}

static int32_t create(const assay_host* host, assay_ctx* ctx, const assay_problem* p, void** self) {
  const int32_t majoriser = assay_pick_curvature(host, ctx, p);
  if (majoriser < 0) return majoriser;
  bpp* s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the solver");
  s->host = host;
  s->penalties = host->service("assay.penalty/1");
  s->k = p->k[0];
  s->majoriser = majoriser;
  *self = s;
  return ASSAY_OK;
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const bpp* s = self;
  if (purpose != ASSAY_STEP) return ASSAY_OK;
  for (int32_t side = 0; side < 2; side++) { /* ASSAY_ROWS, then ASSAY_COLS */
    const assay_equations e = assay_normals_of(b, side, s->k, (uint32_t)s->majoriser);
    const assay_arg args[] = {
        {b->factor(b, side), ASSAY_INOUT}, {e.gram, ASSAY_IN}, {e.rhs, ASSAY_IN}};
    const assay_each each = {sizeof each, 0, side ? "solve_h" : "solve_w", side, 3, update, args,
                             side,        0};
    b->each(b, &each);
  }
  return b->status(b);
}

static void destroy(void* self) {
  if (self) ((bpp*)self)->host->free(self);
}

static const assay_option options[] = {ASSAY_OPTION_CURVATURE,
                                       {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_solver vtable = {
    sizeof vtable,
    0,
    ASSAY_NEEDS_SQUARED | ASSAY_NEEDS_CURVATURE,
    ASSAY_NEEDS_QUAD | ASSAY_NEEDS_QUAD_ROWS,
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
    "anls_bpp",
    "alternating non-negative least squares by block principal pivoting",
    "Kim and Park 2011; Judice and Pires 1994",
    "F_i <- argmin 1/2 f'G f - r'f + penalties over the bounds, exactly, for every row i,\n"
    "G = O'V O, r = O'V z of the other factor O; for F = W, then F = H\n"
    "cost: the products of `hals`, k^3 / 3 for each set of free components that rows share, and\n"
    "  2k^2 a row and round of pivoting\n"
    "guarantee: the objective never rises; each side is solved exactly, so limit points are\n"
    "  stationary (Grippo and Sciandrone 2000); pivoting that does not end falls back to `hals`",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.anls_bpp", "1.0", plugin)
