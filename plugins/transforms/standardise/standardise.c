/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `standardise`: x'_ij = x_ij / s_j, s_j the standard deviation of the observed training
   entries of column j, rows by their weights; a constant column stays as it is. Divides by n - 1
   (`ddof: 1`) or n. Columns are not centred: put `centre` before it for zero means.

   The fit of dense X is two passes, so that a deviation far below the mean keeps its digits: sums,
   then moments of what lies between an entry and its column's mean. Sparse X is taken in one, by
   products of X, X.^2 and the row weights (the host knows the counts of its unstored zeros): there
   a deviation below 1e-6 of the mean is rounding of the squares, and one below 1e-14 of the data's
   root mean square what centring leaves of a constant column. The log names constant columns. */
#include <assay/transforms.h>
#include <math.h>
#include <stdio.h>

static const assay_option options[] = {{"ddof", "what the sum of squares is divided by: n - ddof",
                                        ASSAY_OPT_INT, 0, 1, 0, 1, NULL, NULL},
                                       {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};

ASSAY_TRANSFORM_CREATE(create, ASSAY_WITH_TILE, {
  self->number = host->option_number(given, "ddof");
})

static double at(const assay_view* v, int64_t i) { return ((const double*)v->data)[i * v->stride]; }
static void put(const assay_view* v, int64_t i, double value) {
  ((double*)v->data)[i * v->stride] = value;
}

/* Column j of the block: its deviation, or 1 and a mark where it is constant. */
static void write(const assay_transform_self* t,
                  const assay_view* deviation,
                  const assay_view* constant,
                  int64_t j,
                  double variance,
                  double count) {
  const double ddof = t->number;
  const int varies = variance > 0 && count > ddof;
  put(deviation, j, varies ? sqrt(variance * (count / (count - ddof))) : 1);
  put(constant, j, varies ? 0 : 1);
}

/* Columns {sums, sums of squares, weight observed, weight of the column (which the host's counts
   contain), deviation, constant}. A variance that is rounding of the mean square is none. */
static int32_t from_squares(void* self, const assay_block* b) {
  const assay_transform_self* t = self;
  for (int64_t j = 0; j < b->count; ++j) {
    const double own = at(&b->arg[3], j), count = own > 0 ? at(&b->arg[2], j) / own : 0;
    const double mean = count > 0 ? at(&b->arg[0], j) / count : 0;
    const double square = count > 0 ? at(&b->arg[1], j) / count : 0;
    const double variance = square - mean * mean;
    const int rounding = !(variance > 1e-12 * square) || !(square > 1e-28 * t->mean_square);
    write(t, &b->arg[4], &b->arg[5], j, rounding ? 0 : variance, count);
  }
  return ASSAY_OK;
}

/* Columns {sums, weight observed, mean}. */
static int32_t means(void* self, const assay_block* b) {
  (void)self;
  for (int64_t j = 0; j < b->count; ++j) {
    const double count = at(&b->arg[1], j);
    put(&b->arg[2], j, count > 0 ? at(&b->arg[0], j) / count : 0);
  }
  return ASSAY_OK;
}

/* Rows {row weights, means, d x 3 sums: of weights, of x - mean, of its squares}. */
static int32_t moments(void* self, const assay_block* b) {
  const assay_transform_self* t = self;
  const assay_view* out = &b->arg[2];
  for (int64_t i = 0; i < b->count; ++i) {
    const double weight = at(&b->arg[0], i);
    assay_line line;
    const int32_t bad = t->tile->line(b->ctx, i, &line);
    if (bad) return bad;
    for (int64_t e = 0; e < line.n; ++e) {
      const int64_t j = line.idx ? line.idx[e] : e;
      const double away = line.x[e] - at(&b->arg[1], j);
      double* sums = (double*)out->data + j * out->stride;
      sums[0] += weight;
      sums[1] += weight * away;
      sums[2] += weight * away * away;
    }
  }
  return ASSAY_OK;
}

/* Columns {moments, deviation, constant}. All entries of a constant column lie equally far from the
   rounded mean. */
static int32_t from_moments(void* self, const assay_block* b) {
  const assay_transform_self* t = self;
  for (int64_t j = 0; j < b->count; ++j) {
    const assay_view* m = &b->arg[0];
    const double* sums = (const double*)m->data + (b->first + j) * m->stride;
    const double count = sums[0], mean = count > 0 ? sums[1] / count : 0,
                 square = count > 0 ? sums[2] / count : 0, variance = square - mean * mean;
    write(t, &b->arg[1], &b->arg[2], j, variance > 1e-12 * square ? variance : 0, count);
  }
  return ASSAY_OK;
}

/* {constant, how many}: says so. */
static int32_t tell(void* self, const assay_block* b) {
  const assay_transform_self* t = self;
  const assay_view* constant = &b->arg[0];
  int64_t n = 0, first = 0;
  char text[160];
  for (int64_t j = constant->rows - 1; j >= 0; --j)
    if (at(constant, j) > 0) ++n, first = j;
  put(&b->arg[1], 0, (double)n);
  if (n == 0) return ASSAY_OK;
  (void)snprintf(text, sizeof text,
                 "transform `standardise` left %lld constant column%s as %s: %scolumn %lld",
                 (long long)n, n > 1 ? "s" : "", n > 1 ? "they are" : "it is",
                 n > 1 ? "the first is " : "", (long long)first + 1);
  t->host->log(b->ctx, ASSAY_LOG_INFO, text);
  return ASSAY_OK;
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const assay_transform_self* t = self;
  if (purpose != ASSAY_FIT) return b->status(b);
  const assay_buffer state = {
      sizeof state, 0, "deviations", ASSAY_COLS, ASSAY_STATE, ASSAY_F64, 1, 0, 1};
  const assay_buffer said = {
      sizeof said, 0, "constant_columns", ASSAY_ONE, ASSAY_LOCAL, ASSAY_F64, 0, 1, 1};
  const assay_buf learnt = b->buffer(b, &state), row_weights = b->given(b, ASSAY_ROW_WEIGHTS),
                  sums = assay_local(b, "sums", ASSAY_COLS, 1),
                  constant = assay_local(b, "constant", ASSAY_COLS, 1), count = b->buffer(b, &said);
  b->times(b, sums, ASSAY_X, row_weights, 0);
  if (t->sparse) {
    const assay_buf squares = assay_local(b, "squares", ASSAY_COLS, 1);
    b->times(b, squares, ASSAY_X, row_weights, ASSAY_SQUARE);
    ASSAY_EACH(b, "deviations", ASSAY_COLS, from_squares, {sums, ASSAY_IN}, {squares, ASSAY_IN},
               {b->given(b, ASSAY_COL_COUNTS), ASSAY_IN},
               {b->given(b, ASSAY_COL_WEIGHTS), ASSAY_IN}, {learnt, ASSAY_OUT},
               {constant, ASSAY_OUT});
  } else {
    const assay_buf observed = assay_local(b, "observed", ASSAY_COLS, 1),
                    mean = assay_local(b, "means", ASSAY_COLS, 1),
                    moved = assay_sum(b, "moments", t->d, 3);
    const assay_arg args[] = {{row_weights, ASSAY_IN}, {mean, ASSAY_IN}, {moved, ASSAY_ADD}};
    const assay_each each = {sizeof each, ASSAY_EACH_X, "moments", ASSAY_ROWS, 3,
                             moments,     args,         0,         0};
    b->times(b, observed, ASSAY_X, row_weights, ASSAY_PATTERN);
    ASSAY_EACH(b, "means", ASSAY_COLS, means, {sums, ASSAY_IN}, {observed, ASSAY_IN},
               {mean, ASSAY_OUT});
    b->each(b, &each);
    ASSAY_EACH(b, "deviations", ASSAY_COLS, from_moments, {moved, ASSAY_IN}, {learnt, ASSAY_OUT},
               {constant, ASSAY_OUT});
  }
  ASSAY_EACH(b, "tell", ASSAY_ONE, tell, {constant, ASSAY_IN}, {count, ASSAY_OUT});
  b->report(b, "constant_columns", count);
  return b->status(b);
}

ASSAY_TRANSFORM_COLUMNS(affine, {
  if (!learnt)
    return self->host->set_error(ctx, ASSAY_E_STATE, "transform `standardise` has not been fitted");
  for (int64_t j = 0; j < d; ++j) scales[j] = 1 / learnt[j];
})

static const assay_transform vtable = {.struct_size = sizeof vtable,
                                       .form = ASSAY_TRANSFORM_AFFINE,
                                       .create = create,
                                       .build = build,
                                       .affine = affine,
                                       .destroy = assay_transform_free};
static const assay_plugin plugin = {
    sizeof plugin,
    ASSAY_PLUGIN_DETERMINISTIC,
    "assay.transform/1",
    "standardise",
    "divide each column by its standard deviation",
    NULL,
    "x'_ij = x_ij / s_j,  s_j^2 = sum_i (x_ij - mean_j)^2 / (n - ddof)",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.standardise", "1.0", plugin)
