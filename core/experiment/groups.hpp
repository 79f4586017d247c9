// SPDX-License-Identifier: Apache-2.0
// Metrics of trials: numbers about all finished repeats of a cell together, such as how well their
// clusters agree. Made anew from the stored models in every run, into groups/<id> of its folder.
#pragma once

#include "core/base/expected.hpp"
#include "core/experiment/run.hpp"
#include "core/experiment/runtime.hpp"

namespace assay::experiment {

// Fills result.groups. What a plugin does wrong is in the group; an error is the store's.
Expected<void> measure_groups(const spec::Experiment& experiment,
                              const Runtime& runtime,
                              RunResult& result);

}  // namespace assay::experiment
