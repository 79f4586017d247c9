/* SPDX-License-Identifier: Apache-2.0 */
/* What first-order solvers share: short forms of the builder's calls, rows of views, and a bound of the largest eigenvalue
   of a Gram matrix. Static inline, nothing to link. */
#ifndef ASSAY_STEPS_H
#define ASSAY_STEPS_H

#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Row i of a float64 view. */
static inline double *assay_row(const assay_view *v, int64_t i) {
  return (double *)v->data + i * v->stride;
}

/* Declares a STATE buffer of float64 that starts as zeros: 1 x width on ONE; width 0: the model's rank. */
static inline assay_buf assay_state(assay_builder *b, const char *name, int32_t axis,
                                    int64_t width) {
  assay_buffer d = {(uint32_t)sizeof(assay_buffer), 0, name, 0, ASSAY_STATE, ASSAY_F64, 1, 1, 0};
  d.axis = axis;
  d.width = width;
  return b->buffer(b, &d);
}

/* Adds an each over the axis of factor `side`, which fn finds as the block's tag. */
static inline void assay_each_of(assay_builder *b, const char *name, int32_t side, assay_fn fn,
                                 const assay_arg *args, int32_t n_args) {
  const assay_each e = {(uint32_t)sizeof(assay_each), 0, name, side, n_args, fn, args, side, 0};
  b->each(b, &e);
}
#define ASSAY_EACH_OF(b, name, side, fn, ...)                                         \
  do {                                                                                \
    const assay_arg args_[] = {__VA_ARGS__};                                          \
    assay_each_of(b, name, side, fn, args_, (int32_t)(sizeof args_ / sizeof *args_)); \
  } while (0)

/* Adds terms on the axis of factor `side`, at M = at H' or W at': `at` stands in for that factor. */
static inline void assay_terms_at(assay_builder *b, int32_t what, int32_t side, assay_buf at,
                                  assay_buf out0, assay_buf out1, assay_buf value) {
  assay_terms t = {(uint32_t)sizeof(assay_terms), 0, 0, 0, 0, 0, 0, 0, 0, 0};
  t.what = what;
  t.axis = side;
  t.left = side ? b->factor(b, 0) : at;
  t.right = side ? at : b->factor(b, 1);
  t.out0 = out0;
  t.out1 = out1;
  t.value = value;
  b->terms(b, &t);
}

/* out = G p - r: the gradient of a row at p from its normal equations (bound of the curvature or not). */
static inline void assay_normal_gradient(int64_t k, const double *G, int64_t ldg, const double *p,
                                         const double *r, double *out) {
  for (int64_t a = 0; a < k; a++) {
    double sum = -r[a];
    for (int64_t c = 0; c < k; c++) sum += G[a * ldg + c] * p[c];
    out[a] = sum;
  }
}

/* Adds normals on the axis of factor `side` with the bound of the loss's curvature, at M = at H' or W at'. */
static inline void assay_normals_at(assay_builder *b, int32_t side, assay_buf at, assay_buf gram,
                                    assay_buf rhs) {
  assay_normals n = {(uint32_t)sizeof(assay_normals), ASSAY_NORMALS_UNIFORM, 0, 0, 0, 0, 0, 0};
  n.axis = side;
  n.left = side ? b->factor(b, 0) : at;
  n.right = side ? at : b->factor(b, 1);
  n.gram = gram;
  n.rhs = rhs;
  b->normals(b, &n);
}

/* An upper bound of the largest |eigenvalue| of the symmetric k x k matrix Q: after some power steps on |Q|,
   max (|Q| v)_i / v_i (Collatz and Wielandt; exact in the limit for Q >= 0), never above |Q|_F. memory: 2 k doubles. */
static inline double assay_spectral_bound(int64_t k, const double *Q, int64_t ldq,
                                          double *memory) {
  double *v = memory, *u = memory + k, unit = 0, squares = 0, bound = 0;
  for (int64_t i = 0; i < k; i++)
    for (int64_t j = 0; j < k; j++) {
      const double q = __builtin_fabs(Q[i * ldq + j]);
      if (q > unit) unit = q;
    }
  if (!(unit > 1e-290)) return 0; /* 1 / bound is to be finite */
  for (int64_t i = 0; i < k; i++) v[i] = 1;
  for (int turn = 0; turn < 12; turn++) {
    double largest = 0;
    bound = squares = 0;
    for (int64_t i = 0; i < k; i++) {
      double sum = 0;
      for (int64_t j = 0; j < k; j++) {
        const double q = __builtin_fabs(Q[i * ldq + j]) / unit;
        sum += q * v[j];
        squares += q * q;
      }
      u[i] = sum;
      if (sum > bound * v[i]) bound = sum / v[i];
      if (sum > largest) largest = sum;
    }
    for (int64_t i = 0; i < k; i++) v[i] = u[i] / largest + 1e-6; /* positive: it stays a bound */
  }
  return unit * (bound * bound < squares ? bound : __builtin_sqrt(squares));
}

#ifdef __cplusplus
}
#endif
#endif
