/* SPDX-License-Identifier: Apache-2.0 */
/* Coordinate descent for the Kullback-Leibler divergence: for every row w of W, one component after
   another, a Newton step on
     f(s) = sum_j v_j (m_j(s) - x_j log m_j(s)) + penalties,  m_j(s) = m_j + (s - w_a) h_ja,
   with weights v. f' rises and is concave, so a step to the right never passes its root; a step to
   the left may, and is halved until |f'| there is not above f' here, which by concavity puts f
   there below f here. Then the rows of H. Where unstored entries are zeros only stored ones are
   visited: the rest of f' is a sum over the rows of H. Cost per step: about 8 nnz k flops and
   2 nnz k divisions a sweep. Never raises the objective. Hsieh and Dhillon 2011, sec. 3.2; the
   halving is ours. */
#include <assay/normals.h>
#include <math.h>

typedef struct {
  const assay_host* host;
  const assay_penalty_calls* penalties;
  const assay_tile* tile;
  int64_t inner; /* sweeps over a row's components per step */
} kl_cd;

/* The model is kept above this: squares of its inverse must not overflow. */
static const double kLeastModel = 0x1p-500;

/* A row's problem: observed entries by component. */
typedef struct {
  int64_t n, k;
  const double* h; /* k x n, lines ld apart */
  int64_t ld;
  double *x, *m, *q; /* v x, the model, v x / m */
  double *m2, *q2;   /* the same at a trial point */
  double* linear;    /* k: sum of v h over all observed entries, and the penalties' linear term */
  int32_t low;       /* an entry's model is at its floor */
} problem;

/* Sums run in eight lanes, in an order that no machine changes. */
enum { LANES = 8 };
typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(8), may_alias));
static double total(const lanes* g) {
  const lanes v = *g;
  return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
}

/* sum h q, and sum h^2 q / m. */
ASSAY_SIMD static double slopes(int64_t n,
                                const double* h,
                                const double* q,
                                const double* m,
                                double* second) {
  lanes g = {0}, c = {0};
  int64_t e = 0;
  for (; e + LANES <= n; e += LANES) {
    const lanes he = *(const lanes*)(h + e), hq = he * *(const lanes*)(q + e);
    g += hq;
    c += hq * (he / *(const lanes*)(m + e));
  }
  double first = total(&g), rest = total(&c);
  for (; e < n; e++) {
    first += h[e] * q[e];
    rest += h[e] * q[e] * (h[e] / m[e]);
  }
  *second = rest;
  return first;
}

/* The model a step further, and sum h q there. */
ASSAY_SIMD static double move(int64_t n,
                              double step,
                              const double* restrict h,
                              const double* restrict x,
                              const double* restrict m,
                              double* restrict m2,
                              double* restrict q2) {
  for (int64_t e = 0; e < n; e++) {
    const double to = m[e] + step * h[e];
    m2[e] = to > kLeastModel ? to : kLeastModel;
    q2[e] = x[e] / m2[e];
  }
  lanes g = {0};
  int64_t e = 0;
  for (; e + LANES <= n; e += LANES) g += *(const lanes*)(h + e) * *(const lanes*)(q2 + e);
  double sum = total(&g);
  for (; e < n; e++) sum += h[e] * q2[e];
  return sum;
}

/* How far the root of f' lies to the right at least: each entry alone would have it at x / slope -
   m / h. Newton's step is next to nothing where the model is. */
static double reach(const problem* p, const double* h, double slope, double diag) {
  double best = 0;
  for (int64_t e = 0; e < p->n; e++) {
    if (!(h[e] > 0 && p->x[e] > 0 && slope > 0)) continue;
    const double far = p->x[e] / slope;
    const double at = p->x[e] / (slope + diag * far) - p->m[e] / h[e];
    if (at > best) best = at;
  }
  return best;
}

static double clip(double v, double lower, double upper) {
  v = v > lower ? v : lower;
  return v < upper ? v : upper;
}

/* One component's step. */
static double component(problem* p, int64_t a, double w, double diag, double lower, double upper) {
  const double* h = p->h + a * p->ld;
  double second = 0;
  const double pull = slopes(p->n, h, p->q, p->m, &second);
  const double slope = p->linear[a] + diag * w - pull, bend = diag + second;
  double to = slope == 0 ? w : slope > 0 ? lower : upper;
  if (bend > 0) to = w - slope / bend;
  if (p->low && slope < 0) {
    const double further = w + reach(p, h, p->linear[a] + diag * w, diag);
    to = to > further ? to : further;
  }
  to = clip(to, lower, upper);
  if (!isfinite(to) || to == w) return w;
  for (int halvings = 0; halvings < 60; halvings++) {
    const double there = p->linear[a] + diag * to - move(p->n, to - w, h, p->x, p->m, p->m2, p->q2);
    if (to > w || there >= -slope) {
      double *m = p->m, *q = p->q;
      p->m = p->m2, p->q = p->q2;
      p->m2 = m, p->q2 = q;
      return to;
    }
    to = w + 0.5 * (to - w);
    if (to == w) break;
  }
  return w;
}

/* to (k x n) = the rows idx (NULL: all) of H (d x k) by component. */
static void gather(int64_t n, const int64_t* idx, const assay_view* H, double* to, int64_t ld) {
  const double* from = H->data;
  for (int64_t e = 0; e < n; e++) {
    const double* row = from + (idx ? idx[e] : e) * H->stride;
    for (int64_t a = 0; a < H->cols; a++) to[a * ld + e] = row[a];
  }
}

/* u += f v */
ASSAY_SIMD static void add(int64_t n, double f, const double* restrict v, double* restrict u) {
  for (int64_t e = 0; e < n; e++) u[e] += f * v[e];
}

/* Everything component() needs at w. lin: the penalties'; sums: of H's rows with their weights;
 * own: the row's weight. */
static void set_out(problem* p,
                    const assay_line* line,
                    const double* w,
                    const double* lin,
                    const double* sums,
                    double own,
                    const assay_view* weights) {
  const double* other = weights->data;
  for (int64_t e = 0; e < p->n; e++) {
    const double v = line->w ? line->w[e] : 1;
    p->x[e] = v * line->x[e];
    p->m[e] = 0;
    /* What the entry weighs more than the sums say. */
    const int64_t j = line->idx ? line->idx[e] : e;
    p->q[e] = line->zeros ? (line->w ? v - own * other[j * weights->stride] : 0) : v;
  }
  for (int64_t a = 0; a < p->k; a++) {
    const double* h = p->h + a * p->ld;
    double sum = line->zeros ? own * sums[a] : 0;
    if (!line->zeros || line->w)
      for (int64_t e = 0; e < p->n; e++) sum += p->q[e] * h[e];
    p->linear[a] = sum + lin[a];
    if (w[a] != 0) add(p->n, w[a], h, p->m);
  }
  p->low = 0;
  for (int64_t e = 0; e < p->n; e++) {
    if (p->m[e] <= kLeastModel) {
      p->m[e] = kLeastModel;
      p->low = p->low || p->x[e] > 0;
    }
    p->q[e] = p->x[e] / p->m[e];
  }
}

/* {F io, the other factor, its weighted column sums, own weights, the other side's weights} */
static int32_t update(void* self, const assay_block* b) {
  const kl_cd* s = self;
  const assay_view *F = &b->arg[0], *H = &b->arg[1], *sums = &b->arg[2], *own = &b->arg[3];
  const int64_t k = F->cols, n = F->rows, stride = F->stride, d = (H->rows + 7) / 8 * 8;
  double* memory = s->host->scratch(b->ctx, (k + 5 * d + k * d) * (int64_t)sizeof(double));
  if (!memory) return s->host->set_error(b->ctx, ASSAY_E_MEMORY, "no memory for a block");
  double *vectors = memory, *h = memory + 5 * d, *linear = h + k * d;
  problem p = {
      0,      k, h, d, vectors, vectors + d, vectors + 2 * d, vectors + 3 * d, vectors + 4 * d,
      linear, 0};
  assay_row_penalties of;
  int32_t bad = assay_penalties_of_rows(s->host, s->penalties, b->ctx, b->tag, F, &of);
  if (bad) return bad;
  int gathered = 0; /* all rows of H, which full lines share */
  for (int64_t i = 0; i < n; i++) {
    assay_line line = {sizeof line, 0, 0, NULL, NULL, NULL, 0, 0};
    bad = s->tile->line(b->ctx, i, &line);
    if (bad) return bad;
    p.n = line.n;
    if (line.idx || !gathered) gather(line.n, line.idx, H, h, d);
    gathered = !line.idx;
    const int64_t at = i * stride;
    double* w = (double*)F->data + at;
    set_out(&p, &line, w, of.lin + at, sums->data, ((const double*)own->data)[i * own->stride],
            &b->arg[4]);
    for (int64_t turn = 0; turn < s->inner * k; turn++) {
      const int64_t a = turn % k;
      w[a] = component(&p, a, w[a], of.diag[a], of.lower[at + a], of.upper[at + a]);
    }
  }
  return ASSAY_OK;
}

static int32_t create(const assay_host* host, assay_ctx* ctx, const assay_problem* p, void** self) {
  kl_cd* s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the solver");
  s->host = host;
  s->penalties = host->service("assay.penalty/1");
  s->tile = host->service("assay.tile/1");
  s->inner = (int64_t)host->option_number(p->options, "inner");
  *self = s;
  return ASSAY_OK;
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  (void)self;
  if (purpose != ASSAY_STEP) return ASSAY_OK;
  for (int32_t side = 0; side < 2; side++) { /* ASSAY_ROWS, then ASSAY_COLS */
    const assay_buf F = b->factor(b, side), O = b->factor(b, !side);
    const assay_buf own = b->given(b, side ? ASSAY_COL_WEIGHTS : ASSAY_ROW_WEIGHTS);
    const assay_buf others = b->given(b, side ? ASSAY_ROW_WEIGHTS : ASSAY_COL_WEIGHTS);
    const assay_buf sums = assay_sum(b, side ? "sums_w" : "sums_h", 1, 0);
    b->gram(b, sums, others, O);
    const assay_arg args[] = {
        {F, ASSAY_INOUT}, {O, ASSAY_IN}, {sums, ASSAY_IN}, {own, ASSAY_IN}, {others, ASSAY_IN}};
    const assay_each each = {
        sizeof each, ASSAY_EACH_X, side ? "update_h" : "update_w", side, 5, update, args, side, 0};
    b->each(b, &each);
  }
  return b->status(b);
}

static void destroy(void* self) {
  if (self) ((kl_cd*)self)->host->free(self);
}

static const assay_option options[] = {
    {"inner", "sweeps over the components per step", ASSAY_OPT_INT, 0, 1, 1, 1000, NULL, NULL},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_solver vtable = {
    sizeof vtable,
    0,
    ASSAY_NEEDS_KL,
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
    "kl_cd",
    "coordinate descent for the Kullback-Leibler divergence",
    "Hsieh and Dhillon 2011",
    "F_a <- max(F_a - f' / f'', 0), a = 1 .. k,  f' = sum_j (1 - x_j / m_j) O_ja,\n"
    "f'' = sum_j x_j / m_j^2 O_ja^2; steps that pass the root too far are halved; for F = W,\n"
    "then F = H\n"
    "cost: about 8ndk flops and 2ndk divisions a sweep; nnz k where unstored entries are zeros\n"
    "guarantee: the objective never rises: a halved step ends where it is below the start",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.kl_cd", "1.0", plugin)
