// SPDX-License-Identifier: Apache-2.0
// What a step of a solver costs on every form of data it takes, as the planner plans it.
#pragma once

#include <string>
#include <vector>

#include "core/plugin/registry.hpp"

namespace assay::cli {

// "masked: 12 n d k flops, 1 read of X"; empty where a plan cannot be made without more options.
std::vector<std::string> data_costs(const plugin::Descriptor& solver,
                                    const plugin::Registry& registry);

}  // namespace assay::cli
