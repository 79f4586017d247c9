/* SPDX-License-Identifier: Apache-2.0 */
/* The M-step, maximum likelihood or MAP under a normal-inverse-Wishart prior, and the policy for
   singular covariances: the eigenvalues of a covariance are at least the floor, and clipping them
   there is the maximum under that constraint, so a step still never lowers the likelihood. The
   prior is mu | C ~ N(m0, C / kappa), C ~ IW(Psi, nu), m0 the mean of the data and Psi = scale
   diag(their variances); of diagonal covariances column by column, of spherical ones once. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gaussian.h"

static int32_t out_of_memory(const gaussian* s, assay_ctx* ctx) {
  return s->host->set_error(ctx, ASSAY_E_MEMORY, "no memory for a covariance");
}

static int32_t singular(const gaussian* s, assay_ctx* ctx, int64_t c) {
  char text[96];
  if (s->covariance == TIED)
    snprintf(text, sizeof text, "the covariance of all components became singular");
  else
    snprintf(text, sizeof text, "the covariance of component %lld became singular", (long long)c);
  const int32_t status = s->host->set_error(ctx, ASSAY_E_SINGULAR, text);
  s->host->add_detail(ctx, ASSAY_DETAIL_HELP,
                      "fewer components, a `prior`, or `on_singular: floor` of the density");
  return status;
}

/* Whether C - floor I is positive definite. */
static int32_t clears(const gaussian* s, assay_ctx* ctx, const double* C, double floor, int* yes) {
  const int64_t d = s->d;
  double* L = s->host->scratch(ctx, d * d * (int64_t)sizeof *L);
  if (!L) return out_of_memory(s, ctx);
  memcpy(L, C, (size_t)(d * d) * sizeof *L);
  for (int64_t j = 0; j < d; j++) L[j * d + j] -= floor;
  *yes = s->la->potrf(d, L, d) == ASSAY_OK;
  return ASSAY_OK;
}

/* C (d x d) with its eigenvalues at the floor or above. */
static int32_t clip(const gaussian* s, assay_ctx* ctx, double* C, double floor) {
  const int64_t d = s->d;
  double *V = s->host->scratch(ctx, d * d * (int64_t)sizeof *V), *w, *S;
  w = s->host->scratch(ctx, d * (int64_t)sizeof *w);
  S = s->host->scratch(ctx, d * d * (int64_t)sizeof *S);
  if (!V || !w || !S) return out_of_memory(s, ctx);
  memcpy(V, C, (size_t)(d * d) * sizeof *V);
  const int32_t bad = s->la->eigh(d, V, d, w);
  if (bad) return bad;
  for (int64_t i = 0; i < d; i++)
    for (int64_t j = 0; j < d; j++) S[i * d + j] = V[i * d + j] * (w[j] > floor ? w[j] : floor);
  s->la->gemm(0, 1, d, d, d, 1, S, d, V, d, 0, C, d);
  for (int64_t i = 0; i < d; i++) /* what rounding left */
    for (int64_t j = 0; j < i; j++)
      C[i * d + j] = C[j * d + i] = 0.5 * (C[i * d + j] + C[j * d + i]);
  return ASSAY_OK;
}

/* The policy on a d x d covariance of N rows. */
static int32_t hold_matrix(const gaussian* s,
                           assay_ctx* ctx,
                           const assay_density_model* m,
                           double N,
                           double* C,
                           int64_t c,
                           int32_t* note) {
  const int64_t d = s->d;
  const double floor = ((const double*)m->shared.data)[0];
  int yes = 0;
  int32_t bad = clears(s, ctx, C, floor, &yes);
  if (bad || yes) return bad;
  if (s->on_singular == ERROR) return singular(s, ctx, c);
  *note = s->on_singular == REMOVE ? ASSAY_DENSITY_REMOVE : ASSAY_DENSITY_FLOORED;
  if (s->on_singular == PRIOR) { /* d rows more, spread like all data */
    const double* spread = gaussian_spread(s, m);
    for (int64_t i = 0; i < d * d; i++) C[i] *= N / (N + (double)d);
    for (int64_t j = 0; j < d; j++) C[j * d + j] += (double)d / (N + (double)d) * spread[j];
    bad = clears(s, ctx, C, floor, &yes);
    if (bad || yes) return bad;
  }
  return clip(s, ctx, C, floor);
}

static int32_t hold_variance(const gaussian* s,
                             assay_ctx* ctx,
                             const assay_density_model* m,
                             double N,
                             double spread,
                             double* v,
                             int64_t c,
                             int32_t* note) {
  const double floor = ((const double*)m->shared.data)[0];
  if (*v >= floor) return ASSAY_OK;
  if (s->on_singular == ERROR) return singular(s, ctx, c);
  *note = s->on_singular == REMOVE ? ASSAY_DENSITY_REMOVE : ASSAY_DENSITY_FLOORED;
  if (s->on_singular == PRIOR) *v = (N * *v + spread) / (N + 1);
  if (!(*v >= floor)) *v = floor;
  return ASSAY_OK;
}

/* Where sum r z begins in a line of statistics. */
static const double* firsts(const gaussian* s, const double* line) {
  return line + (gaussian_matrix(s) ? 8 : 1);
}

/* A d x d matrix += N rows' scatter about their own mean, and what the prior says of the mean;
 * `mean` has been moved. */
static void add_scatter(const gaussian* s,
                        const double* line,
                        const double* mean,
                        const double* centre,
                        double* C) {
  const int64_t d = s->d, wide = s->wide;
  const double N = line[0], *first = firsts(s, line), *S = line + 8 + wide;
  for (int64_t i = 0; i < d; i++)
    for (int64_t j = 0; j <= i; j++) {
      double v = S[i * wide + j] - first[i] / N * first[j];
      if (s->kappa > 0)
        v += s->kappa * (s->kappa + N) / N * (mean[i] - centre[i]) * (mean[j] - centre[j]);
      C[i * d + j] += v;
      if (i != j) C[j * d + i] += v;
    }
}

static int32_t matrix_of(const gaussian* s,
                         assay_ctx* ctx,
                         const double* line,
                         int64_t c,
                         assay_density_model* m,
                         int32_t* note) {
  const int64_t d = s->d;
  const double* spread = gaussian_spread(s, m);
  double *params = gaussian_line(&m->params, c), *C = params + d;
  const double all = line[0] + gaussian_weight(s, d) + (s->kappa > 0 ? 1 : 0);
  memset(C, 0, (size_t)(d * d) * sizeof *C);
  if (line[0] > 0) add_scatter(s, line, params, gaussian_centre(s, m), C);
  for (int64_t j = 0; j < d && s->degrees > 0; j++) C[j * d + j] += s->scale * spread[j];
  for (int64_t i = 0; i < d * d; i++) C[i] /= all;
  return hold_matrix(s, ctx, m, line[0], C, c, note);
}

static int32_t variances_of(const gaussian* s,
                            assay_ctx* ctx,
                            const double* line,
                            int64_t c,
                            assay_density_model* m,
                            int32_t* note) {
  const int64_t d = s->d;
  const double N = line[0], *centre = gaussian_centre(s, m), *spread = gaussian_spread(s, m);
  double *params = gaussian_line(&m->params, c), *v = params + d, sum = 0;
  const double weight = gaussian_weight(s, 1), one = s->kappa > 0 ? 1 : 0;
  for (int64_t j = 0; j < d; j++) {
    double square = 0;
    if (N > 0) {
      square = line[1 + d + j] - line[1 + j] / N * line[1 + j];
      square = square > 0 ? square : 0;
      if (s->kappa > 0) {
        const double apart = params[j] - centre[j];
        square += s->kappa * (s->kappa + N) / N * apart * apart;
      }
    }
    if (s->covariance == SPHERICAL) {
      sum += square;
      continue;
    }
    if (weight > 0) square += s->scale * spread[j];
    v[j] = square / (N + weight + one);
    const int32_t bad = hold_variance(s, ctx, m, N, spread[j], &v[j], c, note);
    if (bad) return bad;
  }
  if (s->covariance != SPHERICAL) return ASSAY_OK;
  const double mean_spread = ((const double*)m->shared.data)[1];
  if (weight > 0) sum += s->scale * mean_spread;
  v[0] = sum / (N * (double)d + weight + one * (double)d);
  return hold_variance(s, ctx, m, N, mean_spread, v, c, note);
}

int32_t gaussian_maximise(void* self,
                          assay_ctx* ctx,
                          const assay_view* stats,
                          int64_t c0,
                          int64_t c1,
                          assay_density_model* m,
                          int32_t* notes) {
  const gaussian* s = self;
  const double* centre = gaussian_centre(s, m);
  for (int64_t c = c0; c < c1; c++) {
    const double *line = gaussian_line(stats, c), *first = firsts(s, line), N = line[0];
    double* mean = gaussian_line(&m->params, c);
    int32_t bad = ASSAY_OK;
    notes[c] = 0;
    if (!(N + s->kappa > 0)) continue;
    for (int64_t j = 0; j < s->d; j++) {
      const double sum = first[j] + (m->raw ? 0 : N * mean[j]);
      mean[j] = s->kappa > 0 ? (s->kappa * centre[j] + sum) / (s->kappa + N)
                : m->raw     ? sum / N
                             : mean[j] + first[j] / N;
    }
    if (!(N > 0) && !(s->degrees > 0)) continue;
    if (s->covariance == FULL) bad = matrix_of(s, ctx, line, c, m, &notes[c]);
    if (s->covariance == DIAG || s->covariance == SPHERICAL)
      bad = variances_of(s, ctx, line, c, m, &notes[c]);
    if (bad) return bad;
  }
  return ASSAY_OK;
}

int32_t gaussian_maximise_shared(void* self,
                                 assay_ctx* ctx,
                                 const assay_view* stats,
                                 assay_density_model* m,
                                 int32_t* note) {
  const gaussian* s = self;
  const int64_t d = s->d;
  const double *centre = gaussian_centre(s, m), *spread = gaussian_spread(s, m);
  double *C = gaussian_matrix_of(s, m, 0), N = 0;
  *note = 0;
  if (s->covariance != TIED) return ASSAY_OK;
  memset(C, 0, (size_t)(d * d) * sizeof *C);
  for (int64_t c = 0; c < s->k; c++) {
    const double* line = gaussian_line(stats, c);
    N += line[0];
    if (line[0] > 0) add_scatter(s, line, gaussian_line(&m->params, c), centre, C);
  }
  for (int64_t j = 0; j < d && s->degrees > 0; j++) C[j * d + j] += s->scale * spread[j];
  const double all = N + gaussian_weight(s, d) + (s->kappa > 0 ? (double)s->k : 0);
  for (int64_t i = 0; i < d * d; i++) C[i] /= all;
  const int32_t bad = hold_matrix(s, ctx, m, N, C, 0, note);
  if (*note == ASSAY_DENSITY_REMOVE) *note = ASSAY_DENSITY_FLOORED; /* all would go */
  return bad;
}

/* log |C| and diag(C^-1) by column of the inverse; quad = (mu - m0)' C^-1 (mu - m0). */
static int32_t matrix_terms(const gaussian* s,
                            assay_ctx* ctx,
                            const assay_density_model* m,
                            int64_t c,
                            double* logdet,
                            double* trace,
                            double* quad) {
  const int64_t d = s->d;
  const double *spread = gaussian_spread(s, m), *centre = gaussian_centre(s, m);
  const double* mean = gaussian_line(&m->params, c);
  double* L = s->host->scratch(ctx, d * d * (int64_t)sizeof *L);
  if (!L) return out_of_memory(s, ctx);
  memcpy(L, gaussian_matrix_of(s, m, c), (size_t)(d * d) * sizeof *L);
  int32_t bad = s->la->potrf(d, L, d);
  if (bad) return bad;
  *logdet = *trace = *quad = 0;
  for (int64_t j = 0; j < d; j++) *logdet += 2 * log(L[j * d + j]);
  bad = s->la->trtri(d, L, d);
  if (bad) return bad;
  for (int64_t i = 0; i < d; i++) {
    double y = 0;
    for (int64_t j = 0; j <= i; j++) {
      *trace += L[i * d + j] * L[i * d + j] * spread[j];
      y += L[i * d + j] * (mean[j] - centre[j]);
    }
    *quad += y * y;
  }
  return ASSAY_OK;
}

static double log_gamma(const gaussian* s, double x) {
  s->math->lgamma(1, &x, &x);
  return x;
}

/* log of the normalising constant of IW(Psi, nu) of size p. */
static double wishart_constant(const gaussian* s, int64_t p, double log_det_psi) {
  const double nu = s->degrees, size = (double)p;
  double out = 0.5 * nu * log_det_psi - 0.5 * nu * size * log(2) -
               0.25 * size * (size - 1) * log(3.14159265358979324);
  for (int64_t j = 0; j < p; j++) out -= log_gamma(s, 0.5 * (nu - (double)j));
  return out;
}

int32_t gaussian_log_prior(void* self, assay_ctx* ctx, const assay_density_model* m, double* out) {
  const gaussian* s = self;
  const int64_t d = s->d;
  const double *spread = gaussian_spread(s, m), *centre = gaussian_centre(s, m);
  const double one = s->kappa > 0 ? 1 : 0,
               log_kappa = one > 0 ? log(s->kappa / 6.283185307179586) : 0;
  double sum = 0, psi = 0;
  *out = 0;
  if (!(s->kappa > 0) && !(s->degrees > 0)) return ASSAY_OK;
  for (int64_t j = 0; j < d; j++) psi += log(s->scale * spread[j]);
  for (int64_t c = 0; c < s->k; c++) {
    const double* mean = gaussian_line(&m->params, c);
    if (gaussian_matrix(s)) {
      double logdet = 0, trace = 0, quad = 0;
      const int32_t bad = matrix_terms(s, ctx, m, c, &logdet, &trace, &quad);
      if (bad) return bad;
      sum += 0.5 * one * ((double)d * log_kappa - logdet - s->kappa * quad);
      if (s->degrees > 0 && (s->covariance == FULL || c == 0))
        sum += wishart_constant(s, d, psi) - 0.5 * gaussian_weight(s, d) * logdet -
               0.5 * s->scale * trace;
      continue;
    }
    for (int64_t j = 0; j < d; j++) {
      const double v = s->covariance == DIAG        ? mean[d + j]
                       : s->covariance == SPHERICAL ? mean[d]
                                                    : 1;
      const double apart = mean[j] - centre[j];
      sum += 0.5 * one * (log_kappa - log(v) - s->kappa * apart * apart / v);
      if (s->degrees > 0 && s->covariance == DIAG)
        sum += wishart_constant(s, 1, log(s->scale * spread[j])) -
               0.5 * gaussian_weight(s, 1) * log(v) - 0.5 * s->scale * spread[j] / v;
    }
    if (s->degrees > 0 && s->covariance == SPHERICAL) {
      const double v = mean[d], mean_spread = ((const double*)m->shared.data)[1];
      sum += wishart_constant(s, 1, log(s->scale * mean_spread)) -
             0.5 * gaussian_weight(s, 1) * log(v) - 0.5 * s->scale * mean_spread / v;
    }
  }
  *out = sum;
  return ASSAY_OK;
}
