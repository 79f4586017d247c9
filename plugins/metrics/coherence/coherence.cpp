// SPDX-License-Identifier: Apache-2.0
// Coherence of topics by normalised pointwise mutual information: for each two of a topic's ten
// first words, p their shares of the documents,
//   log(p_ij / (p_i p_j)) / -log p_ij:  -1 never together, 0 as by chance, 1 always together,
// mean over pairs, then topics (Bouma 2009; Lau, Newman and Baldwin 2014, over documents).
#include "coherence.hpp"

#include <cmath>

namespace {

using namespace assay::author;

struct Npmi : coherence::Coherence<Npmi> {
  using Coherence::Coherence;
  static double pair(double n, double one, double other, double both) {
    if (!(both > 0)) return -1;
    return both < n ? std::log(both * n / (one * other)) / std::log(n / both) : 1;
  }
};

constexpr assay_metric vtable = metric_table<Npmi>(0);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "coherence",
             "how much the ten first words of each component go together, -1 to 1",
             "Bouma 2009; Lau, Newman and Baldwin 2014",
             "mean over pairs of log(p_ij / (p_i p_j)) / -log p_ij, p: shares of the rows",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.coherence", "1.0", plugin)
