/* SPDX-License-Identifier: Apache-2.0 */
/* What the host offers a plugin: options, memory, errors, and the service tables it may ask for by id. */
#ifndef ASSAY_HOST_H
#define ASSAY_HOST_H

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
/* Flags of a BOOL (values 0 and 1) or an ENUM (0 to 11, in their order), told of the value in force. DRAWS: with it the
   plugin draws random numbers, whatever its flag DETERMINISTIC says. SETTLES, of a solver: with it the results follow from
   the data alone, neither from random numbers nor from the start. */
#define ASSAY_OPT_DRAWS(value) (UINT32_C(1) << (8 + (value)))
#define ASSAY_OPT_SETTLES(value) (UINT32_C(1) << (20 + (value)))
typedef struct assay_option {
  const char *name; /* snake_case */
  /* One line. It begins "a, b: " where other options decide whether this one is read: where a or b is the value of an ENUM
     of the table, or a BOOL of it that is true (`auto` may choose any value). */
  const char *doc;
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

/* Flag of assay_entries: unstored entries are zeros and are left out, hidden ones stay with x = w = 0. So it is where the
   loss has a term for zeros (assay_loss_facts); without one a grid visits zeros like other entries. */
enum { ASSAY_ENTRIES_WITHOUT_ZEROS = 1 };
/* Entries of a grid's block in the order to visit: row and column count from the slices of the arguments. */
typedef struct assay_entries {
  uint32_t struct_size, flags; /* ASSAY_ENTRIES_WITHOUT_ZEROS */
  int64_t n;
  const int32_t *row, *col;
  const double *x, *w; /* w NULL: 1 */
} assay_entries;

/* Service "assay.tile/1": X from inside a block function. line: of row (column) i of the block, 0 <= i < count, in an each
   flagged ASSAY_EACH_X; it stays until the next call. entries: of a grid's block. dense: in an each on ROWS flagged
   ASSAY_EACH_X, rows first .. first + count - 1 of the block as count x d float64 with hidden entries (and unstored zeros) 0;
   it stays until the next call of dense. times: out (n x B->cols, lines of ldo doubles, a multiple of 8 that
   holds them) = rows[0 .. n - 1] of the block times B, an argument on COLS (d x m), whose values stay as they are within a
   sweep; rows NULL: the first n. distances: out[e] = sum_j v_j (x_ij - P[lines[e], j])^2 over the observed entries of row
   i = rows[e] of the block (NULL: i = e), v the weights of the columns, by differences in float64, so that no digits cancel:
   each a function of row and line alone; equal rows one after another are read once. P: m x d float64; squares:
   sum_j v_j P[l, j]^2 of each line, read where X is sparse. P in float32, of a run in float32 over dense X whose entries all
   count alike: sums are float32's, of 64 parts. [worker] */
typedef struct assay_tile {
  uint32_t struct_size, flags;
  int32_t (*line)(assay_ctx *ctx, int64_t i, assay_line *out);
  int32_t (*entries)(assay_ctx *ctx, assay_entries *out);
  int32_t (*dense)(assay_ctx *ctx, int64_t first, int64_t count, assay_view *out);
  int32_t (*times)(assay_ctx *ctx, int64_t n, const int64_t *rows, const assay_view *B, double *out,
                   int64_t ldo);
  int32_t (*distances)(assay_ctx *ctx, int64_t n, const int64_t *rows, const int32_t *lines,
                       const assay_view *P, const double *squares, double *out);
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
ASSAY_SIZE_(assay_tile, 48);
ASSAY_SIZE_(assay_loss_calls, 32);

#ifdef __cplusplus
}
#endif
#endif
