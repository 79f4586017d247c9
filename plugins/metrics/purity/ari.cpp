// SPDX-License-Identifier: Apache-2.0
// Adjusted Rand index: pairs of rows that clusters and classes agree on, 0 by chance and 1 at best.
#include "table.hpp"

namespace {

using namespace assay::author;

double pairs(double n) { return n * (n - 1) / 2; }
double pairs_in(const std::vector<double>& counts) {
  double sum = 0;
  for (const double n : counts) sum += pairs(n);
  return sum;
}

struct Ari : clusters::Agreement<Ari> {
  static constexpr const char* kId = "ari";
  using Agreement::Agreement;
  static double value(const clusters::Table& t) {
    double together = 0;
    for (int64_t a = 0; a < t.counts.rows(); ++a)
      for (const double n : t.counts.row(a)) together += pairs(n);
    const double a = pairs_in(t.clusters), c = pairs_in(t.classes), all = pairs(t.total);
    const double chance = all > 0 ? a * c / all : 0, most = (a + c) / 2;
    return most == chance ? 1 : (together - chance) / (most - chance);
  }
};

constexpr assay_metric vtable = metric_table<Ari>(0);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "ari",
             "adjusted Rand index of clusters and labels: 1 the same, 0 as by chance",
             "Hubert and Arabie 1985",
             "(sum C(n_kc, 2) - E) / ((sum C(n_k, 2) + sum C(n_c, 2)) / 2 - E)\n"
             "E = sum C(n_k, 2) sum C(n_c, 2) / C(n, 2);  a row's cluster: where its W is largest",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.ari", "1.0", plugin)
