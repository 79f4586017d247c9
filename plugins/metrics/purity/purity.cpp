// SPDX-License-Identifier: Apache-2.0
// Purity: the share of rows that are of their cluster's most frequent class.
#include <algorithm>

#include "table.hpp"

namespace {

using namespace assay::author;

struct Purity : clusters::Agreement<Purity> {
  static constexpr const char* kId = "purity";
  using Agreement::Agreement;
  static double value(const clusters::Table& t) {
    double right = 0;
    for (int64_t a = 0; a < t.counts.rows(); ++a) right += std::ranges::max(t.counts.row(a));
    return right / t.total;
  }
};

constexpr assay_metric vtable = metric_table<Purity>(0);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "purity",
             "share of the rows whose label is the most frequent one of their cluster",
             "Manning, Raghavan and Schuetze 2008",
             "sum over clusters of max over classes n_kc, / n;  a row's cluster: where its W is\n"
             "largest",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.purity", "1.0", plugin)
