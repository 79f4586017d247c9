// SPDX-License-Identifier: Apache-2.0
// Akaike's information criterion, of a mixture.
#include <assay/author/mixture_metric.hpp>
#include <assay/plugin.hpp>

namespace {

using namespace assay::author;

class Aic : public MixtureMetric<Aic> {
 public:
  using MixtureMetric::MixtureMetric;
  double value(const double* sums, double parameters) const {
    return 2 * parameters - 2 * sums[kLogLikelihood];
  }
};

constexpr assay_metric vtable = metric_table<Aic>(ASSAY_METRIC_LOWER_IS_BETTER);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "aic",
             "Akaike's information criterion",
             "Akaike 1974",
             "2 p - 2 log-likelihood,  p free parameters of the density and the weights",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.aic", "1.0", plugin)
