/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `normalise`: each row divided by its norm, so that rows of different sizes (documents
   of different lengths) compare. Rows of zeros stay zeros; sparse X stays sparse. Sums are taken of
   entries over the largest of the row, so that nothing overflows. */
#include <assay/transforms.h>

enum { L1, L2, MAX };

static const char* const norms[] = {"l1", "l2", "max", NULL};
static const assay_option options[] = {
    {"norm", "l1: sum of magnitudes; l2: root of the sum of squares; max: largest magnitude",
     ASSAY_OPT_ENUM, 0, 0, 0, 0, "l2", norms},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};

ASSAY_TRANSFORM_CREATE(create, 0, { self->word[0] = assay_word(host, given, "norm", norms); })
ASSAY_TRANSFORM_ENTRIES(apply, {
  const int64_t norm = self->word[0];
  double largest = 0, sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double size = x[i] < 0 ? -x[i] : x[i];
    if (size > largest) largest = size;
  }
  if (!(largest > 0)) return ASSAY_OK;
  for (int64_t i = 0; i < n; ++i) {
    x[i] /= largest;
    sum += norm == L2 ? x[i] * x[i] : x[i] < 0 ? -x[i] : x[i];
  }
  if (norm == MAX) return ASSAY_OK;
  if (norm == L2) sum = __builtin_sqrt(sum);
  for (int64_t i = 0; i < n; ++i) x[i] /= sum;
})

static const assay_transform vtable = {.struct_size = sizeof vtable,
                                       .form = ASSAY_TRANSFORM_ROW,
                                       .create = create,
                                       .apply = apply,
                                       .destroy = assay_transform_free};
static const assay_plugin plugin = {sizeof plugin,
                                    ASSAY_PLUGIN_DETERMINISTIC,
                                    "assay.transform/1",
                                    "normalise",
                                    "divide each row by its norm",
                                    NULL,
                                    "x'_ij = x_ij / |x_i|",
                                    options,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.normalise", "1.0", plugin)
