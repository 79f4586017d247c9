// SPDX-License-Identifier: Apache-2.0
// What a solver adds to a trial that names it, and whether repeats of a trial can differ.
#pragma once

#include "core/spec/sections.hpp"

namespace assay::spec {

// Constraints the solver keeps where factors name none, and transforms that stand behind the
// data's own.
void bring_along(const Node& root,
                 const plugin::Descriptor& solver,
                 Trial& trial,
                 Context& context);

// Whether no plugin of the trial draws random numbers.
bool is_deterministic(const Trial& t, const plugin::Registry& registry);

}  // namespace assay::spec
