/* SPDX-License-Identifier: Apache-2.0 */
/* What a mixture's family implements: kind "assay.density/1", and the service of the same id through which a solver or a
   metric reaches the one the model names. docs/authors.md has a density from scratch.

   A mixture has k components over rows of d entries. What is known of a component c is row c of `params` (k x facts.params);
   what all share is `shared` (1 x facts.shared). Both are float64, are saved with the model and belong to the density alone:
   weights of the components, responsibilities, logarithms of sums and the order of things are the solver's. `derived`
   (k x facts.derived) is what prepare makes of them once per step, a Cholesky factor say. A density has one of two styles,
   or both:

   LINEAR  log p(x | c) = x . B[:, c] + x^2 . B2[:, c] + offset_c + base(x). The host's products do the work, so sparse X,
           narrow storage and a large d cost what they must. Statistics of c: N, then sum r x (d), then, with SQUARES,
           sum r x^2 (d).
   FREE    log_density and accumulate see blocks of rows; the statistics are the density's own, facts.stats of them a
           component, the first of which is N = sum r. Moments are to be taken about what params hold, so that a mean far
           from 0 costs no digits; `recentre` then says what they are about other params. */
#ifndef ASSAY_DENSITY_H
#define ASSAY_DENSITY_H

#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  ASSAY_DENSITY_LINEAR = 1,
  ASSAY_DENSITY_FREE = 2,
  ASSAY_DENSITY_SQUARES = 4,   /* the linear style has a B2 */
  ASSAY_DENSITY_MISSING = 8,   /* the free style takes rows with entries missing, by their marginal */
  ASSAY_DENSITY_INTEGER = 16,  /* entries are whole numbers */
  ASSAY_DENSITY_DISCRETE = 32, /* log_density is of a probability, not of a density */
  ASSAY_DENSITY_PRIOR = 64,    /* log_prior is not 0: the maximum is that of the posterior */
  ASSAY_DENSITY_STABLE = 128,  /* the linear style loses no digits: it is taken for dense X, too */
  ASSAY_DENSITY_LEVELS = 256   /* describe reads `most`: it is called again with it */
};
typedef struct assay_density_facts {
  uint32_t struct_size, flags;
  int64_t params, shared; /* doubles of a component, of all */
  int64_t derived;        /* doubles of a component that prepare makes */
  int64_t stats;          /* FREE: doubles of a component's statistics, N first */
  int64_t work;           /* FREE: doubles of memory log_density and accumulate need besides */
  double x_lo, x_hi;      /* domain of x; infinities allowed */
  double free_parameters; /* of k components, without their weights */
  double dirichlet;       /* in: a of the Dirichlet prior of the weights; 1: none */
  int32_t f32;            /* in: 1 where the run computes in float32 */
  int32_t saved;          /* in: `params` of the saved model that goes on or is applied, 0: a new one */
  const double *most;     /* in, LEVELS: the largest entry of each column of the data fitted, NULL where none are known */
  const char *shown;      /* params are a result of this name, too, k x params; NULL: they are not */
} assay_density_facts;

/* At most ASSAY_DENSITY_ROWS rows of X, row by row, and memory for the call. */
enum { ASSAY_DENSITY_ROWS = 64 };
typedef struct assay_density_rows {
  uint32_t struct_size, flags;
  int64_t n, d, ld;
  const double *x;     /* 64-byte aligned; row i from i ld on; missing entries are 0 */
  const uint8_t *seen; /* n x d, 1 where an entry is observed; NULL: all are */
  double *work;        /* facts.work doubles, 64-byte aligned */
} assay_density_rows;

/* The parameters as they stand: views of params, shared and derived. raw is 1 where statistics are those of the linear
   style, sums of x and x^2 as they are. */
typedef struct assay_density_model {
  uint32_t struct_size, flags;
  int64_t d, k;
  assay_view params, shared, derived;
  int32_t raw, f32; /* f32: the run computes in float32 */
} assay_density_model;

/* What maximise says of a component. */
enum {
  ASSAY_DENSITY_FLOORED = 1, /* it was singular, and is held away from that */
  ASSAY_DENSITY_REMOVE = 2   /* it was singular, and is to go */
};

/* Components c0 <= c < c1. Arrays `out` and `resp` have a line of ld doubles for each of them, the first for c0, with an
   entry per row. */
typedef struct assay_density {
  uint32_t struct_size, flags;
  /* problem: shape, k[0] components, options (with those of `model.prior`, as prior_NAME). [setup] */
  int32_t (*create)(const assay_host *host, assay_ctx *ctx, const assay_problem *problem,
                    void **self);
  void (*destroy)(void *self); /* or NULL */
  int32_t (*describe)(void *self, assay_density_facts *out); /* fields start as 0 */
  /* Writes params and shared of components with these means (k x d); centre and spread: mean and variance of each column
     of X over all rows, which shared may keep. One thread. */
  int32_t (*start)(void *self, assay_ctx *ctx, const assay_view *means, const double *centre,
                   const double *spread, assay_density_model *m);
  /* Optional: params and shared -> derived. [worker] */
  int32_t (*prepare)(void *self, assay_ctx *ctx, int64_t c0, int64_t c1, assay_density_model *m);
  /* LINEAR: rows first .. first + count - 1 of B and B2 (d x k; B2 NULL without SQUARES). [worker] */
  int32_t (*linear)(void *self, assay_ctx *ctx, const assay_density_model *m, int64_t first,
                    int64_t count, assay_view *B, assay_view *B2);
  /* LINEAR: the k offsets. */
  int32_t (*offsets)(void *self, assay_ctx *ctx, const assay_density_model *m, double *out);
  /* LINEAR, optional: base(x) of one row from its n observed entries (of sparse X: those stored; a zero adds nothing).
     [worker] */
  int32_t (*base)(void *self, assay_ctx *ctx, int64_t n, const double *x, double *out);
  /* FREE. out[c][i] = log p(x_i | c). [worker] */
  int32_t (*log_density)(void *self, assay_ctx *ctx, const assay_density_rows *rows,
                         const assay_density_model *m, int64_t c0, int64_t c1, double *out,
                         int64_t ld);
  /* FREE. Adds the rows, resp[c][i] of each, to the statistics (k x stats). [worker] */
  int32_t (*accumulate)(void *self, assay_ctx *ctx, const assay_density_rows *rows,
                        const assay_density_model *m, const double *resp, int64_t ld, int64_t c0,
                        int64_t c1, assay_view *stats);
  /* Statistics of all rows -> params; notes[c] = 0 or ASSAY_DENSITY_... A component whose N is 0 keeps what it has. */
  int32_t (*maximise)(void *self, assay_ctx *ctx, const assay_view *stats, int64_t c0, int64_t c1,
                      assay_density_model *m, int32_t *notes);
  /* Optional: then shared; *note as those of maximise. */
  int32_t (*maximise_shared)(void *self, assay_ctx *ctx, const assay_view *stats,
                             assay_density_model *m, int32_t *note);
  /* Optional: log of the prior's density at the parameters, all constants included that are finite. */
  int32_t (*log_prior)(void *self, assay_ctx *ctx, const assay_density_model *m, double *out);
  /* means (k x d) and covariances (k d x d, those of a component together) of the components; either may be NULL. */
  int32_t (*moments)(void *self, assay_ctx *ctx, const assay_density_model *m, assay_view *means,
                     assay_view *covariances);
  /* Optional: n rows of component c, row i from entries (index + i) of the stream alone. */
  int32_t (*sample)(void *self, assay_ctx *ctx, const assay_density_model *m, int64_t c,
                    uint64_t stream, int64_t index, int64_t n, assay_view *out);
  /* FREE: statistics about what `before` (k x params) held -> about what m.params hold. Without it statistics of whole
     rows are those of the rows alone, whatever params hold. Solvers that add statistics of several steps ask for it. */
  int32_t (*recentre)(void *self, assay_ctx *ctx, const assay_view *before,
                      const assay_density_model *m, assay_view *stats);
} assay_density;

/* Service "assay.density/1": the functions above of the model's density, without self. An optional one that it
   does not have does nothing: base and log_prior give 0, the others leave what they would write; sample says
   ASSAY_E_COMBINATION. */
typedef struct assay_density_calls {
  uint32_t struct_size, flags;
  int32_t (*start)(assay_ctx *ctx, const assay_view *means, const double *centre,
                   const double *spread, assay_density_model *m);
  int32_t (*prepare)(assay_ctx *ctx, int64_t c0, int64_t c1, assay_density_model *m);
  int32_t (*linear)(assay_ctx *ctx, const assay_density_model *m, int64_t first, int64_t count,
                    assay_view *B, assay_view *B2);
  int32_t (*offsets)(assay_ctx *ctx, const assay_density_model *m, double *out);
  int32_t (*base)(assay_ctx *ctx, int64_t n, const double *x, double *out);
  int32_t (*log_density)(assay_ctx *ctx, const assay_density_rows *rows,
                         const assay_density_model *m, int64_t c0, int64_t c1, double *out,
                         int64_t ld);
  int32_t (*accumulate)(assay_ctx *ctx, const assay_density_rows *rows,
                        const assay_density_model *m, const double *resp, int64_t ld, int64_t c0,
                        int64_t c1, assay_view *stats);
  int32_t (*maximise)(assay_ctx *ctx, const assay_view *stats, int64_t c0, int64_t c1,
                      assay_density_model *m, int32_t *notes);
  int32_t (*maximise_shared)(assay_ctx *ctx, const assay_view *stats, assay_density_model *m,
                             int32_t *note);
  int32_t (*log_prior)(assay_ctx *ctx, const assay_density_model *m, double *out);
  int32_t (*moments)(assay_ctx *ctx, const assay_density_model *m, assay_view *means,
                     assay_view *covariances);
  int32_t (*sample)(assay_ctx *ctx, const assay_density_model *m, int64_t c, uint64_t stream,
                    int64_t index, int64_t n, assay_view *out);
  int32_t (*recentre)(assay_ctx *ctx, const assay_view *before, const assay_density_model *m,
                      assay_view *stats);
} assay_density_calls;

ASSAY_SIZE_(assay_density_facts, 104);
ASSAY_SIZE_(assay_density_rows, 56);
ASSAY_SIZE_(assay_density_model, 176);
ASSAY_SIZE_(assay_density, 136);
ASSAY_SIZE_(assay_density_calls, 112);

#ifdef __cplusplus
}
#endif
#endif
