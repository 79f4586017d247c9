// SPDX-License-Identifier: Apache-2.0
// Whether a loss's functions agree with each other and with its facts, at some points of its
// domain: what an author finds out before any data do.
#pragma once

#include "core/base/expected.hpp"
#include "core/plugin/instance.hpp"

namespace assay::plugin {

// E0414 names the function, the point, both numbers and the mend. Tolerances are wide: a right loss
// passes whatever its options, kinks and rounding; functions that fail are left to their use.
Expected<void> probe(const Loss& loss);

}  // namespace assay::plugin
