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
#include <utility>

namespace assay::author {

constexpr float kNowhere = 1e30F;  // a bound where there is no other centroid
// Bounds are kept in float32, a little below what they are; what they fall by and are held against,
// a little above. Numbers too small for float32 count as 0, or as the least it has.
constexpr float kDown = 1 - 4e-7F, kUp = 1 + 4e-7F, kLeast = 1e-37F;
static inline float below(double v) {
  if (v < static_cast<double>(kLeast)) return 0;
  return v < static_cast<double>(kNowhere) ? static_cast<float>(v) * kDown : kNowhere;
}
static inline float above(double v) {
  if (v < static_cast<double>(kLeast)) return v > 0 ? kLeast : 0;
  return v < static_cast<double>(kNowhere) ? static_cast<float>(v) * kUp : kNowhere;
}

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

// Lowers the bounds of a row; whether one is within reach.
ASSAY_SIMD static inline bool fall_all(int64_t n,
                                       float* __restrict__ low,
                                       const float* __restrict__ falls,
                                       float near) {
  int32_t within = 0;
  for (int64_t s = 0; s < n; ++s) {
    const float bound = (low[s] - falls[s]) * kDown;
    low[s] = bound;
    within |= bound <= near ? 1 : 0;
  }
  return within != 0;
}
// square[p] = 2 (half[p] - products[p]) + beside, and its root as a bound.
ASSAY_SIMD static inline void squares_of(int64_t n,
                                         const double* __restrict__ half,
                                         const double* __restrict__ products,
                                         double beside,
                                         double* __restrict__ square,
                                         float* __restrict__ low) {
  for (int64_t p = 0; p < n; ++p) {
    square[p] = 2 * (half[p] - products[p]) + beside;
    const double root = std::sqrt(square[p] > 0 ? square[p] : 0.0);
    low[p] = root < kLeast ? 0 : root < kNowhere ? static_cast<float>(root) * kDown : kNowhere;
  }
}

// What a step knows of the centroids.
struct BoundedCentroids {
  assay_view shifted;   // d x columns of the groups
  assay_view lines;     // of the centroids, then the reference
  assay_view narrow;    // of the centroids in float32, of a run in float32, else without data
  Matrix facts;         // of the columns, as nearest.hpp has them
  const double* moved;  // of the columns: squared, since the step before
  const double* order;
  bool f32;
};

// The rows of one block.
class BoundedRows {
 public:
  BoundedRows(const Block& b,
              const assay_tile* tile,
              const Groups& g,
              const BoundedCentroids& c,
              int64_t k,
              const Block2d<float>& lower)
      : b_(b),
        tile_(tile),
        g_(g),
        c_(c),
        n_(b.count()),
        k_(k),
        lower_(lower),
        rounding_(c.lines.cols, c.f32, c.facts, 0, g.columns()),
        narrowing_(6e-8 * std::sqrt(*std::max_element(&c.facts(kSquare, 0),
                                                      &c.facts(kSquare, 0) + g.columns()))),
        label_(b.call().scratch<int32_t>(n_)),
        before_(b.call().scratch<int32_t>(n_)),
        square_(b.call().scratch<double>(n_)),
        own_(b.call().scratch<double>(n_)),
        column_of_(b.call().scratch<int64_t>(k)),
        moves_(b.call().scratch<double>(g.columns())),
        falls_(b.call().scratch<float>(g.groups)),
        bounds_(b.call().scratch<float>(g.columns())),
        squares_(b.call().scratch<double>(g.columns())),
        rows_(b.call().scratch<int64_t>(n_ * g.columns())),
        lines_(b.call().scratch<int32_t>(n_ * g.columns())),
        out_(b.call().scratch<double>(n_ * std::max(g.columns(), stride(g.columns())))) {
    for (int64_t p = 0; p < g.columns(); ++p) {
      if (c.order[p] >= 0) column_of_[at(static_cast<int64_t>(c.order[p]))] = p;
      moves_[at(p)] = std::sqrt(c.moved[p]) * (1 + kLoose);
    }
    for (int64_t s = 0; s < g.groups; ++s)
      falls_[at(s)] =
          above(*std::max_element(&moves_[at(s * g.size)], &moves_[at(s * g.size)] + g.size));
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
  float reach(int64_t i) const { return above(std::sqrt(own_[at(i)])); }
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
  void bound(int64_t i, int64_t s, double low) {
    lower_(i, s) = std::min(lower_(i, s), below(low));
  }
  bool falls_within(int64_t i, float near) {
    return fall_all(g_.groups, &lower_(i, 0), falls_.data(), near);
  }

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
      weigh(i, 0, g_.groups, out, beside);
    }
  }
  // Of the products of row i with some groups: what is near enough is asked for, the rest is the
  // bound. beside: what lies between twice a score and the least the square can be.
  void weigh(int64_t i, int64_t first, int64_t groups, const double* products, double beside) {
    squares_of(groups * g_.size, &c_.facts(kHalf, first * g_.size), products, beside,
               squares_.data(), bounds_.data());
    const double own = own_[at(i)];
    const int64_t label = column_of_[at(before_[at(i)])];
    size_t q = 0;
    for (int64_t s = first; s < first + groups; ++s) {
      float least = kNowhere;
      for (int64_t p = s * g_.size; p < (s + 1) * g_.size; ++p, ++q) {
        if (p == label || c_.order[p] < 0) continue;
        if (squares_[q] > own)
          least = std::min(least, bounds_[q]);
        else  // or no number
          ask(i, p);
      }
      lower_(i, s) = least;
    }
  }

  void fall_narrow() {
    for (int64_t i = 0; i < n_; ++i) {
      const float near = reach(i);
      if (!falls_within(i, near)) continue;
      const float* low = &lower_(i, 0);
      for (int64_t s = 0; s < g_.groups; ++s)
        if (low[s] <= near) look(i, s, near);
    }
  }
  // One by one those of a group that may be as near.
  void look(int64_t i, int64_t s, float near) {
    const int64_t label = column_of_[at(before_[at(i)])];
    const double before = static_cast<double>(lower_(i, s)) + static_cast<double>(falls_[at(s)]);
    lower_(i, s) = kNowhere;
    for (int64_t p = s * g_.size; p < (s + 1) * g_.size; ++p) {
      if (c_.order[p] < 0 || p == label) continue;
      const double low = before - moves_[at(p)] - 1e-6 * before;
      if (g_.size == 1 || low <= static_cast<double>(near))
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
      if (falls_within(i, reach(i))) rows[at(n++)] = i;
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
        weigh(some[at(e)], s, 1, &out_[at(e * stride(g_.size))],
              square - 2 * rounding_.slack(std::sqrt(square)));
      }
    }
  }

  // In float32, where the run is: leaves of what was asked for what may be the nearest.
  void thin() {
    Call::check(tile_->distances(b_.call().ctx, pairs_, rows_.data(), lines_.data(), &c_.narrow,
                                 nullptr, out_.data()));
    const double loose = 1 - 6e-8 * (static_cast<double>(c_.narrow.cols) / 64 + 16);
    const int64_t asked = std::exchange(pairs_, 0);
    for (int64_t e = 0; e < asked; ++e) {
      const int64_t i = rows_[at(e)];
      const int32_t line = lines_[at(e)];
      const double square = out_[at(e)], low = std::sqrt(square) * loose - narrowing_;
      const bool sound = square > 1e-30 && square < 1e36;  // neither lost nor too large
      if (sound && low > 0 && low * low > own_[at(i)]) {
        bound(i, group_of(line), low);
      } else {
        rows_[at(pairs_)] = i;
        lines_[at(pairs_++)] = line;
      }
    }
  }

  // Takes the distances asked for.
  void decide() {
    if (c_.narrow.data) thin();
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
  Block2d<float> lower_;
  Rounding rounding_;
  double narrowing_;  // of a distance, where the centroid is taken in float32
  std::span<int32_t> label_, before_;
  std::span<double> square_, own_;  // of the nearest so far, of the label of the step before
  std::span<int64_t> column_of_;
  std::span<double> moves_;
  std::span<float> falls_, bounds_;
  std::span<double> squares_;
  int64_t pairs_ = 0;  // distances asked for
  std::span<int64_t> rows_;
  std::span<int32_t> lines_;
  std::span<double> out_;
};

}  // namespace assay::author

#endif
