// SPDX-License-Identifier: Apache-2.0
// A plan for people (words), for Graphviz (DOT) and for a trace viewer (Chrome's JSON).
#pragma once

#include <string>
#include <vector>

#include "core/graph/ops.hpp"
#include "core/graph/run.hpp"

namespace assay::graph {

std::string describe(const Layout& layout, const Model& model);
std::string draw(const Layout& layout);
std::string trace_json(const std::vector<NodeTime>& times);

}  // namespace assay::graph
