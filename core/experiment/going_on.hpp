// SPDX-License-Identifier: Apache-2.0
// A fit that starts where another ended: warm start on the same rows, partial fit on new ones.
#pragma once

#include <memory>

#include "core/base/expected.hpp"
#include "core/experiment/new_rows.hpp"
#include "core/fit/fit.hpp"

namespace assay::experiment {

// Lets a task start from the factors of `saved`, and its solver from what it kept beside them.
// Shapes must be those of task.model.
Expected<void> start_from(const SavedModel& saved, fit::Task& task);

// A solver's state out of a saved model: only the solver that wrote it knows what it means.
Expected<void> set_state(const SavedModel& saved, graph::Model& model);

struct Continued {
  SavedModel model;  // H moved on, W of the new rows
  fit::Result fitted;
};
// Continues `saved` on the rows `raw` (from load_rows) by its own solver, both factors free: W
// starts as transform leaves it, H and the solver's state on the columns where they were. steps:
// most of them; 0: the model's own stop tests.
Expected<Continued> partial_fit(const SavedModel& saved,
                                std::shared_ptr<const data::Data> raw,
                                int64_t steps,
                                const Runtime& runtime);

}  // namespace assay::experiment
