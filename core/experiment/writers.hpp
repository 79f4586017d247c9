// SPDX-License-Identifier: Apache-2.0
// Runs a trial's writers on its saved model.
#pragma once

#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/experiment/model_file.hpp"
#include "core/experiment/runtime.hpp"
#include "core/spec/experiment.hpp"

namespace assay::experiment {

// Files go to `folder`/pictures; returns their names below `folder`.
Expected<std::vector<std::string>> run_writers(const spec::Trial& trial,
                                               const SavedModel& model,
                                               const std::string& folder,
                                               const Runtime& runtime);

}  // namespace assay::experiment
