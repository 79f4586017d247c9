/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin implements: the kinds, and how a module shows them. A module is one shared library that exports one function,
   assay_plugin_main_v1, and needs nothing but this header and those it includes: program.h (steps), host.h (services) and
   types.h.

   Rules for every struct with a struct_size: the writer sets it to sizeof; the reader uses min(its own, the given) and
   takes the rest as absent (ASSAY_HAS). Every callback returns a status; outputs are written last and are untouched on
   error; the message goes through host->set_error and is copied at once. No exception, longjmp or panic may cross. */
#ifndef ASSAY_PLUGIN_H
#define ASSAY_PLUGIN_H

#include "program.h"

#ifdef __cplusplus
extern "C" {
#endif

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
  /* its set is more than f >= 0: an update that only keeps signs ends with prox(F, 0) */
  ASSAY_FACTOR_SET = 8,
  ASSAY_FACTOR_PENALISED = 16, /* it has penalties beside its set */
  ASSAY_FACTOR_NO_QUADRATIC = 32 /* a penalty or set of it has no quadratic form (quad_rows) */
};
enum {
  ASSAY_PROBLEM_UNEQUAL = 1, /* entries count differently: a mask, weights, unobserved ones */
  ASSAY_PROBLEM_BIAS = 2,    /* an autoencoder with biases: the last component of W is 1 */
  ASSAY_PROBLEM_GOES_ON = 4, /* H and STATE are those of a fit of other rows, to which these come (partial fit) */
  ASSAY_PROBLEM_MAKES_W = 8, /* W is stored nowhere: an init leaves it out */
  ASSAY_PROBLEM_F32 = 16     /* products are made in float32 */
};
typedef struct assay_problem {
  uint32_t struct_size, flags; /* ASSAY_PROBLEM_... */
  int64_t n, d, nnz;           /* nnz: stored entries, n d when dense */
  int64_t k[3];                /* widths of W and H; with three factors k[2] is the rows of S */
  int32_t n_factors;           /* 2: W, H */
  int32_t side;                /* metrics: the factor named in `id.FACTOR`, else -1 */
  uint32_t factor_flags[3];    /* ASSAY_FACTOR_... */
  int32_t sparse;              /* 1: CSR */
  double observed;             /* sum of weights of the observed entries */
  double x_sum, x_sumsq;       /* weighted, over observed entries */
  double x_min, x_max;
  uint64_t stream;              /* random stream of this plugin's role */
  const assay_loss_facts *loss; /* the model's loss */
  const assay_options *options;
  int64_t true_rank; /* of data that were made from known factors, else 0 */
  const double
      *true_factor[2]; /* metrics: those factors, n x true_rank and d x true_rank, or NULL */
  double mu_power[3];  /* largest mu_power of each factor's penalties */
  /* An autoencoder: widths of the layers between X and its model, from the first encoder layer to the last decoder layer;
     W is the last of them, k[0] its width (one more with BIAS), H the weights from there to X. Else 0 and NULL. */
  int64_t n_layers;
  const int64_t *layers;
  /* A mixture: what density.h says of its family; its components are k[0]. Else NULL. */
  const struct assay_density_facts *density;
  /* Metrics: the class of each row of X, by its label in the data: 0 .. n_classes - 1, in the order in which they first
     appear, -1 without a label. NULL and 0 where the data have no labels. */
  const int32_t *row_class;
  int64_t n_classes;
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
  ASSAY_NEEDS_CLIP = 32, /* ends its update with prox(F, 0): takes ELEMENT sets within f >= 0 */
  ASSAY_NEEDS_NO_PENALTY = 64 /* alone: takes none but the constraint it implies */
};                            /* of penalties: any one of these */
enum {
  ASSAY_TAKES_SPARSE = 1,
  ASSAY_TAKES_MASK = 2,
  ASSAY_TAKES_WEIGHTS = 4,
  ASSAY_TAKES_UNOBSERVED = 8,
  ASSAY_TAKES_LINE_WEIGHTS = 16 /* weights of rows and of columns, where WEIGHTS would be of entries too */
}; /* of the data */
/* Flags of a solver. FITS: which models; none of these bits: W H. AUTOENCODER: M = W H with W made from X by layers
   (`model.kind: autoencoder`, `model.layers`); its program for the purpose MEASURE brings W up to date before anything is
   measured, and may report "objective". NO_RESIDUAL: what it finds is not stationary for the
   sets of the factors alone (H follows from other arrays, W is orthogonal), so the host takes no KKT
   residual; a program for the purpose MEASURE that reports "kkt" states the solver's own. MAKES_W: W is a function of the row
   of X, H and STATE (its cluster, its responsibilities) and is stored nowhere: the program for the purpose APPLY writes it,
   and the host puts those lines in front of any other program that asks for factor(0), whose W is then a LOCAL; new rows get
   their W by that program alone. Such a solver reports its "objective" in every step. MIXTURE: `model.kind: mixture`, the
   density's components; H holds their means. */
enum {
  ASSAY_FITS_TWO = 1,
  ASSAY_FITS_THREE = 2,
  ASSAY_SOLVER_NO_RESIDUAL = 4,
  ASSAY_FITS_AUTOENCODER = 8,
  ASSAY_SOLVER_MAKES_W = 16,
  ASSAY_FITS_MIXTURE = 32
};

/* "assay.solver/1", "assay.init/1". create reads options; build states the program for a purpose (STEP, and optionally
   PREPARE before the first and FINISH after the last step; an init: INIT) and returns b->status(b). [setup] */
typedef struct assay_solver {
  uint32_t struct_size, flags;
  uint32_t needs_loss, needs_penalty, takes_data, reserved;
  const char *
      implies; /* id of the constraint this solver keeps on factors that name none ("nonneg:W": on W alone), or NULL */
  int32_t (*create)(const assay_host *host, assay_ctx *ctx, const assay_problem *problem,
                    void **self);
  int32_t (*build)(void *self, assay_builder *b, int32_t purpose);
  void (*destroy)(void *self);
  /* Transforms that stand behind the data's own, in order, each with the option of this solver that is true where it is
     wanted: "centre:centre scale_to_unit:standardise"; they are part of the model. Or NULL. */
  const char *transforms;
  /* id of the init that stands in where the spec names none ("kmeans_plus_plus"), or NULL: the default one. */
  const char *start;
  /* Optional: how many starts it wants, at least 1. The init runs once for each, in a random stream of its own, before
     PREPARE; H holds the first, and all stand side by side in STATE `restarts` (COLS, float64, width starts times k), which
     the solver declares. [setup] */
  int64_t (*starts)(void *self);
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
   uint8 data go through a table of 256, other storage is rewritten once; with affine too, that follows lazily, and an instance
   that leaves entries as they are answers apply(n = 0) with ASSAY_E_NOT_FOUND: nothing is rewritten. ROW: a function of one
   row's entries together (apply gets a whole row: all observed ones, or those that sparse X stores; the others stay 0),
   rewritten once. */
enum { ASSAY_TRANSFORM_AFFINE, ASSAY_TRANSFORM_ELEMENT, ASSAY_TRANSFORM_ROW };
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
  /* ELEMENT, ROW: in place. [worker] */
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
  const char *suffixes;        /* ".csv .csv.gz", or NULL; "/" among them: a folder */
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
  /* Optional: data for a model that was fitted on these n columns. Called before shape; from then on the reader has these
     columns in this order and leaves out what belongs to none of them. Names are borrowed until close. */
  int32_t (*columns)(void *self, assay_ctx *ctx, int64_t n, const char *const *names);
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
  /* Writers: the data of the fit, as its transforms left them. labels: of the rows, or NULL. column: n_rows entries of column
     j, NaN where hidden; ASSAY_E_ARGUMENT where there is no such column. components: of each of the n_rows rows, the one that
     its W is largest in, whether W is stored or made. */
  int64_t n_rows, n_cols;
  const char *const *labels;
  void *data;
  int32_t (*column)(void *data, int64_t j, double *out);
  int32_t (*components)(void *data, int32_t *out);
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
   per repeat; values of options can say otherwise (ASSAY_OPT_DRAWS, ASSAY_OPT_SETTLES). */
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

ASSAY_SIZE_(assay_loss_facts, 96);
ASSAY_SIZE_(assay_loss, 104);
ASSAY_SIZE_(assay_penalty_facts, 32);
ASSAY_SIZE_(assay_factor_facts, 48);
ASSAY_SIZE_(assay_penalty, 112);
ASSAY_SIZE_(assay_problem, 232);
ASSAY_SIZE_(assay_solver, 80);
ASSAY_SIZE_(assay_init, 32);
ASSAY_SIZE_(assay_trials, 40);
ASSAY_SIZE_(assay_keep, 24);
ASSAY_SIZE_(assay_metric, 40);
ASSAY_SIZE_(assay_transform, 64);
ASSAY_SIZE_(assay_shape, 40);
ASSAY_SIZE_(assay_sink, 32);
ASSAY_SIZE_(assay_reader, 88);
ASSAY_SIZE_(assay_named, 72);
ASSAY_SIZE_(assay_results, 112);
ASSAY_SIZE_(assay_writer, 32);
ASSAY_SIZE_(assay_plugin, 72);
ASSAY_SIZE_(assay_module, 88);

#ifdef __cplusplus
}
#endif
#endif
