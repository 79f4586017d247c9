// SPDX-License-Identifier: Apache-2.0
// Bayesian information criterion, of a mixture.
#include <assay/author/mixture_metric.hpp>
#include <assay/plugin.hpp>

namespace {

using namespace assay::author;

class Bic : public MixtureMetric<Bic> {
 public:
  using MixtureMetric::MixtureMetric;
  double value(const double* sums, double parameters) const {
    return parameters * std::log(sums[kRows]) - 2 * sums[kLogLikelihood];
  }
};

constexpr assay_metric vtable = metric_table<Bic>(ASSAY_METRIC_LOWER_IS_BETTER);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "bic",
             "Bayesian information criterion",
             "Schwarz 1978; Fraley and Raftery 2002",
             "p log n - 2 log-likelihood,  p free parameters, n rows (sum of their weights)",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.bic", "1.0", plugin)
