// SPDX-License-Identifier: Apache-2.0
// A plugin's card: what it is, its maths, options, capabilities and citation.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/cli/tool.hpp"

namespace assay::cli {

std::string card(const plugin::Descriptor& d, const plugin::Registry& registry, const Tool& tool);
nlohmann::ordered_json card_json(const plugin::Descriptor& d, const plugin::Registry& registry);

// "integer, at least 1 (default 1)" of an option.
std::string option_type(const assay_option& option);

}  // namespace assay::cli
