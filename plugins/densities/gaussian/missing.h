/* SPDX-License-Identifier: Apache-2.0 */
/* Full and tied covariances over rows with entries missing. */
#ifndef GAUSSIAN_MISSING_H
#define GAUSSIAN_MISSING_H

#include "gaussian.h"

/* Doubles of memory the functions below need. */
static inline int64_t gaussian_missing_work(const gaussian* s) {
  return 2 * s->d + 3 * s->d * s->d;
}

void gaussian_order(const assay_density_rows* rows, int64_t* order);

/* out[i] = log p of what is seen of row i. */
int32_t gaussian_log_marginal(const gaussian* s,
                              assay_ctx* ctx,
                              const assay_density_rows* rows,
                              const int64_t* order,
                              const double* mean,
                              const double* C,
                              double* memory,
                              double* out);

/* Puts conditional means, less `mean`, where z has what is missing, and adds the conditional
   covariances to the lower triangle of scatter. */
int32_t gaussian_impute(const gaussian* s,
                        assay_ctx* ctx,
                        const assay_density_rows* rows,
                        const int64_t* order,
                        const double* mean,
                        const double* C,
                        const double* resp,
                        double* memory,
                        double* z,
                        double* scatter);

#endif
