// SPDX-License-Identifier: Apache-2.0
// Rows of new data placed among the rows a model was fitted to: the most similar ones by the cosine
// of their rows of W.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/experiment/apply.hpp"

namespace assay::experiment {

struct Neighbour {
  int64_t row;  // of the training data, from 0
  double cosine;
};

struct NearestRows {
  std::vector<std::vector<Neighbour>> of;  // of each new row; empty: W is 0 there
  std::vector<std::string> queries;        // names of the new rows, empty where there are none
  std::vector<std::string> rows, labels;   // of the training data, as well
};

// W of the rows of `data_path` as transform finds it, then the `count` nearest training rows of
// each; of equal ones the first.
Expected<NearestRows> nearest_rows(const std::string& model_path,
                                   const std::string& data_path,
                                   int64_t count,
                                   std::shared_ptr<plugin::Registry> registry,
                                   const ApplyOptions& options);

}  // namespace assay::experiment
