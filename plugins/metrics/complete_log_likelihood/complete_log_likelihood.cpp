// SPDX-License-Identifier: Apache-2.0
// Expected complete log-likelihood, of a mixture.
#include <assay/author/mixture_metric.hpp>
#include <assay/plugin.hpp>

namespace {

using namespace assay::author;

class Complete : public MixtureMetric<Complete> {
 public:
  using MixtureMetric::MixtureMetric;
  double value(const double* sums, double) const { return sums[kComplete]; }
};

constexpr assay_metric vtable = metric_table<Complete>(0);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "complete_log_likelihood",
             "expected complete log-likelihood",
             "Dempster, Laird and Rubin 1977",
             "sum_i sum_c r_ic log pi_c p(x_i | c) = log-likelihood - entropy",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.complete_log_likelihood", "1.0", plugin)
