// SPDX-License-Identifier: Apache-2.0
// What a solver itself says no to, as far as the spec alone can tell.
#pragma once

#include <array>
#include <optional>

#include "core/plugin/instance.hpp"
#include "core/plugin/registry.hpp"
#include "core/spec/experiment.hpp"

namespace assay::spec {

// The solver's own refusal of this model (E_COMBINATION), or nothing. penalties: of W, H and S;
// null for none. density: of a mixture, which may refuse as well.
std::optional<Error> solver_refusal(const Trial& trial,
                                    const plugin::Descriptor& solver,
                                    const plugin::Loss& loss,
                                    const std::array<const plugin::PenaltySet*, 3>& penalties,
                                    const plugin::Descriptor* density = nullptr);

// Whether a solver takes a loss, by its capability bits and by what it says itself, asked with its
// defaults: one that says no to every loss has other reasons.
bool minimises(const plugin::Registry& registry,
               const plugin::Descriptor& solver,
               const plugin::Loss& loss);

}  // namespace assay::spec
