/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules of the step share. */
#ifndef ASSAY_GRADIENT_GRADIENT_H
#define ASSAY_GRADIENT_GRADIENT_H

#include <assay/steps.h>
#include <math.h>

typedef struct {
  const assay_host* host;
  const assay_penalty_calls* penalties;
  int32_t step, accelerated, open; /* open: the model must stay off an end of its domain */
  double size, floor, beyond; /* step_size; smallest entry of lee_seung; no use from there on */
  uint32_t factor_flags[2];
  int64_t k[2];
} gradient;

/* T <- prox(P - h G); what is not a number, or beyond any use, is counted. */
static inline int32_t gradient_move(const gradient* s,
                                    const assay_block* b,
                                    int32_t side,
                                    const assay_view* P,
                                    const assay_view* G,
                                    double h,
                                    assay_view* T,
                                    double* wild) {
  for (int64_t i = 0; i < P->rows; i++) {
    const double *p = assay_row(P, i), *g = assay_row(G, i);
    double* t = assay_row(T, i);
    for (int64_t a = 0; a < P->cols; a++) t[a] = p[a] - h * g[a];
  }
  const int32_t bad = s->penalties->prox(b->ctx, side, T, h);
  if (bad) return bad;
  for (int64_t i = 0; i < P->rows; i++) {
    const double* t = assay_row(T, i);
    for (int64_t a = 0; a < P->cols; a++)
      if (!(fabs(t[a]) < s->beyond)) *wild += 1;
  }
  return ASSAY_OK;
}

/* Adds the lines of a step that is searched for factor `side` from P with the gradient G; restart
 * sums <P - F+, F+ - F>. */
void gradient_build_backtracking(assay_builder* b,
                                 int32_t side,
                                 int coupled,
                                 assay_buf P,
                                 assay_buf G,
                                 assay_buf restart);

#endif
