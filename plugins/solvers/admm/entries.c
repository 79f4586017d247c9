/* SPDX-License-Identifier: Apache-2.0 */
/* AO-ADMM for losses without a majoriser: every entry of a block's lines of X gets an auxiliary z
   for the model and a dual y, which live in the block's call only; the duals u of the factor's rows
   are kept. v <- (O'O + c I)^-1 (O'(z + y) + c (f + u)),  m = O v,  z_j <- argmin l(x_j, z) + rho/2
   (z - m_j + y_j)^2, f <- prox(v - u, 1 / (rho c)),  y <- y + z - m,  u <- u + f - v,  c =
   trace(O'O) / k, rho = mean of l'' Hidden entries have z = m, so one inverse serves all rows. z
   starts at the model and y at its optimum there, -l' / rho. The scalar problems are solved by
   secants within brackets. A block whose objective would rise takes a proximal gradient step
   instead, halved until it falls. Huang, Sidiropoulos and Liavas 2016, sec. III-B. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "admm.h"

enum { SPAN = 1024, SECANTS = 10, HALVINGS = 40 };

typedef struct {
  int64_t n, k, length;
  const double *O, *G; /* length x k, ldo apart; k x k, ldg apart */
  int64_t ldo, ldg;
  double c;
  double *F, *U, *V, *T, *before, *steps; /* n x k, dense; steps: n */
  double* inverse;                        /* k x k */
  double* M;                              /* n x length: the model, then right sides */
  double *x, *v, *z, *y;                  /* observed entries of all rows, n x length */
  int64_t *idx, *count;                   /* their places; how many there are in a row */
  double* rho;                            /* n */
  double *g, *lo, *hi;                    /* SPAN each */
} block;

static double clip(double v, double lower, double upper) {
  v = v > lower ? v : lower;
  return v < upper ? v : upper;
}

/* M = F O' */
static void model(const admm* s, const block* p, const double* F) {
  s->la->gemm(0, 1, p->n, p->length, p->k, 1, F, p->k, p->O, p->ldo, 0, p->M, p->length);
}

/* The block's observed entries; unobserved places are left out of everything but the products. */
static int32_t read_lines(const admm* s, const assay_block* b, block* p) {
  for (int64_t i = 0; i < p->n; i++) {
    assay_line line = {sizeof line, 0, 0, NULL, NULL, NULL, 0, 0};
    const int32_t bad = s->tile->line(b->ctx, i, &line);
    if (bad) return bad;
    const int64_t at = i * p->length;
    int64_t n = 0, e = 0;
    for (int64_t j = 0; j < p->length; j++) {
      const int stored = e < line.n && (!line.idx || line.idx[e] == j);
      if (!stored && !line.zeros) continue;
      p->idx[at + n] = j;
      p->x[at + n] = stored ? line.x[e] : 0;
      p->v[at + n] = stored && line.w ? line.w[e] : 1;
      n++;
      e += stored;
    }
    p->count[i] = n;
  }
  return ASSAY_OK;
}

/* Loss at F over the block plus its penalties; the gradient v l' of every observed entry goes to y.
 */
static int32_t objective(const admm* s,
                         const assay_block* b,
                         const block* p,
                         double* F,
                         double* out) {
  const assay_view view = {F, p->n, p->k, p->k, 0, ASSAY_F64, 0};
  double sum = 0;
  int32_t bad = s->penalties->value(b->ctx, b->tag, &view, &sum);
  if (bad) return bad;
  model(s, p, F);
  for (int64_t i = 0; i < p->n; i++) {
    const int64_t at = i * p->length;
    for (int64_t e = 0; e < p->count[i]; e += SPAN) {
      const int64_t n = p->count[i] - e < SPAN ? p->count[i] - e : SPAN;
      double* y = p->y + at + e;
      for (int64_t j = 0; j < n; j++)
        p->lo[j] = clip(p->M[at + p->idx[at + e + j]], s->m_lo, s->m_hi);
      bad = s->loss->value(b->ctx, n, p->x + at + e, p->lo, p->g);
      if (!bad) bad = s->loss->grad(b->ctx, n, p->x + at + e, p->lo, y);
      if (bad) return bad;
      for (int64_t j = 0; j < n; j++) {
        sum += p->v[at + e + j] * p->g[j];
        y[j] *= p->v[at + e + j];
      }
    }
  }
  *out = sum;
  return ASSAY_OK;
}

/* z at the model, rho the mean curvature there (by differences of the gradient, which every loss
 * has), y = -v l' / rho. */
static int32_t set_out(const admm* s, const assay_block* b, const block* p) {
  for (int64_t i = 0; i < p->n; i++) {
    const int64_t at = i * p->length;
    double bend = 0, size = 0;
    for (int64_t e = 0; e < p->count[i]; e += SPAN) {
      const int64_t n = p->count[i] - e < SPAN ? p->count[i] - e : SPAN;
      double* z = p->z + at + e;
      for (int64_t j = 0; j < n; j++) {
        z[j] = clip(p->M[at + p->idx[at + e + j]], s->m_lo, s->m_hi);
        p->hi[j] =
            clip(z[j] + 1e-6 * (fabs(z[j]) + 1e-3 * fabs(p->x[at + e + j])), s->m_lo, s->m_hi);
      }
      const int32_t bad = s->loss->grad(b->ctx, n, p->x + at + e, p->hi, p->g);
      if (bad) return bad;
      for (int64_t j = 0; j < n; j++) {
        const double far = p->hi[j] - z[j], rise = p->v[at + e + j] * p->g[j] - p->y[at + e + j];
        if (far > 0 && isfinite(rise)) bend += fabs(rise) / far, size += 1;
      }
    }
    const double rho = size > 0 ? bend / size : 1;
    p->rho[i] = clip(rho, 1e-100, 1e100);
    for (int64_t e = at; e < at + p->count[i]; e++) p->y[e] = -p->y[e] / p->rho[i];
  }
  return ASSAY_OK;
}

/* z <- root of v l'(x, z) + rho (z - to): the sign at z says on which side it lies, and where l is
   convex at most |slope| / rho away. */
static int32_t solve_span(const admm* s,
                          const assay_block* b,
                          const block* p,
                          int64_t n,
                          const double* x,
                          const double* v,
                          const double* to,
                          double rho,
                          double* z) {
  for (int64_t j = 0; j < n; j++) p->lo[j] = s->m_lo, p->hi[j] = s->m_hi;
  double before[SPAN], slope[SPAN];
  for (int turn = 0; turn < SECANTS; turn++) {
    const int32_t bad = s->loss->grad(b->ctx, n, x, z, p->g);
    if (bad) return bad;
    double moved = 0;
    for (int64_t j = 0; j < n; j++) {
      const double now = v[j] * p->g[j] + rho * (z[j] - to[j]);
      double next = z[j] - now / rho;
      if (now > 0) {
        p->hi[j] = z[j];
        if (s->convex && next > p->lo[j]) p->lo[j] = next;
      } else {
        p->lo[j] = z[j];
        if (s->convex && next < p->hi[j]) p->hi[j] = next;
      }
      /* A secant through the last two slopes; the middle of the bracket where that leaves it. */
      if (turn > 0 && slope[j] != now) next = z[j] - now * (z[j] - before[j]) / (now - slope[j]);
      if (!(next > p->lo[j] && next < p->hi[j])) next = 0.5 * (p->lo[j] + p->hi[j]);
      if (!isfinite(next) || now == 0) next = z[j];
      before[j] = z[j];
      slope[j] = now;
      const double step = fabs(next - z[j]) / (fabs(z[j]) + DBL_MIN);
      moved = step > moved ? step : moved;
      z[j] = next;
    }
    if (moved < 1e-9) break;
  }
  return ASSAY_OK;
}

static int32_t prox(const admm* s, const assay_block* b, const block* p, double* F, double share) {
  assay_view view = {F, p->n, p->k, p->k, 0, ASSAY_F64, 0};
  for (int64_t i = 0; i < p->n; i++) p->steps[i] = share / (p->rho[i] * p->c);
  return s->penalties->prox_rows(b->ctx, b->tag, &view, p->steps);
}

static int32_t take_turns(const admm* s, const assay_block* b, const block* p) {
  const int64_t size = p->n * p->k, length = p->length;
  double to[SPAN];
  for (int64_t turn = 0; turn < s->turns; turn++) {
    for (int64_t i = 0; i < p->n; i++) /* z + y, the model where nothing is observed */
      for (int64_t e = i * length; e < i * length + p->count[i]; e++)
        p->M[i * length + p->idx[e]] = p->z[e] + p->y[e];
    for (int64_t j = 0; j < size; j++) p->T[j] = p->c * (p->F[j] + p->U[j]);
    s->la->gemm(0, 0, p->n, p->k, length, 1, p->M, length, p->O, p->ldo, 1, p->T, p->k);
    s->la->gemm(0, 0, p->n, p->k, p->k, 1, p->T, p->k, p->inverse, p->k, 0, p->V, p->k);
    model(s, p, p->V);
    for (int64_t i = 0; i < p->n; i++)
      for (int64_t e = i * length; e < i * length + p->count[i]; e += SPAN) {
        const int64_t left = i * length + p->count[i] - e, n = left < SPAN ? left : SPAN;
        for (int64_t j = 0; j < n; j++) to[j] = p->M[i * length + p->idx[e + j]] - p->y[e + j];
        const int32_t bad = solve_span(s, b, p, n, p->x + e, p->v + e, to, p->rho[i], p->z + e);
        if (bad) return bad;
        for (int64_t j = 0; j < n; j++) p->y[e + j] = p->z[e + j] - to[j];
      }
    for (int64_t j = 0; j < size; j++) p->F[j] = p->V[j] - p->U[j];
    const int32_t bad = prox(s, b, p, p->F, 1);
    if (bad) return bad;
    for (int64_t j = 0; j < size; j++) p->U[j] += p->F[j] - p->V[j];
  }
  return ASSAY_OK;
}

/* F = prox(before - step slope, step), the step halved until the objective is not above `old`;
 * duals start anew. */
static int32_t step_down(const admm* s, const assay_block* b, const block* p, double old) {
  const int64_t size = p->n * p->k, length = p->length;
  double value = 0, share = 1;
  int32_t bad = objective(s, b, p, p->before, &value);
  if (bad) return bad;
  memset(p->M, 0, (size_t)(p->n * length) * sizeof *p->M);
  for (int64_t i = 0; i < p->n; i++)
    for (int64_t e = i * length; e < i * length + p->count[i]; e++)
      p->M[i * length + p->idx[e]] = p->y[e];
  s->la->gemm(0, 0, p->n, p->k, length, 1, p->M, length, p->O, p->ldo, 0, p->V, p->k);
  memset(p->U, 0, (size_t)size * sizeof *p->U);
  for (int t = 0; t < HALVINGS; t++, share *= 0.5) {
    for (int64_t j = 0; j < size; j++)
      p->F[j] = p->before[j] - share / (p->rho[j / p->k] * p->c) * p->V[j];
    bad = prox(s, b, p, p->F, share);
    if (!bad) bad = objective(s, b, p, p->F, &value);
    if (bad || value <= old) return bad;
  }
  memcpy(p->F, p->before, (size_t)size * sizeof *p->F);
  return ASSAY_OK;
}

static int32_t solve(const admm* s, const assay_block* b, block* p) {
  double old = 0, now = 0;
  int32_t bad = read_lines(s, b, p);
  if (!bad) bad = objective(s, b, p, p->before, &old);
  if (!bad) bad = set_out(s, b, p);
  if (!bad) bad = admm_invert(s, p->k, p->G, p->ldg, p->c, p->V, p->inverse);
  if (bad) return bad;
  for (int64_t j = 0; j < p->n * p->k; j++) p->U[j] /= p->rho[j / p->k] * p->c;
  bad = take_turns(s, b, p);
  if (!bad) bad = objective(s, b, p, p->F, &now);
  if (!bad && !(now <= old)) bad = step_down(s, b, p, old);
  for (int64_t j = 0; j < p->n * p->k; j++) p->U[j] *= p->rho[j / p->k] * p->c;
  return bad;
}

int32_t admm_entries(void* self, const assay_block* b) {
  const admm* s = self;
  const assay_view *F = &b->arg[0], *U = &b->arg[1], *O = &b->arg[2], *G = &b->arg[3];
  const int64_t k = F->cols, n = F->rows, length = O->rows, size = n * k, all = n * length;
  const int64_t factor = size > k * k ? size : k * k; /* V holds a k x k factor first */
  const int64_t total = 4 * size + factor + k * k + 6 * all + 3 * n + 3 * SPAN;
  double* m = s->host->scratch(b->ctx, total * (int64_t)sizeof(double));
  if (!m) return s->host->set_error(b->ctx, ASSAY_E_MEMORY, "no memory for a block");
  block p = {.n = n,
             .k = k,
             .length = length,
             .O = O->data,
             .G = G->data,
             .ldo = O->stride,
             .ldg = G->stride,
             .c = admm_mean_diagonal(k, G->data, G->stride)};
  double** const parts[] = {&p.F, &p.U, &p.T, &p.before};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++, m += size) *parts[i] = m;
  p.V = m, m += factor;
  p.inverse = m, m += k * k;
  double** const entries[] = {&p.M, &p.x, &p.v, &p.z, &p.y};
  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++, m += all) *entries[i] = m;
  p.idx = (int64_t*)m, m += all;
  p.count = (int64_t*)m, m += n;
  p.rho = m, m += n;
  p.steps = m, m += n;
  p.g = m;
  p.lo = m + SPAN;
  p.hi = m + 2 * SPAN;
  admm_copy(n, k, F->data, F->stride, p.F, k);
  admm_copy(n, k, F->data, F->stride, p.before, k);
  admm_copy(n, k, U->data, U->stride, p.U, k);
  const int32_t bad = solve(s, b, &p);
  if (bad) return bad;
  admm_copy(n, k, p.F, k, F->data, F->stride);
  admm_copy(n, k, p.U, k, U->data, U->stride);
  return ASSAY_OK;
}
