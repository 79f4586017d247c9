/* SPDX-License-Identifier: Apache-2.0 */
/* Online factorization: minimise sum l(x, (W H')) + penalties over W, H >= 0 by runs of rows.
   The squared loss, where all entries count alike, by coordinate descent. For each batch
     W_t <- sweeps over the components of 1/2 |X_t - W_t H'|^2         `w_steps` of them
     A <- rho A + W_t'W_t,  B <- rho B + X_t'W_t,  H <- a sweep of 1/2 <H A, H> - <B, H>
   Other losses, and whatever has weights or hidden entries, by multiplicative updates. For each
   batch
     W_t <- W_t * ((N + n_pen) / (D + d_pen))^e            `w_steps` times
     A <- rho A + N' * H^(1/e),  B <- rho B + D',  H <- (A / B)^e
   where N, D, N', D' are the halves of the batch's gradient and rho = forgetting^(share of the
   batch in X): what earlier batches said of H is kept in A and B and fades. One batch of all rows
   with forgetting 0 is a step of hals, or of mu. After the last epoch `final_steps` updates bring
   each row of W to the final H. Cost an epoch 4ndk and one read of X; multiplicative 8ndk to 12ndk
   and w_steps - 1 times 4ndk to 6ndk; the objective may rise. Lefevre, Bach and Fevotte 2011;
   Mairal, Bach, Ponce and Sapiro 2010. */
#include <assay/components.h>
#include <assay/steps.h>
#include <float.h>
#include <math.h>

typedef struct {
  const assay_host* host;
  const assay_math* math;
  const assay_penalty_calls* penalties;
  double exponent, floor, forgetting, rows; /* rows: of X */
  int64_t k, batch_size, w_steps, final_steps;
  int32_t order, coordinate; /* coordinate: by coordinate descent */
  uint64_t stream;
  uint32_t factor_flags[2];
} online;

static double ratio(double n, double d) { return n / (d > DBL_MIN ? d : DBL_MIN); }
static double at_least(double f, double floor) { return f > floor ? f : floor; }

/* {F INOUT, N INOUT, D INOUT} */
static int32_t update_w(void* self, const assay_block* b) {
  const online* s = self;
  const assay_view* F = &b->arg[0];
  assay_view N = b->arg[1], D = b->arg[2];
  const int32_t bad = s->penalties->mu(b->ctx, 0, F, &N, &D);
  if (bad) return bad;
  for (int64_t i = 0; i < F->rows; i++) {
    double *f = assay_row(F, i), *n = assay_row(&N, i);
    const double* d = assay_row(&D, i);
    for (int64_t a = 0; a < F->cols; a++) n[a] = ratio(n[a], d[a]);
    if (s->exponent != 1) s->math->pow(F->cols, n, s->exponent, n);
    for (int64_t a = 0; a < F->cols; a++) f[a] = at_least(f[a] * n[a], s->floor);
  }
  return ASSAY_OK;
}

/* {H INOUT, N IN, D IN, A INOUT, B INOUT, W IN}: W is there for the number of its rows. Penalties
   on H count once an epoch: each batch brings its share. */
static int32_t update_h(void* self, const assay_block* b) {
  const online* s = self;
  const assay_view* H = &b->arg[0];
  const int64_t k = H->cols, n_rows = H->rows;
  const double share = (double)b->arg[5].rows / s->rows;
  double rho = s->forgetting;
  if (rho > 0) s->math->pow(1, &rho, share, &rho);
  double* memory = s->host->scratch(b->ctx, (2 * n_rows + 1) * k * (int64_t)sizeof(double));
  if (!memory) return ASSAY_E_MEMORY;
  assay_view pn = *H, pd = *H;
  pn.stride = pd.stride = k;
  pn.data = memory;
  pd.data = memory + n_rows * k;
  for (int64_t i = 0; i < 2 * n_rows * k; i++) memory[i] = 0;
  const int32_t bad = s->penalties->mu(b->ctx, 1, H, &pn, &pd);
  if (bad) return bad;
  double* root = memory + 2 * n_rows * k;
  for (int64_t i = 0; i < n_rows; i++) {
    double *h = assay_row(H, i), *A = assay_row(&b->arg[3], i), *B = assay_row(&b->arg[4], i);
    const double *n = assay_row(&b->arg[1], i), *d = assay_row(&b->arg[2], i);
    for (int64_t a = 0; a < k; a++) root[a] = h[a];
    if (s->exponent != 1) s->math->pow(k, root, 1 / s->exponent, root);
    for (int64_t a = 0; a < k; a++) {
      A[a] = rho * A[a] + (n[a] + share * assay_row(&pn, i)[a]) * root[a];
      B[a] = rho * B[a] + d[a] + share * assay_row(&pd, i)[a];
      root[a] = ratio(A[a], B[a]);
    }
    if (s->exponent != 1) s->math->pow(k, root, s->exponent, root);
    for (int64_t a = 0; a < k; a++) h[a] = at_least(root[a], s->floor);
  }
  return ASSAY_OK;
}

static void build_w(assay_builder* b, int64_t times) {
  const assay_buf W = b->factor(b, 0);
  const assay_buf N = assay_local(b, "num_w", ASSAY_ROWS, 0);
  const assay_buf D = assay_local(b, "den_w", ASSAY_ROWS, 0);
  if (times > 1) b->loop(b, times, ASSAY_NO);
  assay_terms_at(b, ASSAY_MU, 0, W, N, D, ASSAY_NO);
  ASSAY_EACH_OF(b, "update_w", 0, update_w, {W, ASSAY_INOUT}, {N, ASSAY_INOUT}, {D, ASSAY_INOUT});
  if (times > 1) b->end(b);
}

/* Sweeps over the components of F, one Gram for all rows, penalties times `share`. */
static int32_t sweep(const online* s,
                     const assay_block* b,
                     int64_t sweeps,
                     double share,
                     const assay_view* F,
                     const assay_view* G,
                     const assay_view* R) {
  const int64_t k = F->rows, n = F->cols, ld = F->stride;
  double* memory = s->host->scratch(b->ctx, (2 * k + n) * (int64_t)sizeof(double));
  if (!memory) return s->host->set_error(b->ctx, ASSAY_E_MEMORY, "no memory for a block");
  int64_t* order = (int64_t*)(memory + k);
  assay_row_penalties p;
  const int32_t bad = assay_penalties_of_rows(s->host, s->penalties, b->ctx, b->tag, F, &p);
  if (bad) return bad;
  for (int64_t a = 0; a < k; a++) {
    order[a] = a;
    p.diag[a] *= share;
    for (int64_t i = 0; i < n; i++) p.lin[a * ld + i] *= share;
  }
  for (int64_t t = 0; t < sweeps; t++)
    assay_sweep_components(n, k, ld, F->data, R->data, G->data, G->stride, &p, order, memory,
                           memory + 2 * k);
  return ASSAY_OK;
}

/* {F io by component, G, R by component} */
static int32_t sweep_w(void* self, const assay_block* b) {
  const online* s = self;
  return sweep(s, b, s->w_steps, 1, &b->arg[0], &b->arg[1], &b->arg[2]);
}
static int32_t sweep_final(void* self, const assay_block* b) {
  const online* s = self;
  return sweep(s, b, s->final_steps, 1, &b->arg[0], &b->arg[1], &b->arg[2]);
}

/* What is left of what was kept after a batch of so many rows. */
static double kept(const online* s, int64_t rows, double* share) {
  *share = (double)rows / s->rows;
  double rho = s->forgetting;
  if (rho > 0) s->math->pow(1, &rho, *share, &rho);
  return rho;
}

/* {A io, weight of the penalties io, W'W of the batch, W for the number of its rows} */
static int32_t fold(void* self, const assay_block* b) {
  double share = 0;
  const double rho = kept(self, b->arg[3].rows, &share);
  const assay_view *A = &b->arg[0], *G = &b->arg[2];
  for (int64_t i = 0; i < A->rows; i++)
    for (int64_t a = 0; a < A->cols; a++)
      assay_row(A, i)[a] = rho * assay_row(A, i)[a] + assay_row(G, i)[a];
  double* weight = b->arg[1].data;
  *weight = rho * *weight + share;
  return ASSAY_OK;
}

/* {H io, B io, X_t'W_t: all by component; A, weight of the penalties, W} */
static int32_t sweep_h(void* self, const assay_block* b) {
  const online* s = self;
  double share = 0;
  const double rho = kept(s, b->arg[5].rows, &share);
  const assay_view *B = &b->arg[1], *R = &b->arg[2];
  for (int64_t a = 0; a < B->rows; a++)
    for (int64_t i = 0; i < B->cols; i++)
      assay_row(B, a)[i] = rho * assay_row(B, a)[i] + assay_row(R, a)[i];
  return sweep(s, b, 1, *(const double*)b->arg[4].data, &b->arg[0], &b->arg[3], B);
}

static void build_sweep(const online* s, assay_builder* b, assay_fn fn) {
  const assay_equations e = assay_normals_of(b, 0, s->k, 0);
  ASSAY_EACH_OF(b, "sweep_w", 0, fn, {b->factor(b, 0), ASSAY_INOUT | ASSAY_BY_COMPONENT},
                {e.gram, ASSAY_IN}, {e.rhs, ASSAY_IN | ASSAY_BY_COMPONENT});
}

static void build_kept(const online* s, assay_builder* b) {
  const assay_buf W = b->factor(b, 0);
  const assay_buffer kept_gram = {sizeof kept_gram, 0, "kept_gram", ASSAY_ONE, ASSAY_STATE,
                                  ASSAY_F64,        1, s->k,        s->k};
  const assay_buf A = b->buffer(b, &kept_gram);
  const assay_buf weight = assay_state(b, "kept_weight", ASSAY_ONE, 1);
  const assay_buf gram = assay_sum(b, "gram", s->k, 0);
  const assay_buf product = assay_local(b, "product", ASSAY_COLS, 0);
  b->gram(b, gram, W, W);
  b->times(b, product, ASSAY_X, W, 0);
  ASSAY_EACH(b, "fold", ASSAY_ONE, fold, {A, ASSAY_INOUT}, {weight, ASSAY_INOUT}, {gram, ASSAY_IN},
             {W, ASSAY_IN});
  ASSAY_EACH_OF(b, "sweep_h", 1, sweep_h, {b->factor(b, 1), ASSAY_INOUT | ASSAY_BY_COMPONENT},
                {assay_state(b, "kept_product", ASSAY_COLS, 0), ASSAY_INOUT | ASSAY_BY_COMPONENT},
                {product, ASSAY_IN | ASSAY_BY_COMPONENT}, {A, ASSAY_IN}, {weight, ASSAY_IN},
                {W, ASSAY_IN});
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const online* s = self;
  const int moves_w = !(s->factor_flags[0] & ASSAY_FACTOR_FROZEN);
  const int moves_h = !(s->factor_flags[1] & ASSAY_FACTOR_FROZEN);
  if (purpose == ASSAY_FINISH && moves_w && moves_h && s->final_steps > 0) {
    if (s->coordinate)
      build_sweep(s, b, sweep_final);
    else
      build_w(b, s->final_steps);
  }
  if (purpose != ASSAY_STEP) return b->status(b);
  b->batches(b, s->batch_size, s->order, s->stream);
  if (s->coordinate) {
    if (moves_w) build_sweep(s, b, sweep_w);
    if (moves_h) build_kept(s, b);
    b->end(b);
    return b->status(b);
  }
  if (moves_w) build_w(b, s->w_steps);
  if (moves_h) {
    const assay_buf H = b->factor(b, 1);
    const assay_buf N = assay_local(b, "num_h", ASSAY_COLS, 0);
    const assay_buf D = assay_local(b, "den_h", ASSAY_COLS, 0);
    assay_terms_at(b, ASSAY_MU, 1, H, N, D, ASSAY_NO);
    ASSAY_EACH_OF(b, "update_h", 1, update_h, {H, ASSAY_INOUT}, {N, ASSAY_IN}, {D, ASSAY_IN},
                  {assay_state(b, "kept_num", ASSAY_COLS, 0), ASSAY_INOUT},
                  {assay_state(b, "kept_den", ASSAY_COLS, 0), ASSAY_INOUT},
                  {b->factor(b, 0), ASSAY_IN});
  }
  b->end(b);
  return b->status(b);
}

static int32_t create(const assay_host* host, assay_ctx* ctx, const assay_problem* p, void** self) {
  online* s = host->alloc(sizeof *s);
  if (!s) return host->set_error(ctx, ASSAY_E_MEMORY, "no memory for the solver");
  s->host = host;
  s->math = host->service("assay.math/1");
  s->penalties = host->service("assay.penalty/1");
  s->k = p->k[0];
  const char* update = host->option_text(p->options, "update");
  const int alike = p->loss->tag == ASSAY_TAG_SQUARED && !(p->flags & ASSAY_PROBLEM_UNEQUAL),
            steep = ((p->factor_flags[0] | p->factor_flags[1]) & ASSAY_FACTOR_NO_QUADRATIC) != 0;
  if (*update == 'c' && (!alike || steep)) {
    host->free(s);
    return host->set_error(ctx, ASSAY_E_COMBINATION,
                           steep ? "`update: coordinate` needs penalties with a quadratic form: "
                                   "use `update: auto`"
                                 : "`update: coordinate` needs the squared loss and entries that "
                                   "count alike: use `update: auto`");
  }
  s->coordinate = alike && !steep && *update != 'm';
  s->exponent = p->loss->mu_exponent;
  const double mean = p->observed > 0 ? fabs(p->x_sum) / p->observed : 0;
  s->floor = host->option_number(p->options, "floor") * sqrt(mean / (double)p->k[0]);
  s->forgetting = host->option_number(p->options, "forgetting");
  s->batch_size = (int64_t)host->option_number(p->options, "batch_size");
  s->w_steps = (int64_t)host->option_number(p->options, "w_steps");
  s->final_steps = (int64_t)host->option_number(p->options, "final_steps");
  s->order = host->option_number(p->options, "shuffle") != 0 ? ASSAY_SHUFFLED : ASSAY_NATURAL;
  s->stream = p->stream;
  s->rows = (double)p->n;
  for (int side = 0; side < 2; side++) s->factor_flags[side] = p->factor_flags[side];
  *self = s;
  return ASSAY_OK;
}

static void destroy(void* self) {
  if (self) ((online*)self)->host->free(self);
}

static const char* const updates[] = {"auto", "coordinate", "multiplicative", NULL};
static const assay_option options[] = {
    {"update",
     "`auto`: coordinate descent for the squared loss where all entries count alike and "
     "penalties are quadratic",
     ASSAY_OPT_ENUM, 0, 0, 0, 0, "auto", updates},
    {"batch_size", "rows of a batch", ASSAY_OPT_INT, 0, 1024, 1, 1e12, NULL, NULL},
    {"forgetting", "share of what earlier batches said of H that is left after one epoch",
     ASSAY_OPT_FLOAT, 0, 0.7, 0, 1, NULL, NULL},
    {"w_steps", "updates of a batch's rows of W before its update of H", ASSAY_OPT_INT, 0, 1, 1,
     1000, NULL, NULL},
    {"final_steps", "updates of W at the final H, after the last epoch", ASSAY_OPT_INT, 0, 20, 0,
     1e6, NULL, NULL},
    {"shuffle", "draws the order of the batches anew every epoch", ASSAY_OPT_BOOL,
     ASSAY_OPT_DRAWS(1), 1, 0, 1, NULL, NULL},
    {"floor", "smallest value of a factor's entry, as a share of sqrt(mean of X / rank)",
     ASSAY_OPT_FLOAT, ASSAY_OPT_HI_OPEN, 1e-16, 0, 1, NULL, NULL},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_solver vtable = {
    sizeof vtable,
    0,
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
    "online",
    "minibatches of rows with a forgetting factor, for any loss with a split gradient",
    "Lefevre, Bach and Fevotte 2011; Mairal, Bach, Ponce and Sapiro 2010",
    "squared, no weights: for each batch of rows: W_t <- sweeps of `hals` at H;\n"
    "  A <- rho A + W_t'W_t,  B <- rho B + X_t'W_t,  H <- a sweep of `hals` for H A = B\n"
    "else: W_t <- W_t * (N / D)^e;\n"
    "  A <- rho A + N' * H^(1/e),  B <- rho B + D',  H <- (A / B)^e\n"
    "cost: 4ndk flops an epoch and one read of X, and d k^2 a batch; multiplicative updates 8ndk "
    "to\n"
    "  12ndk an epoch, and 4ndk to 6ndk for each further step of W_t\n"
    "guarantee: none, the objective may rise; one batch of all rows that forgets all is `hals`, "
    "or\n"
    "  `mu`",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.online", "1.0", plugin)
