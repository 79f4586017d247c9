/* SPDX-License-Identifier: Apache-2.0 */
/* Independent counts:  log p(x | c) = sum_j x_j log l_j - l_j - log x_j!.
   Linear: B = log l, offset = -sum l, base = -sum log x!. M-step l = sum r x / N, at least the
   floor; with a Gamma(a, b) prior (shape, rate) (sum r x + a - 1) / (N + b). */
#include <assay/counts.h>
#include <assay/densities.h>

static int32_t describe(void* self, assay_density_facts* out) {
  const assay_columns* s = self;
  out->flags = ASSAY_DENSITY_LINEAR | ASSAY_DENSITY_STABLE | ASSAY_DENSITY_DISCRETE;
  if (s->a > 1 || s->b > 0) out->flags |= ASSAY_DENSITY_PRIOR;
  out->params = s->d;
  out->x_hi = INFINITY;
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
  assay_columns_start(s, means, centre, s->floor, INFINITY, &own);
  for (int64_t c = 0; c < s->k; c++) { /* a count of 0 in the one row of a start is not never */
    double* rate = assay_density_line(&m->params, c);
    for (int64_t j = 0; j < s->d; j++)
      if (rate[j] < 0.1 * centre[j]) rate[j] = 0.1 * centre[j];
  }
  return ASSAY_OK;
}

static int32_t offsets(void* self, assay_ctx* ctx, const assay_density_model* m, double* out) {
  const assay_columns* s = self;
  (void)ctx;
  for (int64_t c = 0; c < s->k; c++) {
    const double* rate = assay_density_line(&m->params, c);
    out[c] = 0;
    for (int64_t j = 0; j < s->d; j++) out[c] -= rate[j];
  }
  return ASSAY_OK;
}

static int32_t base(void* self, assay_ctx* ctx, int64_t n, const double* x, double* out) {
  (void)ctx;
  *out = -assay_columns_log_factorials(self, n, x);
  return ASSAY_OK;
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
    const double *line = assay_density_line(stats, c), all = line[0] + s->b;
    double* rate = assay_density_line(&m->params, c);
    notes[c] = 0;
    if (!(all > 0)) continue;
    for (int64_t j = 0; j < s->d; j++) {
      const double v = (line[1 + j] + s->a - 1) / all;
      rate[j] = v > s->floor ? v : s->floor;
    }
  }
  return ASSAY_OK;
}

static int32_t log_prior(void* self, assay_ctx* ctx, const assay_density_model* m, double* out) {
  const assay_columns* s = self;
  double constant = s->a, sum = 0;
  (void)ctx;
  *out = 0;
  if (!(s->a > 1) && !(s->b > 0)) return ASSAY_OK;
  s->math->lgamma(1, &constant, &constant);
  constant = s->b > 0 ? s->a * log(s->b) - constant : 0; /* without a rate the law is improper */
  for (int64_t c = 0; c < s->k; c++) {
    const double* rate = assay_density_line(&m->params, c);
    for (int64_t j = 0; j < s->d; j++) sum += (s->a - 1) * log(rate[j]) - s->b * rate[j] + constant;
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
    const double* rate = assay_density_line(&m->params, c);
    if (means) memcpy(assay_density_line(means, c), rate, (size_t)s->d * sizeof *rate);
    for (int64_t i = 0; covariances && i < s->d; i++) {
      double* line = assay_density_line(covariances, c * s->d + i);
      memset(line, 0, (size_t)s->d * sizeof *line);
      line[i] = rate[i];
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
  const double* rate = assay_density_line(&m->params, c);
  (void)ctx;
  for (int64_t i = 0; i < n; i++) {
    double* x = assay_density_line(out, i);
    rng->uniform(stream, (uint64_t)((index + i) * s->d), s->d, x);
    for (int64_t j = 0; j < s->d; j++) x[j] = assay_poisson(s->math, rate[j], x[j]);
  }
  return ASSAY_OK;
}

static const assay_option options[] = {
    {"floor", "least rate of a column", ASSAY_OPT_FLOAT, ASSAY_OPT_LO_OPEN | ASSAY_OPT_HI_OPEN,
     1e-10, 0, INFINITY, NULL, NULL},
    {"prior_a", "shape of a Gamma(a, b) prior of each rate", ASSAY_OPT_FLOAT, ASSAY_OPT_HI_OPEN, 1,
     1, INFINITY, NULL, NULL},
    {"prior_b", "and its rate: as many rows were seen before", ASSAY_OPT_FLOAT, ASSAY_OPT_HI_OPEN,
     0, 0, INFINITY, NULL, NULL},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_density vtable = {.struct_size = sizeof vtable,
                                     .create = assay_columns_create,
                                     .destroy = assay_columns_destroy,
                                     .describe = describe,
                                     .start = start,
                                     .linear = assay_columns_log_linear,
                                     .offsets = offsets,
                                     .base = base,
                                     .maximise = maximise,
                                     .log_prior = log_prior,
                                     .moments = moments,
                                     .sample = sample};
static const assay_plugin plugin = {sizeof plugin,
                                    0,
                                    "assay.density/1",
                                    "poisson",
                                    "independent counts, a rate per column",
                                    "Dempster, Laird and Rubin 1977",
                                    "log p(x | c) = sum_j x_j log l_j - l_j - log x_j!\n"
                                    "M-step: l = (sum r x + a - 1) / (N + b)\n"
                                    "prior (MAP): l_j ~ Gamma(a, b), shape and rate",
                                    options,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.poisson", "1.0", plugin)
