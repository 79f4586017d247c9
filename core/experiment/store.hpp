// SPDX-License-Identifier: Apache-2.0
// The run store: runs/<name>/{spec.yaml, plan.json, environment.json, lock, trials/<id>/...}, plain
// files. A trial is finished when its status.json says so; it is written last.
#pragma once

#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/experiment/run.hpp"
#include "core/experiment/runtime.hpp"
#include "core/spec/experiment.hpp"

namespace assay::experiment {

// Identity of a trial: its configuration, plugins with versions, data and repeat.
std::string trial_id(const spec::Trial& trial,
                     const std::string& data_id,
                     const plugin::Registry& registry);

std::string trial_folder(const std::string& run_folder, const std::string& id);

// Fills status, stop, iterations, seconds, errors, files and trace from a trial's folder; false
// when it has no status.
bool read_status(const std::string& folder, TrialResult& result);
Expected<void> write_status(const std::string& folder, const TrialResult& result);
Expected<void> write_trace(const std::string& folder, const fit::Trace& trace);

// The run's own files; those that would not change are left alone.
Expected<void> write_run_files(const spec::Experiment& experiment,
                               const RunResult& result,
                               const std::vector<std::string>& data_ids,
                               const Runtime& runtime);

}  // namespace assay::experiment
