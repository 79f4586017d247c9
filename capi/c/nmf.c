/* SPDX-License-Identifier: Apache-2.0 */
/* Non-negative matrix factorization from C: a matrix in memory, a spec as text, factors as views.
     cc nmf.c $(pkg-config --cflags --libs assay) -o nmf && ./nmf */
#include <assay/assay.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 200, COLUMNS = 40, RANK = 3 };

static const char spec[] =
    "assay: 1\n"
    "name: example\n"
    "model:\n"
    "  rank: 3\n"
    "  loss: kl\n"
    "  W: { constraint: nonneg }\n"
    "  H: { constraint: nonneg }\n"
    "solver: mu\n"
    "stop: { max_iter: 500, rel_tol: 1.0e-6 }\n";

/* Mixtures of three parts, each on a third of the columns. */
static void make_data(double *x) {
  uint32_t state = 1;
  for (int i = 0; i < ROWS; i++) {
    double amount[RANK];
    for (int k = 0; k < RANK; k++)
      amount[k] = (state = state * 1664525u + 1013904223u) / 4294967296.0;
    for (int j = 0; j < COLUMNS; j++) x[i * COLUMNS + j] = amount[j * RANK / COLUMNS] + 0.01;
  }
}

static void print_row(void *user, const assay_trace_row *row) {
  (void)user;
  if (row->iteration % 50 == 0) printf("%6lld %14.6f\n", (long long)row->iteration, row->objective);
}

static int fail(const char *what, assay_error *error) {
  fprintf(stderr, "%s: %s\n", what, assay_error_text(error));
  assay_error_destroy(&error);
  return EXIT_FAILURE;
}

int main(void) {
  static double x[ROWS * COLUMNS];
  assay_runtime *runtime = NULL;
  assay_data *data = NULL;
  assay_model *model = NULL;
  assay_error *error = NULL;
  make_data(x);

  /* 1. A runtime, and the right to load the plugins that come with the library. */
  if (assay_runtime_create(NULL, &runtime, &error) < 0) return fail("runtime", error);
  if (assay_runtime_allow_builtin(runtime, &error) < 0) return fail("plugins", error);

  /* 2. The matrix where it lies: no copy. */
  const assay_dense view = {x, ASSAY_F64, ASSAY_READ_ONLY, ROWS, COLUMNS, COLUMNS, 1, 0, 0};
  if (assay_data_from_dense(&view, 0, NULL, NULL, &data, &error) < 0) return fail("data", error);

  /* 3. The fit. */
  const assay_fit_options options = {sizeof options, 0, NULL, print_row, NULL, NULL};
  if (assay_fit(runtime, spec, data, &options, &model, &error) < 0) return fail("fit", error);

  /* 4. What came out. */
  assay_certificate certificate = {sizeof certificate, 0, 0, 0, 0, 0, 0, 0};
  assay_model_certificate(model, &certificate);
  printf("%s after %lld steps: F = %g, KKT residual %g\n", assay_model_stop(model),
         (long long)certificate.iterations, certificate.objective, certificate.kkt);
  assay_dense H;
  assay_model_array(model, "H", &H);
  for (int64_t k = 0; k < H.rows; k++) {
    printf("part %lld:", (long long)k + 1);
    for (int64_t j = 0; j < H.cols; j += 5)
      printf(" %.2f", ((const double *)H.data)[k * H.row_stride + j * H.col_stride]);
    printf("\n");
  }

  assay_model_destroy(&model);
  assay_data_destroy(&data);
  assay_runtime_destroy(&runtime);
  return EXIT_SUCCESS;
}
