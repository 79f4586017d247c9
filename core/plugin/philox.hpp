// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10, the counter-based generator behind every random number (Salmon, Moraes, Dror and
// Shaw 2011).
#pragma once

#include <array>
#include <cstdint>

namespace assay::plugin {

// Four words that are a function of counter and key alone.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

}  // namespace assay::plugin
