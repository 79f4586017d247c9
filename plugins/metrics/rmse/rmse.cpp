// SPDX-License-Identifier: Apache-2.0
// Root mean squared error over observed entries, whatever the model's loss.
#include <assay/plugin.hpp>
#include <cmath>

namespace {

using namespace assay::author;

class Rmse {
 public:
  Rmse(Call, const assay_problem& p) : observed_(p.observed) {}

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf half = b.sum("half_squares", 1, 1), error = b.small("rmse", 1, 1);
    b.terms(ASSAY_VALUE, ASSAY_ROWS, ASSAY_NO, ASSAY_NO, half, ASSAY_TERMS_SQUARED);
    b.each<&Rmse::finish>("rmse", ASSAY_ONE, {{half, ASSAY_IN}, {error, ASSAY_OUT}});
    b.report("value", error);
  }

 private:
  void finish(const Block& b) const { b.number(1) = std::sqrt(2 * b.number(0) / observed_); }

  double observed_;
};

constexpr assay_metric vtable = metric_table<Rmse>(ASSAY_METRIC_LOWER_IS_BETTER);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "rmse",
             "root mean squared error of the model",
             nullptr,
             "sqrt(sum w (x - m)^2 / sum w)\n"
             "(m: the mean, s(m) of `logistic`, exp(m) of `poisson_log`)",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.rmse", "1.0", plugin)
