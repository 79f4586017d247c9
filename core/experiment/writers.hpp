// SPDX-License-Identifier: Apache-2.0
// Runs a trial's writers on its saved model and the data it was fitted to.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/data/data.hpp"
#include "core/experiment/model_file.hpp"
#include "core/experiment/runtime.hpp"
#include "core/spec/experiment.hpp"

namespace assay::experiment {

// What writers may ask for beside the saved arrays.
struct Behind {
  const data::Data& x;                                         // that the model was fitted to
  std::function<Expected<std::vector<int32_t>>()> components;  // of the rows
};

// Files go to `folder`/pictures; returns their names below `folder`.
Expected<std::vector<std::string>> run_writers(const spec::Trial& trial,
                                               const SavedModel& model,
                                               const Behind& behind,
                                               const std::string& folder,
                                               const Runtime& runtime);

}  // namespace assay::experiment
