// SPDX-License-Identifier: Apache-2.0
// Labels of new rows, from their W.
#include "core/experiment/predict.hpp"

#include "core/experiment/new_rows.hpp"
#include "core/experiment/open_model.hpp"

namespace assay::experiment {

Expected<Predicted> predict(const std::string& model_path,
                            const std::string& data_path,
                            std::shared_ptr<plugin::Registry> registry,
                            const ApplyOptions& options) {
  auto opened = open_model(model_path, data_path, std::move(registry), options);
  if (!opened) return std::move(opened.error());
  const auto given = opened->rows->names;
  auto rows = transform_rows(opened->saved, opened->rows, opened->runtime);
  if (!rows) return std::move(rows.error());
  const graph::Buffer W = storage_view(rows->W, 0);
  Predicted out;
  for (int64_t i = 0; i < W.rows; ++i) {
    int64_t best = 0;
    for (int64_t a = 1; a < W.width; ++a)
      if (W.get(i, a) > W.get(i, best)) best = a;
    out.labels.push_back(best);
    out.weights.push_back(W.get(i, best));
  }
  for (auto& [name, buffer] : rows->fitted.rows)
    if (buffer.width == 1) out.beside.emplace_back(name, std::move(buffer));
  if (given) out.names = given->rows;
  return out;
}

}  // namespace assay::experiment
