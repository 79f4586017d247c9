// SPDX-License-Identifier: Apache-2.0
// Projection of the factors a fit starts from.
#include "core/fit/feasible.hpp"

#include "core/graph/wide.hpp"

namespace assay::fit {

Expected<void> make_feasible(graph::Model& model) {
  for (int side = 0; side < model.n_factors; ++side) {
    const auto& set = model.penalties[side];
    if (!set || model.frozen[side] || !set->constraint()) continue;
    graph::Wide wide;
    assay_view F = wide.of(model.factor[side]);
    assay_ctx ctx;
    const int32_t status = set->project(&ctx, &F);
    if (status < 0) return ctx.take_error(status, set->constraint()->id);
    wide.put_back(model.factor[side]);
  }
  return {};
}

}  // namespace assay::fit
