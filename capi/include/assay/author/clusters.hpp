// SPDX-License-Identifier: Apache-2.0
// What solvers of k-means share: one sweep that gives every row its nearest centroid, what it sums beside the labels, the
// measure of a fit, and W made of labels. A plugin derives from Clusters<itself>.
#ifndef ASSAY_AUTHOR_CLUSTERS_HPP
#define ASSAY_AUTHOR_CLUSTERS_HPP

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "centroids.hpp"

namespace assay::author {

template <class Plugin>
class Clusters : public Centroids<Plugin> {
 protected:
  using Base = Centroids<Plugin>;
  using Base::d_;
  using Base::nearest_rows;

  Clusters(Call call, const assay_problem &p)
      : Base(call, p), k_(p.k[0]), slots_(std::min({kMostTaken, p.k[0], p.n})),
        known_(p.factor_flags[1] & ASSAY_FACTOR_FROZEN) {}

  // The centroids of `count` starts side by side, and the label of each row in each: r k + a.
  struct Starts {
    int64_t count;
    assay_buf centres, labels;
  };
  // PREPARE: the reference, and whether rows count as a whole.
  void begin(const Builder &b, assay_buf reference) const {
    Base::check_weights(b);
    Base::refer(b, reference);
  }
  static assay_buf labels_of_result(const Builder &b) {
    return b.labels("labels", ASSAY_STATE, 1, ASSAY_BUFFER_OUTPUT);
  }

  // What a sweep over the rows leaves: weight of each cluster, and how many of its rows have some; of each start the objective
  // and how many labels changed; rows' squared distances from their centroids.
  struct Rows {
    assay_buf sizes, totals, near;
  };
  Rows assign_rows(const Builder &b, assay_buf reference, const Starts &s) const {
    const auto p = Base::products(b, reference, s.centres, s.count * k_, "clusters");
    const Rows r{b.sum("clusters_sizes", 2, s.count * k_), b.sum("clusters_totals", 2, s.count),
                 b.local("clusters_near", ASSAY_ROWS, s.count)};
    b.template each<&Clusters::assign, Plugin>("assign", ASSAY_ROWS,
                                               {{p.products, ASSAY_IN},
                                                {p.facts, ASSAY_IN},
                                                {p.lines, ASSAY_IN},
                                                {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                                {s.labels, ASSAY_INOUT},
                                                {r.sizes, ASSAY_ADD},
                                                {r.totals, ASSAY_ADD},
                                                {r.near, ASSAY_OUT}},
                                               0, ASSAY_EACH_X);
    return r;
  }

  // For each cluster of a start without rows one of those farthest from their centroids (ties: the first such row) out of
  // clusters that have others, at most kMostTaken in a step; rows that lie on their centroid stay. far: them, by -near; rows: these
  // of X, slots x d.
  // taken, slots x 3: the cluster that takes the row or -1, the one it leaves, the row's weight.
  struct Moves {
    assay_buf far, rows, taken;
  };
  Moves moves(const Builder &b, const Starts &s, const Rows &r, int32_t start) const {
    const auto named = [start](const char *name) { return name + std::to_string(start); };
    const assay_buf far = b.smallest(named("clusters_far").c_str(), slots_);
    const Moves m{far, b.small(named("clusters_rows").c_str(), slots_, d_),
                  b.small(named("clusters_taken").c_str(), slots_, 3)};
    b.template each<&Clusters::farthest, Plugin>(
        "farthest", ASSAY_ROWS,
        {{r.near, ASSAY_IN}, {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN}, {far, ASSAY_ADD}}, start);
    b.gather(m.rows, far);
    b.template each<&Clusters::relocate, Plugin>("relocate", ASSAY_ONE,
                                                 {{r.sizes, ASSAY_IN},
                                                  {far, ASSAY_IN},
                                                  {m.rows, ASSAY_IN},
                                                  {s.labels, ASSAY_IN},
                                                  {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                                  {s.centres, ASSAY_IN},
                                                  {m.taken, ASSAY_OUT}},
                                                 start);
    return m;
  }

  // The objective, and how far the centroids are from the means of their rows; unit: as far as a turn of centroids of length 1
  // reaches.
  void measure(const Builder &b, assay_buf reference, bool unit = false) const {
    const Starts s{1, b.factor(1), b.labels("clusters_labels", ASSAY_LOCAL, 1)};
    b.template each<&Clusters::no_labels, Plugin>("no_labels", ASSAY_ROWS, {{s.labels, ASSAY_OUT}});
    const Rows r = assign_rows(b, reference, s);
    const assay_buf sums = b.local("clusters_sums", ASSAY_COLS, k_),
                    squares = b.sum("clusters_squares", 1, 3), kkt = b.small("clusters_kkt", 1, 1),
                    objective = b.small("clusters_objective", 1, 1);
    b.times(sums, ASSAY_X, s.labels, ASSAY_WEIGHTED);
    const assay_buf along = b.sum("clusters_along", 1, k_);
    b.template each<&Clusters::add_along, Plugin>(
        "along", ASSAY_COLS,
        {{sums, ASSAY_IN}, {r.sizes, ASSAY_IN}, {s.centres, ASSAY_IN}, {along, ASSAY_ADD}});
    b.template each<&Clusters::compare, Plugin>("compare", ASSAY_COLS,
                                                {{sums, ASSAY_IN},
                                                 {r.sizes, ASSAY_IN},
                                                 {s.centres, ASSAY_IN},
                                                 {along, ASSAY_IN},
                                                 {squares, ASSAY_ADD}},
                                                unit ? 1 : 0);
    b.template each<&Clusters::residual, Plugin>(
        "residual", ASSAY_ONE,
        {{squares, ASSAY_IN}, {r.totals, ASSAY_IN}, {kkt, ASSAY_OUT}, {objective, ASSAY_OUT}});
    b.report("kkt", kkt);
    b.report("objective", objective);
  }

  // Of solvers with one start: the objective at the centroids that enter the step; the fit ends when no label changes.
  void report_one(const Builder &b, const Rows &r) const {
    const assay_buf objective = b.small("clusters_objective", 1, 1),
                    converged = b.small("clusters_converged", 1, 1);
    b.template each<&Clusters::conclude_one, Plugin>(
        "conclude", ASSAY_ONE,
        {{r.totals, ASSAY_IN}, {objective, ASSAY_OUT}, {converged, ASSAY_OUT}});
    b.report("objective", objective);
    b.report("converged", converged);
  }
  // The labels of the final centroids.
  void finish_one(const Builder &b, assay_buf reference) const {
    const Rows r = assign_rows(b, reference, {1, b.factor(1), labels_of_result(b)});
    report_empty(b, r);
  }
  // A line whose number nobody asks for would be left out.
  void report_empty(const Builder &b, const Rows &r) const {
    const assay_buf empty = b.small("clusters_empty", 1, 1);
    b.template each<&Clusters::end_one, Plugin>("end", ASSAY_ONE,
                                                {{r.sizes, ASSAY_IN}, {empty, ASSAY_OUT}});
    b.report("empty", empty);
  }

  void apply(const Builder &b, assay_buf reference) const {
    const auto p = Base::products(b, reference, b.factor(1), k_, "apply");
    b.template each<&Clusters::one_hot, Plugin>("one_hot", ASSAY_ROWS,
                                                {{p.products, ASSAY_IN},
                                                 {p.facts, ASSAY_IN},
                                                 {p.lines, ASSAY_IN},
                                                 {b.factor(0), ASSAY_OUT}},
                                                0, ASSAY_EACH_X);
  }

  // How many of the clusters from `first` on have no rows; says so, if any.
  double say_empty(const Block &b, const Matrix &sizes, int64_t first) const {
    int64_t empty = 0;
    for (int64_t a = 0; a < k_; ++a) empty += sizes(1, first + a) > 0 ? 0 : 1;
    if (empty > 0)
      b.call().log(
          std::to_string(empty) + " of " + std::to_string(k_) +
              " clusters have no rows: fewer distinct rows than clusters, or too few steps",
          ASSAY_LOG_WARNING);
    return static_cast<double>(empty);
  }

  // ---- block functions ----

  // {products, facts, lines, row weights, labels, sizes, totals, near}
  void assign(const Block &b) const {
    const Matrix products = b.matrix(0), near = b.matrix(7);
    NearestRows nearest = nearest_rows(b, 1, 2);
    for (int64_t r = 0; r < near.cols(); ++r) {
      nearest.run(products, r * k_, k_);
      settle(b, nearest, r);
    }
  }
  // The rows' labels, distances and sums, of start r. nearest: line(i), square(i); arguments as of assign.
  template <class Nearest>
  void settle(const Block &b, const Nearest &nearest, int64_t r) const {
    const Matrix weights = b.matrix(3), sizes = b.matrix(5), totals = b.matrix(6), near = b.matrix(7);
    const auto labels = b.labels(4);
    for (int64_t i = 0; i < near.rows(); ++i) {
      const int64_t label = nearest.line(i);
      near(i, r) = nearest.square(i);
      totals(0, r) += weights(i, 0) * near(i, r) / 2;
      totals(1, r) += labels(i, r) != label ? 1 : 0;
      labels(i, r) = static_cast<int32_t>(label);
      sizes(0, label) += weights(i, 0);
      sizes(1, label) += weights(i, 0) > 0 ? 1 : 0;
    }
  }
  // {near, row weights, far}
  void farthest(const Block &b) const {
    const Matrix near = b.matrix(0), weights = b.matrix(1);
    for (int64_t i = 0; i < near.rows(); ++i)
      if (near(i, b.tag()) > 0 && weights(i, 0) > 0)
        assay_smallest_add(&b.view(2), -near(i, b.tag()), b.index(i));
  }

  // {sizes, far, rows of far, labels, row weights, centres, taken}: for each of the far rows the
  // cluster that takes it or -1, the one it leaves, and its weight.
  void relocate(const Block &b) const {
    const Matrix sizes = b.matrix(0), far = b.matrix(1), rows = b.matrix(2), weights = b.matrix(4),
                 centres = b.matrix(5), taken = b.matrix(6);
    const auto labels = b.labels(3);
    const int64_t first = b.tag() * k_;
    const auto members = b.call().template scratch<double>(k_);
    for (int64_t a = 0; a < k_; ++a) members[static_cast<size_t>(a)] = sizes(1, first + a);
    const auto next_empty = [&](int64_t a) {
      for (++a; a < k_ && sizes(1, first + a) > 0;) ++a;
      return a;
    };
    int64_t empty = next_empty(-1);
    for (int64_t s = 0; s < slots_; ++s) {
      taken(s, 0) = -1;
      taken(s, 1) = taken(s, 2) = 0;
      const auto row = static_cast<int64_t>(far(s, 1));
      if (row < 0 || empty >= k_) continue;
      const int64_t from = labels(row, b.tag());
      double &left = members[static_cast<size_t>(from - first)];
      if (left < 2 || !lies_apart(rows, s, centres, from)) continue;
      left -= 1;
      taken(s, 0) = static_cast<double>(first + empty);
      taken(s, 1) = static_cast<double>(from);
      taken(s, 2) = weights(row, 0);
      empty = next_empty(empty);
    }
  }
  // Whether a row is somewhere else than its centroid, beyond rounding.
  bool lies_apart(const Matrix &rows, int64_t s, const Matrix &centres, int64_t a) const {
    double distance = 0, size = 0;
    for (int64_t j = 0; j < d_; ++j) {
      const double x = rows(s, j), h = centres(j, a);
      distance += (x - h) * (x - h);
      size += x * x + h * h;
    }
    return distance > 1e-24 * size;
  }

  // {totals, objective, converged}
  void conclude_one(const Block &b) const {
    b.number(1) = b.matrix(0)(0, 0);
    b.number(2) = b.step() > 0 && b.matrix(0)(1, 0) == 0 ? 1 : 0;
  }
  // {sizes, empty}
  void end_one(const Block &b) const { b.number(1) = say_empty(b, b.matrix(0), 0); }
  void no_labels(const Block &b) const {
    for (int64_t i = 0; i < b.count(); ++i) b.labels(0)(i, 0) = -1;
  }
  // {sums, sizes, H, the gradient along each centroid}
  void add_along(const Block &b) const {
    const Matrix sums = b.matrix(0), sizes = b.matrix(1), H = b.matrix(2), along = b.matrix(3);
    for (int64_t j = 0; j < H.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a)
        along(0, a) += H(j, a) * (sizes(0, a) * H(j, a) - sums(j, a));
  }
  // {sums, sizes, H, along, squares of: the gradient, its two halves}
  void compare(const Block &b) const {
    const Matrix sums = b.matrix(0), sizes = b.matrix(1), H = b.matrix(2), along = b.matrix(3),
                 squares = b.matrix(4);
    for (int64_t j = 0; j < H.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a) {
        const double whole = sizes(0, a) * H(j, a), sum = sums(j, a),
                     slope = whole - sum - (b.tag() ? along(0, a) * H(j, a) : 0);
        squares(0, 0) += slope * slope;
        squares(0, 1) += whole * whole;
        squares(0, 2) += sum * sum;
      }
  }
  // {squares, totals, kkt, objective}
  void residual(const Block &b) const {
    const Matrix squares = b.matrix(0);
    const double size = std::sqrt(squares(0, 1)) + std::sqrt(squares(0, 2));
    b.number(2) = size > 0 ? std::sqrt(squares(0, 0)) / size : 0;
    b.number(3) = b.matrix(1)(0, 0);
  }
  // {products, facts, lines, W}
  void one_hot(const Block &b) const {
    const Matrix W = b.matrix(3);
    NearestRows nearest = nearest_rows(b, 1, 2);
    nearest.run(b.matrix(0), 0, k_);
    for (int64_t i = 0; i < W.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) W(i, a) = a == nearest.line(i) ? 1 : 0;
  }

  static constexpr int64_t kMostTaken = 16;
  int64_t k_, slots_;
  bool known_;  // H is given
};

}  // namespace assay::author

#endif
