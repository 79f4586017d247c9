/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `standardise`: x'_ij = x_ij / s_j, s_j the standard deviation of the observed training
   entries of column j, rows by their weights; a constant column stays as it is. Divides by n - 1
   (`ddof: 1`) or n. Columns are not centred: put `centre` before it for zero means.

   The fit is a program of three products with the row weights w: of X, X.^2 and X's pattern (of
   sparse X, whose zeros are observed without being stored, the host knows the counts). Deviations
   below 1e-6 of the mean are rounding of the squares: such a column counts as constant, as does one
   below 1e-14 of the data's root mean square, which is what centring leaves of a constant column.
 */
#include <assay/plugin.h>
#include <math.h>

typedef struct {
  const assay_host* host;
  int32_t sparse;
  double ddof, mean_square; /* of all entries */
} standardise;

static const assay_option options[] = {{"ddof", "what the sum of squares is divided by: n - ddof",
                                        ASSAY_OPT_INT, 0, 1, 0, 1, NULL, NULL},
                                       {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_problem* problem,
                      void** self) {
  standardise* s = host->alloc((int64_t)sizeof *s);
  (void)ctx;
  if (!s) return ASSAY_E_MEMORY;
  s->host = host;
  s->sparse = problem->sparse;
  s->ddof = host->option_number(problem->options, "ddof");
  s->mean_square = problem->observed > 0 ? problem->x_sumsq / problem->observed : 0;
  *self = s;
  return ASSAY_OK;
}

static void destroy(void* self) {
  standardise* s = self;
  s->host->free(s);
}

/* Columns: sums, sums of squares, weight observed, weight of the column (which the host's counts
   contain), deviation. A variance that is rounding of the mean square is that of a constant column.
 */
static int32_t deviations(void* self, const assay_block* b) {
  const standardise* t = self;
  const double *sums = b->arg[0].data, *squares = b->arg[1].data, *observed = b->arg[2].data,
               *weight = b->arg[3].data;
  double* deviation = b->arg[4].data;
  for (int64_t j = 0; j < b->count; ++j) {
    const double own = t->sparse ? weight[j * b->arg[3].stride] : 1;
    const double count = own > 0 ? observed[j * b->arg[2].stride] / own : 0;
    const double mean = count > 0 ? sums[j * b->arg[0].stride] / count : 0;
    const double square = count > 0 ? squares[j * b->arg[1].stride] / count : 0;
    const double variance = square - mean * mean;
    const int constant =
        !(variance > 1e-12 * square) || !(square > 1e-28 * t->mean_square) || !(count > t->ddof);
    deviation[j * b->arg[4].stride] = constant ? 1 : sqrt(variance * (count / (count - t->ddof)));
  }
  return ASSAY_OK;
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const standardise* t = self;
  if (purpose != ASSAY_FIT) return b->status(b);
  const assay_buffer state = {
      sizeof state, 0, "deviations", ASSAY_COLS, ASSAY_STATE, ASSAY_F64, 1, 0, 1};
  const assay_buf learnt = b->buffer(b, &state);
  const assay_buf row_weights = b->given(b, ASSAY_ROW_WEIGHTS),
                  col_weights = b->given(b, ASSAY_COL_WEIGHTS);
  const assay_buf sums = assay_local(b, "sums", ASSAY_COLS, 1),
                  squares = assay_local(b, "squares", ASSAY_COLS, 1);
  b->times(b, sums, ASSAY_X, row_weights, 0);
  b->times(b, squares, ASSAY_X, row_weights, ASSAY_SQUARE);
  assay_buf observed;
  if (t->sparse) {
    observed = b->given(b, ASSAY_COL_COUNTS);
  } else {
    observed = assay_local(b, "observed", ASSAY_COLS, 1);
    b->times(b, observed, ASSAY_X, row_weights, ASSAY_PATTERN);
  }
  ASSAY_EACH(b, "deviations", ASSAY_COLS, deviations, {sums, ASSAY_IN}, {squares, ASSAY_IN},
             {observed, ASSAY_IN}, {col_weights, ASSAY_IN}, {learnt, ASSAY_OUT});
  return b->status(b);
}

static int32_t affine(void* self,
                      assay_ctx* ctx,
                      int64_t d,
                      int32_t n_learnt,
                      const double* const* learnt,
                      double* scales,
                      double* shifts) {
  const standardise* t = self;
  (void)shifts;
  if (n_learnt != 1)
    return t->host->set_error(ctx, ASSAY_E_STATE, "transform `standardise` has not been fitted");
  for (int64_t j = 0; j < d; ++j) scales[j] = 1 / learnt[0][j];
  return ASSAY_OK;
}

static const assay_transform vtable = {
    sizeof vtable, 0, ASSAY_TRANSFORM_AFFINE, 0, create, build, affine, NULL, NULL, destroy};
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
