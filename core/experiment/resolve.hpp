// SPDX-License-Identifier: Apache-2.0
// Chosen plugins as JSON and back: what a saved model needs to be used again without its spec.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/base/expected.hpp"
#include "core/plugin/registry.hpp"
#include "core/spec/experiment.hpp"

namespace assay::experiment {

using Json = nlohmann::ordered_json;

// {"use": id, "options": {...}}
Json to_json(const spec::Use& use);
// The same with the names of the options that were given: what a saved model keeps.
Json to_saved(const spec::Use& use);
// Options are checked against the plugin's table; a missing plugin is E0401.
Expected<spec::Use> use_from_json(const Json& json,
                                  const std::string& kind,
                                  const plugin::Registry& registry);

// The plugin a spec names, or E0401.
Expected<const plugin::Descriptor*> find_plugin(const plugin::Registry& registry,
                                                const std::string& kind,
                                                const spec::Use& use);

// Every plugin of a trial with its kind, in a fixed order: what its id and environment depend on.
std::vector<std::pair<std::string, const spec::Use*>> plugins_of(const spec::Trial& trial);

// A double as JSON, which has no infinities: "inf", "-inf", and null for NaN.
Json number_json(double value);
double number_from_json(const Json& json);

}  // namespace assay::experiment
