/* SPDX-License-Identifier: Apache-2.0 */
/* Counts from one uniform number each: atoms are taken outwards from the mode, m, m + 1, m - 1, ..., until their
   probabilities have used u up. Any order of the atoms makes the law, and this one takes about as many of them as the
   standard deviation. Static inline, nothing to link. */
#ifndef ASSAY_COUNTS_H
#define ASSAY_COUNTS_H

#include <math.h>

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The law with p(x + 1) / p(x) = a / (x + 1) - b, of x from 0 to `most`: Poisson with b = 0, binomial with a = (n + 1) p / q
   and b = p / q. */
static inline double assay_counts_outwards_(double mode, double p_mode, double a, double b,
                                            double most, double u) {
  double up = mode, down = mode, p_up = p_mode, p_down = p_mode;
  u -= p_mode;
  while (u > 0) {
    p_up = up < most ? p_up * (a / (up + 1) - b) : 0;
    if (p_up > 0) up += 1;
    p_down = down > 0 ? p_down / (a / down - b) : 0;
    if (p_down > 0) down -= 1;
    if (!(p_up > 0) && !(p_down > 0)) return mode; /* only rounding is left */
    if (p_up > 0 && (u -= p_up) <= 0) return up;
    if (p_down > 0 && (u -= p_down) <= 0) return down;
  }
  return mode;
}

static inline double assay_counts_log_factorial_(const assay_math *math, double n) {
  double f = n + 1;
  math->lgamma(1, &f, &f);
  return f;
}

/* u uniform on (0, 1). */
static inline double assay_poisson(const assay_math *math, double rate, double u) {
  if (!(rate > 0)) return 0;
  const double mode = floor(rate);
  const double p = exp(mode * log(rate) - rate - assay_counts_log_factorial_(math, mode));
  return assay_counts_outwards_(mode, p, rate, 0, INFINITY, u);
}

/* Successes of n trials. */
static inline double assay_binomial(const assay_math *math, double n, double p, double u) {
  if (!(n > 0) || !(p > 0)) return 0;
  if (!(p < 1)) return n;
  const double q = 1 - p, mode = fmin(n, floor((n + 1) * p));
  const double at =
      exp(assay_counts_log_factorial_(math, n) - assay_counts_log_factorial_(math, mode) -
          assay_counts_log_factorial_(math, n - mode) + mode * log(p) + (n - mode) * log(q));
  return assay_counts_outwards_(mode, at, (n + 1) * p / q, p / q, n, u);
}

#ifdef __cplusplus
}
#endif
#endif
