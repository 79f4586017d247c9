// SPDX-License-Identifier: Apache-2.0
// Mean and variance of every column, in two passes where digits would be lost in one: the scale of
// floors and priors.
#pragma once

#include "maximise.hpp"

namespace em {

template <class T>
class Moments : public Maximiser<T> {
 public:
  using Maximiser<T>::Maximiser;

 protected:
  using Mixture<T>::d_;
  using Mixture<T>::k_;
  using Mixture<T>::linear_;
  using Mixture<T>::facts_;
  using Mixture<T>::density_;
  using Mixture<T>::tile_;
  using Mixture<T>::squares;
  using Mixture<T>::model;

  void column_moments(const Builder& b, assay_buf centre, assay_buf spread) const {
    const assay_buf weights = b.given(ASSAY_ROW_WEIGHTS);
    if (linear_) {
      const assay_buf first = b.local("column_sums", ASSAY_COLS, 1),
                      second = b.local("column_squares", ASSAY_COLS, 1),
                      all = b.sum("all_rows", 1, 1);
      b.times(first, ASSAY_X, weights);
      b.times(second, ASSAY_X, weights, ASSAY_SQUARE);
      b.template each<&Moments::count_rows, T>("count_rows", ASSAY_ROWS,
                                               {{weights, ASSAY_IN}, {all, ASSAY_ADD}}, 0,
                                               this->unequal_ ? uint32_t{ASSAY_EACH_X} : 0);
      b.template each<&Moments::moments_of_sums, T>("column_moments", ASSAY_ONE,
                                                    {{first, ASSAY_IN},
                                                     {second, ASSAY_IN},
                                                     {all, ASSAY_IN},
                                                     {centre, ASSAY_OUT},
                                                     {spread, ASSAY_OUT}});
      return;
    }
    const assay_buf first = b.sum("column_sums", 2, d_), second = b.sum("column_squares", 1, d_);
    b.template each<&Moments::add_columns, T>(
        "column_sums", ASSAY_ROWS, {{weights, ASSAY_IN}, {first, ASSAY_ADD}}, 0, ASSAY_EACH_X);
    b.template each<&Moments::write_centre, T>("column_means", ASSAY_ONE,
                                               {{first, ASSAY_IN}, {centre, ASSAY_OUT}});
    b.template each<&Moments::add_columns, T>(
        "column_squares", ASSAY_ROWS,
        {{weights, ASSAY_IN}, {second, ASSAY_ADD}, {centre, ASSAY_IN}}, 1, ASSAY_EACH_X);
    b.template each<&Moments::write_spread, T>(
        "column_variances", ASSAY_ONE,
        {{first, ASSAY_IN}, {second, ASSAY_IN}, {spread, ASSAY_OUT}});
  }

  void total_base(const Builder& b) const {
    const assay_buf sum = b.sum("base_sum", 1, 1), base = this->base(b);
    b.template each<&Moments::add_base_of, T>(
        "base_rows", ASSAY_ROWS, {{b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN}, {sum, ASSAY_ADD}}, 0,
        ASSAY_EACH_X);
    b.template each<&Moments::copy_number, T>("base_total", ASSAY_ONE,
                                              {{sum, ASSAY_IN}, {base, ASSAY_OUT}});
  }

 public:
  // {row weights, sums (2 x d: of x, of weights; second pass 1 x d), [centre]}
  void add_columns(const Block& b) const {
    const Matrix weights = b.matrix(0), sums = b.matrix(1);
    const double* centre = b.tag() == 1 ? b.matrix(2).row(0).data() : nullptr;
    typename Mixture<T>::Rows rows(*this, b);
    for (int64_t first = 0; first < b.count(); first += ASSAY_DENSITY_ROWS) {
      const int64_t n = std::min<int64_t>(ASSAY_DENSITY_ROWS, b.count() - first);
      const assay_density_rows& x = rows.take(first, n);
      for (int64_t i = 0; i < n; ++i) {
        const double w = weights(first + i, 0);
        const double* at = x.x + i * x.ld;
        const uint8_t* seen = x.seen ? x.seen + i * d_ : nullptr;
        for (int64_t j = 0; j < d_; ++j) {
          if (seen && !seen[j]) continue;
          const double z = centre ? at[j] - centre[j] : at[j];
          sums(0, j) += centre ? w * z * z : w * z;
          if (!centre) sums(1, j) += w;
        }
      }
    }
  }
  void write_centre(const Block& b) const {
    const Matrix sums = b.matrix(0), centre = b.matrix(1);
    for (int64_t j = 0; j < d_; ++j) centre(0, j) = sums(1, j) > 0 ? sums(0, j) / sums(1, j) : 0;
  }
  void write_spread(const Block& b) const {
    const Matrix sums = b.matrix(0), second = b.matrix(1), spread = b.matrix(2);
    for (int64_t j = 0; j < d_; ++j) spread(0, j) = sums(1, j) > 0 ? second(0, j) / sums(1, j) : 0;
  }
  // Linear forms take whole rows only.
  void count_rows(const Block& b) const {
    const Matrix weights = b.matrix(0);
    const auto marks = b.call().template scratch<uint8_t>(d_);
    for (int64_t i = 0; this->unequal_ && i < b.count(); ++i)
      if (!this->mark(b, i, marks.data())) throw Mixture<T>::no_missing();
    for (int64_t i = 0; i < b.count(); ++i) b.number(1) += weights(i, 0);
  }
  // {sums, squares (COLS), rows, centre, spread}
  void moments_of_sums(const Block& b) const {
    const Matrix first = b.matrix(0), second = b.matrix(1), centre = b.matrix(3),
                 spread = b.matrix(4);
    const double n = b.number(2);
    for (int64_t j = 0; j < d_; ++j) {
      const double mean = n > 0 ? first(j, 0) / n : 0;
      centre(0, j) = mean;
      spread(0, j) = n > 0 ? std::max(0.0, second(j, 0) / n - mean * mean) : 0;
    }
  }
  void add_base_of(const Block& b) const {
    const Matrix weights = b.matrix(0);
    for (int64_t i = 0; i < b.count(); ++i) {
      assay_line line{};
      line.struct_size = sizeof line;
      Call::check(tile_->line(b.call().ctx, i, &line));
      double base = 0;
      Call::check(density_->base(b.call().ctx, line.n, line.x, &base));
      b.number(1) += weights(i, 0) * base;
    }
  }
  void copy_number(const Block& b) const { b.number(1) = b.number(0); }
};

}  // namespace em
