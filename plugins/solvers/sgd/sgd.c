/* SPDX-License-Identifier: Apache-2.0 */
/* Stochastic gradient over entries: minimise sum w l(x, (W H')) + penalties over W and H.
   Visiting the observed entry (i, j), with m = <w_i, h_j> kept inside the loss's domain and
   g = w l'(x, m):
     w_i <- w_i - eta g h_j,   h_j <- h_j - eta g w_i   (both from the old rows)
   then 0 where a factor is non-negative. Penalties enter by their prox, once an epoch. An epoch
   visits every entry once, in B rounds of B blocks without a common row or column.
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
      highest;    /* of the model: the loss's domain, a little inside where an end is open */
  double ends[2]; /* the same next to the ends, for steps that are tested */
  double unit;    /* size of a factor's entry */
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

static double step_now(const sgd* s, const assay_block* b) {
  return s->schedule == INVERSE ? s->step / (1 + (double)b->step / s->decay) : s->step;
}

/* {W io, H io[, QW io, QH io]} */
static int32_t visit(void* self, const assay_block* b) {
  const sgd* s = self;
  const assay_view *W = &b->arg[0], *H = &b->arg[1];
  const assay_view* Q[2] = {s->schedule == ADAGRAD ? &b->arg[2] : NULL,
                            s->schedule == ADAGRAD ? &b->arg[3] : NULL};
  const int64_t k = W->cols;
  assay_entries e = {sizeof e, 0, 0, NULL, NULL, NULL, NULL};
  const int32_t bad = s->tile->entries(b->ctx, &e);
  if (bad) return bad;
  double* memory = s->host->scratch(b->ctx, (int64_t)sizeof(double) * 2 * k);
  if (!memory) return ASSAY_E_MEMORY;
  double *dw = memory, *dh = memory + k;
  const double eta = step_now(s, b);
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
  }
  return ASSAY_OK;
}

/* {F io[, Q]}; tag: its side. The penalties' prox, once an epoch: under adagrad the step of a row
   is the mean of its entries' steps. */
static int32_t shrink(void* self, const assay_block* b) {
  const sgd* s = self;
  assay_view F = b->arg[0];
  double* lengths = s->host->scratch(b->ctx, (int64_t)sizeof(double) * (F.rows + 1));
  if (!lengths) return ASSAY_E_MEMORY;
  for (int64_t i = 0; i < F.rows; i++) {
    lengths[i] = step_now(s, b);
    if (s->schedule != ADAGRAD) continue;
    double sum = 0;
    for (int64_t a = 0; a < F.cols; a++)
      sum += sqrt(((const double*)b->arg[1].data)[i * b->arg[1].stride + a]);
    lengths[i] = sum > 0 ? lengths[i] * (double)F.cols / sum : 0;
  }
  return s->penalties->prox_rows(b->ctx, b->tag, &F, lengths);
}

/* Loss of a row f over its line, and with slope its gradient; memory: 2 n. */
static int32_t row_loss(const sgd* s,
                        assay_ctx* ctx,
                        const assay_line* line,
                        const assay_view* O,
                        const double* f,
                        double* memory,
                        double* out,
                        double* slope) {
  const int64_t n = line->n, k = O->cols;
  double *m = memory, *g = memory + n;
  for (int64_t e = 0; e < n; e++) {
    const double* o = (const double*)O->data + (line->idx ? line->idx[e] : e) * O->stride;
    double sum = 0;
    for (int64_t a = 0; a < k; a++) sum += f[a] * o[a];
    sum = sum > s->ends[0] ? sum : s->ends[0];
    m[e] = sum < s->ends[1] ? sum : s->ends[1];
  }
  for (int what = 0; what < (slope ? 2 : 1); what++) {
    for (int64_t e = 0; e < n; e += kSpan) {
      const int64_t span = n - e < kSpan ? n - e : kSpan;
      const int32_t bad =
          (what ? s->loss->grad : s->loss->value)(ctx, span, line->x + e, m + e, g + e);
      if (bad) return bad;
    }
    if (what == 0) *out = 0;
    for (int64_t e = 0; e < n; e++) {
      const double w = line->w ? line->w[e] : 1;
      const double* o = (const double*)O->data + (line->idx ? line->idx[e] : e) * O->stride;
      if (what == 0) *out += w * g[e];
      for (int64_t a = 0; what && a < k; a++) slope[a] += w * g[e] * o[a];
    }
  }
  return ASSAY_OK;
}

/* A first guess of a step: as far as the row is long. */
static double first_length(const sgd* s, int64_t k, const double* f, const double* g) {
  double slope = 0, size = 0;
  for (int64_t a = 0; a < k; a++) {
    slope += g[a] * g[a];
    size += f[a] * f[a];
  }
  return slope > 0 ? sqrt((size > 0 ? size : s->unit * s->unit) / slope) : 0;
}

/* {F io, O, lengths io}; tag: the side that is free. All rows of the block make a step together, so
   that penalties see them at their places. */
static int32_t solve(void* self, const assay_block* b) {
  const sgd* s = self;
  const assay_view *F = &b->arg[0], *O = &b->arg[1], *L = &b->arg[2];
  const int64_t k = F->cols, rows = F->rows;
  double* memory = s->host->scratch(b->ctx, (int64_t)sizeof(double) * rows * (2 * k + 2));
  if (!memory) return ASSAY_E_MEMORY;
  double *G = memory, *trial = G + rows * k, *here = trial + rows * k, *steps = here + rows;
  double* entries = NULL; /* of the longest line so far */
  int64_t longest = 0;
  for (int inner = 0; inner < INNER; inner++) {
    memset(G, 0, sizeof(double) * (size_t)(rows * k));
    for (int halvings = -1; halvings < 60; halvings++) { /* -1: where the rows are */
      int64_t open = 0;
      if (halvings >= 0) {
        for (int64_t i = 0; i < rows; i++)
          for (int64_t a = 0; a < k; a++)
            trial[i * k + a] =
                ((const double*)F->data)[i * F->stride + a] - steps[i] * G[i * k + a];
        assay_view T = {trial, rows, k, k, 0, ASSAY_F64, 0};
        const int32_t bad = s->penalties->prox_rows(b->ctx, b->tag, &T, steps);
        if (bad) return bad;
      }
      for (int64_t i = 0; i < rows; i++) {
        double *f = (double*)F->data + i * F->stride, *length = (double*)L->data + i * L->stride;
        if (halvings >= 0 && !(steps[i] > 0)) continue;
        assay_line line = {sizeof line, 0, 0, NULL, NULL, NULL, 0, 0};
        int32_t bad = s->tile->line(b->ctx, i, &line);
        if (bad) return bad;
        if (line.n > longest) {
          longest = 2 * line.n;
          entries = s->host->scratch(b->ctx, (int64_t)sizeof(double) * 2 * longest);
          if (!entries) return ASSAY_E_MEMORY;
        }
        if (halvings < 0) {
          bad = row_loss(s, b->ctx, &line, O, f, entries, &here[i], G + i * k);
          if (bad) return bad;
          if (!(*length > 0)) *length = first_length(s, k, f, G + i * k);
          steps[i] = *length;
          open += steps[i] > 0;
          continue;
        }
        double there = 0, moved = 0, linear = 0;
        bad = row_loss(s, b->ctx, &line, O, trial + i * k, entries, &there, NULL);
        if (bad) return bad;
        for (int64_t a = 0; a < k; a++) {
          const double d = trial[i * k + a] - f[a];
          moved += d * d;
          linear += G[i * k + a] * d;
        }
        if (there <= here[i] + linear + 0.5 * moved / steps[i] + 1e-15 * fabs(here[i])) {
          memcpy(f, trial + i * k, sizeof(double) * (size_t)k);
          *length = 1.5 * steps[i];
          steps[i] = 0;
        } else {
          steps[i] *= 0.5;
          open++;
        }
      }
      if (open == 0) break;
    }
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
  s->ends[0] = p->loss->m_lo + (open_lo ? 1e-12 * mean : 0);
  s->ends[1] = p->loss->m_hi - (open_hi ? 1e-12 * mean : 0);
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
  const int32_t n = s->schedule == ADAGRAD ? 2 : 1; /* arguments of a side */
  assay_arg args[4] = {{b->factor(b, 0), ASSAY_INOUT}, {b->factor(b, 1), ASSAY_INOUT}};
  if (n == 2) {
    args[2] = (assay_arg){squares(b, "squares_w", ASSAY_ROWS), ASSAY_INOUT};
    args[3] = (assay_arg){squares(b, "squares_h", ASSAY_COLS), ASSAY_INOUT};
  }
  const assay_grid grid = {sizeof grid, 0, "visit", s->blocks, 2 * n, visit, args, s->stream, 0, 0};
  b->grid(b, &grid);
  for (int32_t side = 0; side < 2; side++) {
    const assay_arg own[] = {args[side], {args[2 + side].buffer, ASSAY_IN}};
    const assay_each each = {sizeof each, 0, side ? "shrink_h" : "shrink_w", side, n, shrink, own,
                             side,        0};
    b->each(b, &each);
  }
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
                                    ASSAY_NEEDS_PROX,
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
