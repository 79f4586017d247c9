/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this density share: its instance and where its numbers lie.
     params   mean (d), then the covariance: FULL d x d, DIAG d, SPHERICAL 1
     shared   floor, mean of spread, centre (d), spread (d), then, TIED, the covariance d x d
     derived  the log density's constant at 0, from 8 on FULL and TIED: T (wide x wide) with |z T|^2
   = z' C^-1 z; else the mean and the inverse variances, `wide` each stats    N at 0; FULL and TIED:
   from 8 on sum r z (wide) and sum r z'z (wide x wide); else sum r z (d), sum r z^2 (d) z are
   entries about the mean that params hold, wide is d rounded up to 8. */
#ifndef GAUSSIAN_H
#define GAUSSIAN_H

#include <assay/density.h>

enum { FULL, TIED, DIAG, SPHERICAL, IDENTITY };
enum { FLOOR, PRIOR, REMOVE, ERROR };

typedef struct {
  const assay_host* host;
  const assay_la* la;
  const assay_math* math;
  int64_t d, k, wide;
  int covariance, on_singular, missing; /* missing: entries may be */
  double floor;                         /* share of the mean variance; 0: by the precision */
  double kappa, degrees, scale;         /* of the prior; 0: none */
} gaussian;

static inline double* gaussian_line(const assay_view* v, int64_t i) {
  return (double*)v->data + i * v->stride;
}
static inline int gaussian_matrix(const gaussian* s) { return s->covariance <= TIED; }
static inline double* gaussian_centre(const gaussian* s, const assay_density_model* m) {
  (void)s;
  return (double*)m->shared.data + 2;
}
static inline double* gaussian_spread(const gaussian* s, const assay_density_model* m) {
  return (double*)m->shared.data + 2 + s->d;
}
/* d x d, of component c. */
static inline double* gaussian_matrix_of(const gaussian* s,
                                         const assay_density_model* m,
                                         int64_t c) {
  return s->covariance == FULL ? gaussian_line(&m->params, c) + s->d
                               : (double*)m->shared.data + 2 + 2 * s->d;
}
/* What the covariance prior adds to the number of rows; of `size` columns together. */
static inline double gaussian_weight(const gaussian* s, int64_t size) {
  return s->degrees > 0 ? s->degrees + (double)size + 1 : 0;
}

/* M-step. */
int32_t gaussian_maximise(void* self,
                          assay_ctx* ctx,
                          const assay_view* stats,
                          int64_t c0,
                          int64_t c1,
                          assay_density_model* m,
                          int32_t* notes);
int32_t gaussian_maximise_shared(void* self,
                                 assay_ctx* ctx,
                                 const assay_view* stats,
                                 assay_density_model* m,
                                 int32_t* note);
int32_t gaussian_log_prior(void* self, assay_ctx* ctx, const assay_density_model* m, double* out);

#endif
