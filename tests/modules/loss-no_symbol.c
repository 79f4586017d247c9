/* SPDX-License-Identifier: Apache-2.0 */
/* A shared library without the entry of a module. */
#include <stdint.h>

int32_t assay_plugin_other(void);
int32_t assay_plugin_other(void) { return 0; }
