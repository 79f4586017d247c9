/* SPDX-License-Identifier: Apache-2.0 */
/* What losses in C share: both element types of a function from one text, the usual states, log x!. Nothing to link, and a
   loss may do without (plugins/template does). C only: loss.hpp of assay/author has the same for C++.

     ASSAY_LOSS_SPAN(grad, {
       for (int64_t i = 0; i < n; i++) out[i] = m[i] - x[i];
     })
     static const assay_loss vtable = {.struct_size = sizeof vtable, ASSAY_LOSS_TWINS(grad), ...};

   makes grad for double and grad_f32 for float. In the text T is the element type; self, ctx, n, x, m and out are the
   arguments; `return` with an error ends it early. */
#ifndef ASSAY_LOSSES_H
#define ASSAY_LOSSES_H

#include <float.h>

#include "plugin.h"

/* A function of the form of value, grad and curvature; steps on the way to one have the same form. */
#define ASSAY_LOSS_SPAN(name, ...)            \
  ASSAY_LOSS_SPAN_(double, name, __VA_ARGS__) \
  ASSAY_LOSS_SPAN_(float, name##_f32, __VA_ARGS__)
#define ASSAY_LOSS_SPAN_(type, name, ...)                                                       \
  ASSAY_SIMD static int32_t name(void *self, assay_ctx *ctx, int64_t n, const type *restrict x, \
                                 const type *restrict m, type *restrict out) {                  \
    typedef type T;                                                                             \
    (void)self, (void)ctx, (void)x, (void)m, (void)(T *)out;                                    \
    __VA_ARGS__                                                                                 \
    return ASSAY_OK;                                                                            \
  }

/* mu_split: num and den in place of out. */
#define ASSAY_LOSS_SPLIT(name, ...)            \
  ASSAY_LOSS_SPLIT_(double, name, __VA_ARGS__) \
  ASSAY_LOSS_SPLIT_(float, name##_f32, __VA_ARGS__)
#define ASSAY_LOSS_SPLIT_(type, name, ...)                                                         \
  ASSAY_SIMD static int32_t name(void *self, assay_ctx *ctx, int64_t n, const type *restrict x,    \
                                 const type *restrict m, type *restrict num, type *restrict den) { \
    typedef type T;                                                                                \
    (void)self, (void)ctx, (void)x, (void)m, (void)(T *)den;                                       \
    __VA_ARGS__                                                                                    \
    return ASSAY_OK;                                                                               \
  }

/* Inside a text: f, or f_f32 where T is float. f is a function of this file or a member, as math->log. */
#define ASSAY_TWIN(f) _Generic((T)0, double : f, float : f##_f32)
#define ASSAY_SQRT(v) ((T) _Generic((T)0, double : __builtin_sqrt, float : __builtin_sqrtf)(v))
#define ASSAY_SMALLEST _Generic((T)0, double : DBL_MIN, float : FLT_MIN) /* normal number */

/* Members of the vtable. */
#define ASSAY_LOSS_TWINS(name) .name = name, .name##_f32 = name##_f32

/* A loss without options that calls elementwise functions: self is the service. No destroy. [setup] */
static inline int32_t assay_loss_with_math(const assay_host *host, assay_ctx *ctx,
                                           const assay_options *options, void **self) {
  (void)options;
  const assay_math *math = (const assay_math *)host->service("assay.math/1");
  if (!math)
    return host->set_error(ctx, ASSAY_E_NOT_FOUND, "this host has no service `assay.math/1`");
  *self = (void *)(uintptr_t)math;
  return ASSAY_OK;
}

/* A loss with one number for an option. */
typedef struct assay_loss_number {
  const assay_host *host;
  const assay_math *math;
  double number;
} assay_loss_number;

/* To be called by create with the option's name. [setup] */
static inline int32_t assay_loss_with_number(const assay_host *host, assay_ctx *ctx,
                                             const assay_options *options, const char *name,
                                             void **self) {
  assay_loss_number *s = (assay_loss_number *)host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the loss");
  s->host = host;
  s->math = (const assay_math *)host->service("assay.math/1");
  s->number = host->option_number(options, name);
  *self = s;
  return ASSAY_OK;
}

/* Its destroy. [setup] */
static inline void assay_loss_free(void *self) {
  if (self) ((assay_loss_number *)self)->host->free(self);
}

/* The number. [worker] */
static inline double assay_loss_number_of(const void *self) {
  return ((const assay_loss_number *)self)->number;
}

/* out[i] -= log x[i]!, the constant of a Poisson density. [worker] */
static inline void assay_less_log_factorial(const assay_math *math, int64_t n, const double *x,
                                            double *out) {
  double factorial[128];
  const int64_t most = (int64_t)(sizeof factorial / sizeof *factorial);
  for (int64_t i = 0; i < n; i += most) {
    const int64_t size = n - i < most ? n - i : most;
    for (int64_t j = 0; j < size; j++) factorial[j] = x[i + j] + 1;
    math->lgamma(size, factorial, factorial);
    for (int64_t j = 0; j < size; j++) out[i + j] -= factorial[j];
  }
}

#endif
