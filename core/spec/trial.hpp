// SPDX-License-Identifier: Apache-2.0
// One tree without `matrix` to one Trial, and the keys that belong to the whole experiment.
#pragma once

#include <optional>
#include <string>

#include "core/spec/experiment.hpp"
#include "core/spec/node.hpp"
#include "core/spec/uses.hpp"

namespace assay::spec {

// Nothing after faults; keys in `supplied` may be missing (a matrix gives them).
std::optional<Trial> read_trial(const Node& root,
                                Context& context,
                                const std::vector<std::string>& supplied = {});

// Name, threads, checkpoint and runtime.
void read_common(const Node& root,
                 const std::string& file,
                 Experiment& experiment,
                 Context& context);

// The solver against loss, penalties, constraints, data and metrics: E02xx for what cannot work
// together.
void check_combination(const Trial& trial, const Node& root, Context& context);

// Fills in config_json, label and origins.
void describe_trial(Trial& trial,
                    const Node& root,
                    const std::vector<Source>& sources,
                    const Context& context);

}  // namespace assay::spec
