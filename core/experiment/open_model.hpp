// SPDX-License-Identifier: Apache-2.0
// A saved model, alive, alone or with new rows from a file.
#pragma once

#include <memory>
#include <string>

#include "core/base/expected.hpp"
#include "core/experiment/apply.hpp"
#include "core/experiment/model_file.hpp"
#include "core/experiment/runtime.hpp"
#include "core/plugin/instance.hpp"

namespace assay::experiment {

struct Alive {
  SavedModel saved;
  Runtime runtime;
};

Expected<Alive> open_model(const std::string& model_path,
                           std::shared_ptr<plugin::Registry> registry,
                           const ApplyOptions& options);

Expected<std::shared_ptr<plugin::Loss>> loss_of(const SavedModel& saved,
                                                const plugin::Registry& registry);

struct Opened {
  SavedModel saved;
  Runtime runtime;
  std::shared_ptr<const data::Data> rows;  // as read
};

Expected<Opened> open_model(const std::string& model_path,
                            const std::string& data_path,
                            std::shared_ptr<plugin::Registry> registry,
                            const ApplyOptions& options);

}  // namespace assay::experiment
