/* SPDX-License-Identifier: Apache-2.0 */
/* What the epochs over entries and the problems of single rows share. */
#ifndef ASSAY_SGD_SGD_H
#define ASSAY_SGD_SGD_H

#include <assay/steps.h>

typedef struct {
  const assay_host* host;
  const assay_tile* tile;
  const assay_loss_calls* loss;
  const assay_penalty_calls* penalties;
  double step, decay;
  int32_t schedule, blocks;
  double lowest,
      highest;    /* of the model: the loss's domain, a little inside where an end is open */
  double ends[2]; /* the same next to the ends, for steps that are tested */
  double unit;    /* size of a factor's entry */
  int nonneg[2], frozen[2], penalised[2];
  int64_t k;
  int32_t zero_term;
  double zero_a;
  uint64_t stream;
} sgd;

/* What a zero adds to the loss at m, and its slope. */
static inline double sgd_zero_value(const sgd* s, double m) {
  return s->zero_term == ASSAY_ZERO_LINEAR ? s->zero_a * m : s->zero_a * m * m;
}
static inline double sgd_zero_slope(const sgd* s, double m) {
  return s->zero_term == ASSAY_ZERO_LINEAR ? s->zero_a : 2 * s->zero_a * m;
}

/* d += share of the slope at f of what zeros in all places would add: own weight times that of the
   other side, whose rows have these weighted sums and Gram. */
static inline void sgd_add_zeros(const sgd* s,
                                 int64_t k,
                                 double share,
                                 const double* f,
                                 const assay_view* sums,
                                 const assay_view* gram,
                                 double* d) {
  if (s->zero_term == ASSAY_ZERO_LINEAR) {
    const double* sum = sums->data;
    for (int64_t a = 0; a < k; a++) d[a] += share * s->zero_a * sum[a];
    return;
  }
  for (int64_t a = 0; a < k; a++) {
    double sum = 0;
    for (int64_t c = 0; c < k; c++) sum += assay_row(gram, a)[c] * f[c];
    d[a] += share * 2 * s->zero_a * sum;
  }
}

/* The step where one factor is fixed: each row of the other is a problem of its own. {F io, O,
   lengths io, O's sums and Gram, weights of the own side, of the other}; tag: the side that is
   free. */
int32_t sgd_solve_rows(void* self, const assay_block* b);

#endif
