/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `shift`: x' = x + by, the same number for every column. */
#include <assay/transforms.h>

static const assay_option options[] = {{"by", "number added to every entry", ASSAY_OPT_FLOAT,
                                        ASSAY_OPT_REQUIRED, 0, -1e300, 1e300, NULL, NULL},
                                       {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};

ASSAY_TRANSFORM_CREATE(create, 0, { self->number = host->option_number(given, "by"); })
ASSAY_TRANSFORM_COLUMNS(affine, {
  for (int64_t j = 0; j < d; ++j) shifts[j] = self->number;
})

static const assay_transform vtable = {.struct_size = sizeof vtable,
                                       .form = ASSAY_TRANSFORM_AFFINE,
                                       .create = create,
                                       .affine = affine,
                                       .destroy = assay_transform_free};
static const assay_plugin plugin = {sizeof plugin,
                                    ASSAY_PLUGIN_DETERMINISTIC,
                                    "assay.transform/1",
                                    "shift",
                                    "add a number to every entry",
                                    NULL,
                                    "x' = x + by",
                                    options,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.shift", "1.0", plugin)
