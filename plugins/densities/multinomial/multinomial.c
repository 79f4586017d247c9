/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of a row given their total (words of a document):  log p(x | c) = sum_j x_j log t_j + log
   (sum x)! - sum log x_j!. Linear: B = log t, base = the factorials. M-step t = sum r x / total,
   entries below the floor raised to it and the others scaled: the maximum over the simplex with
   that bound; with a symmetric Dirichlet(a) prior a - 1 is added to every count. The law is given
   the total; shared holds the mean total of each component's rows, of which moments and samples
   speak. */
#include <assay/counts.h>
#include <assay/densities.h>

static int32_t describe(void* self, assay_density_facts* out) {
  const assay_columns* s = self;
  out->flags = ASSAY_DENSITY_LINEAR | ASSAY_DENSITY_STABLE | ASSAY_DENSITY_DISCRETE;
  if (s->a > 1) out->flags |= ASSAY_DENSITY_PRIOR;
  out->params = s->d;
  out->shared = s->k;
  out->shown = "probabilities";
  out->x_hi = INFINITY;
  out->free_parameters = (double)(s->k * (s->d - 1));
  return ASSAY_OK;
}

static int32_t start(void* self,
                     assay_ctx* ctx,
                     const assay_view* means,
                     const double* centre,
                     const double* spread,
                     assay_density_model* m) {
  const assay_columns* s = self;
  double total = 0;
  (void)ctx;
  (void)spread;
  for (int64_t j = 0; j < s->d; j++) total += centre[j];
  for (int64_t c = 0; c < s->k; c++) {
    const double* from = assay_density_line(means, c);
    double* theta = assay_density_line(&m->params, c);
    ((double*)m->shared.data)[c] = total;
    for (int64_t j = 0; j < s->d; j++) theta[j] = (from[j] > 0 ? from[j] : 0) + 0.1 * centre[j];
    assay_columns_to_simplex(s->d, s->floor, theta);
  }
  return ASSAY_OK;
}

static int32_t offsets(void* self, assay_ctx* ctx, const assay_density_model* m, double* out) {
  const assay_columns* s = self;
  (void)ctx;
  (void)m;
  for (int64_t c = 0; c < s->k; c++) out[c] = 0;
  return ASSAY_OK;
}

static int32_t base(void* self, assay_ctx* ctx, int64_t n, const double* x, double* out) {
  const assay_columns* s = self;
  double total = 1;
  (void)ctx;
  for (int64_t j = 0; j < n; j++) total += x[j];
  s->math->lgamma(1, &total, &total);
  *out = total - assay_columns_log_factorials(s, n, x);
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
    const double* line = assay_density_line(stats, c);
    double *theta = assay_density_line(&m->params, c), sum = 0;
    notes[c] = 0;
    for (int64_t j = 0; j < s->d; j++) sum += line[1 + j] + s->a - 1;
    if (!(sum > 0)) continue;
    for (int64_t j = 0; j < s->d; j++) {
      const double v = line[1 + j] + s->a - 1;
      theta[j] = v > 0 ? v : 0;
    }
    assay_columns_to_simplex(s->d, s->floor, theta);
  }
  return ASSAY_OK;
}

/* The mean totals: no part of the law, but of what is drawn from it. */
static int32_t maximise_shared(void* self,
                               assay_ctx* ctx,
                               const assay_view* stats,
                               assay_density_model* m,
                               int32_t* note) {
  const assay_columns* s = self;
  double* totals = m->shared.data;
  (void)ctx;
  *note = 0;
  for (int64_t c = 0; c < s->k; c++) {
    const double* line = assay_density_line(stats, c);
    double sum = 0;
    for (int64_t j = 0; j < s->d; j++) sum += line[1 + j];
    if (line[0] > 0) totals[c] = sum / line[0];
  }
  return ASSAY_OK;
}

static int32_t log_prior(void* self, assay_ctx* ctx, const assay_density_model* m, double* out) {
  const assay_columns* s = self;
  double gammas[2] = {(double)s->d * s->a, s->a}, sum = 0;
  (void)ctx;
  *out = 0;
  if (!(s->a > 1)) return ASSAY_OK;
  s->math->lgamma(2, gammas, gammas);
  for (int64_t c = 0; c < s->k; c++) {
    const double* theta = assay_density_line(&m->params, c);
    sum += gammas[0] - (double)s->d * gammas[1];
    for (int64_t j = 0; j < s->d; j++) sum += (s->a - 1) * log(theta[j]);
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
  const double* totals = m->shared.data;
  (void)ctx;
  for (int64_t c = 0; c < s->k; c++) {
    const double* theta = assay_density_line(&m->params, c);
    const double total = totals[c];
    for (int64_t i = 0; i < s->d; i++) {
      if (means) assay_density_line(means, c)[i] = total * theta[i];
      for (int64_t j = 0; covariances && j < s->d; j++)
        assay_density_line(covariances, c * s->d + i)[j] =
            total * theta[i] * ((i == j ? 1 : 0) - theta[j]);
    }
  }
  return ASSAY_OK;
}

/* Rows of the component's mean total: its whole part, and one more as often as the rest says.
 * Column after column is binomial in what is left. */
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
  const double* theta = assay_density_line(&m->params, c);
  const double total = ((const double*)m->shared.data)[c];
  (void)ctx;
  for (int64_t i = 0; i < n; i++) {
    const uint64_t first = (uint64_t)((index + i) * (s->d + 1));
    double *x = assay_density_line(out, i), u, rest = 1;
    rng->uniform(stream, first, s->d, x);
    rng->uniform(stream, first + (uint64_t)s->d, 1, &u);
    double left = floor(total) + (u < total - floor(total) ? 1 : 0);
    for (int64_t j = 0; j < s->d; j++) {
      const double share = j + 1 < s->d && theta[j] < rest ? theta[j] / rest : 1;
      x[j] = assay_binomial(s->math, left, share, x[j]);
      left -= x[j];
      rest -= theta[j];
    }
  }
  return ASSAY_OK;
}

static const assay_option options[] = {
    {"floor", "least probability of a column", ASSAY_OPT_FLOAT,
     ASSAY_OPT_LO_OPEN | ASSAY_OPT_HI_OPEN, 1e-12, 0, 1, NULL, NULL},
    {"prior_a", "of a symmetric Dirichlet(a) prior: a - 1 of each column were seen before",
     ASSAY_OPT_FLOAT, ASSAY_OPT_HI_OPEN, 1, 1, INFINITY, NULL, NULL},
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
                                     .maximise_shared = maximise_shared,
                                     .log_prior = log_prior,
                                     .moments = moments,
                                     .sample = sample};
static const assay_plugin plugin = {
    sizeof plugin,
    0,
    "assay.density/1",
    "multinomial",
    "counts of a row given their total, such as the words of a document",
    "Nigam, McCallum, Thrun and Mitchell 2000",
    "log p(x | c) = sum_j x_j log t_j + log (sum_j x_j)! - sum_j log x_j!,  sum_j t_j = 1\n"
    "M-step: t_j = (sum r x_j + a - 1) / (their sum over j)\n"
    "prior (MAP): t ~ Dirichlet(a, ..., a)\n"
    "array `probabilities` of the result, k x d: t\n"
    "the law is given the total of a row: `H`, `covariances`, `mixture_mean` and `assay sample` "
    "are\n"
    "   for the mean total of a component's rows, whose spread is not modelled",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.multinomial", "1.0", plugin)
