/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `log1p`: x' = log(1 + x), for counts; keeps 0, so that sparse X stays sparse. Its
 * inverse is expm1. */
#include <assay/transforms.h>

ASSAY_TRANSFORM_CREATE(create, ASSAY_WITH_MATH, {})
ASSAY_TRANSFORM_ENTRIES(apply, {
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] > -1) continue;
    self->host->set_error(ctx, ASSAY_E_DOMAIN, "transform `log1p` needs entries above -1");
    self->host->add_detail(ctx, ASSAY_DETAIL_HELP, "shift the data first, or leave `log1p` out");
    return ASSAY_E_DOMAIN;
  }
  self->math->log1p(n, x, x);
})
ASSAY_TRANSFORM_ENTRIES(invert, { self->math->expm1(n, x, x); })

static const assay_transform vtable = {.struct_size = sizeof vtable,
                                       .form = ASSAY_TRANSFORM_ELEMENT,
                                       .create = create,
                                       .apply = apply,
                                       .invert = invert,
                                       .destroy = assay_transform_free};
static const assay_plugin plugin = {sizeof plugin,
                                    ASSAY_PLUGIN_DETERMINISTIC,
                                    "assay.transform/1",
                                    "log1p",
                                    "logarithm of 1 + x, for counts",
                                    NULL,
                                    "x' = log(1 + x)",
                                    NULL,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.log1p", "1.0", plugin)
