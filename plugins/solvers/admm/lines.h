/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of X that a block of rows has: its entries, their models, losses and products. */
#ifndef ASSAY_ADMM_LINES_H
#define ASSAY_ADMM_LINES_H

#include "admm.h"

/* Observed entries of a row; where zeros have a closed form, those that are not 0. */
typedef struct {
  int64_t n;
  const int64_t* idx; /* NULL: all, in order */
  const double *x, *v;
} admm_row;

typedef struct {
  const admm* s;
  const assay_block* b;
  int64_t n, k, length;
  const double* O; /* length x k, ldo apart */
  int64_t ldo;
  int32_t full, closed; /* every row has every entry; zeros are in `lin` and `bend` */
  double *F, *U, *V, *T, *before, *lin; /* n x k, dense; lin: slope of the zeros' linear term */
  double *shared, *inverse; /* k x k: of G where full lines share it; of a row's own, n of them */
  double* bend;             /* NULL, or n of k x k: second derivative of the zeros' square */
  double *z, *s_, *M;       /* of all entries: z, m - y, and a scratch that holds models */
  int64_t* start;           /* n + 1: where a row's entries begin in them */
  double *rho, *c, *most, *share, *steps; /* n: see set_out and prox */
  double *old, *now;                      /* n: losses, the zeros among them */
  double width;                           /* 0, or within it |r| is rounded off: see set_out */
  double *x, *v, *g;                      /* of the longest row */
  int64_t* idx;
} admm_block;

static inline double admm_clip(double v, double lower, double upper) {
  v = v > lower ? v : lower;
  return v < upper ? v : upper;
}

/* out_e = o_e'f */
void admm_dots(int64_t n,
               const int64_t* idx,
               int64_t k,
               const double* O,
               int64_t ldo,
               const double* f,
               double* out);
/* out += sum q_e o_e */
void admm_pull(int64_t n,
               const int64_t* idx,
               int64_t k,
               const double* O,
               int64_t ldo,
               const double* q,
               double* restrict out);
/* G += sum q_e o_e o_e' */
void admm_pull_squares(int64_t n,
                       const int64_t* idx,
                       int64_t k,
                       const double* O,
                       int64_t ldo,
                       const double* q,
                       double* restrict G);

static inline double admm_weight_of(const assay_view* weights, int64_t i) {
  return ((const double*)weights->data)[i * weights->stride];
}

/* n doubles that last as long as the call; NULL when there are none. */
double* admm_take(const admm_block* p, int64_t n);
/* What a block needs before its lines are known. */
int32_t admm_reserve(admm_block* p);
/* How many entries each row has, and its zeros' terms. */
int32_t admm_survey(admm_block* p);
/* Row i's entries; the arrays stay until the next call. */
int32_t admm_read_row(const admm_block* p, int64_t i, admm_row* out);
/* M = the models of all entries at F, unless they are taken row by row. */
void admm_model(const admm_block* p, const double* F);
/* Models of row i's entries at f. */
double* admm_row_model(const admm_block* p, const admm_row* r, int64_t i, const double* f);
/* Loss of every row at F. slopes: NULL, or n x k, its gradients with the slope of an entry no
   steeper than what the row's `most` allows. */
int32_t admm_losses(const admm_block* p, const double* F, double* out, double* slopes);

#endif
