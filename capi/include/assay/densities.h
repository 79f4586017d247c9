/* SPDX-License-Identifier: Apache-2.0 */
/* What linear densities with one parameter a column share: instance, start, sums of x. Static inline, nothing to link. The
   density itself states B, offsets, maximise and moments; `floor` keeps its parameters away from where a logarithm has no
   value, and clipping there is the maximum under that bound. */
#ifndef ASSAY_DENSITIES_H
#define ASSAY_DENSITIES_H

#include <math.h>
#include <string.h>

#include "density.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  const assay_host *host;
  const assay_math *math;
  int64_t d, k;
  double floor, a, b; /* a, b: of the prior, by the density's own options */
} assay_columns;

static inline double *assay_density_line(const assay_view *v, int64_t i) {
  return (double *)v->data + i * v->stride;
}

/* create: options `floor`, `prior_a`, `prior_b` where the density has them. */
static inline int32_t assay_columns_create(const assay_host *host, assay_ctx *ctx,
                                           const assay_problem *p, void **self) {
  assay_columns *s = (assay_columns *)host->alloc((int64_t)sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the density");
  memset(s, 0, sizeof *s);
  s->host = host;
  s->math = (const assay_math *)host->service("assay.math/1");
  s->d = p->d;
  s->k = p->k[0];
  s->floor = host->option_number(p->options, "floor");
  s->a = host->option_number(p->options, "prior_a");
  s->b = host->option_number(p->options, "prior_b");
  *self = s;
  return ASSAY_OK;
}
static inline void assay_columns_destroy(void *self) {
  if (self) ((assay_columns *)self)->host->free(self);
}

/* params = the means, within bounds; shared (d): the columns' means. */
static inline void assay_columns_start(const assay_columns *s, const assay_view *means,
                                       const double *centre, double lo, double hi,
                                       assay_density_model *m) {
  if (m->shared.data) memcpy(m->shared.data, centre, (size_t)s->d * sizeof *centre);
  for (int64_t c = 0; c < s->k; c++) {
    const double *from = assay_density_line(means, c);
    double *to = assay_density_line(&m->params, c);
    for (int64_t j = 0; j < s->d; j++) {
      const double v = from[j] > lo ? from[j] : lo;
      to[j] = v < hi ? v : hi;
    }
  }
}

/* theta >= 0 over its sum, none below the floor: the maximum of sum_j theta_j log p_j over the simplex with that bound. What
   is at the floor is held there, the rest shares what is left. */
static inline void assay_columns_to_simplex(int64_t d, double floor, double *theta) {
  double sum = 0;
  for (int64_t j = 0; j < d; j++) sum += theta[j];
  if (floor * (double)d >= 1 || !(sum > 0)) {
    for (int64_t j = 0; j < d; j++) theta[j] = 1 / (double)d;
    return;
  }
  for (;;) {
    double held = 0, kept = 0;
    int moved = 0;
    for (int64_t j = 0; j < d; j++) {
      if (theta[j] < 0)
        held += floor; /* at the floor: marked */
      else
        kept += theta[j];
    }
    const double scale = (1 - held) / kept;
    for (int64_t j = 0; j < d; j++)
      if (theta[j] >= 0 && theta[j] * scale < floor) {
        theta[j] = -1;
        moved = 1;
      }
    if (moved) continue;
    for (int64_t j = 0; j < d; j++) theta[j] = theta[j] < 0 ? floor : theta[j] * scale;
    return;
  }
}

/* linear, of a density whose B is the logarithm of its parameters. */
static inline int32_t assay_columns_log_linear(void *self, assay_ctx *ctx,
                                               const assay_density_model *m, int64_t first,
                                               int64_t count, assay_view *B, assay_view *B2) {
  const assay_columns *s = (const assay_columns *)self;
  (void)ctx;
  (void)B2;
  for (int64_t c = 0; c < s->k; c++) {
    const double *of = assay_density_line(&m->params, c);
    for (int64_t j = 0; j < count; j++) assay_density_line(B, j)[c] = log(of[first + j]);
  }
  return ASSAY_OK;
}

/* Sum of log x! over a row's entries. */
static inline double assay_columns_log_factorials(const assay_columns *s, int64_t n,
                                                  const double *x) {
  double sum = 0;
  for (int64_t j = 0; j < n; j++) {
    double f = x[j] + 1;
    if (x[j] == 0 || x[j] == 1) continue; /* 0! = 1! = 1 */
    s->math->lgamma(1, &f, &f);
    sum += f;
  }
  return sum;
}

/* FREE statistics of the linear kind: N, sum r x; a missing entry counts as `expected` of it (k x d). */
static inline int32_t assay_columns_accumulate(const assay_density_rows *rows,
                                               const assay_view *expected, const double *resp,
                                               int64_t ld, int64_t c0, int64_t c1,
                                               assay_view *stats) {
  for (int64_t c = c0; c < c1; c++, resp += ld) {
    double *line = assay_density_line(stats, c);
    const double *mean = assay_density_line(expected, c);
    for (int64_t i = 0; i < rows->n; i++) {
      const double *x = rows->x + i * rows->ld, r = resp[i];
      const uint8_t *seen = rows->seen ? rows->seen + i * rows->d : NULL;
      if (!(r > 0)) continue;
      line[0] += r;
      for (int64_t j = 0; j < rows->d; j++) line[1 + j] += r * (seen && !seen[j] ? mean[j] : x[j]);
    }
  }
  return ASSAY_OK;
}

#ifdef __cplusplus
}
#endif
#endif
