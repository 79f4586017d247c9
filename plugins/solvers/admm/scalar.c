/* SPDX-License-Identifier: Apache-2.0 */
/* argmin over z of l(x, z) + rho/2 (z - to)^2, entry by entry: closed forms for kl and |r|, else
   secants and bisections within brackets. */
#include "scalar.h"

#include <float.h>
#include <math.h>

enum { SECANTS = 60 };

static double clip(double v, double lower, double upper) {
  v = v > lower ? v : lower;
  return v < upper ? v : upper;
}

int32_t admm_spans(admm_span_fn fn,
                   assay_ctx* ctx,
                   int64_t n,
                   const double* x,
                   const double* m,
                   double* out) {
  for (int64_t e = 0; e < n; e += SPAN) {
    const int32_t bad = fn(ctx, n - e < SPAN ? n - e : SPAN, x + e, m + e, out + e);
    if (bad) return bad;
  }
  return ASSAY_OK;
}

/* rho z^2 + (1 - rho to) z = x */
ASSAY_SIMD static void kl_roots(int64_t n,
                                const double* restrict x,
                                const double* restrict to,
                                double rho,
                                double lower,
                                double upper,
                                double* restrict z) {
  for (int64_t j = 0; j < n; j++) {
    const double half = 0.5 * (to[j] - 1 / rho), rest = x[j] / rho;
    const double root = __builtin_sqrt(half * half + rest);
    z[j] = clip(half > 0 ? half + root : rest > 0 ? rest / (root - half) : 0, lower, upper);
  }
}

/* The sign of the slope at a point says on which side the root lies; where l is convex, or l' is 0
   there, it is at most |slope| / rho away. */
static int32_t search(const admm* s,
                      assay_ctx* ctx,
                      int64_t n,
                      const double* x,
                      const double* to,
                      double rho,
                      double* z) {
  double before[SPAN], slope[SPAN], lo[SPAN], hi[SPAN], g[SPAN];
  for (int64_t j = 0; j < n; j++) {
    lo[j] = s->m_lo, hi[j] = s->m_hi;
    before[j] = slope[j] = NAN;
    if (s->m_lo > -INFINITY && x[j] > s->m_lo && x[j] < s->m_hi)
      z[j] = x[j]; /* divergences: l' = 0 */
  }
  for (int turn = 0; turn < SECANTS; turn++) {
    const int32_t bad = s->loss->grad(ctx, n, x, z, g);
    if (bad) return bad;
    double moved = 0;
    for (int64_t j = 0; j < n; j++) {
      const double now = g[j] + rho * (z[j] - to[j]), far = z[j] - now / rho;
      const int near = s->convex || g[j] == 0;
      double *here = now > 0 ? hi + j : lo + j, *there = now > 0 ? lo + j : hi + j;
      *here = z[j];
      if (near && far > lo[j] && far < hi[j]) *there = far;
      double next = z[j] - now * (z[j] - before[j]) / (now - slope[j]);
      if (turn % 3 == 2 || !(next > lo[j] && next < hi[j]))
        next = isfinite(lo[j] + hi[j]) ? 0.5 * (lo[j] + hi[j]) : far;
      if (now == 0 || !isfinite(next)) next = z[j];
      before[j] = z[j];
      slope[j] = now;
      const double step = fabs(next - z[j]) / (fabs(z[j]) + DBL_MIN);
      moved = step > moved ? step : moved;
      z[j] = clip(next, s->m_lo, s->m_hi);
    }
    if (moved < 1e-9) break;
  }
  return ASSAY_OK;
}

int32_t admm_scalars(const admm* s,
                     assay_ctx* ctx,
                     int64_t n,
                     const double* x,
                     const double* to,
                     double rho,
                     double* z) {
  if (s->kl) {
    kl_roots(n, x, to, rho, s->m_lo, s->m_hi, z);
    return ASSAY_OK;
  }
  if (s->absolute) { /* the residual shrunk by 1 / rho */
    for (int64_t j = 0; j < n; j++) {
      const double r = to[j] - x[j];
      z[j] = r > 1 / rho ? to[j] - 1 / rho : r < -1 / rho ? to[j] + 1 / rho : x[j];
    }
    return ASSAY_OK;
  }
  for (int64_t e = 0; e < n; e += SPAN) {
    const int32_t bad = search(s, ctx, n - e < SPAN ? n - e : SPAN, x + e, to + e, rho, z + e);
    if (bad) return bad;
  }
  return ASSAY_OK;
}
