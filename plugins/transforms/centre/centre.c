/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `centre`: x'_ij = x_ij - mean_j, the mean over the observed training entries of column
   j, rows by their weights.

   The fit is a program of one product: sums = X' w over rows of weight w (hidden entries are 0 in
   X), divided by the weight observed in the column. Dense X counts its observed entries by the same
   product of X's pattern; of sparse X, whose zeros are observed without being stored, the host
   knows the counts. */
#include <assay/transforms.h>

ASSAY_TRANSFORM_CREATE(create, 0, {})

/* Columns: sums, weight observed, weight of the column (which the host's counts contain), mean. */
static int32_t divide(void* self, const assay_block* b) {
  const assay_transform_self* c = self;
  const double *sums = b->arg[0].data, *observed = b->arg[1].data, *weight = b->arg[2].data;
  double* mean = b->arg[3].data;
  for (int64_t j = 0; j < b->count; ++j) {
    const double own = c->sparse ? weight[j * b->arg[2].stride] : 1;
    const double count = own > 0 ? observed[j * b->arg[1].stride] / own : 0;
    mean[j * b->arg[3].stride] = count > 0 ? sums[j * b->arg[0].stride] / count : 0;
  }
  return ASSAY_OK;
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const assay_transform_self* c = self;
  if (purpose != ASSAY_FIT) return b->status(b);
  const assay_buffer state = {sizeof state, 0, "means", ASSAY_COLS, ASSAY_STATE,
                              ASSAY_F64,    1, 0,       1};
  const assay_buf means = b->buffer(b, &state);
  const assay_buf row_weights = b->given(b, ASSAY_ROW_WEIGHTS),
                  col_weights = b->given(b, ASSAY_COL_WEIGHTS);
  const assay_buf sums = assay_local(b, "sums", ASSAY_COLS, 1);
  b->times(b, sums, ASSAY_X, row_weights, 0);
  assay_buf observed;
  if (c->sparse) {
    observed = b->given(b, ASSAY_COL_COUNTS);
  } else {
    observed = assay_local(b, "observed", ASSAY_COLS, 1);
    b->times(b, observed, ASSAY_X, row_weights, ASSAY_PATTERN);
  }
  ASSAY_EACH(b, "means", ASSAY_COLS, divide, {sums, ASSAY_IN}, {observed, ASSAY_IN},
             {col_weights, ASSAY_IN}, {means, ASSAY_OUT});
  return b->status(b);
}

ASSAY_TRANSFORM_COLUMNS(affine, {
  if (!learnt)
    return self->host->set_error(ctx, ASSAY_E_STATE, "transform `centre` has not been fitted");
  for (int64_t j = 0; j < d; ++j) shifts[j] = -learnt[j];
})

static const assay_transform vtable = {.struct_size = sizeof vtable,
                                       .form = ASSAY_TRANSFORM_AFFINE,
                                       .create = create,
                                       .build = build,
                                       .affine = affine,
                                       .destroy = assay_transform_free};
static const assay_plugin plugin = {sizeof plugin,
                                    ASSAY_PLUGIN_DETERMINISTIC,
                                    "assay.transform/1",
                                    "centre",
                                    "subtract the mean of each column",
                                    NULL,
                                    "x'_ij = x_ij - mean_j",
                                    NULL,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.centre", "1.0", plugin)
