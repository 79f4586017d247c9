// SPDX-License-Identifier: Apache-2.0
// A solver that asks for several starts needs an init whose starts differ.
#pragma once

#include "core/experiment/trial.hpp"

namespace assay::experiment {

Expected<void> check_starts(const fit::Task& task,
                            const spec::Trial& trial,
                            graph::Model& model,
                            const Runtime& runtime);

}  // namespace assay::experiment
