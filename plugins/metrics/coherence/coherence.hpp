// SPDX-License-Identifier: Apache-2.0
// What coherence of topics is made of: the kTop words with the largest positive entries of each
// component of H, in how many documents (rows) each of them occurs, and each two of them together:
//   each ONE   the words, from H                     k x kTop
//   each ROWS  which of them the document has        sums, k kTop x kTop
//   each ONE   the mean over pairs, then components
// Counts are whole numbers, so that sums are exact. A component with fewer than two such words is
// left out.
#pragma once

#include <algorithm>
#include <assay/plugin.hpp>
#include <utility>
#include <vector>

namespace coherence {

using namespace assay::author;

constexpr int64_t kTop = 10;

// T::pair(n, of_first, of_second, both): the measure of a word and one above it, from the
// documents.
template <class T>
class Coherence {
 public:
  Coherence(Call call, const assay_problem& p)
      : tile_(call.service<assay_tile>("assay.tile/1")), k_(p.k[1]), n_(p.n) {}

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf words = b.small("words", k_, kTop), counts = b.sum("counts", k_ * kTop, kTop),
                    value = b.small("coherence", 1, 1);
    b.each<&Coherence::choose, T>("words", ASSAY_ONE,
                                  {{b.factor(1), ASSAY_IN}, {words, ASSAY_OUT}});
    b.each<&Coherence::count, T>("counts", ASSAY_ROWS, {{words, ASSAY_IN}, {counts, ASSAY_ADD}}, 0,
                                 ASSAY_EACH_X);
    b.each<&Coherence::finish, T>("coherence", ASSAY_ONE,
                                  {{words, ASSAY_IN}, {counts, ASSAY_IN}, {value, ASSAY_OUT}});
    b.report("value", value);
  }

 private:
  // {H, words}: columns of X, the largest entry first; -1: no more.
  void choose(const Block& b) const {
    const Matrix H = b.matrix(0), words = b.matrix(1);
    std::vector<int64_t> order(static_cast<size_t>(H.rows()));
    for (int64_t a = 0; a < k_; ++a) {
      for (size_t j = 0; j < order.size(); ++j) order[j] = static_cast<int64_t>(j);
      const auto kept = order.begin() + std::min(kTop, H.rows());
      std::partial_sort(order.begin(), kept, order.end(), [&](int64_t i, int64_t j) {
        return H(i, a) != H(j, a) ? H(i, a) > H(j, a) : i < j;
      });
      for (int64_t t = 0; t < kTop; ++t) {
        const bool there = t < H.rows() && H(order[static_cast<size_t>(t)], a) > 0;
        words(a, t) = there ? static_cast<double>(order[static_cast<size_t>(t)]) : -1;
      }
    }
  }

  // {words, counts}: row a kTop + t of counts says how often word t of component a occurs beside
  // each word up to itself.
  void count(const Block& b) const {
    const Matrix words = b.matrix(0), counts = b.matrix(1);
    std::vector<std::pair<int64_t, int64_t>> places;  // column, slot
    for (int64_t a = 0; a < k_; ++a)
      for (int64_t t = 0; t < kTop; ++t)
        if (words(a, t) >= 0) places.emplace_back(static_cast<int64_t>(words(a, t)), a * kTop + t);
    std::sort(places.begin(), places.end());
    std::vector<int64_t> slots;
    for (int64_t i = 0; i < b.count(); ++i) {
      assay_line line;
      Call::check(tile_->line(b.call().ctx, i, &line));
      slots.clear();
      for (int64_t e = 0; e < line.n; ++e) {
        if (!(line.x[e] > 0) || (line.w && !(line.w[e] > 0))) continue;
        const int64_t j = line.idx ? line.idx[e] : e;
        for (auto at = std::lower_bound(places.begin(), places.end(), std::pair(j, int64_t{0}));
             at != places.end() && at->first == j; ++at)
          slots.push_back(at->second);
      }
      std::sort(slots.begin(), slots.end());
      for (size_t s = 0; s < slots.size(); ++s)
        for (size_t r = s + 1; r-- > 0 && slots[r] / kTop == slots[s] / kTop;)
          counts(slots[s], slots[r] % kTop) += 1;
    }
  }

  // {words, counts, value}
  void finish(const Block& b) const {
    const Matrix words = b.matrix(0), counts = b.matrix(1);
    double total = 0, components = 0;
    for (int64_t a = 0; a < k_; ++a) {
      double sum = 0, pairs = 0;
      const auto alone = [&](int64_t t) { return counts(a * kTop + t, t); };
      for (int64_t t = 1; t < kTop && words(a, t) >= 0; ++t)
        for (int64_t s = 0; s < t; ++s) {
          sum += T::pair(static_cast<double>(n_), alone(t), alone(s), counts(a * kTop + t, s));
          pairs += 1;
        }
      if (pairs > 0) {
        total += sum / pairs;
        components += 1;
      }
    }
    b.number(2) = components > 0 ? total / components : 0;
  }

  const assay_tile* tile_;
  int64_t k_, n_;
};

}  // namespace coherence
