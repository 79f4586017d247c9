/* SPDX-License-Identifier: Apache-2.0 */
/* A module that holds two plugins of one id. */
#include <assay/plugin.h>
#include <math.h>

static int32_t zeros(void* self,
                     assay_ctx* ctx,
                     int64_t n,
                     const double* x,
                     const double* m,
                     double* out) {
  (void)self, (void)ctx, (void)x, (void)m;
  for (int64_t i = 0; i < n; i++) out[i] = 0;
  return ASSAY_OK;
}
static int32_t describe(void* self, assay_loss_facts* out) {
  (void)self;
  out->x_lo = out->m_lo = -INFINITY;
  out->x_hi = out->m_hi = INFINITY;
  return ASSAY_OK;
}
static const assay_loss vtable = {.struct_size = sizeof vtable,
                                  .describe = describe,
                                  .value = zeros,
                                  .grad = zeros};
static const assay_plugin plugin = {.struct_size = sizeof plugin,
                                    .kind = "assay.loss/1",
                                    .id = "twins",
                                    .summary = "twice",
                                    .vtable = &vtable};
static const assay_plugin* const plugins[] = {&plugin, &plugin};
static const assay_module module = {.struct_size = sizeof module,
                                    .abi_major = ASSAY_ABI_MAJOR,
                                    .abi_minor = ASSAY_ABI_MINOR,
                                    .id = "test.module",
                                    .version = "1.0",
                                    .n_plugins = 2,
                                    .plugins = plugins};
const assay_module* assay_plugin_main_v1(void) { return &module; }
