/* SPDX-License-Identifier: Apache-2.0 */
/* A module that holds two plugins of one id. */
#include "plain_loss.h"

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
