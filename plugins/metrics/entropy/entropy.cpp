// SPDX-License-Identifier: Apache-2.0
// Entropy of the responsibilities, of a mixture.
#include <assay/author/mixture_metric.hpp>
#include <assay/plugin.hpp>

namespace {

using namespace assay::author;

class Entropy : public MixtureMetric<Entropy> {
 public:
  using MixtureMetric::MixtureMetric;
  double value(const double* sums, double) const { return sums[kLogLikelihood] - sums[kComplete]; }
};

constexpr assay_metric vtable = metric_table<Entropy>(ASSAY_METRIC_LOWER_IS_BETTER);
constexpr assay_plugin plugin = describe("assay.metric/1",
                                         "entropy",
                                         "entropy of the responsibilities",
                                         nullptr,
                                         "-sum_i sum_c r_ic log r_ic",
                                         nullptr,
                                         &vtable);

}  // namespace

ASSAY_MODULE("org.assay.entropy", "1.0", plugin)
