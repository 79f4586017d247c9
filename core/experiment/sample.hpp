// SPDX-License-Identifier: Apache-2.0
// Rows drawn from a fitted mixture.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/experiment/apply.hpp"

namespace assay::experiment {

// `count` rows, each from a component drawn by the weights, in the units of the data as read as far
// as transforms have inverses; with their components (from 0) as the last column. Written to
// `out_path`; row i depends on the seed and i alone.
Expected<Applied> sample(const std::string& model_path,
                         const std::string& out_path,
                         int64_t count,
                         uint64_t seed,
                         std::shared_ptr<plugin::Registry> registry);

}  // namespace assay::experiment
