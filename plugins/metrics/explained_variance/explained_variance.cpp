// SPDX-License-Identifier: Apache-2.0
// Explained variance 1 - |X - M|^2 / |X - column means|^2 over observed entries. The means come
// from the gradient of the squared loss at M = 1 0': its sum over rows is minus the column's sum,
// with every weight and mask the data carry.
#include <assay/plugin.hpp>

namespace {

using namespace assay::author;

class ExplainedVariance {
 public:
  ExplainedVariance(Call, const assay_problem&) {}

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf ones = b.local("ones", ASSAY_ROWS, 1), zeros = b.local("zeros", ASSAY_COLS, 1);
    b.each<&ExplainedVariance::fill>("ones", ASSAY_ROWS, {{ones, ASSAY_OUT}}, 1);
    b.each<&ExplainedVariance::fill>("zeros", ASSAY_COLS, {{zeros, ASSAY_OUT}}, 0);
    const assay_buf sums = b.local("minus_sums", ASSAY_COLS, 1),
                    means = b.local("means", ASSAY_COLS, 1);
    b.terms({ASSAY_GRAD, ASSAY_COLS, ones, zeros, sums, ASSAY_NO, ASSAY_NO, ASSAY_TERMS_SQUARED});
    b.each<&ExplainedVariance::divide>(
        "means", ASSAY_COLS,
        {{sums, ASSAY_IN}, {b.given(ASSAY_COL_COUNTS), ASSAY_IN}, {means, ASSAY_OUT}});
    const assay_buf spread = b.sum("spread", 1, 1), error = b.sum("error", 1, 1),
                    value = b.small("explained", 1, 1);
    b.terms(
        {ASSAY_VALUE, ASSAY_ROWS, ones, means, ASSAY_NO, ASSAY_NO, spread, ASSAY_TERMS_SQUARED});
    b.terms(ASSAY_VALUE, ASSAY_ROWS, ASSAY_NO, ASSAY_NO, error, ASSAY_TERMS_SQUARED);
    b.each<&ExplainedVariance::finish>("explained_variance", ASSAY_ONE,
                                       {{error, ASSAY_IN}, {spread, ASSAY_IN}, {value, ASSAY_OUT}});
    b.report("value", value);
  }

 private:
  void fill(const Block& b) const {
    for (int64_t i = 0; i < b.count(); ++i) b.matrix(0)(i, 0) = b.tag();
  }
  void divide(const Block& b) const {
    const Matrix sums = b.matrix(0), counts = b.matrix(1), means = b.matrix(2);
    for (int64_t j = 0; j < b.count(); ++j)
      means(j, 0) = counts(j, 0) > 0 ? -sums(j, 0) / counts(j, 0) : 0;
  }
  void finish(const Block& b) const {
    b.number(2) = b.number(1) > 0 ? 1 - b.number(0) / b.number(1) : 0;
  }
};

constexpr assay_metric vtable = metric_table<ExplainedVariance>(0);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "explained_variance",
             "share of the variance about the column means that the model explains",
             nullptr,
             "1 - sum w (x - m)^2 / sum w (x - mean_j)^2\n"
             "(m: the mean, s(m) of `logistic`, exp(m) of `poisson_log`)",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.explained_variance", "1.0", plugin)
