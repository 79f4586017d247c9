/* SPDX-License-Identifier: Apache-2.0 */
/* The step program: buffers, and the lines a solver, init, metric or transform states over the rows and columns of X.
   docs/programs.md explains it by examples. */
#ifndef ASSAY_PROGRAM_H
#define ASSAY_PROGRAM_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct assay_builder assay_builder;
typedef int32_t
    assay_buf; /* id of a buffer of a program; negative: an error that status() explains */

enum { ASSAY_ROWS, ASSAY_COLS, ASSAY_ONE };
/* SMALLEST: the m least keys of a sweep, ONE m x 2: a key and a row's index, ascending, ties by the index; what is left of
   the m places holds infinity and -1. Block functions add to it with assay_smallest_add. */
enum {
  ASSAY_FACTOR,
  ASSAY_STATE,
  ASSAY_LOCAL,
  ASSAY_SUM,
  ASSAY_MIN,
  ASSAY_MAX,
  ASSAY_SMALLEST
};
enum { ASSAY_IN = 1, ASSAY_OUT = 2, ASSAY_INOUT = 3, ASSAY_ADD = 4, ASSAY_BY_COMPONENT = 16 };
enum {
  ASSAY_PREPARE,
  ASSAY_STEP,
  ASSAY_FINISH,
  ASSAY_INIT,
  ASSAY_MEASURE,
  ASSAY_FIT,
  ASSAY_APPLY /* of a solver that makes W: the lines that write factor(0) from X, H and STATE */
};
enum { ASSAY_GRAD, ASSAY_MU, ASSAY_VALUE, ASSAY_NEWTON };
enum { ASSAY_X = -2, ASSAY_NO = -1 };
/* times. Of X: entries squared; 1 for each observed entry; absolute values. Of a small product: left right'. */
enum { ASSAY_SQUARE = 1, ASSAY_PATTERN = 2, ASSAY_TRANSPOSED = 4, ASSAY_ABS = 8 };
/* times by labels: every row counts with its row weight. */
enum { ASSAY_WEIGHTED = 16 };
/* factor(): the left operand of the model M = left H': W; of three factors, M = W S H' with S k1 x k2 on ONE (side 2), a LOCAL
   that holds W S as it is at this line. */
enum { ASSAY_LEFT = 3 };
enum { ASSAY_NORMALS_UNIFORM = 1 }; /* normals: the loss's curvature bound for every entry */
enum { ASSAY_EACH_X = 1 };          /* each: fn may ask for lines of X (service "assay.tile/1") */
/* batches: runs of rows in order; runs in an order drawn anew every epoch; rows in such an order, which reads X row by
   row. */
enum { ASSAY_NATURAL, ASSAY_SHUFFLED, ASSAY_SHUFFLED_ROWS };
enum {
  /* terms: the squared loss instead of the model's; of a loss whose mean is a function of m (logistic), at that mean */
  ASSAY_TERMS_SQUARED = 1,
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
  const int64_t *row; /* in batches of shuffled rows: which row of X each row of the block is; else NULL: first + i */
} assay_block;

/* [worker]; a pure function of its arguments; non-zero: nothing of this block is committed and the run stops. */
typedef int32_t (*assay_fn)(void *self, const assay_block *block);

typedef struct assay_buffer {
  uint32_t struct_size, flags; /* ASSAY_BUFFER_OUTPUT */
  const char *name;            /* unique within the program */
  int32_t axis, role, dtype;   /* dtype: ASSAY_NUM, ASSAY_F64, ASSAY_I32, ASSAY_I64; of STATE on ROWS and LOCAL on ONE
                                  ASSAY_F32, too, which functions see as it is, like integers */
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

/* Visits every observed entry once (of sparse X with a loss that has a term for zeros: every stored one), in `blocks` rounds
   of `blocks` blocks that share no row and no column; entries of a block in an order drawn anew every step. Arguments on ROWS
   and COLS (INOUT: the block's slices in place, in float64), ONE (IN: whole; finished sums too), sums (ADD). fn asks for its
   entries (service "assay.tile/1") and may call penalties. */
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
  /* side 0: W (n x k), 1: H (stored d x k, long side first), 2: S, ASSAY_LEFT. */
  assay_buf (*factor)(assay_builder *b, int32_t side);
  /* One of the host's read-only buffers (n x 1 or d x 1). */
  assay_buf (*given)(assay_builder *b, int32_t which);
  /* left = ASSAY_X: out[ROWS] = X right[COLS], or out[COLS] = X' right[ROWS]; left a ROWS or COLS buffer and right ONE
     (k x k'): a small product; left a LOCAL on ROWS of width d (X-shaped, in X's place: out on ROWS or COLS, as above; it must not cross sweeps); both
     ASSAY_X: out[ONE], a SUM, = X'X (d x d) or, ASSAY_TRANSPOSED, X X' (n x n). left = ASSAY_X and right an I32 buffer on
     ROWS, labels: out[COLS] = X' Z, where row i of Z is 1 in every column that row i of right names (-1: none), so out has a
     column per cluster and is summed row by row. flags ASSAY_SQUARE, ASSAY_PATTERN, ASSAY_ABS, ASSAY_TRANSPOSED,
     ASSAY_WEIGHTED. Sees the data view: hidden entries are 0. */
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
     One step is one epoch. order: ASSAY_NATURAL, ASSAY_SHUFFLED or ASSAY_SHUFFLED_ROWS (at most one such in a program; W
     then takes no penalty that sees the whole factor or depends on the place of a row); drawn from `stream`. */
  int32_t (*batches)(assay_builder *b, int64_t size, int32_t order, uint64_t stream);
  int32_t (*end)(assay_builder *b);
  int32_t (*grid)(assay_builder *b, const assay_grid *grid);
  /* out, a LOCAL on ONE, m x d: the rows of X, as the data view shows them, hidden entries 0, whose indices are in column 0 of
     rows (ONE, m x 1) or column 1 of a SMALLEST (m x 2); an index below 0 gives a row of zeros. */
  int32_t (*gather)(assay_builder *b, assay_buf out, assay_buf rows);
};

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

/* Offers a key of row `index` to this lane's part of a SMALLEST. */
static inline void assay_smallest_add(const assay_view *smallest, double key, int64_t index) {
  double *const at = (double *)smallest->data;
  int64_t place = smallest->rows;
  while (place > 0) {
    const double *const above = at + (place - 1) * smallest->stride;
    if (above[0] < key || (above[0] == key && above[1] >= 0 && above[1] < (double)index)) break;
    if (place < smallest->rows) {
      at[place * smallest->stride] = above[0];
      at[place * smallest->stride + 1] = above[1];
    }
    --place;
  }
  if (place == smallest->rows) return;
  at[place * smallest->stride] = key;
  at[place * smallest->stride + 1] = (double)index;
}

ASSAY_SIZE_(assay_block, 88);
ASSAY_SIZE_(assay_buffer, 48);
ASSAY_SIZE_(assay_arg, 8);
ASSAY_SIZE_(assay_each, 48);
ASSAY_SIZE_(assay_terms, 40);
ASSAY_SIZE_(assay_normals, 32);
ASSAY_SIZE_(assay_grid, 56);
ASSAY_SIZE_(assay_builder, 128);

#ifdef __cplusplus
}
#endif
#endif
