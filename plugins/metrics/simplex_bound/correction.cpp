// SPDX-License-Identifier: Apache-2.0
// The correction of simplex factorization: what its bound is to be lowered by.
#include "terms.hpp"

namespace {

using namespace assay::author;

class Correction : public simplex::Terms {
 public:
  using Terms::Terms;
  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf value = b.small("simplex_correction", 1, 1);
    b.each<&Correction::finish>("simplex_correction", ASSAY_ONE,
                                {{spread<Correction>(b), ASSAY_IN}, {value, ASSAY_OUT}});
    b.report("value", value);
  }

 private:
  void finish(const Block& b) const { b.number(1) = 0 - b.number(0); }
};

constexpr assay_metric vtable = metric_table<Correction>(ASSAY_METRIC_LOWER_IS_BETTER);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "simplex_correction",
             "by how much the squared error lies below its bound where rows of W are mixtures",
             "Buhmann and Pletscher 2010",
             "- sum_nk w_nk |h_k - w_n H|^2 = |X - W H|^2 - simplex_bound <= 0;  one-hot W: 0\n"
             "(rows of W >= 0 with sum 1; else there is no value)",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.simplex_correction", "1.0", plugin)
