// SPDX-License-Identifier: Apache-2.0
// Lloyd's labels with fewer distances, and the same bits: for each row and group of centroids a
// lower bound of its distance from those of the group but its own, which falls by what they move
// (Elkan 2003 where a group is one centroid; Ding et al. 2015, "Yinyang k-means"). The distance
// from the row's own centroid is taken anew in each step; only where a bound is below it are others
// looked at: one by one, or, of groups as wide as a vector, by the product of the rows in question
// with all of the group, whose rounding loosens what follows from it. Differences decide
// (assay/author/nearest.hpp).
#ifndef ASSAY_LLOYD_BOUNDS_HPP
#define ASSAY_LLOYD_BOUNDS_HPP

#include <algorithm>
#include <assay/author/nearest.hpp>
#include <assay/plugin.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

namespace assay::author {

constexpr double kNowhere = 1e150;  // a bound where there is no other centroid

// Which centroid each column holds: `groups` runs of `size` columns, -1 for none.
struct Groups {
  int64_t groups = 0, size = 0;
  int64_t columns() const { return groups * size; }
  bool by_products() const { return size >= 8; }
  // At most a bound for eight columns of X; wide groups of whole vectors.
  static Groups of(int64_t k, int64_t d) {
    const int64_t most = std::max<int64_t>(1, d / 8);
    Groups g;
    g.size = (k + most - 1) / most;
    if (g.by_products()) g.size = (g.size + 7) / 8 * 8;
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
  if (g.size == 1) return;
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

// Lowers the bounds of a row; the least of them.
ASSAY_SIMD static inline double fall_all(int64_t n,
                                         double* __restrict__ low,
                                         const double* __restrict__ falls) {
  double least[8];
  for (double& l : least) l = kNowhere;
  int64_t s = 0;
  for (; s + 8 <= n; s += 8)
    for (int l = 0; l < 8; ++l) {
      low[s + l] -= falls[s + l];
      least[l] = low[s + l] < least[l] ? low[s + l] : least[l];
    }
  for (; s < n; ++s) {
    low[s] -= falls[s];
    least[0] = std::min(least[0], low[s]);
  }
  return *std::min_element(least, least + 8);
}

// What a step knows of the centroids.
struct BoundedCentroids {
  assay_view shifted;   // d x columns of the groups
  assay_view lines;     // of the centroids, then the reference
  Matrix facts;         // of the columns, as nearest.hpp has them
  const double* moved;  // of the columns: squared, since the step before
  const double* order;
  double unit;
};

// The rows of one block.
class BoundedRows {
 public:
  BoundedRows(const Block& b,
              const assay_tile* tile,
              const Groups& g,
              const BoundedCentroids& c,
              int64_t k,
              const Matrix& lower)
      : b_(b),
        tile_(tile),
        g_(g),
        c_(c),
        n_(b.count()),
        k_(k),
        lower_(lower),
        rounding_(c.unit, c.facts, 0, g.columns()),
        label_(b.call().scratch<int32_t>(n_)),
        before_(b.call().scratch<int32_t>(n_)),
        square_(b.call().scratch<double>(n_)),
        own_(b.call().scratch<double>(n_)),
        column_of_(b.call().scratch<int64_t>(k)),
        moves_(b.call().scratch<double>(g.columns())),
        falls_(b.call().scratch<double>(g.groups)),
        rows_(b.call().scratch<int64_t>(n_ * g.columns())),
        lines_(b.call().scratch<int32_t>(n_ * g.columns())),
        out_(b.call().scratch<double>(n_ * std::max(g.columns(), stride(g.columns())))) {
    for (int64_t p = 0; p < g.columns(); ++p) {
      if (c.order[p] >= 0) column_of_[at(static_cast<int64_t>(c.order[p]))] = p;
      moves_[at(p)] = std::sqrt(c.moved[p]) * (1 + kLoose);
    }
    for (int64_t s = 0; s < g.groups; ++s)
      falls_[at(s)] = *std::max_element(&moves_[at(s * g.size)], &moves_[at(s * g.size)] + g.size);
  }

  // fresh: no bounds yet. labels: those of the step before.
  void run(const Block2d<int32_t>& labels, bool fresh) {
    if (fresh) {
      begin();
    } else {
      for (int64_t i = 0; i < n_; ++i) label_[at(i)] = labels(i, 0);
      measure(n_, nullptr, label_, square_);
    }
    std::copy(label_.begin(), label_.end(), before_.begin());
    std::copy(square_.begin(), square_.end(), own_.begin());
    if (fresh)
      settle_products();
    else if (g_.by_products())
      fall_wide();
    else
      fall_narrow();
    decide();
  }
  int64_t line(int64_t i) const { return label_[at(i)]; }
  double square(int64_t i) const { return square_[at(i)]; }

 private:
  static constexpr double kLoose = 1e-9;  // beyond what rounding does to distances and bounds
  static size_t at(int64_t i) { return static_cast<size_t>(i); }
  static int64_t stride(int64_t columns) { return (columns + 7) / 8 * 8; }
  int64_t group_of(int64_t line) const { return column_of_[at(line)] / g_.size; }
  double reach(int64_t i) const { return std::sqrt(own_[at(i)]) * (1 + kLoose); }
  void measure(int64_t n,
               const int64_t* rows,
               std::span<const int32_t> lines,
               std::span<double> out) const {
    Call::check(
        tile_->distances(b_.call().ctx, n, rows, lines.data(), &c_.lines, nullptr, out.data()));
  }
  void multiply(int64_t n, const int64_t* rows, int64_t first, int64_t count) const {
    assay_view columns = c_.shifted;
    columns.data = static_cast<double*>(c_.shifted.data) + first;
    columns.cols = count;
    Call::check(tile_->times(b_.call().ctx, n, rows, &columns, out_.data(), stride(count)));
  }
  // A centroid whose distance is to be taken.
  void ask(int64_t i, int64_t p) {
    rows_[at(pairs_)] = i;
    lines_[at(pairs_++)] = static_cast<int32_t>(c_.order[p]);
  }
  void bound(int64_t i, int64_t s, double low) { lower_(i, s) = std::min(lower_(i, s), low); }

  // Every row with every centroid: the label of the least score, and its distance.
  void begin() {
    multiply(n_, nullptr, 0, g_.columns());
    for (int64_t i = 0; i < n_; ++i) {
      const double* out = &out_[at(i * stride(g_.columns()))];
      int64_t best = 0;
      for (int64_t p = 1; p < g_.columns(); ++p)
        if (c_.order[p] >= 0 && score(p, out[p]) < score(best, out[best])) best = p;
      label_[at(i)] = static_cast<int32_t>(c_.order[best]);
    }
    measure(n_, nullptr, label_, square_);
  }
  double score(int64_t p, double product) const { return c_.facts(kHalf, p) - product; }
  void settle_products() {
    for (int64_t i = 0; i < n_; ++i) {
      const double* out = &out_[at(i * stride(g_.columns()))];
      const int64_t best = column_of_[at(label_[at(i)])];
      const double away = std::sqrt(square_[at(i)]) + std::sqrt(c_.facts(kShifted, best)),
                   beside = own_[at(i)] - 2 * score(best, out[best]) - 4 * rounding_.slack(away);
      for (int64_t s = 0; s < g_.groups; ++s) weigh(i, s, out + s * g_.size, beside);
    }
  }
  // Of a group's products with row i: what is near enough is asked for, the rest is the bound.
  // beside: what lies between twice a score and the least the square can be.
  void weigh(int64_t i, int64_t s, const double* products, double beside) {
    double least = kNowhere * kNowhere;
    for (int64_t q = 0; q < g_.size; ++q) {
      const int64_t p = s * g_.size + q;
      if (c_.order[p] < 0 || c_.order[p] == before_[at(i)]) continue;
      const double square = 2 * score(p, products[q]) + beside;
      if (square <= own_[at(i)])
        ask(i, p);
      else
        least = std::min(least, square);
    }
    lower_(i, s) = std::sqrt(least);
  }

  void fall_narrow() {
    for (int64_t i = 0; i < n_; ++i) {
      double* low = &lower_(i, 0);
      const double near = reach(i);
      if (fall_all(g_.groups, low, falls_.data()) > near) continue;
      for (int64_t s = 0; s < g_.groups; ++s)
        if (low[s] <= near) look(i, s, near);
    }
  }
  // One by one those of a group that may be as near.
  void look(int64_t i, int64_t s, double near) {
    const double before = lower_(i, s) + falls_[at(s)];
    lower_(i, s) = kNowhere;
    for (int64_t p = s * g_.size; p < (s + 1) * g_.size; ++p) {
      if (c_.order[p] < 0 || c_.order[p] == before_[at(i)]) continue;
      const double low = before - moves_[at(p)] - kLoose * before;
      if (low <= near)
        ask(i, p);
      else
        bound(i, s, low);
    }
  }

  void fall_wide() {
    const auto rows = b_.call().scratch<int64_t>(n_);
    const auto away = b_.call().scratch<double>(n_);
    const auto reference = b_.call().scratch<int32_t>(n_);
    std::fill(reference.begin(), reference.end(), static_cast<int32_t>(k_));
    int64_t n = 0;
    for (int64_t i = 0; i < n_; ++i)
      if (fall_all(g_.groups, &lower_(i, 0), falls_.data()) <= reach(i)) rows[at(n++)] = i;
    measure(n, rows.data(), reference, away);
    const auto some = b_.call().scratch<int64_t>(n_), which = b_.call().scratch<int64_t>(n_);
    for (int64_t s = 0; s < g_.groups; ++s) {
      int64_t m = 0;
      for (int64_t e = 0; e < n; ++e)
        if (lower_(rows[at(e)], s) <= reach(rows[at(e)])) {
          some[at(m)] = rows[at(e)];
          which[at(m++)] = e;
        }
      if (m == 0) continue;
      multiply(m, some.data(), s * g_.size, g_.size);
      for (int64_t e = 0; e < m; ++e) {
        const double square = away[at(which[at(e)])];
        weigh(some[at(e)], s, &out_[at(e * stride(g_.size))],
              square - 2 * rounding_.slack(std::sqrt(square)));
      }
    }
  }

  // Takes the distances asked for.
  void decide() {
    measure(pairs_, rows_.data(), lines_, out_);
    for (int64_t e = 0; e < pairs_; ++e) {
      const size_t i = at(rows_[at(e)]);
      const double square = out_[at(e)];
      if (square > square_[i] || (square == square_[i] && lines_[at(e)] > label_[i])) continue;
      square_[i] = square;
      label_[i] = lines_[at(e)];
    }
    for (int64_t e = 0; e < pairs_; ++e)
      if (const int64_t i = rows_[at(e)]; lines_[at(e)] != label_[at(i)])
        bound(i, group_of(lines_[at(e)]), std::sqrt(out_[at(e)]));
    for (int64_t i = 0; i < n_; ++i)
      if (before_[at(i)] != label_[at(i)])
        bound(i, group_of(before_[at(i)]), std::sqrt(own_[at(i)]));
  }

  const Block& b_;
  const assay_tile* tile_;
  Groups g_;
  const BoundedCentroids& c_;
  int64_t n_, k_;
  Matrix lower_;
  Rounding rounding_;
  std::span<int32_t> label_, before_;
  std::span<double> square_, own_;  // of the nearest so far, of the label of the step before
  std::span<int64_t> column_of_;
  std::span<double> moves_, falls_;
  int64_t pairs_ = 0;  // distances asked for
  std::span<int64_t> rows_;
  std::span<int32_t> lines_;
  std::span<double> out_;
};

}  // namespace assay::author

#endif
