// SPDX-License-Identifier: Apache-2.0
// The bound of simplex factorization: the inertia of W that is one-hot.
#include "terms.hpp"

namespace {

using namespace assay::author;

class Bound : public simplex::Terms {
 public:
  using Terms::Terms;
  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf half = b.sum("half_squares", 1, 1), value = b.small("simplex_bound", 1, 1);
    b.terms(ASSAY_VALUE, ASSAY_ROWS, ASSAY_NO, ASSAY_NO, half, ASSAY_TERMS_SQUARED);
    b.each<&Bound::finish>("simplex_bound", ASSAY_ONE,
                           {{half, ASSAY_IN}, {spread<Bound>(b), ASSAY_IN}, {value, ASSAY_OUT}});
    b.report("value", value);
  }

 private:
  void finish(const Block& b) const { b.number(2) = 2 * b.number(0) + b.number(1); }
};

constexpr assay_metric vtable = metric_table<Bound>(ASSAY_METRIC_LOWER_IS_BETTER);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "simplex_bound",
             "bound of the squared error where rows of W are mixtures; of one-hot W the inertia",
             "Buhmann and Pletscher 2010",
             "sum_nk w_nk |x_n - h_k|^2 = |X - W H|^2 - simplex_correction\n"
             "(rows of W >= 0 with sum 1; else there is no value)",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.simplex_bound_metric", "1.0", plugin)
