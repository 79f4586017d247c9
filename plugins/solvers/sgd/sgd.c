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
   Robbins and Monro 1951; Gemulla, Nijkamp, Haas and Sismanis 2011; Duchi, Hazan and Singer 2011.
 */
#include <assay/plugin.h>
#include <math.h>
#include <string.h>

enum { CONSTANT, INVERSE, ADAGRAD };

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
  int nonneg[2];
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

static double typical_curvature(const assay_loss_facts* loss, double mean) {
  if (loss->tag == ASSAY_TAG_BETA) return pow(mean, loss->tag_parameter - 2);
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
  s->step *= s->schedule == ADAGRAD ? s->unit : 1 / (typical_curvature(p->loss, mean) * mean);
  if (!(s->step < INFINITY)) s->step = 1;
  const int open_lo = (p->loss->flags & ASSAY_LOSS_M_LO_OPEN) != 0;
  const int open_hi = (p->loss->flags & ASSAY_LOSS_M_HI_OPEN) != 0;
  s->lowest = p->loss->m_lo + (open_lo ? 1e-2 * mean : 0);
  s->highest = p->loss->m_hi - (open_hi ? 1e-2 * mean : 0);
  for (int side = 0; side < 2; side++)
    s->nonneg[side] = (p->factor_flags[side] & ASSAY_FACTOR_NONNEG) != 0;
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
    "prox",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.sgd", "1.0", plugin)
