/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded least squares by block principal pivoting: for every row w,
     minimise q(w) = 1/2 w'(G + D) w - r'w  over  lower <= w <= upper,  D = diag(diag).
   Components are free or at a bound. Solve for the free ones, see which are out of their bounds and
   which bounds want to be left, exchange all of these at once; after three rounds without progress
   only the last of them (Murty's rule, which is finite). Kim and Park 2011, Alg. 1; upper bounds as
   in Judice and Pires 1994. */
#ifndef ASSAY_ANLS_BPP_PIVOTING_H
#define ASSAY_ANLS_BPP_PIVOTING_H

#include <stdint.h>

/* Rows that share one G. Row-major, rows of W, R, lower and upper ld apart. */
typedef struct {
  int64_t n, k;
  double* W; /* in: a start, out: the minimisers */
  const double *R, *lower, *upper;
  int64_t ld;
  const double *G, *diag; /* k x k, k */
  int64_t ldg;
} least_squares;

/* Bytes of memory that solve wants, 64-byte aligned. */
int64_t least_squares_bytes(int64_t n, int64_t k);
/* Never raises q from a feasible start, whatever G is. */
void least_squares_solve(const least_squares* p, void* memory);

#endif
