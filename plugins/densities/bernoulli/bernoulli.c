/* SPDX-License-Identifier: Apache-2.0 */
/* Independent coins:  log p(x | c) = sum_j x_j log mu_j + (1 - x_j) log(1 - mu_j).
   Linear: B = log(mu / (1 - mu)), offset = sum log(1 - mu). M-step mu = sum r x / N, kept in
   [floor, 1 - floor]; with a Beta(a, b) prior (sum r x + a - 1) / (N + a + b - 2). Entries missing
   are summed out exactly: a row's density is over what is seen, and what is not counts as its mean
   in the statistics. */
#include <assay/densities.h>

static int32_t describe(void* self, assay_density_facts* out) {
  const assay_columns* s = self;
  out->flags = ASSAY_DENSITY_LINEAR | ASSAY_DENSITY_FREE | ASSAY_DENSITY_MISSING |
               ASSAY_DENSITY_STABLE | ASSAY_DENSITY_DISCRETE;
  if (s->a > 1 || s->b > 1) out->flags |= ASSAY_DENSITY_PRIOR;
  out->params = s->d;
  out->derived = 2 * s->d;
  out->stats = 1 + s->d;
  out->x_hi = 1;
  out->free_parameters = (double)(s->k * s->d);
  return ASSAY_OK;
}

static int32_t start(void* self,
                     assay_ctx* ctx,
                     const assay_view* means,
                     const double* centre,
                     const double* spread,
                     assay_density_model* m) {
  const assay_columns* s = self;
  assay_density_model own = *m;
  (void)ctx;
  (void)spread;
  own.shared.data = NULL;
  assay_columns_start(s, means, centre, 0.05, 0.95, &own);
  return ASSAY_OK;
}

/* Log odds, then log(1 - mu). */
static int32_t prepare(void* self, assay_ctx* ctx, int64_t c0, int64_t c1, assay_density_model* m) {
  const assay_columns* s = self;
  (void)ctx;
  for (int64_t c = c0; c < c1; c++) {
    const double* mu = assay_density_line(&m->params, c);
    double *odds = assay_density_line(&m->derived, c), *rest = odds + s->d;
    for (int64_t j = 0; j < s->d; j++) rest[j] = -mu[j];
    s->math->log1p(s->d, rest, rest);
    s->math->log(s->d, mu, odds);
    for (int64_t j = 0; j < s->d; j++) odds[j] -= rest[j];
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
  const assay_columns* s = self;
  (void)ctx;
  (void)B2;
  for (int64_t c = 0; c < s->k; c++) {
    const double* odds = assay_density_line(&m->derived, c);
    for (int64_t j = 0; j < count; j++) assay_density_line(B, j)[c] = odds[first + j];
  }
  return ASSAY_OK;
}

static int32_t offsets(void* self, assay_ctx* ctx, const assay_density_model* m, double* out) {
  const assay_columns* s = self;
  (void)ctx;
  for (int64_t c = 0; c < s->k; c++) {
    const double* rest = assay_density_line(&m->derived, c) + s->d;
    out[c] = 0;
    for (int64_t j = 0; j < s->d; j++) out[c] += rest[j];
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
  const assay_columns* s = self;
  (void)ctx;
  for (int64_t c = c0; c < c1; c++, out += ld) {
    const double *odds = assay_density_line(&m->derived, c), *rest = odds + s->d;
    for (int64_t i = 0; i < rows->n; i++) {
      const double* x = rows->x + i * rows->ld;
      const uint8_t* seen = rows->seen ? rows->seen + i * s->d : NULL;
      out[i] = 0;
      for (int64_t j = 0; j < s->d; j++)
        if (!seen || seen[j]) out[i] += x[j] * odds[j] + rest[j];
    }
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
  (void)self;
  (void)ctx;
  return assay_columns_accumulate(rows, &m->params, resp, ld, c0, c1, stats);
}

static int32_t maximise(void* self,
                        assay_ctx* ctx,
                        const assay_view* stats,
                        int64_t c0,
                        int64_t c1,
                        assay_density_model* m,
                        int32_t* notes) {
  const assay_columns* s = self;
  (void)ctx;
  for (int64_t c = c0; c < c1; c++) {
    const double *line = assay_density_line(stats, c), all = line[0] + s->a + s->b - 2;
    double* mu = assay_density_line(&m->params, c);
    notes[c] = 0;
    if (!(all > 0)) continue;
    for (int64_t j = 0; j < s->d; j++) {
      const double v = (line[1 + j] + s->a - 1) / all;
      mu[j] = v < s->floor ? s->floor : v > 1 - s->floor ? 1 - s->floor : v;
    }
  }
  return ASSAY_OK;
}

static int32_t log_prior(void* self, assay_ctx* ctx, const assay_density_model* m, double* out) {
  const assay_columns* s = self;
  double gammas[3] = {s->a + s->b, s->a, s->b}, sum = 0;
  (void)ctx;
  *out = 0;
  if (!(s->a > 1) && !(s->b > 1)) return ASSAY_OK;
  s->math->lgamma(3, gammas, gammas);
  for (int64_t c = 0; c < s->k; c++) {
    const double* mu = assay_density_line(&m->params, c);
    for (int64_t j = 0; j < s->d; j++)
      sum +=
          (s->a - 1) * log(mu[j]) + (s->b - 1) * log1p(-mu[j]) + gammas[0] - gammas[1] - gammas[2];
  }
  *out = sum;
  return ASSAY_OK;
}

static int32_t moments(void* self,
                       assay_ctx* ctx,
                       const assay_density_model* m,
                       assay_view* means,
                       assay_view* covariances) {
  const assay_columns* s = self;
  (void)ctx;
  for (int64_t c = 0; c < s->k; c++) {
    const double* mu = assay_density_line(&m->params, c);
    if (means) memcpy(assay_density_line(means, c), mu, (size_t)s->d * sizeof *mu);
    for (int64_t i = 0; covariances && i < s->d; i++) {
      double* line = assay_density_line(covariances, c * s->d + i);
      memset(line, 0, (size_t)s->d * sizeof *line);
      line[i] = mu[i] * (1 - mu[i]);
    }
  }
  return ASSAY_OK;
}

static int32_t sample(void* self,
                      assay_ctx* ctx,
                      const assay_density_model* m,
                      int64_t c,
                      uint64_t stream,
                      int64_t index,
                      int64_t n,
                      assay_view* out) {
  const assay_columns* s = self;
  const assay_rng* rng = s->host->service("assay.rng/1");
  const double* mu = assay_density_line(&m->params, c);
  (void)ctx;
  for (int64_t i = 0; i < n; i++) {
    double* x = assay_density_line(out, i);
    rng->uniform(stream, (uint64_t)((index + i) * s->d), s->d, x);
    for (int64_t j = 0; j < s->d; j++) x[j] = x[j] < mu[j] ? 1 : 0;
  }
  return ASSAY_OK;
}

static const assay_option options[] = {
    {"floor", "means stay this far from 0 and 1", ASSAY_OPT_FLOAT,
     ASSAY_OPT_LO_OPEN | ASSAY_OPT_HI_OPEN, 1e-10, 0, 0.5, NULL, NULL},
    {"prior_a", "of a Beta(a, b) prior of each mean: a - 1 ones were seen before", ASSAY_OPT_FLOAT,
     ASSAY_OPT_HI_OPEN, 1, 1, INFINITY, NULL, NULL},
    {"prior_b", "and b - 1 zeros", ASSAY_OPT_FLOAT, ASSAY_OPT_HI_OPEN, 1, 1, INFINITY, NULL, NULL},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_density vtable = {.struct_size = sizeof vtable,
                                     .create = assay_columns_create,
                                     .destroy = assay_columns_destroy,
                                     .describe = describe,
                                     .start = start,
                                     .prepare = prepare,
                                     .linear = linear,
                                     .offsets = offsets,
                                     .log_density = log_density,
                                     .accumulate = accumulate,
                                     .maximise = maximise,
                                     .log_prior = log_prior,
                                     .moments = moments,
                                     .sample = sample};
static const assay_plugin plugin = {
    sizeof plugin,
    0,
    "assay.density/1",
    "bernoulli",
    "independent coins: binary data, a mean per column",
    "Juan and Vidal 2002; Bishop 2006, 9.3.3",
    "log p(x | c) = sum_j x_j log mu_j + (1 - x_j) log(1 - mu_j),  0 <= x <= 1\n"
    "M-step: mu = (sum r x + a - 1) / (N + a + b - 2)\n"
    "prior (MAP): mu_j ~ Beta(a, b)",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.bernoulli", "1.0", plugin)
