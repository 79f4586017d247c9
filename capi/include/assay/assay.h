/* SPDX-License-Identifier: Apache-2.0 */
/* What an application calls: fits from a spec's text over data in memory, models as named arrays, everything behind opaque
   handles. Functions are added, never changed; the library's SOVERSION is the ABI's major.

   Habits of every function:
   - the result is a status of types.h: 0 or positive is success; outputs are written last and are untouched on an error;
   - `error` may be NULL; otherwise a failing call leaves a new object there (free it with assay_error_destroy), and a
     succeeding call leaves NULL;
   - a handle is freed by its destroy function, which takes the handle's address and sets it to NULL; NULL and the address
     of NULL are nothing;
   - text is UTF-8, zero-terminated, borrowed from the object asked, and lives as long as it unless said otherwise;
   - no exception, signal handler, output or change of locale comes out of this library. */
#ifndef ASSAY_ASSAY_H
#define ASSAY_ASSAY_H

#include "types.h"

#if defined(__GNUC__)
#define ASSAY_API __attribute__((visibility("default")))
#else
#define ASSAY_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct assay_plugin; /* plugin.h */

typedef struct assay_runtime assay_runtime; /* threads, plugins, log */
typedef struct assay_data assay_data;       /* X and what its entries mean */
typedef struct assay_model assay_model;     /* a fitted or loaded model */
typedef struct assay_cancel assay_cancel;   /* a flag that stops a fit */
typedef struct assay_error assay_error;     /* why a call failed */

/* ---- Version ---- */

/* Tells the library's version.
   Returns "major.minor.patch"; static. [any-thread] Since 0.1. */
ASSAY_API const char *assay_version(void);

/* Tells the ABI the library was built with, to be compared with the header's.
   Returns ASSAY_ABI_MAJOR * 1000 + ASSAY_ABI_MINOR. [any-thread] Since 0.1. */
ASSAY_API int32_t assay_abi_version(void);

/* ---- Errors ---- */

/* Tells an error's status.
   error: nullable. Returns the negative status the failed call returned; ASSAY_OK for NULL. [any-thread] Since 0.1. */
ASSAY_API int32_t assay_error_status(const assay_error *error);

/* Tells the code users look up with `assay explain`.
   error: nullable. Returns "E0310" or similar; "" when there is none. [any-thread] Since 0.1. */
ASSAY_API const char *assay_error_code(const assay_error *error);

/* Tells what is wrong in one line, lower case, without a final period.
   error: nullable. Returns the text; "" for NULL. [any-thread] Since 0.1. */
ASSAY_API const char *assay_error_message(const assay_error *error);

/* Tells which key of the spec the error is about.
   error: nullable. Returns a dotted path such as "model.rank"; "" when it is about none. [any-thread] Since 0.1. */
ASSAY_API const char *assay_error_key(const assay_error *error);

/* Tells everything known: message, place, what was expected and found, how to mend it; several lines.
   error: nullable. Returns the text; "" for NULL. [any-thread] Since 0.1. */
ASSAY_API const char *assay_error_text(const assay_error *error);

/* Frees an error.
   error: in/out, nullable. [any-thread] Since 0.1. */
ASSAY_API void assay_error_destroy(assay_error **error);

/* ---- Cancelling ---- */

/* Makes a flag that is not set.
   out: receives the flag, owned by the caller.
   Returns ASSAY_OK, ASSAY_E_ARGUMENT, ASSAY_E_MEMORY. [any-thread] Since 0.1. */
ASSAY_API int32_t assay_cancel_create(assay_cancel **out);

/* Asks the fits that were given the flag to stop; they end after the step they are in.
   cancel: nullable. Safe in a signal handler. [any-thread] Since 0.1. */
ASSAY_API void assay_cancel_set(assay_cancel *cancel);

/* Takes the request back, so that the flag can serve the next fit.
   cancel: nullable. [any-thread] Since 0.1. */
ASSAY_API void assay_cancel_reset(assay_cancel *cancel);

/* Frees a flag that no running call uses.
   cancel: in/out, nullable. [setup] Since 0.1. */
ASSAY_API void assay_cancel_destroy(assay_cancel **cancel);

/* ---- Runtime ---- */

typedef struct assay_runtime_options {
  uint32_t struct_size, flags; /* sizeof(assay_runtime_options), 0 */
  int32_t threads;             /* 0: the cores this process may use */
  int32_t reserved;            /* 0 */
  const char *isa; /* "baseline", "avx2", "avx512"; NULL or "auto": ASSAY_ISA or the best */
  /* Receives a line of the log, level ASSAY_LOG_... of plugin.h, on any thread; NULL: none. */
  void (*log)(void *log_user, int32_t level, const char *text);
  void *log_user;
} assay_runtime_options;

/* Starts a runtime with no plugins: loading is off until a folder is allowed.
   options: nullable (all defaults). out: receives the runtime, owned by the caller. error: out, nullable.
   Returns ASSAY_OK, ASSAY_E_ARGUMENT, ASSAY_E_RESOURCE, ASSAY_E_MEMORY. [control] Since 0.1. */
ASSAY_API int32_t assay_runtime_create(const assay_runtime_options *options, assay_runtime **out,
                                       assay_error **error);

/* Ends a runtime; models and data live on.
   runtime: in/out, nullable; no call on it may be running. [setup] Since 0.1. */
ASSAY_API void assay_runtime_destroy(assay_runtime **runtime);

/* Allows the plugins that come with the library (assay/plugins beside it) and loads them.
   runtime: in/out. error: out, nullable.
   Returns ASSAY_OK, ASSAY_E_ARGUMENT, ASSAY_E_PLUGIN. [setup] Since 0.1. */
ASSAY_API int32_t assay_runtime_allow_builtin(assay_runtime *runtime, assay_error **error);

/* Allows a folder of modules and loads them; of two plugins of one kind and id the one allowed first is used. Modules that
   cannot be loaded are left out and named in the log.
   runtime: in/out. folder: a path; refused when every user may write to it. error: out, nullable.
   Returns ASSAY_OK, ASSAY_E_ARGUMENT, ASSAY_E_NO_FILE, ASSAY_E_PLUGIN. [setup] Since 0.1. */
ASSAY_API int32_t assay_runtime_allow_folder(assay_runtime *runtime, const char *folder,
                                             assay_error **error);

/* Registers a plugin of the application's own; it serves specs like one from a module.
   runtime: in/out. plugin: borrowed, must live as long as the runtime and all models fitted with it. error: out, nullable.
   Returns ASSAY_OK, ASSAY_E_ARGUMENT, ASSAY_E_PLUGIN (not usable, or the id is taken). [setup] Since 0.1. */
ASSAY_API int32_t assay_register(assay_runtime *runtime, const struct assay_plugin *plugin,
                                 assay_error **error);

/* Tells whether a plugin is there.
   runtime, kind ("loss", "solver" ...), id: not NULL.
   Returns ASSAY_OK, ASSAY_E_NOT_FOUND, ASSAY_E_ARGUMENT. [control] Since 0.1. */
ASSAY_API int32_t assay_runtime_has_plugin(const assay_runtime *runtime, const char *kind,
                                           const char *id);

/* ---- Data ---- */

enum { ASSAY_DATA_COPY = 1 }; /* copy now; the caller's memory is not touched after the call */

/* Called once when borrowed memory is no longer needed. [any-thread] */
typedef void (*assay_release)(void *owner);

/* Makes data of a dense matrix, rows x cols, samples in rows, any positive strides, float64, float32, uint8 (kept as
   uint8), uint16 or integers. Rows that are contiguous are used where they lie; other layouts are copied.
   view: copied; its memory is borrowed unless flags has ASSAY_DATA_COPY. release, owner: nullable; called when the memory is
   free again, at once after a copy; without release the memory must outlive the data. out: receives the data, owned by the
   caller. error: out, nullable.
   Returns ASSAY_OK, ASSAY_E_ARGUMENT, ASSAY_E_EMPTY, ASSAY_E_SHAPE, ASSAY_E_MEMORY; on an error release is not called.
   [control] Since 0.1. */
ASSAY_API int32_t assay_data_from_dense(const assay_dense *view, uint32_t flags,
                                        assay_release release, void *owner, assay_data **out,
                                        assay_error **error);

/* Makes data of a CSR or CSC matrix with int32 or int64 indices, base 0 or 1. The view's flag ASSAY_UNSTORED_UNOBSERVED says
   what entries that are not stored mean; a stored zero is an observation.
   Arguments, memory and statuses as for assay_data_from_dense. [control] Since 0.1. */
ASSAY_API int32_t assay_data_from_sparse(const assay_sparse *view, uint32_t flags,
                                         assay_release release, void *owner, assay_data **out,
                                         assay_error **error);

/* Tells the shape.
   data: not NULL. rows, cols: out, nullable. Returns ASSAY_OK, ASSAY_E_ARGUMENT. [any-thread] Since 0.1. */
ASSAY_API int32_t assay_data_shape(const assay_data *data, int64_t *rows, int64_t *cols);

/* Frees data; borrowed memory is released when nothing uses it any more.
   data: in/out, nullable. [control] Since 0.1. */
ASSAY_API void assay_data_destroy(assay_data **data);

/* ---- Fitting ---- */

/* A measured row of the trace; NaN where not measured. */
typedef struct assay_trace_row {
  uint32_t struct_size, flags;
  int64_t iteration; /* 0: the start */
  double seconds;    /* inside steps so far */
  double objective, loss, penalty, kkt, rel_change;
} assay_trace_row;

typedef struct assay_fit_options {
  uint32_t struct_size, flags; /* sizeof(assay_fit_options), 0 */
  assay_cancel *cancel;        /* nullable; borrowed for the call */
  /* Called after each measured row on the calling thread; nullable. The row lives until it returns. */
  void (*row)(void *row_user, const assay_trace_row *row);
  void *row_user;
  /* Where the fit starts instead of the spec's init (warm start): a model of the same rank and of data of the same shape;
     nullable; borrowed for the call. */
  const assay_model *start;
} assay_fit_options;

/* Fits one model. Blocks until a stop test holds; foreign-language callers may release their interpreter's lock around it.
   runtime: in/out. spec: the text of an experiment (YAML, as files have it) of one trial; without `data:` when `data` is
   given (only `missing`, `compute` and `transforms` may stand there). data: nullable, borrowed for the call. options:
   nullable. out: receives the model, owned by the caller. error: out, nullable.
   Returns ASSAY_CONVERGED, ASSAY_STOPPED (a limit, stalled, diverged, cancelled, numerical trouble: see assay_model_stop; the
   model is there with its last finite factors), ASSAY_E_ARGUMENT, ASSAY_E_SPEC, ASSAY_E_COMBINATION, any status of the data
   (-3xx) or of a plugin. [control], one call per runtime at a time. Since 0.1. */
ASSAY_API int32_t assay_fit(assay_runtime *runtime, const char *spec, const assay_data *data,
                            const assay_fit_options *options, assay_model **out,
                            assay_error **error);

/* ---- Models ---- */

/* Tells why the fit ended.
   model: nullable. Returns "converged", "max_iter", "max_seconds", "target", "stalled", "diverged", "interrupted" or
   "non_finite"; "none" for NULL. [any-thread] Since 0.1. */
ASSAY_API const char *assay_model_stop(const assay_model *model);

/* The last iterate, evaluated by the host in float64 from X and the factors alone. */
typedef struct assay_certificate {
  uint32_t struct_size, flags; /* struct_size is set by the caller */
  double objective, loss, penalty;
  double kkt; /* largest over factors of |projected gradient| / (|num| + |den|) */
  int64_t iterations;
  double seconds; /* inside steps; 0 for a loaded model */
} assay_certificate;

/* Tells the certificate.
   model: not NULL. out: written up to out->struct_size. Returns ASSAY_OK, ASSAY_E_ARGUMENT. [any-thread] Since 0.1. */
ASSAY_API int32_t assay_model_certificate(const assay_model *model, assay_certificate *out);

/* Counts the named arrays.
   model: nullable. Returns their number, 0 for NULL. [any-thread] Since 0.1. */
ASSAY_API int64_t assay_model_n_arrays(const assay_model *model);

/* Names an array.
   model: nullable. index: 0 .. n - 1. Returns the name, NULL when there is none. [any-thread] Since 0.1. */
ASSAY_API const char *assay_model_array_name(const assay_model *model, int64_t index);

/* Views a named array: W n x k, H k x d, and what the model's kind adds. Read-only, float64 or float32.
   model, name: not NULL. out: the view, borrowed until the model is destroyed.
   Returns ASSAY_OK, ASSAY_E_NOT_FOUND, ASSAY_E_ARGUMENT. [any-thread] Since 0.1. */
ASSAY_API int32_t assay_model_array(const assay_model *model, const char *name, assay_dense *out);

/* Names the trace's columns: iteration, seconds, objective, loss, penalty, kkt, rel_change, then metrics.
   model: nullable. index: from 0. Returns the name, NULL past the end. [any-thread] Since 0.1. */
ASSAY_API const char *assay_model_trace_column(const assay_model *model, int64_t index);

/* Views a column of the trace; NaN where not measured. A loaded model has an empty trace.
   model, column: not NULL. values: out, borrowed until the model is destroyed. n: out, number of rows.
   Returns ASSAY_OK, ASSAY_E_NOT_FOUND, ASSAY_E_ARGUMENT. [any-thread] Since 0.1. */
ASSAY_API int32_t assay_model_trace(const assay_model *model, const char *column,
                                    const double **values, int64_t *n);

/* Tells how the model was made: the text of its model.json.
   model: nullable. Returns the text, "" for NULL. [any-thread] Since 0.1. */
ASSAY_API const char *assay_model_json(const assay_model *model);

/* Saves a model as .npz: arrays plus model.json; equal models are equal files.
   model, path: not NULL. error: out, nullable. Returns ASSAY_OK, ASSAY_E_ARGUMENT, ASSAY_E_IO. [control] Since 0.1. */
ASSAY_API int32_t assay_model_save(const assay_model *model, const char *path, assay_error **error);

/* Loads a model that assay_model_save or `assay run` wrote.
   path: not NULL. out: receives the model, owned by the caller. error: out, nullable.
   Returns ASSAY_OK, ASSAY_E_ARGUMENT, ASSAY_E_NO_FILE, ASSAY_E_FORMAT, ASSAY_E_TRUNCATED. [control] Since 0.1. */
ASSAY_API int32_t assay_model_load(const char *path, assay_model **out, assay_error **error);

/* Computes W of new rows with H frozen, by the model's own solver and stop tests.
   runtime: in/out, with the model's plugins. model: not NULL. data: as many columns as the training data, same units. cancel:
   nullable. out: the caller's memory, rows of data x k, float64 or float32, any positive strides. error: out, nullable.
   Returns ASSAY_CONVERGED, ASSAY_STOPPED, ASSAY_E_ARGUMENT, ASSAY_E_SHAPE, ASSAY_E_NOT_FOUND (a plugin is missing), any
   status of the data. [control], one call per runtime at a time. Since 0.1. */
ASSAY_API int32_t assay_model_transform(assay_runtime *runtime, const assay_model *model,
                                        const assay_data *data, const assay_cancel *cancel,
                                        const assay_dense *out, assay_error **error);

/* Goes on fitting a model over new rows, by its own solver, H free: W of the new rows starts as assay_model_transform leaves
   it, H and what the solver keeps of earlier rows start where they were. The given model stays as it is.
   runtime, model, data: as above. steps: most steps (epochs of a minibatch solver), 0: the model's own stop tests. cancel:
   nullable. out: receives the new model, W of the new rows, owned by the caller. error: out, nullable.
   Returns as assay_fit and assay_model_transform. [control], one call per runtime at a time. Since 0.1. */
ASSAY_API int32_t assay_model_partial_fit(assay_runtime *runtime, const assay_model *model,
                                          const assay_data *data, int64_t steps,
                                          const assay_cancel *cancel, assay_model **out,
                                          assay_error **error);

/* Frees a model and all views of it.
   model: in/out, nullable. [setup] Since 0.1. */
ASSAY_API void assay_model_destroy(assay_model **model);

ASSAY_STATIC_ASSERT(sizeof(assay_runtime_options) == 40, "assay_runtime_options has changed size");
ASSAY_STATIC_ASSERT(sizeof(assay_trace_row) == 64, "assay_trace_row has changed size");
ASSAY_STATIC_ASSERT(sizeof(assay_fit_options) == 40, "assay_fit_options has changed size");
ASSAY_STATIC_ASSERT(sizeof(assay_certificate) == 56, "assay_certificate has changed size");

#ifdef __cplusplus
}
#endif
#endif
