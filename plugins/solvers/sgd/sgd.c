/* SPDX-License-Identifier: Apache-2.0 */
/* Stochastic gradient over entries: minimise sum w l(x, (W H')) + penalties over W and H.
   Visiting the observed entry (i, j), with m = <w_i, h_j> kept inside the loss's domain and
   g = w l'(x, m):
     w_i <- w_i - eta g h_j,   h_j <- h_j - eta g w_i   (both from the old rows)
   then 0 where a factor is non-negative. An epoch visits every entry once, in B rounds of B blocks
   without a common row or column. Penalties enter by their prox after each block, spread over the
   n_i entries of a row: one visit counts 1 / n_i of them. A row without entries has its penalties
   alone to minimise. Zeros of sparse X of a loss whose term there is a m or a m^2 are not visited:
   what all of them together add to the gradients is spread in the same way, from the sums (Grams)
   of the factors at the start of the epoch, and what a visited entry would add as a zero is taken
   from its g. Other losses visit the zeros too.
   Steps: constant  eta = step / L
          inverse   eta = step / (L (1 + epoch / decay))
          adagrad   eta = step u / sqrt(sum of g^2 so far), for each entry of a factor
   L = c mean |x|, c the loss's curvature at the mean, and u = sqrt(mean |x| / k), so that units of
   X do not matter. Cost of an epoch 6 k for each entry; nothing is monotone.
   With one factor fixed (new rows, a known dictionary) each row of the other is a problem of its
   own, and is solved without chance: proximal gradient, steps halved until the
   loss lies below its quadratic bound.
   Robbins and Monro 1951; Gemulla, Nijkamp, Haas and Sismanis 2011; Duchi, Hazan and Singer 2011.
 */
#include "sgd.h"

#include <math.h>
#include <string.h>

enum { CONSTANT, INVERSE, ADAGRAD };
static const double kMostSlope = 1e150; /* its square is a number */
static const double kBeyond = 1e100;    /* a step that leaves nothing but the penalties */

/* One row of a factor: f -= eta d, or adagrad's step with its sums of squares q. */
static void
move(const sgd* s, int64_t k, int side, double eta, const double* d, double* f, double* q) {
  for (int64_t a = 0; a < k; a++) {
    if (s->schedule == ADAGRAD) {
      q[a] += d[a] * d[a];
      if (q[a] > 0) f[a] -= eta * d[a] / sqrt(q[a]);
    } else {
      f[a] -= eta * d[a];
    }
    if (s->nonneg[side] && !(f[a] > 0)) f[a] = f[a] == f[a] ? 0 : f[a];
  }
}

static double step_now(const sgd* s, const assay_block* b) {
  return s->schedule == INVERSE ? s->step / (1 + (double)b->step / s->decay) : s->step;
}

/* Steps of a row for its penalties: under adagrad the mean of its entries' steps. */
static double penalty_step(const sgd* s, const assay_block* b, const assay_view* Q, int64_t i) {
  if (s->schedule != ADAGRAD) return step_now(s, b);
  double sum = 0;
  for (int64_t a = 0; a < Q->cols; a++) sum += sqrt(assay_row(Q, i)[a]);
  return sum > 0 ? s->step * (double)Q->cols / sum : 0;
}

/* Arguments of visit: of each side, W's before H's. */
enum { FACTOR = 0, ENTRIES = 2, WEIGHTS = 4, SUMS = 6, GRAMS = 8, LEFT_OUT = 10, SQUARES = 11 };

static int32_t visit(void* self, const assay_block* b) {
  const sgd* s = self;
  const assay_view *W = &b->arg[FACTOR], *H = &b->arg[FACTOR + 1];
  const assay_view* Q[2] = {s->schedule == ADAGRAD ? &b->arg[SQUARES] : NULL,
                            s->schedule == ADAGRAD ? &b->arg[SQUARES + 1] : NULL};
  const int64_t k = W->cols, rows = W->rows, cols = H->rows;
  assay_entries e = {sizeof e, 0, 0, NULL, NULL, NULL, NULL};
  int32_t bad = s->tile->entries(b->ctx, &e);
  if (bad) return bad;
  const int zeros = (e.flags & ASSAY_ENTRIES_WITHOUT_ZEROS) != 0;
  *(double*)b->arg[LEFT_OUT].data += zeros;
  double* memory = s->host->scratch(b->ctx, (int64_t)sizeof(double) * (2 * k + rows + cols));
  if (!memory) return ASSAY_E_MEMORY;
  double *dw = memory, *dh = memory + k, *share[2] = {dh + k, dh + k + rows};
  memset(share[0], 0, sizeof(double) * (size_t)(rows + cols));
  const double eta = step_now(s, b);
  for (int64_t at = 0; at < e.n; at++) {
    const int64_t i = e.row[at], j = e.col[at];
    double *w = assay_row(W, i), *h = assay_row(H, j);
    double m = 0, g = 0;
    for (int64_t a = 0; a < k; a++) m += w[a] * h[a];
    m = m > s->lowest ? m : s->lowest;
    m = m < s->highest ? m : s->highest;
    const double weight =
        e.w ? e.w[at] : 1; /* 0: hidden among zeros, takes back what is too much */
    const double part[2] = {weight > 0 ? 1 / *assay_row(&b->arg[ENTRIES], i) : 0,
                            weight > 0 ? 1 / *assay_row(&b->arg[ENTRIES + 1], j) : 0};
    bad = weight > 0 ? s->loss->grad(b->ctx, 1, &e.x[at], &m, &g) : ASSAY_OK;
    if (bad) return bad;
    g *= weight;
    const double own[2] = {*assay_row(&b->arg[WEIGHTS], i), *assay_row(&b->arg[WEIGHTS + 1], j)};
    if (zeros) g -= own[0] * own[1] * sgd_zero_slope(s, m);
    if (fabs(g) > kMostSlope) g = copysign(kMostSlope, g);
    for (int64_t a = 0; a < k; a++) {
      dw[a] = g * h[a];
      dh[a] = g * w[a];
    }
    if (zeros) {
      sgd_add_zeros(s, k, own[0] * part[0], w, &b->arg[SUMS + 1], &b->arg[GRAMS + 1], dw);
      sgd_add_zeros(s, k, own[1] * part[1], h, &b->arg[SUMS], &b->arg[GRAMS], dh);
    }
    move(s, k, 0, eta, dw, w, Q[0] ? assay_row(Q[0], i) : NULL);
    move(s, k, 1, eta, dh, h, Q[1] ? assay_row(Q[1], j) : NULL);
    share[0][i] += part[0];
    share[1][j] += part[1];
  }
  for (int32_t side = 0; side < 2; side++) {
    if (!s->penalised[side]) continue;
    assay_view F = b->arg[FACTOR + side];
    for (int64_t i = 0; i < F.rows; i++)
      if (share[side][i] > 0) share[side][i] *= penalty_step(s, b, Q[side], i);
    bad = s->penalties->prox_rows(b->ctx, side, &F, share[side]);
    if (bad) return bad;
  }
  return ASSAY_OK;
}

/* {entries of W's rows io, of H's} */
static int32_t count(void* self, const assay_block* b) {
  const sgd* s = self;
  assay_entries e = {sizeof e, 0, 0, NULL, NULL, NULL, NULL};
  const int32_t bad = s->tile->entries(b->ctx, &e);
  if (bad) return bad;
  for (int64_t at = 0; at < e.n; at++) {
    if (e.w && !(e.w[at] > 0)) continue;
    *assay_row(&b->arg[0], e.row[at]) += 1;
    *assay_row(&b->arg[1], e.col[at]) += 1;
  }
  return ASSAY_OK;
}

/* {OUT} */
static int32_t clear(void* self, const assay_block* b) {
  (void)self;
  for (int64_t i = 0; i < b->arg[0].rows; i++) *assay_row(&b->arg[0], i) = 0;
  return ASSAY_OK;
}

/* {F io, entries of its rows, blocks that left zeros out}; tag: its side. The sets once more, and
   rows without entries: only zeros, or nothing, speak for them. */
static int32_t settle(void* self, const assay_block* b) {
  const sgd* s = self;
  assay_view F = b->arg[0];
  const int zeros = *(const double*)b->arg[2].data > 0;
  double* lengths = s->host->scratch(b->ctx, (int64_t)sizeof(double) * (F.rows + 1));
  if (!lengths) return ASSAY_E_MEMORY;
  for (int64_t i = 0; i < F.rows; i++) {
    const int empty = *assay_row(&b->arg[1], i) == 0;
    lengths[i] = empty && s->penalised[b->tag] ? kBeyond : 0;
    if (empty && zeros && (s->nonneg[b->tag] || s->zero_term == ASSAY_ZERO_QUADRATIC))
      memset(assay_row(&F, i), 0, sizeof(double) * (size_t)F.cols);
  }
  return s->penalties->prox_rows(b->ctx, b->tag, &F, lengths);
}

/* {O, weights} -> O times the weights, row by row. */
static int32_t weigh(void* self, const assay_block* b) {
  (void)self;
  const assay_view *O = &b->arg[0], *w = &b->arg[1], *out = &b->arg[2];
  for (int64_t i = 0; i < O->rows; i++)
    for (int64_t a = 0; a < O->cols; a++)
      assay_row(out, i)[a] = *assay_row(w, i) * assay_row(O, i)[a];
  return ASSAY_OK;
}

static double typical_curvature(const assay_math* math, const assay_loss_facts* loss, double mean) {
  if (loss->tag == ASSAY_TAG_BETA) {
    math->pow(1, &mean, loss->tag_parameter - 2, &mean);
    return mean;
  }
  if (loss->tag == ASSAY_TAG_IS) return 1 / (mean * mean);
  return isfinite(loss->curvature_bound) ? loss->curvature_bound : 1 / mean;
}

static int32_t create(const assay_host* host, assay_ctx* ctx, const assay_problem* p, void** self) {
  if ((p->factor_flags[0] | p->factor_flags[1]) & ASSAY_FACTOR_COUPLED) {
    host->set_error(ctx, ASSAY_E_COMBINATION,
                    "`sgd` changes rows one by one, and a constraint ties them together");
    host->add_detail(ctx, ASSAY_DETAIL_HELP, "use solver `palm`, `gradient` or `admm`");
    return ASSAY_E_COMBINATION;
  }
  sgd* s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the solver");
  memset(s, 0, sizeof *s);
  s->host = host;
  s->tile = host->service("assay.tile/1");
  s->loss = host->service("assay.loss/1");
  s->penalties = host->service("assay.penalty/1");
  const char* word = host->option_text(p->options, "schedule");
  s->schedule = strcmp(word, "adagrad") == 0 ? ADAGRAD : strcmp(word, "inverse") == 0;
  s->decay = host->option_number(p->options, "decay");
  s->blocks = (int32_t)host->option_number(p->options, "blocks");
  double mean = p->observed > 0 ? fabs(p->x_sum) / p->observed : 0;
  const double spread = p->observed > 0 ? sqrt(p->x_sumsq / p->observed) : 0;
  if (mean < 0.1 * spread) mean = spread; /* signed data */
  if (!(mean > 0)) mean = 1;
  s->unit = sqrt(mean / (double)p->k[0]);
  s->step = host->option_number(p->options, "step");
  s->step *= s->schedule == ADAGRAD
                 ? s->unit
                 : 1 / (typical_curvature(host->service("assay.math/1"), p->loss, mean) * mean);
  if (!(s->step < INFINITY)) s->step = 1;
  const int open_lo = (p->loss->flags & ASSAY_LOSS_M_LO_OPEN) != 0;
  const int open_hi = (p->loss->flags & ASSAY_LOSS_M_HI_OPEN) != 0;
  s->lowest = p->loss->m_lo + (open_lo ? 1e-2 * mean : 0);
  s->highest = p->loss->m_hi - (open_hi ? 1e-2 * mean : 0);
  s->ends[0] = p->loss->m_lo + (open_lo ? 1e-12 * mean : 0);
  s->ends[1] = p->loss->m_hi - (open_hi ? 1e-12 * mean : 0);
  for (int side = 0; side < 2; side++) {
    s->nonneg[side] = (p->factor_flags[side] & ASSAY_FACTOR_NONNEG) != 0;
    s->frozen[side] = (p->factor_flags[side] & ASSAY_FACTOR_FROZEN) != 0;
    s->penalised[side] = (p->factor_flags[side] & ASSAY_FACTOR_PENALISED) != 0;
  }
  s->stream = p->stream;
  s->k = p->k[0];
  s->zero_term = p->loss->zero_term;
  s->zero_a = p->loss->zero_a;
  *self = s;
  return ASSAY_OK;
}

/* Weighted sums and Gram of factor `side`, for the zeros of the other's rows. */
static void add_sums(const sgd* s,
                     assay_builder* b,
                     int32_t side,
                     assay_buf* sums,
                     assay_buf* gram) {
  const assay_buf F = b->factor(b, side);
  const assay_buf w = b->given(b, side ? ASSAY_COL_WEIGHTS : ASSAY_ROW_WEIGHTS);
  const assay_buf weighed = assay_local(b, side ? "weighed_h" : "weighed_w", side, 0);
  *sums = assay_sum(b, side ? "sums_h" : "sums_w", 1, 0);
  *gram = assay_sum(b, side ? "gram_h" : "gram_w", s->k, 0);
  ASSAY_EACH_OF(b, side ? "weigh_h" : "weigh_w", side, weigh, {F, ASSAY_IN}, {w, ASSAY_IN},
                {weighed, ASSAY_OUT});
  b->gram(b, *sums, w, F);
  b->gram(b, *gram, F, weighed);
}

static void build_rows(const sgd* s, assay_builder* b, int32_t side) {
  assay_buf sums = ASSAY_NO, gram = ASSAY_NO;
  add_sums(s, b, !side, &sums, &gram);
  const assay_arg args[] = {{b->factor(b, side), ASSAY_INOUT},
                            {b->factor(b, !side), ASSAY_IN},
                            {assay_state(b, "lengths", side, 1), ASSAY_INOUT},
                            {sums, ASSAY_IN},
                            {gram, ASSAY_IN},
                            {b->given(b, side ? ASSAY_COL_WEIGHTS : ASSAY_ROW_WEIGHTS), ASSAY_IN},
                            {b->given(b, side ? ASSAY_ROW_WEIGHTS : ASSAY_COL_WEIGHTS), ASSAY_IN}};
  const assay_each each = {sizeof each,    ASSAY_EACH_X, "solve", side, 7,
                           sgd_solve_rows, args,         side,    0};
  b->each(b, &each);
}

static void add_grid(const sgd* s,
                     assay_builder* b,
                     const char* name,
                     assay_fn fn,
                     int32_t n,
                     const assay_arg* args) {
  const assay_grid grid = {sizeof grid, 0, name, s->blocks, n, fn, args, s->stream, 0, 0};
  b->grid(b, &grid);
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const sgd* s = self;
  if (s->frozen[0] || s->frozen[1]) {
    if (purpose == ASSAY_STEP) build_rows(s, b, s->frozen[0] ? 1 : 0);
    return b->status(b);
  }
  if (purpose != ASSAY_STEP && purpose != ASSAY_PREPARE) return ASSAY_OK;
  const assay_buf entries[] = {assay_state(b, "entries_w", ASSAY_ROWS, 1),
                               assay_state(b, "entries_h", ASSAY_COLS, 1)};
  if (purpose == ASSAY_PREPARE) {
    for (int32_t side = 0; side < 2; side++)
      ASSAY_EACH_OF(b, side ? "clear_h" : "clear_w", side, clear, {entries[side], ASSAY_OUT});
    const assay_arg args[] = {{entries[0], ASSAY_INOUT}, {entries[1], ASSAY_INOUT}};
    add_grid(s, b, "count", count, 2, args);
    return b->status(b);
  }
  assay_arg args[13];
  const assay_buf left_out = assay_sum(b, "left_out", 1, 1);
  args[LEFT_OUT] = (assay_arg){left_out, ASSAY_ADD};
  for (int32_t side = 0; side < 2; side++) {
    assay_buf sums = ASSAY_NO, gram = ASSAY_NO;
    add_sums(s, b, side, &sums, &gram);
    args[FACTOR + side] = (assay_arg){b->factor(b, side), ASSAY_INOUT};
    args[ENTRIES + side] = (assay_arg){entries[side], ASSAY_IN};
    args[WEIGHTS + side] =
        (assay_arg){b->given(b, side ? ASSAY_COL_WEIGHTS : ASSAY_ROW_WEIGHTS), ASSAY_IN};
    args[SUMS + side] = (assay_arg){sums, ASSAY_IN};
    args[GRAMS + side] = (assay_arg){gram, ASSAY_IN};
    if (s->schedule == ADAGRAD)
      args[SQUARES + side] =
          (assay_arg){assay_state(b, side ? "squares_h" : "squares_w", side, 0), ASSAY_INOUT};
  }
  add_grid(s, b, "visit", visit, s->schedule == ADAGRAD ? 13 : 11, args);
  for (int32_t side = 0; side < 2; side++)
    ASSAY_EACH_OF(b, side ? "settle_h" : "settle_w", side, settle,
                  {b->factor(b, side), ASSAY_INOUT}, {entries[side], ASSAY_IN},
                  {left_out, ASSAY_IN});
  return b->status(b);
}

static void destroy(void* self) {
  if (self) ((sgd*)self)->host->free(self);
}

static const char* const schedules[] = {"adagrad", "constant", "inverse", NULL};
static const assay_option options[] = {
    {"step", "length of a step, relative to the size of X", ASSAY_OPT_FLOAT,
     ASSAY_OPT_LO_OPEN | ASSAY_OPT_HI_OPEN, 0.2, 0, INFINITY, NULL, NULL},
    {"schedule", "how steps shrink", ASSAY_OPT_ENUM, 0, 0, 0, 0, "adagrad", schedules},
    {"decay", "epochs after which the steps of `inverse` are half as long", ASSAY_OPT_FLOAT,
     ASSAY_OPT_LO_OPEN | ASSAY_OPT_HI_OPEN, 10, 0, INFINITY, NULL, NULL},
    {"blocks", "blocks a side of the grid; 0: by shape", ASSAY_OPT_INT, 0, 0, 0, 256, NULL, NULL},
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
    0,
    "assay.solver/1",
    "sgd",
    "stochastic gradient over entries, for any differentiable loss",
    "Gemulla, Nijkamp, Haas and Sismanis 2011; Duchi, Hazan and Singer 2011",
    "for every observed (i, j) once an epoch, in shuffled blocks without common rows or columns:\n"
    "  g = weight l'(x, <w_i, h_j>);  w_i -= eta g h_j;  h_j -= eta g w_i\n"
    "penalties, lambda / n_i of them a visit (n_i entries in row i), by their prox after each "
    "block\n"
    "cost: 6k flops for each observed entry an epoch; of sparse X with zeros for each stored one,\n"
    "  8k where the loss at zeros is a m (kl) and k^2 more where it is a m^2 (squared): their sum "
    "is\n"
    "  spread over a row's visits; each zero is visited where the loss has no such form\n"
    "guarantee: nothing is monotone; steps that shrink settle near a stationary point",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.sgd", "1.0", plugin)
