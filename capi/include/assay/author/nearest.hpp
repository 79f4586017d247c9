// SPDX-License-Identifier: Apache-2.0
// The nearest centroid of each row of a block: products propose, differences decide. Of a score, half the squared distance
// less what all centroids of the row share, the product's rounding is at most `slack`; each centroid whose score is within
// twice that of the least has its distance taken by differences, which lose no digits wherever data and centroids lie. So
// the nearest is that of the distances as float64 has them, ties to the lower index, in float32 too.
#ifndef ASSAY_AUTHOR_NEAREST_HPP
#define ASSAY_AUTHOR_NEAREST_HPP

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

#include "program.hpp"

namespace assay::author {

// The least of half[a] - x[a] over a < width, ties to the lower index.
struct NearestOf {
  int64_t index;
  double score;
};
ASSAY_SIMD static inline NearestOf nearest_of(int64_t width, const double *__restrict__ x,
                                              const double *__restrict__ half) {
  NearestOf out{0, half[0] - x[0]};
  int64_t a = 0;
  if (width >= 8) {
    double best[8];
    int64_t at[8];
    for (int l = 0; l < 8; ++l) {
      best[l] = half[l] - x[l];
      at[l] = l;
    }
    for (a = 8; a + 8 <= width; a += 8)
      for (int l = 0; l < 8; ++l) {
        const double score = half[a + l] - x[a + l];
        at[l] = score < best[l] ? a + l : at[l];
        best[l] = score < best[l] ? score : best[l];
      }
    for (int l = 0; l < 8; ++l)
      if (best[l] < out.score || (best[l] == out.score && at[l] < out.index)) out = {at[l], best[l]};
  }
  for (; a < width; ++a)
    if (half[a] - x[a] < out.score) out = {a, half[a] - x[a]};
  return out;
}
// How many scores are not above `limit`: those that are no numbers too.
ASSAY_SIMD static inline int64_t count_within(int64_t width, const double *__restrict__ x,
                                              const double *__restrict__ half, double limit) {
  int64_t count = 0;
  for (int64_t a = 0; a < width; ++a) count += half[a] - x[a] > limit ? 0 : 1;
  return count;
}

// What programs know of centroids c about a reference r, a column each: half of the squared length about r and c'r together,
// the squared lengths of c - r and of c; |r|^2 in the first column.
enum { kHalf, kShifted, kSquare, kReference, kCentroidFacts };

// The rounding of scores.
class Rounding {
 public:
  // first, k: which columns of facts.
  Rounding(int64_t d, bool f32, const Matrix &facts, int64_t first, int64_t k)
      : unit_((f32 ? 6e-8 : 1.2e-16) * static_cast<double>(d + 8)),
        least_((f32 ? 1e-44 : 0) * static_cast<double>(d)), most_(f32 ? 1e37 : 1e300) {
    for (int64_t a = first; a < first + k; ++a)
      if (facts(kShifted, a) > longest_) longest_ = facts(kShifted, a);
    longest_ = std::sqrt(longest_);
    beside_ = 2 * std::sqrt(facts(kReference, 0)) + longest_;
  }
  // away: a row's distance from r, or more. Infinite where products may leave the range of their type.
  double slack(double away) const {
    const double reach = longest_ * (away + beside_);
    if (!(reach < most_)) return std::numeric_limits<double>::infinity();
    return unit_ * reach + least_ * (1 + away + beside_);
  }

 private:
  double unit_, least_, most_;  // of a product: relative to the lengths of both sides; besides; what it can be
  double longest_ = 0, beside_ = 0;
};

class NearestRows {
 public:
  // points: the centroids, a line each. The block's function is flagged ASSAY_EACH_X.
  NearestRows(const Block &b, const assay_tile *tile, const Matrix &facts, const assay_view &points,
              bool f32)
      : b_(b),
        tile_(tile),
        facts_(facts),
        points_(points),
        f32_(f32),
        n_(b.count()),
        lines_(b.call().scratch<int32_t>(n_)),
        score_(b.call().scratch<double>(n_)),
        square_(b.call().scratch<double>(n_)) {}

  // Among columns first .. first + k - 1 of the products.
  void run(const Matrix &products, int64_t first, int64_t k) {
    for (int64_t i = 0; i < n_; ++i) {
      const NearestOf found = nearest_of(k, &products(i, first), &facts_(kHalf, first));
      lines_[at(i)] = static_cast<int32_t>(first + found.index);
      score_[at(i)] = found.score;
    }
    Call::check(tile_->distances(b_.call().ctx, n_, nullptr, lines_.data(), &points_,
                                 &facts_(kSquare, 0), square_.data()));
    const Rounding rounding(points_.cols, f32_, facts_, first, k);
    for (int64_t i = 0; i < n_; ++i) {
      const double away = std::sqrt(square_[at(i)]) + std::sqrt(facts_(kShifted, lines_[at(i)])),
                   limit = score_[at(i)] + 2 * rounding.slack(away);
      if (count_within(k, &products(i, first), &facts_(kHalf, first), limit) > 1)
        decide(i, products, first, k, limit);
    }
  }
  int64_t line(int64_t i) const { return lines_[at(i)]; }
  double square(int64_t i) const { return square_[at(i)]; }

 private:
  static size_t at(int64_t i) { return static_cast<size_t>(i); }

  void decide(int64_t i, const Matrix &products, int64_t first, int64_t k, double limit) {
    for (int64_t a = first; a < first + k; ++a) {
      if (facts_(kHalf, a) - products(i, a) > limit || a == lines_[at(i)]) continue;
      const auto line = static_cast<int32_t>(a);
      double square = 0;
      Call::check(tile_->distances(b_.call().ctx, 1, &i, &line, &points_, &facts_(kSquare, 0), &square));
      if (square < square_[at(i)] || (square == square_[at(i)] && line < lines_[at(i)])) {
        square_[at(i)] = square;
        lines_[at(i)] = line;
      }
    }
  }

  const Block &b_;
  const assay_tile *tile_;
  Matrix facts_;
  const assay_view &points_;
  bool f32_;
  int64_t n_;
  std::span<int32_t> lines_;
  std::span<double> score_, square_;
};

}  // namespace assay::author

#endif
