// SPDX-License-Identifier: Apache-2.0
// Lloyd's labels with fewer distances, and the same bits (Ding et al. 2015, "Yinyang k-means").
// Centroids lie in groups of a few; for each row and group a lower bound of its distance to the
// group's centroids (but its own) is kept, and falls by what they move. A group is looked at again
// where its bound says that it may hold a centroid as near as the best. Bounds are loosened by what
// the products' rounding can be at worst, and the products of some rows with some columns have the
// bits of the whole product: so labels, distances and sums are those of the plain sweep.
#ifndef ASSAY_LLOYD_BOUNDS_HPP
#define ASSAY_LLOYD_BOUNDS_HPP

#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

namespace assay::author {

constexpr double kNowhere = 1e150;  // a bound where there is no centroid

// Which centroid each column holds: `groups` runs of `size` columns, -1 for none.
struct Groups {
  int64_t groups = 0, size = 0;
  int64_t columns() const { return groups * size; }
  // At most a bound for eight columns of X, and groups of whole vectors.
  static Groups of(int64_t k, int64_t d) {
    Groups g;
    const int64_t most = std::max<int64_t>(1, std::min((k + 7) / 8, d / 8));
    g.size = (k + 8 * most - 1) / (8 * most) * 8;
    g.groups = (k + g.size - 1) / g.size;
    return g;
  }
};

// Groups of centroids near each other: one far from what is left, and its nearest. apart(a, b): a
// squared distance.
template <class Apart>
void gather_groups(const Groups& g, int64_t k, const Apart& apart, double* order) {
  std::fill_n(order, g.columns(), -1.0);
  for (int64_t a = 0; a < k; ++a) order[a] = static_cast<double>(a);
  const auto at = [&](int64_t p) { return static_cast<int64_t>(order[p]); };
  for (int64_t first = 0; first < k; first += g.size) {
    // The one farthest from the seed of the group before leads.
    for (int64_t p = first + 1; first > 0 && p < k; ++p)
      if (apart(at(first - g.size), at(p)) > apart(at(first - g.size), at(first)))
        std::swap(order[first], order[p]);
    const int64_t seed = at(first), end = std::min(first + g.size, k);
    std::partial_sort(order + first + 1, order + end, order + k, [&](double a, double b) {
      return apart(seed, static_cast<int64_t>(a)) < apart(seed, static_cast<int64_t>(b));
    });
  }
}

// The rows of one block.
class BoundedRows {
 public:
  struct Centroids {
    const double* half;   // of each column
    const double* moved;  // squared, since the step before
    const double* order;
    double reach;  // of the rounding: a row's distance from r, plus this, times `unit`
    double unit;
  };
  BoundedRows(const Block& b,
              const assay_tile* tile,
              const assay_view& shifted,
              const Groups& g,
              const Centroids& c,
              int64_t k,
              const Matrix& apart,
              const Matrix& lower)
      : b_(b),
        tile_(tile),
        shifted_(shifted),
        g_(g),
        c_(c),
        n_(b.count()),
        apart_(apart),
        lower_(lower),
        rows_(b.call().scratch<int64_t>(n_)),
        label_(b.call().scratch<int64_t>(n_)),
        group_of_(b.call().scratch<int64_t>(k)),
        score_(b.call().scratch<double>(n_)),
        out_(b.call().scratch<double>(n_ * g.size)),
        least_(b.call().scratch<double>(n_ * g.groups)),
        second_(b.call().scratch<double>(n_ * g.groups)),
        falls_(b.call().scratch<double>(g.groups)) {
    constexpr double none = std::numeric_limits<double>::infinity();
    std::fill(score_.begin(), score_.end(), none);
    std::fill(label_.begin(), label_.end(), 0);
    std::fill(least_.begin(), least_.end(), -none);  // not looked at
    for (int64_t p = 0; p < g.columns(); ++p)
      if (c.order[p] >= 0) group_of_[static_cast<size_t>(c.order[p])] = p / g.size;
    for (int64_t s = 0; s < g.groups; ++s) {
      double most = 0;
      for (int64_t p = s * g.size; p < (s + 1) * g.size; ++p) most = std::max(most, c.moved[p]);
      falls_[static_cast<size_t>(s)] = std::sqrt(most) * (1 + 1e-9);
    }
  }

  // fresh: no bounds yet. labels: those of the step before.
  void run(const Block2d<int32_t>& labels, bool fresh) {
    for (int64_t s = 0; s < g_.groups; ++s) {
      int64_t n = 0;
      for (int64_t i = 0; i < n_; ++i)
        if (fresh || group_of_[static_cast<size_t>(labels(i, 0))] == s)
          rows_[static_cast<size_t>(n++)] = i;
      look(s, n, fresh);
    }
    for (int64_t s = 0; !fresh && s < g_.groups; ++s) {
      int64_t n = 0;
      for (int64_t i = 0; i < n_; ++i) {
        if (looked_at(i, s)) continue;
        double& low = lower_(i, s);
        low -= falls_[static_cast<size_t>(s)];
        if (low > 0 && low * low > near(i) + 4 * slack(i)) continue;
        rows_[static_cast<size_t>(n++)] = i;
      }
      look(s, n, false);
    }
    for (int64_t i = 0; i < n_; ++i) settle(i);
  }
  int64_t label(int64_t i) const { return label_[static_cast<size_t>(i)]; }
  double near(int64_t i) const {
    return std::max(apart_(i, 0) + 2 * score_[static_cast<size_t>(i)], 0.0);
  }

 private:
  size_t cell(int64_t i, int64_t s) const { return static_cast<size_t>(i * g_.groups + s); }
  bool looked_at(int64_t i, int64_t s) const { return least_[cell(i, s)] > -1e300; }
  double slack(int64_t i) const { return c_.unit * (std::sqrt(apart_(i, 0)) + c_.reach); }

  // Scores of the first n listed rows with the centroids of a group.
  void look(int64_t s, int64_t n, bool all) {
    if (n == 0) return;
    assay_view columns = shifted_;
    columns.data = static_cast<double*>(shifted_.data) + s * g_.size;
    columns.cols = g_.size;
    Call::check(tile_->times(b_.call().ctx, n, all ? nullptr : rows_.data(), &columns, out_.data(),
                             g_.size));
    for (int64_t at = 0; at < n; ++at) {
      const int64_t i = rows_[static_cast<size_t>(at)];
      double one = std::numeric_limits<double>::infinity(), two = one;
      double& best = score_[static_cast<size_t>(i)];
      int64_t& label = label_[static_cast<size_t>(i)];
      for (int64_t p = 0; p < g_.size; ++p) {
        const double a = c_.order[s * g_.size + p];
        if (a < 0) break;
        const double score = c_.half[s * g_.size + p] - out_[static_cast<size_t>(at * g_.size + p)];
        two = std::min(two, std::max(one, score));
        one = std::min(one, score);
        const auto centroid = static_cast<int64_t>(a);
        if (score < best || (score == best && centroid < label)) {
          best = score;
          label = centroid;
        }
      }
      least_[cell(i, s)] = one;
      second_[cell(i, s)] = two;
    }
  }

  // Bounds of the groups that were looked at.
  void settle(int64_t i) {
    const int64_t own = group_of_[static_cast<size_t>(label(i))];
    for (int64_t s = 0; s < g_.groups; ++s) {
      if (!looked_at(i, s)) continue;
      const double score = s == own ? second_[cell(i, s)] : least_[cell(i, s)],
                   square = apart_(i, 0) + 2 * score - 4 * slack(i);
      lower_(i, s) = std::isinf(score) ? kNowhere : square > 0 ? std::sqrt(square) : 0;
    }
  }

  const Block& b_;
  const assay_tile* tile_;
  const assay_view& shifted_;
  Groups g_;
  Centroids c_;
  int64_t n_;
  Matrix apart_, lower_;
  std::span<int64_t> rows_, label_, group_of_;
  std::span<double> score_, out_, least_, second_, falls_;
};

}  // namespace assay::author

#endif
