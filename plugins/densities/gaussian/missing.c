/* SPDX-License-Identifier: Apache-2.0 */
/* Rows with entries missing, summed out exactly. With o what is seen of a row and m what is not:
     log p(x_o) = log N(x_o | mu_o, C_oo)
     statistics: x_m counts as its conditional mean mu_m + C_mo C_oo^-1 (x_o - mu_o), and its
   conditional covariance C_mm - C_mo C_oo^-1 C_om is added to the scatter (Ghahramani and Jordan
   1994). One Cholesky factor a component and pattern of a block: rows of one pattern are taken
   together. */
#include "missing.h"

#include <math.h>
#include <string.h>

/* Rows in an order that brings equal patterns together. */
void gaussian_order(const assay_density_rows* rows, int64_t* order) {
  int64_t taken = 0;
  uint8_t done[ASSAY_DENSITY_ROWS] = {0};
  for (int64_t i = 0; i < rows->n; i++) {
    if (done[i]) continue;
    for (int64_t l = i; l < rows->n; l++) {
      if (done[l] || memcmp(rows->seen + i * rows->d, rows->seen + l * rows->d, (size_t)rows->d))
        continue;
      done[l] = 1;
      order[taken++] = l;
    }
  }
}

static int same(const assay_density_rows* rows, int64_t i, int64_t l) {
  return memcmp(rows->seen + i * rows->d, rows->seen + l * rows->d, (size_t)rows->d) == 0;
}

/* The pattern of row i: places of what is seen, then of what is not; the Cholesky factor of C_oo,
   log |C_oo|, and where wanted K = C_oo^-1 C_om and the conditional covariance. */
typedef struct {
  int64_t seen, hidden, *place;
  double *L, *K, *rest, logdet;
} pattern;

static pattern pattern_in(const gaussian* s, double* memory) {
  const int64_t d = s->d;
  pattern p = {0, 0, (int64_t*)memory, memory + d, memory + d + d * d, memory + d + 2 * d * d, 0};
  return p;
}

static int32_t take_pattern(const gaussian* s,
                            assay_ctx* ctx,
                            const uint8_t* seen,
                            const double* C,
                            int conditional,
                            pattern* p) {
  const int64_t d = s->d;
  p->seen = p->hidden = 0;
  p->logdet = 0;
  for (int64_t j = 0; j < d; j++)
    if (seen[j]) p->place[p->seen++] = j;
  for (int64_t j = 0; j < d; j++)
    if (!seen[j]) p->place[p->seen + p->hidden++] = j;
  const int64_t o = p->seen, h = p->hidden, *at = p->place;
  for (int64_t a = 0; a < o; a++)
    for (int64_t b = 0; b < o; b++) p->L[a * o + b] = C[at[a] * d + at[b]];
  if (o > 0 && s->la->potrf(o, p->L, o))
    return s->host->set_error(ctx, ASSAY_E_SINGULAR, "a covariance is singular");
  for (int64_t a = 0; a < o; a++) p->logdet += 2 * log(p->L[a * o + a]);
  if (!conditional || h == 0) return ASSAY_OK;
  for (int64_t a = 0; a < o; a++)
    for (int64_t b = 0; b < h; b++) p->K[a * h + b] = C[at[a] * d + at[o + b]];
  if (o > 0 && s->la->potrs(o, h, p->L, o, p->K, h))
    return s->host->set_error(ctx, ASSAY_E_SINGULAR, "a covariance is singular");
  for (int64_t a = 0; a < h; a++)
    for (int64_t b = 0; b < h; b++) {
      double v = C[at[o + a] * d + at[o + b]];
      for (int64_t e = 0; e < o; e++) v -= C[at[o + a] * d + at[e]] * p->K[e * h + b];
      p->rest[a * h + b] = v;
    }
  return ASSAY_OK;
}

int32_t gaussian_log_marginal(const gaussian* s,
                              assay_ctx* ctx,
                              const assay_density_rows* rows,
                              const int64_t* order,
                              const double* mean,
                              const double* C,
                              double* memory,
                              double* out) {
  const double log_two_pi = 1.8378770664093454836;
  pattern p = pattern_in(s, memory);
  double* z = memory + s->d + 3 * s->d * s->d;
  for (int64_t t = 0; t < rows->n; t++) {
    const int64_t i = order[t];
    const double* x = rows->x + i * rows->ld;
    double square = 0;
    if (t == 0 || !same(rows, i, order[t - 1])) {
      const int32_t bad = take_pattern(s, ctx, rows->seen + i * s->d, C, 0, &p);
      if (bad) return bad;
    }
    for (int64_t a = 0; a < p.seen; a++) {
      double v = x[p.place[a]] - mean[p.place[a]];
      for (int64_t b = 0; b < a; b++) v -= p.L[a * p.seen + b] * z[b];
      z[a] = v / p.L[a * p.seen + a];
      square += z[a] * z[a];
    }
    out[i] = -0.5 * ((double)p.seen * log_two_pi + p.logdet + square);
  }
  return ASSAY_OK;
}

int32_t gaussian_impute(const gaussian* s,
                        assay_ctx* ctx,
                        const assay_density_rows* rows,
                        const int64_t* order,
                        const double* mean,
                        const double* C,
                        const double* resp,
                        double* memory,
                        double* z,
                        double* scatter) {
  const int64_t wide = s->wide;
  pattern p = pattern_in(s, memory);
  for (int64_t t = 0; t < rows->n; t++) {
    const int64_t i = order[t];
    const double* x = rows->x + i * rows->ld;
    double* to = z + i * wide;
    if (t == 0 || !same(rows, i, order[t - 1])) {
      const int32_t bad = take_pattern(s, ctx, rows->seen + i * s->d, C, 1, &p);
      if (bad) return bad;
    }
    const int64_t o = p.seen, *at = p.place;
    for (int64_t b = 0; b < p.hidden; b++) {
      double v = 0;
      for (int64_t a = 0; a < o; a++) v += (x[at[a]] - mean[at[a]]) * p.K[a * p.hidden + b];
      to[at[o + b]] = v;
    }
    for (int64_t a = 0; a < p.hidden; a++)
      for (int64_t b = 0; b <= a; b++) { /* places rise: the lower triangle */
        scatter[at[o + a] * wide + at[o + b]] += resp[i] * p.rest[a * p.hidden + b];
      }
  }
  return ASSAY_OK;
}
