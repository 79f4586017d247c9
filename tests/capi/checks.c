/* SPDX-License-Identifier: Apache-2.0 */
/* The C API as an application in C11 sees it. */
#define _GNU_SOURCE /* mkstemps */
#include "checks.h"

#include <assay/assay.h>
#include <assay/plugin.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 30
#define D 12
#define K 3

static char wrong[512];
#define REQUIRE(condition)                                                \
  do {                                                                    \
    if (!(condition)) {                                                   \
      snprintf(wrong, sizeof wrong, "line %d: %s", __LINE__, #condition); \
      return wrong;                                                       \
    }                                                                     \
  } while (0)

static const char* const kSpec =
    "assay: 1\nname: c\nmodel: { rank: 3, loss: squared, W: { constraint: nonneg }, H: { "
    "constraint: nonneg } }\n"
    "solver: mu\nstop: { max_iter: 25, rel_tol: 0 }\nmeasure: { every: 5, metrics: [rel_error] }\n";

/* Row-major, non-negative, whole numbers below 256, about a third of them zero. */
static void fill(double* x) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < D; j++)
      x[i * D + j] =
          (i * 7 + j * 11) % 3 == 0 ? 0 : (double)((i % 5 + 1) * (j % 4 + 1) + (i * j) % 3);
}

static assay_dense dense_view(void* data,
                              int32_t dtype,
                              int64_t rows,
                              int64_t cols,
                              int64_t row_stride,
                              int64_t col_stride) {
  const assay_dense v = {data, dtype, 0, rows, cols, row_stride, col_stride, 0, 0};
  return v;
}

static assay_runtime* start(int32_t threads) {
  assay_runtime_options options = {0};
  assay_runtime* r = NULL;
  options.struct_size = sizeof options;
  options.threads = threads;
  if (assay_runtime_create(&options, &r, NULL) != ASSAY_OK) return NULL;
  if (assay_runtime_allow_builtin(r, NULL) != ASSAY_OK) assay_runtime_destroy(&r);
  return r;
}

/* Fits kSpec to a view; W as a copy of N x K numbers. */
static int32_t fit_dense(assay_runtime* r,
                         const assay_dense* view,
                         uint32_t flags,
                         double* W,
                         assay_certificate* certificate) {
  assay_data* data = NULL;
  assay_model* model = NULL;
  assay_dense w;
  int32_t status = assay_data_from_dense(view, flags, NULL, NULL, &data, NULL);
  if (status < 0) return status;
  status = assay_fit(r, kSpec, data, NULL, &model, NULL);
  assay_data_destroy(&data);
  if (status < 0) return status;
  if (assay_model_array(model, "W", &w) != ASSAY_OK) return -1;
  for (int64_t i = 0; i < N * K; i++) {
    const int64_t at = i / K * w.row_stride + i % K * w.col_stride;
    W[i] = w.dtype == ASSAY_F64 ? ((const double*)w.data)[at] : (double)((const float*)w.data)[at];
  }
  certificate->struct_size = sizeof *certificate;
  if (assay_model_certificate(model, certificate) != ASSAY_OK) return -1;
  assay_model_destroy(&model);
  return model == NULL ? status : -1;
}

static const char* versions(void) {
  REQUIRE(strlen(assay_version()) >= 5);
  REQUIRE(assay_abi_version() == ASSAY_ABI_MAJOR * 1000 + ASSAY_ABI_MINOR);
  return NULL;
}

static const char* nothing_is_loaded_before_it_is_allowed(void) {
  assay_runtime* r = NULL;
  assay_error* e = NULL;
  REQUIRE(assay_runtime_create(NULL, &r, &e) == ASSAY_OK && e == NULL);
  REQUIRE(assay_runtime_has_plugin(r, "solver", "mu") == ASSAY_E_NOT_FOUND);
  REQUIRE(assay_runtime_allow_folder(r, "/no/such/folder", &e) == ASSAY_E_NO_FILE);
  REQUIRE(strcmp(assay_error_code(e), "E0415") == 0);
  assay_error_destroy(&e);
  REQUIRE(e == NULL);
  REQUIRE(assay_runtime_allow_builtin(r, &e) == ASSAY_OK);
  REQUIRE(assay_runtime_has_plugin(r, "solver", "mu") == ASSAY_OK);
  assay_runtime_destroy(&r);
  REQUIRE(r == NULL);
  assay_runtime_destroy(&r);
  return NULL;
}

static const char* layouts_give_the_same_bits(void) {
  double x[N * D], columns[N * D], wide[2 * N * D], W[N * K], W2[N * K];
  uint8_t bytes[N * D];
  float narrow[N * D];
  assay_certificate c = {0}, c2 = {0};
  assay_dense v;
  assay_runtime *r = start(2), *many = start(5);
  REQUIRE(r && many);
  fill(x);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < D; j++) {
      columns[j * N + i] = wide[(i * D + j) * 2] = x[i * D + j];
      bytes[i * D + j] = (uint8_t)x[i * D + j];
      narrow[i * D + j] = (float)x[i * D + j];
    }
  v = dense_view(x, ASSAY_F64, N, D, D, 1);
  REQUIRE(fit_dense(r, &v, 0, W, &c) == ASSAY_STOPPED);
  REQUIRE(c.iterations == 25 && c.objective > 0 && c.kkt > 0 && c.penalty == 0);
  REQUIRE(fit_dense(many, &v, ASSAY_DATA_COPY, W2, &c2) == ASSAY_STOPPED);
  REQUIRE(memcmp(W, W2, sizeof W) == 0 && c.objective == c2.objective);
  v = dense_view(columns, ASSAY_F64, N, D, 1, N);
  REQUIRE(fit_dense(r, &v, 0, W2, &c2) == ASSAY_STOPPED);
  REQUIRE(memcmp(W, W2, sizeof W) == 0);
  v = dense_view(wide, ASSAY_F64, N, D, 2 * D, 2);
  REQUIRE(fit_dense(r, &v, ASSAY_DATA_COPY, W2, &c2) == ASSAY_STOPPED);
  REQUIRE(memcmp(W, W2, sizeof W) == 0);
  /* Other types have another identity, so another start; the fit must be as good. */
  v = dense_view(bytes, ASSAY_U8, N, D, D, 1);
  REQUIRE(fit_dense(r, &v, 0, W2, &c2) == ASSAY_STOPPED);
  REQUIRE(c2.objective < 2 * c.objective + 1);
  v = dense_view(narrow, ASSAY_F32, N, D, D, 1);
  REQUIRE(fit_dense(r, &v, 0, W2, &c2) == ASSAY_STOPPED);
  REQUIRE(c2.objective < 2 * c.objective + 1);
  assay_runtime_destroy(&r);
  assay_runtime_destroy(&many);
  return NULL;
}

/* Objective of a fit from explicit factors, so that all layouts start alike. */
static const char* sparse_layouts_agree(void) {
  double x[N * D], values[N * D], cvalues[N * D];
  int32_t i32[N * D], p32[N + 1];
  int64_t i64[N * D], p64[D + 1];
  int64_t nnz = 0, cnnz = 0;
  double objective[2];
  assay_runtime* r = start(2);
  REQUIRE(r);
  fill(x);
  p32[0] = 1;
  for (int i = 0; i < N; i++) {
    for (int j = 0; j < D; j++)
      if (x[i * D + j] != 0) {
        values[nnz] = x[i * D + j];
        i32[nnz++] = j + 1; /* base 1 */
      }
    p32[i + 1] = (int32_t)nnz + 1;
  }
  p64[0] = 0;
  for (int j = 0; j < D; j++) {
    for (int i = 0; i < N; i++)
      if (x[i * D + j] != 0) {
        cvalues[cnnz] = x[i * D + j];
        i64[cnnz++] = i;
      }
    p64[j + 1] = cnnz;
  }
  REQUIRE(nnz == cnnz);
  const assay_sparse csr = {values,    i32, p32,       ASSAY_F64,
                            ASSAY_I32, 1,   ASSAY_CSR, ASSAY_SORTED | ASSAY_UNIQUE,
                            0,         N,   D,         nnz};
  const assay_sparse csc = {cvalues,   i64, p64,       ASSAY_F64,
                            ASSAY_I64, 0,   ASSAY_CSC, ASSAY_SORTED | ASSAY_UNIQUE,
                            0,         N,   D,         nnz};
  const assay_sparse* views[] = {&csr, &csc};
  for (int s = 0; s < 2; s++) {
    assay_data* data = NULL;
    assay_model* model = NULL;
    assay_error* e = NULL;
    assay_certificate c = {0};
    int64_t rows = 0, cols = 0;
    REQUIRE(assay_data_from_sparse(views[s], s ? ASSAY_DATA_COPY : 0, NULL, NULL, &data, &e) ==
            ASSAY_OK);
    REQUIRE(assay_data_shape(data, &rows, &cols) == ASSAY_OK && rows == N && cols == D);
    REQUIRE(assay_fit(r, kSpec, data, NULL, &model, &e) == ASSAY_STOPPED);
    c.struct_size = sizeof c;
    REQUIRE(assay_model_certificate(model, &c) == ASSAY_OK);
    objective[s] = c.objective;
    assay_model_destroy(&model);
    assay_data_destroy(&data);
  }
  REQUIRE(objective[0] == objective[1]);
  assay_runtime_destroy(&r);
  return NULL;
}

static const char* errors_are_objects_and_outputs_untouched(void) {
  double x[N * D];
  assay_data *data = NULL, *kept = (assay_data*)x;
  assay_model* model = NULL;
  assay_error* e = NULL;
  assay_runtime* r = start(1);
  REQUIRE(r);
  fill(x);
  assay_dense v = dense_view(x, ASSAY_F64, 0, D, D, 1);
  REQUIRE(assay_data_from_dense(&v, 0, NULL, NULL, &kept, &e) == ASSAY_E_EMPTY);
  REQUIRE(kept == (assay_data*)x && e != NULL && assay_error_status(e) == ASSAY_E_EMPTY);
  assay_error_destroy(&e);
  v = dense_view(x, ASSAY_F64, N, D, -D, 1);
  REQUIRE(assay_data_from_dense(&v, 0, NULL, NULL, &kept, NULL) == ASSAY_E_ARGUMENT);
  REQUIRE(assay_data_from_dense(NULL, 0, NULL, NULL, &kept, NULL) == ASSAY_E_ARGUMENT);
  v = dense_view(x, ASSAY_F64, N, D, D, 1);
  REQUIRE(assay_data_from_dense(&v, 0, NULL, NULL, &data, &e) == ASSAY_OK && e == NULL);
  REQUIRE(assay_fit(r, "assay: 1\nname: c\nmodel: { rank: 3, rnk: 3 }\nsolver: mu\n", data, NULL,
                    &model, &e) == ASSAY_E_SPEC);
  REQUIRE(model == NULL && strncmp(assay_error_code(e), "E01", 3) == 0);
  REQUIRE(strstr(assay_error_text(e), "rnk") != NULL &&
          strstr(assay_error_text(e), "error[E01") == assay_error_text(e));
  assay_error_destroy(&e);
  REQUIRE(assay_fit(r,
                    "assay: 1\nname: c\nmodel: { rank: 99, W: { constraint: nonneg }, H: { "
                    "constraint: nonneg } }\ninit: nndsvd\nsolver: mu\n",
                    data, NULL, &model, &e) == ASSAY_E_SHAPE);
  REQUIRE(strcmp(assay_error_code(e), "E0311") == 0 &&
          strcmp(assay_error_key(e), "model.rank") == 0);
  assay_error_destroy(&e);
  x[5] = NAN;
  assay_data_destroy(&data);
  REQUIRE(assay_data_from_dense(&v, 0, NULL, NULL, &data, NULL) == ASSAY_OK);
  REQUIRE(assay_fit(r, kSpec, data, NULL, &model, &e) == ASSAY_E_NON_FINITE);
  assay_error_destroy(&e);
  REQUIRE(assay_fit(NULL, kSpec, data, NULL, &model, &e) == ASSAY_E_ARGUMENT && e != NULL);
  REQUIRE(strcmp(assay_error_code(e), "E0904") == 0);
  assay_error_destroy(&e);
  REQUIRE(assay_error_status(NULL) == ASSAY_OK && assay_error_text(NULL)[0] == 0);
  REQUIRE(assay_model_load("/no/such/file.npz", &model, &e) < 0 && e != NULL);
  assay_error_destroy(&e);
  assay_data_destroy(&data);
  assay_runtime_destroy(&r);
  return NULL;
}

static assay_cancel* flag;
static void on_signal(int number) {
  (void)number;
  assay_cancel_set(flag);
}
static void count_rows(void* user, const assay_trace_row* row) {
  int* rows = user;
  if (row->iteration == 10) raise(SIGUSR1);
  ++*rows;
}

static const char* a_signal_handler_cancels(void) {
  double x[N * D];
  int rows = 0;
  assay_data* data = NULL;
  assay_model* model = NULL;
  const double *iterations = NULL, *metric = NULL;
  int64_t n = 0;
  assay_runtime* r = start(2);
  REQUIRE(r && assay_cancel_create(&flag) == ASSAY_OK);
  signal(SIGUSR1, on_signal);
  fill(x);
  const assay_dense v = dense_view(x, ASSAY_F64, N, D, D, 1);
  REQUIRE(assay_data_from_dense(&v, 0, NULL, NULL, &data, NULL) == ASSAY_OK);
  const assay_fit_options options = {sizeof options, 0, flag, count_rows, &rows, NULL};
  REQUIRE(assay_fit(r, kSpec, data, &options, &model, NULL) == ASSAY_STOPPED);
  REQUIRE(strcmp(assay_model_stop(model), "interrupted") == 0);
  REQUIRE(assay_model_trace(model, "iteration", &iterations, &n) == ASSAY_OK);
  REQUIRE(n == rows && n == 4 && iterations[2] == 10 && iterations[3] == 11);
  REQUIRE(assay_model_trace(model, "rel_error", &metric, &n) == ASSAY_OK && metric[3] < metric[0]);
  REQUIRE(assay_model_trace(model, "none", &metric, &n) == ASSAY_E_NOT_FOUND);
  REQUIRE(strcmp(assay_model_trace_column(model, 7), "rel_error") == 0 &&
          assay_model_trace_column(model, 8) == NULL);
  signal(SIGUSR1, SIG_DFL);
  assay_model_destroy(&model);
  assay_cancel_destroy(&flag);
  REQUIRE(flag == NULL);
  assay_data_destroy(&data);
  assay_runtime_destroy(&r);
  return NULL;
}

static const char* models_are_saved_loaded_and_used(void) {
  double x[N * D], rows[N * K];
  char path[] = "/tmp/assay-capi-XXXXXX.npz";
  assay_data* data = NULL;
  assay_model *model = NULL, *loaded = NULL;
  assay_error* e = NULL;
  assay_dense a, b;
  assay_certificate c = {0}, c2 = {0};
  assay_runtime* r = start(2);
  REQUIRE(r);
  fill(x);
  const assay_dense v = dense_view(x, ASSAY_F64, N, D, D, 1);
  REQUIRE(assay_data_from_dense(&v, 0, NULL, NULL, &data, NULL) == ASSAY_OK);
  REQUIRE(assay_fit(r, kSpec, data, NULL, &model, &e) == ASSAY_STOPPED);
  REQUIRE(mkstemps(path, 4) >= 0);
  REQUIRE(assay_model_save(model, path, &e) == ASSAY_OK);
  REQUIRE(assay_model_load(path, &loaded, &e) == ASSAY_OK);
  remove(path);
  REQUIRE(assay_model_n_arrays(loaded) == 2 && strcmp(assay_model_array_name(loaded, 1), "H") == 0);
  REQUIRE(strcmp(assay_model_json(model), assay_model_json(loaded)) == 0);
  REQUIRE(strcmp(assay_model_stop(loaded), "max_iter") == 0);
  REQUIRE(assay_model_array(model, "H", &a) == ASSAY_OK &&
          assay_model_array(loaded, "H", &b) == ASSAY_OK);
  REQUIRE(a.rows == K && a.cols == D && b.rows == K && (a.flags & ASSAY_READ_ONLY));
  REQUIRE(memcmp(a.data, b.data, sizeof(double) * K * D) == 0);
  c.struct_size = c2.struct_size = sizeof c;
  REQUIRE(assay_model_certificate(model, &c) == ASSAY_OK &&
          assay_model_certificate(loaded, &c2) == ASSAY_OK);
  REQUIRE(c.objective == c2.objective && c.kkt == c2.kkt);
  const assay_dense out = dense_view(rows, ASSAY_F64, N, K, 1, N); /* column-major */
  REQUIRE(assay_model_transform(r, loaded, data, NULL, &out, &e) >= 0);
  double sum = 0; /* W of the training rows explains them about as well as the fit did */
  for (int i = 0; i < N; i++)
    for (int j = 0; j < D; j++) {
      double m = 0;
      for (int k = 0; k < K; k++) m += rows[k * N + i] * ((const double*)b.data)[k * D + j];
      sum += 0.5 * (x[i * D + j] - m) * (x[i * D + j] - m);
    }
  REQUIRE(sum < 1.2 * c.loss + 1e-9);
  const assay_dense small = dense_view(rows, ASSAY_F64, N, K - 1, K, 1);
  REQUIRE(assay_model_transform(r, loaded, data, NULL, &small, &e) == ASSAY_E_SHAPE);
  assay_error_destroy(&e);
  /* Going on over the same rows: the given model stays, the new one is no worse. */
  assay_model* more = NULL;
  REQUIRE(assay_model_partial_fit(r, loaded, data, 5, NULL, &more, &e) >= 0);
  REQUIRE(assay_model_certificate(more, &c2) == ASSAY_OK && c2.iterations == 5);
  REQUIRE(c2.loss < 1.2 * c.loss + 1e-9);
  REQUIRE(assay_model_array(more, "W", &b) == ASSAY_OK && b.rows == N && b.cols == K);
  assay_model_destroy(&more);
  const assay_fit_options warm = {sizeof warm, 0, NULL, NULL, NULL, loaded};
  REQUIRE(assay_fit(r, kSpec, data, &warm, &more, &e) >= 0);
  REQUIRE(assay_model_certificate(more, &c2) == ASSAY_OK && c2.loss < c.loss);
  assay_model_destroy(&more);
  REQUIRE(assay_model_partial_fit(r, loaded, data, -1, NULL, &more, &e) == ASSAY_E_ARGUMENT);
  assay_error_destroy(&e);
  assay_model_destroy(&model);
  assay_model_destroy(&loaded);
  assay_data_destroy(&data);
  assay_runtime_destroy(&r);
  return NULL;
}

/* Squared loss of the application's own, in process. */
static int32_t describe(void* self, assay_loss_facts* out) {
  (void)self;
  out->x_lo = out->m_lo = 0;
  out->x_hi = out->m_hi = INFINITY;
  out->den_is = NAN;
  out->mu_exponent = 1;
  out->curvature_bound = 1;
  return 0;
}
static int32_t value(void* self,
                     assay_ctx* ctx,
                     int64_t n,
                     const double* x,
                     const double* m,
                     double* out) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) out[i] = 0.5 * (x[i] - m[i]) * (x[i] - m[i]);
  return 0;
}
static int32_t grad(void* self,
                    assay_ctx* ctx,
                    int64_t n,
                    const double* x,
                    const double* m,
                    double* out) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) out[i] = m[i] - x[i];
  return 0;
}
static int32_t split(void* self,
                     assay_ctx* ctx,
                     int64_t n,
                     const double* x,
                     const double* m,
                     double* num,
                     double* den) {
  (void)self, (void)ctx;
  for (int64_t i = 0; i < n; i++) {
    num[i] = x[i];
    den[i] = m[i];
  }
  return 0;
}

static const char* an_own_plugin_serves_specs(void) {
  static assay_loss table;
  static assay_plugin plugin;
  double x[N * D], objective[2];
  assay_data* data = NULL;
  assay_error* e = NULL;
  assay_runtime* r = start(2);
  REQUIRE(r);
  table.struct_size = sizeof table;
  table.describe = describe;
  table.value = value;
  table.grad = grad;
  table.mu_split = split;
  plugin.struct_size = sizeof plugin;
  plugin.kind = "assay.loss/1";
  plugin.id = "test.own";
  plugin.summary = "squared, again";
  plugin.vtable = &table;
  REQUIRE(assay_register(r, &plugin, &e) == ASSAY_OK);
  REQUIRE(assay_register(r, &plugin, &e) < 0 && e != NULL);
  assay_error_destroy(&e);
  fill(x);
  const assay_dense v = dense_view(x, ASSAY_F64, N, D, D, 1);
  REQUIRE(assay_data_from_dense(&v, 0, NULL, NULL, &data, NULL) == ASSAY_OK);
  for (int own = 0; own < 2; own++) {
    char spec[400];
    assay_model* model = NULL;
    assay_certificate c = {0};
    snprintf(spec, sizeof spec,
             "assay: 1\nname: c\nmodel: { rank: 3, loss: %s, W: { constraint: nonneg }, H: { "
             "constraint: nonneg } }\n"
             "solver: mu\nstop: { max_iter: 25, rel_tol: 0 }\n",
             own ? "test.own" : "squared");
    const int32_t status = assay_fit(r, spec, data, NULL, &model, &e);
    if (status < 0) snprintf(wrong, sizeof wrong, "%s", assay_error_text(e));
    if (status < 0) return wrong;
    c.struct_size = sizeof c;
    REQUIRE(assay_model_certificate(model, &c) == ASSAY_OK);
    objective[own] = c.objective;
    assay_model_destroy(&model);
  }
  REQUIRE(fabs(objective[0] - objective[1]) <= 1e-9 * objective[0]);
  assay_data_destroy(&data);
  assay_runtime_destroy(&r);
  return NULL;
}

static void count_release(void* owner) { ++*(int*)owner; }

static const char* borrowed_memory_is_released_once(void) {
  double x[N * D];
  int released = 0;
  assay_data* data = NULL;
  fill(x);
  const assay_dense v = dense_view(x, ASSAY_F64, N, D, D, 1);
  REQUIRE(assay_data_from_dense(&v, 0, count_release, &released, &data, NULL) == ASSAY_OK &&
          released == 0);
  assay_data_destroy(&data);
  REQUIRE(released == 1 && data == NULL);
  REQUIRE(assay_data_from_dense(&v, ASSAY_DATA_COPY, count_release, &released, &data, NULL) ==
              ASSAY_OK &&
          released == 2);
  assay_data_destroy(&data);
  REQUIRE(released == 2);
  const assay_dense bad = dense_view(x, 99, N, D, D, 1);
  REQUIRE(assay_data_from_dense(&bad, 0, count_release, &released, &data, NULL) < 0 &&
          released == 2);
  return NULL;
}

const capi_case capi_cases[] = {
    {"versions", versions},
    {"nothing is loaded before it is allowed", nothing_is_loaded_before_it_is_allowed},
    {"layouts give the same bits", layouts_give_the_same_bits},
    {"sparse layouts agree", sparse_layouts_agree},
    {"errors are objects and outputs untouched", errors_are_objects_and_outputs_untouched},
    {"a signal handler cancels", a_signal_handler_cancels},
    {"models are saved, loaded and used", models_are_saved_loaded_and_used},
    {"an own plugin serves specs", an_own_plugin_serves_specs},
    {"borrowed memory is released once", borrowed_memory_is_released_once},
    {0, 0}};
