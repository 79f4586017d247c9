/* SPDX-License-Identifier: Apache-2.0 */
/* Coordinate descent over the components of a block of rows that share one Gram matrix: what hals does, for any solver
   that has normal equations. Static inline, nothing to link. */
#ifndef ASSAY_COMPONENTS_H
#define ASSAY_COMPONENTS_H

#include <float.h>
#include <string.h>

#include "normals.h"

#ifdef __cplusplus
extern "C" {
#endif

static inline double assay_clip(double v, double lower, double upper) {
  v = v > lower ? v : lower;
  return v < upper ? v : upper;
}

/* t -= W g over the components: eight at a time, so that t is seldom loaded and stored. W by
   component, rows innermost. */
ASSAY_SIMD static inline void assay_take_components(int64_t n, int64_t k,
                                                    const double *__restrict__ g,
                                                    const double *__restrict__ W, int64_t ld,
                                                    double *__restrict__ t) {
  int64_t c = 0;
  for (; c + 8 <= k; c += 8, W += 8 * ld) {
    const double g0 = g[c], g1 = g[c + 1], g2 = g[c + 2], g3 = g[c + 3], g4 = g[c + 4],
                 g5 = g[c + 5], g6 = g[c + 6], g7 = g[c + 7];
    for (int64_t i = 0; i < n; i++)
      t[i] = t[i] - g0 * W[i] - g1 * W[ld + i] - g2 * W[2 * ld + i] - g3 * W[3 * ld + i] -
             g4 * W[4 * ld + i] - g5 * W[5 * ld + i] - g6 * W[6 * ld + i] - g7 * W[7 * ld + i];
  }
  for (; c < k; c++, W += ld)
    for (int64_t i = 0; i < n; i++) t[i] -= g[c] * W[i];
}

/* t = r - lin, then w = clip(t / g) once the other components are taken from t. */
ASSAY_SIMD static inline void assay_take_linear(int64_t n, const double *__restrict__ r,
                                                const double *__restrict__ lin,
                                                double *__restrict__ t) {
  for (int64_t i = 0; i < n; i++) t[i] = r[i] - lin[i];
}
ASSAY_SIMD static inline void assay_place_component(int64_t n, double inverse,
                                                    const double *__restrict__ lower,
                                                    const double *__restrict__ upper,
                                                    const double *__restrict__ t,
                                                    double *__restrict__ w) {
  for (int64_t i = 0; i < n; i++) w[i] = assay_clip(t[i] * inverse, lower[i], upper[i]);
}

/* An entry that the other factor does not use costs only what its penalties say: it moves to the
   cheaper bound, if any. */
static inline double assay_idle_entry(double w, double lin, double lower, double upper) {
  const double best = lin > 0 ? lower : lin < 0 ? upper : w;
  return __builtin_isfinite(best) ? best : assay_clip(w, lower, upper);
}

/* Moves one component after another, in this order, of the n rows of W that share one Gram. g: k, t: n doubles of
   scratch; everything by component, ld apart. */
static inline void assay_sweep_components(int64_t n, int64_t k, int64_t ld, double *W,
                                          const double *R, const double *G, int64_t ldg,
                                          const assay_row_penalties *p, const int64_t *order,
                                          double *g, double *t) {
  for (int64_t s = 0; s < k; s++) {
    const int64_t a = order[s], at = a * ld;
    const double own = G[a * ldg + a] + p->diag[a];
    if (!(own >= DBL_MIN)) {
      for (int64_t i = at; i < at + n; i++)
        W[i] = assay_idle_entry(W[i], p->lin[i], p->lower[i], p->upper[i]);
      continue;
    }
    memcpy(g, G + a * ldg, (size_t)k * sizeof *g);
    g[a] = 0;
    assay_take_linear(n, R + at, p->lin + at, t);
    assay_take_components(n, k, g, W, ld, t);
    assay_place_component(n, 1 / own, p->lower + at, p->upper + at, t, W + at);
  }
}

#ifdef __cplusplus
}
#endif
#endif
