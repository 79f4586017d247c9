// SPDX-License-Identifier: Apache-2.0
// Feasible starts: whatever an init or an application gives is put into the factors' sets.
#pragma once

#include "core/graph/model.hpp"

namespace assay::fit {

// Projects every factor that is not frozen onto its set. What is feasible keeps its bits.
Expected<void> make_feasible(graph::Model& model);

}  // namespace assay::fit
