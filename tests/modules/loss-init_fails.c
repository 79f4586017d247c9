/* SPDX-License-Identifier: Apache-2.0 */
/* A module whose init fails. */
#include "plain_loss.h"

static const assay_plugin plugin = {.struct_size = sizeof plugin,
                                    .kind = "assay.loss/1",
                                    .id = "init_fails",
                                    .summary = "that does not start",
                                    .vtable = &vtable};
static int32_t init(const assay_host* host) {
  (void)host;
  return ASSAY_E_RESOURCE;
}
static const assay_plugin* const plugins[] = {&plugin};
static const assay_module module = {.struct_size = sizeof module,
                                    .abi_major = ASSAY_ABI_MAJOR,
                                    .abi_minor = ASSAY_ABI_MINOR,
                                    .id = "test.module",
                                    .version = "1.0",
                                    .n_plugins = 1,
                                    .plugins = plugins,
                                    .init = init};
const assay_module* assay_plugin_main_v1(void) { return &module; }
