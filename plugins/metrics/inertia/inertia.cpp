// SPDX-License-Identifier: Apache-2.0
// Within-cluster sum of squares: the plain sum of squared errors of the model, by the weights.
#include <assay/plugin.hpp>

namespace {

using namespace assay::author;

class Inertia {
 public:
  Inertia(Call, const assay_problem&) {}

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf half = b.sum("half_squares", 1, 1), inertia = b.small("inertia", 1, 1);
    b.terms(ASSAY_VALUE, ASSAY_ROWS, ASSAY_NO, ASSAY_NO, half, ASSAY_TERMS_SQUARED);
    b.each<&Inertia::twice>("inertia", ASSAY_ONE, {{half, ASSAY_IN}, {inertia, ASSAY_OUT}});
    b.report("value", inertia);
  }

 private:
  void twice(const Block& b) const { b.number(1) = 2 * b.number(0); }
};

constexpr assay_metric vtable = metric_table<Inertia>(ASSAY_METRIC_LOWER_IS_BETTER);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "inertia",
             "sum of squared errors: of k-means, of rows from their centroids",
             nullptr,
             "sum w (x - m)^2\n(m: the mean, s(m) of `logistic`, exp(m) of `poisson_log`)",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.inertia", "1.0", plugin)
