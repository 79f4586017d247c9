/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of the C API, written in C against assay.h alone; each returns NULL or what went
 * wrong. */
#ifndef ASSAY_TESTS_CAPI_CHECKS_H
#define ASSAY_TESTS_CAPI_CHECKS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef const char* (*capi_check)(void);
typedef struct capi_case {
  const char* name;
  capi_check check;
} capi_case;

/* Ends with a NULL name. */
extern const capi_case capi_cases[];

#ifdef __cplusplus
}
#endif
#endif
