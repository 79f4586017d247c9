// SPDX-License-Identifier: Apache-2.0
// The cluster of each new row: the component that W of the row is largest in.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/expected.hpp"
#include "core/experiment/apply.hpp"
#include "core/graph/model.hpp"

namespace assay::experiment {

struct Predicted {
  std::vector<int64_t> labels;  // from 0; of equal entries the first
  std::vector<double> weights;  // W of that component: a responsibility, or 1
  // What the solver says of each row beside W, n x 1 each: log_density.
  std::vector<std::pair<std::string, graph::Buffer>> beside;
  std::vector<std::string> names;  // of the rows, if they have any
};

// New rows under a saved model, W as `assay transform` makes it.
Expected<Predicted> predict(const std::string& model_path,
                            const std::string& data_path,
                            std::shared_ptr<plugin::Registry> registry,
                            const ApplyOptions& options);

}  // namespace assay::experiment
