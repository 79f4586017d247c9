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

#include "lines.h"
#include "scalar.h"

enum { HALVINGS = 40, GROUPS = 16 };

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
static int32_t set_out(const admm_block* p, int64_t i, const admm_row* r) {
  const admm* s = p->s;
  double *m = p->M + p->start[i], *z = p->z + p->start[i], *to = p->s_ + p->start[i];
  double bend = 0, size = 0, square = 0, weight = 0, roots = 0;
  for (int64_t e = 0; e < r->n; e++) {
    z[e] = admm_clip(m[e], s->m_lo, s->m_hi);
    square += r->v[e] * (z[e] * z[e] + r->x[e] * r->x[e]);
    roots += r->v[e] * __builtin_sqrt(fabs(z[e] - r->x[e]));
    weight += r->v[e];
  }
  p->most[i] = weight > 0 ? 10 * __builtin_sqrt(square / weight) : 0;
  if (r->n == 0) { /* as far as f is long */
    const double slope = norm(p->k, p->lin + i * p->k), far = norm(p->k, p->F + i * p->k);
    p->rho[i] = admm_clip(slope > 0 && far > 0 ? slope / far : 1, 1e-100, 1e100);
    return ASSAY_OK;
  }
  if (s->absolute) {
    roots /= weight;
    const double width = p->width > 0 ? p->width : roots * roots;
    p->rho[i] = admm_clip(width > 0 ? 1 / width : 1, 1e-100, 1e100);
    memcpy(to, z, (size_t)r->n * sizeof *z);
    return admm_scalars(s, p->b->ctx, r->n, r->x, to, p->rho[i], z);
  }
  int32_t bad = admm_spans(s->loss->grad, p->b->ctx, r->n, r->x, z, to);
  if (bad) return bad;
  for (int64_t e = 0; e < r->n; e++)
    m[e] = admm_clip(z[e] + 1e-6 * (fabs(z[e]) + 1e-3 * fabs(r->x[e])), s->m_lo, s->m_hi);
  bad = admm_spans(s->loss->grad, p->b->ctx, r->n, r->x, m, p->g);
  if (bad) return bad;
  for (int64_t e = 0; e < r->n; e++) {
    const double far = m[e] - z[e], rise = r->v[e] * (p->g[e] - to[e]);
    if (!(far > 0 && isfinite(rise))) continue;
    bend += fabs(rise) / far * z[e] * z[e];
    size += r->v[e] * z[e] * z[e];
  }
  p->rho[i] = admm_clip(size > 0 ? 3 * bend / size : 1, 1e-100, 1e100);
  for (int64_t e = 0; e < r->n; e++)
    to[e] = z[e] + admm_clip(to[e] / p->rho[i], -p->most[i], p->most[i]);
  return ASSAY_OK;
}

/* c and (G + c I)^-1 of a row; the zeros' square is in units of rho. T and V are scratch. */
static int32_t equations(const admm_block* p, int64_t i, const admm_row* r) {
  const int64_t k = p->k;
  const admm* s = p->s;
  int own = p->bend != NULL || !p->full;
  for (int64_t e = 0; e < r->n && !own; e++)
    own = r->v[e] != 1 || admm_weight_of(&p->b->arg[6], e) != 1;
  if (!own) {
    p->c[i] = p->c[p->n];
    memcpy(p->inverse + i * k * k, p->shared, (size_t)(k * k) * sizeof *p->shared);
    return ASSAY_OK;
  }
  double* G = p->T;
  memset(G, 0, (size_t)(k * k) * sizeof *G);
  admm_pull_squares(r->n, r->idx, k, p->O, p->ldo, r->v, G);
  for (int64_t h = 0; h < k * k && p->bend; h++) G[h] += p->bend[i * k * k + h] / p->rho[i];
  p->c[i] = admm_mean_diagonal(k, G, k);
  return admm_invert(s, k, G, k, p->c[i], p->V, p->inverse + i * k * k);
}

static int32_t prepare(const admm_block* p) {
  const assay_view* G = &p->b->arg[4];
  const int64_t k = p->k;
  p->c[p->n] = admm_mean_diagonal(k, G->data, G->stride);
  int32_t bad = admm_invert(p->s, k, G->data, G->stride, p->c[p->n], p->V, p->shared);
  for (int64_t i = 0; i < p->n && !bad; i++) {
    admm_row r;
    bad = admm_read_row(p, i, &r);
    if (!bad) bad = set_out(p, i, &r); /* M: from admm_losses() at F */
    if (!bad) bad = equations(p, i, &r);
  }
  return bad;
}

static int32_t prox(const admm_block* p) {
  assay_view view = {p->F, p->n, p->k, p->k, 0, ASSAY_F64, 0};
  for (int64_t i = 0; i < p->n; i++) p->steps[i] = p->share[i] / (p->rho[i] * p->c[i]);
  return p->s->penalties->prox_rows(p->b->ctx, p->b->tag, &view, p->steps);
}

/* V of row i: its right side is in T. */
static void solve_row(const admm_block* p, int64_t i) {
  const int64_t k = p->k;
  admm_dots(k, NULL, k, p->inverse + i * k * k, k, p->T + i * k, p->V + i * k);
}

static int32_t take_turn(const admm_block* p) {
  const int64_t k = p->k, size = p->n * k;
  for (int64_t j = 0; j < size; j++)
    p->T[j] = p->c[j / k] * (p->F[j] + p->U[j]) - p->lin[j] / p->rho[j / k];
  admm_row r;
  for (int64_t i = 0; i < p->n; i++) {
    const int32_t bad = admm_read_row(p, i, &r);
    if (bad) return bad;
    const double *z = p->z + p->start[i], *to = p->s_ + p->start[i];
    double* q = p->M + p->start[i];
    for (int64_t e = 0; e < r.n; e++) q[e] = r.v[e] * (p->width > 0 ? z[e] : 2 * z[e] - to[e]);
    if (!p->full) admm_pull(r.n, r.idx, k, p->O, p->ldo, q, p->T + i * k);
  }
  if (p->full)
    p->s->la->gemm(0, 0, p->n, k, p->length, 1, p->M, p->length, p->O, p->ldo, 1, p->T, k);
  for (int64_t i = 0; i < p->n; i++) solve_row(p, i);
  admm_model(p, p->V);
  for (int64_t i = 0; i < p->n; i++) {
    int32_t bad = admm_read_row(p, i, &r);
    if (bad) return bad;
    double *z = p->z + p->start[i], *to = p->s_ + p->start[i];
    const double* m = admm_row_model(p, &r, i, p->V + i * k);
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
static int32_t step_down(const admm_block* p) {
  const int64_t k = p->k;
  memcpy(p->T, p->F, (size_t)(p->n * k) * sizeof *p->T);
  for (int64_t i = 0; i < p->n; i++)
    if (p->share[i] > 0) memcpy(p->T + i * k, p->before + i * k, (size_t)k * sizeof *p->T);
  int32_t bad = admm_losses(p, p->before, p->old, p->V);
  for (int t = 0; t < HALVINGS && !bad; t++) {
    for (int64_t j = 0; j < p->n * k; j++)
      p->F[j] = p->before[j] - p->share[j / k] / (p->rho[j / k] * p->c[j / k]) * p->V[j];
    bad = prox(p);
    if (!bad) bad = admm_losses(p, p->F, p->now, NULL);
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
static int32_t penalty_above(const admm_block* p, double* F, int64_t rows, double* out) {
  const assay_view above = {F, rows, p->k, p->k, 0, ASSAY_F64, 0};
  *out = 0;
  return p->s->penalties->value(p->b->ctx, p->b->tag, &above, out);
}

/* Shares of 1 for the rows of groups whose objective rose, else 0. */
static int32_t judge(const admm_block* p, int64_t* rose) {
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

static int32_t solve(const admm_block* p) {
  const int64_t k = p->k, size = p->n * k;
  int32_t bad = admm_losses(p, p->before, p->old, NULL);
  if (!bad) bad = prepare(p);
  if (bad) return bad;
  for (int64_t j = 0; j < size; j++) p->U[j] /= p->rho[j / k] * p->c[j / k];
  for (int64_t i = 0; i < p->n; i++) p->share[i] = 1;
  for (int64_t turn = 0; turn < p->s->turns && !bad; turn++) bad = take_turn(p);
  if (!bad) bad = admm_losses(p, p->F, p->now, NULL);
  int64_t rose = 0;
  if (!bad) bad = judge(p, &rose);
  if (bad) return bad;
  for (int64_t j = 0; j < size; j++)
    p->U[j] *= p->share[j / k] > 0 ? 0 : p->rho[j / k] * p->c[j / k];
  return rose ? step_down(p) : ASSAY_OK;
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
  admm_block p = {.s = s,
                  .b = b,
                  .n = F->rows,
                  .k = F->cols,
                  .length = O->rows,
                  .O = O->data,
                  .ldo = O->stride,
                  .closed = s->closed,
                  .width = width_of(s, b->step)};
  int32_t bad = admm_reserve(&p);
  if (!bad) bad = admm_survey(&p);
  if (bad) return bad;
  const int64_t k = p.k, entries = p.start[p.n];
  p.z = admm_take(&p, 3 * entries);
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
