/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over a block's lines of X: which entries a row has, and at a factor their models, losses
   and slopes. Zeros of a loss whose term there is a m or a m^2 are a linear or quadratic term of
   the row; unstored ones are sums over all of O less the others'. */
#include "lines.h"

#include <string.h>

#include "scalar.h"

/* Sums run in eight lanes, in an order that no machine changes. */
enum { LANES = 8 };
typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(8), may_alias));

ASSAY_SIMD void admm_dots(int64_t n,
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

ASSAY_SIMD void admm_pull(int64_t n,
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

ASSAY_SIMD void admm_pull_squares(int64_t n,
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

int32_t admm_read_row(const admm_block* p, int64_t i, admm_row* out) {
  assay_line line = {sizeof line, 0, 0, NULL, NULL, NULL, 0, 0};
  const int32_t bad = p->s->tile->line(p->b->ctx, i, &line);
  if (bad) return bad;
  const int expands = line.zeros && !p->closed;
  const double own = admm_weight_of(&p->b->arg[5], i);
  int64_t n = 0, e = 0;
  for (int64_t t = 0; t < (expands ? p->length : line.n); t++) {
    const int stored = !expands || (e < line.n && (!line.idx || line.idx[e] == t));
    const int64_t at = e;
    e += stored;
    const int64_t j = expands || !line.idx ? t : line.idx[at];
    const double v = !stored ? own * admm_weight_of(&p->b->arg[6], j) : line.w ? line.w[at] : 1;
    const double x = stored ? line.x[at] : 0;
    if (v == 0 || (p->closed && x == 0)) continue;
    p->x[n] = x;
    p->v[n] = v;
    p->idx[n++] = j;
  }
  *out = (admm_row){n, n == p->length ? NULL : p->idx, p->x, p->v};
  return ASSAY_OK;
}

/* The zeros' terms of a row: of those a line leaves out, what all of O gives less what it lists. */
static void add_zeros(const admm_block* p, int64_t i, const assay_line* line) {
  const int64_t k = p->k;
  const double own = line->zeros ? admm_weight_of(&p->b->arg[5], i) : 0;
  const double a = p->bend ? 2 * p->s->zero_a : p->s->zero_a;
  const assay_view *sums = &p->b->arg[3], *squares = &p->b->arg[4];
  for (int64_t e = 0; e < line->n; e++) {
    const double v = line->x[e] != 0 ? 0 : line->w ? line->w[e] : 1;
    p->g[e] = a * (v - own * admm_weight_of(&p->b->arg[6], line->idx ? line->idx[e] : e));
  }
  if (p->bend) {
    double* bend = p->bend + i * k * k;
    for (int64_t h = 0; h < k * k; h++)
      bend[h] = a * own * ((const double*)squares->data)[h / k * squares->stride + h % k];
    admm_pull_squares(line->n, line->idx, k, p->O, p->ldo, p->g, bend);
  } else {
    double* lin = p->lin + i * k;
    for (int64_t h = 0; h < k; h++) lin[h] = a * own * ((const double*)sums->data)[h];
    admm_pull(line->n, line->idx, k, p->O, p->ldo, p->g, lin);
  }
}

void admm_model(const admm_block* p, const double* F) {
  if (p->full)
    p->s->la->gemm(0, 1, p->n, p->length, p->k, 1, F, p->k, p->O, p->ldo, 0, p->M, p->length);
}

double* admm_row_model(const admm_block* p, const admm_row* r, int64_t i, const double* f) {
  double* m = p->M + p->start[i];
  if (!p->full) admm_dots(r->n, r->idx, p->k, p->O, p->ldo, f, m);
  return m;
}

/* The zeros' part of the loss at row i's f. slope: NULL, or its gradient is added. */
static double zeros_loss(const admm_block* p, int64_t i, const double* f, double* slope) {
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
static int32_t span(const admm_block* p, admm_span_fn fn, const admm_row* r, const double* m) {
  const double width = p->width;
  if (width == 0) return admm_spans(fn, p->b->ctx, r->n, r->x, m, p->g);
  for (int64_t e = 0; e < r->n; e++) {
    const double d = m[e] - r->x[e], near = admm_clip(d, -width, width);
    p->g[e] = fn == p->s->loss->grad ? near / width : near * (d - 0.5 * near) / width;
  }
  return ASSAY_OK;
}

int32_t admm_losses(const admm_block* p, const double* F, double* out, double* slopes) {
  const admm* s = p->s;
  if (slopes) memset(slopes, 0, (size_t)(p->n * p->k) * sizeof *slopes);
  admm_model(p, F);
  for (int64_t i = 0; i < p->n; i++) {
    admm_row r;
    int32_t bad = admm_read_row(p, i, &r);
    if (bad) return bad;
    double *m = admm_row_model(p, &r, i, F + i * p->k), *slope = slopes ? slopes + i * p->k : NULL;
    out[i] = zeros_loss(p, i, F + i * p->k, slope);
    for (int64_t e = 0; e < r.n; e++) m[e] = admm_clip(m[e], s->m_lo, s->m_hi);
    bad = span(p, s->loss->value, &r, m);
    if (bad) return bad;
    for (int64_t e = 0; e < r.n; e++) out[i] += r.v[e] * p->g[e];
    if (!slopes) continue;
    bad = span(p, s->loss->grad, &r, m);
    if (bad) return bad;
    const double most = p->rho[i] * p->most[i];
    for (int64_t e = 0; e < r.n; e++) p->g[e] = r.v[e] * admm_clip(p->g[e], -most, most);
    admm_pull(r.n, r.idx, p->k, p->O, p->ldo, p->g, slope);
  }
  return ASSAY_OK;
}

int32_t admm_survey(admm_block* p) {
  p->full = 1;
  p->start[0] = 0;
  for (int64_t i = 0; i < p->n; i++) {
    assay_line line = {sizeof line, 0, 0, NULL, NULL, NULL, 0, 0};
    const int32_t bad = p->s->tile->line(p->b->ctx, i, &line);
    if (bad) return bad;
    if (p->closed) add_zeros(p, i, &line);
    admm_row r;
    const int32_t unread = admm_read_row(p, i, &r);
    if (unread) return unread;
    p->full = p->full && r.idx == NULL;
    p->start[i + 1] = p->start[i] + r.n;
  }
  return ASSAY_OK;
}

double* admm_take(const admm_block* p, int64_t n) {
  return p->s->host->scratch(p->b->ctx, (n > 0 ? n : 1) * (int64_t)sizeof(double));
}

int32_t admm_reserve(admm_block* p) {
  const int64_t n = p->n, k = p->k, size = n * k, matrix = size > k * k ? size : k * k;
  const int squares = p->closed && p->s->zero_term == ASSAY_ZERO_QUADRATIC;
  double* m = admm_take(
      p, 4 * size + 2 * matrix + (n + 1 + (squares ? n : 0)) * k * k + 7 * n + 1 + 3 * p->length);
  p->idx = (int64_t*)admm_take(p, p->length + n + 1);
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
