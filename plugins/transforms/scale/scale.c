/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `scale`: x' = by x, the same factor for every column. */
#include <assay/transforms.h>

static const assay_option options[] = {{"by", "factor of every entry", ASSAY_OPT_FLOAT,
                                        ASSAY_OPT_REQUIRED, 1, -1e300, 1e300, NULL, NULL},
                                       {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};

ASSAY_TRANSFORM_CREATE(create, 0, {
  self->number = host->option_number(given, "by");
  if (self->number == 0) {
    host->set_error(ctx, ASSAY_E_SPEC, "transform `scale` by 0 leaves nothing of the data");
    host->add_detail(ctx, ASSAY_DETAIL_HELP, "give a factor that is not 0");
    return ASSAY_E_SPEC;
  }
})
ASSAY_TRANSFORM_COLUMNS(affine, {
  for (int64_t j = 0; j < d; ++j) scales[j] = self->number;
})

static const assay_transform vtable = {.struct_size = sizeof vtable,
                                       .form = ASSAY_TRANSFORM_AFFINE,
                                       .create = create,
                                       .affine = affine,
                                       .destroy = assay_transform_free};
static const assay_plugin plugin = {sizeof plugin,
                                    ASSAY_PLUGIN_DETERMINISTIC,
                                    "assay.transform/1",
                                    "scale",
                                    "multiply every entry by a number",
                                    NULL,
                                    "x' = by x",
                                    options,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.scale", "1.0", plugin)
