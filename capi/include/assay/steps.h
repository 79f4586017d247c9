/* SPDX-License-Identifier: Apache-2.0 */
/* What first-order solvers share: short forms of the builder's calls, rows of views, and a bound of the largest eigenvalue
   of a Gram matrix. Static inline, nothing to link. */
#ifndef ASSAY_STEPS_H
#define ASSAY_STEPS_H

#include <string.h>

#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Row i of a float64 view. */
static inline double *assay_row(const assay_view *v, int64_t i) {
  return (double *)v->data + i * v->stride;
}

/* Row i of `to` becomes that of `from`. */
static inline void assay_copy_row(const assay_view *from, const assay_view *to, int64_t i) {
  memcpy(assay_row(to, i), assay_row(from, i), (size_t)to->cols * sizeof(double));
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

/* P = F + beta (F - before), kept >= 0 on demand; then before = F. */
static inline void assay_extrapolate(const assay_view *F, const assay_view *before,
                                     const assay_view *P, double beta, int nonneg) {
  for (int64_t i = 0; i < F->rows; i++) {
    const double *f = assay_row(F, i);
    double *old = assay_row(before, i), *p = assay_row(P, i);
    for (int64_t a = 0; a < F->cols; a++) {
      p[a] = f[a] + beta * (f[a] - old[a]);
      if (nonneg && p[a] < 0) p[a] = 0;
      old[a] = f[a];
    }
  }
}

/* What the model of a step says of row i of T, G the gradient at P: *linear = <g, t - p>, *squares = |t - p|^2. */
static inline void assay_step_model(const assay_view *P, const assay_view *G, const assay_view *T,
                                    int64_t i, double *linear, double *squares) {
  const double *p = assay_row(P, i), *g = assay_row(G, i), *t = assay_row(T, i);
  *linear = *squares = 0;
  for (int64_t a = 0; a < P->cols; a++) {
    *linear += g[a] * (t[a] - p[a]);
    *squares += (t[a] - p[a]) * (t[a] - p[a]);
  }
}

/* A block function, {F IN, kept OUT}. */
static inline int32_t assay_hold(void *self, const assay_block *b) {
  (void)self;
  for (int64_t i = 0; i < b->count; i++) assay_copy_row(&b->arg[0], &b->arg[1], i);
  return ASSAY_OK;
}

/* An upper bound of the largest |eigenvalue| of the symmetric k x k matrix Q: after some power steps on |Q|,
   max (|Q| v)_i / v_i (Collatz and Wielandt; exact in the limit for Q >= 0), never above |Q|_F. memory: 2 k doubles. */
static inline double assay_spectral_bound(int64_t k, const double *Q, int64_t ldq, double *memory) {
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

/* The exponent that keeps multiplicative updates monotone with penalties whose halves grow like f^power: where the loss's
   majoriser has the derivative D r^p - N r^-q, its exponent is 1 / (p + q), and with them the ratio overshoots unless it is
   1 / (power + q). */
static inline double assay_mu_exponent(const assay_loss_facts *loss, double power) {
  double bend = 0; /* p, at least: that of the parabola or of the power den is */
  if (power <= 0) return loss->mu_exponent;
  switch (loss->tag) {
    case ASSAY_TAG_SQUARED:
    case ASSAY_TAG_L1:
    case ASSAY_TAG_HUBER:
    case ASSAY_TAG_LOGISTIC:
      bend = 1;
      break;
    case ASSAY_TAG_BETA:
      bend = loss->tag_parameter > 1 ? loss->tag_parameter - 1 : 0;
      break;
    default:
      break;
  }
  return 1 / (1 / loss->mu_exponent + (power > bend ? power - bend : 0));
}

/* The two halves, >= 0, of the gradient F G - P of rows F >= 0 under the squared loss, G and P of any sign (A+ = max(A, 0),
   A- = A+ - A): num = P+ + F G-, den = P- + F G+. G as `gram` gives it (step 0) or as `normals` does, a matrix a row. num may
   be P. memory: 2 k k doubles. */
static inline int32_t assay_signed_halves(const assay_la *la, const assay_view *F,
                                          const assay_view *P, const assay_view *G, assay_view *num,
                                          assay_view *den, double *memory) {
  const int64_t k = F->cols;
  double *up = memory, *down = memory + k * k;
  int32_t bad;
  for (int64_t i = 0; i < F->rows; i++) {
    const double *p = assay_row(P, i);
    double *n = assay_row(num, i), *d = assay_row(den, i);
    for (int64_t a = 0; a < k; a++) {
      const double v = p[a];
      n[a] = v > 0 ? v : 0;
      d[a] = v < 0 ? -v : 0;
    }
  }
  if (G->step) {
    for (int64_t i = 0; i < F->rows; i++) {
      const double *g = (const double *)G->data + i * G->step, *f = assay_row(F, i);
      double *n = assay_row(num, i), *d = assay_row(den, i);
      for (int64_t a = 0; a < k; a++)
        for (int64_t c = 0; c < k; c++) { /* G is symmetric: row a is column a */
          const double v = f[a] * g[a * G->stride + c];
          if (v > 0)
            d[c] += v;
          else
            n[c] -= v;
        }
    }
    return ASSAY_OK;
  }
  for (int64_t a = 0; a < k; a++)
    for (int64_t c = 0; c < k; c++) {
      const double g = assay_row(G, a)[c];
      up[a * k + c] = g > 0 ? g : 0;
      down[a * k + c] = g < 0 ? -g : 0;
    }
  bad = la->gemm(0, 0, F->rows, k, k, 1, (const double *)F->data, F->stride, down, k, 1,
                 (double *)num->data, num->stride);
  if (bad) return bad;
  return la->gemm(0, 0, F->rows, k, k, 1, (const double *)F->data, F->stride, up, k, 1,
                  (double *)den->data, den->stride);
}

/* One entry F * (N / D)^e, not below the floor. 0 / 0 is 0: an entry that nothing speaks for goes to the floor. */
static inline double assay_scaled(double f, double num, double den, double exponent, double floor) {
  const double least = 2.2250738585072014e-308; /* the smallest normal number */
  const double v = f * __builtin_pow(num / (den > least ? den : least), exponent);
  return v > floor ? v : floor;
}
static inline void assay_scale_rows(const assay_view *F, const assay_view *num,
                                    const assay_view *den, double exponent, double floor) {
  for (int64_t i = 0; i < F->rows; i++) {
    double *f = assay_row(F, i);
    const double *n = assay_row(num, i), *d = assay_row(den, i);
    for (int64_t a = 0; a < F->cols; a++) f[a] = assay_scaled(f[a], n[a], d[a], exponent, floor);
  }
}

/* Adds to sums[0 .. 2] the squares of the projected gradient den - num of F >= 0 (entries up to `border` count as at 0,
   which multiplicative updates approach and never reach) and of its halves; the residual of sums is
   |projected| / (|num| + |den|). */
static inline void assay_add_residual(const assay_view *F, const assay_view *num,
                                      const assay_view *den, double border, double *sums) {
  for (int64_t i = 0; i < F->rows; i++) {
    const double *f = assay_row(F, i), *n = assay_row(num, i), *d = assay_row(den, i);
    for (int64_t a = 0; a < F->cols; a++) {
      const double g = d[a] - n[a];
      if (!(f[a] <= border && g > 0)) sums[0] += g * g;
      sums[1] += n[a] * n[a];
      sums[2] += d[a] * d[a];
    }
  }
}
static inline double assay_residual(const double *sums) {
  return sums[0] > 0 ? __builtin_sqrt(sums[0]) / (__builtin_sqrt(sums[1]) + __builtin_sqrt(sums[2]))
                     : 0;
}

#ifdef __cplusplus
}
#endif
#endif
