/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `normalise`: each row divided by its norm, so that rows of different sizes (documents
   of different lengths) compare. Rows of zeros stay zeros; sparse X stays sparse. Sums are taken of
   entries over the largest of the row, so that nothing overflows. */
#include <assay/plugin.h>
#include <string.h>

enum { L1, L2, MAX };

typedef struct {
  const assay_host* host;
  int norm;
} normalise;

static const char* const norms[] = {"l1", "l2", "max", NULL};
static const assay_option options[] = {
    {"norm", "l1: sum of magnitudes; l2: root of the sum of squares; max: largest magnitude",
     ASSAY_OPT_ENUM, 0, 0, 0, 0, "l2", norms},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_problem* problem,
                      void** self) {
  const char* norm = host->option_text(problem->options, "norm");
  normalise* s = host->alloc((int64_t)sizeof *s);
  (void)ctx;
  if (!s) return ASSAY_E_MEMORY;
  s->host = host;
  s->norm = !strcmp(norm, "l1") ? L1 : !strcmp(norm, "max") ? MAX : L2;
  *self = s;
  return ASSAY_OK;
}

static void destroy(void* self) {
  normalise* s = self;
  s->host->free(s);
}

static int32_t apply(void* self, assay_ctx* ctx, int64_t n, double* x) {
  const normalise* s = self;
  double largest = 0, sum = 0;
  (void)ctx;
  for (int64_t i = 0; i < n; ++i) {
    const double size = x[i] < 0 ? -x[i] : x[i];
    if (size > largest) largest = size;
  }
  if (!(largest > 0)) return ASSAY_OK;
  for (int64_t i = 0; i < n; ++i) {
    x[i] /= largest;
    sum += s->norm == L2 ? x[i] * x[i] : x[i] < 0 ? -x[i] : x[i];
  }
  if (s->norm == MAX) return ASSAY_OK;
  if (s->norm == L2) sum = __builtin_sqrt(sum);
  for (int64_t i = 0; i < n; ++i) x[i] /= sum;
  return ASSAY_OK;
}

static const assay_transform vtable = {
    sizeof vtable, 0, ASSAY_TRANSFORM_ROW, 0, create, NULL, NULL, apply, NULL, destroy};
static const assay_plugin plugin = {sizeof plugin,
                                    ASSAY_PLUGIN_DETERMINISTIC,
                                    "assay.transform/1",
                                    "normalise",
                                    "divide each row by its norm",
                                    NULL,
                                    "x'_ij = x_ij / |x_i|",
                                    options,
                                    &vtable,
                                    NULL};
ASSAY_MODULE("org.assay.normalise", "1.0", plugin)
