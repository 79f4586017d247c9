/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin implements and what the host offers it. A module is one shared library that exports one function,
   assay_plugin_main_v1, and needs nothing but this header and types.h.

   Rules for every struct with a struct_size: the writer sets it to sizeof; the reader uses min(its own, the given) and
   takes the rest as absent (ASSAY_HAS). Every callback returns a status; outputs are written last and are untouched on
   error; the message goes through host->set_error and is copied at once. No exception, longjmp or panic may cross. */
#ifndef ASSAY_PLUGIN_H
#define ASSAY_PLUGIN_H

#include <stddef.h>

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 1 when the struct behind pointer p is long enough to hold member m. */
#define ASSAY_HAS(p, m) \
  ((p)->struct_size >= (uint32_t)(offsetof(ASSAY_TYPEOF_(p), m) + sizeof((p)->m)))
#define ASSAY_TYPEOF_(p) __typeof__(*(p))

/* Compiles a hot loop once per vector extension and picks at load time; nothing where the compiler cannot. The levels
   have fused multiply-add for all widths (a clone for avx512f alone has none for the loop's tail), so that a span gives
   the same bits however it is cut. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ASSAY_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ASSAY_SIMD
#endif

#define ASSAY_EXPORT __attribute__((visibility("default")))

typedef struct assay_ctx assay_ctx; /* the call in progress: error slot, scratch, penalties */
typedef struct assay_options assay_options; /* a plugin's parsed options */
typedef struct assay_builder assay_builder;
typedef int32_t
    assay_buf; /* id of a buffer of a program; negative: an error that status() explains */

/* ---- Options: the only description of an option; parsing, messages, schema and docs come from it ---- */

enum {
  ASSAY_OPT_INT,
  ASSAY_OPT_FLOAT,
  ASSAY_OPT_BOOL,
  ASSAY_OPT_STRING,
  ASSAY_OPT_ENUM,
  ASSAY_OPT_LIST,
  ASSAY_OPT_PATH
};
enum {
  ASSAY_OPT_REQUIRED = 1,
  ASSAY_OPT_LO_OPEN = 2, /* the lower end itself is not allowed */
  ASSAY_OPT_HI_OPEN = 4
};
typedef struct assay_option {
  const char *name; /* snake_case */
  const char *doc;  /* one line */
  int32_t type;     /* ASSAY_OPT_...; LIST is a list of numbers; PATH is relative to the spec */
  uint32_t flags;
  double def, lo, hi; /* INT, FLOAT, BOOL (0 or 1), and each number of a LIST: default and range */
  const char *def_text;      /* STRING, ENUM, PATH: default, NULL for none */
  const char *const *values; /* ENUM: allowed words, NULL-terminated */
} assay_option;              /* tables end with an entry whose name is NULL */

/* ---- The host ---- */

enum { ASSAY_LOG_DEBUG, ASSAY_LOG_INFO, ASSAY_LOG_WARNING };
enum {
  ASSAY_DETAIL_PLACE,
  ASSAY_DETAIL_FOUND,
  ASSAY_DETAIL_EXPECTED,
  ASSAY_DETAIL_HELP,
  ASSAY_DETAIL_NOTE
};

typedef struct assay_host {
  uint32_t struct_size, flags;
  /* Allocates bytes (> 0), 64-byte aligned; NULL when there is none. [setup] */
  void *(*alloc)(int64_t bytes);
  /* Frees what alloc gave; NULL is nothing. [setup] */
  void (*free)(void *p);
  /* Scratch of this worker, 64-byte aligned, valid until the callback returns; repeated calls give further memory;
     NULL when there is none. [worker] */
  void *(*scratch)(assay_ctx *ctx, int64_t bytes);
  /* Records why the call fails (lower case, no final period); returns status, so that `return host->set_error(...)`
     reads well. [any-thread] */
  int32_t (*set_error)(assay_ctx *ctx, int32_t status, const char *text);
  /* Adds a line to the recorded error: kind ASSAY_DETAIL_...; PLACE is "line:column" or "row 3, column 4". [any-thread] */
  void (*add_detail)(assay_ctx *ctx, int32_t kind, const char *text);
  /* Writes a line to the run's log. [any-thread] */
  void (*log)(assay_ctx *ctx, int32_t level, const char *text);
  /* Option by name: numbers (INT, FLOAT, BOOL), text (STRING, ENUM, PATH resolved against the spec's folder; NULL when not
     given and without default), list (LIST: count returned, *out borrowed for the instance's life). An unknown name gives
     NaN, NULL, 0. [any-thread] */
  double (*option_number)(const assay_options *options, const char *name);
  const char *(*option_text)(const assay_options *options, const char *name);
  int64_t (*option_list)(const assay_options *options, const char *name, const double **out);
  /* 1 when the user gave the option. [any-thread] */
  int32_t (*option_given)(const assay_options *options, const char *name);
  /* A service table by id ("assay.math/1" ...), NULL when this host has none of that id. Lives as long as the host. [setup] */
  const void *(*service)(const char *id);
  /* Non-zero when the run is being cancelled. [worker] */
  int32_t (*cancelled)(assay_ctx *ctx);
  /* Which row of the factor the first row of the views of this call is: of a penalty's F, of a block. [worker] */
  int64_t (*first_row)(assay_ctx *ctx);
} assay_host;

/* A matrix argument of a block function: row-major, `stride` elements from row to row. With ASSAY_BY_COMPONENT, which flags
   then holds, rows is the width and cols the block's count. `step` is the distance between matrices of matrix-valued rows, 0
   when one is shared. */
typedef struct assay_view {
  void *data;
  int64_t rows, cols, stride, step;
  int32_t dtype;
  uint32_t flags;
} assay_view;

/* Service "assay.math/1": elementwise functions of spans; out may be x. Within 1 ulp of the libm result (SLEEF u10). [worker] */
typedef struct assay_math {
  uint32_t struct_size, flags;
  void (*log)(int64_t n, const double *x, double *out);
  void (*exp)(int64_t n, const double *x, double *out);
  void (*log1p)(int64_t n, const double *x, double *out);
  void (*expm1)(int64_t n, const double *x, double *out);
  void (*lgamma)(int64_t n, const double *x, double *out);
  void (*pow)(int64_t n, const double *x, double exponent, double *out);
  void (*log_f32)(int64_t n, const float *x, float *out);
  void (*exp_f32)(int64_t n, const float *x, float *out);
  void (*log1p_f32)(int64_t n, const float *x, float *out);
  void (*expm1_f32)(int64_t n, const float *x, float *out);
  void (*lgamma_f32)(int64_t n, const float *x, float *out);
  void (*pow_f32)(int64_t n, const float *x, float exponent, float *out);
} assay_math;

/* Service "assay.rng/1": Philox4x32-10. Entry i of a stream is a function of (stream, i) only. [worker] */
typedef struct assay_rng {
  uint32_t struct_size, flags;
  /* A stream of its own for each `which` of a parent stream. */
  uint64_t (*split)(uint64_t stream, uint64_t which);
  /* out[j] = entry index + j, uniform in (0, 1). */
  void (*uniform)(uint64_t stream, uint64_t index, int64_t n, double *out);
  /* out[j] = entry index + j, standard normal. */
  void (*normal)(uint64_t stream, uint64_t index, int64_t n, double *out);
} assay_rng;

/* Service "assay.la/1": dense algebra on row-major float64, sequential, for small matrices. Leading dimensions are row
   strides. Returns ASSAY_E_SINGULAR or ASSAY_E_NUMERIC where a factorization fails. [worker] */
typedef struct assay_la {
  uint32_t struct_size, flags;
  /* C (m x n) = alpha op(A) op(B) + beta C, inner dimension k; ta, tb: 1 transposes. */
  int32_t (*gemm)(int32_t ta, int32_t tb, int64_t m, int64_t n, int64_t k, double alpha,
                  const double *a, int64_t lda, const double *b, int64_t ldb, double beta,
                  double *c, int64_t ldc);
  /* Lower Cholesky factor of A (n x n) in place; the upper triangle is set to zero. */
  int32_t (*potrf)(int64_t n, double *a, int64_t lda);
  /* Solves L L' X = B in place of B (n x m), L from potrf. */
  int32_t (*potrs)(int64_t n, int64_t m, const double *l, int64_t ldl, double *b, int64_t ldb);
  /* Inverse of the lower triangle L (n x n) in place. */
  int32_t (*trtri)(int64_t n, double *l, int64_t ldl);
  /* A (n x n, symmetric) = V diag(w) V', w ascending, columns of V in place of A. */
  int32_t (*eigh)(int64_t n, double *a, int64_t lda, double *w);
  /* A (m x n) = U diag(s) V', s descending; U m x r, vt r x n, r = min(m, n). A is destroyed. */
  int32_t (*svd)(int64_t m, int64_t n, double *a, int64_t lda, double *u, int64_t ldu, double *s,
                 double *vt, int64_t ldvt);
  /* A (m x n, m >= n) = Q R; Q in place of A, R n x n upper with a non-negative diagonal. */
  int32_t (*qr)(int64_t m, int64_t n, double *a, int64_t lda, double *r, int64_t ldr);
} assay_la;

/* Service "assay.penalty/1": all penalties of one factor in one call: quadratic, then l1, then one set. side: 0 W, 1 H, 2 S.
   F, num, den, grad are blocks of equal shape, rows of the factor: the rows of the block fn was called with, from its first
   on. Penalties that see the whole factor (scope COLUMN, MATRIX) are evaluated by the host once, at the factor as it stands
   when the sweep starts, and enter these calls as the terms of their quadratic majoriser there. [worker] */
typedef struct assay_penalty_calls {
  uint32_t struct_size, flags;
  int32_t (*mu)(assay_ctx *ctx, int32_t side, const assay_view *F, assay_view *num,
                assay_view *den);
  int32_t (*quad)(assay_ctx *ctx, int32_t side, const assay_view *F, double *diag, double *lin,
                  double *lower, double *upper);
  int32_t (*prox)(assay_ctx *ctx, int32_t side, assay_view *F, double step);
  int32_t (*grad)(assay_ctx *ctx, int32_t side, const assay_view *F, assay_view *grad);
  int32_t (*value)(assay_ctx *ctx, int32_t side, const assay_view *F, double *out);
  /* prox with a step per row (F->rows of them). With a step of 0 both are the projection onto the set alone. */
  int32_t (*prox_rows)(assay_ctx *ctx, int32_t side, assay_view *F, const double *steps);
  /* As quad for penalties and bounds that differ between rows: lin, lower and upper are blocks of F's shape and layout (row
     by row, or BY_COMPONENT as F is) and are overwritten; diag has an entry per component. */
  int32_t (*quad_rows)(assay_ctx *ctx, int32_t side, const assay_view *F, double *diag,
                       assay_view *lin, assay_view *lower, assay_view *upper);
} assay_penalty_calls;

/* Observed entries of one row (column) of X: index idx[e] (NULL: all, in order), value x[e], weight w[e] (NULL: 1). Where
   unstored entries are zeros: zeros is 1, they are left out, hidden ones stay with x = w = 0. Scratch of the worker. */
typedef struct assay_line {
  uint32_t struct_size, flags;
  int64_t n;
  const int64_t *idx;
  const double *x, *w;
  int32_t zeros, reserved;
} assay_line;

/* Entries of a grid's block in the order to visit: row and column count from the slices of the arguments. */
typedef struct assay_entries {
  uint32_t struct_size, flags;
  int64_t n;
  const int32_t *row, *col;
  const double *x, *w; /* w NULL: 1 */
} assay_entries;

/* Service "assay.tile/1": X from inside a block function. line: of row (column) i of the block, 0 <= i < count, in an each
   flagged ASSAY_EACH_X; it stays until the next call. entries: of a grid's block. [worker] */
typedef struct assay_tile {
  uint32_t struct_size, flags;
  int32_t (*line)(assay_ctx *ctx, int64_t i, assay_line *out);
  int32_t (*entries)(assay_ctx *ctx, assay_entries *out);
} assay_tile;

/* Service "assay.loss/1": the model's loss on a span, and the penalties' companion for solvers that walk entries themselves.
   curvature: majorising where the loss says so; E_COMBINATION where it has none. [worker] */
typedef struct assay_loss_calls {
  uint32_t struct_size, flags;
  int32_t (*value)(assay_ctx *ctx, int64_t n, const double *x, const double *m, double *out);
  int32_t (*grad)(assay_ctx *ctx, int64_t n, const double *x, const double *m, double *out);
  int32_t (*curvature)(assay_ctx *ctx, int64_t n, const double *x, const double *m, double *out);
} assay_loss_calls;

/* Service "assay.files/1": named arrays from a .npy, .npz or .csv file. [setup] */
typedef struct assay_files {
  uint32_t struct_size, flags;
  /* Shape of array `name` (NULL for a file of one array). */
  int32_t (*shape)(assay_ctx *ctx, const char *path, const char *name, int64_t *rows,
                   int64_t *cols);
  /* Reads it as float64, row-major, rows x cols elements. */
  int32_t (*load)(assay_ctx *ctx, const char *path, const char *name, int64_t rows, int64_t cols,
                  double *out);
} assay_files;

/* ---- The step program ---- */

enum { ASSAY_ROWS, ASSAY_COLS, ASSAY_ONE };
enum { ASSAY_FACTOR, ASSAY_STATE, ASSAY_LOCAL, ASSAY_SUM, ASSAY_MIN, ASSAY_MAX };
enum { ASSAY_IN = 1, ASSAY_OUT = 2, ASSAY_INOUT = 3, ASSAY_ADD = 4, ASSAY_BY_COMPONENT = 16 };
enum { ASSAY_PREPARE, ASSAY_STEP, ASSAY_FINISH, ASSAY_INIT, ASSAY_MEASURE, ASSAY_FIT };
enum { ASSAY_GRAD, ASSAY_MU, ASSAY_VALUE, ASSAY_NEWTON };
enum { ASSAY_X = -2, ASSAY_NO = -1 };
enum {
  ASSAY_SQUARE = 1,
  ASSAY_PATTERN = 2
};                                  /* times: entries of X squared; 1 for each observed entry */
enum { ASSAY_NORMALS_UNIFORM = 1 }; /* normals: the loss's curvature bound for every entry */
enum { ASSAY_EACH_X = 1 };          /* each: fn may ask for lines of X (service "assay.tile/1") */
enum {
  ASSAY_NATURAL,
  ASSAY_SHUFFLED
}; /* batches: runs of rows in order, or in an order drawn anew every epoch */
enum {
  ASSAY_TERMS_SQUARED = 1,    /* terms: the squared loss instead of the model's */
  ASSAY_TERMS_LOG_DENSITY = 2 /* terms, VALUE only: the loss's log_density instead of its value */
};
enum { ASSAY_BUFFER_OUTPUT = 1 }; /* buffer: part of the result under its name */
/* Read-only buffers the host keeps: weights of rows and columns (1 where none are given), weight of the observed entries
   per row and per column. */
enum { ASSAY_ROW_WEIGHTS, ASSAY_COL_WEIGHTS, ASSAY_ROW_COUNTS, ASSAY_COL_COUNTS };

/* One call of a block function: rows (columns) first .. first + count - 1 of its axis; ONE: once, count 1. Arguments are
   host copies in float64 (I32 and I64 buffers as they are): the own axis as the block's slice, other axes whole and
   read-only, statistics (ADD) this lane's part. Valid until the function returns; committed after status 0 and a finite check. */
typedef struct assay_block {
  uint32_t struct_size, flags;
  int64_t first, count;
  int32_t axis, tag, part0, part1, n_args, reserved;
  const assay_view *arg;
  assay_ctx *ctx;
  int64_t step,
      turn; /* steps of the run before this one; turns of the innermost loop before this one */
} assay_block;

/* [worker]; a pure function of its arguments; non-zero: nothing of this block is committed and the run stops. */
typedef int32_t (*assay_fn)(void *self, const assay_block *block);

typedef struct assay_buffer {
  uint32_t struct_size, flags; /* ASSAY_BUFFER_OUTPUT */
  const char *name;            /* unique within the program */
  int32_t axis, role, dtype;   /* dtype: ASSAY_NUM, ASSAY_F64, ASSAY_I32, ASSAY_I64 */
  int32_t zero;                /* STATE: 1 starts as zeros */
  int64_t rows, width;         /* rows: for ONE only; width 0: the model's rank */
} assay_buffer;

typedef struct assay_arg {
  assay_buf buffer;
  int32_t access;
} assay_arg;

typedef struct assay_each {
  uint32_t struct_size, flags;
  const char *name;
  int32_t axis, n_args;
  assay_fn fn;
  const assay_arg *args;
  int32_t tag, reserved; /* tag: handed to fn in the block */
} assay_each;

typedef struct assay_terms {
  uint32_t struct_size, flags;
  int32_t what, axis;
  assay_buf left, right; /* on ROWS and on COLS: M = left right' */
  assay_buf out0,
      out1; /* on axis: MU num, den; GRAD gradient, ASSAY_NO; NEWTON gradient, curvature; VALUE ASSAY_NO twice */
  assay_buf
      value; /* ONE 1 x 1 SUM: the loss at M; a LOCAL of width 1 on axis: of each row (column); or ASSAY_NO */
  int32_t reserved;
} assay_terms;

/* Normal equations of every row i of the factor on axis, o_j the rows of the other factor, g and v the loss's gradient and
   majorising curvature at M = left right' times the weights, over observed entries: G_i = sum v o o', r_i = sum (v m - g) o.
   The squared loss: v = w, r_i = sum w x o. rhs: a LOCAL on axis. gram: a LOCAL on axis of width k k; a block function sees
   it as k x k matrices, `step` apart, step 0 where all rows share one. */
typedef struct assay_normals {
  uint32_t struct_size, flags; /* ASSAY_NORMALS_UNIFORM */
  int32_t axis;
  assay_buf left, right; /* on ROWS and on COLS: M = left right' */
  assay_buf gram, rhs;
  int32_t reserved;
} assay_normals;

/* Visits every observed (sparse: stored) entry once, in `blocks` rounds of `blocks` blocks that share no row and no column;
   entries of a block in an order drawn anew every step. Arguments on ROWS and COLS (INOUT: the block's slices in place, in
   float64), ONE (IN: whole), sums (ADD). fn asks for its entries (service "assay.tile/1"). */
typedef struct assay_grid {
  uint32_t struct_size, flags;
  const char *name;
  int32_t blocks, n_args; /* blocks 0: the host's choice, by shape */
  assay_fn fn;
  const assay_arg *args;
  uint64_t stream; /* of the order */
  int32_t tag, reserved;
} assay_grid;

/* Builds a program. Meaning: as if every line ran to its end, over all rows, in the order written. Errors are sticky: calls
   return an id or a negative status, status() is what build returns. [setup] */
struct assay_builder {
  uint32_t struct_size, flags;
  assay_buf (*buffer)(assay_builder *b, const assay_buffer *desc);
  /* side 0: W (n x k), 1: H (stored d x k, long side first), 2: S. */
  assay_buf (*factor)(assay_builder *b, int32_t side);
  /* One of the host's read-only buffers (n x 1 or d x 1). */
  assay_buf (*given)(assay_builder *b, int32_t which);
  /* left = ASSAY_X: out[ROWS] = X right[COLS], or out[COLS] = X' right[ROWS]; left a ROWS or COLS buffer and right ONE
     (k x k'): a small product. flags ASSAY_SQUARE, ASSAY_PATTERN. Sees the data view: hidden entries are 0. */
  int32_t (*times)(assay_builder *b, assay_buf out, assay_buf left, assay_buf right,
                   uint32_t flags);
  /* out[ONE] SUM = a' b over their common axis. */
  int32_t (*gram)(assay_builder *b, assay_buf out, assay_buf left, assay_buf right);
  /* The loss at M = left right' over observed entries, times weights, contracted with the other factor. */
  int32_t (*terms)(assay_builder *b, const assay_terms *terms);
  int32_t (*each)(assay_builder *b, const assay_each *each);
  /* "objective" (only where the host cannot), "converged" (non-zero stops), any other name: a number of the trace (or of
     the metric). buffer: ONE 1 x 1. */
  int32_t (*report)(assay_builder *b, const char *name, assay_buf buffer);
  /* 0 or the first error. */
  int32_t (*status)(assay_builder *b);
  int32_t (*normals)(assay_builder *b, const assay_normals *normals);
  /* The lines up to the matching end, at most `max` times, while `until` (ONE 1 x 1; ASSAY_NO: never) is 0; it is looked at
     before each turn but the first. Loops may nest. */
  int32_t (*loop)(assay_builder *b, int64_t max, assay_buf until);
  /* The lines up to the matching end once for each run of `size` rows (the last may be shorter); they see these rows only.
     One step is one epoch. order: ASSAY_NATURAL or ASSAY_SHUFFLED (the order of the runs, from `stream`). */
  int32_t (*batches)(assay_builder *b, int64_t size, int32_t order, uint64_t stream);
  int32_t (*end)(assay_builder *b);
  int32_t (*grid)(assay_builder *b, const assay_grid *grid);
};

/* ---- Kinds ---- */

/* Tags are formulas any loss may declare, so that the host may use a fused kernel; they are checked against the functions. */
enum {
  ASSAY_TAG_NONE,
  ASSAY_TAG_SQUARED,
  ASSAY_TAG_KL,
  ASSAY_TAG_IS,
  ASSAY_TAG_BETA,
  ASSAY_TAG_HUBER,
  ASSAY_TAG_LOGISTIC,
  ASSAY_TAG_POISSON_LOG,
  ASSAY_TAG_L1
};
/* Loss at x = 0 as a function of m: not offered, a m, a m^2. */
enum { ASSAY_ZERO_NONE, ASSAY_ZERO_LINEAR, ASSAY_ZERO_QUADRATIC };
enum {
  ASSAY_LOSS_CONVEX = 1,    /* in m */
  ASSAY_LOSS_X_LO_OPEN = 2, /* the end of the domain itself is not in it */
  ASSAY_LOSS_X_HI_OPEN = 4,
  ASSAY_LOSS_M_LO_OPEN = 8,
  ASSAY_LOSS_M_HI_OPEN = 16,
  ASSAY_LOSS_CURVATURE_MAJORISES =
      32 /* curvature() bounds the second derivative's parabola on the whole domain */
};
/* Noise a loss is the likelihood of, m its mean (median, success's log odds, log mean), and how its dispersion s enters
   the log density: NORMAL variance s, POISSON none, GAMMA shape 1 / s, LAPLACE scale s, BERNOULLI none, HUBER none. */
enum {
  ASSAY_NOISE_NONE,
  ASSAY_NOISE_NORMAL,
  ASSAY_NOISE_POISSON,
  ASSAY_NOISE_GAMMA,
  ASSAY_NOISE_LAPLACE,
  ASSAY_NOISE_BERNOULLI,
  ASSAY_NOISE_HUBER
};
typedef struct assay_loss_facts {
  uint32_t struct_size, flags;
  double x_lo, x_hi, m_lo, m_hi; /* domains; infinities allowed */
  int32_t tag, zero_term;
  double tag_parameter;
  double zero_a;
  double den_is;           /* MU denominator when it is a constant, else NaN */
  double mu_exponent;      /* the exponent that keeps (num / den)^e monotone; 1 when unknown */
  double curvature_bound;  /* upper bound of the second derivative, or infinity */
  int32_t noise, reserved; /* ASSAY_NOISE_... */
} assay_loss_facts;

/* "assay.loss/1". Spans are runs of observed entries, 1 to 1024 long; x and m lie in the declared domains (the host keeps m
   there); no weights: the host multiplies them in. Arrays do not overlap. Functions of spans are [worker]. */
typedef struct assay_loss {
  uint32_t struct_size, flags;
  int32_t (*create)(const assay_host *host, assay_ctx *ctx, const assay_options *options,
                    void **self); /* or NULL */
  void (*destroy)(void *self);    /* or NULL */
  int32_t (*describe)(
      void *self, assay_loss_facts *out); /* struct_size is set by the host; fields start as 0 */
  int32_t (*value)(void *self, assay_ctx *ctx, int64_t n, const double *x, const double *m,
                   double *out);
  int32_t (*grad)(void *self, assay_ctx *ctx, int64_t n, const double *x, const double *m,
                  double *out);
  /* Optional. num, den >= 0 with grad = den - num. */
  int32_t (*mu_split)(void *self, assay_ctx *ctx, int64_t n, const double *x, const double *m,
                      double *num, double *den);
  /* Optional. Second derivative, or a majorising curvature. */
  int32_t (*curvature)(void *self, assay_ctx *ctx, int64_t n, const double *x, const double *m,
                       double *out);
  /* Optional f32 twins; the host widens where one is missing. */
  int32_t (*value_f32)(void *self, assay_ctx *ctx, int64_t n, const float *x, const float *m,
                       float *out);
  int32_t (*grad_f32)(void *self, assay_ctx *ctx, int64_t n, const float *x, const float *m,
                      float *out);
  int32_t (*mu_split_f32)(void *self, assay_ctx *ctx, int64_t n, const float *x, const float *m,
                          float *num, float *den);
  int32_t (*curvature_f32)(void *self, assay_ctx *ctx, int64_t n, const float *x, const float *m,
                           float *out);
  /* Optional: log of the density (or mass) of x, all constants included, at dispersion 1. */
  int32_t (*log_density)(void *self, assay_ctx *ctx, int64_t n, const double *x, const double *m,
                         double *out);
} assay_loss;

enum { ASSAY_SCOPE_ELEMENT, ASSAY_SCOPE_ROW, ASSAY_SCOPE_COLUMN, ASSAY_SCOPE_MATRIX };
/* Order of composition: quadratic, then l1, then one set. QUADRATIC_L1 stands for both of the first two. */
enum { ASSAY_PENALTY_QUADRATIC, ASSAY_PENALTY_L1, ASSAY_PENALTY_SET, ASSAY_PENALTY_QUADRATIC_L1 };
enum {
  ASSAY_PENALTY_NONNEG = 1, /* a set: feasible factors are >= 0 */
  ASSAY_PENALTY_CONVEX = 2,
  ASSAY_PENALTY_NEEDS_NONNEG = 4, /* bounded below on f >= 0 only: the factor needs such a set */
  ASSAY_PENALTY_NO_MAJORISER = 8, /* whole() gives no curvature: no quadratic lies above */
  ASSAY_PENALTY_BY_PLACE = 16     /* depends on which row an entry is in */
};
typedef struct assay_penalty_facts {
  uint32_t struct_size, flags;
  int32_t scope, kind;
  /* Highest power of f in the den half of mu_add or whole: 3 for a quartic. Read by multiplicative updates to choose an
     exponent that keeps descent; 0: the loss's own exponent. */
  double mu_power;
  int32_t side,
      reserved; /* in: the factor (0 W, 1 H, 2 S; -1 not known), for options that name its rows or columns */
} assay_penalty_facts;

/* What a penalty learns about its factor once the data are known. */
typedef struct assay_factor_facts {
  uint32_t struct_size, flags; /* ASSAY_FACTOR_FROZEN */
  int32_t side, axis;          /* 0 W on ROWS, 1 H on COLS, 2 S */
  int64_t rows, width;         /* of the factor, long side first */
  int64_t n, d;                /* shape of X */
} assay_factor_facts;

/* "assay.penalty/1". Views are blocks of rows of the factor (host->first_row says which); of scope COLUMN and MATRIX whole
   factors. ELEMENT and ROW: at least one of prox, mu_add, quad_add, grad_add (a set: prox, its projection). COLUMN and
   MATRIX: a set has project, another penalty whole. value and whole of those are called by one thread. All but create,
   bind and describe are [worker]. */
typedef struct assay_penalty {
  uint32_t struct_size, flags;
  int32_t (*create)(const assay_host *host, assay_ctx *ctx, const assay_options *options,
                    void **self); /* or NULL */
  void (*destroy)(void *self);    /* or NULL */
  int32_t (*describe)(void *self, assay_penalty_facts *out);
  /* Sum over the block; a set: 0, or infinity outside. */
  int32_t (*value)(void *self, assay_ctx *ctx, const assay_view *F, double *out);
  /* F = argmin of step * penalty(f) + 1/2 |f - F|^2. */
  int32_t (*prox)(void *self, assay_ctx *ctx, assay_view *F, double step);
  /* Adds the two non-negative halves of its gradient. */
  int32_t (*mu_add)(void *self, assay_ctx *ctx, const assay_view *F, assay_view *num,
                    assay_view *den);
  /* Per component: diag += second derivative, lin += linear term, bounds tightened. */
  int32_t (*quad_add)(void *self, assay_ctx *ctx, const assay_view *F, double *diag, double *lin,
                      double *lower, double *upper);
  int32_t (*grad_add)(void *self, assay_ctx *ctx, const assay_view *F, assay_view *grad);
  /* Optional: told once what factor it acts on, before any other call but describe. [setup] */
  int32_t (*bind)(void *self, assay_ctx *ctx, const assay_factor_facts *factor);
  /* COLUMN, MATRIX, not a set: adds the two halves of the gradient at F (non-negative where F is; grad = den - num), and to
     *curvature a c with penalty(Z) <= penalty(F) + <grad, Z - F> + c/2 |Z - F|^2 for all (feasible) Z. F, num, den: the
     whole factor, row by row. */
  int32_t (*whole)(void *self, assay_ctx *ctx, const assay_view *F, assay_view *num,
                   assay_view *den, double *curvature);
  /* COLUMN, MATRIX, a set: the nearest feasible point in place of the whole factor. The host calls it after a sweep that
     wrote the factor, before anything reads it. */
  int32_t (*project)(void *self, assay_ctx *ctx, assay_view *F);
  /* Optional, ELEMENT sets whose bounds differ between rows: tightens lower and upper, row by row. */
  int32_t (*bounds)(void *self, assay_ctx *ctx, assay_view *lower, assay_view *upper);
  /* Optional, a set: G is the gradient at F; replaces it by the projected gradient, 0 where F is stationary: G minus its
     part along the set's normal cone. Views as project (prox) takes them. Without it the host takes a short projected
     step. */
  int32_t (*kkt)(void *self, assay_ctx *ctx, const assay_view *F, assay_view *G);
} assay_penalty;

/* What a program is built for. */
enum {
  ASSAY_FACTOR_NONNEG = 1,
  ASSAY_FACTOR_FROZEN = 2,
  /* A set ties the rows of the factor together; the host projects onto it after the sweep that wrote it. A step must then
     be one for all rows. */
  ASSAY_FACTOR_COUPLED = 4,
  ASSAY_FACTOR_SET =
      8 /* its set is more than f >= 0: an update that only keeps signs ends with prox(F, 0) */
};
typedef struct assay_problem {
  uint32_t struct_size, flags;
  int64_t n, d, nnz;        /* nnz: stored entries, n d when dense */
  int64_t k[3];             /* widths of W, H (and S's rows) */
  int32_t n_factors;        /* 2: W, H */
  int32_t side;             /* metrics: the factor named in `id.FACTOR`, else -1 */
  uint32_t factor_flags[3]; /* ASSAY_FACTOR_... */
  int32_t sparse;           /* 1: CSR */
  double observed;          /* sum of weights of the observed entries */
  double x_sum, x_sumsq;    /* weighted, over observed entries */
  double x_min, x_max;
  uint64_t stream;              /* random stream of this plugin's role */
  const assay_loss_facts *loss; /* the model's loss */
  const assay_options *options;
  int64_t true_rank; /* of data that were made from known factors, else 0 */
  const double
      *true_factor[2]; /* metrics: those factors, n x true_rank and d x true_rank, or NULL */
  double mu_power[3];  /* largest mu_power of each factor's penalties */
} assay_problem;

/* Capabilities a solver needs. */
enum {
  ASSAY_NEEDS_MU_SPLIT = 1,
  ASSAY_NEEDS_GRAD = 2,
  ASSAY_NEEDS_CURVATURE = 4,
  ASSAY_NEEDS_SQUARED = 8, /* with CURVATURE: or one with a majorising curvature */
  ASSAY_NEEDS_KL = 16
}; /* of the loss */
enum {
  ASSAY_NEEDS_MU_ADD = 1,
  ASSAY_NEEDS_QUAD = 2,
  ASSAY_NEEDS_PROX = 4,
  ASSAY_NEEDS_GRAD_ADD = 8,
  ASSAY_NEEDS_QUAD_ROWS = 16, /* calls quad_rows, so also takes what differs between rows */
  ASSAY_NEEDS_CLIP = 32 /* ends its update with prox(F, 0): takes ELEMENT sets within f >= 0 */
};                      /* of penalties: any one of these */
enum {
  ASSAY_TAKES_SPARSE = 1,
  ASSAY_TAKES_MASK = 2,
  ASSAY_TAKES_WEIGHTS = 4,
  ASSAY_TAKES_UNOBSERVED = 8
}; /* of the data */

/* "assay.solver/1", "assay.init/1". create reads options; build states the program for a purpose (STEP, and optionally
   PREPARE before the first and FINISH after the last step; an init: INIT) and returns b->status(b). [setup] */
typedef struct assay_solver {
  uint32_t struct_size, flags;
  uint32_t needs_loss, needs_penalty, takes_data, reserved;
  const char
      *implies; /* id of the constraint this solver keeps on factors that name none, or NULL */
  int32_t (*create)(const assay_host *host, assay_ctx *ctx, const assay_problem *problem,
                    void **self);
  int32_t (*build)(void *self, assay_builder *b, int32_t purpose);
  void (*destroy)(void *self);
} assay_solver;

typedef struct assay_init {
  uint32_t struct_size, flags;
  int32_t (*create)(const assay_host *host, assay_ctx *ctx, const assay_problem *problem,
                    void **self);
  int32_t (*build)(void *self, assay_builder *b, int32_t purpose);
  void (*destroy)(void *self);
} assay_init;

/* "assay.metric/1": a program (purpose MEASURE) on the fitted factors, which are read-only, whose report is the number; with
   OF_TRIALS a number about fits that differ in their random numbers only, once all have ended (no create, no build). */
enum { ASSAY_METRIC_LOWER_IS_BETTER = 1, ASSAY_METRIC_PER_FACTOR = 2, ASSAY_METRIC_OF_TRIALS = 4 };
struct assay_results; /* below, with the writers */
typedef struct assay_trials {
  uint32_t struct_size, flags;
  int64_t n_trials;                           /* at least 2, of one shape */
  const struct assay_results *const *results; /* of each, H as users see it: k x d */
  const double *objectives;                   /* of each */
  int32_t side, reserved;                     /* the factor named in `id.FACTOR`, else -1 */
} assay_trials;
/* Where a metric of trials leaves arrays that are worth keeping; each is copied before the call returns. [control] */
typedef struct assay_keep {
  uint32_t struct_size, flags;
  void *self;
  int32_t (*array)(void *self, const char *name, const assay_dense *array);
} assay_keep;
typedef struct assay_metric {
  uint32_t struct_size, flags;
  int32_t (*create)(const assay_host *host, assay_ctx *ctx, const assay_problem *problem,
                    void **self);
  int32_t (*build)(void *self, assay_builder *b, int32_t purpose);
  void (*destroy)(void *self);
  /* OF_TRIALS: the number, and what is kept beside it. [control] */
  int32_t (*trials)(const assay_host *host, assay_ctx *ctx, const assay_trials *trials,
                    double *value, const assay_keep *keep);
} assay_metric;

/* "assay.transform/1". AFFINE: x' = scale_j x + shift_j, kept lazily on the data view. ELEMENT: any function of one entry;
   uint8 data go through a table of 256, other storage is rewritten once. */
enum { ASSAY_TRANSFORM_AFFINE, ASSAY_TRANSFORM_ELEMENT };
typedef struct assay_transform {
  uint32_t struct_size, flags;
  int32_t form, reserved;
  int32_t (*create)(const assay_host *host, assay_ctx *ctx, const assay_problem *problem,
                    void **self);
  /* Optional: a program (purpose FIT) over training entries; it leaves what it learnt in STATE buffers on COLS (d x 1). */
  int32_t (*build)(void *self, assay_builder *b, int32_t purpose);
  /* AFFINE: scale and shift of d columns (given as 1 and 0). `learnt`: the STATE buffers of build in order (d x 1 each). [setup] */
  int32_t (*affine)(void *self, assay_ctx *ctx, int64_t d, int32_t n_learnt,
                    const double *const *learnt, double *scale, double *shift);
  /* ELEMENT: in place. [worker] */
  int32_t (*apply)(void *self, assay_ctx *ctx, int64_t n, double *x);
  /* ELEMENT, optional: the inverse in place. [worker] */
  int32_t (*invert)(void *self, assay_ctx *ctx, int64_t n, double *x);
  void (*destroy)(void *self);
} assay_transform;

/* "assay.reader/1" */
enum { ASSAY_READER_NO_PATH = 1 }; /* flags: data come from options alone */
enum {
  ASSAY_SHAPE_ROW_NAMES = 1,
  ASSAY_SHAPE_COL_NAMES = 2,
  ASSAY_SHAPE_LABELS = 4,
  ASSAY_SHAPE_UNSTORED_UNOBSERVED = 8
};
typedef struct assay_shape {
  uint32_t struct_size, flags; /* ASSAY_SHAPE_... */
  int64_t rows, cols;
  int64_t nnz; /* stored entries of sparse data; -1: dense */
  int32_t dtype, reserved;
} assay_shape;

/* Where a reader puts blocks of rows: rows row0 .. row0 + block->rows - 1, in any order, each once. The block is copied
   before the call returns. A mapped file (map) is not pushed. [setup] */
typedef struct assay_sink {
  uint32_t struct_size, flags;
  void *self;
  int32_t (*dense)(void *self, int64_t row0, const assay_dense *block);
  int32_t (*sparse)(void *self, int64_t row0, const assay_sparse *block);
} assay_sink;

typedef struct assay_reader {
  uint32_t struct_size, flags; /* ASSAY_READER_NO_PATH */
  const char *suffixes;        /* ".csv .csv.gz", or NULL */
  /* How sure the reader is, 0 (no) to 100, from a file's first bytes. [any-thread] */
  int32_t (*probe)(const uint8_t *bytes, int64_t n);
  int32_t (*open)(const assay_host *host, assay_ctx *ctx, const char *path,
                  const assay_options *options, void **self);
  int32_t (*shape)(void *self, assay_ctx *ctx, assay_shape *out);
  int32_t (*read)(void *self, assay_ctx *ctx, int64_t row0, int64_t rows, const assay_sink *sink);
  /* Optional: a dense view of the whole that lives until close (a mapped file); ASSAY_E_NOT_FOUND: use read. */
  int32_t (*map)(void *self, assay_ctx *ctx, assay_dense *out);
  /* Optional: names (axis ROWS, COLS) and labels (axis ONE: of row `index`); borrowed until close. */
  int32_t (*name)(void *self, int32_t axis, int64_t index, const char **out);
  void (*close)(void *self);
  /* Optional: rank of the factors the data were made from; with out the factor of a side (0: W, rows x rank; 1: H,
     cols x rank, row-major). */
  int32_t (*factor)(void *self, assay_ctx *ctx, int32_t side, int64_t *rank, double *out);
} assay_reader;

/* "assay.writer/1" */
typedef struct assay_named {
  const char *name;
  assay_dense view;
} assay_named; /* H as users see it: k x d */
typedef struct assay_results {
  uint32_t struct_size, flags;
  const char *model_kind; /* "factorization" */
  int64_t n_arrays;
  const assay_named *arrays;
  int64_t n_row_names, n_col_names;
  const char *const *row_names; /* NULL when there are none */
  const char *const *col_names;
} assay_results;
typedef struct assay_writer {
  uint32_t struct_size, flags;
  int32_t (*create)(const assay_host *host, assay_ctx *ctx, const assay_options *options,
                    void **self);
  /* Writes files into folder (which exists) and names each through `wrote(sink, file name)`. [control] */
  int32_t (*write)(void *self, assay_ctx *ctx, const assay_results *results, const char *folder,
                   void (*wrote)(void *sink, const char *file), void *sink);
  void (*destroy)(void *self);
} assay_writer;

/* ---- Descriptors ---- */

/* Flags of a plugin. DEFAULT: stands in where a spec names none of its kind (metrics: all that carry it); the smallest id
   wins. DETERMINISTIC: its results do not depend on the random stream; a trial of such plugins only runs once, not once
   per repeat. */
enum { ASSAY_PLUGIN_DEFAULT = 1, ASSAY_PLUGIN_DETERMINISTIC = 2 };
typedef struct assay_plugin {
  uint32_t struct_size, flags; /* ASSAY_PLUGIN_... */
  const char *kind;            /* "assay.loss/1" ... */
  const char *id;              /* "kl"; a stranger's carries a dot: "acme.logcosh" */
  const char *summary;         /* one line */
  const char *citation;        /* authors, year, or NULL */
  const char *maths;           /* a few lines of ASCII maths for the card, or NULL */
  const assay_option *options; /* ends with a NULL name; or NULL */
  const void *vtable;
  const void *(*get_extension)(const char *id); /* or NULL */
} assay_plugin;

typedef struct assay_module {
  uint32_t struct_size, flags;
  int32_t abi_major, abi_minor;
  const char *build; /* compiler and flags, free text */
  const char *id;    /* reverse DNS: "org.assay.kl" */
  const char *version, *license, *author;
  int64_t n_plugins;
  const assay_plugin *const *plugins;
  int32_t (*init)(const assay_host *host); /* or NULL */
  void (*shutdown)(void);                  /* or NULL */
} assay_module;

/* The one symbol of a module: no arguments, no side effects. */
ASSAY_EXPORT const assay_module *assay_plugin_main_v1(void);

/* Writes the entry of a module that holds one plugin. */
#define ASSAY_MODULE(module_id, module_version, plugin_descriptor)            \
  static const assay_plugin *const assay_plugins_[] = {&(plugin_descriptor)}; \
  static const assay_module assay_module_ = {(uint32_t)sizeof(assay_module),  \
                                             0,                               \
                                             ASSAY_ABI_MAJOR,                 \
                                             ASSAY_ABI_MINOR,                 \
                                             __VERSION__,                     \
                                             module_id,                       \
                                             module_version,                  \
                                             "Apache-2.0",                    \
                                             "The Assay authors",             \
                                             1,                               \
                                             assay_plugins_,                  \
                                             NULL,                            \
                                             NULL};                           \
  const assay_module *assay_plugin_main_v1(void) { return &assay_module_; }

/* Adds an each; arguments as {buffer, access}, ... */
#define ASSAY_EACH(b, name_, axis_, fn_, ...)                          \
  do {                                                                 \
    const assay_arg args_[] = {__VA_ARGS__};                           \
    const assay_each each_ = {(uint32_t)sizeof(assay_each),            \
                              0,                                       \
                              name_,                                   \
                              axis_,                                   \
                              (int32_t)(sizeof args_ / sizeof *args_), \
                              fn_,                                     \
                              args_,                                   \
                              0,                                       \
                              0};                                      \
    (b)->each(b, &each_);                                              \
  } while (0)

/* Declares a LOCAL (a SUM on ONE) buffer. */
static inline assay_buf assay_local(assay_builder *b, const char *name, int32_t axis,
                                    int64_t width) {
  assay_buffer d = {(uint32_t)sizeof(assay_buffer), 0, name, 0, ASSAY_LOCAL, ASSAY_NUM, 0, 0, 0};
  d.axis = axis;
  d.width = width;
  return b->buffer(b, &d);
}
static inline assay_buf assay_sum(assay_builder *b, const char *name, int64_t rows, int64_t width) {
  assay_buffer d = {
      (uint32_t)sizeof(assay_buffer), 0, name, ASSAY_ONE, ASSAY_SUM, ASSAY_F64, 0, 0, 0};
  d.rows = rows;
  d.width = width;
  return b->buffer(b, &d);
}

#define ASSAY_SIZE_(type, bytes) \
  ASSAY_STATIC_ASSERT(sizeof(type) == (bytes), #type " has changed size")
ASSAY_SIZE_(assay_option, 64);
ASSAY_SIZE_(assay_host, 112);
ASSAY_SIZE_(assay_view, 48);
ASSAY_SIZE_(assay_math, 104);
ASSAY_SIZE_(assay_rng, 32);
ASSAY_SIZE_(assay_la, 64);
ASSAY_SIZE_(assay_penalty_calls, 64);
ASSAY_SIZE_(assay_files, 24);
ASSAY_SIZE_(assay_line, 48);
ASSAY_SIZE_(assay_entries, 48);
ASSAY_SIZE_(assay_tile, 24);
ASSAY_SIZE_(assay_loss_calls, 32);
ASSAY_SIZE_(assay_block, 80);
ASSAY_SIZE_(assay_buffer, 48);
ASSAY_SIZE_(assay_arg, 8);
ASSAY_SIZE_(assay_each, 48);
ASSAY_SIZE_(assay_terms, 40);
ASSAY_SIZE_(assay_normals, 32);
ASSAY_SIZE_(assay_grid, 56);
ASSAY_SIZE_(assay_builder, 120);
ASSAY_SIZE_(assay_loss_facts, 96);
ASSAY_SIZE_(assay_loss, 104);
ASSAY_SIZE_(assay_penalty_facts, 32);
ASSAY_SIZE_(assay_factor_facts, 48);
ASSAY_SIZE_(assay_penalty, 112);
ASSAY_SIZE_(assay_problem, 192);
ASSAY_SIZE_(assay_solver, 56);
ASSAY_SIZE_(assay_init, 32);
ASSAY_SIZE_(assay_trials, 40);
ASSAY_SIZE_(assay_keep, 24);
ASSAY_SIZE_(assay_metric, 40);
ASSAY_SIZE_(assay_transform, 64);
ASSAY_SIZE_(assay_shape, 40);
ASSAY_SIZE_(assay_sink, 32);
ASSAY_SIZE_(assay_reader, 80);
ASSAY_SIZE_(assay_named, 72);
ASSAY_SIZE_(assay_results, 64);
ASSAY_SIZE_(assay_writer, 32);
ASSAY_SIZE_(assay_plugin, 72);
ASSAY_SIZE_(assay_module, 88);

#ifdef __cplusplus
}
#endif
#endif
