// SPDX-License-Identifier: Apache-2.0
// Coherence of topics as the UMass measure has it: for each two of a topic's ten first words, j
// before i, D the documents that have them,
//   log((D(i, j) + 1) / D(j)),
// mean over pairs (the sum of the paper divided by their number), then topics (Mimno et al. 2011,
// equation 1). Near 0 is coherent.
#include <cmath>

#include "coherence.hpp"

namespace {

using namespace assay::author;

struct Umass : coherence::Coherence<Umass> {
  using Coherence::Coherence;
  static double pair(double, double, double above, double both) {
    return std::log((both + 1) / std::max(above, 1.0));
  }
};

constexpr assay_metric vtable = metric_table<Umass>(0);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "coherence_umass",
             "how much the ten first words of each component go together, by conditional logs",
             "Mimno, Wallach, Talley, Leenders and McCallum 2011",
             "mean over pairs, j above i, of log((D(i, j) + 1) / D(j)), D: counts of rows",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.coherence_umass", "1.0", plugin)
