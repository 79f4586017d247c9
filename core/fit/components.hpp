// SPDX-License-Identifier: Apache-2.0
// The component that W of each row is largest in, whether W is stored or made.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/expected.hpp"
#include "core/fit/method.hpp"
#include "core/graph/plan.hpp"

namespace assay::fit {

// Of equal entries the first. The model is left as it was.
Expected<std::vector<int32_t>> components_of_rows(graph::Model& model,
                                                  const Chosen& solver,
                                                  const graph::PlanOptions& options);

}  // namespace assay::fit
