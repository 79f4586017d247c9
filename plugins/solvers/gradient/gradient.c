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
#include <assay/steps.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { STEP_AUTO, STEP_FIXED, STEP_LIPSCHITZ, STEP_BACKTRACKING, STEP_LEE_SEUNG };
enum { MOST_TRIALS = 60 };

typedef struct {
  const assay_host* host;
  const assay_penalty_calls* penalties;
  int32_t step, accelerated, open; /* open: the model must stay off an end of its domain */
  double size, floor, beyond; /* step_size; smallest entry of lee_seung; no use from there on */
  uint32_t factor_flags[2];
  int64_t k[2];
} gradient;

/* T <- prox(P - h G); what is not a number, or beyond any use, is counted. */
static int32_t move(const gradient* s,
                    const assay_block* b,
                    int32_t side,
                    const assay_view* P,
                    const assay_view* G,
                    double h,
                    assay_view* T,
                    double* wild) {
  for (int64_t i = 0; i < P->rows; i++) {
    const double *p = assay_row(P, i), *g = assay_row(G, i);
    double* t = assay_row(T, i);
    for (int64_t a = 0; a < P->cols; a++) t[a] = p[a] - h * g[a];
  }
  const int32_t bad = s->penalties->prox(b->ctx, side, T, h);
  if (bad) return bad;
  for (int64_t i = 0; i < P->rows; i++) {
    const double* t = assay_row(T, i);
    for (int64_t a = 0; a < P->cols; a++)
      if (!(fabs(t[a]) < s->beyond)) *wild += 1;
  }
  return ASSAY_OK;
}

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
  const int32_t bad = move(s, b, b->tag, P, &G, h, &T, &wild);
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
  const double* momentum = assay_row(&b->arg[3], 0);
  for (int64_t i = 0; i < b->arg[0].rows; i++) {
    const double* f = assay_row(&b->arg[0], i);
    double *old = assay_row(&b->arg[1], i), *p = assay_row(&b->arg[2], i);
    for (int64_t a = 0; a < b->arg[0].cols; a++) {
      p[a] = f[a] + momentum[1] * (f[a] - old[a]);
      if (s->factor_flags[b->tag] & ASSAY_FACTOR_NONNEG && p[a] < 0) p[a] = 0;
      old[a] = f[a];
    }
  }
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

/* ---- backtracking ---- */

/* {v IN, ADD sums}: sums[0] the finite values, sums[1] how many are not. */
static int32_t add_values(void* self, const assay_block* b) {
  (void)self;
  double* sums = assay_row(&b->arg[1], 0);
  for (int64_t i = 0; i < b->count; i++) {
    const double v = *assay_row(&b->arg[0], i);
    if (v - v == 0)
      sums[0] += v;
    else
      sums[1] += 1;
  }
  return ASSAY_OK;
}

/* {P IN, G IN, ADD |P|^2, |G|^2}: for the first step. */
static int32_t add_norms(void* self, const assay_block* b) {
  (void)self;
  double* sums = assay_row(&b->arg[2], 0);
  for (int64_t i = 0; i < b->arg[0].rows; i++) {
    const double *p = assay_row(&b->arg[0], i), *g = assay_row(&b->arg[1], i);
    for (int64_t a = 0; a < b->arg[0].cols; a++) sums[0] += p[a] * p[a], sums[1] += g[a] * g[a];
  }
  return ASSAY_OK;
}

/* {search INOUT (h, accepted, trials), norms IN}: what the first trial goes by. */
static int32_t start_search(void* self, const assay_block* b) {
  (void)self;
  double* search = assay_row(&b->arg[0], 0);
  const double* norms = assay_row(&b->arg[1], 0);
  const double reach = norms[1] > 0 ? sqrt((norms[0] > 0 ? norms[0] : 1) / norms[1]) : 0;
  if (!(search[0] > 0))
    search[0] = reach > 0 ? 0.1 * reach : 1;
  else if (search[1] > 0 && search[2] <= 1 && search[0] < 1e6 * reach)
    search[0] *= 1.5; /* never without end where nothing is left to gain */
  search[1] = search[2] = 0;
  return ASSAY_OK;
}

/* {P IN, G IN, search IN, T OUT, ADD wild} */
static int32_t try_step(void* self, const assay_block* b) {
  const assay_view *P = &b->arg[0], *G = &b->arg[1];
  assay_view T = b->arg[3];
  double wild = 0;
  const int32_t bad = move(self, b, b->tag, P, G, *assay_row(&b->arg[2], 0), &T, &wild);
  if (bad) return bad;
  *assay_row(&b->arg[4], 0) += wild;
  for (int64_t i = 0; wild > 0 && i < P->rows; i++)
    memcpy(assay_row(&T, i), assay_row(P, i), (size_t)P->cols * sizeof(double));
  return ASSAY_OK;
}

/* {P IN, G IN, T IN, value at P IN, at T IN, search IN, ADD change}: <G, T - P>, |T - P|^2, and the
   rows whose own loss is above its model. */
static int32_t compare(void* self, const assay_block* b) {
  (void)self;
  const double h = *assay_row(&b->arg[5], 0);
  double* change = assay_row(&b->arg[6], 0);
  for (int64_t i = 0; i < b->count; i++) {
    const double *p = assay_row(&b->arg[0], i), *g = assay_row(&b->arg[1], i),
                 *t = assay_row(&b->arg[2], i);
    const double at_p = *assay_row(&b->arg[3], i), at_t = *assay_row(&b->arg[4], i);
    double linear = 0, squares = 0;
    for (int64_t a = 0; a < b->arg[0].cols; a++) {
      linear += g[a] * (t[a] - p[a]);
      squares += (t[a] - p[a]) * (t[a] - p[a]);
    }
    change[0] += linear;
    change[1] += squares;
    if (at_t > at_p + linear + squares / (2 * h) + 1e-12 * fabs(at_p)) change[2] += 1;
  }
  return ASSAY_OK;
}

/* {search INOUT, accepted OUT, values at P IN, values at T IN, change IN, wild IN} */
static int32_t judge(void* self, const assay_block* b) {
  const gradient* s = self;
  double *search = assay_row(&b->arg[0], 0), *accepted = assay_row(&b->arg[1], 0);
  const double *at_p = assay_row(&b->arg[2], 0), *at_t = assay_row(&b->arg[3], 0),
               *change = assay_row(&b->arg[4], 0);
  const double bound = at_p[0] + change[0] + change[1] / (2 * search[0]);
  const int finite =
      !(at_t[1] > at_p[1]) && !(*assay_row(&b->arg[5], 0) > 0) && !(s->open && change[2] > 0);
  search[2] += 1;
  search[1] = finite && at_t[0] <= bound + 1e-14 * fabs(at_p[0]);
  *accepted = search[1];
  if (!(search[1] > 0)) search[0] *= 0.5;
  return ASSAY_OK;
}

/* {F IN, kept OUT} */
static int32_t hold(void* self, const assay_block* b) {
  (void)self;
  for (int64_t i = 0; i < b->arg[0].rows; i++)
    memcpy(assay_row(&b->arg[1], i), assay_row(&b->arg[0], i),
           (size_t)b->arg[0].cols * sizeof(double));
  return ASSAY_OK;
}

/* {F INOUT, kept IN, P IN, accepted IN, ADD restart}: where the trials were made in F itself. */
static int32_t give_back(void* self, const assay_block* b) {
  (void)self;
  const int accepted = *assay_row(&b->arg[3], 0) > 0;
  double* restart = assay_row(&b->arg[4], 0);
  for (int64_t i = 0; i < b->arg[0].rows; i++) {
    double* f = assay_row(&b->arg[0], i);
    const double *kept = assay_row(&b->arg[1], i), *p = assay_row(&b->arg[2], i);
    for (int64_t a = 0; a < b->arg[0].cols; a++) {
      if (accepted) *restart += (p[a] - f[a]) * (f[a] - kept[a]);
      if (!accepted) f[a] = kept[a];
    }
  }
  return ASSAY_OK;
}

/* {F INOUT, T IN, accepted IN, ADD restart, (accelerated) P IN} */
static int32_t take(void* self, const assay_block* b) {
  const gradient* s = self;
  if (!(*assay_row(&b->arg[2], 0) > 0)) return ASSAY_OK;
  double* restart = assay_row(&b->arg[3], 0);
  for (int64_t i = 0; i < b->arg[0].rows; i++) {
    double* f = assay_row(&b->arg[0], i);
    const double *t = assay_row(&b->arg[1], i), *p = s->accelerated ? assay_row(&b->arg[4], i) : t;
    for (int64_t a = 0; a < b->arg[0].cols; a++)
      *restart += (p[a] - t[a]) * (t[a] - f[a]), f[a] = t[a];
  }
  return ASSAY_OK;
}

/* ---- the program ---- */

/* A set that ties rows together is kept by the host, in the factor alone: then trials are made in F
   and taken back. */
static void build_backtracking(assay_builder* b,
                               int32_t side,
                               int coupled,
                               assay_buf P,
                               assay_buf G,
                               assay_buf restart) {
  const assay_buf F = b->factor(b, side);
  const assay_buf other = assay_local(b, side ? "trial_h" : "trial_w", side, 0);
  const assay_buf T = coupled ? F : other;
  const assay_buf base = coupled && P == F ? other : P;
  const assay_buf v0 = assay_local(b, side ? "value_h" : "value_w", side, 1);
  const assay_buf v1 = assay_local(b, side ? "trial_value_h" : "trial_value_w", side, 1);
  const assay_buf search = assay_state(b, side ? "search_h" : "search_w", ASSAY_ONE, 3);
  const assay_buf ok = assay_state(b, side ? "accepted_h" : "accepted_w", ASSAY_ONE, 1);
  const assay_buf norms = assay_sum(b, side ? "norms_h" : "norms_w", 1, 2);
  const assay_buf at_p = assay_sum(b, side ? "values_h" : "values_w", 1, 2);
  const assay_buf at_t = assay_sum(b, side ? "trial_values_h" : "trial_values_w", 1, 2);
  const assay_buf change = assay_sum(b, side ? "change_h" : "change_w", 1, 3);
  const assay_buf wild = assay_sum(b, side ? "wild_trial_h" : "wild_trial_w", 1, 1);
  if (coupled) ASSAY_EACH_OF(b, "hold", side, hold, {F, ASSAY_IN}, {other, ASSAY_OUT});
  assay_terms_at(b, ASSAY_GRAD, side, P, G, ASSAY_NO, v0);
  ASSAY_EACH_OF(b, "add_values", side, add_values, {v0, ASSAY_IN}, {at_p, ASSAY_ADD});
  ASSAY_EACH_OF(b, "add_norms", side, add_norms, {P, ASSAY_IN}, {G, ASSAY_IN}, {norms, ASSAY_ADD});
  ASSAY_EACH(b, "start_search", ASSAY_ONE, start_search, {search, ASSAY_INOUT}, {norms, ASSAY_IN});
  b->loop(b, MOST_TRIALS, ok);
  ASSAY_EACH_OF(b, "try_step", side, try_step, {base, ASSAY_IN}, {G, ASSAY_IN}, {search, ASSAY_IN},
                {T, ASSAY_OUT}, {wild, ASSAY_ADD});
  assay_terms_at(b, ASSAY_VALUE, side, T, ASSAY_NO, ASSAY_NO, v1);
  ASSAY_EACH_OF(b, "add_values", side, add_values, {v1, ASSAY_IN}, {at_t, ASSAY_ADD});
  ASSAY_EACH_OF(b, "compare", side, compare, {base, ASSAY_IN}, {G, ASSAY_IN}, {T, ASSAY_IN},
                {v0, ASSAY_IN}, {v1, ASSAY_IN}, {search, ASSAY_IN}, {change, ASSAY_ADD});
  ASSAY_EACH(b, "judge", ASSAY_ONE, judge, {search, ASSAY_INOUT}, {ok, ASSAY_OUT}, {at_p, ASSAY_IN},
             {at_t, ASSAY_IN}, {change, ASSAY_IN}, {wild, ASSAY_IN});
  b->end(b);
  if (coupled) {
    ASSAY_EACH_OF(b, "give_back", side, give_back, {F, ASSAY_INOUT}, {other, ASSAY_IN},
                  {base, ASSAY_IN}, {ok, ASSAY_IN}, {restart, ASSAY_ADD});
    return;
  }
  const assay_arg args[] = {
      {F, ASSAY_INOUT}, {T, ASSAY_IN}, {ok, ASSAY_IN}, {restart, ASSAY_ADD}, {P, ASSAY_IN}};
  assay_each_of(b, "take", side, take, args, P == F ? 4 : 5);
}

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
    build_backtracking(b, side, (s->factor_flags[side] & ASSAY_FACTOR_COUPLED) != 0, P, G, restart);
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
    {"step_size", "fixed: the step; lipschitz: times 1 / L", ASSAY_OPT_FLOAT, ASSAY_OPT_LO_OPEN, 1,
     0, 1e300, NULL, NULL},
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
