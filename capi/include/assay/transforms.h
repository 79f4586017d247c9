/* SPDX-License-Identifier: Apache-2.0 */
/* What transforms in C share: one self with its create and destroy, and the forms of their functions. Nothing to link, and
   a transform may do without. C only.

     ASSAY_TRANSFORM_CREATE(create, 0, { self->number = host->option_number(options, "by"); })
     ASSAY_TRANSFORM_COLUMNS(affine, {
       for (int64_t j = 0; j < d; ++j) scales[j] = self->number;
     })
     static const assay_transform vtable = {.struct_size = sizeof vtable, .form = ASSAY_TRANSFORM_AFFINE,
                                            .create = create, .affine = affine, .destroy = assay_transform_free};

   `return` with an error ends a text early. */
#ifndef ASSAY_TRANSFORMS_H
#define ASSAY_TRANSFORMS_H

#include <string.h>

#include "plugin.h"

/* The self of a transform: what the host says of the training data, and what create reads of the options. */
typedef struct assay_transform_self {
  const assay_host *host;
  const assay_tile *tile; /* these two may be NULL where create did not ask for them */
  const assay_math *math;
  int64_t n, d, sparse;
  double mean_square; /* of the observed entries, by their weights */
  double number;      /* an option */
  int64_t word[2];    /* options, by assay_word */
} assay_transform_self;

/* Services a transform cannot do without. */
enum { ASSAY_WITH_TILE = 1, ASSAY_WITH_MATH = 2 };

/* create. In the text: host, ctx, given (the options), and self to be filled. [setup] */
#define ASSAY_TRANSFORM_CREATE(name, services, ...)                                         \
  static int32_t name(const assay_host *host, assay_ctx *ctx, const assay_problem *problem, \
                      void **out) {                                                         \
    const assay_options *given = problem->options;                                          \
    assay_transform_self made, *self = &made;                                               \
    const int32_t bad = assay_transform_begin(host, ctx, problem, services, self);          \
    if (bad) return bad;                                                                    \
    (void)given;                                                                            \
    __VA_ARGS__                                                                             \
    return assay_transform_keep(self, out);                                                 \
  }

/* affine. In the text: self, ctx, d, scales (given as 1), shifts (as 0), and the first buffer that was learnt, or NULL.
   [setup] */
#define ASSAY_TRANSFORM_COLUMNS(name, ...)                                               \
  static int32_t name(void *of, assay_ctx *ctx, int64_t d, int32_t n_learnt,             \
                      const double *const *all_learnt, double *scales, double *shifts) { \
    const assay_transform_self *self = (const assay_transform_self *)of;                 \
    const double *learnt = n_learnt > 0 ? all_learnt[0] : NULL;                          \
    (void)self, (void)ctx, (void)learnt, (void)scales, (void)shifts;                     \
    __VA_ARGS__                                                                          \
    return ASSAY_OK;                                                                     \
  }

/* apply and invert. In the text: self, ctx, n and x. [worker] */
#define ASSAY_TRANSFORM_ENTRIES(name, ...)                               \
  static int32_t name(void *of, assay_ctx *ctx, int64_t n, double *x) {  \
    const assay_transform_self *self = (const assay_transform_self *)of; \
    (void)self, (void)ctx;                                               \
    __VA_ARGS__                                                          \
    return ASSAY_OK;                                                     \
  }

/* Which of the words of an ENUM the option is. [setup] */
static inline int64_t assay_word(const assay_host *host, const assay_options *options,
                                 const char *name, const char *const *words) {
  const char *word = host->option_text(options, name);
  int64_t at = 0;
  while (words[at] && strcmp(words[at], word) != 0) at++;
  return at;
}

/* The two ends of create. [setup] */
static inline int32_t assay_transform_begin(const assay_host *host, assay_ctx *ctx,
                                            const assay_problem *p, int32_t services,
                                            assay_transform_self *self) {
  memset(self, 0, sizeof *self);
  self->host = host;
  self->tile = (const assay_tile *)host->service("assay.tile/1");
  self->math = (const assay_math *)host->service("assay.math/1");
  self->n = p->n;
  self->d = p->d;
  self->sparse = p->sparse;
  self->mean_square = p->observed > 0 ? p->x_sumsq / p->observed : 0;
  if (!self->tile && (services & ASSAY_WITH_TILE))
    return host->set_error(ctx, ASSAY_E_PLUGIN, "this host has no service `assay.tile/1`");
  if (!self->math && (services & ASSAY_WITH_MATH))
    return host->set_error(ctx, ASSAY_E_PLUGIN, "this host has no service `assay.math/1`");
  return ASSAY_OK;
}
static inline int32_t assay_transform_keep(const assay_transform_self *self, void **out) {
  void *kept = self->host->alloc((int64_t)sizeof *self);
  if (!kept) return ASSAY_E_MEMORY;
  memcpy(kept, self, sizeof *self);
  *out = kept;
  return ASSAY_OK;
}

/* destroy. [setup] */
static inline void assay_transform_free(void *self) {
  if (self) ((assay_transform_self *)self)->host->free(self);
}

#endif
