/* SPDX-License-Identifier: Apache-2.0 */
/* AO-ADMM for losses without a majoriser: every observed entry of a block's lines of X gets an
   auxiliary z for the model and a dual y, which live in the block's call only; the duals u of the
   factor's rows are kept from step to step. With weights V:
     v <- (G + c I)^-1 (O'V (z + y) + c (f + u)),  G = O'V O,  c = trace(G) / k,  m = O v,
     z_j <- argmin l(x_j, z) + rho/2 (z - m_j + y_j)^2,  y <- y + z - m,
     f <- prox(v - u, 1 / (rho c)),  u <- u + f - v.
   z starts at the model and y at its optimum there, -l' / rho; rho is a mean of l''. Full lines of
   equal weight share one G. The scalar problems have a closed form for kl; else secants and
   bisections within brackets. A row whose objective would rise takes a proximal gradient step
   instead, halved until it does not. Cost per step: 8 n d k flops a turn.
   Huang, Sidiropoulos and Liavas 2016, sec. III-B. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "admm.h"

enum { SPAN = 1024, SECANTS = 60, HALVINGS = 40 };

typedef struct {
  int64_t n, k, length;
  const double *O, *G; /* length x k, ldo apart; k x k, ldg apart */
  int64_t ldo, ldg;
  double *F, *U, *V, *T, *before, *steps; /* n x k, dense; steps: n */
  double *shared, *inverse; /* k x k: of G where full lines share it; of a row's own, n of them */
  double* M;                /* n x length: the model, then right sides */
  double *x, *v, *z, *y;    /* observed entries of all rows, n x length */
  int64_t *idx, *count;     /* their places; how many there are in a row */
  double *rho, *c, *most, *share, *old, *now; /* n: see set_out and prox; objectives */
  int64_t* own;                               /* n: a row has a G of its own */
  double *g, *lo, *hi;                        /* SPAN each */
} block;

static double clip(double v, double lower, double upper) {
  v = v > lower ? v : lower;
  return v < upper ? v : upper;
}

/* M = F O' */
static void model(const admm* s, const block* p, const double* F) {
  s->la->gemm(0, 1, p->n, p->length, p->k, 1, F, p->k, p->O, p->ldo, 0, p->M, p->length);
}

/* The block's observed entries; unstored zeros have the weights of their row and column. */
static int32_t read_lines(const admm* s, const assay_block* b, block* p) {
  const assay_view *own = &b->arg[4], *other = &b->arg[5];
  for (int64_t i = 0; i < p->n; i++) {
    assay_line line = {sizeof line, 0, 0, NULL, NULL, NULL, 0, 0};
    const int32_t bad = s->tile->line(b->ctx, i, &line);
    if (bad) return bad;
    const int64_t at = i * p->length;
    int64_t n = 0, e = 0;
    for (int64_t j = 0; j < p->length; j++) {
      const int stored = e < line.n && (!line.idx || line.idx[e] == j);
      if (!stored && !line.zeros) continue;
      if (stored && line.w && line.w[e] == 0) { /* hidden, said so among zeros */
        e++;
        continue;
      }
      p->idx[at + n] = j;
      p->x[at + n] = stored ? line.x[e] : 0;
      p->v[at + n] = stored ? (line.w ? line.w[e] : 1)
                            : ((const double*)own->data)[i * own->stride] *
                                  ((const double*)other->data)[j * other->stride];
      n++;
      e += stored;
    }
    p->count[i] = n;
  }
  return ASSAY_OK;
}

/* Loss and penalties of every row at F; the gradient v l' of every observed entry goes to y. A
   row's penalty is what it adds to those of the rows above it. */
static int32_t objective(const admm* s,
                         const assay_block* b,
                         const block* p,
                         double* F,
                         double* out) {
  assay_view above = {F, 0, p->k, p->k, 0, ASSAY_F64, 0};
  double before = 0;
  model(s, p, F);
  for (int64_t i = 0; i < p->n; i++) {
    double penalty = 0, sum = 0;
    above.rows = i + 1;
    int32_t bad = s->penalties->value(b->ctx, b->tag, &above, &penalty);
    for (int64_t e = i * p->length, left = p->count[i]; left > 0 && !bad; e += SPAN, left -= SPAN) {
      const int64_t n = left < SPAN ? left : SPAN;
      for (int64_t j = 0; j < n; j++)
        p->lo[j] = clip(p->M[i * p->length + p->idx[e + j]], s->m_lo, s->m_hi);
      bad = s->loss->value(b->ctx, n, p->x + e, p->lo, p->g);
      if (!bad) bad = s->loss->grad(b->ctx, n, p->x + e, p->lo, p->y + e);
      for (int64_t j = 0; j < n && !bad; j++) {
        sum += p->v[e + j] * p->g[j];
        p->y[e + j] *= p->v[e + j];
      }
    }
    if (bad) return bad;
    out[i] = sum + (penalty - before);
    before = penalty;
  }
  return ASSAY_OK;
}

/* z at the model, y = -v l' / rho. rho is three times the mean of l'' there (what ended soonest on
   counts), weighted by m^2 so that entries near a border of the domain do not rule, and by
   differences of the gradient, which every loss has. Nor may a slope that grows without bound at
   the border: y stays below ten times what x and the model are. */
static int32_t set_out(const admm* s, const assay_block* b, const block* p) {
  for (int64_t i = 0; i < p->n; i++) {
    const int64_t at = i * p->length;
    double bend = 0, size = 0, square = 0, weight = 0;
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
        const double v = p->v[at + e + j], far = p->hi[j] - z[j];
        const double rise = v * p->g[j] - p->y[at + e + j];
        square += v * (z[j] * z[j] + p->x[at + e + j] * p->x[at + e + j]);
        weight += v;
        if (!(far > 0 && isfinite(rise))) continue;
        bend += fabs(rise) / far * z[j] * z[j];
        size += v * z[j] * z[j];
      }
    }
    p->rho[i] = clip(size > 0 ? 3 * bend / size : 1, 1e-100, 1e100);
    p->most[i] = weight > 0 ? 10 * __builtin_sqrt(square / weight) : 0;
    for (int64_t e = at; e < at + p->count[i]; e++)
      p->y[e] = clip(-p->y[e] / (p->v[e] * p->rho[i]), -p->most[i], p->most[i]);
  }
  return ASSAY_OK;
}

/* z <- root of l'(x, z) + rho (z - to) = 0. The sign at a point says on which side the root lies;
   where l is convex, or l' is 0 there, it is at most |slope| / rho away. */
static int32_t solve_span(const admm* s,
                          const assay_block* b,
                          const block* p,
                          int64_t n,
                          const double* x,
                          const double* to,
                          double rho,
                          double* z) {
  if (s->kl) { /* rho z^2 + (1 - rho to) z = x */
    for (int64_t j = 0; j < n; j++) {
      const double half = 0.5 * (to[j] - 1 / rho), rest = x[j] / rho;
      const double root = __builtin_sqrt(half * half + rest);
      const double at = half > 0 ? half + root : rest > 0 ? rest / (root - half) : 0;
      z[j] = clip(at, s->m_lo, s->m_hi);
    }
    return ASSAY_OK;
  }
  double before[SPAN], slope[SPAN];
  for (int64_t j = 0; j < n; j++) {
    p->lo[j] = s->m_lo, p->hi[j] = s->m_hi;
    before[j] = slope[j] = NAN;
    if (s->m_lo > -INFINITY && x[j] > s->m_lo && x[j] < s->m_hi)
      z[j] = x[j]; /* divergences: l' = 0 */
  }
  for (int turn = 0; turn < SECANTS; turn++) {
    const int32_t bad = s->loss->grad(b->ctx, n, x, z, p->g);
    if (bad) return bad;
    double moved = 0;
    for (int64_t j = 0; j < n; j++) {
      const double now = p->g[j] + rho * (z[j] - to[j]), far = z[j] - now / rho;
      const int near = s->convex || p->g[j] == 0;
      double *here = now > 0 ? p->hi + j : p->lo + j, *there = now > 0 ? p->lo + j : p->hi + j;
      *here = z[j];
      if (near && far > p->lo[j] && far < p->hi[j]) *there = far;
      double next = z[j] - now * (z[j] - before[j]) / (now - slope[j]);
      if (turn % 3 == 2 || !(next > p->lo[j] && next < p->hi[j]))
        next = isfinite(p->lo[j] + p->hi[j]) ? 0.5 * (p->lo[j] + p->hi[j]) : far;
      if (now == 0 || !isfinite(next)) next = z[j];
      before[j] = z[j];
      slope[j] = now;
      const double step = fabs(next - z[j]) / (fabs(z[j]) + DBL_MIN);
      moved = step > moved ? step : moved;
      z[j] = clip(next, s->m_lo, s->m_hi);
    }
    if (moved < 1e-9) break;
  }
  return ASSAY_OK;
}

static int32_t prox(const admm* s, const assay_block* b, const block* p) {
  assay_view view = {p->F, p->n, p->k, p->k, 0, ASSAY_F64, 0};
  for (int64_t i = 0; i < p->n; i++) p->steps[i] = p->share[i] / (p->rho[i] * p->c[i]);
  return s->penalties->prox_rows(b->ctx, b->tag, &view, p->steps);
}

static int32_t take_turns(const admm* s, const assay_block* b, const block* p) {
  const int64_t size = p->n * p->k, length = p->length;
  double to[SPAN];
  for (int64_t turn = 0; turn < s->turns; turn++) {
    memset(p->M, 0, (size_t)(p->n * length) * sizeof *p->M);
    for (int64_t i = 0; i < p->n; i++)
      for (int64_t e = i * length; e < i * length + p->count[i]; e++)
        p->M[i * length + p->idx[e]] = p->v[e] * (p->z[e] + p->y[e]);
    for (int64_t j = 0; j < size; j++) p->T[j] = p->c[j / p->k] * (p->F[j] + p->U[j]);
    s->la->gemm(0, 0, p->n, p->k, length, 1, p->M, length, p->O, p->ldo, 1, p->T, p->k);
    for (int64_t i = 0; i < p->n; i++)
      s->la->gemm(0, 0, 1, p->k, p->k, 1, p->T + i * p->k, p->k,
                  p->own[i] ? p->inverse + i * p->k * p->k : p->shared, p->k, 0, p->V + i * p->k,
                  p->k);
    model(s, p, p->V);
    for (int64_t i = 0; i < p->n; i++)
      for (int64_t e = i * length; e < i * length + p->count[i]; e += SPAN) {
        const int64_t left = i * length + p->count[i] - e, n = left < SPAN ? left : SPAN;
        for (int64_t j = 0; j < n; j++) to[j] = p->M[i * length + p->idx[e + j]] - p->y[e + j];
        const int32_t bad = solve_span(s, b, p, n, p->x + e, to, p->rho[i], p->z + e);
        if (bad) return bad;
        for (int64_t j = 0; j < n; j++) p->y[e + j] = p->z[e + j] - to[j];
      }
    for (int64_t j = 0; j < size; j++) p->F[j] = p->V[j] - p->U[j];
    const int32_t bad = prox(s, b, p);
    if (bad) return bad;
    for (int64_t j = 0; j < size; j++) p->U[j] += p->F[j] - p->V[j];
  }
  return ASSAY_OK;
}

/* Rows that rose: f = prox(before - step slope, step), the step halved until they do not; their
 * duals start anew. */
static int32_t step_down(const admm* s, const assay_block* b, const block* p) {
  const int64_t k = p->k, length = p->length;
  int32_t bad = objective(s, b, p, p->before, p->now);
  if (bad) return bad;
  memset(p->M, 0, (size_t)(p->n * length) * sizeof *p->M);
  for (int64_t i = 0; i < p->n; i++)
    for (int64_t e = i * length; e < i * length + p->count[i]; e++)
      p->M[i * length + p->idx[e]] =
          clip(p->y[e], -p->v[e] * p->rho[i] * p->most[i], p->v[e] * p->rho[i] * p->most[i]);
  s->la->gemm(0, 0, p->n, k, length, 1, p->M, length, p->O, p->ldo, 0, p->V, k);
  /* T keeps rows that are settled while the others try. */
  for (int t = 0; t < HALVINGS; t++) {
    for (int64_t j = 0; j < p->n * k; j++)
      p->F[j] = p->before[j] - p->share[j / k] / (p->rho[j / k] * p->c[j / k]) * p->V[j];
    bad = prox(s, b, p);
    if (!bad) bad = objective(s, b, p, p->F, p->now);
    if (bad) return bad;
    int64_t left = 0;
    for (int64_t i = 0; i < p->n; i++) {
      if (p->share[i] == 0) continue;
      if (p->now[i] <= p->old[i]) {
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
  return ASSAY_OK;
}

/* c and (G + c I)^-1 of every row; T and V are scratch. */
static int32_t prepare(const admm* s, block* p) {
  const int64_t k = p->k, length = p->length;
  const double c = admm_mean_diagonal(k, p->G, p->ldg);
  int32_t bad = admm_invert(s, k, p->G, p->ldg, c, p->V, p->shared);
  for (int64_t i = 0; i < p->n && !bad; i++) {
    const int64_t at = i * length;
    p->own[i] = p->count[i] < length;
    for (int64_t e = at; e < at + p->count[i]; e++) p->own[i] |= p->v[e] != 1;
    p->c[i] = c;
    if (!p->own[i]) continue;
    double* G = p->T;
    memset(G, 0, (size_t)(k * k) * sizeof *G);
    for (int64_t e = at; e < at + p->count[i]; e++) {
      const double* o = p->O + p->idx[e] * p->ldo;
      for (int64_t a = 0; a < k; a++)
        for (int64_t h = 0; h < k; h++) G[a * k + h] += p->v[e] * o[a] * o[h];
    }
    p->c[i] = admm_mean_diagonal(k, G, k);
    bad = admm_invert(s, k, G, k, p->c[i], p->V, p->inverse + i * k * k);
  }
  return bad;
}

static int32_t solve(const admm* s, const assay_block* b, block* p) {
  const int64_t k = p->k, size = p->n * k;
  int32_t bad = read_lines(s, b, p);
  if (!bad) bad = objective(s, b, p, p->before, p->old);
  if (!bad) bad = set_out(s, b, p);
  if (!bad) bad = prepare(s, p);
  if (bad) return bad;
  for (int64_t j = 0; j < size; j++) p->U[j] /= p->rho[j / k] * p->c[j / k];
  for (int64_t i = 0; i < p->n; i++) p->share[i] = 1;
  bad = take_turns(s, b, p);
  if (!bad) bad = objective(s, b, p, p->F, p->now);
  if (bad) return bad;
  int64_t rose = 0;
  for (int64_t i = 0; i < p->n; i++) {
    const int worse = p->now[i] > p->old[i];
    p->share[i] = worse;
    rose += worse;
    memcpy(p->T + i * k, (worse ? p->before : p->F) + i * k, (size_t)k * sizeof *p->T);
    if (worse) memset(p->U + i * k, 0, (size_t)k * sizeof *p->U);
  }
  for (int64_t j = 0; j < size; j++) p->U[j] *= p->rho[j / k] * p->c[j / k];
  return rose ? step_down(s, b, p) : ASSAY_OK;
}

int32_t admm_entries(void* self, const assay_block* b) {
  const admm* s = self;
  const assay_view *F = &b->arg[0], *U = &b->arg[1], *O = &b->arg[2], *G = &b->arg[3];
  const int64_t k = F->cols, n = F->rows, length = O->rows, size = n * k, all = n * length;
  const int64_t matrix = size > k * k ? size : k * k; /* V and T hold a k x k matrix first */
  const int64_t total = 3 * size + 2 * matrix + (n + 1) * k * k + 6 * all + 9 * n + 3 * SPAN;
  double* m = s->host->scratch(b->ctx, total * (int64_t)sizeof(double));
  if (!m) return s->host->set_error(b->ctx, ASSAY_E_MEMORY, "no memory for a block");
  block p = {.n = n,
             .k = k,
             .length = length,
             .O = O->data,
             .G = G->data,
             .ldo = O->stride,
             .ldg = G->stride};
  const struct {
    double** part;
    int64_t size;
  } parts[] = {{&p.F, size},
               {&p.U, size},
               {&p.before, size},
               {&p.V, matrix},
               {&p.T, matrix},
               {&p.shared, k * k},
               {&p.inverse, n * k * k},
               {&p.M, all},
               {&p.x, all},
               {&p.v, all},
               {&p.z, all},
               {&p.y, all},
               {&p.rho, n},
               {&p.c, n},
               {&p.most, n},
               {&p.steps, n},
               {&p.share, n},
               {&p.old, n},
               {&p.now, n},
               {&p.g, SPAN},
               {&p.lo, SPAN},
               {&p.hi, SPAN}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    *parts[i].part = m;
    m += parts[i].size;
  }
  p.idx = (int64_t*)m;
  p.count = p.idx + all;
  p.own = p.count + n;
  admm_copy(n, k, F->data, F->stride, p.F, k);
  admm_copy(n, k, F->data, F->stride, p.before, k);
  admm_copy(n, k, U->data, U->stride, p.U, k);
  const int32_t bad = solve(s, b, &p);
  if (bad) return bad;
  admm_copy(n, k, p.F, k, F->data, F->stride);
  admm_copy(n, k, p.U, k, U->data, U->stride);
  return ASSAY_OK;
}
