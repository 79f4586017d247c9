/* SPDX-License-Identifier: Apache-2.0 */
/* Independent codes, each column with a law of its own over 0 .. L_j - 1:  log p(x | c) = sum_j log
   t_j(x_j). Free: a row looks its logarithms up. M-step t_j(l) = rows with code l / rows seen,
   entries below the floor raised to it and the others scaled: the maximum over the simplex with
   that bound; with a symmetric Dirichlet(a) prior a - 1 is added to every count. What is missing is
   summed out: a column's law is over the rows where it is seen. With two levels it is `bernoulli`.
     params   t of column 0, of column 1, ...: sum L_j
     derived  their logarithms
     stats    N, then sum r [x_j = l] in the order of params */
#include <assay/densities.h>
#include <stdio.h>

enum { MOST = 1 << 20 }; /* levels of all columns together */

typedef struct {
  const assay_host* host;
  const assay_math* math;
  int64_t d, k;
  double floor, a;
  int64_t given; /* numbers in `levels`: none, one for all columns, or one a column */
  double widest; /* largest code of the data */
  int64_t* at;   /* d + 1: where the levels of a column begin */
} categorical;

static int32_t create(const assay_host* host, assay_ctx* ctx, const assay_problem* p, void** self) {
  const double* levels = NULL;
  const int64_t given = host->option_list(p->options, "levels", &levels);
  categorical* s = host->alloc((int64_t)sizeof *s + (p->d + 1) * (int64_t)sizeof *s->at);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the density");
  memset(s, 0, sizeof *s);
  s->host = host;
  s->math = host->service("assay.math/1");
  s->d = p->d;
  s->k = p->k[0];
  s->floor = host->option_number(p->options, "floor");
  s->a = host->option_number(p->options, "prior_a");
  s->given = given;
  s->widest = p->x_max;
  s->at = (int64_t*)(s + 1);
  s->at[0] = 0;
  for (int64_t j = 0; j < s->d; j++) {
    const double L = given == 0 ? 2 : levels[given == 1 ? 0 : j % given];
    const int bad = L != floor(L) || L > MOST;
    s->at[j + 1] = s->at[j] + (bad ? 0 : (int64_t)L);
    if (!bad && s->at[j + 1] <= MOST) continue;
    const int32_t status =
        host->set_error(ctx, ASSAY_E_COMBINATION, "`levels` are not numbers of codes");
    host->add_detail(ctx, ASSAY_DETAIL_EXPECTED, "whole numbers, 1048576 together at most");
    host->free(s);
    return status;
  }
  *self = s;
  return ASSAY_OK;
}

static void destroy(void* self) {
  if (self) ((categorical*)self)->host->free(self);
}

/* Without `levels` a column has as many as the largest code fitted in it asks for; all have the
   same number where that is not known. */
static int32_t describe(void* self, assay_density_facts* out) {
  categorical* s = self;
  if (s->given == 0) {
    const double found = s->widest >= 1 ? floor(s->widest) + 1 : 2;
    const double most = MOST / (double)s->d;
    const int64_t L = out->saved > 0 ? out->saved / s->d : (int64_t)fmax(2, fmin(found, most));
    for (int64_t j = 0; j < s->d; j++)
      s->at[j + 1] =
          s->at[j] + (out->most ? (int64_t)fmin(floor(out->most[j]) + 1, floor(most)) : L);
  }
  int64_t widest = 0;
  for (int64_t j = 0; j < s->d; j++) {
    const int64_t L = s->at[j + 1] - s->at[j];
    widest = L > widest ? L : widest;
  }
  const int64_t all = s->at[s->d];
  out->flags =
      ASSAY_DENSITY_FREE | ASSAY_DENSITY_MISSING | ASSAY_DENSITY_INTEGER | ASSAY_DENSITY_DISCRETE;
  if (s->given == 0) out->flags |= ASSAY_DENSITY_LEVELS;
  out->shown = "probabilities";
  if (s->a > 1) out->flags |= ASSAY_DENSITY_PRIOR;
  out->params = out->derived = all;
  out->stats = 1 + all;
  out->work = ASSAY_DENSITY_ROWS * s->d;
  out->x_lo = 0;
  out->x_hi = (double)(widest > 1 ? widest - 1 : 1);
  out->free_parameters = (double)(s->k * (all - s->d));
  return ASSAY_OK;
}

/* A law about the mean: what lies between two codes is shared by them, and a tenth goes to all. */
static int32_t start(void* self,
                     assay_ctx* ctx,
                     const assay_view* means,
                     const double* centre,
                     const double* spread,
                     assay_density_model* m) {
  const categorical* s = self;
  (void)centre;
  (void)spread;
  if (s->given > 1 && s->given != s->d) {
    char text[96];
    snprintf(text, sizeof text, "`levels` has %lld numbers, and the data have %lld columns",
             (long long)s->given, (long long)s->d);
    const int32_t status = s->host->set_error(ctx, ASSAY_E_SHAPE, text);
    s->host->add_detail(ctx, ASSAY_DETAIL_HELP, "one number for all columns, or one for each");
    return status;
  }
  for (int64_t c = 0; c < s->k; c++)
    for (int64_t j = 0; j < s->d; j++) {
      double* t = assay_density_line(&m->params, c) + s->at[j];
      const int64_t L = s->at[j + 1] - s->at[j];
      const double mean = fmin((double)(L - 1), fmax(0, assay_density_line(means, c)[j]));
      const int64_t below = (int64_t)mean;
      for (int64_t l = 0; l < L; l++) t[l] = 0.1 / (double)L;
      t[below] += 0.9 * (1 - (mean - (double)below));
      if (below + 1 < L) t[below + 1] += 0.9 * (mean - (double)below);
    }
  return ASSAY_OK;
}

static int32_t prepare(void* self, assay_ctx* ctx, int64_t c0, int64_t c1, assay_density_model* m) {
  const categorical* s = self;
  (void)ctx;
  for (int64_t c = c0; c < c1; c++)
    s->math->log(s->at[s->d], assay_density_line(&m->params, c),
                 assay_density_line(&m->derived, c));
  return ASSAY_OK;
}

/* Where in params the code of each entry is, -1 of a missing one; rows d apart. */
static int32_t places(const categorical* s, assay_ctx* ctx, const assay_density_rows* rows) {
  double* place = rows->work;
  for (int64_t i = 0; i < rows->n; i++)
    for (int64_t j = 0; j < s->d; j++) {
      const double x = rows->x[i * rows->ld + j], L = (double)(s->at[j + 1] - s->at[j]);
      if (rows->seen && !rows->seen[i * s->d + j]) {
        place[i * s->d + j] = -1;
        continue;
      }
      if (!(x >= 0 && x < L && x == floor(x))) {
        char text[128];
        snprintf(text, sizeof text, "column %lld holds %.9g, which is no code from 0 to %g",
                 (long long)(j + 1), x, L - 1);
        const int32_t status = s->host->set_error(ctx, ASSAY_E_DOMAIN, text);
        s->host->add_detail(ctx, ASSAY_DETAIL_HELP,
                            "`levels` of density `categorical` are the numbers of codes");
        return status;
      }
      place[i * s->d + j] = (double)s->at[j] + x;
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
  const categorical* s = self;
  const int32_t bad = places(s, ctx, rows);
  if (bad) return bad;
  for (int64_t c = c0; c < c1; c++, out += ld) {
    const double* log_t = assay_density_line(&m->derived, c);
    for (int64_t i = 0; i < rows->n; i++) {
      const double* place = rows->work + i * s->d;
      out[i] = 0;
      for (int64_t j = 0; j < s->d; j++)
        if (place[j] >= 0) out[i] += log_t[(int64_t)place[j]];
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
  const categorical* s = self;
  const int32_t bad = places(s, ctx, rows);
  (void)m;
  if (bad) return bad;
  for (int64_t c = c0; c < c1; c++, resp += ld) {
    double* line = assay_density_line(stats, c);
    for (int64_t i = 0; i < rows->n; i++) {
      const double* place = rows->work + i * s->d;
      line[0] += resp[i];
      for (int64_t j = 0; j < s->d; j++)
        if (place[j] >= 0) line[1 + (int64_t)place[j]] += resp[i];
    }
  }
  return ASSAY_OK;
}

static int32_t maximise(void* self,
                        assay_ctx* ctx,
                        const assay_view* stats,
                        int64_t c0,
                        int64_t c1,
                        assay_density_model* m,
                        int32_t* notes) {
  const categorical* s = self;
  (void)ctx;
  for (int64_t c = c0; c < c1; c++) {
    notes[c] = 0;
    for (int64_t j = 0; j < s->d; j++) {
      const double* counts = assay_density_line(stats, c) + 1 + s->at[j];
      double *t = assay_density_line(&m->params, c) + s->at[j], sum = 0;
      const int64_t L = s->at[j + 1] - s->at[j];
      for (int64_t l = 0; l < L; l++) sum += counts[l] + s->a - 1;
      if (!(sum > 0)) continue;
      for (int64_t l = 0; l < L; l++) t[l] = counts[l] + s->a - 1;
      assay_columns_to_simplex(L, s->floor, t);
    }
  }
  return ASSAY_OK;
}

static int32_t log_prior(void* self, assay_ctx* ctx, const assay_density_model* m, double* out) {
  const categorical* s = self;
  double sum = 0;
  (void)ctx;
  *out = 0;
  if (!(s->a > 1)) return ASSAY_OK;
  for (int64_t j = 0; j < s->d; j++) {
    const int64_t L = s->at[j + 1] - s->at[j];
    double gammas[2] = {(double)L * s->a, s->a};
    s->math->lgamma(2, gammas, gammas);
    for (int64_t c = 0; c < s->k; c++) {
      const double* t = assay_density_line(&m->params, c) + s->at[j];
      sum += gammas[0] - (double)L * gammas[1];
      for (int64_t l = 0; l < L; l++) sum += (s->a - 1) * log(t[l]);
    }
  }
  *out = sum;
  return ASSAY_OK;
}

/* Of the codes as numbers. */
static int32_t moments(void* self,
                       assay_ctx* ctx,
                       const assay_density_model* m,
                       assay_view* means,
                       assay_view* covariances) {
  const categorical* s = self;
  (void)ctx;
  for (int64_t c = 0; c < s->k; c++)
    for (int64_t j = 0; j < s->d; j++) {
      const double* t = assay_density_line(&m->params, c) + s->at[j];
      const int64_t L = s->at[j + 1] - s->at[j];
      double mean = 0, variance = 0;
      for (int64_t l = 0; l < L; l++) mean += (double)l * t[l];
      for (int64_t l = 0; l < L; l++) variance += t[l] * ((double)l - mean) * ((double)l - mean);
      if (means) assay_density_line(means, c)[j] = mean;
      if (!covariances) continue;
      double* line = assay_density_line(covariances, c * s->d + j);
      memset(line, 0, (size_t)s->d * sizeof *line);
      line[j] = variance;
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
  const categorical* s = self;
  const assay_rng* rng = s->host->service("assay.rng/1");
  (void)ctx;
  for (int64_t i = 0; i < n; i++) {
    double* x = assay_density_line(out, i);
    rng->uniform(stream, (uint64_t)((index + i) * s->d), s->d, x);
    for (int64_t j = 0; j < s->d; j++) {
      const double* t = assay_density_line(&m->params, c) + s->at[j];
      const int64_t L = s->at[j + 1] - s->at[j];
      double below = t[0];
      int64_t l = 0;
      while (l + 1 < L && x[j] >= below) below += t[++l];
      x[j] = (double)l;
    }
  }
  return ASSAY_OK;
}

static const assay_option options[] = {
    {"levels",
     "how many codes columns have, `[3]` for all or a number for each; without it the largest code "
     "of each column and 1",
     ASSAY_OPT_LIST, 0, 0, 1, 1 << 20, NULL, NULL},
    {"floor", "least probability of a code", ASSAY_OPT_FLOAT, ASSAY_OPT_LO_OPEN | ASSAY_OPT_HI_OPEN,
     1e-10, 0, 0.5, NULL, NULL},
    {"prior_a", "of a symmetric Dirichlet(a) prior: a - 1 of each code were seen before",
     ASSAY_OPT_FLOAT, ASSAY_OPT_HI_OPEN, 1, 1, INFINITY, NULL, NULL},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_density vtable = {.struct_size = sizeof vtable,
                                     .create = create,
                                     .destroy = destroy,
                                     .describe = describe,
                                     .start = start,
                                     .prepare = prepare,
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
    "categorical",
    "independent codes 0 .. L - 1, a law per column: answers, classes, bases",
    "Goodman 1974; Bishop 2006, exercise 9.19",
    "log p(x | c) = sum_j log t_j(x_j),  sum_l t_j(l) = 1\n"
    "M-step: t_j(l) = (sum r [x_j = l] + a - 1) / (their sum over l)\n"
    "prior (MAP): t_j ~ Dirichlet(a, ..., a)\n"
    "free parameters: sum over columns of L_j - 1, of each component\n"
    "array `probabilities` of the result, k x sum L_j: t of column 0 (its codes 0 .. L_0 - 1), "
    "then\n"
    "   of column 1, ...; `H` and `covariances` are moments of the codes as numbers\n"
    "entries missing are summed out; codes have no order, so `start: random` of em is apt",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.categorical", "1.0", plugin)
