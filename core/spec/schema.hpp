// SPDX-License-Identifier: Apache-2.0
// The JSON Schema of a spec, made from the table of keys and the plugins' option tables.
#pragma once

#include <string>

#include "core/plugin/registry.hpp"

namespace assay::spec {

// Draft 7, indented, without a line end. For editors: messages come from parse().
std::string schema(const plugin::Registry& registry);

}  // namespace assay::spec
