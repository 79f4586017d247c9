/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of weights: the minimiser of 1/2 w'G w - r'w over w >= 0, sum w = 1, by a primal active-set method: the minimiser for
   the weights that are free, a step towards it as far as none turns negative, then the most promising of the others is set
   free. Free weights solve
     (G + c 11') v = r + m 1,  1'v = 1,
   whose matrix has a factor wherever the free rows of H are affinely independent (G alone has none for d + 1 of them); where
   they are not, a proximal term makes the answer unique. Static inline, nothing to link. */
#ifndef ASSAY_MIXING_H
#define ASSAY_MIXING_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Pivots below this share of the largest entry make the free rows dependent: 100 roundings. */
#define ASSAY_MIXING_SINGULAR_ (100 * DBL_EPSILON)
/* Then ASSAY_MIXING_RIDGE_ max(G) / 2 |w - start|^2 is added. */
#define ASSAY_MIXING_RIDGE_ 1e-10
/* A weight is set free by more than rounding only. */
#define ASSAY_MIXING_SLACK_ (32 * DBL_EPSILON)

typedef struct {
  int64_t k, ldg;
  const double *G, *r;
  double *w, *A, *u, *v, *start, *slope; /* A: k x k, the others k */
  int64_t *free;
  double largest, ridge;
} assay_mixing_;

/* Scratch for k weights. */
static inline int64_t assay_mixing_bytes(int64_t k) {
  return (k * k + 5 * k + 8) * (int64_t)sizeof(double);
}

/* A (m x m, upper triangle) = U'U in place; the smallest pivot, or one <= 0 at once. */
static inline double assay_mixing_factor_(int64_t m, double *A) {
  double smallest = INFINITY;
  for (int64_t j = 0; j < m; j++) {
    double *row = A + j * m;
    if (!(row[j] > 0)) return 0;
    smallest = row[j] < smallest ? row[j] : smallest;
    const double inverse = 1 / sqrt(row[j]);
    for (int64_t c = j; c < m; c++) row[c] *= inverse;
    for (int64_t i = j + 1; i < m; i++)
      for (int64_t c = i; c < m; c++) A[i * m + c] -= row[i] * row[c];
  }
  return smallest;
}

/* U'U x = b in place of b. */
static inline void assay_mixing_back_(int64_t m, const double *U, double *b) {
  for (int64_t j = 0; j < m; j++) {
    b[j] /= U[j * m + j];
    for (int64_t c = j + 1; c < m; c++) b[c] -= b[j] * U[j * m + c];
  }
  for (int64_t j = m - 1; j >= 0; j--) {
    for (int64_t c = j + 1; c < m; c++) b[j] -= U[j * m + c] * b[c];
    b[j] /= U[j * m + j];
  }
}

/* v of the m free weights; 0 where they need the proximal term. */
static inline int assay_mixing_free_(assay_mixing_ *s, int64_t m) {
  for (int64_t i = 0; i < m; i++) {
    const double *g = s->G + s->free[i] * s->ldg;
    for (int64_t j = i; j < m; j++) s->A[i * m + j] = g[s->free[j]] + s->largest;
    s->A[i * m + i] += s->ridge;
    s->v[i] = s->r[s->free[i]] + s->ridge * s->start[s->free[i]];
    s->u[i] = 1;
  }
  const double pivot = assay_mixing_factor_(m, s->A);
  if (!(pivot > (s->ridge > 0 ? 0 : ASSAY_MIXING_SINGULAR_ * (double)s->k * s->largest))) return 0;
  assay_mixing_back_(m, s->A, s->v);
  assay_mixing_back_(m, s->A, s->u);
  double total = 0, ones = 0;
  for (int64_t i = 0; i < m; i++) {
    total += s->v[i];
    ones += s->u[i];
  }
  const double multiplier = (total - 1) / ones;
  for (int64_t i = 0; i < m; i++) s->v[i] -= multiplier * s->u[i];
  return 1;
}

/* Towards v, as far as the simplex goes; how many weights are left free, *whole: v is reached. */
static inline int64_t assay_mixing_move_(assay_mixing_ *s, int64_t m, int *whole) {
  double share = 1;
  for (int64_t i = 0; i < m; i++) {
    const double w = s->w[s->free[i]];
    if (s->v[i] < 0 && w < share * (w - s->v[i])) share = w / (w - s->v[i]);
  }
  int64_t left = 0;
  *whole = share == 1;
  for (int64_t i = 0; i < m; i++) {
    const int64_t a = s->free[i];
    const double w = s->w[a], to = *whole ? s->v[i] : w + share * (s->v[i] - w);
    const int out = s->v[i] < 0 && (w <= share * (w - s->v[i]) || to <= 0);
    s->w[a] = out || to < 0 ? 0 : to;
    if (s->w[a] > 0 || (*whole && !out)) s->free[left++] = a;
  }
  return left;
}

/* slope = G w - r (+ the proximal term's). */
static inline void assay_mixing_slope_(const assay_mixing_ *s, const double *w, double *slope) {
  for (int64_t c = 0; c < s->k; c++) slope[c] = s->ridge * (w[c] - s->start[c]) - s->r[c];
  for (int64_t a = 0; a < s->k; a++) {
    if (w[a] == 0) continue;
    const double f = w[a], *g = s->G + a * s->ldg;
    for (int64_t c = 0; c < s->k; c++) slope[c] += f * g[c];
  }
}

/* The weight at 0 whose rise pays most, or -1. */
static inline int64_t assay_mixing_entrant_(const assay_mixing_ *s, int64_t m) {
  double price = 0, size = s->largest;
  for (int64_t a = 0; a < s->k; a++) {
    price += s->w[a] * s->slope[a];
    if (fabs(s->r[a]) > size) size = fabs(s->r[a]);
  }
  double least = price - ASSAY_MIXING_SLACK_ * size;
  int64_t best = -1;
  for (int64_t a = 0; a < s->k; a++) {
    if (!(s->slope[a] < least)) continue;
    int64_t i = 0;
    while (i < m && s->free[i] != a) i++;
    if (i < m) continue;
    least = s->slope[a];
    best = a;
  }
  return best;
}

/* 0 where the free weights turned out to need the proximal term. */
static inline int assay_mixing_descend_(assay_mixing_ *s) {
  int64_t m = 0, entrant = -1;
  for (int64_t a = 0; a < s->k; a++)
    if (s->w[a] > 0) s->free[m++] = a;
  for (int64_t turn = 0; turn < 8 * s->k + 8 && m > 0; turn++) {
    int whole = 0;
    if (!assay_mixing_free_(s, m)) return 0;
    if (entrant >= 0 && !(s->v[m - 1] > 0)) return 1; /* it rose by rounding only */
    entrant = -1;
    m = assay_mixing_move_(s, m, &whole);
    if (!whole) continue;
    assay_mixing_slope_(s, s->w, s->slope);
    entrant = assay_mixing_entrant_(s, m);
    if (entrant < 0) return 1;
    s->free[m++] = entrant;
  }
  return 1;
}

/* The start stays where the change d = w - start does not pay: q(w) - q(start) = d'(slope at start
   + 1/2 G d), whose rounding vanishes with d. */
static inline void assay_mixing_keep_(assay_mixing_ *s) {
  double gain = 0;
  s->ridge = 0;
  assay_mixing_slope_(s, s->start, s->slope);
  for (int64_t a = 0; a < s->k; a++) s->v[a] = s->w[a] - s->start[a];
  for (int64_t a = 0; a < s->k; a++) {
    double bend = 0;
    for (int64_t c = 0; c < s->k; c++) bend += s->G[a * s->ldg + c] * s->v[c];
    gain += s->v[a] * (s->slope[a] + 0.5 * bend);
  }
  if (gain > 0) memcpy(s->w, s->start, (size_t)s->k * sizeof *s->w);
}

/* Moves w, a point of the simplex, to the minimiser; where that is not unique, to the one nearest to the start; where G is 0,
   w stays. Never raises the objective. memory: assay_mixing_bytes(k). */
static inline void assay_mixing_solve(int64_t k, const double *G, int64_t ldg, const double *r,
                                      double *w, void *memory) {
  double *at = (double *)memory;
  assay_mixing_ s = {k,
                     ldg,
                     G,
                     r,
                     w,
                     at,
                     at + k * k,
                     at + k * k + k,
                     at + k * k + 2 * k,
                     at + k * k + 3 * k,
                     (int64_t *)(at + k * k + 4 * k),
                     0,
                     0};
  double sum = 0; /* 1, up to the rounding of a narrow factor */
  for (int64_t a = 0; a < k; a++) sum += w[a];
  for (int64_t a = 0; a < k; a++) {
    s.start[a] = w[a] /= sum;
    s.largest = G[a * ldg + a] > s.largest ? G[a * ldg + a] : s.largest;
  }
  if (!(s.largest >= DBL_MIN)) return;
  if (!assay_mixing_descend_(&s)) {
    memcpy(w, s.start, (size_t)k * sizeof *w);
    s.ridge = ASSAY_MIXING_RIDGE_ * s.largest;
    assay_mixing_descend_(&s);
  }
  assay_mixing_keep_(&s);
}

/* The terms of half a row's squared error (Buhmann and Pletscher 2010, eq. 9):
     1/2 |x - w H|^2 = 1/2 sum_a w_a |x - h_a|^2 - 1/2 sum_a w_a |h_a - w H|^2,
   and the last sum, the spread, is half of w'Dw, D_ac = |h_a - h_c|^2: no digits cancel. */

/* D (k x k) += the part of these columns of X; weights of the columns, or NULL. H: rows are columns of X. */
static inline void assay_mixing_distances(const assay_view *H, const double *weights, double *D,
                                          int64_t ldd) {
  for (int64_t j = 0; j < H->rows; j++) {
    const double *h = (const double *)H->data + j * H->stride, c = weights ? weights[j] : 1;
    for (int64_t a = 0; a < H->cols; a++)
      for (int64_t b = 0; b < H->cols; b++) D[a * ldd + b] += c * (h[a] - h[b]) * (h[a] - h[b]);
  }
}

/* Half the spread of w, by distances. */
static inline double assay_mixing_spread(int64_t k, const double *w, const double *D, int64_t ldd) {
  double total = 0;
  for (int64_t a = 0; a < k; a++) {
    double mixed = 0;
    if (w[a] == 0) continue;
    for (int64_t c = 0; c < k; c++) mixed += D[a * ldd + c] * w[c];
    total += w[a] * mixed;
  }
  return total / 4;
}

/* Likewise by a Gram matrix of its own, where entries count differently. */
static inline double assay_mixing_spread_of_gram(int64_t k, const double *w, const double *G,
                                                 int64_t ldg) {
  double total = 0;
  for (int64_t a = 0; a < k; a++) {
    double mixed = 0;
    if (w[a] == 0) continue;
    for (int64_t c = 0; c < k; c++) mixed += G[a * ldg + c] * w[c];
    total += w[a] * (G[a * ldg + a] - mixed);
  }
  return total / 2;
}

/* Half a row's squared error less 1/2 |x|^2, of its normal equations: 1/2 w'G w - r'w. */
static inline double assay_mixing_error(int64_t k, const double *w, const double *G, int64_t ldg,
                                        const double *r) {
  double total = 0;
  for (int64_t a = 0; a < k; a++) {
    double mixed = 0;
    if (w[a] == 0) continue;
    for (int64_t c = 0; c < k; c++) mixed += G[a * ldg + c] * w[c];
    total += w[a] * (mixed / 2 - r[a]);
  }
  return total;
}

/* ASSAY_OK where the set of W is the simplex, seen by what it makes of two points: 0 goes to the middle, (2, 0, ..) to a
   corner. In a function over rows of W. */
static inline int32_t assay_mixing_check(const assay_host *host,
                                         const assay_penalty_calls *penalties, assay_ctx *ctx,
                                         int64_t k) {
  double *w = (double *)host->scratch(ctx, k * (int64_t)sizeof(double)), off = 0, step = 0;
  assay_view point = {w, 1, k, k, 0, ASSAY_F64, 0};
  if (!w) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for a block");
  for (int far = 0; far < 2; far++) {
    for (int64_t a = 0; a < k; a++) w[a] = far && a == 0 ? 2 : 0;
    const int32_t bad = penalties->prox_rows(ctx, 0, &point, &step);
    if (bad) return bad;
    for (int64_t a = 0; a < k; a++) off += fabs(w[a] - (far ? a == 0 : 1 / (double)k));
  }
  if (off <= 1e-9) return ASSAY_OK;
  return host->set_error(
      ctx, ASSAY_E_COMBINATION,
      "the solver needs the constraint `simplex` on W, which it has where none is named");
}

#ifdef __cplusplus
}
#endif
#endif
