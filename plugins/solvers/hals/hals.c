/* SPDX-License-Identifier: Apache-2.0 */
/* Hierarchical alternating least squares (`hals`), and coordinate descent as scikit-learn orders it
   (`cd`): two names of one update. For every row w of W, one component after another,
     w_a <- clip((r_a - lin_a - sum_{c != a} G_ac w_c) / (G_aa + diag_a), lower_a, upper_a),
   the exact minimiser of 1/2 w'G w - r'w + penalties in w_a, with
     G = H'V H,  r = H'V z:  V = 1, z = x for the squared loss; else the loss's majorising curvature
                             and working response (of each entry, or its bound for all).
   Then the same for the rows of H. Cost per step: squared 4ndk + 4(n + d)k^2, one read of X; under
   the curvature's bound 8ndk; weights, masks, each entry's curvature n d k^2 (nnz k^2 where what is
   not stored is unobserved). Never raises the objective. Cichocki, Zdunek and Amari 2007; Cichocki
   and Phan 2009, Alg. 2; the order of `cd`: Hsieh and Dhillon 2011. */
#include <assay/components.h>
#include <float.h>
#include <math.h>
#include <string.h>

typedef struct {
  const assay_host* host;
  const assay_penalty_calls* penalties;
  const assay_rng* rng;
  uint64_t stream;
  int64_t k, inner;           /* rank; sweeps over the components per block */
  int32_t shuffle, majoriser; /* majoriser: flags of the normals */
} hals;

/* The penalties of a block's rows, and the order of the components. */
typedef struct {
  assay_row_penalties of;
  int64_t* order;
} terms;

/* u -= f v */
ASSAY_SIMD static void subtract(int64_t n, double f, const double* restrict v, double* restrict u) {
  for (int64_t j = 0; j < n; j++) u[j] -= f * v[j];
}

/* Row i with a Gram of its own: u keeps the negative gradient; components that do not move cost
 * nothing. */
static void sweep_row(int64_t i,
                      int64_t k,
                      int64_t sweeps,
                      int64_t ld,
                      double* W,
                      const double* R,
                      const double* G,
                      int64_t ldg,
                      const terms* p,
                      double* u) {
  for (int64_t a = 0; a < k; a++)
    u[a] = R[a * ld + i] - p->of.lin[a * ld + i] - p->of.diag[a] * W[a * ld + i];
  for (int64_t a = 0; a < k; a++)
    if (W[a * ld + i] != 0) subtract(k, W[a * ld + i], G + a * ldg, u);
  for (int64_t s = 0; s < sweeps * k; s++) {
    const int64_t a = p->order[s % k], at = a * ld + i;
    const double own = G[a * ldg + a] + p->of.diag[a], old = W[at];
    W[at] = own >= DBL_MIN ? assay_clip(old + u[a] / own, p->of.lower[at], p->of.upper[at])
                           : assay_idle_entry(old, p->of.lin[at], p->of.lower[at], p->of.upper[at]);
    const double moved = W[at] - old;
    if (moved == 0) continue;
    subtract(k, moved, G + a * ldg, u);
    u[a] -= moved * p->of.diag[a];
  }
}

/* The order of a step's components: sorted random keys, the same for all blocks. */
static void draw_order(const hals* s,
                       const assay_block* b,
                       int64_t k,
                       double* keys,
                       int64_t* order) {
  for (int64_t a = 0; a < k; a++) order[a] = a;
  if (!s->shuffle) return;
  s->rng->uniform(s->rng->split(s->stream, (uint64_t)(2 * b->step + b->tag)), 0, k, keys);
  for (int64_t a = 1; a < k; a++)
    for (int64_t c = a; c > 0 && keys[order[c]] < keys[order[c - 1]]; c--) {
      const int64_t before = order[c - 1];
      order[c - 1] = order[c];
      order[c] = before;
    }
}

/* {F io by component, G, R by component} */
static int32_t update(void* self, const assay_block* b) {
  const hals* s = self;
  const assay_view *F = &b->arg[0], *G = &b->arg[1], *R = &b->arg[2];
  const int64_t k = F->rows, n = F->cols, ld = F->stride;
  double* u = s->host->scratch(b->ctx, (2 * k + n) * (int64_t)sizeof(double));
  if (!u) return s->host->set_error(b->ctx, ASSAY_E_MEMORY, "no memory for a block");
  double* t = u + 2 * k;
  terms p = {{NULL, NULL, NULL, NULL}, (int64_t*)(u + k)};
  const int32_t bad = assay_penalties_of_rows(s->host, s->penalties, b->ctx, b->tag, F, &p.of);
  if (bad) return bad;
  draw_order(s, b, k, u, p.order);
  if (G->step == 0) {
    for (int64_t sweep = 0; sweep < s->inner; sweep++)
      assay_sweep_components(n, k, ld, F->data, R->data, G->data, G->stride, &p.of, p.order, u, t);
    return ASSAY_OK;
  }
  for (int64_t i = 0; i < n; i++)
    sweep_row(i, k, s->inner, ld, F->data, R->data, (const double*)G->data + i * G->step, G->stride,
              &p, u);
  return ASSAY_OK;
}

static int32_t create(const assay_host* host, assay_ctx* ctx, const assay_problem* p, void** self) {
  const int32_t majoriser = assay_pick_curvature(host, ctx, p);
  if (majoriser < 0) return majoriser;
  hals* s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the solver");
  s->host = host;
  s->penalties = host->service("assay.penalty/1");
  s->rng = host->service("assay.rng/1");
  s->stream = p->stream;
  s->k = p->k[0];
  s->majoriser = majoriser;
  s->inner = (int64_t)host->option_number(p->options, "inner");
  s->shuffle = host->option_number(p->options, "shuffle") == 1;
  *self = s;
  return ASSAY_OK;
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const hals* s = self;
  if (purpose != ASSAY_STEP) return ASSAY_OK;
  for (int32_t side = 0; side < 2; side++) { /* ASSAY_ROWS, then ASSAY_COLS */
    const assay_equations e = assay_normals_of(b, side, s->k, (uint32_t)s->majoriser);
    const assay_arg args[] = {{b->factor(b, side), ASSAY_INOUT | ASSAY_BY_COMPONENT},
                              {e.gram, ASSAY_IN},
                              {e.rhs, ASSAY_IN | ASSAY_BY_COMPONENT}};
    const assay_each each = {sizeof each, 0, side ? "update_h" : "update_w", side, 3, update, args,
                             side,        0};
    b->each(b, &each);
  }
  return b->status(b);
}

static void destroy(void* self) {
  if (self) ((hals*)self)->host->free(self);
}

static const assay_option options[] = {
    {"inner", "sweeps over the components per step", ASSAY_OPT_INT, 0, 1, 1, 1000, NULL, NULL},
    {"shuffle", "visit the components in an order drawn anew every step", ASSAY_OPT_BOOL,
     ASSAY_OPT_DRAWS(1), 0, 0, 1, NULL, NULL},
    ASSAY_OPTION_CURVATURE,
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_solver vtable = {
    sizeof vtable,
    0,
    ASSAY_NEEDS_SQUARED | ASSAY_NEEDS_CURVATURE,
    ASSAY_NEEDS_QUAD | ASSAY_NEEDS_QUAD_ROWS,
    ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK | ASSAY_TAKES_WEIGHTS | ASSAY_TAKES_UNOBSERVED,
    0,
    "nonneg",
    create,
    build,
    destroy,
    NULL,
    NULL,
    NULL};
#define MATHS                                                                               \
  "F_a <- clip((r_a - lin_a - sum_{c != a} G_ac F_c) / (G_aa + diag_a)), a = 1 .. k\n"      \
  "(`shuffle`: in an order drawn anew every step),\n"                                       \
  "G = O'V O, r = O'V z of the other factor O; for F = W, then F = H\n"                     \
  "cost: 4ndk + 4(n + d)k^2 flops a step and one read of X (squared), 8ndk where the loss " \
  "bounds\n"                                                                                \
  "  its curvature, n d k^2 (nnz k^2 where entries are unobserved) with weights or masks\n" \
  "guarantee: the objective never rises: every entry is the exact minimiser of its parabola"
static const assay_plugin hals_plugin = {sizeof hals_plugin,
                                         ASSAY_PLUGIN_DETERMINISTIC,
                                         "assay.solver/1",
                                         "hals",
                                         "hierarchical alternating least squares",
                                         "Cichocki, Zdunek and Amari 2007",
                                         MATHS,
                                         options,
                                         &vtable,
                                         NULL};
static const assay_plugin cd_plugin = {sizeof cd_plugin,
                                       ASSAY_PLUGIN_DETERMINISTIC,
                                       "assay.solver/1",
                                       "cd",
                                       "coordinate descent, with scikit-learn's order of updates",
                                       "Cichocki and Phan 2009; Hsieh and Dhillon 2011",
                                       MATHS,
                                       options,
                                       &vtable,
                                       NULL};
static const assay_plugin* const plugins[] = {&hals_plugin, &cd_plugin};
static const assay_module module = {sizeof module,
                                    0,
                                    ASSAY_ABI_MAJOR,
                                    ASSAY_ABI_MINOR,
                                    __VERSION__,
                                    "org.assay.hals",
                                    "1.0",
                                    "Apache-2.0",
                                    "The Assay authors",
                                    2,
                                    plugins,
                                    NULL,
                                    NULL};
const assay_module* assay_plugin_main_v1(void) { return &module; }
