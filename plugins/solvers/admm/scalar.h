/* SPDX-License-Identifier: Apache-2.0 */
/* The scalar problems of the method of multipliers, and a loss over more than a span. */
#ifndef ASSAY_ADMM_SCALAR_H
#define ASSAY_ADMM_SCALAR_H

#include "admm.h"

enum { SPAN = 1024 }; /* longest span of a loss */

typedef int32_t (
    *admm_span_fn)(assay_ctx* ctx, int64_t n, const double* x, const double* m, double* out);
int32_t admm_spans(admm_span_fn fn,
                   assay_ctx* ctx,
                   int64_t n,
                   const double* x,
                   const double* m,
                   double* out);

/* z <- argmin l(x, z) + rho/2 (z - to)^2; z holds a first guess. */
int32_t admm_scalars(const admm* s,
                     assay_ctx* ctx,
                     int64_t n,
                     const double* x,
                     const double* to,
                     double rho,
                     double* z);

#endif
