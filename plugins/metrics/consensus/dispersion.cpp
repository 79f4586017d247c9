// SPDX-License-Identifier: Apache-2.0
// Dispersion of the consensus matrix C of n objects: 1/n^2 sum_ij 4 (C_ij - 1/2)^2. 1 when every
// pair is always together or never, 0 when every pair is a coin's toss.
#include "consensus.hpp"

namespace {

int32_t trials(const assay_host* host,
               assay_ctx* ctx,
               const assay_trials* given,
               double* value,
               const assay_keep*) {
  return assay::author::catching(host, ctx, [&] {
    const consensus::Matrix c = consensus::of(*given);
    double sum = 0;
    for (const double v : c.values) sum += 4 * (v - 0.5) * (v - 0.5);
    *value = sum / static_cast<double>(c.size) / static_cast<double>(c.size);
  });
}

constexpr assay_metric vtable = {sizeof(assay_metric),
                                 ASSAY_METRIC_PER_FACTOR | ASSAY_METRIC_OF_TRIALS,
                                 nullptr,
                                 nullptr,
                                 nullptr,
                                 trials};
constexpr assay_plugin plugin = assay::author::describe(
    "assay.metric/1",
    "dispersion",
    "how sure the clusters of repeated fits are, 0 to 1",
    "Kim and Park 2007",
    "1/n^2 sum_ij 4 (C_ij - 1/2)^2,  C_ij = share of the fits that put objects i and j into the\n"
    "same component (the argmax of W_ia |H_a|_1)",
    nullptr,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.dispersion", "1.0", plugin)
