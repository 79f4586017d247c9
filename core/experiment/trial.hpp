// SPDX-License-Identifier: Apache-2.0
// From a trial's words to a model and a task for fit(): plugins alive, factors shaped, streams
// keyed, data checked.
#pragma once

#include <memory>

#include "core/base/expected.hpp"
#include "core/experiment/prepare.hpp"
#include "core/experiment/runtime.hpp"
#include "core/fit/fit.hpp"
#include "core/graph/model.hpp"
#include "core/spec/experiment.hpp"

namespace assay::experiment {

// Says in the log of a rank above a side of the data.
void remark_rank(const spec::Trial& trial, const data::Data& x, const Runtime& runtime);

// Creates init, solver and metrics once, so that what they refuse about the data is said before
// anything is run. Refusals over a rank that is larger than the data are E0311.
Expected<void> check_methods(const spec::Trial& trial,
                             const Prepared& data,
                             graph::Model& model,
                             const Runtime& runtime);

// Refuses data outside the loss's domain (E0310). On the heap: plans point into it.
Expected<std::unique_ptr<graph::Model>> make_model(const spec::Trial& trial,
                                                   const Prepared& data,
                                                   const Runtime& runtime);

// The model and the runtime must outlive the task.
Expected<fit::Task> make_task(const spec::Trial& trial,
                              const Prepared& data,
                              graph::Model& model,
                              const Runtime& runtime);

// Whether W of its model is made from the rows and stored nowhere.
bool solver_makes_w(const spec::Trial& trial, const Runtime& runtime);
fit::StopRules stop_rules(const spec::StopSpec& stop);

}  // namespace assay::experiment
