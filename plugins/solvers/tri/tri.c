/* SPDX-License-Identifier: Apache-2.0 */
/* Three factors: minimise sum l(x, W S H') + penalties over W, S, H >= 0, S k1 x k2.
     W <- W * (N / D)^e,  halves at W (H S')';   H <- H * (N / D)^e,  halves at (W S) H'
     S <- S * (W'N / W'D)^e,  halves at (W S) H'
   e is the loss's exponent, and no step raises the objective: M is linear in each factor. Cost per
   step 6 n d k (squared) to 18 n d k.
   orthogonal (w, h or both), squared loss only: the multiplier of W'W = I stands for D,
     W <- W * (N / (W W'N))^(1/2), and H likewise,
   which leads towards orthonormal components without reaching W'W = I (solver onmf does). The
   objective falls in practice, without proof of descent in each step, and the KKT residual is that
   of the problem without the constraint. Ding, Li, Peng and Park 2006, eq. 8-10.
 */
#include <assay/plugin.h>
#include <assay/steps.h>
#include <float.h>
#include <math.h>
#include <string.h>

typedef struct {
  const assay_host* host;
  const assay_math* math;
  const assay_penalty_calls* penalties;
  double exponent[3], floor; /* of each factor's ratio; smallest value of an entry */
  int64_t k[2];
  int orthogonal[2]; /* W'W = I, H'H = I (H as stored) */
} tri;

/* F <- F * (N / D)^e above the floor; N is overwritten. 0 / 0 is 0. */
static void scale_rows(const tri* s, const assay_view* F, assay_view* N, assay_view* D, double e) {
  const int64_t k = F->cols;
  for (int64_t i = 0; i < F->rows; i++) {
    double* f = (double*)F->data + i * F->stride;
    double* r = (double*)N->data + i * N->stride;
    const double* d = (const double*)D->data + i * D->stride;
    for (int64_t a = 0; a < k; a++) r[a] /= d[a] > DBL_MIN ? d[a] : DBL_MIN;
    if (e != 1.0) s->math->pow(k, r, e, r);
    for (int64_t a = 0; a < k; a++) f[a] = f[a] * r[a] > s->floor ? f[a] * r[a] : s->floor;
  }
}

static int32_t update(const tri* s, const assay_block* b, int32_t side) {
  assay_view N = b->arg[1], D = b->arg[2];
  const int32_t bad = s->penalties->mu(b->ctx, side, &b->arg[0], &N, &D);
  if (bad) return bad;
  scale_rows(s, &b->arg[0], &N, &D, s->exponent[side]);
  return ASSAY_OK;
}
static int32_t update_w(void* self, const assay_block* b) { return update(self, b, 0); }
static int32_t update_h(void* self, const assay_block* b) { return update(self, b, 1); }

/* A copy of a small matrix, which penalties may add to. */
static int32_t copy(const tri* s, const assay_block* b, const assay_view* from, assay_view* to) {
  *to = *from;
  to->stride = from->cols;
  to->data = s->host->scratch(b->ctx, from->rows * from->cols * (int64_t)sizeof(double));
  if (!to->data) return ASSAY_E_MEMORY;
  for (int64_t i = 0; i < from->rows; i++)
    memcpy((double*)to->data + i * to->stride, (const double*)from->data + i * from->stride,
           (size_t)from->cols * sizeof(double));
  return ASSAY_OK;
}
static int32_t update_s(void* self, const assay_block* b) {
  const tri* s = self;
  assay_view N, D;
  int32_t bad = copy(s, b, &b->arg[1], &N);
  if (!bad) bad = copy(s, b, &b->arg[2], &D);
  if (!bad) bad = s->penalties->mu(b->ctx, 2, &b->arg[0], &N, &D);
  if (bad) return bad;
  scale_rows(s, &b->arg[0], &N, &D, s->exponent[2]);
  return ASSAY_OK;
}

static int32_t create(const assay_host* host, assay_ctx* ctx, const assay_problem* p, void** self) {
  const char* kept = host->option_text(p->options, "orthogonal");
  const int both = strcmp(kept, "both") == 0;
  /* New rows for a known S and H are fitted freely. */
  const int known = (p->factor_flags[1] & p->factor_flags[2] & ASSAY_FACTOR_FROZEN) != 0;
  const int w = !known && (both || strcmp(kept, "w") == 0);
  const int h = both || strcmp(kept, "h") == 0;
  if (w || (h && !known)) {
    if (p->loss->tag != ASSAY_TAG_SQUARED) {
      host->set_error(ctx, ASSAY_E_COMBINATION,
                      "`orthogonal` of solver `tri` is for the squared loss");
      host->add_detail(ctx, ASSAY_DETAIL_HELP, "use `loss: squared`, or `orthogonal: none`");
      return ASSAY_E_COMBINATION;
    }
    if (p->flags & ASSAY_PROBLEM_UNEQUAL) {
      host->set_error(ctx, ASSAY_E_COMBINATION,
                      "`orthogonal` of solver `tri` needs all entries to count the same");
      host->add_detail(ctx, ASSAY_DETAIL_HELP,
                       "leave masks and weights out, or use `orthogonal: none`");
      return ASSAY_E_COMBINATION;
    }
  }
  tri* s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the solver");
  s->host = host;
  s->math = host->service("assay.math/1");
  s->penalties = host->service("assay.penalty/1");
  s->k[0] = p->k[0];
  s->k[1] = p->k[1];
  s->orthogonal[0] = w;
  s->orthogonal[1] = h;
  for (int32_t side = 0; side < 3; side++)
    s->exponent[side] =
        side < 2 && s->orthogonal[side] ? 0.5 : assay_mu_exponent(p->loss, p->mu_power[side]);
  const double mean = p->observed > 0 ? fabs(p->x_sum) / p->observed : 0;
  double entry = mean / ((double)p->k[0] * (double)p->k[1]);
  s->math->pow(1, &entry, 1.0 / 3.0, &entry);
  s->floor = host->option_number(p->options, "floor") * entry;
  *self = s;
  return ASSAY_OK;
}

/* F F'N in place of the den of factor `side`, where F'F = I is kept. */
static assay_buf multiplier(const tri* s,
                            assay_builder* b,
                            int32_t side,
                            assay_buf N,
                            assay_buf D) {
  if (!s->orthogonal[side]) return D;
  const assay_buf inner =
      assay_sum(b, side ? "multiplier_h" : "multiplier_w", s->k[side], s->k[side]);
  const assay_buf out = assay_local(b, side ? "kept_h" : "kept_w", side, s->k[side]);
  b->gram(b, inner, b->factor(b, side), N);
  b->times(b, out, b->factor(b, side), inner, 0);
  return out;
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const tri* s = self;
  if (purpose != ASSAY_STEP) return ASSAY_OK;
  const assay_buf W = b->factor(b, 0), H = b->factor(b, 1), S = b->factor(b, 2);
  const int64_t k1 = s->k[0], k2 = s->k[1];

  const assay_buf B = assay_local(b, "hs", ASSAY_COLS, k1);
  const assay_buf Nw = assay_local(b, "num_w", ASSAY_ROWS, k1);
  const assay_buf Dw = assay_local(b, "den_w", ASSAY_ROWS, k1);
  b->times(b, B, H, S, ASSAY_TRANSPOSED);
  const assay_terms at_w = {sizeof at_w, 0, ASSAY_MU, ASSAY_ROWS, W, B, Nw, Dw, ASSAY_NO, 0};
  b->terms(b, &at_w);
  ASSAY_EACH(b, "update_w", ASSAY_ROWS, update_w, {W, ASSAY_INOUT}, {Nw, ASSAY_INOUT},
             {multiplier(s, b, 0, Nw, Dw), ASSAY_INOUT});

  const assay_buf A = assay_local(b, "ws", ASSAY_ROWS, k2);
  const assay_buf Nh = assay_local(b, "num_h", ASSAY_COLS, k2);
  const assay_buf Dh = assay_local(b, "den_h", ASSAY_COLS, k2);
  b->times(b, A, W, S, 0);
  const assay_terms at_h = {sizeof at_h, 0, ASSAY_MU, ASSAY_COLS, A, H, Nh, Dh, ASSAY_NO, 0};
  b->terms(b, &at_h);
  ASSAY_EACH(b, "update_h", ASSAY_COLS, update_h, {H, ASSAY_INOUT}, {Nh, ASSAY_INOUT},
             {multiplier(s, b, 1, Nh, Dh), ASSAY_INOUT});

  const assay_buf Ns = assay_local(b, "num_s", ASSAY_ROWS, k2);
  const assay_buf Ds = assay_local(b, "den_s", ASSAY_ROWS, k2);
  const assay_terms at_s = {sizeof at_s, 0, ASSAY_MU, ASSAY_ROWS, A, H, Ns, Ds, ASSAY_NO, 0};
  b->terms(b, &at_s);
  const assay_buf wn = assay_sum(b, "w_num", k1, k2), wd = assay_sum(b, "w_den", k1, k2);
  b->gram(b, wn, W, Ns);
  b->gram(b, wd, W, Ds);
  ASSAY_EACH(b, "update_s", ASSAY_ONE, update_s, {S, ASSAY_INOUT}, {wn, ASSAY_IN}, {wd, ASSAY_IN});
  return b->status(b);
}

static void destroy(void* self) {
  if (self) ((tri*)self)->host->free(self);
}

static const char* const kept[] = {"none", "w", "h", "both", NULL};
static const assay_option options[] = {
    {"orthogonal", "which factor is led towards orthonormal components, W'W = I, H H' = I",
     ASSAY_OPT_ENUM, 0, 0, 0, 0, "none", kept},
    {"floor",
     "smallest value of a factor's entry, as a share of the cube root of mean of X / (k1 k2)",
     ASSAY_OPT_FLOAT, ASSAY_OPT_HI_OPEN, 1e-16, 0, 1, NULL, NULL},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_solver vtable = {
    sizeof vtable,
    ASSAY_FITS_THREE,
    ASSAY_NEEDS_MU_SPLIT,
    ASSAY_NEEDS_MU_ADD,
    ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK | ASSAY_TAKES_WEIGHTS | ASSAY_TAKES_UNOBSERVED,
    0,
    "nonneg",
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
    "tri",
    "three factors X ~ W S H by multiplicative updates, with or without orthogonal W and H",
    "Ding, Li, Peng and Park 2006",
    "W <- W * (N / D)^e at W (S H);  H <- H * (N / D)^e at (W S) H;  S <- S * (W'N / W'D)^e\n"
    "orthogonal: F <- F * (N / (F F'N))^(1/2), which leads towards F'F = I; squared loss\n"
    "cost: 6ndk per step for the squared loss, 18ndk for others\n"
    "guarantee: without `orthogonal` no step raises the objective; with it the objective falls in "
    "practice, without "
    "proof",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.tri", "1.0", plugin)
