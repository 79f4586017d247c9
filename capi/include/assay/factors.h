/* SPDX-License-Identifier: Apache-2.0 */
/* Words for models of three factors, M = W S H' with S k1 x k2 on ONE (factor 2), and for solvers that fit other
   problems than W, H in their sets. In assay_problem k[0] and k[1] are the widths of W and H, k[2] is the rows of S. */
#ifndef ASSAY_FACTORS_H
#define ASSAY_FACTORS_H

#include "plugin.h"

/* factor(): the left operand of the model M = left H': W; of three factors a LOCAL that holds W S as it is at this line. */
enum { ASSAY_LEFT = 3 };
/* times, flags beside ASSAY_SQUARE and ASSAY_PATTERN. TRANSPOSED: a small product left right'. ABS: absolute values of X's
   entries. */
enum { ASSAY_TRANSPOSED = 4, ASSAY_ABS = 8 };
/* assay_solver.flags. FITS: which models; none of the two bits: W H. NO_RESIDUAL: what it finds is not stationary for the
   sets of the factors alone (H follows from other arrays, W is orthogonal), so no KKT residual is taken. */
enum { ASSAY_FITS_TWO = 1, ASSAY_FITS_THREE = 2, ASSAY_SOLVER_NO_RESIDUAL = 4 };
/* assay_solver.needs_penalty, alone: takes none but the constraint it implies. assay_solver.implies may be "nonneg:W": on W
   alone, where no factor names a constraint. */
enum { ASSAY_NEEDS_NO_PENALTY = 64 };
/* assay_problem.factor_flags: it has penalties beside its set. assay_problem.flags: entries count differently (a mask,
   weights, unobserved ones). */
enum { ASSAY_FACTOR_PENALISED = 16 };
enum { ASSAY_PROBLEM_UNEQUAL = 1 };

#endif
