/* SPDX-License-Identifier: Apache-2.0 */
/* Stochastic gradient over entries: minimise sum w l(x, (W H')) + penalties over W and H.
   Visiting the observed entry (i, j), with m = <w_i, h_j> kept inside the loss's domain and
   g = w l'(x, m):
     w_i <- w_i - eta g h_j,   h_j <- h_j - eta g w_i   (both from the old rows)
   then 0 where a factor is non-negative. Penalties enter by their prox, after each run of entries,
   with the share of the row's entries that was visited: over an epoch each counts once. An epoch
   visits every entry once, in B rounds of B blocks without a common row or column.
   Steps: constant  eta = step / L
          inverse   eta = step / (L (1 + epoch / decay))
          adagrad   eta = step u / sqrt(sum of g^2 so far), for each entry of a factor
   L = c mean |x|, c the loss's curvature at the mean, and u = sqrt(mean |x| / k), so that units of
   X do not matter. Cost of an epoch 6 k for each entry; nothing is monotone.
   With one factor fixed (new rows, a known dictionary) each row of the other is a problem of its
   own, and is solved without chance: proximal gradient, steps halved until F falls enough.
   Robbins and Monro 1951; Gemulla, Nijkamp, Haas and Sismanis 2011; Duchi, Hazan and Singer 2011.
 */
#include <assay/plugin.h>
#include <math.h>
#include <string.h>

enum { CONSTANT, INVERSE, ADAGRAD };
enum { INNER = 10, kSpan = 1024 };      /* steps of a row's own problem; longest span of a loss */
static const double kMostSlope = 1e150; /* its square is a number */

typedef struct {
  const assay_host* host;
  const assay_tile* tile;
  const assay_loss_calls* loss;
  const assay_penalty_calls* penalties;
  double step, decay;
  int32_t schedule, blocks;
  double lowest,
      highest; /* of the model: the loss's domain, a little inside where an end is open */
  double unit; /* size of a factor's entry */
  int nonneg[2], frozen[2];
  uint64_t stream;
} sgd;

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

/* {W io, H io, row counts, column counts[, QW io, QH io]} */
static int32_t visit(void* self, const assay_block* b) {
  const sgd* s = self;
  const assay_view *W = &b->arg[0], *H = &b->arg[1];
  const assay_view* Q[2] = {s->schedule == ADAGRAD ? &b->arg[4] : NULL,
                            s->schedule == ADAGRAD ? &b->arg[5] : NULL};
  const int64_t k = W->cols;
  assay_entries e = {sizeof e, 0, 0, NULL, NULL, NULL, NULL};
  const int32_t bad = s->tile->entries(b->ctx, &e);
  if (bad) return bad;
  double* memory = s->host->scratch(b->ctx, (int64_t)sizeof(double) * (2 * k + W->rows + H->rows));
  if (!memory) return ASSAY_E_MEMORY;
  double *dw = memory, *dh = memory + k, *seen[2] = {memory + 2 * k, memory + 2 * k + W->rows};
  memset(seen[0], 0, sizeof(double) * (size_t)(W->rows + H->rows));
  const double eta = s->schedule == INVERSE ? s->step / (1 + (double)b->step / s->decay) : s->step;
  for (int64_t at = 0; at < e.n; at++) {
    const int64_t i = e.row[at], j = e.col[at];
    double *w = (double*)W->data + i * W->stride, *h = (double*)H->data + j * H->stride;
    double m = 0, g = 0;
    for (int64_t a = 0; a < k; a++) m += w[a] * h[a];
    m = m > s->lowest ? m : s->lowest;
    m = m < s->highest ? m : s->highest;
    const int32_t failed = s->loss->grad(b->ctx, 1, &e.x[at], &m, &g);
    if (failed) return failed;
    const double weight = e.w ? e.w[at] : 1;
    g *= weight;
    if (fabs(g) > kMostSlope) g = copysign(kMostSlope, g);
    for (int64_t a = 0; a < k; a++) {
      dw[a] = g * h[a];
      dh[a] = g * w[a];
    }
    move(s, k, 0, eta, dw, w, Q[0] ? (double*)Q[0]->data + i * Q[0]->stride : NULL);
    move(s, k, 1, eta, dh, h, Q[1] ? (double*)Q[1]->data + j * Q[1]->stride : NULL);
    seen[0][i] += weight;
    seen[1][j] += weight;
  }
  /* The penalties' step: of a row that was visited with a share of its entries, that share. Under
     adagrad the step of a row is the mean of its entries' steps. */
  for (int side = 0; side < 2; side++) {
    assay_view F = b->arg[side];
    const assay_view* counts = &b->arg[2 + side];
    for (int64_t i = 0; i < F.rows; i++) {
      const double count = *((const double*)counts->data + i * counts->stride);
      double length = eta;
      if (Q[side]) {
        double sum = 0;
        for (int64_t a = 0; a < k; a++)
          sum += sqrt(((const double*)Q[side]->data)[i * Q[side]->stride + a]);
        length = sum > 0 ? eta * (double)k / sum : 0;
      }
      seen[side][i] = count > 0 ? length * seen[side][i] / count : 0;
    }
    const int32_t failed = s->penalties->prox_rows(b->ctx, side, &F, seen[side]);
    if (failed) return failed;
  }
  return ASSAY_OK;
}

/* One row's problem while the other factor is fixed. */
typedef struct {
  const sgd* s;
  assay_ctx* ctx;
  int32_t side;
  int64_t k, n; /* width, entries */
  const assay_line* line;
  const assay_view* O;           /* the other factor, whole */
  double *m, *g, *slope, *trial; /* n, n, k, k */
} row_problem;

static const double* other_row(const row_problem* p, int64_t e) {
  const int64_t at = p->line->idx ? p->line->idx[e] : e;
  return (const double*)p->O->data + at * p->O->stride;
}

/* F of the row f: loss and penalties. */
static int32_t row_value(const row_problem* p, double* f, double* out) {
  const sgd* s = p->s;
  for (int64_t e = 0; e < p->n; e++) {
    const double* o = other_row(p, e);
    double m = 0;
    for (int64_t a = 0; a < p->k; a++) m += f[a] * o[a];
    m = m > s->lowest ? m : s->lowest;
    p->m[e] = m < s->highest ? m : s->highest;
  }
  double sum = 0;
  for (int64_t e = 0; e < p->n; e += kSpan) {
    const int64_t n = p->n - e < kSpan ? p->n - e : kSpan;
    const int32_t bad = s->loss->value(p->ctx, n, p->line->x + e, p->m + e, p->g + e);
    if (bad) return bad;
  }
  for (int64_t e = 0; e < p->n; e++) sum += (p->line->w ? p->line->w[e] : 1) * p->g[e];
  const assay_view F = {f, 1, p->k, p->k, 0, ASSAY_F64, 0};
  const int32_t bad = s->penalties->value(p->ctx, p->side, &F, out);
  *out += sum;
  return bad;
}

/* Gradient of the loss at the model row_value left in m. */
static int32_t row_slope(const row_problem* p) {
  for (int64_t e = 0; e < p->n; e += kSpan) {
    const int64_t n = p->n - e < kSpan ? p->n - e : kSpan;
    const int32_t bad = p->s->loss->grad(p->ctx, n, p->line->x + e, p->m + e, p->g + e);
    if (bad) return bad;
  }
  memset(p->slope, 0, sizeof(double) * (size_t)p->k);
  for (int64_t e = 0; e < p->n; e++) {
    const double* o = other_row(p, e);
    const double g = p->g[e] * (p->line->w ? p->line->w[e] : 1);
    for (int64_t a = 0; a < p->k; a++) p->slope[a] += g * o[a];
  }
  return ASSAY_OK;
}

static int32_t solve_row(const row_problem* p, double* f, double* length) {
  double here = 0;
  int32_t bad = row_value(p, f, &here);
  for (int inner = 0; !bad && inner < INNER; inner++) {
    bad = row_slope(p);
    if (bad) return bad;
    if (!(*length > 0)) { /* a first guess: as far as the row is long */
      double slope = 0, size = 0;
      for (int64_t a = 0; a < p->k; a++) {
        slope += p->slope[a] * p->slope[a];
        size += f[a] * f[a];
      }
      if (!(slope > 0)) return ASSAY_OK;
      *length = sqrt((size > 0 ? size : p->s->unit * p->s->unit) / slope);
    }
    double there = here;
    int fell = 0;
    for (int halvings = 0; halvings < 60 && !fell; halvings++) {
      for (int64_t a = 0; a < p->k; a++) p->trial[a] = f[a] - *length * p->slope[a];
      assay_view F = {p->trial, 1, p->k, p->k, 0, ASSAY_F64, 0};
      bad = p->s->penalties->prox_rows(p->ctx, p->side, &F, length);
      if (bad) return bad;
      bad = row_value(p, p->trial, &there);
      if (bad) return bad;
      double moved = 0;
      for (int64_t a = 0; a < p->k; a++) moved += (p->trial[a] - f[a]) * (p->trial[a] - f[a]);
      if (moved == 0) return ASSAY_OK;
      fell = there <= here - 0.25 * moved / *length;
      if (!fell) *length *= 0.5;
    }
    if (!fell) return ASSAY_OK; /* F is flat here to rounding */
    memcpy(f, p->trial, sizeof(double) * (size_t)p->k);
    here = there;
    *length *= 1.5;
  }
  return bad;
}

/* {F io, O, lengths io}; tag: the side that is free */
static int32_t solve(void* self, const assay_block* b) {
  const sgd* s = self;
  const assay_view *F = &b->arg[0], *L = &b->arg[2];
  for (int64_t i = 0; i < F->rows; i++) {
    assay_line line = {sizeof line, 0, 0, NULL, NULL, NULL, 0, 0};
    const int32_t failed = s->tile->line(b->ctx, i, &line);
    if (failed) return failed;
    const int64_t k = F->cols, n = line.n;
    if (n == 0) continue;
    double* memory = s->host->scratch(b->ctx, (int64_t)sizeof(double) * (2 * n + 2 * k));
    if (!memory) return ASSAY_E_MEMORY;
    const row_problem p = {s,
                           b->ctx,
                           b->tag,
                           k,
                           n,
                           &line,
                           &b->arg[1],
                           memory,
                           memory + n,
                           memory + 2 * n,
                           memory + 2 * n + k};
    const int32_t bad =
        solve_row(&p, (double*)F->data + i * F->stride, (double*)L->data + i * L->stride);
    if (bad) return bad;
  }
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
  if ((p->factor_flags[0] | p->factor_flags[1]) & ASSAY_FACTOR_COUPLED)
    return host->set_error(ctx, ASSAY_E_COMBINATION,
                           "`sgd` changes rows one by one, and a constraint ties them together");
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
  for (int side = 0; side < 2; side++) {
    s->nonneg[side] = (p->factor_flags[side] & ASSAY_FACTOR_NONNEG) != 0;
    s->frozen[side] = (p->factor_flags[side] & ASSAY_FACTOR_FROZEN) != 0;
  }
  s->stream = p->stream;
  *self = s;
  return ASSAY_OK;
}

static assay_buf squares(assay_builder* b, const char* name, int32_t axis) {
  const assay_buffer q = {sizeof q, 0, name, axis, ASSAY_STATE, ASSAY_F64, 1, 0, 0};
  return b->buffer(b, &q);
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const sgd* s = self;
  if (purpose != ASSAY_STEP) return ASSAY_OK;
  if (s->frozen[0] || s->frozen[1]) {
    const int32_t side = s->frozen[0] ? 1 : 0;
    const assay_buffer lengths = {sizeof lengths, 0, "lengths", side, ASSAY_STATE,
                                  ASSAY_F64,      1, 0,         1};
    const assay_arg args[] = {{b->factor(b, side), ASSAY_INOUT},
                              {b->factor(b, 1 - side), ASSAY_IN},
                              {b->buffer(b, &lengths), ASSAY_INOUT}};
    const assay_each each = {sizeof each, ASSAY_EACH_X, "solve", side, 3, solve, args, side, 0};
    b->each(b, &each);
    return b->status(b);
  }
  assay_arg args[6] = {{b->factor(b, 0), ASSAY_INOUT},
                       {b->factor(b, 1), ASSAY_INOUT},
                       {b->given(b, ASSAY_ROW_COUNTS), ASSAY_IN},
                       {b->given(b, ASSAY_COL_COUNTS), ASSAY_IN}};
  int32_t n = 4;
  if (s->schedule == ADAGRAD) {
    args[n++] = (assay_arg){squares(b, "squares_w", ASSAY_ROWS), ASSAY_INOUT};
    args[n++] = (assay_arg){squares(b, "squares_h", ASSAY_COLS), ASSAY_INOUT};
  }
  const assay_grid grid = {sizeof grid, 0, "visit", s->blocks, n, visit, args, s->stream, 0, 0};
  b->grid(b, &grid);
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
static const assay_solver vtable = {sizeof vtable,
                                    0,
                                    ASSAY_NEEDS_GRAD,
                                    ASSAY_NEEDS_PROX_ANYWHERE,
                                    ASSAY_TAKES_MASK | ASSAY_TAKES_WEIGHTS | ASSAY_TAKES_UNOBSERVED,
                                    0,
                                    NULL,
                                    create,
                                    build,
                                    destroy};
static const assay_plugin plugin = {
    sizeof plugin,
    0,
    "assay.solver/1",
    "sgd",
    "stochastic gradient over entries, for any differentiable loss",
    "Gemulla, Nijkamp, Haas and Sismanis 2011; Duchi, Hazan and Singer 2011",
    "for every observed (i, j) once an epoch, in shuffled blocks without common rows or columns:\n"
    "  g = weight l'(x, <w_i, h_j>);  w_i -= eta g h_j;  h_j -= eta g w_i;  then the penalties' "
    "prox\n"
    "cost: 6k flops for each observed entry an epoch\n"
    "guarantee: nothing is monotone; steps that shrink settle near a stationary point",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.sgd", "1.0", plugin)
