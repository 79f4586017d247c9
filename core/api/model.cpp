// SPDX-License-Identifier: Apache-2.0
// Models of assay.h: named arrays, trace, certificate, files.
#include <algorithm>
#include <cstring>

#include "core/api/handles.hpp"

using assay::Error;
using assay::Expected;
using assay::api::bad_argument;
using assay::api::walled;
namespace experiment = assay::experiment;
namespace fit = assay::fit;

namespace assay::api {

std::unique_ptr<assay_model> wrap(experiment::SavedModel saved) {
  auto model = std::make_unique<assay_model>();
  model->saved = std::move(saved);
  model->json = model->saved.about.dump(1) + "\n";
  const experiment::Json result = model->saved.about.value("result", experiment::Json::object());
  const auto number = [&](const char* key) {
    return experiment::number_from_json(result.value(key, experiment::Json()));
  };
  model->stop = fit::stop_from_name(result.value("stop", ""));
  model->certificate = {sizeof(assay_certificate),
                        0,
                        number("objective"),
                        number("loss"),
                        number("objective") - number("loss"),
                        number("kkt"),
                        result.value("iterations", int64_t{0}),
                        0};
  return model;
}

}  // namespace assay::api

extern "C" {

const char* assay_model_stop(const assay_model* model) {
  return fit::stop_name(model ? model->stop : fit::Stop::kNone);
}

int32_t assay_model_certificate(const assay_model* model, assay_certificate* out) {
  if (!model || !out || out->struct_size < 8) return ASSAY_E_ARGUMENT;
  const uint32_t size = std::min<uint32_t>(out->struct_size, sizeof *out);
  assay_certificate c = model->certificate;
  c.struct_size = out->struct_size;
  std::memcpy(out, &c, size);
  return ASSAY_OK;
}

int64_t assay_model_n_arrays(const assay_model* model) {
  return model ? static_cast<int64_t>(model->saved.arrays.size()) : 0;
}

const char* assay_model_array_name(const assay_model* model, int64_t index) {
  if (!model || index < 0 || index >= assay_model_n_arrays(model)) return nullptr;
  return model->saved.arrays[static_cast<size_t>(index)].name.c_str();
}

int32_t assay_model_array(const assay_model* model, const char* name, assay_dense* out) {
  if (!model || !name || !out) return ASSAY_E_ARGUMENT;
  for (const auto& m : model->saved.arrays) {
    if (m.name != name) continue;
    const int64_t cols = m.vector ? 1 : m.cols;
    *out = {const_cast<unsigned char*>(m.bytes.data()),
            m.dtype,
            ASSAY_READ_ONLY | ASSAY_CONTIGUOUS,
            m.rows,
            cols,
            cols,
            1,
            0,
            0};
    return ASSAY_OK;
  }
  return ASSAY_E_NOT_FOUND;
}

const char* assay_model_trace_column(const assay_model* model, int64_t index) {
  if (!model || index < 0 || index >= static_cast<int64_t>(model->trace_names.size()))
    return nullptr;
  return model->trace_names[static_cast<size_t>(index)].c_str();
}

int32_t assay_model_trace(const assay_model* model,
                          const char* column,
                          const double** values,
                          int64_t* n) {
  if (!model || !column || !values || !n) return ASSAY_E_ARGUMENT;
  for (size_t i = 0; i < model->trace_names.size(); ++i) {
    if (model->trace_names[i] != column) continue;
    *values = model->trace[i].data();
    *n = static_cast<int64_t>(model->trace[i].size());
    return ASSAY_OK;
  }
  return ASSAY_E_NOT_FOUND;
}

const char* assay_model_json(const assay_model* model) { return model ? model->json.c_str() : ""; }

int32_t assay_model_save(const assay_model* model, const char* path, assay_error** error) {
  return walled(error, [&]() -> Expected<int32_t> {
    if (!model || !path) return bad_argument("`model` or `path` is NULL");
    auto written = experiment::write_model(path, model->saved);
    if (!written) return std::move(written.error());
    return ASSAY_OK;
  });
}

int32_t assay_model_load(const char* path, assay_model** out, assay_error** error) {
  return walled(error, [&]() -> Expected<int32_t> {
    if (!path || !out) return bad_argument("`path` or `out` is NULL");
    auto saved = experiment::read_model(path);
    if (!saved) return std::move(saved.error());
    *out = assay::api::wrap(std::move(*saved)).release();
    return ASSAY_OK;
  });
}

void assay_model_destroy(assay_model** model) {
  if (!model) return;
  delete *model;
  *model = nullptr;
}

}  // extern "C"
