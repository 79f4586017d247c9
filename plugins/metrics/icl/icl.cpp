// SPDX-License-Identifier: Apache-2.0
// Integrated completed likelihood: bic of rows with their likeliest component, of a mixture.
#include <assay/author/mixture_metric.hpp>
#include <assay/plugin.hpp>

namespace {

using namespace assay::author;

class Icl : public MixtureMetric<Icl> {
 public:
  using MixtureMetric::MixtureMetric;
  double value(const double* sums, double parameters) const {
    return parameters * std::log(sums[kRows]) - 2 * sums[kHard];
  }
};

constexpr assay_metric vtable = metric_table<Icl>(ASSAY_METRIC_LOWER_IS_BETTER);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "icl",
             "integrated completed likelihood: bic of rows with their likeliest component",
             "Biernacki, Celeux and Govaert 2000",
             "p log n - 2 sum_i max_c log pi_c p(x_i | c)",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.icl", "1.0", plugin)
