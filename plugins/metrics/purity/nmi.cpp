// SPDX-License-Identifier: Apache-2.0
// Normalised mutual information of clusters and classes, over the mean of their entropies.
#include <algorithm>

#include "table.hpp"

namespace {

using namespace assay::author;

double entropy(const std::vector<double>& counts, double total) {
  double sum = 0;
  for (const double n : counts)
    if (n > 0) sum -= n / total * std::log(n / total);
  return sum;
}

struct Nmi : clusters::Agreement<Nmi> {
  static constexpr const char* kId = "nmi";
  using Agreement::Agreement;
  static double value(const clusters::Table& t) {
    double shared = 0;
    for (int64_t a = 0; a < t.counts.rows(); ++a)
      for (int64_t c = 0; c < t.counts.cols(); ++c) {
        const double n = t.counts(a, c);
        if (n > 0)
          shared +=
              n / t.total *
              std::log(n * t.total /
                       (t.clusters[static_cast<size_t>(a)] * t.classes[static_cast<size_t>(c)]));
      }
    const double mean = (entropy(t.clusters, t.total) + entropy(t.classes, t.total)) / 2;
    return mean > 0 ? std::clamp(shared / mean, 0.0, 1.0) : 1;
  }
};

constexpr assay_metric vtable = metric_table<Nmi>(0);
constexpr assay_plugin plugin = describe(
    "assay.metric/1",
    "nmi",
    "normalised mutual information of clusters and labels, 0 to 1",
    "Strehl and Ghosh 2002",
    "I(clusters; classes) / ((H(clusters) + H(classes)) / 2);  a row's cluster: where its\n"
    "W is largest",
    nullptr,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.nmi", "1.0", plugin)
