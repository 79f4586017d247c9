/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of one factor where the other is known: proximal gradient, steps halved until the loss lies
   below its quadratic bound. */
#include <math.h>
#include <string.h>

#include "sgd.h"

enum { INNER = 10, kSpan = 1024 }; /* steps of a row's own problem; longest span of a loss */

/* What a row's loss is made of: entries, the other factor, and where zeros are left out its sums.
 */
typedef struct {
  assay_line line;
  const assay_view *O, *sums, *gram, *weights;
  double own;
  int zeros;
} row_terms;

/* Loss of a row f, and with slope its gradient; memory: 2 n. */
static int32_t row_loss(const sgd* s,
                        assay_ctx* ctx,
                        const row_terms* t,
                        const double* f,
                        double* memory,
                        double* out,
                        double* slope) {
  const assay_line* line = &t->line;
  const int64_t n = line->n, k = t->O->cols;
  double *m = memory, *g = memory + n;
  for (int64_t e = 0; e < n; e++) {
    const double* o = assay_row(t->O, line->idx ? line->idx[e] : e);
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
      const int64_t j = line->idx ? line->idx[e] : e;
      const double w = line->w ? line->w[e] : 1, *o = assay_row(t->O, j);
      const double as_zero = t->zeros ? t->own * *assay_row(t->weights, j) : 0;
      const double at =
          (w > 0 ? w * g[e] : 0) -
          (as_zero > 0 ? as_zero * (what ? sgd_zero_slope : sgd_zero_value)(s, m[e]) : 0);
      if (what == 0) *out += at;
      for (int64_t a = 0; what && a < k; a++) slope[a] += at * o[a];
    }
  }
  if (!t->zeros) return ASSAY_OK;
  double* all = m; /* no longer needed; k of it or more: see solve */
  memset(all, 0, sizeof(double) * (size_t)k);
  sgd_add_zeros(s, k, t->own, f, t->sums, t->gram, all);
  const double power = s->zero_term == ASSAY_ZERO_LINEAR ? 1 : 0.5;
  for (int64_t a = 0; a < k; a++) {
    *out += power * f[a] * all[a];
    if (slope) slope[a] += all[a];
  }
  return ASSAY_OK;
}

/* Row i's line; where zeros have no closed form, with each of them. memory: 2 for each row of O. */
static int32_t read_row(const sgd* s,
                        const assay_block* b,
                        int64_t i,
                        double* memory,
                        row_terms* out) {
  assay_line* line = &out->line;
  *line = (assay_line){sizeof *line, 0, 0, NULL, NULL, NULL, 0, 0};
  const int32_t bad = s->tile->line(b->ctx, i, line);
  if (bad) return bad;
  out->own = *assay_row(&b->arg[5], i);
  out->zeros = line->zeros && s->zero_term != ASSAY_ZERO_NONE;
  if (!line->zeros || out->zeros) return ASSAY_OK;
  const int64_t n = out->O->rows;
  double *x = memory, *w = memory + n;
  for (int64_t j = 0; j < n; j++) {
    x[j] = 0;
    w[j] = out->own * *assay_row(out->weights, j);
  }
  for (int64_t e = 0; e < line->n; e++) {
    x[line->idx[e]] = line->x[e];
    w[line->idx[e]] = line->w ? line->w[e] : 1;
  }
  *line = (assay_line){sizeof *line, 0, n, NULL, x, w, 0, 0};
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

/* {F io, O, lengths io, O's sums and Gram, weights of the own side, of the other}; tag: the side
   that is free. All rows of the block make a step together, so that penalties see them at their
   places. */
int32_t sgd_solve_rows(void* self, const assay_block* b) {
  const sgd* s = self;
  const assay_view *F = &b->arg[0], *O = &b->arg[1], *L = &b->arg[2];
  const int64_t k = F->cols, rows = F->rows;
  double* memory = s->host->scratch(b->ctx, (int64_t)sizeof(double) * rows * (2 * k + 2));
  if (!memory) return ASSAY_E_MEMORY;
  double *G = memory, *trial = G + rows * k, *here = trial + rows * k, *steps = here + rows;
  double* entries = NULL; /* of the longest line so far */
  int64_t longest = 0;
  double* expanded = s->host->scratch(b->ctx, (int64_t)sizeof(double) * 2 * O->rows);
  if (!expanded) return ASSAY_E_MEMORY;
  row_terms terms = {.O = O, .sums = &b->arg[3], .gram = &b->arg[4], .weights = &b->arg[6]};
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
        int32_t bad = read_row(s, b, i, expanded, &terms);
        if (bad) return bad;
        if (!entries || terms.line.n > longest) {
          longest = 2 * terms.line.n + k;
          entries = s->host->scratch(b->ctx, (int64_t)sizeof(double) * 2 * longest);
          if (!entries) return ASSAY_E_MEMORY;
        }
        if (halvings < 0) {
          bad = row_loss(s, b->ctx, &terms, f, entries, &here[i], G + i * k);
          if (bad) return bad;
          if (!(*length > 0)) *length = first_length(s, k, f, G + i * k);
          steps[i] = *length;
          open += steps[i] > 0;
          continue;
        }
        double there = 0, moved = 0, linear = 0;
        bad = row_loss(s, b->ctx, &terms, trial + i * k, entries, &there, NULL);
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
