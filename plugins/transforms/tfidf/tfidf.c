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
#include <assay/transforms.h>

enum { TF, IDF };
enum { RAW, LOG, BINARY };
enum { SMOOTH, PLAIN, PROBABILISTIC, NONE };

static const char* const tfs[] = {"raw", "log", "binary", NULL};
static const char* const idfs[] = {"smooth", "plain", "probabilistic", "none", NULL};
static const assay_option options[] = {
    {"tf", "what a count counts: raw, 1 + log, or binary", ASSAY_OPT_ENUM, 0, 0, 0, 0, "raw", tfs},
    {"idf", "weight of a term by the documents it is in", ASSAY_OPT_ENUM, 0, 0, 0, 0, "smooth",
     idfs},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};

ASSAY_TRANSFORM_CREATE(create, ASSAY_WITH_TILE | ASSAY_WITH_MATH, {
  self->word[TF] = assay_word(host, given, "tf", tfs);
  self->word[IDF] = assay_word(host, given, "idf", idfs);
})

static int32_t negative(const assay_transform_self* s, assay_ctx* ctx) {
  s->host->set_error(ctx, ASSAY_E_DOMAIN, "transform `tfidf` needs counts, and one is negative");
  s->host->add_detail(ctx, ASSAY_DETAIL_HELP, "put `tfidf` before transforms that centre or shift");
  return ASSAY_E_DOMAIN;
}

static double log_of(const assay_transform_self* s, double x) {
  double out = 0;
  s->math->log(1, &x, &out);
  return out;
}

static double weight(const assay_transform_self* s, double df) {
  const double n = (double)s->n;
  if (s->word[IDF] == SMOOTH) return log_of(s, (1 + n) / (1 + df)) + 1;
  if (!(df > 0)) return 0;
  if (s->word[IDF] == PLAIN) return log_of(s, n / df);
  return 2 * df < n ? log_of(s, (n - df) / df) : 0;
}

/* Columns {idf}: from the documents with an entry that is not 0. */
static int32_t learn(void* self, const assay_block* b) {
  const assay_transform_self* s = self;
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
  const assay_transform_self* s = self;
  if (purpose != ASSAY_FIT || s->word[IDF] == NONE) return b->status(b);
  const assay_arg args[] = {{assay_state(b, "idf", ASSAY_COLS, 1), ASSAY_OUT}};
  const assay_each each = {sizeof each, ASSAY_EACH_X, "idf", ASSAY_COLS, 1, learn, args, 0, 0};
  b->each(b, &each);
  return b->status(b);
}

ASSAY_TRANSFORM_COLUMNS(affine, {
  if (self->word[IDF] == NONE) return ASSAY_OK;
  if (!learnt)
    return self->host->set_error(ctx, ASSAY_E_STATE, "transform `tfidf` has not been fitted");
  for (int64_t j = 0; j < d; ++j) scales[j] = learnt[j];
})

ASSAY_TRANSFORM_ENTRIES(apply, {
  if (n == 0 && self->word[TF] == RAW) return ASSAY_E_NOT_FOUND; /* idf is all there is */
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] < 0) return negative(self, ctx);
    if (self->word[TF] == LOG)
      x[i] = x[i] > 0 ? 1 + log_of(self, x[i]) : 0;
    else
      x[i] = x[i] > 0 ? 1 : 0;
  }
})

static const assay_transform vtable = {.struct_size = sizeof vtable,
                                       .form = ASSAY_TRANSFORM_ELEMENT,
                                       .create = create,
                                       .build = build,
                                       .affine = affine,
                                       .apply = apply,
                                       .destroy = assay_transform_free};
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
