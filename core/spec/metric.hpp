// SPDX-License-Identifier: Apache-2.0
// Reads the metrics of a spec: `[heldout.]id[.FACTOR]`, or `{ use: such, option: value, label: text
// }`.
#pragma once

#include <optional>
#include <string>

#include "core/spec/uses.hpp"

namespace assay::spec {

std::optional<Metric> read_metric(const Node& node,
                                  const std::string& path,
                                  const ModelSpec& model,
                                  Context& context);

// About the set of a cell's repeats.
bool is_across(const Metric& metric, const Context& context);

}  // namespace assay::spec
