// SPDX-License-Identifier: Apache-2.0
// Relative error |X - M|_F / |X|_F over observed entries, whatever the model's loss.
#include <assay/plugin.hpp>
#include <cmath>

namespace {

using namespace assay::author;

class RelError {
 public:
  RelError(Call, const assay_problem& p) : sumsq_(p.x_sumsq) {}

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf half = b.sum("half_squares", 1, 1), error = b.small("rel_error", 1, 1);
    b.terms(ASSAY_VALUE, ASSAY_ROWS, ASSAY_NO, ASSAY_NO, half, ASSAY_TERMS_SQUARED);
    b.each<&RelError::finish>("rel_error", ASSAY_ONE, {{half, ASSAY_IN}, {error, ASSAY_OUT}});
    b.report("value", error);
  }

 private:
  void finish(const Block& b) const {
    b.number(1) = sumsq_ > 0 ? std::sqrt(2 * b.number(0) / sumsq_) : 0;
  }

  double sumsq_;
};

constexpr assay_metric vtable = metric_table<RelError>(ASSAY_METRIC_LOWER_IS_BETTER);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "rel_error",
             "relative error of the model in the Frobenius norm",
             nullptr,
             "|X - M|_F / |X|_F\n"
             "(M: the mean, s(m) of `logistic`, exp(m) of `poisson_log`)",
             nullptr,
             &vtable,
             ASSAY_PLUGIN_DEFAULT);

}  // namespace

ASSAY_MODULE("org.assay.rel_error", "1.0", plugin)
