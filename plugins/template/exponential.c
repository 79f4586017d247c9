/* SPDX-License-Identifier: Apache-2.0 */
/* A complete density in plain C: waiting times, independent columns with rates l:
     log p(x | c) = sum_j log l_j - l_j x_j,  x >= 0
   Linear in x, so it states B = -l and the offset sum log l, and the host's products do the rest: dense, sparse, any d.
   M-step: l_j = N / sum r x_j, kept below 1 / floor. docs/authors.md walks through it. */
#include <assay/density.h>
#include <math.h>
#include <string.h>

typedef struct {
  const assay_host *host;
  int64_t d, k;
  double floor; /* least mean */
} exponential;

static double *line(const assay_view *v, int64_t c) { return (double *)v->data + c * v->stride; }

static int32_t create(const assay_host *host, assay_ctx *ctx, const assay_problem *p, void **self) {
  exponential *s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the density");
  *s = (exponential){host, p->d, p->k[0], host->option_number(p->options, "floor")};
  *self = s;
  return ASSAY_OK;
}
static void destroy(void *self) {
  if (self) ((exponential *)self)->host->free(self);
}

static int32_t describe(void *self, assay_density_facts *out) {
  const exponential *s = self;
  out->flags = ASSAY_DENSITY_LINEAR | ASSAY_DENSITY_STABLE;
  out->params = s->d; /* the rates */
  out->x_lo = 0;
  out->x_hi = INFINITY;
  out->free_parameters = (double)(s->k * s->d);
  return ASSAY_OK;
}

static double rate(const exponential *s, double mean) {
  return 1 / (mean > s->floor ? mean : s->floor);
}

static int32_t start(void *self, assay_ctx *ctx, const assay_view *means, const double *centre,
                     const double *spread, assay_density_model *m) {
  const exponential *s = self;
  (void)ctx, (void)centre, (void)spread;
  for (int64_t c = 0; c < s->k; c++)
    for (int64_t j = 0; j < s->d; j++) line(&m->params, c)[j] = rate(s, line(means, c)[j]);
  return ASSAY_OK;
}

static int32_t linear(void *self, assay_ctx *ctx, const assay_density_model *m, int64_t first,
                      int64_t count, assay_view *B, assay_view *B2) {
  const exponential *s = self;
  (void)ctx, (void)B2;
  for (int64_t c = 0; c < s->k; c++)
    for (int64_t j = 0; j < count; j++) line(B, j)[c] = -line(&m->params, c)[first + j];
  return ASSAY_OK;
}

static int32_t offsets(void *self, assay_ctx *ctx, const assay_density_model *m, double *out) {
  const exponential *s = self;
  (void)ctx;
  for (int64_t c = 0; c < s->k; c++) {
    out[c] = 0;
    for (int64_t j = 0; j < s->d; j++) out[c] += log(line(&m->params, c)[j]);
  }
  return ASSAY_OK;
}

/* Statistics of a linear density: N, then sum r x. */
static int32_t maximise(void *self, assay_ctx *ctx, const assay_view *stats, int64_t c0, int64_t c1,
                        assay_density_model *m, int32_t *notes) {
  const exponential *s = self;
  (void)ctx;
  for (int64_t c = c0; c < c1; c++) {
    const double *sums = line(stats, c);
    notes[c] = 0;
    for (int64_t j = 0; j < s->d && sums[0] > 0; j++)
      line(&m->params, c)[j] = rate(s, sums[1 + j] / sums[0]);
  }
  return ASSAY_OK;
}

static int32_t moments(void *self, assay_ctx *ctx, const assay_density_model *m, assay_view *means,
                       assay_view *covariances) {
  const exponential *s = self;
  (void)ctx;
  for (int64_t c = 0; c < s->k; c++)
    for (int64_t j = 0; j < s->d; j++) {
      const double mean = 1 / line(&m->params, c)[j];
      if (means) line(means, c)[j] = mean;
      if (!covariances) continue;
      memset(line(covariances, c * s->d + j), 0, (size_t)s->d * sizeof(double));
      line(covariances, c * s->d + j)[j] = mean * mean;
    }
  return ASSAY_OK;
}

static const assay_option options[] = {
    {"floor", "least mean of a column", ASSAY_OPT_FLOAT, ASSAY_OPT_LO_OPEN | ASSAY_OPT_HI_OPEN,
     1e-10, 0, INFINITY, NULL, NULL},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_density vtable = {.struct_size = sizeof vtable,
                                     .create = create,
                                     .destroy = destroy,
                                     .describe = describe,
                                     .start = start,
                                     .linear = linear,
                                     .offsets = offsets,
                                     .maximise = maximise,
                                     .moments = moments};
static const assay_plugin plugin = {sizeof plugin,
                                    0,
                                    "assay.density/1",
                                    "acme.exponential",
                                    "independent waiting times, a rate per column",
                                    NULL,
                                    "log p(x | c) = sum_j log l_j - l_j x_j,  x >= 0",
                                    options,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("com.acme.exponential", "1.0", plugin)
