// SPDX-License-Identifier: Apache-2.0
// One trial into its folder: fit with checkpoints, model, trace, writers, and at the very end the
// status.
#pragma once

#include "core/base/expected.hpp"
#include "core/experiment/run.hpp"
#include "core/experiment/session.hpp"

namespace assay::experiment {

struct CheckpointRule {
  double seconds = 30;
  int64_t iterations = 0;
  bool keep = false;  // also after the trial has ended
};

// Runs or resumes by result.action and fills result. What a plugin does wrong is in result; an
// error is the store's.
Expected<void> execute(const spec::Trial& trial,
                       const Prepared& data,
                       const Runtime& runtime,
                       const CheckpointRule& rule,
                       Observer& observer,
                       TrialResult& result);

}  // namespace assay::experiment
