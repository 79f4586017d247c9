/* SPDX-License-Identifier: Apache-2.0 */
/* Proximal alternating linearised minimisation: minimise sum l(x, (W H')) + penalties for any loss
   with a gradient and any penalties with a prox,
     f_i <- prox_s(p_i - s_i g_i)   for each row i of F = W, then of F = H,
   P = F, or with inertia P = F + c (t - 1) / (t + 2) (F - F before), t counting steps. The step of
   a row is its own:
     squared, logistic, or asked for
                        s_i = 1 / L, L = c |O'O|_2, c the bound times the largest weight;
     otherwise          halved until the row's loss is finite and no higher than its model,
                        l_i(f+) <= l_i(p) + <g, f+ - p> + |f+ - p|^2 / 2 s_i, and kept; a row that
                        finds none within `trials` keeps its place and its shorter step.
   Any finite value is inside an open domain, so the model stays in it. Cost a step 4ndk (squared)
   to 8ndk, and 2ndk a trial of the rows that are left. Without inertia no step raises the
   objective. Bolte, Sabach and Teboulle 2014; Pock and Sabach 2016. */
#include <assay/steps.h>
#include <math.h>
#include <string.h>

typedef struct {
  const assay_host* host;
  const assay_penalty_calls* penalties;
  int32_t searches; /* steps are searched, not 1 / L */
  int64_t trials;
  double inertia, scale; /* scale: of a typical entry, sqrt(mean |X| / k) */
  uint32_t factor_flags[2];
  int64_t k[2];
} palm;

static int is_coupled(const palm* s, int32_t side) {
  return (s->factor_flags[side] & ASSAY_FACTOR_COUPLED) != 0;
}

/* T <- prox(P - s G) for the rows with steps[i] > 0; the others keep what T holds. */
static int32_t move(const palm* s,
                    const assay_block* b,
                    const assay_view* P,
                    const assay_view* G,
                    const double* steps,
                    assay_view* T) {
  for (int64_t i = 0; i < P->rows; i++) {
    if (!(steps[i] > 0)) continue;
    const double *p = assay_row(P, i), *g = assay_row(G, i);
    double* t = assay_row(T, i);
    for (int64_t a = 0; a < P->cols; a++) t[a] = p[a] - steps[i] * g[a];
  }
  return s->penalties->prox_rows(b->ctx, b->tag, T, steps);
}

/* {F IN, F before INOUT, P OUT} */
static int32_t extrapolate(void* self, const assay_block* b) {
  const palm* s = self;
  const double c = s->inertia * (double)b->step / (double)(b->step + 3);
  assay_extrapolate(&b->arg[0], &b->arg[1], &b->arg[2], c,
                    s->factor_flags[b->tag] & ASSAY_FACTOR_NONNEG);
  return ASSAY_OK;
}

/* ---- steps of 1 / L ---- */

/* {F INOUT, G IN, r IN, (inertia) P IN}: the gradient at P is G p - r; rows share G. */
static int32_t step(void* self, const assay_block* b) {
  const palm* s = self;
  const assay_view *F = &b->arg[0], *G = &b->arg[1], *R = &b->arg[2];
  const assay_view* P = s->inertia > 0 ? &b->arg[3] : F;
  const int64_t k = F->cols, n = b->count;
  double* steps = s->host->scratch(b->ctx, n * (int64_t)sizeof(double));
  double* memory = s->host->scratch(b->ctx, (n + 2) * k * (int64_t)sizeof(double));
  if (!steps || !memory) return ASSAY_E_MEMORY;
  assay_view gradient = *F, T = *F;
  gradient.data = memory;
  gradient.stride = k;
  const double L = assay_spectral_bound(k, (const double*)G->data, G->stride, memory + n * k);
  for (int64_t i = 0; i < n; i++) {
    steps[i] = L > 0 ? 1 / L : 0; /* no curvature: nothing speaks for these rows */
    assay_normal_gradient(k, (const double*)G->data, G->stride, assay_row(P, i), assay_row(R, i),
                          assay_row(&gradient, i));
  }
  return move(s, b, P, &gradient, steps, &T);
}

/* ---- searched steps ---- */

/* {P IN, g IN, search INOUT (s, trials of the step before), todo OUT, T OUT, ADD smallest} */
static int32_t start_search(void* self, const assay_block* b) {
  const palm* s = self;
  double* smallest = assay_row(&b->arg[5], 0);
  for (int64_t i = 0; i < b->count; i++) {
    const double *p = assay_row(&b->arg[0], i), *g = assay_row(&b->arg[1], i);
    double *search = assay_row(&b->arg[2], i), pp = 0, gg = 0;
    for (int64_t a = 0; a < b->arg[0].cols; a++) pp += p[a] * p[a], gg += g[a] * g[a];
    const double size = pp > 0 ? pp : (s->scale > 0 ? s->scale * s->scale : 1);
    if (!(search[0] > 0))
      search[0] = gg - gg != 0 ? 0 : gg > 0 ? 0.1 * sqrt(size / gg) : 1;
    else if (search[1] <= 1 && gg > 0)
      search[0] *= 1.25;
    /* A row that rests at its bound would let its step grow without end. */
    const double most = gg > 0 && gg - gg == 0 ? 1e6 * sqrt(size / gg) : search[0];
    if (search[0] > most) search[0] = most;
    search[1] = 0;
    /* A row without a finite gradient stays where it is; one without data still has penalties. */
    *assay_row(&b->arg[3], i) = search[0] > 0 && gg - gg == 0 ? 1 : -1;
    assay_copy_row(&b->arg[0], &b->arg[4], i);
    if (search[0] > 0 && search[0] < *smallest) *smallest = search[0];
  }
  return ASSAY_OK;
}

/* {P IN, g IN, search IN, todo IN, common IN, T INOUT} */
static int32_t try_step(void* self, const assay_block* b) {
  const palm* s = self;
  const double common = *assay_row(&b->arg[4], 0);
  double* steps = s->host->scratch(b->ctx, b->count * (int64_t)sizeof(double));
  if (!steps) return ASSAY_E_MEMORY;
  for (int64_t i = 0; i < b->count; i++) {
    const double own = is_coupled(s, b->tag) ? common : *assay_row(&b->arg[2], i);
    steps[i] = *assay_row(&b->arg[3], i) > 0 ? own : 0;
  }
  assay_view T = b->arg[5];
  return move(s, b, &b->arg[0], &b->arg[1], steps, &T);
}

/* {P IN, g IN, T IN, values at P IN, at T IN, search INOUT, todo INOUT, common IN, ADD left, ADD
   smallest}: a row is done when its loss fell as its model says; rows that are tied together are
   done together. */
static int32_t judge(void* self, const assay_block* b) {
  const palm* s = self;
  const int coupled = is_coupled(s, b->tag);
  double *left = assay_row(&b->arg[8], 0), *smallest = assay_row(&b->arg[9], 0);
  for (int64_t i = 0; i < b->count; i++) {
    double *search = assay_row(&b->arg[5], i), *todo = assay_row(&b->arg[6], i);
    if (!(*todo > 0)) continue;
    const double at_p = *assay_row(&b->arg[3], i), at_t = *assay_row(&b->arg[4], i);
    const double h = coupled ? *assay_row(&b->arg[7], 0) : search[0];
    double linear, squares;
    assay_step_model(&b->arg[0], &b->arg[1], &b->arg[2], i, &linear, &squares);
    const double bound = at_p + linear + squares / (2 * h) + 2e-14 * fabs(at_p);
    const int falls = at_t - at_t == 0 && (at_t <= bound || !(at_p - at_p == 0));
    search[1] += 1;
    search[0] = falls ? h : 0.5 * h;
    if (falls && !coupled) *todo = 0;
    if (!falls) *left += 1;
    if (search[0] < *smallest) *smallest = search[0];
  }
  return ASSAY_OK;
}

/* {common OUT, smallest IN}; the smallest step of no rows is infinite. */
static int32_t start_common(void* self, const assay_block* b) {
  (void)self;
  const double smallest = *assay_row(&b->arg[1], 0);
  *assay_row(&b->arg[0], 0) = smallest - smallest == 0 ? smallest : 0;
  return ASSAY_OK;
}

/* {common OUT, smallest IN, done OUT, left IN} */
static int32_t look(void* self, const assay_block* b) {
  *assay_row(&b->arg[2], 0) = !(*assay_row(&b->arg[3], 0) > 0);
  return start_common(self, b);
}

/* {F INOUT, T IN, todo IN} */
static int32_t take(void* self, const assay_block* b) {
  (void)self;
  for (int64_t i = 0; i < b->count; i++)
    if (*assay_row(&b->arg[2], i) == 0) assay_copy_row(&b->arg[1], &b->arg[0], i);
  return ASSAY_OK;
}

/* {F INOUT, kept IN, done IN} */
static int32_t give_back(void* self, const assay_block* b) {
  (void)self;
  if (*assay_row(&b->arg[2], 0) > 0) return ASSAY_OK;
  for (int64_t i = 0; i < b->count; i++) assay_copy_row(&b->arg[1], &b->arg[0], i);
  return ASSAY_OK;
}

/* ---- the program ---- */

static assay_buf extreme_of(assay_builder* b, const char* name, int32_t role) {
  const assay_buffer d = {sizeof d, 0, name, ASSAY_ONE, role, ASSAY_F64, 0, 1, 1};
  return b->buffer(b, &d);
}

/* A set that ties rows together is kept by the host, in the factor alone: trials are then made in F
   and taken back. */
static void build_search(const palm* s, assay_builder* b, int32_t side, assay_buf P) {
  const int coupled = is_coupled(s, side);
  const assay_buf F = b->factor(b, side);
  const assay_buf other = assay_local(b, side ? "trial_h" : "trial_w", side, 0);
  const assay_buf T = coupled ? F : other, base = coupled && P == F ? other : P;
  const assay_buf G = assay_local(b, side ? "grad_h" : "grad_w", side, 0);
  const assay_buf at_p = assay_local(b, side ? "value_h" : "value_w", side, 1);
  const assay_buf at_t = assay_local(b, side ? "trial_value_h" : "trial_value_w", side, 1);
  const assay_buf todo = assay_local(b, side ? "todo_h" : "todo_w", side, 1);
  const assay_buf search = assay_state(b, side ? "search_h" : "search_w", side, 2);
  const assay_buf common = assay_state(b, side ? "common_h" : "common_w", ASSAY_ONE, 1);
  const assay_buf done = assay_state(b, side ? "done_h" : "done_w", ASSAY_ONE, 1);
  const assay_buf left = assay_sum(b, side ? "left_h" : "left_w", 1, 1);
  const assay_buf first = extreme_of(b, side ? "first_step_h" : "first_step_w", ASSAY_MIN);
  const assay_buf next = extreme_of(b, side ? "next_step_h" : "next_step_w", ASSAY_MIN);
  if (coupled) ASSAY_EACH_OF(b, "hold", side, assay_hold, {F, ASSAY_IN}, {other, ASSAY_OUT});
  assay_terms_at(b, ASSAY_GRAD, side, P, G, ASSAY_NO, at_p);
  ASSAY_EACH_OF(b, "start_search", side, start_search, {base, ASSAY_IN}, {G, ASSAY_IN},
                {search, ASSAY_INOUT}, {todo, ASSAY_OUT}, {T, ASSAY_OUT}, {first, ASSAY_ADD});
  ASSAY_EACH(b, "start_common", ASSAY_ONE, start_common, {common, ASSAY_OUT}, {first, ASSAY_IN});
  b->loop(b, s->trials, done);
  ASSAY_EACH_OF(b, "try_step", side, try_step, {base, ASSAY_IN}, {G, ASSAY_IN}, {search, ASSAY_IN},
                {todo, ASSAY_IN}, {common, ASSAY_IN}, {T, ASSAY_INOUT});
  assay_terms_at(b, ASSAY_VALUE, side, T, ASSAY_NO, ASSAY_NO, at_t);
  ASSAY_EACH_OF(b, "judge", side, judge, {base, ASSAY_IN}, {G, ASSAY_IN}, {T, ASSAY_IN},
                {at_p, ASSAY_IN}, {at_t, ASSAY_IN}, {search, ASSAY_INOUT}, {todo, ASSAY_INOUT},
                {common, ASSAY_IN}, {left, ASSAY_ADD}, {next, ASSAY_ADD});
  ASSAY_EACH(b, "look", ASSAY_ONE, look, {common, ASSAY_OUT}, {next, ASSAY_IN}, {done, ASSAY_OUT},
             {left, ASSAY_IN});
  b->end(b);
  if (coupled)
    ASSAY_EACH_OF(b, "give_back", side, give_back, {F, ASSAY_INOUT}, {other, ASSAY_IN},
                  {done, ASSAY_IN});
  else
    ASSAY_EACH_OF(b, "take", side, take, {F, ASSAY_INOUT}, {T, ASSAY_IN}, {todo, ASSAY_IN});
}

static void build_lipschitz(const palm* s, assay_builder* b, int32_t side, assay_buf P) {
  const assay_buf F = b->factor(b, side);
  const assay_buf G = assay_local(b, side ? "gram_h" : "gram_w", side, s->k[side] * s->k[side]);
  const assay_buf R = assay_local(b, side ? "rhs_h" : "rhs_w", side, 0);
  assay_normals_at(b, side, P, G, R);
  const assay_arg args[] = {{F, ASSAY_INOUT}, {G, ASSAY_IN}, {R, ASSAY_IN}, {P, ASSAY_IN}};
  const int32_t n_args = P == F ? 3 : 4;
  assay_each_of(b, side ? "step_h" : "step_w", side, step, args, n_args);
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const palm* s = self;
  if (purpose != ASSAY_STEP) return ASSAY_OK;
  assay_buf P[2];
  /* H first: the sweep over the rows that moves W is then not cut in two. */
  for (int32_t side = 1; side >= 0; side--) {
    P[side] = b->factor(b, side);
    if (s->factor_flags[side] & ASSAY_FACTOR_FROZEN || !(s->inertia > 0)) continue;
    P[side] = assay_local(b, side ? "ahead_h" : "ahead_w", side, 0);
    ASSAY_EACH_OF(b, "extrapolate", side, extrapolate, {b->factor(b, side), ASSAY_IN},
                  {assay_state(b, side ? "before_h" : "before_w", side, 0), ASSAY_INOUT},
                  {P[side], ASSAY_OUT});
  }
  for (int32_t side = 0; side < 2; side++) {
    if (s->factor_flags[side] & ASSAY_FACTOR_FROZEN) continue;
    if (s->searches)
      build_search(s, b, side, P[side]);
    else
      build_lipschitz(s, b, side, P[side]);
  }
  return b->status(b);
}

static int32_t create(const assay_host* host, assay_ctx* ctx, const assay_problem* p, void** self) {
  const char* word = host->option_text(p->options, "step");
  const int bounded = isfinite(p->loss->curvature_bound);
  const int asks_bound = word && !strcmp(word, "lipschitz");
  if (asks_bound && !bounded) {
    host->set_error(ctx, ASSAY_E_COMBINATION,
                    "`step: lipschitz` needs a loss whose curvature is bounded");
    host->add_detail(ctx, ASSAY_DETAIL_HELP, "use `step: backtracking`");
    return ASSAY_E_COMBINATION;
  }
  palm* s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the solver");
  s->host = host;
  s->penalties = host->service("assay.penalty/1");
  /* Elsewhere a bound holds at the steepest place and may be far above the curvature met. */
  const int meets = p->loss->tag == ASSAY_TAG_SQUARED || p->loss->tag == ASSAY_TAG_LOGISTIC;
  s->searches = !asks_bound && (!meets || (word && !strcmp(word, "backtracking")));
  s->trials = (int64_t)host->option_number(p->options, "trials");
  s->inertia = host->option_number(p->options, "inertia");
  const double mean = p->observed > 0 ? fabs(p->x_sum) / p->observed : 0;
  s->scale = sqrt(mean / (double)p->k[0]);
  for (int side = 0; side < 2; side++) {
    s->factor_flags[side] = p->factor_flags[side];
    s->k[side] = p->k[side];
  }
  *self = s;
  return ASSAY_OK;
}

static void destroy(void* self) {
  if (self) ((palm*)self)->host->free(self);
}

static const char* const steps[] = {"auto", "lipschitz", "backtracking", NULL};
static const assay_option options[] = {
    {"step",
     "auto: lipschitz (1 / L) where the loss meets the bound of its curvature (squared, logistic), "
     "else backtracking",
     ASSAY_OPT_ENUM, 0, 0, 0, 0, "auto", steps},
    {"inertia", "share of (t - 1) / (t + 2) of the last move to go ahead before a step; 0: none",
     ASSAY_OPT_FLOAT, 0, 0, 0, 1, NULL, NULL},
    {"trials", "backtracking: most trials of a row's step within one iteration", ASSAY_OPT_INT, 0,
     12, 1, 100, NULL, NULL},
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
    "palm",
    "proximal gradient steps with a step per row, for any loss with a gradient",
    "Bolte, Sabach and Teboulle 2014; Pock and Sabach 2016",
    "f_i <- prox_s(f_i - s_i g_i) for the rows of F = W, then of F = H\n"
    "s_i = 1 / L_i (squared, logistic), else halved until the row's loss falls\n"
    "cost: 4ndk (squared) to 8ndk flops a step, and 2ndk a trial of the rows that are left\n"
    "guarantee: without inertia no step raises the objective; the model stays in the loss's domain",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.palm", "1.0", plugin)
