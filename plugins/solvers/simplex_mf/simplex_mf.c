/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix factorization with rows of W on the simplex: minimise
     1/2 sum_n |x_n - sum_k w_nk h_k|^2 + penalties,  w_nk >= 0, sum_k w_nk = 1.
   Every row of W becomes the exact minimiser of 1/2 w'G w - r'w on the simplex, G = HH', r = H x
   (an active set, assay/mixing.h); then every column of H the exact one of 1/2 h'G h - r'h, G =
   W'W, r = W'x, by one Cholesky factor for all. Where W'W is singular a proximal term keeps what
   the data leave open where it was. A factor with penalties, or H with a set, takes proximal
   gradient steps on its k x k problem instead. Other losses: the majorising curvature and working
   response, as in `hals`. One read of X a step, 4 n d k flops; never raises the objective. Of the
   squared loss each step reports its two terms, the bound and the correction, at the model that it
   begins with. */
#include <assay/mixing.h>
#include <assay/normals.h>
#include <assay/steps.h>
#include <float.h>
#include <math.h>
#include <string.h>

typedef struct {
  const assay_host* host;
  const assay_penalty_calls* penalties;
  const assay_la* la;
  int64_t k, inner;         /* rank; proximal steps per step of the run */
  int32_t majoriser;        /* flags of the normals */
  int32_t proximal[2];      /* of W and of H: not the plain problem */
  int32_t squared, unequal; /* the loss is the squared one; rows have Gram matrices of their own */
  double half_square;       /* 1/2 |X|^2 */
} mixtures;

static const double kRidge = 1e-10; /* of the largest entry of a singular W'W */
static const double kSingular = 100 * DBL_EPSILON;

static const char kNeedsSimplex[] =
    "the solver needs the constraint `simplex` on W, which it has where none is named";

static const double* gram_of(const assay_view* G, int64_t i) {
  return (const double*)G->data + i * G->step;
}

/* {F io, G, R}: f <- prox(f - slope / L), `inner` times, L a bound of the row's G. */
static int32_t take_steps(const mixtures* s, const assay_block* b) {
  assay_view* F = (assay_view*)&b->arg[0];
  const assay_view *G = &b->arg[1], *R = &b->arg[2];
  double* memory = s->host->scratch(b->ctx, (2 * s->k + F->rows) * (int64_t)sizeof(double));
  if (!memory) return s->host->set_error(b->ctx, ASSAY_E_MEMORY, "no memory for a block");
  double* steps = memory + 2 * s->k;
  for (int64_t i = 0; i < F->rows; i++) {
    const double L =
        i > 0 && G->step == 0 ? 0 : assay_spectral_bound(s->k, gram_of(G, i), G->stride, memory);
    steps[i] = i > 0 && G->step == 0 ? steps[0] : L > 0 ? 1 / L : 0;
  }
  for (int64_t turn = 0; turn < s->inner; turn++) {
    for (int64_t i = 0; i < F->rows; i++) {
      double* f = assay_row(F, i);
      assay_normal_gradient(s->k, gram_of(G, i), G->stride, f, assay_row(R, i), memory);
      for (int64_t a = 0; a < s->k; a++) f[a] -= steps[i] * memory[a];
    }
    const int32_t bad = s->penalties->prox_rows(b->ctx, b->tag, F, steps);
    if (bad) return bad;
  }
  return ASSAY_OK;
}

/* {W io, G, R} */
static int32_t update_w(void* self, const assay_block* b) {
  const mixtures* s = self;
  const assay_view *W = &b->arg[0], *G = &b->arg[1], *R = &b->arg[2];
  const int32_t other = assay_mixing_check(s->host, s->penalties, b->ctx, s->k);
  if (other) return other;
  if (s->proximal[0]) return take_steps(s, b);
  void* memory = s->host->scratch(b->ctx, assay_mixing_bytes(s->k));
  if (!memory) return s->host->set_error(b->ctx, ASSAY_E_MEMORY, "no memory for a block");
  for (int64_t i = 0; i < W->rows; i++)
    assay_mixing_solve(s->k, gram_of(G, i), G->stride, assay_row(R, i), assay_row(W, i), memory);
  return ASSAY_OK;
}

/* {H, D} */
static int32_t separate(void* self, const assay_block* b) {
  (void)self;
  assay_mixing_distances(&b->arg[0], NULL, b->arg[1].data, b->arg[1].stride);
  return ASSAY_OK;
}

/* {W, G, R, sums, D where all rows share one}: half the squared error less 1/2 |X|^2; half the
   spread. */
static int32_t add_terms(void* self, const assay_block* b) {
  const mixtures* s = self;
  const assay_view *W = &b->arg[0], *G = &b->arg[1], *R = &b->arg[2];
  double* sums = b->arg[3].data;
  for (int64_t i = 0; i < W->rows; i++) {
    const double *w = assay_row(W, i), *g = gram_of(G, i);
    sums[0] += assay_mixing_error(s->k, w, g, G->stride, assay_row(R, i));
    sums[1] += s->unequal ? assay_mixing_spread_of_gram(s->k, w, g, G->stride)
                          : assay_mixing_spread(s->k, w, b->arg[4].data, b->arg[4].stride);
  }
  return ASSAY_OK;
}

/* {sums, bound, correction} */
static int32_t finish_terms(void* self, const assay_block* b) {
  const mixtures* s = self;
  const double* sums = b->arg[0].data;
  *(double*)b->arg[1].data = s->half_square + sums[0] + sums[1];
  *(double*)b->arg[2].data = 0 - sums[1];
  return ASSAY_OK;
}

/* L of G; with a proximal term, whose weight *ridge gets, where G is singular. 0: G is 0. */
static int factor_gram(const mixtures* s, const double* G, int64_t ldg, double* L, double* ridge) {
  double largest = 0, smallest = INFINITY;
  for (int64_t a = 0; a < s->k; a++) {
    memcpy(L + a * s->k, G + a * ldg, (size_t)s->k * sizeof *L);
    largest = G[a * ldg + a] > largest ? G[a * ldg + a] : largest;
  }
  if (!(largest >= DBL_MIN)) return 0;
  *ridge = 0;
  if (s->la->potrf(s->k, L, s->k) == ASSAY_OK) {
    for (int64_t a = 0; a < s->k; a++) {
      const double pivot = L[a * s->k + a] * L[a * s->k + a];
      smallest = pivot < smallest ? pivot : smallest;
    }
    if (smallest > kSingular * (double)s->k * largest) return 1;
  }
  *ridge = kRidge * largest;
  for (int64_t a = 0; a < s->k; a++) {
    memcpy(L + a * s->k, G + a * ldg, (size_t)s->k * sizeof *L);
    L[a * s->k + a] += *ridge;
  }
  return s->la->potrf(s->k, L, s->k) == ASSAY_OK;
}

/* {H io, G, R}: columns h with G h = r. They move by the solution of G move = r - G h, so that what
   is small is computed as small. */
static int32_t update_h(void* self, const assay_block* b) {
  const mixtures* s = self;
  const assay_view *H = &b->arg[0], *G = &b->arg[1], *R = &b->arg[2];
  const int64_t k = s->k;
  if (s->proximal[1]) return take_steps(s, b);
  double* L = s->host->scratch(b->ctx, (k * k + k) * (int64_t)sizeof(double));
  if (!L) return s->host->set_error(b->ctx, ASSAY_E_MEMORY, "no memory for a block");
  double *move = L + k * k, ridge = 0;
  int ready = 0;
  for (int64_t j = 0; j < H->rows; j++) {
    double* h = assay_row(H, j);
    if (j == 0 || G->step) ready = factor_gram(s, gram_of(G, j), G->stride, L, &ridge);
    if (!ready) continue;
    assay_normal_gradient(k, gram_of(G, j), G->stride, h, assay_row(R, j), move);
    const int32_t bad = s->la->potrs(k, 1, L, k, move, 1);
    if (bad) return bad;
    for (int64_t a = 0; a < k; a++) h[a] -= move[a];
  }
  return ASSAY_OK;
}

static int32_t create(const assay_host* host, assay_ctx* ctx, const assay_problem* p, void** self) {
  const int32_t majoriser = assay_pick_curvature(host, ctx, p);
  if (majoriser < 0) return majoriser;
  if ((p->flags & ASSAY_PROBLEM_GOES_ON) && !(p->factor_flags[1] & ASSAY_FACTOR_FROZEN))
    return host->set_error(ctx, ASSAY_E_COMBINATION,
                           "solver `simplex_mf` cannot go on with other rows: H is of the rows it "
                           "sees, and it would forget those it was fitted on; `assay transform` "
                           "gives new rows their weights");
  for (int side = 0; side < 2; side++)
    if (p->factor_flags[side] & ASSAY_FACTOR_COUPLED)
      return host->set_error(ctx, ASSAY_E_COMBINATION,
                             "solver `simplex_mf` takes no set that ties the rows of X, or the "
                             "columns, together: use `palm`");
  if (!(p->factor_flags[0] & (ASSAY_FACTOR_SET | ASSAY_FACTOR_FROZEN)))
    return host->set_error(ctx, ASSAY_E_COMBINATION, kNeedsSimplex);
  mixtures* s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the solver");
  s->host = host;
  s->penalties = host->service("assay.penalty/1");
  s->la = host->service("assay.la/1");
  s->k = p->k[0];
  s->inner = (int64_t)host->option_number(p->options, "inner");
  s->majoriser = majoriser;
  s->squared = p->loss && p->loss->tag == ASSAY_TAG_SQUARED;
  s->unequal = (p->flags & ASSAY_PROBLEM_UNEQUAL) != 0;
  s->half_square = p->x_sumsq / 2;
  s->proximal[0] = (p->factor_flags[0] & ASSAY_FACTOR_PENALISED) != 0;
  s->proximal[1] =
      (p->factor_flags[1] & (ASSAY_FACTOR_PENALISED | ASSAY_FACTOR_SET | ASSAY_FACTOR_NONNEG)) != 0;
  *self = s;
  return ASSAY_OK;
}

static assay_buf number(assay_builder* b, const char* name) {
  const assay_buffer d = {sizeof d, 0, name, ASSAY_ONE, ASSAY_LOCAL, ASSAY_F64, 0, 1, 1};
  return b->buffer(b, &d);
}

static void report_terms(const mixtures* s, assay_builder* b, assay_equations e) {
  const assay_buf sums = assay_sum(b, "terms", 1, 2), bound = number(b, "bound"),
                  correction = number(b, "correction"), W = b->factor(b, 0);
  if (s->unequal) {
    ASSAY_EACH(b, "terms", ASSAY_ROWS, add_terms, {W, ASSAY_IN}, {e.gram, ASSAY_IN},
               {e.rhs, ASSAY_IN}, {sums, ASSAY_ADD});
  } else {
    const assay_buf D = assay_sum(b, "distances", s->k, s->k);
    ASSAY_EACH(b, "distances", ASSAY_COLS, separate, {b->factor(b, 1), ASSAY_IN}, {D, ASSAY_ADD});
    ASSAY_EACH(b, "terms", ASSAY_ROWS, add_terms, {W, ASSAY_IN}, {e.gram, ASSAY_IN},
               {e.rhs, ASSAY_IN}, {sums, ASSAY_ADD}, {D, ASSAY_IN});
  }
  ASSAY_EACH(b, "finish_terms", ASSAY_ONE, finish_terms, {sums, ASSAY_IN}, {bound, ASSAY_OUT},
             {correction, ASSAY_OUT});
  b->report(b, "bound", bound);
  b->report(b, "correction", correction);
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const mixtures* s = self;
  if (purpose == ASSAY_MEASURE && s->squared)
    report_terms(s, b, assay_normals_of(b, ASSAY_ROWS, s->k, (uint32_t)s->majoriser));
  if (purpose != ASSAY_STEP) return b->status(b);
  for (int32_t side = 0; side < 2; side++) { /* ASSAY_ROWS, then ASSAY_COLS */
    const assay_equations e = assay_normals_of(b, side, s->k, (uint32_t)s->majoriser);
    if (side == 0 && s->squared) report_terms(s, b, e);
    ASSAY_EACH_OF(b, side ? "solve_h" : "solve_w", side, side ? update_h : update_w,
                  {b->factor(b, side), ASSAY_INOUT}, {e.gram, ASSAY_IN}, {e.rhs, ASSAY_IN});
  }
  return b->status(b);
}

static void destroy(void* self) {
  if (self) ((mixtures*)self)->host->free(self);
}

static const assay_option options[] = {
    {"inner", "proximal gradient steps per step, for a factor with penalties and an H with a set",
     ASSAY_OPT_INT, 0, 10, 1, 1000, NULL, NULL},
    ASSAY_OPTION_CURVATURE,
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_solver vtable = {
    sizeof vtable,
    0,
    ASSAY_NEEDS_SQUARED | ASSAY_NEEDS_CURVATURE,
    ASSAY_NEEDS_PROX,
    ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK | ASSAY_TAKES_WEIGHTS | ASSAY_TAKES_UNOBSERVED,
    0,
    "simplex:W",
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
    "simplex_mf",
    "factorization whose rows of W are mixtures: least squares on the simplex, exactly",
    "Buhmann and Pletscher 2010; Lawson and Hanson 1974",
    "w_n <- argmin 1/2 w'G w - r'w over w >= 0, sum w = 1;  G = H H', r = H x_n\n"
    "H <- (W'W)^-1 W'X;  what singular W'W leaves open stays\n"
    "|X - W H|^2 = sum_nk w_nk |x_n - h_k|^2 - sum_nk w_nk |h_k - w_n H|^2\n"
    "(the metrics `simplex_bound` and `simplex_correction`; of the squared loss the trace has "
    "half\n"
    "of each in every row, `bound` + `correction` = loss)\n"
    "cost: 4ndk flops and one read of X a step, an active set a row\n"
    "guarantee: the objective never rises; both sides are solved exactly, so limit points are\n"
    "  stationary. Far from the origin use the transform `centre`: W is the same, H moves along",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.simplex_mf", "1.0", plugin)
