// SPDX-License-Identifier: Apache-2.0
// A saved model alive again: its trial, its transforms, and W of new rows under it.
#pragma once

#include <memory>
#include <vector>

#include "core/base/expected.hpp"
#include "core/experiment/model_file.hpp"
#include "core/experiment/prepare.hpp"
#include "core/experiment/runtime.hpp"
#include "core/experiment/session.hpp"
#include "core/fit/fit.hpp"
#include "core/spec/experiment.hpp"

namespace assay::experiment {

// The trial a saved model came from, as far as new rows need it.
Expected<spec::Trial> trial_of(const SavedModel& saved, const plugin::Registry& registry);
Expected<std::vector<Learnt>> transforms_of(const SavedModel& saved,
                                            const plugin::Registry& registry);

// The rows that `session` reads or was given, with the meaning training data had: missing entries,
// columns, what is not stored. Dense rows store everything; rows that consist of the model's
// columns already are taken as they are.
Expected<std::shared_ptr<const data::Data>> load_rows(const SavedModel& saved,
                                                      spec::Trial trial,
                                                      Session& session);

// Rows as the model's transforms leave them, with the weights of its columns.
Expected<Prepared> prepare_rows(const SavedModel& saved,
                                std::shared_ptr<const data::Data> raw,
                                const Runtime& runtime);

struct Rows {
  kernels::Member W;  // rows of the new data x k
  fit::Result fitted;
};
// `raw` from load_rows, in the units of the data as read.
Expected<Rows> transform_rows(const SavedModel& saved,
                              std::shared_ptr<const data::Data> raw,
                              const Runtime& runtime);

}  // namespace assay::experiment
