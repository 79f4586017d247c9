/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `binarise`: x' = 1 where x > threshold, else 0. A threshold of 0 or more keeps 0, so
 * that sparse X stays sparse. */
#include <assay/transforms.h>

static const assay_option options[] = {{"threshold", "entries above it become 1, all others 0",
                                        ASSAY_OPT_FLOAT, 0, 0, -1e300, 1e300, NULL, NULL},
                                       {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};

ASSAY_TRANSFORM_CREATE(create, 0, { self->number = host->option_number(given, "threshold"); })
ASSAY_TRANSFORM_ENTRIES(apply, {
  for (int64_t i = 0; i < n; ++i) x[i] = x[i] > self->number ? 1 : 0;
})

static const assay_transform vtable = {.struct_size = sizeof vtable,
                                       .form = ASSAY_TRANSFORM_ELEMENT,
                                       .create = create,
                                       .apply = apply,
                                       .destroy = assay_transform_free};
static const assay_plugin plugin = {sizeof plugin,
                                    ASSAY_PLUGIN_DETERMINISTIC,
                                    "assay.transform/1",
                                    "binarise",
                                    "1 above a threshold, 0 below",
                                    NULL,
                                    "x' = [x > threshold]",
                                    options,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.binarise", "1.0", plugin)
