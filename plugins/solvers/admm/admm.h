/* SPDX-License-Identifier: Apache-2.0 */
/* What the two forms of the method of multipliers share. */
#ifndef ASSAY_ADMM_ADMM_H
#define ASSAY_ADMM_ADMM_H

#include <assay/plugin.h>

typedef struct {
  const assay_host* host;
  const assay_penalty_calls* penalties;
  const assay_la* la;
  const assay_tile* tile;
  const assay_loss_calls* loss;
  int64_t k, turns;
  int32_t kl, majorised, uniform, convex; /* the loss: has a majoriser, by its bound; is convex */
  int32_t absolute, closed;               /* |r| itself; zeros of X in closed form */
  int32_t zero_term;
  double zero_a, unit, sharpen; /* unit: size of X */
  int32_t frozen[2];            /* sides that are known */
  double m_lo, m_hi;            /* where the model may be */
} admm;

/* The step of a loss without a majoriser. {F io, duals io, other factor O, V'O and O'V O for the
   weights V of the other side, weights of the own side, of the other} */
int32_t admm_entries(void* self, const assay_block* b);

/* factor (k x k) = Cholesky factor of G + weight I; inverse (k x k) = its inverse. */
int32_t admm_invert(const admm* s,
                    int64_t k,
                    const double* G,
                    int64_t ldg,
                    double weight,
                    double* factor,
                    double* inverse);
/* The trace of G over k, or 1 where G is 0. */
double admm_mean_diagonal(int64_t k, const double* G, int64_t ldg);
void admm_copy(int64_t n, int64_t k, const double* from, int64_t ldf, double* to, int64_t ldt);

#endif
