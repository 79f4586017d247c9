/* SPDX-License-Identifier: Apache-2.0 */
/* AO-ADMM for losses without a majoriser: every observed entry of a block's lines of X gets an
   auxiliary z for the model and a dual y, which live in the block's call only; the duals u of the
   factor's rows are kept from step to step. With weights V:
     v <- (G + c I)^-1 (O'V (z + y) + c (f + u)),  G = O'V O,  c = trace(G) / k,  m = O v,
     z_j <- argmin l(x_j, z) + rho/2 (z - m_j + y_j)^2,  y <- y + z - m,
     f <- prox(v - u, 1 / (rho c)),  u <- u + f - v.
   Entries x = 0 of a loss whose term there is a m or a m^2 need neither: their sum is linear or
   quadratic in v and joins its equations, unstored ones by sums over all of O less the others'.
   z starts at the model and y at its optimum there, -l' / rho; rho is a mean of l''. Full lines of
   equal weight share one G. The scalar problems have closed forms for kl and |r|; else secants and
   bisections within brackets. A group of rows whose objective would rise takes a proximal gradient
   step instead, halved until each row's loss lies below the step's parabola. Cost per step: 8 flops
   an entry, component and turn, memory 24 bytes an entry of a block of lines. Huang, Sidiropoulos
   and Liavas 2016, sec. III-B. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "admm.h"
#include "scalar.h"

enum { HALVINGS = 40, GROUPS = 16 };

/* Observed entries of a row; where zeros have a closed form, those that are not 0. */
typedef struct {
  int64_t n;
  const int64_t* idx; /* NULL: all, in order */
  const double *x, *v;
} row;

typedef struct {
  const admm* s;
  const assay_block* b;
  int64_t n, k, length;
  const double* O; /* length x k, ldo apart */
  int64_t ldo;
  int32_t full, closed; /* every row has every entry; zeros are in `lin` and `bend` */
  double *F, *U, *V, *T, *before, *lin; /* n x k, dense; lin: slope of the zeros' linear term */
  double *shared, *inverse; /* k x k: of G where full lines share it; of a row's own, n of them */
  double* bend;             /* NULL, or n of k x k: second derivative of the zeros' square */
  double *z, *s_, *M;       /* of all entries: z, m - y, and a scratch that holds models */
  int64_t* start;           /* n + 1: where a row's entries begin in them */
  double *rho, *c, *most, *share, *steps; /* n: see set_out and prox */
  double *old, *now;                      /* n: losses, the zeros among them */
  double width;                           /* 0, or within it |r| is rounded off: see set_out */
  double *x, *v, *g;                      /* of the longest row */
  int64_t* idx;
} block;

static double clip(double v, double lower, double upper) {
  v = v > lower ? v : lower;
  return v < upper ? v : upper;
}

/* Sums run in eight lanes, in an order that no machine changes. */
enum { LANES = 8 };
typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(8), may_alias));

ASSAY_SIMD static void dots(int64_t n,
                            const int64_t* idx,
                            int64_t k,
                            const double* O,
                            int64_t ldo,
                            const double* f,
                            double* out) {
  for (int64_t e = 0; e < n; e++) {
    const double* o = O + (idx ? idx[e] : e) * ldo;
    lanes sums = {0};
    int64_t a = 0;
    for (; a + LANES <= k; a += LANES) sums += *(const lanes*)(o + a) * *(const lanes*)(f + a);
    double sum =
        ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
    for (; a < k; a++) sum += o[a] * f[a];
    out[e] = sum;
  }
}

/* out += sum q_e o_e */
ASSAY_SIMD static void pull(int64_t n,
                            const int64_t* idx,
                            int64_t k,
                            const double* O,
                            int64_t ldo,
                            const double* q,
                            double* restrict out) {
  for (int64_t e = 0; e < n; e++) {
    const double* o = O + (idx ? idx[e] : e) * ldo;
    for (int64_t a = 0; a < k; a++) out[a] += q[e] * o[a];
  }
}

/* G += sum q_e o_e o_e' */
ASSAY_SIMD static void pull_squares(int64_t n,
                                    const int64_t* idx,
                                    int64_t k,
                                    const double* O,
                                    int64_t ldo,
                                    const double* q,
                                    double* restrict G) {
  for (int64_t e = 0; e < n; e++) {
    const double* o = O + (idx ? idx[e] : e) * ldo;
    for (int64_t a = 0; a < k; a++) {
      const double f = q[e] * o[a];
      for (int64_t h = 0; h < k; h++) G[a * k + h] += f * o[h];
    }
  }
}

static double weight_of(const assay_view* weights, int64_t i) {
  return ((const double*)weights->data)[i * weights->stride];
}

/* Row i's entries; the arrays stay until the next call. */
static int32_t read_row(const block* p, int64_t i, row* out) {
  assay_line line = {sizeof line, 0, 0, NULL, NULL, NULL, 0, 0};
  const int32_t bad = p->s->tile->line(p->b->ctx, i, &line);
  if (bad) return bad;
  const int expands = line.zeros && !p->closed;
  const double own = weight_of(&p->b->arg[5], i);
  int64_t n = 0, e = 0;
  for (int64_t t = 0; t < (expands ? p->length : line.n); t++) {
    const int stored = !expands || (e < line.n && (!line.idx || line.idx[e] == t));
    const int64_t at = e;
    e += stored;
    const int64_t j = expands || !line.idx ? t : line.idx[at];
    const double v = !stored ? own * weight_of(&p->b->arg[6], j) : line.w ? line.w[at] : 1;
    const double x = stored ? line.x[at] : 0;
    if (v == 0 || (p->closed && x == 0)) continue;
    p->x[n] = x;
    p->v[n] = v;
    p->idx[n++] = j;
  }
  *out = (row){n, n == p->length ? NULL : p->idx, p->x, p->v};
  return ASSAY_OK;
}

/* The zeros' terms of a row: of those a line leaves out, what all of O gives less what it lists. */
static void add_zeros(const block* p, int64_t i, const assay_line* line) {
  const int64_t k = p->k;
  const double own = line->zeros ? weight_of(&p->b->arg[5], i) : 0;
  const double a = p->bend ? 2 * p->s->zero_a : p->s->zero_a;
  const assay_view *sums = &p->b->arg[3], *squares = &p->b->arg[4];
  for (int64_t e = 0; e < line->n; e++) {
    const double v = line->x[e] != 0 ? 0 : line->w ? line->w[e] : 1;
    p->g[e] = a * (v - own * weight_of(&p->b->arg[6], line->idx ? line->idx[e] : e));
  }
  if (p->bend) {
    double* bend = p->bend + i * k * k;
    for (int64_t h = 0; h < k * k; h++)
      bend[h] = a * own * ((const double*)squares->data)[h / k * squares->stride + h % k];
    pull_squares(line->n, line->idx, k, p->O, p->ldo, p->g, bend);
  } else {
    double* lin = p->lin + i * k;
    for (int64_t h = 0; h < k; h++) lin[h] = a * own * ((const double*)sums->data)[h];
    pull(line->n, line->idx, k, p->O, p->ldo, p->g, lin);
  }
}

/* M = the models of all entries at F, unless they are taken row by row. */
static void model(const block* p, const double* F) {
  if (p->full)
    p->s->la->gemm(0, 1, p->n, p->length, p->k, 1, F, p->k, p->O, p->ldo, 0, p->M, p->length);
}

/* Models of row i's entries at f. */
static double* row_model(const block* p, const row* r, int64_t i, const double* f) {
  double* m = p->M + p->start[i];
  if (!p->full) dots(r->n, r->idx, p->k, p->O, p->ldo, f, m);
  return m;
}

/* The zeros' part of the loss at row i's f. slope: NULL, or its gradient is added. */
static double zeros_loss(const block* p, int64_t i, const double* f, double* slope) {
  const int64_t k = p->k;
  double sum = 0;
  for (int64_t a = 0; a < k && p->closed; a++) {
    double rest = 0;
    for (int64_t h = 0; h < k && p->bend; h++) rest += p->bend[(i * k + a) * k + h] * f[h];
    sum += f[a] * (p->lin[i * k + a] + 0.5 * rest);
    if (slope) slope[a] += p->lin[i * k + a] + rest;
  }
  return sum;
}

/* g = the loss's value or slope at a row's models m; of |r| rounded off, the least of
   |x - z| + (z - m)^2 / 2 w, w its width, and that one's slope. */
static int32_t span(const block* p, admm_span_fn fn, const row* r, const double* m) {
  const double width = p->width;
  if (width == 0) return admm_spans(fn, p->b->ctx, r->n, r->x, m, p->g);
  for (int64_t e = 0; e < r->n; e++) {
    const double d = m[e] - r->x[e], near = clip(d, -width, width);
    p->g[e] = fn == p->s->loss->grad ? near / width : near * (d - 0.5 * near) / width;
  }
  return ASSAY_OK;
}

/* Loss of every row at F. slopes: NULL, or n x k, its gradients with the slope of an entry no
   steeper than what set_out allows. */
static int32_t losses(const block* p, const double* F, double* out, double* slopes) {
  const admm* s = p->s;
  if (slopes) memset(slopes, 0, (size_t)(p->n * p->k) * sizeof *slopes);
  model(p, F);
  for (int64_t i = 0; i < p->n; i++) {
    row r;
    int32_t bad = read_row(p, i, &r);
    if (bad) return bad;
    double *m = row_model(p, &r, i, F + i * p->k), *slope = slopes ? slopes + i * p->k : NULL;
    out[i] = zeros_loss(p, i, F + i * p->k, slope);
    for (int64_t e = 0; e < r.n; e++) m[e] = clip(m[e], s->m_lo, s->m_hi);
    bad = span(p, s->loss->value, &r, m);
    if (bad) return bad;
    for (int64_t e = 0; e < r.n; e++) out[i] += r.v[e] * p->g[e];
    if (!slopes) continue;
    bad = span(p, s->loss->grad, &r, m);
    if (bad) return bad;
    const double most = p->rho[i] * p->most[i];
    for (int64_t e = 0; e < r.n; e++) p->g[e] = r.v[e] * clip(p->g[e], -most, most);
    pull(r.n, r.idx, p->k, p->O, p->ldo, p->g, slope);
  }
  return ASSAY_OK;
}

static double norm(int64_t n, const double* v) {
  double sum = 0;
  for (int64_t j = 0; j < n; j++) sum += v[j] * v[j];
  return __builtin_sqrt(sum);
}

/* z at the model, y = -v l' / rho. rho is three times the mean of l'' there (what ended soonest on
   counts), weighted by m^2 so that entries near a border of the domain do not rule, and by
   differences of the gradient, which every loss has. Nor may a slope that grows without bound at
   the border: y stays below ten times what x and the model are. Of |r| the width it is rounded
   within or the typical residual stands for 1 / l'', and z starts where its own problem ends. M
   holds the models. */
static int32_t set_out(const block* p, int64_t i, const row* r) {
  const admm* s = p->s;
  double *m = p->M + p->start[i], *z = p->z + p->start[i], *to = p->s_ + p->start[i];
  double bend = 0, size = 0, square = 0, weight = 0, roots = 0;
  for (int64_t e = 0; e < r->n; e++) {
    z[e] = clip(m[e], s->m_lo, s->m_hi);
    square += r->v[e] * (z[e] * z[e] + r->x[e] * r->x[e]);
    roots += r->v[e] * __builtin_sqrt(fabs(z[e] - r->x[e]));
    weight += r->v[e];
  }
  p->most[i] = weight > 0 ? 10 * __builtin_sqrt(square / weight) : 0;
  if (r->n == 0) { /* as far as f is long */
    const double slope = norm(p->k, p->lin + i * p->k), far = norm(p->k, p->F + i * p->k);
    p->rho[i] = clip(slope > 0 && far > 0 ? slope / far : 1, 1e-100, 1e100);
    return ASSAY_OK;
  }
  if (s->absolute) {
    roots /= weight;
    const double width = p->width > 0 ? p->width : roots * roots;
    p->rho[i] = clip(width > 0 ? 1 / width : 1, 1e-100, 1e100);
    memcpy(to, z, (size_t)r->n * sizeof *z);
    return admm_scalars(s, p->b->ctx, r->n, r->x, to, p->rho[i], z);
  }
  int32_t bad = admm_spans(s->loss->grad, p->b->ctx, r->n, r->x, z, to);
  if (bad) return bad;
  for (int64_t e = 0; e < r->n; e++)
    m[e] = clip(z[e] + 1e-6 * (fabs(z[e]) + 1e-3 * fabs(r->x[e])), s->m_lo, s->m_hi);
  bad = admm_spans(s->loss->grad, p->b->ctx, r->n, r->x, m, p->g);
  if (bad) return bad;
  for (int64_t e = 0; e < r->n; e++) {
    const double far = m[e] - z[e], rise = r->v[e] * (p->g[e] - to[e]);
    if (!(far > 0 && isfinite(rise))) continue;
    bend += fabs(rise) / far * z[e] * z[e];
    size += r->v[e] * z[e] * z[e];
  }
  p->rho[i] = clip(size > 0 ? 3 * bend / size : 1, 1e-100, 1e100);
  for (int64_t e = 0; e < r->n; e++)
    to[e] = z[e] + clip(to[e] / p->rho[i], -p->most[i], p->most[i]);
  return ASSAY_OK;
}

/* c and (G + c I)^-1 of a row; the zeros' square is in units of rho. T and V are scratch. */
static int32_t equations(const block* p, int64_t i, const row* r) {
  const int64_t k = p->k;
  const admm* s = p->s;
  int own = p->bend != NULL || !p->full;
  for (int64_t e = 0; e < r->n && !own; e++) own = r->v[e] != 1 || weight_of(&p->b->arg[6], e) != 1;
  if (!own) {
    p->c[i] = p->c[p->n];
    memcpy(p->inverse + i * k * k, p->shared, (size_t)(k * k) * sizeof *p->shared);
    return ASSAY_OK;
  }
  double* G = p->T;
  memset(G, 0, (size_t)(k * k) * sizeof *G);
  pull_squares(r->n, r->idx, k, p->O, p->ldo, r->v, G);
  for (int64_t h = 0; h < k * k && p->bend; h++) G[h] += p->bend[i * k * k + h] / p->rho[i];
  p->c[i] = admm_mean_diagonal(k, G, k);
  return admm_invert(s, k, G, k, p->c[i], p->V, p->inverse + i * k * k);
}

static int32_t prepare(const block* p) {
  const assay_view* G = &p->b->arg[4];
  const int64_t k = p->k;
  p->c[p->n] = admm_mean_diagonal(k, G->data, G->stride);
  int32_t bad = admm_invert(p->s, k, G->data, G->stride, p->c[p->n], p->V, p->shared);
  for (int64_t i = 0; i < p->n && !bad; i++) {
    row r;
    bad = read_row(p, i, &r);
    if (!bad) bad = set_out(p, i, &r); /* M: from losses() at F */
    if (!bad) bad = equations(p, i, &r);
  }
  return bad;
}

static int32_t prox(const block* p) {
  assay_view view = {p->F, p->n, p->k, p->k, 0, ASSAY_F64, 0};
  for (int64_t i = 0; i < p->n; i++) p->steps[i] = p->share[i] / (p->rho[i] * p->c[i]);
  return p->s->penalties->prox_rows(p->b->ctx, p->b->tag, &view, p->steps);
}

/* V of row i: its right side is in T. */
static void solve_row(const block* p, int64_t i) {
  const int64_t k = p->k;
  dots(k, NULL, k, p->inverse + i * k * k, k, p->T + i * k, p->V + i * k);
}

static int32_t take_turn(const block* p) {
  const int64_t k = p->k, size = p->n * k;
  for (int64_t j = 0; j < size; j++)
    p->T[j] = p->c[j / k] * (p->F[j] + p->U[j]) - p->lin[j] / p->rho[j / k];
  row r;
  for (int64_t i = 0; i < p->n; i++) {
    const int32_t bad = read_row(p, i, &r);
    if (bad) return bad;
    const double *z = p->z + p->start[i], *to = p->s_ + p->start[i];
    double* q = p->M + p->start[i];
    for (int64_t e = 0; e < r.n; e++) q[e] = r.v[e] * (p->width > 0 ? z[e] : 2 * z[e] - to[e]);
    if (!p->full) pull(r.n, r.idx, k, p->O, p->ldo, q, p->T + i * k);
  }
  if (p->full)
    p->s->la->gemm(0, 0, p->n, k, p->length, 1, p->M, p->length, p->O, p->ldo, 1, p->T, k);
  for (int64_t i = 0; i < p->n; i++) solve_row(p, i);
  model(p, p->V);
  for (int64_t i = 0; i < p->n; i++) {
    int32_t bad = read_row(p, i, &r);
    if (bad) return bad;
    double *z = p->z + p->start[i], *to = p->s_ + p->start[i];
    const double* m = row_model(p, &r, i, p->V + i * k);
    for (int64_t e = 0; e < r.n; e++) to[e] = p->width > 0 ? m[e] : to[e] + m[e] - z[e];
    bad = admm_scalars(p->s, p->b->ctx, r.n, r.x, to, p->rho[i], z);
    if (bad) return bad;
  }
  for (int64_t j = 0; j < size; j++) p->F[j] = p->V[j] - p->U[j];
  const int32_t bad = prox(p);
  for (int64_t j = 0; j < size && !bad; j++) p->U[j] += p->F[j] - p->V[j];
  return bad;
}

/* Rows with a share: f = prox(before - step slope, step), the step halved until the loss lies below
   loss + slope (f - before) + |f - before|^2 / 2 step, so that the objective does not rise. Their
   duals start anew. T keeps rows that are settled while the others try. */
static int32_t step_down(const block* p) {
  const int64_t k = p->k;
  memcpy(p->T, p->F, (size_t)(p->n * k) * sizeof *p->T);
  for (int64_t i = 0; i < p->n; i++)
    if (p->share[i] > 0) memcpy(p->T + i * k, p->before + i * k, (size_t)k * sizeof *p->T);
  int32_t bad = losses(p, p->before, p->old, p->V);
  for (int t = 0; t < HALVINGS && !bad; t++) {
    for (int64_t j = 0; j < p->n * k; j++)
      p->F[j] = p->before[j] - p->share[j / k] / (p->rho[j / k] * p->c[j / k]) * p->V[j];
    bad = prox(p);
    if (!bad) bad = losses(p, p->F, p->now, NULL);
    int64_t left = 0;
    for (int64_t i = 0; i < p->n && !bad; i++) {
      if (p->share[i] == 0) continue;
      double rise = 0, moved = 0;
      for (int64_t j = i * k; j < (i + 1) * k; j++) {
        const double d = p->F[j] - p->before[j];
        rise += p->V[j] * d;
        moved += d * d;
      }
      if (p->now[i] <= p->old[i] + rise + 0.5 * moved / p->steps[i]) {
        memcpy(p->T + i * k, p->F + i * k, (size_t)k * sizeof *p->T);
        p->share[i] = 0;
      } else {
        p->share[i] *= 0.5;
        left++;
      }
    }
    if (left == 0) break;
  }
  memcpy(p->F, p->T, (size_t)(p->n * k) * sizeof *p->F);
  return bad;
}

/* Penalties of a group of rows are what they add to those of the rows above: which row a value
   belongs to counts, and a view begins at the block's first. */
static int32_t penalty_above(const block* p, double* F, int64_t rows, double* out) {
  const assay_view above = {F, rows, p->k, p->k, 0, ASSAY_F64, 0};
  *out = 0;
  return p->s->penalties->value(p->b->ctx, p->b->tag, &above, out);
}

/* Shares of 1 for the rows of groups whose objective rose, else 0. */
static int32_t judge(const block* p, int64_t* rose) {
  double before = 0, after = 0;
  *rose = 0;
  for (int64_t g = 0, first = 0; g < GROUPS; g++) {
    const int64_t end = p->n * (g + 1) / GROUPS;
    double there = 0, here = 0;
    int32_t bad = penalty_above(p, p->before, end, &there);
    if (!bad) bad = penalty_above(p, p->F, end, &here);
    if (bad) return bad;
    double change = (here - after) - (there - before), old = 0, now = 0;
    for (int64_t i = first; i < end; i++) {
      old += p->old[i];
      now += p->now[i];
    }
    const int worse = !(now + change <= old);
    for (; first < end; first++) {
      p->share[first] = worse;
      *rose += worse;
    }
    before = there;
    after = here;
  }
  return ASSAY_OK;
}

static int32_t solve(const block* p) {
  const int64_t k = p->k, size = p->n * k;
  int32_t bad = losses(p, p->before, p->old, NULL);
  if (!bad) bad = prepare(p);
  if (bad) return bad;
  for (int64_t j = 0; j < size; j++) p->U[j] /= p->rho[j / k] * p->c[j / k];
  for (int64_t i = 0; i < p->n; i++) p->share[i] = 1;
  for (int64_t turn = 0; turn < p->s->turns && !bad; turn++) bad = take_turn(p);
  if (!bad) bad = losses(p, p->F, p->now, NULL);
  int64_t rose = 0;
  if (!bad) bad = judge(p, &rose);
  if (bad) return bad;
  for (int64_t j = 0; j < size; j++)
    p->U[j] *= p->share[j / k] > 0 ? 0 : p->rho[j / k] * p->c[j / k];
  return rose ? step_down(p) : ASSAY_OK;
}

/* How many entries a row has, and its zeros' terms. */
static int32_t survey(block* p) {
  p->full = 1;
  p->start[0] = 0;
  for (int64_t i = 0; i < p->n; i++) {
    assay_line line = {sizeof line, 0, 0, NULL, NULL, NULL, 0, 0};
    const int32_t bad = p->s->tile->line(p->b->ctx, i, &line);
    if (bad) return bad;
    if (p->closed) add_zeros(p, i, &line);
    row r;
    const int32_t unread = read_row(p, i, &r);
    if (unread) return unread;
    p->full = p->full && r.idx == NULL;
    p->start[i + 1] = p->start[i] + r.n;
  }
  return ASSAY_OK;
}

static double* take(const block* p, int64_t n) {
  return p->s->host->scratch(p->b->ctx, (n > 0 ? n : 1) * (int64_t)sizeof(double));
}

/* What a block needs before its lines are known, and after. */
static int32_t reserve(block* p) {
  const int64_t n = p->n, k = p->k, size = n * k, matrix = size > k * k ? size : k * k;
  const int squares = p->closed && p->s->zero_term == ASSAY_ZERO_QUADRATIC;
  double* m = take(
      p, 4 * size + 2 * matrix + (n + 1 + (squares ? n : 0)) * k * k + 7 * n + 1 + 3 * p->length);
  p->idx = (int64_t*)take(p, p->length + n + 1);
  if (!m || !p->idx)
    return p->s->host->set_error(p->b->ctx, ASSAY_E_MEMORY, "no memory for a block");
  p->start = p->idx + p->length;
  double** const parts[] = {&p->F,   &p->U,    &p->before, &p->lin,   &p->V,   &p->T,
                            &p->rho, &p->most, &p->share,  &p->steps, &p->old, &p->now,
                            &p->x,   &p->v,    &p->g,      &p->c};
  const int64_t sizes[] = {size, size, size, size, matrix,    matrix,    n,         n,
                           n,    n,    n,    n,    p->length, p->length, p->length, n + 1};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    *parts[i] = m;
    m += sizes[i];
  }
  p->shared = m;
  p->inverse = m + k * k;
  p->bend = squares ? p->inverse + n * k * k : NULL;
  memset(p->lin, 0, (size_t)size * sizeof *p->lin);
  return ASSAY_OK;
}

/* |r| itself is rounded off within a width that falls from step to step, until it is too small to
   matter: alternating exact solutions for W and for H get stuck where each passes through as many
   entries as it has components. While it is rounded z alone is moved, without duals. */
static double width_of(const admm* s, int64_t step) {
  double w = s->absolute ? s->unit : 0;
  const double least = 1e-5 * w;
  for (int64_t t = 0; t < step && w > least; t++) w *= s->sharpen;
  return w > least ? w : 0;
}

int32_t admm_entries(void* self, const assay_block* b) {
  const admm* s = self;
  const assay_view *F = &b->arg[0], *U = &b->arg[1], *O = &b->arg[2];
  block p = {.s = s,
             .b = b,
             .n = F->rows,
             .k = F->cols,
             .length = O->rows,
             .O = O->data,
             .ldo = O->stride,
             .closed = s->closed,
             .width = width_of(s, b->step)};
  int32_t bad = reserve(&p);
  if (!bad) bad = survey(&p);
  if (bad) return bad;
  const int64_t k = p.k, entries = p.start[p.n];
  p.z = take(&p, 3 * entries);
  if (!p.z) return s->host->set_error(b->ctx, ASSAY_E_MEMORY, "no memory for a block");
  p.s_ = p.z + entries;
  p.M = p.s_ + entries;
  admm_copy(p.n, k, F->data, F->stride, p.F, k);
  admm_copy(p.n, k, F->data, F->stride, p.before, k);
  admm_copy(p.n, k, U->data, U->stride, p.U, k);
  bad = solve(&p);
  if (bad) return bad;
  admm_copy(p.n, k, p.F, k, F->data, F->stride);
  admm_copy(p.n, k, p.U, k, U->data, U->stride);
  return ASSAY_OK;
}
