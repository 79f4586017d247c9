/* SPDX-License-Identifier: Apache-2.0 */
/* A module that flushes denormals to zero when it is loaded, as objects built with -ffast-math do.
 */
#include "plain_loss.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
__attribute__((constructor)) static void flush(void) { _mm_setcsr(_mm_getcsr() | 0x8040); }
#elif defined(__aarch64__)
__attribute__((constructor)) static void flush(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  __asm__ volatile("msr fpcr, %0" : : "r"(mode | 1u << 24));
}
#endif

static const assay_plugin plugin = {.struct_size = sizeof plugin,
                                    .kind = "assay.loss/1",
                                    .id = "fp_mode",
                                    .summary = "that changes the mode",
                                    .vtable = &vtable};
ASSAY_MODULE("test.module", "1.0", plugin)
