/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that are searched: halved until F(F+) <= F(P) + <G, F+ - P> + |F+ - P|^2 / 2h. */
#include "gradient.h"

enum { MOST_TRIALS = 60 };

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
  const int32_t bad = gradient_move(self, b, b->tag, P, G, *assay_row(&b->arg[2], 0), &T, &wild);
  if (bad) return bad;
  *assay_row(&b->arg[4], 0) += wild;
  for (int64_t i = 0; wild > 0 && i < P->rows; i++) assay_copy_row(P, &T, i);
  return ASSAY_OK;
}

/* {P IN, G IN, T IN, value at P IN, at T IN, search IN, ADD change}: <G, T - P>, |T - P|^2, and the
   rows whose own loss is above its model. */
static int32_t compare(void* self, const assay_block* b) {
  (void)self;
  const double h = *assay_row(&b->arg[5], 0);
  double* change = assay_row(&b->arg[6], 0);
  for (int64_t i = 0; i < b->count; i++) {
    const double at_p = *assay_row(&b->arg[3], i), at_t = *assay_row(&b->arg[4], i);
    double linear, squares;
    assay_step_model(&b->arg[0], &b->arg[1], &b->arg[2], i, &linear, &squares);
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

/* A set that ties rows together is kept by the host, in the factor alone: then trials are made in F
   and taken back. */
void gradient_build_backtracking(assay_builder* b,
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
  if (coupled) ASSAY_EACH_OF(b, "hold", side, assay_hold, {F, ASSAY_IN}, {other, ASSAY_OUT});
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
