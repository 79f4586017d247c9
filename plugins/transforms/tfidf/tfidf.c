/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `tfidf`: counts of terms (columns) in documents (rows), weighted so that terms of few
   documents say more: x'_ij = tf(x_ij) idf_j. With n training documents, df_j of them with term j:

     tf   raw x;  log 1 + log x (x > 0);  binary [x > 0]
     idf  smooth log((1 + n) / (1 + df)) + 1;  plain log(n / df);  probabilistic
          max(0, log((n - df) / df));  none 1

   A term of no training document weighs 0 under plain and probabilistic. idf is learnt in one pass
   over X by columns and is an affine change of the view: raw counts are never rewritten. Zeros stay
   zeros, so that sparse X stays sparse. */
#include <assay/steps.h>
#include <string.h>

enum { RAW, LOG, BINARY };
enum { SMOOTH, PLAIN, PROBABILISTIC, NONE };

typedef struct {
  const assay_host* host;
  const assay_tile* tile;
  const assay_math* math;
  double n;
  int tf, idf;
} tfidf;

static const char* const tfs[] = {"raw", "log", "binary", NULL};
static const char* const idfs[] = {"smooth", "plain", "probabilistic", "none", NULL};
static const assay_option options[] = {
    {"tf", "what a count counts: raw, 1 + log, or binary", ASSAY_OPT_ENUM, 0, 0, 0, 0, "raw", tfs},
    {"idf", "weight of a term by the documents it is in", ASSAY_OPT_ENUM, 0, 0, 0, 0, "smooth",
     idfs},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};

static int place_in(const char* const* words, const char* word) {
  int at = 0;
  while (words[at] && strcmp(words[at], word) != 0) ++at;
  return at;
}

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_problem* problem,
                      void** self) {
  const assay_tile* tile = host->service("assay.tile/1");
  const assay_math* math = host->service("assay.math/1");
  tfidf* s;
  if (!tile || !math)
    return host->set_error(ctx, ASSAY_E_PLUGIN,
                           "this host has no service `assay.tile/1` or `assay.math/1`");
  s = host->alloc((int64_t)sizeof *s);
  if (!s) return ASSAY_E_MEMORY;
  s->host = host;
  s->tile = tile;
  s->math = math;
  s->n = (double)problem->n;
  s->tf = place_in(tfs, host->option_text(problem->options, "tf"));
  s->idf = place_in(idfs, host->option_text(problem->options, "idf"));
  *self = s;
  return ASSAY_OK;
}

static void destroy(void* self) {
  tfidf* s = self;
  s->host->free(s);
}

static int32_t negative(const tfidf* s, assay_ctx* ctx) {
  s->host->set_error(ctx, ASSAY_E_DOMAIN, "transform `tfidf` needs counts, and one is negative");
  s->host->add_detail(ctx, ASSAY_DETAIL_HELP, "put `tfidf` before transforms that centre or shift");
  return ASSAY_E_DOMAIN;
}

static double log_of(const tfidf* s, double x) {
  double out = 0;
  s->math->log(1, &x, &out);
  return out;
}

static double weight(const tfidf* s, double df) {
  if (s->idf == SMOOTH) return log_of(s, (1 + s->n) / (1 + df)) + 1;
  if (!(df > 0)) return 0;
  if (s->idf == PLAIN) return log_of(s, s->n / df);
  return 2 * df < s->n ? log_of(s, (s->n - df) / df) : 0;
}

/* Columns {idf}: from the documents with an entry that is not 0. */
static int32_t learn(void* self, const assay_block* b) {
  const tfidf* s = self;
  for (int64_t j = 0; j < b->count; ++j) {
    assay_line line;
    int64_t df = 0;
    const int32_t bad = s->tile->line(b->ctx, j, &line);
    if (bad) return bad;
    for (int64_t e = 0; e < line.n; ++e) {
      if (line.w && !(line.w[e] > 0)) continue;
      if (line.x[e] < 0) return negative(s, b->ctx);
      df += line.x[e] > 0;
    }
    *assay_row(&b->arg[0], j) = weight(s, (double)df);
  }
  return ASSAY_OK;
}

static int32_t build(void* self, assay_builder* b, int32_t purpose) {
  const tfidf* s = self;
  if (purpose != ASSAY_FIT || s->idf == NONE) return b->status(b);
  const assay_arg args[] = {{assay_state(b, "idf", ASSAY_COLS, 1), ASSAY_OUT}};
  const assay_each each = {sizeof each, ASSAY_EACH_X, "idf", ASSAY_COLS, 1, learn, args, 0, 0};
  b->each(b, &each);
  return b->status(b);
}

static int32_t affine(void* self,
                      assay_ctx* ctx,
                      int64_t d,
                      int32_t n_learnt,
                      const double* const* learnt,
                      double* scales,
                      double* shifts) {
  const tfidf* s = self;
  (void)shifts;
  if (s->idf == NONE) return ASSAY_OK;
  if (n_learnt != 1)
    return s->host->set_error(ctx, ASSAY_E_STATE, "transform `tfidf` has not been fitted");
  for (int64_t j = 0; j < d; ++j) scales[j] = learnt[0][j];
  return ASSAY_OK;
}

static int32_t apply(void* self, assay_ctx* ctx, int64_t n, double* x) {
  const tfidf* s = self;
  if (n == 0 && s->tf == RAW) return ASSAY_E_NOT_FOUND; /* idf is all there is */
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] < 0) return negative(s, ctx);
    if (s->tf == LOG)
      x[i] = x[i] > 0 ? 1 + log_of(s, x[i]) : 0;
    else
      x[i] = x[i] > 0 ? 1 : 0;
  }
  return ASSAY_OK;
}

static const assay_transform vtable = {
    sizeof vtable, 0, ASSAY_TRANSFORM_ELEMENT, 0, create, build, affine, apply, NULL, destroy};
static const assay_plugin plugin = {sizeof plugin,
                                    ASSAY_PLUGIN_DETERMINISTIC,
                                    "assay.transform/1",
                                    "tfidf",
                                    "counts of terms weighted by how few documents have them",
                                    "Sparck Jones 1972; Salton and Buckley 1988",
                                    "x'_ij = tf(x_ij) idf_j, df_j of n documents with term j\n"
                                    "tf   raw x;  log 1 + log x;  binary [x > 0]\n"
                                    "idf  smooth log((1 + n) / (1 + df)) + 1;  plain log(n / df);\n"
                                    "     probabilistic max(0, log((n - df) / df));  none 1",
                                    options,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.tfidf", "1.0", plugin)
