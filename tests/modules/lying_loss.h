/* SPDX-License-Identifier: Apache-2.0 */
/* The squared loss as it should be, for modules that lie about one thing of it. */
#ifndef ASSAY_TESTS_LYING_LOSS_H
#define ASSAY_TESTS_LYING_LOSS_H

#include <assay/plugin.h>
#include <math.h>

/* The arguments of every span function, its outputs left out. */
#define SPAN void *self, assay_ctx *ctx, int64_t n, const double *x, const double *m

static inline int32_t honest_value(SPAN, double* out) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) out[i] = 0.5 * (m[i] - x[i]) * (m[i] - x[i]);
  return ASSAY_OK;
}
static inline int32_t honest_grad(SPAN, double* out) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) out[i] = m[i] - x[i];
  return ASSAY_OK;
}
static inline int32_t honest_split(SPAN, double* num, double* den) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) {
    num[i] = x[i];
    den[i] = m[i];
  }
  return ASSAY_OK;
}
static inline int32_t honest_facts(void* self, assay_loss_facts* out) {
  (void)self;
  out->x_hi = out->m_hi = INFINITY;
  out->flags = ASSAY_LOSS_CONVEX;
  out->den_is = NAN;
  out->zero_term = ASSAY_ZERO_QUADRATIC;
  out->zero_a = 0.5;
  return ASSAY_OK;
}

/* The module of a loss with the honest value; describe, grad and the rest follow the id. */
#define LYING_LOSS(id_, ...)                                             \
  static const assay_loss vtable = {                                     \
      .struct_size = sizeof vtable, .value = honest_value, __VA_ARGS__}; \
  static const assay_plugin plugin = {.struct_size = sizeof plugin,      \
                                      .kind = "assay.loss/1",            \
                                      .id = id_,                         \
                                      .summary = "lies",                 \
                                      .vtable = &vtable};                \
  ASSAY_MODULE("test." id_, "1.0", plugin)

#endif
