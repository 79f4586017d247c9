/* SPDX-License-Identifier: Apache-2.0 */
/* Projected (proximal) gradient steps: minimise sum l(x, (W H')) + penalties, W and H in turn,
     F <- prox_h(P - h G),  G = gradient at P, prox_h of the penalties and the constraint,
   P = F, or with `accelerated` P = F + beta (F - F before), beta from Nesterov's t, which starts
   again when <P - F+, F+ - F> > 0 (O'Donoghue and Candes 2015). The step h is
     fixed         the number given;
     lipschitz     a share of 1 / L, L = c |O'O|_2, c the bound of the loss's curvature;
     backtracking  halved until F(F+) <= F(P) + <G, F+ - P> + |F+ - P|^2 / 2h, then kept (Beck and
                   Teboulle 2009); grown by half after a step accepted at once; where the model
                   may not reach the end of its domain the same holds for each row's loss, since a
                   sum hides a row that has left;
     lee_seung     F / D entry by entry, G = D - N: the multiplicative update (Lee and Seung 2001).
   Cost a step 4ndk (squared) to 8ndk, and 2ndk for each trial. Without acceleration `lipschitz` up
   to 1 and `backtracking` never raise the objective. Entries that grow beyond any use end the fit
   as diverged, with the last finite factors. */
#include "gradient.h"

#include <float.h>
#include <string.h>

enum { STEP_AUTO, STEP_FIXED, STEP_LIPSCHITZ, STEP_BACKTRACKING, STEP_LEE_SEUNG };

/* The gradient at P and 1 / L from normal equations that all rows share; 0 where the other factor
   is zero and nothing speaks for this one. */
static double use_normals(const assay_view* P,
                          const assay_view* Q,
                          const assay_view* R,
                          double* memory,
                          assay_view* gradient_at) {
  const int64_t k = P->cols;
  const double L = assay_spectral_bound(k, (const double*)Q->data, Q->stride, memory);
  for (int64_t i = 0; i < P->rows; i++)
    assay_normal_gradient(k, (const double*)Q->data, Q->stride, assay_row(P, i), assay_row(R, i),
                          assay_row(gradient_at, i));
  return L > 0 ? 1 / L : 0;
}

/* {F INOUT, G IN, ADD wild, (accelerated) P IN, ADD restart, (lipschitz) Gram IN}: the step of
   fixed and lipschitz, whose G is the right side of normal equations; restart sums <P - F+, F+ -
   F>. */
static int32_t step(void* self, const assay_block* b) {
  const gradient* s = self;
  const assay_view *F = &b->arg[0], *P = s->accelerated ? &b->arg[3] : F;
  const int64_t k = F->cols;
  double* memory = s->host->scratch(b->ctx, (2 * F->rows + 2) * k * (int64_t)sizeof(double));
  if (!memory) return ASSAY_E_MEMORY;
  assay_view T = *F, G = b->arg[1];
  T.stride = k;
  T.data = memory;
  double h = s->size, wild = 0;
  if (s->step == STEP_LIPSCHITZ) {
    G = T;
    G.data = memory + F->rows * k;
    h *= use_normals(P, &b->arg[b->n_args - 1], &b->arg[1], memory, &G);
    if (!(h > 0)) return ASSAY_OK;
  }
  const int32_t bad = gradient_move(s, b, b->tag, P, &G, h, &T, &wild);
  if (bad) return bad;
  *assay_row(&b->arg[2], 0) += wild;
  if (wild > 0) return ASSAY_OK; /* keeps what it has */
  double restart = 0;
  for (int64_t i = 0; i < F->rows; i++) {
    double* f = assay_row(F, i);
    const double *t = assay_row(&T, i), *p = assay_row(P, i);
    for (int64_t a = 0; a < k; a++) restart += (p[a] - t[a]) * (t[a] - f[a]), f[a] = t[a];
  }
  if (s->accelerated) *assay_row(&b->arg[4], 0) += restart;
  return ASSAY_OK;
}

/* {F INOUT, N INOUT, D INOUT, ADD wild}: F + (F / D) (N - D), which is F N / D. */
static int32_t step_lee_seung(void* self, const assay_block* b) {
  const gradient* s = self;
  assay_view N = b->arg[1], D = b->arg[2];
  const int32_t bad = s->penalties->mu(b->ctx, b->tag, &b->arg[0], &N, &D);
  if (bad) return bad;
  for (int64_t i = 0; i < N.rows; i++) {
    double* f = assay_row(&b->arg[0], i);
    const double *n = assay_row(&N, i), *d = assay_row(&D, i);
    for (int64_t a = 0; a < N.cols; a++) {
      const double den = d[a] > DBL_MIN ? d[a] : DBL_MIN;
      const double moved = f[a] + f[a] / den * (n[a] - d[a]);
      f[a] = moved > s->floor ? moved : s->floor;
    }
  }
  return ASSAY_OK;
}

/* {F IN, F before INOUT, P OUT, momentum IN}: P = F + beta (F - F before), inside the constraint's
   half space. */
static int32_t extrapolate(void* self, const assay_block* b) {
  const gradient* s = self;
  assay_extrapolate(&b->arg[0], &b->arg[1], &b->arg[2], assay_row(&b->arg[3], 0)[1],
                    s->factor_flags[b->tag] & ASSAY_FACTOR_NONNEG);
  return ASSAY_OK;
}

/* {momentum INOUT (t, beta), restart sums IN}: the next t and beta; the first step has none. */
static int32_t next_momentum(void* self, const assay_block* b) {
  (void)self;
  double *m = assay_row(&b->arg[0], 0), restart = 0;
  for (int32_t i = 1; i < b->n_args; i++) restart += *assay_row(&b->arg[i], 0);
  const double t = restart > 0 || m[0] < 1 ? 1 : m[0];
  m[0] = 0.5 * (1 + sqrt(1 + 4 * t * t));
  m[1] = (t - 1) / m[0];
  return ASSAY_OK;
}

/* ---- the program ---- */

static void build_side(const gradient* s,
                       assay_builder* b,
                       int32_t side,
                       assay_buf P,
                       assay_buf restart) {
  const assay_buf F = b->factor(b, side), wild = assay_sum(b, side ? "wild_h" : "wild_w", 1, 1);
  const assay_buf G = assay_local(b, side ? "grad_h" : "grad_w", side, 0);
  if (s->step == STEP_LEE_SEUNG) {
    const assay_buf D = assay_local(b, side ? "den_h" : "den_w", side, 0);
    assay_terms_at(b, ASSAY_MU, side, F, G, D, ASSAY_NO);
    ASSAY_EACH_OF(b, "step", side, step_lee_seung, {F, ASSAY_INOUT}, {G, ASSAY_INOUT},
                  {D, ASSAY_INOUT});
    return;
  }
  if (s->step == STEP_BACKTRACKING) {
    gradient_build_backtracking(b, side, (s->factor_flags[side] & ASSAY_FACTOR_COUPLED) != 0, P, G,
                                restart);
    return;
  }
  assay_arg args[6] = {{F, ASSAY_INOUT}, {G, ASSAY_IN}, {wild, ASSAY_ADD}};
  int32_t n = 3;
  if (s->accelerated) {
    args[n++] = (assay_arg){P, ASSAY_IN};
    args[n++] = (assay_arg){restart, ASSAY_ADD};
  }
  if (s->step == STEP_LIPSCHITZ) {
    const assay_buf Q = assay_local(b, side ? "gram_h" : "gram_w", side, s->k[side] * s->k[side]);
    assay_normals_at(b, side, P, Q, G);
    args[n++] = (assay_arg){Q, ASSAY_IN};
  } else {
    assay_terms_at(b, ASSAY_GRAD, side, P, G, ASSAY_NO, ASSAY_NO);
  }
  assay_each_of(b, side ? "step_h" : "step_w", side, step, args, n);
  b->report(b, "diverged", wild);
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const gradient* s = self;
  if (purpose != ASSAY_STEP) return ASSAY_OK;
  assay_buf P[2], restart[2], momentum = ASSAY_NO;
  if (s->accelerated) momentum = assay_state(b, "momentum", ASSAY_ONE, 2);
  /* H first: the sweep over the rows that moves W is then not cut in two. */
  for (int32_t side = 1; side >= 0; side--) {
    P[side] = b->factor(b, side);
    restart[side] = ASSAY_NO;
    if (s->factor_flags[side] & ASSAY_FACTOR_FROZEN) continue;
    restart[side] = assay_sum(b, side ? "restart_h" : "restart_w", 1, 1);
    if (!s->accelerated) continue;
    P[side] = assay_local(b, side ? "ahead_h" : "ahead_w", side, 0);
    ASSAY_EACH_OF(b, "extrapolate", side, extrapolate, {b->factor(b, side), ASSAY_IN},
                  {assay_state(b, side ? "before_h" : "before_w", side, 0), ASSAY_INOUT},
                  {P[side], ASSAY_OUT}, {momentum, ASSAY_IN});
  }
  assay_arg args[3] = {{momentum, ASSAY_INOUT}};
  int32_t n = 1;
  for (int32_t side = 0; side < 2; side++) {
    if (restart[side] == ASSAY_NO) continue;
    build_side(s, b, side, P[side], restart[side]);
    args[n++] = (assay_arg){restart[side], ASSAY_IN};
  }
  if (s->accelerated) assay_each_of(b, "next_momentum", ASSAY_ONE, next_momentum, args, n);
  return b->status(b);
}

static int32_t refuse(const assay_host* host, assay_ctx* ctx, const char* why, const char* help) {
  host->set_error(ctx, ASSAY_E_COMBINATION, why);
  host->add_detail(ctx, ASSAY_DETAIL_HELP, help);
  return ASSAY_E_COMBINATION;
}

/* 1e18 times the size of a typical entry, which is sqrt(rms X / k), so that units do not matter;
   where a set or a given factor has units of its own, the other may be as large as X. X that
   float32 holds leaves the first number inside float32; the second is kept there. */
static double beyond_use(const assay_problem* p) {
  const double rms = p->observed > 0 ? sqrt(p->x_sumsq / p->observed) : 0;
  const double typical = sqrt(rms / (double)p->k[0]);
  const uint32_t flags = p->factor_flags[0] | p->factor_flags[1];
  if (!(flags & (ASSAY_FACTOR_SET | ASSAY_FACTOR_FROZEN)) && typical > 0) return 1e18 * typical;
  const double largest = rms > 1 ? rms : 1, float32 = 0.25 * FLT_MAX;
  if (1e18 * largest < float32) return 1e18 * largest;
  return 1e4 * largest > float32 ? 1e4 * largest : float32;
}

static int32_t create(const assay_host* host, assay_ctx* ctx, const assay_problem* p, void** self) {
  static const char* const kSteps[] = {"auto", "fixed", "lipschitz", "backtracking", "lee_seung"};
  const char* word = host->option_text(p->options, "step");
  const int bounded = isfinite(p->loss->curvature_bound);
  int32_t step_kind = STEP_AUTO;
  for (int32_t i = 0; i <= STEP_LEE_SEUNG; i++)
    if (word && !strcmp(word, kSteps[i])) step_kind = i;
  /* Elsewhere a bound holds at the steepest place and may be far above the curvature met. */
  const int meets = p->loss->tag == ASSAY_TAG_SQUARED || p->loss->tag == ASSAY_TAG_LOGISTIC;
  if (step_kind == STEP_AUTO) step_kind = meets ? STEP_LIPSCHITZ : STEP_BACKTRACKING;
  const int32_t accelerated = host->option_number(p->options, "accelerated") != 0;
  if (step_kind == STEP_LIPSCHITZ && !bounded)
    return refuse(host, ctx, "`step: lipschitz` needs a loss whose curvature is bounded",
                  "use `step: backtracking`");
  if (step_kind == STEP_LEE_SEUNG && accelerated)
    return refuse(host, ctx, "`step: lee_seung` cannot be accelerated",
                  "use another step, or drop `accelerated`");
  for (int32_t side = 0; side < 2 && step_kind == STEP_LEE_SEUNG; side++) {
    const uint32_t set = ASSAY_FACTOR_SET | ASSAY_FACTOR_COUPLED;
    if (p->factor_flags[side] & set && !(p->factor_flags[side] & ASSAY_FACTOR_FROZEN))
      return refuse(host, ctx,
                    side ? "`step: lee_seung` keeps H >= 0, and no other constraint"
                         : "`step: lee_seung` keeps W >= 0, and no other constraint",
                    "use `step: backtracking`, which projects onto any; or solver `mu`, whose "
                    "steps are the same, for bounds of single entries");
  }
  gradient* s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the solver");
  s->host = host;
  s->penalties = host->service("assay.penalty/1");
  s->step = step_kind;
  s->accelerated = accelerated;
  s->open = (p->loss->flags & (ASSAY_LOSS_M_LO_OPEN | ASSAY_LOSS_M_HI_OPEN)) != 0;
  s->size = host->option_number(p->options, "step_size");
  const double mean = p->observed > 0 ? fabs(p->x_sum) / p->observed : 0;
  s->floor = host->option_number(p->options, "floor") * sqrt(mean / (double)p->k[0]);
  s->beyond = beyond_use(p);
  for (int side = 0; side < 2; side++) {
    s->factor_flags[side] = p->factor_flags[side];
    s->k[side] = p->k[side];
  }
  *self = s;
  return ASSAY_OK;
}

static void destroy(void* self) {
  if (self) ((gradient*)self)->host->free(self);
}

static const char* const steps[] = {"auto",         "fixed",     "lipschitz",
                                    "backtracking", "lee_seung", NULL};
static const assay_option options[] = {
    {"step",
     "rule of the step; auto: lipschitz where the loss meets the bound of its curvature (squared, "
     "logistic), else backtracking",
     ASSAY_OPT_ENUM, 0, 0, 0, 0, "auto", steps},
    {"step_size", "fixed, lipschitz: the step, or what 1 / L is multiplied by", ASSAY_OPT_FLOAT,
     ASSAY_OPT_LO_OPEN, 1, 0, 1e300, NULL, NULL},
    {"accelerated", "Nesterov's extrapolation, which starts again where it points uphill",
     ASSAY_OPT_BOOL, 0, 0, 0, 1, NULL, NULL},
    {"floor", "lee_seung: smallest value of an entry, as a share of sqrt(mean of X / rank)",
     ASSAY_OPT_FLOAT, ASSAY_OPT_HI_OPEN, 1e-16, 0, 1, NULL, NULL},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_solver vtable = {
    sizeof vtable,
    0,
    ASSAY_NEEDS_GRAD,
    ASSAY_NEEDS_PROX,
    ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK | ASSAY_TAKES_WEIGHTS | ASSAY_TAKES_UNOBSERVED,
    0,
    NULL,
    create,
    build,
    destroy,
    NULL,
    NULL,
    NULL};
static const assay_plugin plugin = {
    sizeof plugin,
    ASSAY_PLUGIN_DETERMINISTIC,
    "assay.solver/1",
    "gradient",
    "projected gradient steps: fixed, 1 / L, backtracking, Lee and Seung's; Nesterov's "
    "acceleration",
    "Beck and Teboulle 2009; O'Donoghue and Candes 2015; Lee and Seung 2001",
    "F <- prox_h(F - h G),  G = gradient of the loss for F = W, then F = H\n"
    "h fixed, a share of 1 / L, halved until the objective falls, or F / D (multiplicative)\n"
    "cost: 4ndk (squared) to 8ndk flops a step, and 2ndk for each trial of a step\n"
    "guarantee: without acceleration `lipschitz` up to 1 and `backtracking` never raise the\n"
    "  objective; `fixed` guarantees nothing",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.gradient", "1.0", plugin)
