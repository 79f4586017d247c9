// SPDX-License-Identifier: Apache-2.0
// assay_fit, assay_model_transform and assay_model_partial_fit: a spec's text and data in memory to
// a model, and a model to new rows.
#include <cmath>
#include <cstring>

#include "core/api/handles.hpp"
#include "core/experiment/going_on.hpp"
#include "core/experiment/new_rows.hpp"
#include "core/experiment/session.hpp"
#include "core/experiment/trial.hpp"
#include "core/spec/parse.hpp"

using assay::Error;
using assay::Expected;
using assay::api::bad_argument;
using assay::api::walled;
namespace experiment = assay::experiment;
namespace fit = assay::fit;
namespace spec = assay::spec;

namespace {

// The first error; the others are counted, since a caller sees one object.
Error error_of(const spec::ParseResult& parsed) {
  Error error(ASSAY_E_SPEC, "E0100", "the spec says nothing that can be run");
  int64_t others = -1;
  for (const spec::Diagnostic& d : parsed.diagnostics) {
    if (d.severity != spec::Severity::kError) continue;
    if (++others > 0) continue;
    const bool combination = d.code.rfind("E02", 0) == 0;
    error = Error(combination ? ASSAY_E_COMBINATION : ASSAY_E_SPEC, d.code, d.message);
    error.key = d.path;
    error.expected = d.expected;
    error.found = d.found;
    error.help = d.help;
    error.note = d.note;
  }
  if (others > 0) error.note.push_back("and " + std::to_string(others) + " more in this spec");
  return error;
}

Expected<spec::Experiment> parse(const char* text,
                                 bool from_memory,
                                 const experiment::Runtime& runtime) {
  spec::Overrides overrides;
  overrides.from_memory = from_memory;
  auto parsed = spec::parse("spec", text, overrides, *runtime.registry);
  if (!parsed.ok()) return error_of(parsed);
  const size_t trials = parsed.experiment->trials.size();
  if (trials != 1) {
    return Error(ASSAY_E_SPEC, "E0118",
                 "the spec makes " + std::to_string(trials) + " trials, and this call fits one")
        .at("matrix")
        .with_help("leave out `matrix`, `cases` and `repeats`, or use `assay run`");
  }
  return std::move(*parsed.experiment);
}

assay_trace_row c_row(const fit::TraceRow& r) {
  return {sizeof(assay_trace_row),
          0,
          r.iteration,
          r.seconds,
          r.objective,
          r.loss,
          r.penalty,
          r.kkt,
          r.rel_change};
}

void fill(assay_model& m, const fit::Result& result) {
  m.stop = result.stop;
  const fit::TraceRow& last = result.trace.rows.back();
  m.certificate = {sizeof(assay_certificate),
                   0,
                   last.objective,
                   last.loss,
                   last.penalty,
                   last.kkt,
                   result.iterations,
                   result.seconds};
  m.trace_names = {"iteration", "seconds", "objective", "loss", "penalty", "kkt", "rel_change"};
  m.trace_names.insert(m.trace_names.end(), result.trace.columns.begin(),
                       result.trace.columns.end());
  m.trace.resize(m.trace_names.size());
  for (const fit::TraceRow& r : result.trace.rows) {
    const double fixed[] = {static_cast<double>(r.iteration),
                            r.seconds,
                            r.objective,
                            r.loss,
                            r.penalty,
                            r.kkt,
                            r.rel_change};
    size_t column = 0;
    for (double v : fixed) m.trace[column++].push_back(v);
    for (double v : r.metrics) m.trace[column++].push_back(v);
  }
}

int32_t status_of(fit::Stop stop) {
  return stop == fit::Stop::kConverged || stop == fit::Stop::kTarget ? ASSAY_CONVERGED
                                                                     : ASSAY_STOPPED;
}

assay_fit_options complete(const assay_fit_options* given) {
  assay_fit_options options{};
  if (given) std::memcpy(&options, given, std::min<size_t>(given->struct_size, sizeof options));
  return options;
}

Expected<int32_t> fit_one(experiment::Runtime runtime,
                          const char* text,
                          const assay_data* data,
                          const assay_fit_options& options,
                          assay_model** out) {
  auto parsed = parse(text, data != nullptr, runtime);
  if (!parsed) return std::move(parsed.error());
  const spec::Trial& trial = parsed->trials[0];
  if (options.cancel) runtime.cancel = &options.cancel->flag;
  experiment::Session session(runtime);
  if (data) session.give(data->x);
  auto prepared = session.prepare(trial);
  if (!prepared) return std::move(prepared.error());
  auto model = experiment::make_model(trial, **prepared, runtime);
  if (!model) return std::move(model.error());
  ASSAY_TRY(experiment::check_methods(trial, **prepared, **model, runtime));
  auto task = experiment::make_task(trial, **prepared, **model, runtime);
  if (!task) return std::move(task.error());
  if (options.start) ASSAY_TRY(experiment::start_from(options.start->saved, *task));
  if (options.row) {
    task->on_row = [&options](const fit::Trace&, const fit::TraceRow& row) {
      const assay_trace_row r = c_row(row);
      options.row(options.row_user, &r);
    };
  }
  auto result = fit::fit(*task);
  if (!result) return std::move(result.error());
  auto made = assay::api::wrap(
      experiment::save(trial, "", **model, **prepared, *result, *runtime.registry));
  fill(*made, *result);
  *out = made.release();
  return status_of(result->stop);
}

// The caller's rows in the columns and the meaning the model was fitted to.
Expected<std::shared_ptr<const assay::data::Data>> rows_for(const experiment::Runtime& runtime,
                                                            const assay_model& model,
                                                            const assay_data& data) {
  auto trial = experiment::trial_of(model.saved, *runtime.registry);
  if (!trial) return std::move(trial.error());
  experiment::Session session(runtime);
  session.give(data.x);
  return experiment::load_rows(model.saved, *trial, session);
}

Expected<int32_t> transform(experiment::Runtime runtime,
                            const assay_model& model,
                            const assay_data& data,
                            const assay_cancel* cancel,
                            const assay_dense& out) {
  if (!out.data || (out.dtype != ASSAY_F64 && out.dtype != ASSAY_F32)) {
    return bad_argument("`out` must be memory of float64 or float32");
  }
  const assay::kernels::Member *S = model.saved.find("S"), *H = model.saved.find("H");
  const int64_t k = S ? S->rows : H->rows;
  if (out.rows != data.x->rows || out.cols != k) {
    return Error(ASSAY_E_SHAPE, "E0307",
                 "`out` must have the rows of the data and " + std::to_string(k) + " columns");
  }
  if (cancel) runtime.cancel = &cancel->flag;
  auto x = rows_for(runtime, model, data);
  if (!x) return std::move(x.error());
  auto rows = experiment::transform_rows(model.saved, *x, runtime);
  if (!rows) return std::move(rows.error());
  const assay::graph::Buffer W = experiment::storage_view(rows->W, 0);
  for (int64_t i = 0; i < out.rows; ++i) {
    for (int64_t a = 0; a < k; ++a) {
      const int64_t at = i * out.row_stride + a * out.col_stride;
      if (out.dtype == ASSAY_F64) {
        static_cast<double*>(out.data)[at] = W.get(i, a);
      } else {
        static_cast<float*>(out.data)[at] = static_cast<float>(W.get(i, a));
      }
    }
  }
  return status_of(rows->fitted.stop);
}

Expected<int32_t> partial_fit(experiment::Runtime runtime,
                              const assay_model& model,
                              const assay_data& data,
                              int64_t steps,
                              const assay_cancel* cancel,
                              assay_model** out) {
  if (steps < 0) return bad_argument("`steps` must be 0 or more");
  if (cancel) runtime.cancel = &cancel->flag;
  auto x = rows_for(runtime, model, data);
  if (!x) return std::move(x.error());
  auto done = experiment::partial_fit(model.saved, *x, steps, runtime);
  if (!done) return std::move(done.error());
  auto made = assay::api::wrap(std::move(done->model));
  fill(*made, done->fitted);
  *out = made.release();
  return status_of(done->fitted.stop);
}

}  // namespace

extern "C" {

int32_t assay_fit(assay_runtime* runtime,
                  const char* spec_text,
                  const assay_data* data,
                  const assay_fit_options* options,
                  assay_model** out,
                  assay_error** error) {
  return walled(error, [&]() -> Expected<int32_t> {
    if (!runtime || !spec_text || !out) return bad_argument("`runtime`, `spec` or `out` is NULL");
    return fit_one(runtime->runtime, spec_text, data, complete(options), out);
  });
}

int32_t assay_model_partial_fit(assay_runtime* runtime,
                                const assay_model* model,
                                const assay_data* data,
                                int64_t steps,
                                const assay_cancel* cancel,
                                assay_model** out,
                                assay_error** error) {
  return walled(error, [&]() -> Expected<int32_t> {
    if (!runtime || !model || !data || !out) return bad_argument("an argument is NULL");
    return partial_fit(runtime->runtime, *model, *data, steps, cancel, out);
  });
}

int32_t assay_model_transform(assay_runtime* runtime,
                              const assay_model* model,
                              const assay_data* data,
                              const assay_cancel* cancel,
                              const assay_dense* out,
                              assay_error** error) {
  return walled(error, [&]() -> Expected<int32_t> {
    if (!runtime || !model || !data || !out) return bad_argument("an argument is NULL");
    return transform(runtime->runtime, *model, *data, cancel, *out);
  });
}

}  // extern "C"
