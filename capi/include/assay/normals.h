/* SPDX-License-Identifier: Apache-2.0 */
/* What solvers of normal equations share: the option that picks a loss's majoriser, the normals of one side, and the
   penalties and bounds of a block's rows. Static inline, nothing to link. */
#ifndef ASSAY_NORMALS_H
#define ASSAY_NORMALS_H

#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An entry of an option table, for assay_pick_curvature. C only. */
#define ASSAY_OPTION_CURVATURE                                                                  \
  {                                                                                             \
    "curvature",                                                                                \
        "majoriser of a loss: of each entry (a Gram for every row) or its bound (one Gram for " \
        "all)",                                                                                 \
        ASSAY_OPT_ENUM, 0, 0, 0, 0, "auto", (const char *const[]) {                             \
      "auto", "each", "bound", NULL                                                             \
    }                                                                                           \
  }

/* The flags of the normals that option asks for: ASSAY_NORMALS_UNIFORM or 0; a negative status, with the reason recorded,
   where the loss has no such majoriser. [setup] */
static inline int32_t assay_pick_curvature(const assay_host *host, assay_ctx *ctx,
                                           const assay_problem *p) {
  const assay_loss_facts *loss = p->loss;
  const char *kind = host->option_text(p->options, "curvature");
  const int each = (loss->flags & ASSAY_LOSS_CURVATURE_MAJORISES) != 0;
  /* A bound of 1 is what the squared loss has; larger ones would make short steps. */
  const int bound = loss->tag != ASSAY_TAG_SQUARED &&
                    (*kind == 'b' || (*kind == 'a' && (loss->curvature_bound <= 1 || !each)));
  if (bound ? !__builtin_isfinite(loss->curvature_bound) : !each)
    return host->set_error(ctx, ASSAY_E_COMBINATION,
                           "the loss offers no majoriser of the kind `curvature` names");
  return bound ? ASSAY_NORMALS_UNIFORM : 0;
}

/* Normal equations G f = r of the rows of a factor: f'G f / 2 - r'f + const lies above the loss (is it, when squared). */
typedef struct assay_equations {
  assay_buf gram, rhs;
} assay_equations;

/* Adds the normals of factor `side` of rank k at M = W H'. [setup] */
static inline assay_equations assay_normals_of(assay_builder *b, int32_t side, int64_t k,
                                               uint32_t flags) {
  assay_equations e;
  e.rhs = assay_local(b, side ? "rhs_h" : "rhs_w", side, 0);
  e.gram = assay_local(b, side ? "gram_h" : "gram_w", side, k * k);
  assay_normals n = {(uint32_t)sizeof(assay_normals), 0, 0, 0, 0, 0, 0, 0};
  n.flags = flags;
  n.axis = side;
  n.left = b->factor(b, 0);
  n.right = b->factor(b, 1);
  n.gram = e.gram;
  n.rhs = e.rhs;
  b->normals(b, &n);
  return e;
}

/* The quadratic, linear and set parts of a factor's penalties for a block of its rows: diag has an entry a component, the
   others have F's shape and layout. */
typedef struct assay_row_penalties {
  double *diag, *lin, *lower, *upper;
} assay_row_penalties;

/* Fills it, in scratch, for F, a block of factor `side`. [worker] */
static inline int32_t assay_penalties_of_rows(const assay_host *host,
                                              const assay_penalty_calls *penalties, assay_ctx *ctx,
                                              int32_t side, const assay_view *F,
                                              assay_row_penalties *out) {
  out->diag = out->lin = out->lower = out->upper = 0;
  const int64_t size = F->rows * F->stride, k = F->flags & ASSAY_BY_COMPONENT ? F->rows : F->cols;
  double *memory = (double *)host->scratch(ctx, (3 * size + k) * (int64_t)sizeof(double));
  if (!memory) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for a block");
  assay_view lin = *F, lower = *F, upper = *F;
  lin.data = out->lin = memory;
  lower.data = out->lower = memory + size;
  upper.data = out->upper = memory + 2 * size;
  out->diag = memory + 3 * size;
  return penalties->quad_rows(ctx, side, F, out->diag, &lin, &lower, &upper);
}

#ifdef __cplusplus
}
#endif
#endif
