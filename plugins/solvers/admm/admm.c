/* SPDX-License-Identifier: Apache-2.0 */
/* AO-ADMM: the rows w of W take a few turns of the alternating direction method of multipliers, for
   any penalties with a prox:
     v <- (G + rho I)^-1 (r + rho (w + u)),  w <- prox(v - u, 1 / rho),  u <- u + w - v,
   on 1/2 v'G v - r'v + penalties(w), v = w, with rho = trace(G) / k and
     G = H'V H,  r = H'V z:  V = 1, z = x for the squared loss; else the loss's majorising curvature
                             and working response, where it has them (if not: entries.c).
   Then the rows of H. The duals u (n x k and d x k) are kept from step to step. A block of rows
   whose objective would rise takes a proximal gradient step instead, so with convex penalties the
   objective never rises. Cost per step: the products of `hals`, k^3 a Gram, 2k^2 a row and turn.
   Huang, Sidiropoulos and Liavas 2016, Alg. 1 and 2. */
#include "admm.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* A block's problem: one Gram for all n rows, or one for each. Row-major, rows k apart. */
typedef struct {
  int64_t n, k, grams;
  const double* G; /* grams of k x k, step apart, rows ldg apart */
  int64_t ldg, step;
  double *F, *U, *R;      /* n x k */
  double *V, *T, *before; /* n x k: what F should be, scratch, F at the start */
  double *inverse, *rho, *bound,
      *steps; /* grams x k x k; n of each: penalty, bound of |G|, 1 / either */
} block;

/* out = A's rows times G, or times what stands in `inverse`. */
static void apply(const admm* s, const block* p, int inverse, const double* A, double* out) {
  const int64_t k = p->k, m = p->n / p->grams;
  for (int64_t g = 0; g < p->grams; g++)
    s->la->gemm(0, 0, m, k, k, 1, A + g * m * k, k,
                inverse ? p->inverse + g * k * k : p->G + g * p->step, inverse ? k : p->ldg, 0,
                out + g * m * k, k);
}

int32_t admm_invert(const admm* s,
                    int64_t k,
                    const double* G,
                    int64_t ldg,
                    double weight,
                    double* factor,
                    double* inverse) {
  for (int64_t a = 0; a < k; a++)
    for (int64_t c = 0; c < k; c++) {
      factor[a * k + c] = G[a * ldg + c] + (a == c ? weight : 0);
      inverse[a * k + c] = a == c;
    }
  const int32_t bad = s->la->potrf(k, factor, k);
  return bad ? bad : s->la->potrs(k, k, factor, k, inverse, k);
}

double admm_mean_diagonal(int64_t k, const double* G, int64_t ldg) {
  double trace = 0;
  for (int64_t a = 0; a < k; a++) trace += G[a * ldg + a];
  return trace / (double)k >= DBL_MIN ? trace / (double)k : 1;
}

void admm_copy(int64_t n, int64_t k, const double* from, int64_t ldf, double* to, int64_t ldt) {
  for (int64_t i = 0; i < n; i++) memcpy(to + i * ldt, from + i * ldf, (size_t)k * sizeof *to);
}

/* rho and a bound of the eigenvalues of every Gram, and (G + rho I)^-1, whose condition number is
 * at most k + 1. */
static int32_t prepare(const admm* s, block* p) {
  const int64_t k = p->k, m = p->n / p->grams;
  for (int64_t g = 0; g < p->grams; g++) {
    const double *G = p->G + g * p->step, rho = admm_mean_diagonal(k, G, p->ldg);
    const int32_t bad = admm_invert(s, k, G, p->ldg, rho, p->V, p->inverse + g * k * k);
    if (bad) return bad;
    for (int64_t i = g * m; i < (g + 1) * m; i++) {
      p->rho[i] = rho;
      p->bound[i] = rho * (double)k; /* the trace */
    }
  }
  for (int64_t j = 0; j < p->n * k; j++) p->U[j] /= p->rho[j / k];
  return ASSAY_OK;
}

static int32_t prox(const admm* s, const assay_block* b, const block* p, const double* weight) {
  assay_view F = {p->F, p->n, p->k, p->k, 0, ASSAY_F64, 0};
  for (int64_t i = 0; i < p->n; i++) p->steps[i] = 1 / weight[i];
  return s->penalties->prox_rows(b->ctx, b->tag, &F, p->steps);
}

/* The block's 1/2 f'G f - r'f + penalties. */
static int32_t objective(const admm* s,
                         const assay_block* b,
                         const block* p,
                         double* F,
                         double* out) {
  const assay_view view = {F, p->n, p->k, p->k, 0, ASSAY_F64, 0};
  double sum = 0;
  const int32_t bad = s->penalties->value(b->ctx, b->tag, &view, &sum);
  if (bad) return bad;
  apply(s, p, 0, F, p->T);
  for (int64_t j = 0; j < p->n * p->k; j++) sum += F[j] * (0.5 * p->T[j] - p->R[j]);
  *out = sum;
  return ASSAY_OK;
}

static int32_t take_turns(const admm* s, const assay_block* b, const block* p) {
  for (int64_t turn = 0; turn < s->turns; turn++) {
    for (int64_t j = 0; j < p->n * p->k; j++)
      p->T[j] = p->R[j] + p->rho[j / p->k] * (p->F[j] + p->U[j]);
    apply(s, p, 1, p->T, p->V);
    for (int64_t j = 0; j < p->n * p->k; j++) p->F[j] = p->V[j] - p->U[j];
    const int32_t bad = prox(s, b, p, p->rho);
    if (bad) return bad;
    for (int64_t j = 0; j < p->n * p->k; j++) p->U[j] += p->F[j] - p->V[j];
  }
  return ASSAY_OK;
}

/* F = prox(before - slope / L, 1 / L) with L above G's eigenvalues, and the duals that go with it:
 * rho u = slope. */
static int32_t step_down(const admm* s, const assay_block* b, const block* p) {
  apply(s, p, 0, p->before, p->T);
  for (int64_t j = 0; j < p->n * p->k; j++)
    p->F[j] = p->before[j] - (p->T[j] - p->R[j]) / p->bound[j / p->k];
  const int32_t bad = prox(s, b, p, p->bound);
  if (bad) return bad;
  apply(s, p, 0, p->F, p->T);
  for (int64_t j = 0; j < p->n * p->k; j++) p->U[j] = (p->T[j] - p->R[j]) / p->rho[j / p->k];
  return ASSAY_OK;
}

static int32_t solve(const admm* s, const assay_block* b, block* p) {
  double old = 0, now = 0;
  int32_t bad = prepare(s, p);
  if (!bad) bad = objective(s, b, p, p->before, &old);
  if (!bad) bad = take_turns(s, b, p);
  if (!bad) bad = objective(s, b, p, p->F, &now);
  if (!bad && !(now <= old)) bad = step_down(s, b, p);
  for (int64_t j = 0; j < p->n * p->k; j++) p->U[j] *= p->rho[j / p->k];
  return bad;
}

/* {F io, U io, G, R} */
static int32_t update(void* self, const assay_block* b) {
  const admm* s = self;
  const assay_view *F = &b->arg[0], *U = &b->arg[1], *G = &b->arg[2], *R = &b->arg[3];
  const int64_t k = F->cols, n = F->rows, grams = G->step == 0 ? 1 : n, size = n * k;
  const int64_t factor = size > k * k ? size : k * k; /* V holds a k x k factor first */
  const int64_t total = 5 * size + factor + grams * k * k + 4 * n;
  double* m = s->host->scratch(b->ctx, total * (int64_t)sizeof(double));
  if (!m) return s->host->set_error(b->ctx, ASSAY_E_MEMORY, "no memory for a block");
  block p = {n,    k,        grams,        G->data, G->stride,    G->step,
             m,    m + size, m + 2 * size, NULL,    m + 3 * size, m + 4 * size,
             NULL, NULL,     NULL,         NULL};
  p.V = m + 5 * size;
  p.inverse = p.V + factor;
  p.rho = p.inverse + grams * k * k;
  p.bound = p.rho + n;
  p.steps = p.bound + n;
  admm_copy(n, k, F->data, F->stride, p.F, k);
  admm_copy(n, k, F->data, F->stride, p.before, k);
  admm_copy(n, k, U->data, U->stride, p.U, k);
  admm_copy(n, k, R->data, R->stride, p.R, k);
  const int32_t bad = solve(s, b, &p);
  if (bad) return bad;
  admm_copy(n, k, p.F, k, F->data, F->stride);
  admm_copy(n, k, p.U, k, U->data, U->stride);
  return ASSAY_OK;
}

static int32_t create(const assay_host* host, assay_ctx* ctx, const assay_problem* p, void** self) {
  admm* s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the solver");
  s->host = host;
  s->penalties = host->service("assay.penalty/1");
  s->la = host->service("assay.la/1");
  s->k = p->k[0];
  s->turns = (int64_t)host->option_number(p->options, "turns");
  s->tile = host->service("assay.tile/1");
  s->loss = host->service("assay.loss/1");
  const assay_loss_facts* loss = p->loss;
  const int32_t entrywise = (loss->flags & ASSAY_LOSS_CURVATURE_MAJORISES) != 0;
  s->kl = loss->tag == ASSAY_TAG_KL;
  for (int32_t side = 0; side < 2; side++)
    s->frozen[side] = (p->factor_flags[side] & ASSAY_FACTOR_FROZEN) != 0;
  s->convex = (loss->flags & ASSAY_LOSS_CONVEX) != 0;
  s->absolute = loss->tag == ASSAY_TAG_L1 && loss->tag_parameter == 0;
  s->zero_term = loss->zero_term;
  s->zero_a = loss->zero_a;
  s->unit = p->observed > 0 ? sqrt(p->x_sumsq / p->observed) : 0;
  s->closed = loss->zero_term != ASSAY_ZERO_NONE;
  s->sharpen = host->option_number(p->options, "sharpen");
  s->majorised = (entrywise || isfinite(loss->curvature_bound)) &&
                 strcmp(host->option_text(p->options, "auxiliaries"), "auto") == 0;
  s->uniform = loss->tag != ASSAY_TAG_SQUARED && (loss->curvature_bound <= 1 || !entrywise);
  s->m_lo = loss->flags & ASSAY_LOSS_M_LO_OPEN ? loss->m_lo + 0x1p-500 : loss->m_lo;
  s->m_hi = loss->flags & ASSAY_LOSS_M_HI_OPEN ? loss->m_hi * (1 - DBL_EPSILON) : loss->m_hi;
  *self = s;
  return ASSAY_OK;
}

static void add_majorised(const admm* s,
                          assay_builder* b,
                          int32_t side,
                          assay_buf F,
                          assay_buf duals) {
  const assay_buf rhs = assay_local(b, side ? "rhs_h" : "rhs_w", side, 0);
  const assay_buf gram = assay_local(b, side ? "gram_h" : "gram_w", side, s->k * s->k);
  const assay_normals normals = {sizeof normals,
                                 s->uniform ? ASSAY_NORMALS_UNIFORM : 0,
                                 side,
                                 b->factor(b, 0),
                                 b->factor(b, 1),
                                 gram,
                                 rhs,
                                 0};
  b->normals(b, &normals);
  const assay_arg args[] = {
      {F, ASSAY_INOUT}, {duals, ASSAY_INOUT}, {gram, ASSAY_IN}, {rhs, ASSAY_IN}};
  const assay_each each = {sizeof each, 0, side ? "admm_h" : "admm_w", side, 4, update, args,
                           side,        0};
  b->each(b, &each);
}

/* {O, weights} -> O times the weights, row by row. */
static int32_t weigh(void* self, const assay_block* b) {
  (void)self;
  const assay_view *O = &b->arg[0], *w = &b->arg[1], *out = &b->arg[2];
  for (int64_t i = 0; i < O->rows; i++)
    for (int64_t a = 0; a < O->cols; a++)
      ((double*)out->data)[i * out->stride + a] =
          ((const double*)w->data)[i * w->stride] * ((const double*)O->data)[i * O->stride + a];
  return ASSAY_OK;
}

static void add_entries(const admm* s,
                        assay_builder* b,
                        int32_t side,
                        assay_buf F,
                        assay_buf duals) {
  const assay_buf other = b->factor(b, !side);
  const assay_buf gram = assay_sum(b, side ? "gram_w" : "gram_h", s->k, 0);
  const assay_buf sums = assay_sum(b, side ? "sums_w" : "sums_h", 1, 0);
  const assay_buf weights[] = {b->given(b, ASSAY_ROW_WEIGHTS), b->given(b, ASSAY_COL_WEIGHTS)};
  const assay_buf weighed = assay_local(b, side ? "weighed_w" : "weighed_h", !side, 0);
  ASSAY_EACH(b, side ? "weigh_w" : "weigh_h", !side, weigh, {other, ASSAY_IN},
             {weights[!side], ASSAY_IN}, {weighed, ASSAY_OUT});
  b->gram(b, gram, other, weighed);
  b->gram(b, sums, weights[!side], other);
  const assay_arg args[] = {
      {F, ASSAY_INOUT}, {duals, ASSAY_INOUT},      {other, ASSAY_IN},         {sums, ASSAY_IN},
      {gram, ASSAY_IN}, {weights[side], ASSAY_IN}, {weights[!side], ASSAY_IN}};
  const assay_each each = {
      sizeof each, ASSAY_EACH_X, side ? "admm_h" : "admm_w", side, 7, admm_entries, args, side, 0};
  b->each(b, &each);
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const admm* s = self;
  if (purpose != ASSAY_STEP) return ASSAY_OK;
  for (int32_t side = 0; side < 2; side++) { /* ASSAY_ROWS, then ASSAY_COLS */
    if (s->frozen[side]) continue;           /* its duals would keep it alive */
    const assay_buffer state = {
        sizeof state, 0, side ? "dual_h" : "dual_w", side, ASSAY_STATE, ASSAY_F64, 1, 0, 0};
    const assay_buf F = b->factor(b, side), duals = b->buffer(b, &state);
    if (s->majorised)
      add_majorised(s, b, side, F, duals);
    else
      add_entries(s, b, side, F, duals);
  }
  return b->status(b);
}

static void destroy(void* self) {
  if (self) ((admm*)self)->host->free(self);
}

static const char* const auxiliaries[] = {"auto", "always", NULL};
static const assay_option options[] = {
    {"turns", "turns of the multipliers per step", ASSAY_OPT_INT, 0, 5, 1, 1000, NULL, NULL},
    {"auxiliaries", "`auto` for losses without a majoriser; `always`: the loss itself by its prox",
     ASSAY_OPT_ENUM, 0, 0, 0, 0, "auto", auxiliaries},
    {"sharpen",
     "loss l1 with smoothing 0: what a step leaves of the width within which the error is rounded",
     ASSAY_OPT_FLOAT, ASSAY_OPT_HI_OPEN, 0.95, 0, 1, NULL, NULL},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_solver vtable = {
    sizeof vtable,
    0,
    ASSAY_NEEDS_GRAD,
    ASSAY_NEEDS_PROX,
    ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK | ASSAY_TAKES_WEIGHTS | ASSAY_TAKES_UNOBSERVED,
    0,
    NULL,
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
    "admm",
    "alternating optimisation, each side by the method of multipliers; any penalty with a prox",
    "Huang, Sidiropoulos and Liavas 2016",
    "V <- (R + rho (F + U)) (G + rho I)^-1,  F <- prox(V - U, 1 / rho),  U <- U + F - V,\n"
    "G = O'V O, R = the right sides of the other factor O; for F = W, then F = H\n"
    "a loss without a majoriser: every observed entry has z and y, z <- argmin l(x, z) + rho/2\n"
    "  (z - m + y)^2, R = O'(z + y); entries x = 0 need none where the loss there is a m or a m^2\n"
    "cost: the products of `hals`, k^3 a Gram and 2k^2 a row and turn; without a majoriser 8ndk a\n"
    "  turn, n d k^2 where lines have gaps or weights and 24 bytes an entry of a block of lines;\n"
    "  nnz in place of n d where zeros need no z (kl), where they do sparse X costs as dense X\n"
    "guarantee: with convex penalties the objective never rises: a block of rows whose objective\n"
    "  would takes a proximal gradient step instead. l1 with smoothing 0 is exact: its prox is\n"
    "  |r| shrunk; the width it is rounded within at first falls by `sharpen` a step",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.admm", "1.0", plugin)
