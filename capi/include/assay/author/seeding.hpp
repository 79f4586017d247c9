// SPDX-License-Identifier: Apache-2.0
// Starts of clusterings: rows of X drawn as centroids. A draw with chances in proportion to p is a race: the rows with the
// least -log(u_i) / p_i win, u_i the uniform number of row i in the draw's stream, so that winners depend on no tiling.
// A plugin derives from Seeding<itself>.
#ifndef ASSAY_AUTHOR_SEEDING_HPP
#define ASSAY_AUTHOR_SEEDING_HPP

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "centroids.hpp"

namespace assay::author {

template <class Plugin>
class Seeding : public Centroids<Plugin> {
 protected:
  using Base = Centroids<Plugin>;
  using Base::d_;
  using Base::n_;

  Seeding(Call call, const assay_problem &p)
      : Base(call, p), rng_(call.service<assay_rng>("assay.rng/1")), stream_(p.stream),
        made_(p.flags & ASSAY_PROBLEM_MAKES_W) {}

  // `count` rows by their weights, none twice: centres, COLS of width count.
  void random_rows(const Builder &b, assay_buf centres, int64_t count) const {
    const assay_buf drawn = b.smallest("seeds_drawn", count), rows = b.small("seeds_rows", count, d_);
    draw(b, b.given(ASSAY_ROW_WEIGHTS), drawn, "seeds_draw");
    b.gather(rows, drawn);
    b.template each<&Seeding::turn_rows, Plugin>("seeds", ASSAY_COLS,
                                                 {{rows, ASSAY_IN}, {centres, ASSAY_OUT}});
  }

  // Greedy k-means++: the first row by the weights; of each later draw of `candidates` rows, by weight times squared distance
  // to the nearest centroid so far, the one that lowers the sum of these most (Arthur and Vassilvitskii 2007).
  void plus_plus(const Builder &b, assay_buf centres, int64_t k, int64_t candidates) const {
    const assay_buf weights = b.given(ASSAY_ROW_WEIGHTS), near = b.local("seeds_near", ASSAY_ROWS, 1);
    first_row(b, centres, near);
    if (k < 2) return;
    const assay_buf drawn = b.smallest("seeds_drawn", candidates),
                    rows = b.small("seeds_rows", candidates, d_),
                    apart = b.local("seeds_apart", ASSAY_ROWS, candidates),
                    sums = b.sum("seeds_sums", 1, candidates), best = b.small("seeds_best", 1, 1);
    b.loop(k - 1, ASSAY_NO);
    b.template each<&Seeding::race_apart, Plugin>(
        "seeds_draw", ASSAY_ROWS, {{weights, ASSAY_IN}, {near, ASSAY_IN}, {drawn, ASSAY_ADD}});
    b.gather(rows, drawn);
    Base::measure_rows(b, rows, candidates, apart, "seeds_apart");
    b.template each<&Seeding::weigh, Plugin>(
        "seeds_weigh", ASSAY_ROWS,
        {{weights, ASSAY_IN}, {near, ASSAY_IN}, {apart, ASSAY_IN}, {sums, ASSAY_ADD}});
    b.template each<&Seeding::pick, Plugin>(
        "seeds_pick", ASSAY_ONE, {{sums, ASSAY_IN}, {drawn, ASSAY_IN}, {best, ASSAY_OUT}});
    b.template each<&Seeding::keep, Plugin>(
        "seeds_keep", ASSAY_COLS, {{rows, ASSAY_IN}, {best, ASSAY_IN}, {centres, ASSAY_INOUT}});
    b.template each<&Seeding::settle, Plugin>(
        "seeds_settle", ASSAY_ROWS, {{apart, ASSAY_IN}, {best, ASSAY_IN}, {near, ASSAY_INOUT}});
    b.end();
  }

  // k-means||: `rounds` draws of `many` rows by weight times squared distance, then greedy k-means++ among these, each with
  // the weight of the rows nearest to it (Bahmani et al. 2012).
  void parallel(const Builder &b, assay_buf centres, int64_t k, int64_t rounds, int64_t many,
                int64_t candidates) const {
    const int64_t size = 1 + rounds * many;
    const assay_buf weights = b.given(ASSAY_ROW_WEIGHTS), near = b.local("seeds_near", ASSAY_ROWS, 1),
                    owner = b.local("seeds_owner", ASSAY_ROWS, 1),
                    pool = b.small("seeds_pool", size, d_), tally = b.sum("seeds_tally", 1, size),
                    drawn = b.smallest("seeds_drawn", many), rows = b.small("seeds_rows", many, d_),
                    points = b.local("seeds_points", ASSAY_COLS, many),
                    chosen = b.small("seeds_chosen", k, d_), reference = Base::reference(b, ASSAY_LOCAL);
    const assay_buf first = first_row(b, centres, near);
    Base::refer(b, reference);
    b.template each<&Seeding::begin_pool, Plugin>("seeds_pool", ASSAY_ONE,
                                                  {{first, ASSAY_IN}, {pool, ASSAY_OUT}});
    b.template each<&Seeding::begin_rows, Plugin>(
        "seeds_begin", ASSAY_ROWS, {{owner, ASSAY_OUT}});
    b.loop(rounds, ASSAY_NO);
    b.template each<&Seeding::race_apart, Plugin>(
        "seeds_draw", ASSAY_ROWS, {{weights, ASSAY_IN}, {near, ASSAY_IN}, {drawn, ASSAY_ADD}});
    b.gather(rows, drawn);
    b.template each<&Seeding::append, Plugin>("seeds_append", ASSAY_ONE,
                                              {{rows, ASSAY_IN}, {pool, ASSAY_INOUT}});
    b.template each<&Seeding::turn_rows, Plugin>("seeds_turn", ASSAY_COLS,
                                                 {{rows, ASSAY_IN}, {points, ASSAY_OUT}});
    const auto p = Base::products(b, reference, points, many, "seeds");
    b.template each<&Seeding::own, Plugin>("seeds_own", ASSAY_ROWS,
                                           {{p.products, ASSAY_IN},
                                            {p.facts, ASSAY_IN},
                                            {p.lines, ASSAY_IN},
                                            {drawn, ASSAY_IN},
                                            {near, ASSAY_INOUT},
                                            {owner, ASSAY_INOUT}},
                                           0, ASSAY_EACH_X);
    b.end();
    b.template each<&Seeding::count, Plugin>(
        "seeds_count", ASSAY_ROWS, {{owner, ASSAY_IN}, {weights, ASSAY_IN}, {tally, ASSAY_ADD}});
    b.template each<&Seeding::choose, Plugin>(
        "seeds_choose", ASSAY_ONE,
        {{pool, ASSAY_IN}, {tally, ASSAY_IN}, {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN}, {chosen, ASSAY_OUT}},
        static_cast<int32_t>(candidates));
    b.template each<&Seeding::turn_rows, Plugin>("seeds", ASSAY_COLS,
                                                 {{chosen, ASSAY_IN}, {centres, ASSAY_OUT}});
  }

  // Where the model stores W: 1 for the nearest row of H and a little for the others, so that multiplicative updates can move
  // it (Ding, Li and Jordan 2010).
  void write_w(const Builder &b, int64_t k) const {
    if (made_) return;
    const assay_buf H = b.factor(1), reference = Base::reference(b, ASSAY_LOCAL);
    b.template each<&Seeding::zero, Plugin>("seeds_reference", ASSAY_COLS, {{reference, ASSAY_OUT}});
    const auto p = Base::products(b, reference, H, k, "seeds_w");
    b.template each<&Seeding::near_one, Plugin>("seeds_w", ASSAY_ROWS,
                                                {{p.products, ASSAY_IN},
                                                 {p.facts, ASSAY_IN},
                                                 {p.lines, ASSAY_IN},
                                                 {b.factor(0), ASSAY_OUT}},
                                                0, ASSAY_EACH_X);
  }

  // Draws one row by the weights into every column of centres; near: rows' squared distances from it. That row, 1 x d.
  assay_buf first_row(const Builder &b, assay_buf centres, assay_buf near) const {
    const assay_buf drawn = b.smallest("seeds_first", 1), row = b.small("seeds_first_row", 1, d_);
    Base::check_weights(b);
    draw(b, b.given(ASSAY_ROW_WEIGHTS), drawn, "seeds_draw_first");
    b.gather(row, drawn);
    b.template each<&Seeding::spread, Plugin>("seeds_spread", ASSAY_COLS,
                                              {{row, ASSAY_IN}, {centres, ASSAY_OUT}});
    Base::measure_rows(b, row, 1, near, "seeds_measure");
    return row;
  }
  void draw(const Builder &b, assay_buf chances, assay_buf drawn, const char *name) const {
    b.template each<&Seeding::race, Plugin>(name, ASSAY_ROWS,
                                            {{chances, ASSAY_IN}, {drawn, ASSAY_ADD}});
  }

  // ---- block functions ----

  // {chances, drawn}
  void race(const Block &b) const {
    const Matrix p = b.matrix(0);
    enter(b, 0, [&](int64_t i) { return p(i, 0); }, 1);
  }
  // {weights, near, drawn}: a draw of its own in each turn.
  void race_apart(const Block &b) const {
    const Matrix w = b.matrix(0), near = b.matrix(1);
    enter(b, b.turn() + 1, [&](int64_t i) { return w(i, 0) * near(i, 0); }, 2);
  }
  template <class Chance>
  void enter(const Block &b, int64_t which, const Chance &chance, int32_t drawn) const {
    const auto u = b.call().template scratch<double>(b.count());
    rng_->uniform(rng_->split(stream_, static_cast<uint64_t>(which)),
                  static_cast<uint64_t>(b.first()), b.count(), u.data());
    for (int64_t i = 0; i < b.count(); ++i)
      if (const double p = chance(i); p > 0)
        assay_smallest_add(&b.view(drawn), -std::log(u[static_cast<size_t>(i)]) / p, b.index(i));
  }

  // {rows, points}
  void turn_rows(const Block &b) const {
    const Matrix rows = b.matrix(0), points = b.matrix(1);
    for (int64_t j = 0; j < points.rows(); ++j)
      for (int64_t a = 0; a < points.cols(); ++a) points(j, a) = rows(a, b.first() + j);
  }
  // {row, centres}
  void spread(const Block &b) const {
    const Matrix row = b.matrix(0), centres = b.matrix(1);
    for (int64_t j = 0; j < centres.rows(); ++j)
      for (double &c : centres.row(j)) c = row(0, b.first() + j);
  }
  void zero(const Block &b) const {
    for (int64_t j = 0; j < b.matrix(0).rows(); ++j) b.matrix(0)(j, 0) = 0;
  }
  // {weights, near, apart, sums}
  void weigh(const Block &b) const {
    const Matrix weights = b.matrix(0), near = b.matrix(1), apart = b.matrix(2), sums = b.matrix(3);
    for (int64_t i = 0; i < apart.rows(); ++i)
      for (int64_t a = 0; a < apart.cols(); ++a)
        sums(0, a) += weights(i, 0) * std::min(near(i, 0), apart(i, a));
  }
  // {sums, drawn, best}: -1 where no row is left that lies apart from the centroids.
  void pick(const Block &b) const {
    const Matrix sums = b.matrix(0), drawn = b.matrix(1);
    int64_t best = -1;
    for (int64_t a = 0; a < sums.cols(); ++a)
      if (drawn(a, 1) >= 0 && (best < 0 || sums(0, a) < sums(0, best))) best = a;
    b.number(2) = static_cast<double>(best);
  }
  // {rows, best, centres}
  void keep(const Block &b) const {
    const Matrix rows = b.matrix(0), centres = b.matrix(2);
    const auto best = static_cast<int64_t>(b.number(1));
    for (int64_t j = 0; best >= 0 && j < centres.rows(); ++j)
      centres(j, b.turn() + 1) = rows(best, b.first() + j);
  }
  // {apart, best, near}
  void settle(const Block &b) const {
    const Matrix apart = b.matrix(0), near = b.matrix(2);
    const auto best = static_cast<int64_t>(b.number(1));
    for (int64_t i = 0; best >= 0 && i < near.rows(); ++i)
      near(i, 0) = std::min(near(i, 0), apart(i, best));
  }

  // {products, facts, lines, W}
  void near_one(const Block &b) const {
    const Matrix W = b.matrix(3);
    NearestRows nearest = Base::nearest_rows(b, 1, 2);
    nearest.run(b.matrix(0), 0, W.cols());
    for (int64_t i = 0; i < W.rows(); ++i)
      for (int64_t a = 0; a < W.cols(); ++a)
        W(i, a) = a == nearest.line(i) ? 1 : 0.2 / static_cast<double>(W.cols());
  }

  // ---- of k-means|| ----

  void begin_pool(const Block &b) const {
    const Matrix first = b.matrix(0), pool = b.matrix(1);
    for (int64_t s = 0; s < pool.rows(); ++s)
      for (int64_t j = 0; j < d_; ++j) pool(s, j) = s == 0 ? first(0, j) : 0;
  }
  void begin_rows(const Block &b) const {
    for (int64_t i = 0; i < b.count(); ++i) b.matrix(0)(i, 0) = 0;
  }
  // {rows, pool}
  void append(const Block &b) const {
    const Matrix rows = b.matrix(0), pool = b.matrix(1);
    for (int64_t s = 0; s < rows.rows(); ++s)
      for (int64_t j = 0; j < d_; ++j) pool(1 + b.turn() * rows.rows() + s, j) = rows(s, j);
  }
  // {products, facts, lines, drawn, near, owner}: the nearest of the rows drawn, which come first.
  void own(const Block &b) const {
    const Matrix drawn = b.matrix(3), near = b.matrix(4), owner = b.matrix(5);
    int64_t count = 0;
    while (count < drawn.rows() && drawn(count, 1) >= 0) ++count;
    if (count == 0) return;
    NearestRows nearest = Base::nearest_rows(b, 1, 2);
    nearest.run(b.matrix(0), 0, count);
    for (int64_t i = 0; i < near.rows(); ++i) {
      if (nearest.square(i) >= near(i, 0)) continue;
      near(i, 0) = nearest.square(i);
      owner(i, 0) = static_cast<double>(1 + b.turn() * drawn.rows() + nearest.line(i));
    }
  }
  // {owner, weights, tally}
  void count(const Block &b) const {
    const Matrix owner = b.matrix(0), weights = b.matrix(1), tally = b.matrix(2);
    for (int64_t i = 0; i < owner.rows(); ++i)
      tally(0, static_cast<int64_t>(owner(i, 0))) += weights(i, 0);
  }
  // {pool, tally, column weights, chosen}
  void choose(const Block &b) const {
    const Matrix pool = b.matrix(0), tally = b.matrix(1), columns = b.matrix(2), chosen = b.matrix(3);
    const int64_t size = pool.rows(), k = chosen.rows();
    const auto near = b.call().template scratch<double>(size), keys = b.call().template scratch<double>(size);
    std::fill(near.begin(), near.end(), std::numeric_limits<double>::infinity());
    const auto apart = [&](int64_t s, int64_t t) {
      double sum = 0;
      for (int64_t j = 0; j < d_; ++j)
        sum += columns(j, 0) * (pool(s, j) - pool(t, j)) * (pool(s, j) - pool(t, j));
      return sum;
    };
    for (int64_t c = 0; c < k; ++c) {
      rng_->uniform(rng_->split(stream_, (uint64_t{1} << 32) + static_cast<uint64_t>(c)), 0, size,
                    keys.data());
      for (int64_t s = 0; s < size; ++s) {
        const auto at = static_cast<size_t>(s);
        const double p = tally(0, s) * (c == 0 ? 1 : near[at]);
        keys[at] = p > 0 ? -std::log(keys[at]) / p : std::numeric_limits<double>::infinity();
      }
      int64_t best = -1;
      double least = 0;
      for (int32_t l = 0; l < (c == 0 ? 1 : b.tag()); ++l) {
        const auto next = std::min_element(keys.begin(), keys.end());
        if (std::isinf(*next)) break;
        const int64_t t = next - keys.begin();
        *next = std::numeric_limits<double>::infinity();
        double sum = 0;
        for (int64_t s = 0; s < size; ++s)
          if (tally(0, s) > 0)
            sum += tally(0, s) * std::min(near[static_cast<size_t>(s)], apart(s, t));
        if (best >= 0 && sum >= least) continue;
        best = t;
        least = sum;
      }
      if (best < 0) best = 0;  // no row lies apart from those chosen
      for (int64_t j = 0; j < d_; ++j) chosen(c, j) = pool(best, j);
      for (int64_t s = 0; s < size; ++s)
        near[static_cast<size_t>(s)] = std::min(near[static_cast<size_t>(s)], apart(s, best));
    }
  }

  const assay_rng *rng_;
  uint64_t stream_;
  bool made_;  // W is stored nowhere
};

}  // namespace assay::author

#endif
