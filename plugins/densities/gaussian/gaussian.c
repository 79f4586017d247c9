/* SPDX-License-Identifier: Apache-2.0 */
/* Normal law of a component:  log p(x | c) = -1/2 (d log 2 pi + log |C| + (x - mu)' C^-1 (x - mu)).
   Full and tied covariances: z = x - mu, then |z T|^2 with T T' = C^-1 from one Cholesky factor a
   component and step, d^2 flops a row and component; statistics sum r z'z, as much again, about the
   mean the step began with, so that no digits are lost where means are large. Diagonal, spherical
   and identity ones cost 4 d; over sparse X they are linear in x and x^2. */
#include "gaussian.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel.h"
#include "missing.h"

static const double kLogTwoPi = 1.8378770664093454836;

static int32_t create(const assay_host* host, assay_ctx* ctx, const assay_problem* p, void** self) {
  static const char* const kinds[] = {"full", "tied", "diag", "spherical", "identity"};
  static const char* const policies[] = {"floor", "prior", "remove", "error"};
  gaussian* s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the density");
  memset(s, 0, sizeof *s);
  s->host = host;
  s->la = host->service("assay.la/1");
  s->math = host->service("assay.math/1");
  s->d = p->d;
  s->k = p->k[0];
  s->wide = (p->d + 7) / 8 * 8;
  s->missing = (p->flags & ASSAY_PROBLEM_UNEQUAL) != 0;
  const char* kind = host->option_text(p->options, "covariance");
  const char* policy = host->option_text(p->options, "on_singular");
  for (int i = 0; i < 5; i++)
    if (strcmp(kind, kinds[i]) == 0) s->covariance = i;
  for (int i = 0; i < 4; i++)
    if (strcmp(policy, policies[i]) == 0) s->on_singular = i;
  s->floor = host->option_number(p->options, "floor");
  s->kappa = host->option_number(p->options, "prior_mean");
  s->degrees = host->option_number(p->options, "prior_degrees");
  s->scale = host->option_number(p->options, "prior_scale");
  if (s->covariance == IDENTITY) s->degrees = 0;
  const double least = gaussian_matrix(s) ? (double)p->d - 1 : 0;
  if (s->degrees > 0 && !(s->degrees > least)) {
    char text[128];
    snprintf(text, sizeof text, "the prior's `degrees` is %g, and the data have %lld columns",
             s->degrees, (long long)p->d);
    const int32_t status = host->set_error(ctx, ASSAY_E_COMBINATION, text);
    snprintf(text, sizeof text, "`degrees: %lld`, the columns and 2, is usual",
             (long long)p->d + 2);
    host->add_detail(ctx, ASSAY_DETAIL_EXPECTED, "more than the number of columns less 1");
    host->add_detail(ctx, ASSAY_DETAIL_HELP, text);
    host->free(s);
    return status;
  }
  *self = s;
  return ASSAY_OK;
}

static int32_t describe(void* self, assay_density_facts* out) {
  const gaussian* s = self;
  const int64_t d = s->d, k = s->k, wide = s->wide, kind = s->covariance;
  const int64_t own[] = {d * d, 0, d, 1, 0};
  const double free_of[] = {0.5 * (double)(d * (d + 1)) * (double)k, 0.5 * (double)(d * (d + 1)),
                            (double)(d * k), (double)k, 0};
  out->flags = ASSAY_DENSITY_FREE | ASSAY_DENSITY_MISSING;
  if (kind > TIED) out->flags |= ASSAY_DENSITY_LINEAR;
  if (kind == DIAG || kind == SPHERICAL) out->flags |= ASSAY_DENSITY_SQUARES;
  if (s->kappa > 0 || s->degrees > 0) out->flags |= ASSAY_DENSITY_PRIOR;
  out->params = d + own[kind];
  out->shared = 2 + 2 * d + (kind == TIED ? d * d : 0);
  out->derived = 8 + (gaussian_matrix(s) ? wide * wide : 2 * wide);
  out->stats = gaussian_matrix(s) ? 8 + wide + wide * wide : 1 + 2 * d;
  out->work = 2 * ASSAY_DENSITY_ROWS * wide + ASSAY_DENSITY_ROWS;
  if (s->missing && gaussian_matrix(s)) out->work += gaussian_missing_work(s);
  out->x_lo = -INFINITY;
  out->x_hi = INFINITY;
  out->free_parameters = (double)(k * d) + free_of[kind];
  return ASSAY_OK;
}

/* The variance of a column whose entries are all alike is the rounding of their mean. */
static double real_spread(double spread, double centre) {
  const double noise = 64 * DBL_EPSILON * centre;
  return spread > noise * noise ? spread : 0;
}

static int32_t start(void* self,
                     assay_ctx* ctx,
                     const assay_view* means,
                     const double* centre,
                     const double* spread,
                     assay_density_model* m) {
  const gaussian* s = self;
  const int64_t d = s->d;
  double mean = 0, *shared = m->shared.data;
  (void)ctx;
  for (int64_t j = 0; j < d; j++) mean += real_spread(spread[j], centre[j]) / (double)d;
  const double scale = mean > 1e-200 ? mean : 1;
  const double share = s->floor > 0 ? s->floor : m->f32 ? 1e-4 : 1e-6;
  shared[0] = share * scale;
  shared[1] = scale;
  memcpy(gaussian_centre(s, m), centre, (size_t)d * sizeof *centre);
  double* own = gaussian_spread(s, m);
  for (int64_t j = 0; j < d; j++) {
    const double v = real_spread(spread[j], centre[j]);
    own[j] = v > shared[0] ? v : shared[0];
  }
  for (int64_t c = 0; c < s->k; c++) {
    double *params = gaussian_line(&m->params, c), *C = gaussian_matrix_of(s, m, c);
    memcpy(params, gaussian_line(means, c), (size_t)d * sizeof *params);
    if (s->covariance == SPHERICAL) params[d] = scale;
    if (s->covariance == DIAG) memcpy(params + d, own, (size_t)d * sizeof *own);
    if (!gaussian_matrix(s)) continue;
    memset(C, 0, (size_t)(d * d) * sizeof *C);
    for (int64_t j = 0; j < d; j++) C[j * d + j] = own[j];
  }
  return ASSAY_OK;
}

static double variance(const gaussian* s, const double* params, int64_t j) {
  return s->covariance == DIAG ? params[s->d + j] : s->covariance == SPHERICAL ? params[s->d] : 1;
}

/* The constant and T, the transposed inverse of the Cholesky factor. */
static int32_t factorise(const gaussian* s, assay_ctx* ctx, const double* C, double* derived) {
  const int64_t d = s->d, wide = s->wide;
  double *L = s->host->scratch(ctx, d * d * (int64_t)sizeof *L), logdet = 0;
  if (!L) return s->host->set_error(ctx, ASSAY_E_MEMORY, "no memory for a covariance");
  memcpy(L, C, (size_t)(d * d) * sizeof *L);
  int32_t bad = s->la->potrf(d, L, d);
  if (bad) return s->host->set_error(ctx, ASSAY_E_SINGULAR, "a covariance is singular");
  for (int64_t j = 0; j < d; j++) logdet += 2 * log(L[j * d + j]);
  bad = s->la->trtri(d, L, d);
  if (bad) return s->host->set_error(ctx, ASSAY_E_SINGULAR, "a covariance is singular");
  derived[0] = -0.5 * ((double)d * kLogTwoPi + logdet);
  double* T = derived + 8;
  memset(T, 0, (size_t)(wide * wide) * sizeof *T);
  for (int64_t a = 0; a < d; a++)
    for (int64_t b = 0; b <= a; b++) T[b * wide + a] = L[a * d + b];
  return ASSAY_OK;
}

static int32_t prepare(void* self, assay_ctx* ctx, int64_t c0, int64_t c1, assay_density_model* m) {
  const gaussian* s = self;
  const int64_t d = s->d, wide = s->wide;
  for (int64_t c = c0; c < c1; c++) {
    double* derived = gaussian_line(&m->derived, c);
    const double* params = gaussian_line(&m->params, c);
    if (gaussian_matrix(s)) {
      if (s->covariance == TIED && c > c0) {
        memcpy(derived, gaussian_line(&m->derived, c0),
               (size_t)(8 + wide * wide) * sizeof *derived);
        continue;
      }
      const int32_t bad = factorise(s, ctx, gaussian_matrix_of(s, m, c), derived);
      if (bad) return bad;
      continue;
    }
    double logdet = 0;
    memset(derived, 0, (size_t)(8 + 2 * wide) * sizeof *derived);
    for (int64_t j = 0; j < d; j++) {
      const double v = variance(s, params, j);
      if (s->covariance != IDENTITY) logdet += log(v);
      derived[8 + j] = params[j];
      derived[8 + wide + j] = 1 / v;
    }
    derived[0] = -0.5 * ((double)d * kLogTwoPi + logdet);
  }
  return ASSAY_OK;
}

/* z = x - mean, a row `wide` apart, zeros behind; rows up to a multiple of 8. */
ASSAY_SIMD static void centre_rows(const assay_density_rows* rows,
                                   const double* restrict mean,
                                   int64_t wide,
                                   double* restrict z) {
  const int64_t d = rows->d, all = (rows->n + 7) / 8 * 8;
  for (int64_t i = 0; i < rows->n; i++) {
    const double* restrict x = rows->x + i * rows->ld;
    for (int64_t j = 0; j < d; j++) z[i * wide + j] = x[j] - mean[j];
    for (int64_t j = d; j < wide; j++) z[i * wide + j] = 0;
  }
  memset(z + rows->n * wide, 0, (size_t)((all - rows->n) * wide) * sizeof *z);
}

typedef double vec __attribute__((vector_size(64), aligned(8), may_alias));

/* sum_j (x_j - mean_j)^2 inverse_j; behind d all are 0. */
ASSAY_SIMD static void scaled_squares(int64_t n,
                                      int64_t wide,
                                      const double* z,
                                      const double* inverse,
                                      double* q) {
  for (int64_t i = 0; i < n; i++) {
    const vec *at = (const vec*)(z + i * wide), *v = (const vec*)inverse;
    vec sum = {0};
    for (int64_t j = 0; j < wide / 8; j++) sum += at[j] * at[j] * v[j];
    q[i] = ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
  }
}

ASSAY_SIMD static void add_squares(int64_t n,
                                   int64_t d,
                                   int64_t wide,
                                   const double* restrict z,
                                   const double* restrict r,
                                   double* restrict first,
                                   double* restrict second) {
  for (int64_t i = 0; i < n; i++) {
    const double* restrict at = z + i * wide;
    for (int64_t j = 0; j < d; j++) {
      const double t = r[i] * at[j];
      first[j] += t;
      second[j] += t * at[j];
    }
  }
}

/* Diagonal covariances: the columns that are seen. */
static int32_t log_seen(const gaussian* s,
                        const assay_density_rows* rows,
                        const double* params,
                        double* out) {
  for (int64_t i = 0; i < rows->n; i++) {
    const double* x = rows->x + i * rows->ld;
    out[i] = 0;
    for (int64_t j = 0; j < s->d; j++) {
      const double v = variance(s, params, j), apart = x[j] - params[j];
      if (rows->seen[i * s->d + j]) out[i] -= 0.5 * (kLogTwoPi + log(v) + apart * apart / v);
    }
  }
  return ASSAY_OK;
}

static int32_t log_density(void* self,
                           assay_ctx* ctx,
                           const assay_density_rows* rows,
                           const assay_density_model* m,
                           int64_t c0,
                           int64_t c1,
                           double* out,
                           int64_t ld) {
  const gaussian* s = self;
  const int64_t wide = s->wide, all = (rows->n + 7) / 8 * 8;
  double *z = rows->work, *q = z + 2 * ASSAY_DENSITY_ROWS * wide;
  int64_t order[ASSAY_DENSITY_ROWS];
  if (rows->seen) gaussian_order(rows, order);
  for (int64_t c = c0; c < c1; c++, out += ld) {
    const double* derived = gaussian_line(&m->derived, c);
    if (rows->seen) {
      const double* mean = gaussian_line(&m->params, c);
      const int32_t bad = gaussian_matrix(s) ? gaussian_log_marginal(s, ctx, rows, order, mean,
                                                                     gaussian_matrix_of(s, m, c),
                                                                     q + ASSAY_DENSITY_ROWS, out)
                                             : log_seen(s, rows, mean, out);
      if (bad) return bad;
      continue;
    }
    centre_rows(rows, gaussian_line(&m->params, c), wide, z);
    if (gaussian_matrix(s))
      gaussian_squares(all, wide, z, derived + 8, q);
    else
      scaled_squares(rows->n, wide, z, derived + 8 + wide, q);
    for (int64_t i = 0; i < rows->n; i++) out[i] = derived[0] - 0.5 * q[i];
  }
  return ASSAY_OK;
}

/* What is missing counts as the mean, with the variance it has. */
static int32_t expect_hidden(const gaussian* s,
                             const assay_density_rows* rows,
                             const double* params,
                             const double* resp,
                             double* z,
                             double* second) {
  for (int64_t i = 0; i < rows->n; i++)
    for (int64_t j = 0; j < s->d; j++) {
      if (rows->seen[i * s->d + j]) continue;
      z[i * s->wide + j] = 0;
      second[j] += resp[i] * variance(s, params, j);
    }
  return ASSAY_OK;
}

static int32_t accumulate(void* self,
                          assay_ctx* ctx,
                          const assay_density_rows* rows,
                          const assay_density_model* m,
                          const double* resp,
                          int64_t ld,
                          int64_t c0,
                          int64_t c1,
                          assay_view* stats) {
  const gaussian* s = self;
  const int64_t wide = s->wide, n = rows->n;
  double *z = rows->work, *scaled = z + ASSAY_DENSITY_ROWS * wide;
  int64_t order[ASSAY_DENSITY_ROWS];
  if (rows->seen) gaussian_order(rows, order);
  for (int64_t c = c0; c < c1; c++, resp += ld) {
    double *line = gaussian_line(stats, c), N = 0;
    for (int64_t i = 0; i < n; i++) N += resp[i];
    if (!(N > 0)) continue;
    centre_rows(rows, gaussian_line(&m->params, c), wide, z);
    line[0] += N;
    if (rows->seen) {
      const double* mean = gaussian_line(&m->params, c);
      const int32_t bad =
          gaussian_matrix(s)
              ? gaussian_impute(s, ctx, rows, order, mean, gaussian_matrix_of(s, m, c), resp,
                                scaled + (ASSAY_DENSITY_ROWS * (wide + 1)), z, line + 8 + wide)
              : expect_hidden(s, rows, mean, resp, z, line + 1 + s->d);
      if (bad) return bad;
    }
    if (!gaussian_matrix(s)) {
      add_squares(n, s->d, wide, z, resp, line + 1, line + 1 + s->d);
      continue;
    }
    gaussian_scatter(n, wide, z, resp, scaled, line + 8, line + 8 + wide);
  }
  return ASSAY_OK;
}

/* With z = x - mean and the mean moved by e: sum r (z - e) = first - N e,
   sum r (z - e)(z - e)' = second - first e' - e first' + N e e'. */
static int32_t recentre(void* self,
                        assay_ctx* ctx,
                        const assay_view* before,
                        const assay_density_model* m,
                        assay_view* stats) {
  const gaussian* s = self;
  const int64_t d = s->d, wide = s->wide;
  (void)ctx;
  for (int64_t c = 0; c < s->k; c++) {
    const double *old = gaussian_line(before, c), *mean = gaussian_line(&m->params, c);
    double *line = gaussian_line(stats, c), *first = line + (gaussian_matrix(s) ? 8 : 1);
    const double N = line[0];
    for (int64_t i = 0; i < d; i++) {
      const double e = mean[i] - old[i];
      if (!gaussian_matrix(s)) {
        line[1 + d + i] += (N * e - 2 * first[i]) * e;
        continue;
      }
      double* second = line + 8 + wide + i * wide;
      for (int64_t j = 0; j <= i; j++) {
        const double of_j = mean[j] - old[j];
        second[j] += N * e * of_j - first[i] * of_j - e * first[j];
      }
    }
    for (int64_t i = 0; i < d; i++) first[i] -= N * (mean[i] - old[i]);
  }
  return ASSAY_OK;
}

static int32_t linear(void* self,
                      assay_ctx* ctx,
                      const assay_density_model* m,
                      int64_t first,
                      int64_t count,
                      assay_view* B,
                      assay_view* B2) {
  const gaussian* s = self;
  (void)ctx;
  for (int64_t c = 0; c < s->k; c++) {
    const double* params = gaussian_line(&m->params, c);
    for (int64_t j = 0; j < count; j++) {
      const double inverse = 1 / variance(s, params, first + j);
      gaussian_line(B, j)[c] = params[first + j] * inverse;
      if (B2) gaussian_line(B2, j)[c] = -0.5 * inverse;
    }
  }
  return ASSAY_OK;
}

/* sum mean^2 / variance is what x^2, x mean and mean^2 cancel from: the precision times it is the
   error of log p, and of a variance in its own size. */
static int32_t too_far(const gaussian* s, assay_ctx* ctx, const assay_density_model* m, int64_t c) {
  char text[128];
  snprintf(text, sizeof text,
           "entries of component %lld lie too far from 0 for sums of sparse rows", (long long)c);
  const int32_t status = s->host->set_error(ctx, ASSAY_E_NUMERIC, text);
  s->host->add_detail(
      ctx, ASSAY_DETAIL_NOTE,
      "(x - mean)^2 is summed as x^2 - 2 x mean + mean^2, which loses the variance");
  s->host->add_detail(ctx, ASSAY_DETAIL_HELP,
                      m->f32 ? "`data.compute: f64`, or data stored dense, or `covariance: full`"
                             : "data stored dense, or `covariance: full`");
  return status;
}

static int32_t offsets(void* self, assay_ctx* ctx, const assay_density_model* m, double* out) {
  const gaussian* s = self;
  const double *shared = m->shared.data, most = m->f32 ? 8e5 : 9e11; /* errors of 0.05, 1e-4 */
  for (int64_t c = 0; c < s->k; c++) {
    const double *derived = gaussian_line(&m->derived, c), *mean = derived + 8;
    double sum = 0, far = 0;
    for (int64_t j = 0; j < s->d; j++) {
      const double inverse = mean[s->wide + j], q = mean[j] * mean[j] * inverse;
      sum += q;
      /* a variance at the floor is not the data's: what counts is that of all rows */
      const int floored = s->covariance != IDENTITY && inverse * shared[0] > 0.99;
      far += floored ? mean[j] * mean[j] / shared[1] : q;
    }
    if (far > most) return too_far(s, ctx, m, c);
    out[c] = derived[0] - 0.5 * sum;
  }
  return ASSAY_OK;
}

/* Identity covariances: x^2 counts once for all components. */
static int32_t base(void* self, assay_ctx* ctx, int64_t n, const double* x, double* out) {
  const gaussian* s = self;
  double sum = 0;
  (void)ctx;
  for (int64_t j = 0; j < n && s->covariance == IDENTITY; j++) sum += x[j] * x[j];
  *out = -0.5 * sum;
  return ASSAY_OK;
}

static int32_t moments(void* self,
                       assay_ctx* ctx,
                       const assay_density_model* m,
                       assay_view* means,
                       assay_view* covariances) {
  const gaussian* s = self;
  const int64_t d = s->d;
  (void)ctx;
  for (int64_t c = 0; c < s->k; c++) {
    const double* params = gaussian_line(&m->params, c);
    if (means) memcpy(gaussian_line(means, c), params, (size_t)d * sizeof *params);
    for (int64_t i = 0; covariances && i < d; i++) {
      double* line = gaussian_line(covariances, c * d + i);
      memset(line, 0, (size_t)d * sizeof *line);
      if (gaussian_matrix(s))
        memcpy(line, gaussian_matrix_of(s, m, c) + i * d, (size_t)d * sizeof *line);
      else
        line[i] = variance(s, params, i);
    }
  }
  return ASSAY_OK;
}

/* mean + L e, e standard normal. */
static int32_t sample(void* self,
                      assay_ctx* ctx,
                      const assay_density_model* m,
                      int64_t c,
                      uint64_t stream,
                      int64_t index,
                      int64_t n,
                      assay_view* out) {
  const gaussian* s = self;
  const int64_t d = s->d;
  const assay_rng* rng = s->host->service("assay.rng/1");
  const double* params = gaussian_line(&m->params, c);
  double* L = s->host->scratch(ctx, d * d * (int64_t)sizeof *L);
  double* e = s->host->scratch(ctx, d * (int64_t)sizeof *e);
  if (!L || !e) return s->host->set_error(ctx, ASSAY_E_MEMORY, "no memory for a sample");
  memset(L, 0, (size_t)(d * d) * sizeof *L);
  if (gaussian_matrix(s)) {
    memcpy(L, gaussian_matrix_of(s, m, c), (size_t)(d * d) * sizeof *L);
    const int32_t bad = s->la->potrf(d, L, d);
    if (bad) return bad;
  } else {
    for (int64_t j = 0; j < d; j++) L[j * d + j] = sqrt(variance(s, params, j));
  }
  for (int64_t i = 0; i < n; i++) {
    double* x = gaussian_line(out, i);
    rng->normal(stream, (uint64_t)((index + i) * d), d, e);
    for (int64_t a = 0; a < d; a++) {
      x[a] = params[a];
      for (int64_t b = 0; b <= a; b++) x[a] += L[a * d + b] * e[b];
    }
  }
  return ASSAY_OK;
}

static void destroy(void* self) {
  if (self) ((gaussian*)self)->host->free(self);
}

static const char* const kinds[] = {"full", "tied", "diag", "spherical", "identity", NULL};
static const char* const policies[] = {"floor", "prior", "remove", "error", NULL};
static const assay_option options[] = {
    {"covariance", "full: one matrix a component; tied: one for all; diag, spherical, identity",
     ASSAY_OPT_ENUM, 0, 0, 0, 0, "full", kinds},
    {"floor",
     "least eigenvalue of a covariance, as a share of the data's mean variance; 0: 1e-6, in "
     "float32 1e-4",
     ASSAY_OPT_FLOAT, ASSAY_OPT_HI_OPEN, 0, 0, 1, NULL, NULL},
    {"on_singular",
     "below the floor: floor raises it there; prior mixes in the data's variances; remove drops "
     "the component; error stops",
     ASSAY_OPT_ENUM, 0, 0, 0, 0, "floor", policies},
    {"prior_mean", "rows that the prior's mean, the data's, counts for; 0: no prior of the means",
     ASSAY_OPT_FLOAT, ASSAY_OPT_HI_OPEN, 0, 0, INFINITY, NULL, NULL},
    {"prior_degrees",
     "degrees of freedom of the inverse Wishart prior, above d - 1; 0: no prior of covariances",
     ASSAY_OPT_FLOAT, ASSAY_OPT_HI_OPEN, 0, 0, INFINITY, NULL, NULL},
    {"prior_scale", "its scale matrix, as a multiple of the diagonal of the data's variances",
     ASSAY_OPT_FLOAT, ASSAY_OPT_LO_OPEN | ASSAY_OPT_HI_OPEN, 1, 0, INFINITY, NULL, NULL},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_density vtable = {.struct_size = sizeof vtable,
                                     .create = create,
                                     .destroy = destroy,
                                     .describe = describe,
                                     .start = start,
                                     .prepare = prepare,
                                     .linear = linear,
                                     .offsets = offsets,
                                     .base = base,
                                     .log_density = log_density,
                                     .accumulate = accumulate,
                                     .maximise = gaussian_maximise,
                                     .maximise_shared = gaussian_maximise_shared,
                                     .log_prior = gaussian_log_prior,
                                     .moments = moments,
                                     .sample = sample,
                                     .recentre = recentre};
static const assay_plugin plugin = {
    sizeof plugin,
    0,
    "assay.density/1",
    "gaussian",
    "normal law with a full, tied, diagonal, spherical or identity covariance",
    "Dempster, Laird and Rubin 1977; Fraley and Raftery 2007 (prior)",
    "log p(x | c) = -1/2 (d log 2 pi + log |C| + (x - mu)' C^-1 (x - mu))\n"
    "M-step: mu = sum r x / N,  C = sum r (x - mu)(x - mu)' / N,  eigenvalues at least the floor\n"
    "prior (MAP): mu | C ~ N(mean of X, C / mean),  C ~ IW(scale diag(variances of X), degrees)\n"
    "in a float32 run `H` is stored in float32; `parameters`, which `predict` and F go by, in "
    "float64",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.gaussian", "1.0", plugin)
