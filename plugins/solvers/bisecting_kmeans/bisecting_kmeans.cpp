// SPDX-License-Identifier: Apache-2.0
// Bisecting k-means: all rows are one cluster; each step splits one in two, until there are k.
//   which:   the cluster with the largest sum of squares (`split: inertia`) or weight (`size`)
//   tries:   two rows of it drawn as in k-means++, a, b;  then, by turns, each of its rows goes to
//            the nearer of the two,  (x - c)'(a - b) >= ((a + b) / 2 - c)'(a - b), c its centroid,
//            and a, b become the means of theirs; until no row changes sides or `turns` are done
//   keep:    the try that lowers the objective most, N_a N_b / (N_a + N_b) |a - b|^2 / 2
// All tries of a split share each read of X, and only the rows of the cluster are read.
// The splits make a tree. A row's cluster, in the fit and for new rows, is where it arrives from
// the root when it takes the nearer of the two children each time: not always the nearest centroid.
// Clusters whose rows are all alike are not split: fewer distinct rows than k end with fewer
// clusters, and the log says so. No step raises the objective.
// Cost of a step: 4 n_c d tries a turn, n_c the rows of the cluster. Steinbach, Karypis and Kumar
// 2000.
#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "rows.hpp"

namespace {

using namespace assay::author;

// Of a leaf of the tree: its node, sum of squares / 2, weight, rows of some weight; 1: alike rows.
enum { kNode, kWithin, kWeight, kRows, kWhole, kOfLeaf };
// Of a node: the first of its two children (0: none), its leaf.
enum { kChild, kLeaf, kOfNode };
constexpr const char* kRules[] = {"inertia", "size", nullptr};

class Bisecting {
 public:
  Bisecting(Call call, const assay_problem& p)
      : tile_(call.service<assay_tile>("assay.tile/1")),
        rng_(call.service<assay_rng>("assay.rng/1")),
        stream_(p.stream),
        k_(p.k[0]),
        d_(p.d),
        known_(p.factor_flags[1] & ASSAY_FACTOR_FROZEN) {
    const Options options(call.host, p.options);
    tries_ = options.integer("tries");
    turns_ = options.integer("turns");
    by_size_ = options.text("split") == "size";
    if (!known_ && (p.flags & ASSAY_PROBLEM_GOES_ON))
      throw Failure(ASSAY_E_COMBINATION,
                    "solver `bisecting_kmeans` cannot go on with other rows: its centroids are the "
                    "means of the rows it sees, and it would forget those it was fitted on")
          .help("`minibatch_kmeans` goes on; `assay predict` gives new rows their clusters");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose == ASSAY_PREPARE) plant(b);
    if (purpose == ASSAY_STEP) split(b);
    if (purpose == ASSAY_FINISH) finish(b);
    if (purpose == ASSAY_MEASURE) measure(b);
    if (purpose == ASSAY_APPLY) apply(b);
  }

 private:
  static assay_buf labels(const Builder& b) {
    return b.labels("labels", ASSAY_STATE, 1, ASSAY_BUFFER_OUTPUT);
  }
  assay_buf leaves(const Builder& b) const {
    return b.buffer("leaves", ASSAY_ONE, ASSAY_STATE, k_, kOfLeaf, true);
  }
  static assay_buf made(const Builder& b) {
    return b.buffer("made", ASSAY_ONE, ASSAY_STATE, 1, 1, true);
  }
  // Node 0 is the root; the s-th split makes nodes 2s + 1 and 2s + 2.
  assay_buf nodes(const Builder& b) const {
    return b.buffer("nodes", ASSAY_ONE, ASSAY_STATE, 2 * k_ - 1, kOfNode, true);
  }
  // Of all nodes but the root.
  assay_buf points(const Builder& b) const {
    return b.buffer("node_points", ASSAY_ONE, ASSAY_STATE, std::max<int64_t>(2 * k_ - 2, 1), d_,
                    true);
  }

  // One cluster of all rows.
  void plant(const Builder& b) const {
    const assay_buf H = b.factor(1), sizes = b.sum("root_sizes", 1, 2),
                    sum = b.local("root_sum", ASSAY_COLS, 1), within = b.sum("root_within", 1, 1);
    b.each<&Bisecting::gather_all>(
        "gather_all", ASSAY_ROWS,
        {{b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN}, {labels(b), ASSAY_OUT}, {sizes, ASSAY_ADD}});
    b.times(sum, ASSAY_X, labels(b), ASSAY_WEIGHTED);
    b.each<&Bisecting::root>("root", ASSAY_COLS,
                             {{sum, ASSAY_IN}, {sizes, ASSAY_IN}, {H, ASSAY_OUT}});
    b.each<&Bisecting::spread>("spread", ASSAY_ROWS,
                               {{H, ASSAY_IN},
                                {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                                {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                {within, ASSAY_ADD}},
                               0, ASSAY_EACH_X);
    b.each<&Bisecting::begin_tree>("begin_tree", ASSAY_ONE,
                                   {{sizes, ASSAY_IN},
                                    {within, ASSAY_IN},
                                    {leaves(b), ASSAY_OUT},
                                    {made(b), ASSAY_OUT},
                                    {nodes(b), ASSAY_OUT}});
  }

  void split(const Builder& b) const {
    const assay_buf chosen = b.small("chosen", 1, 1), objective = b.small("objective", 1, 1),
                    pairs = b.local("pairs", ASSAY_COLS, 2 * tries_),
                    sizes = b.sum("sizes", 1, 2 * tries_);
    b.each<&Bisecting::choose>(
        "choose", ASSAY_ONE, {{leaves(b), ASSAY_IN}, {chosen, ASSAY_OUT}, {objective, ASSAY_OUT}});
    b.report("objective", objective);
    draw_pairs(b, chosen, pairs);
    two_means(b, chosen, pairs, sizes);
    keep_best(b, chosen, pairs, sizes);
  }

  // Two rows of the cluster for each try: one by weight, one by weight times squared distance.
  void draw_pairs(const Builder& b, assay_buf chosen, assay_buf pairs) const {
    const assay_buf weights = b.given(ASSAY_ROW_WEIGHTS), first = b.smallest("first", tries_),
                    first_rows = b.small("first_rows", tries_, d_),
                    which = b.small("second_which", tries_, 1),
                    second_rows = b.small("second_rows", tries_, d_);
    b.each<&Bisecting::draw_first>(
        "draw_first", ASSAY_ROWS,
        {{labels(b), ASSAY_IN}, {weights, ASSAY_IN}, {chosen, ASSAY_IN}, {first, ASSAY_ADD}});
    b.gather(first_rows, first);
    std::vector<assay_arg> draw = {{labels(b), ASSAY_IN}, {weights, ASSAY_IN},
                                   {chosen, ASSAY_IN},    {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                                   {first, ASSAY_IN},     {first_rows, ASSAY_IN}};
    std::vector<assay_arg> collect;
    for (int64_t t = 0; t < tries_; ++t) {
      const assay_buf second = b.smallest(("second" + std::to_string(t)).c_str(), 1);
      draw.push_back({second, ASSAY_ADD});
      collect.push_back({second, ASSAY_IN});
    }
    collect.push_back({which, ASSAY_OUT});
    b.each<&Bisecting::draw_second>("draw_second", ASSAY_ROWS, draw, 0, ASSAY_EACH_X);
    b.each<&Bisecting::collect_drawn>("collect", ASSAY_ONE, collect);
    b.gather(second_rows, which);
    b.each<&Bisecting::begin_pairs>(
        "begin_pairs", ASSAY_COLS,
        {{first_rows, ASSAY_IN}, {second_rows, ASSAY_IN}, {which, ASSAY_IN}, {pairs, ASSAY_OUT}});
  }

  // 2-means of the cluster's rows, all tries by turns together.
  void two_means(const Builder& b, assay_buf chosen, assay_buf pairs, assay_buf sizes) const {
    const int64_t wide = (tries_ + 7) / 8 * 8;
    const assay_buf H = b.factor(1), sides = b.labels("sides", ASSAY_LOCAL, tries_),
                    directions = b.local("directions", ASSAY_COLS, wide),
                    facts = b.sum("direction_facts", 2, wide), changed = b.sum("changed", 1, 1),
                    sums = b.sum("sums", 2 * tries_, d_), still = b.small("still", 1, 1);
    b.each<&Bisecting::no_sides>("no_sides", ASSAY_ROWS, {{sides, ASSAY_OUT}});
    b.loop(turns_, still);
    b.each<&Bisecting::face>("face", ASSAY_COLS,
                             {{pairs, ASSAY_IN},
                              {H, ASSAY_IN},
                              {chosen, ASSAY_IN},
                              {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                              {directions, ASSAY_OUT},
                              {facts, ASSAY_ADD}});
    b.each<&Bisecting::take_sides>("take_sides", ASSAY_ROWS,
                                   {{labels(b), ASSAY_IN},
                                    {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                    {chosen, ASSAY_IN},
                                    {H, ASSAY_IN},
                                    {directions, ASSAY_IN},
                                    {facts, ASSAY_IN},
                                    {sides, ASSAY_INOUT},
                                    {sizes, ASSAY_ADD},
                                    {changed, ASSAY_ADD},
                                    {sums, ASSAY_ADD}},
                                   0, ASSAY_EACH_X);
    b.each<&Bisecting::means>("means", ASSAY_COLS,
                              {{sums, ASSAY_IN}, {sizes, ASSAY_IN}, {pairs, ASSAY_INOUT}});
    b.each<&Bisecting::stand_still>("still", ASSAY_ONE, {{changed, ASSAY_IN}, {still, ASSAY_OUT}});
    b.end();
  }

  // The best try becomes two leaves.
  void keep_best(const Builder& b, assay_buf chosen, assay_buf pairs, assay_buf sizes) const {
    const assay_buf gaps = b.sum("gaps", 1, tries_), best = b.small("best", 1, 1),
                    side = b.labels("side", ASSAY_LOCAL, 1), parts = b.sum("parts", 2, kOfLeaf),
                    decision = b.small("decision", 1, 2), converged = b.small("converged", 1, 1);
    b.each<&Bisecting::add_gaps>(
        "gaps", ASSAY_COLS,
        {{pairs, ASSAY_IN}, {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN}, {gaps, ASSAY_ADD}});
    b.each<&Bisecting::pick>("pick", ASSAY_ONE,
                             {{gaps, ASSAY_IN}, {sizes, ASSAY_IN}, {best, ASSAY_OUT}});
    b.each<&Bisecting::part>("part", ASSAY_ROWS,
                             {{labels(b), ASSAY_IN},
                              {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                              {chosen, ASSAY_IN},
                              {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                              {best, ASSAY_IN},
                              {pairs, ASSAY_IN},
                              {side, ASSAY_OUT},
                              {parts, ASSAY_ADD}},
                             0, ASSAY_EACH_X);
    b.each<&Bisecting::decide>("decide", ASSAY_ONE,
                               {{chosen, ASSAY_IN},
                                {best, ASSAY_IN},
                                {parts, ASSAY_IN},
                                {pairs, ASSAY_IN},
                                {leaves(b), ASSAY_INOUT},
                                {made(b), ASSAY_INOUT},
                                {nodes(b), ASSAY_INOUT},
                                {points(b), ASSAY_INOUT},
                                {decision, ASSAY_OUT},
                                {converged, ASSAY_OUT}});
    b.each<&Bisecting::relabel>("relabel", ASSAY_ROWS,
                                {{side, ASSAY_IN}, {decision, ASSAY_IN}, {labels(b), ASSAY_INOUT}});
    b.each<&Bisecting::place>(
        "place", ASSAY_COLS,
        {{pairs, ASSAY_IN}, {best, ASSAY_IN}, {decision, ASSAY_IN}, {b.factor(1), ASSAY_INOUT}});
    b.report("converged", converged);
  }

  void finish(const Builder& b) const {
    const assay_buf missing = b.small("missing", 1, 1);
    b.each<&Bisecting::say>("say", ASSAY_ONE,
                            {{leaves(b), ASSAY_IN}, {made(b), ASSAY_IN}, {missing, ASSAY_OUT}});
    b.report("missing", missing);  // a line whose number nobody asks for would be left out
  }

  // The objective, and how far centroids are from the means of their rows.
  void measure(const Builder& b) const {
    const assay_buf found = b.labels("found", ASSAY_LOCAL, 1), sizes = b.sum("found_sizes", 1, k_),
                    total = b.sum("found_total", 1, 1),
                    sums = b.local("found_sums", ASSAY_COLS, k_),
                    squares = b.sum("found_squares", 1, 3), kkt = b.small("kkt", 1, 1),
                    objective = b.small("objective", 1, 1), of_points = point_squares(b);
    b.each<&Bisecting::find>("find", ASSAY_ROWS,
                             {{points(b), ASSAY_IN},
                              {nodes(b), ASSAY_IN},
                              {of_points, ASSAY_IN},
                              {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                              {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                              {b.factor(1), ASSAY_IN},
                              {found, ASSAY_OUT},
                              {sizes, ASSAY_ADD},
                              {total, ASSAY_ADD}},
                             0, ASSAY_EACH_X);
    b.times(sums, ASSAY_X, found, ASSAY_WEIGHTED);
    b.each<&Bisecting::compare>(
        "compare", ASSAY_COLS,
        {{sums, ASSAY_IN}, {sizes, ASSAY_IN}, {b.factor(1), ASSAY_IN}, {squares, ASSAY_ADD}});
    b.each<&Bisecting::residual>(
        "residual", ASSAY_ONE,
        {{squares, ASSAY_IN}, {total, ASSAY_IN}, {kkt, ASSAY_OUT}, {objective, ASSAY_OUT}});
    b.report("kkt", kkt);
    b.report("objective", objective);
  }

  void apply(const Builder& b) const {
    b.each<&Bisecting::one_hot>("one_hot", ASSAY_ROWS,
                                {{points(b), ASSAY_IN},
                                 {nodes(b), ASSAY_IN},
                                 {point_squares(b), ASSAY_IN},
                                 {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                                 {b.factor(0), ASSAY_OUT}},
                                0, ASSAY_EACH_X);
  }
  assay_buf point_squares(const Builder& b) const {
    const assay_buf out = b.small("point_squares", 1, std::max<int64_t>(2 * k_ - 2, 1));
    b.each<&Bisecting::squares_of_points>(
        "point_squares", ASSAY_ONE,
        {{points(b), ASSAY_IN}, {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN}, {out, ASSAY_OUT}});
    return out;
  }

  // ---- block functions ----

  // {weights, labels, sizes}
  void gather_all(const Block& b) const {
    for (int64_t i = 0; i < b.count(); ++i) {
      b.labels(1)(i, 0) = 0;
      b.matrix(2)(0, 0) += b.matrix(0)(i, 0);
      b.matrix(2)(0, 1) += b.matrix(0)(i, 0) > 0 ? 1 : 0;
    }
  }
  // {sum, sizes, H}: what is not made yet lies where the root is.
  void root(const Block& b) const {
    const Matrix sum = b.matrix(0), H = b.matrix(2);
    const double weight = b.matrix(1)(0, 0);
    for (int64_t j = 0; j < H.rows(); ++j)
      for (double& h : H.row(j)) h = weight > 0 ? sum(j, 0) / weight : 0;
  }
  // {H, column weights, row weights, within}
  void spread(const Block& b) const {
    const Distances distances(b, b.matrix(1));
    const auto c = column(b, b.matrix(0), 0);
    const double square = distances.square(c.data());
    for (int64_t i = 0; i < b.count(); ++i) {
      const assay_line x = row(b, i);
      const double w = b.matrix(2)(i, 0);
      if (distances.unequal(x, w))
        throw Failure(ASSAY_E_COMBINATION, "distances between rows need entries that count alike")
            .help("weigh rows or columns, not single entries");
      b.number(3) += w * distances.apart(x, c.data(), square) / 2;
    }
  }
  // {sizes, within, leaves, made, nodes}
  void begin_tree(const Block& b) const {
    if (known_)
      throw Failure(ASSAY_E_COMBINATION, "solver `bisecting_kmeans` makes H; it cannot be fixed")
          .help("`lloyd` takes centroids that are known");
    const Matrix sizes = b.matrix(0), leaves = b.matrix(2), nodes = b.matrix(4);
    for (int64_t a = 0; a < leaves.rows(); ++a) std::ranges::fill(leaves.row(a), 0.0);
    for (int64_t a = 0; a < nodes.rows(); ++a) std::ranges::fill(nodes.row(a), 0.0);
    leaves(0, kWithin) = b.number(1);
    leaves(0, kWeight) = sizes(0, 0);
    leaves(0, kRows) = sizes(0, 1);
    b.number(3) = 1;
  }

  // The leaf to split next, or -1.
  int64_t next(const Matrix& leaves) const {
    const int by = by_size_ ? kWeight : kWithin;
    int64_t best = -1;
    for (int64_t a = 0; a < k_; ++a) {
      if (leaves(a, kRows) < 2 || leaves(a, kWhole) != 0 || !(leaves(a, kWithin) > 0)) continue;
      if (best < 0 || leaves(a, by) > leaves(best, by)) best = a;
    }
    return best;
  }
  // {leaves, chosen, objective}
  void choose(const Block& b) const {
    const Matrix leaves = b.matrix(0);
    b.number(1) = leaves(k_ - 1, kRows) > 0 ? -1 : static_cast<double>(next(leaves));
    b.number(2) = 0;
    for (int64_t a = 0; a < k_; ++a) b.number(2) += leaves(a, kWithin);
  }

  // {labels, weights, chosen, first}
  void draw_first(const Block& b) const {
    const auto labels = b.labels(0);
    const uint64_t stream = rng_->split(stream_, 2 * static_cast<uint64_t>(b.step()));
    for (int64_t i = 0; i < b.count(); ++i)
      if (labels(i, 0) == b.number(2)) enter(b, i, stream, b.matrix(1)(i, 0), 3);
  }
  // {labels, weights, chosen, column weights, first, rows of first, second of each try ...}
  void draw_second(const Block& b) const {
    const auto labels = b.labels(0);
    const Matrix first = b.matrix(4), points = b.matrix(5);
    const Distances distances(b, b.matrix(3));
    const uint64_t stream = rng_->split(stream_, 2 * static_cast<uint64_t>(b.step()) + 1);
    const auto squares = b.call().scratch<double>(tries_);
    for (int64_t t = 0; t < tries_; ++t)
      squares[static_cast<size_t>(t)] = distances.square(&points(t, 0));
    for (int64_t i = 0; i < b.count(); ++i) {
      if (labels(i, 0) != b.number(2)) continue;
      const assay_line x = row(b, i);
      for (int64_t t = 0; t < tries_ && first(t, 1) >= 0; ++t)
        enter(
            b, i, rng_->split(stream, static_cast<uint64_t>(t)),
            b.matrix(1)(i, 0) * distances.apart(x, &points(t, 0), squares[static_cast<size_t>(t)]),
            static_cast<int32_t>(6 + t));
    }
  }
  // A race: the least -log(u) / chance wins, u the row's number in the stream.
  void enter(const Block& b, int64_t i, uint64_t stream, double chance, int32_t drawn) const {
    if (!(chance > 0)) return;
    double u = 0;
    rng_->uniform(stream, static_cast<uint64_t>(b.index(i)), 1, &u);
    assay_smallest_add(&b.view(drawn), -std::log(u) / chance, b.index(i));
  }
  // {second of each try ..., which}
  void collect_drawn(const Block& b) const {
    for (int64_t t = 0; t < tries_; ++t)
      b.matrix(static_cast<int32_t>(tries_))(t, 0) = b.matrix(static_cast<int32_t>(t))(0, 1);
  }
  // {first rows, second rows, which, pairs}: a try without a second row has the first twice.
  void begin_pairs(const Block& b) const {
    const Matrix first = b.matrix(0), second = b.matrix(1), which = b.matrix(2),
                 pairs = b.matrix(3);
    for (int64_t j = 0; j < pairs.rows(); ++j)
      for (int64_t t = 0; t < tries_; ++t) {
        pairs(j, 2 * t) = first(t, b.first() + j);
        pairs(j, 2 * t + 1) = (which(t, 0) < 0 ? first : second)(t, b.first() + j);
      }
  }

  void no_sides(const Block& b) const {
    for (int64_t i = 0; i < b.count(); ++i)
      for (int64_t t = 0; t < tries_; ++t) b.labels(0)(i, t) = -1;
  }
  // {pairs, H, chosen, column weights, directions, facts}; facts of each direction: where the
  // middle lies along it from the centroid, and where the centroid does from 0.
  void face(const Block& b) const {
    const Matrix pairs = b.matrix(0), H = b.matrix(1), v = b.matrix(3), directions = b.matrix(4),
                 facts = b.matrix(5);
    const int64_t leaf = std::max<int64_t>(static_cast<int64_t>(b.number(2)), 0);
    for (int64_t j = 0; j < pairs.rows(); ++j) {
      std::ranges::fill(directions.row(j), 0.0);
      for (int64_t t = 0; t < tries_; ++t) {
        const double a = pairs(j, 2 * t), c = pairs(j, 2 * t + 1), from = H(j, leaf);
        directions(j, t) = v(j, 0) * (a - c);
        facts(0, t) += directions(j, t) * ((a - from) + (c - from)) / 2;
        facts(1, t) += directions(j, t) * from;
      }
    }
  }
  // {labels, row weights, chosen, H, directions, facts, sides, sizes, changed, sums}
  void take_sides(const Block& b) const {
    const auto labels = b.labels(0), sides = b.labels(6);
    const Matrix weights = b.matrix(1), facts = b.matrix(5), sizes = b.matrix(7),
                 sums = b.matrix(9);
    const auto leaf = static_cast<int32_t>(b.number(2));
    if (leaf < 0) return;
    const auto c = column(b, b.matrix(3), leaf);
    const Sides side(b, c.data(), b.matrix(4), &facts(1, 0));
    for (int64_t i = 0; i < b.count(); ++i) {
      if (labels(i, 0) != leaf) continue;
      const assay_line x = row(b, i);
      const double* const along = side.of(x);
      for (int64_t t = 0; t < tries_; ++t) {
        const auto now = static_cast<int32_t>(2 * t + (along[t] >= facts(0, t) ? 0 : 1));
        b.number(8) += sides(i, t) != now ? 1 : 0;
        sides(i, t) = now;
        sizes(0, now) += weights(i, 0);
        add_row(x, weights(i, 0), &sums(now, 0));
      }
    }
  }
  // {sums, sizes, pairs}
  void means(const Block& b) const {
    const Matrix sums = b.matrix(0), sizes = b.matrix(1), pairs = b.matrix(2);
    for (int64_t j = 0; j < pairs.rows(); ++j)
      for (int64_t a = 0; a < pairs.cols(); ++a)
        if (sizes(0, a) > 0) pairs(j, a) = sums(a, b.first() + j) / sizes(0, a);
  }
  void stand_still(const Block& b) const { b.number(1) = b.number(0) == 0 ? 1 : 0; }

  // {pairs, column weights, gaps}
  void add_gaps(const Block& b) const {
    const Matrix pairs = b.matrix(0), v = b.matrix(1), gaps = b.matrix(2);
    for (int64_t j = 0; j < pairs.rows(); ++j)
      for (int64_t t = 0; t < tries_; ++t) {
        const double gap = pairs(j, 2 * t) - pairs(j, 2 * t + 1);
        gaps(0, t) += v(j, 0) * gap * gap;
      }
  }
  // {gaps, sizes, best}: -1 where no try has rows on both sides.
  void pick(const Block& b) const {
    const Matrix gaps = b.matrix(0), sizes = b.matrix(1);
    double most = 0;
    b.number(2) = -1;
    for (int64_t t = 0; t < tries_; ++t) {
      const double one = sizes(0, 2 * t), two = sizes(0, 2 * t + 1),
                   gain = one > 0 && two > 0 ? one * two / (one + two) * gaps(0, t) : 0;
      if (!(gain > most)) continue;
      most = gain;
      b.number(2) = static_cast<double>(t);
    }
  }
  // {labels, row weights, chosen, column weights, best, pairs, side, parts}: by distances, as
  // `find` does.
  void part(const Block& b) const {
    const auto labels = b.labels(0), side = b.labels(6);
    const Matrix weights = b.matrix(1), pairs = b.matrix(5), parts = b.matrix(7);
    const auto best = static_cast<int64_t>(b.number(4));
    for (int64_t i = 0; i < b.count(); ++i) side(i, 0) = -1;
    if (best < 0) return;
    const Distances distances(b, b.matrix(3));
    const auto one = column(b, pairs, 2 * best), two = column(b, pairs, 2 * best + 1);
    const double squares[] = {distances.square(one.data()), distances.square(two.data())};
    for (int64_t i = 0; i < b.count(); ++i) {
      if (labels(i, 0) != b.number(2)) continue;
      const assay_line x = row(b, i);
      const double to_one = distances.apart(x, one.data(), squares[0]),
                   to_two = distances.apart(x, two.data(), squares[1]);
      const int32_t s = to_two < to_one ? 1 : 0;
      side(i, 0) = s;
      parts(s, kWithin) += weights(i, 0) * std::min(to_one, to_two) / 2;
      parts(s, kWeight) += weights(i, 0);
      parts(s, kRows) += weights(i, 0) > 0 ? 1 : 0;
    }
  }
  // {chosen, best, parts, pairs, leaves, made, nodes, points, decision, converged}; decision: the
  // leaf that is split and the new one, or -1.
  void decide(const Block& b) const {
    const Matrix parts = b.matrix(2), pairs = b.matrix(3), leaves = b.matrix(4),
                 nodes = b.matrix(6), points = b.matrix(7), decision = b.matrix(8);
    const auto leaf = static_cast<int64_t>(b.number(0)), best = static_cast<int64_t>(b.number(1)),
               next_leaf = static_cast<int64_t>(b.number(5));
    decision(0, 0) = decision(0, 1) = -1;
    if (leaf >= 0 && parts(0, kRows) > 0 && parts(1, kRows) > 0) {
      decision(0, 0) = static_cast<double>(leaf);
      decision(0, 1) = static_cast<double>(next_leaf);
      const int64_t child = 2 * next_leaf - 1;
      nodes(static_cast<int64_t>(leaves(leaf, kNode)), kChild) = static_cast<double>(child);
      for (int64_t s = 0; s < 2; ++s) {
        const int64_t a = s == 0 ? leaf : next_leaf;
        for (int of = kWithin; of < kWhole; ++of) leaves(a, of) = parts(s, of);
        leaves(a, kNode) = static_cast<double>(child + s);
        nodes(child + s, kLeaf) = static_cast<double>(a);
        for (int64_t j = 0; j < d_; ++j) points(child + s - 1, j) = pairs(j, 2 * best + s);
      }
      b.number(5) += 1;
    } else if (leaf >= 0) {
      leaves(leaf, kWhole) = 1;
    }
    b.number(9) = b.number(5) >= static_cast<double>(k_) || next(leaves) < 0 ? 1 : 0;
  }
  // {side, decision, labels}
  void relabel(const Block& b) const {
    const auto side = b.labels(0), labels = b.labels(2);
    const Matrix decision = b.matrix(1);
    for (int64_t i = 0; decision(0, 0) >= 0 && i < b.count(); ++i)
      if (side(i, 0) == 1) labels(i, 0) = static_cast<int32_t>(decision(0, 1));
  }
  // {pairs, best, decision, H}
  void place(const Block& b) const {
    const Matrix pairs = b.matrix(0), decision = b.matrix(2), H = b.matrix(3);
    const auto best = static_cast<int64_t>(b.number(1));
    for (int64_t j = 0; decision(0, 0) >= 0 && j < H.rows(); ++j)
      for (int64_t s = 0; s < 2; ++s)
        H(j, static_cast<int64_t>(decision(0, s))) = pairs(j, 2 * best + s);
  }

  // {leaves, made, missing}
  void say(const Block& b) const {
    b.number(2) = static_cast<double>(k_) - b.number(1);
    if (b.number(1) >= static_cast<double>(k_)) return;
    b.call().log(std::to_string(static_cast<int64_t>(b.number(1))) + " of " + std::to_string(k_) +
                     " clusters were made: " +
                     (next(b.matrix(0)) < 0 ? "there are fewer distinct rows"
                                            : "the fit ended before the last split"),
                 ASSAY_LOG_WARNING);
  }

  // {points, column weights, squares}
  void squares_of_points(const Block& b) const {
    const Matrix points = b.matrix(0), out = b.matrix(2);
    const Distances distances(b, b.matrix(1));
    for (int64_t p = 0; p < points.rows(); ++p) out(0, p) = distances.square(&points(p, 0));
  }
  // The leaf's node where a row arrives, and how far it is from its point: -1 at the root.
  struct Arrival {
    int64_t node;
    double apart;
  };
  static Arrival descend(const assay_line& x,
                         const Matrix& points,
                         const Matrix& nodes,
                         const Matrix& squares,
                         const Distances& distances) {
    Arrival at{0, -1};
    while (nodes(at.node, kChild) > 0) {
      const auto child = static_cast<int64_t>(nodes(at.node, kChild));
      const double one = distances.apart(x, &points(child - 1, 0), squares(0, child - 1)),
                   two = distances.apart(x, &points(child, 0), squares(0, child));
      at = two < one ? Arrival{child + 1, two} : Arrival{child, one};
    }
    return at;
  }
  // {points, nodes, squares, column weights, row weights, H, found, sizes, total}
  void find(const Block& b) const {
    const Matrix nodes = b.matrix(1), weights = b.matrix(4);
    const Distances distances(b, b.matrix(3));
    const auto root = column(b, b.matrix(5), 0);
    const double square = distances.square(root.data());
    for (int64_t i = 0; i < b.count(); ++i) {
      const assay_line x = row(b, i);
      const Arrival at = descend(x, b.matrix(0), nodes, b.matrix(2), distances);
      const auto leaf = static_cast<int32_t>(nodes(at.node, kLeaf));
      b.labels(6)(i, 0) = leaf;
      b.matrix(7)(0, leaf) += weights(i, 0);
      b.number(8) +=
          weights(i, 0) / 2 * (at.apart < 0 ? distances.apart(x, root.data(), square) : at.apart);
    }
  }
  // {sums, sizes, H, squares of: the gradient, its two halves}
  void compare(const Block& b) const {
    const Matrix sums = b.matrix(0), sizes = b.matrix(1), H = b.matrix(2), squares = b.matrix(3);
    for (int64_t j = 0; j < H.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a) {
        const double whole = sizes(0, a) * H(j, a), sum = sums(j, a);
        squares(0, 0) += (whole - sum) * (whole - sum);
        squares(0, 1) += whole * whole;
        squares(0, 2) += sum * sum;
      }
  }
  // {squares, total, kkt, objective}
  void residual(const Block& b) const {
    const Matrix squares = b.matrix(0);
    const double size = std::sqrt(squares(0, 1)) + std::sqrt(squares(0, 2));
    b.number(2) = size > 0 ? std::sqrt(squares(0, 0)) / size : 0;
    b.number(3) = b.number(1);
  }
  // {points, nodes, squares, column weights, W}
  void one_hot(const Block& b) const {
    const Matrix nodes = b.matrix(1), W = b.matrix(4);
    const Distances distances(b, b.matrix(3));
    for (int64_t i = 0; i < b.count(); ++i) {
      const Arrival at = descend(row(b, i), b.matrix(0), nodes, b.matrix(2), distances);
      std::ranges::fill(W.row(i), 0.0);
      W(i, static_cast<int64_t>(nodes(at.node, kLeaf))) = 1;
    }
  }

  assay_line row(const Block& b, int64_t i) const {
    assay_line line{};
    Call::check(tile_->line(b.call().ctx, i, &line));
    return line;
  }
  // A centroid in one piece.
  static std::span<double> column(const Block& b, const Matrix& from, int64_t a) {
    const auto out = b.call().scratch<double>(from.rows());
    for (int64_t j = 0; j < from.rows(); ++j) out[static_cast<size_t>(j)] = from(j, a);
    return out;
  }

  const assay_tile* tile_;
  const assay_rng* rng_;
  uint64_t stream_;
  int64_t k_, d_, tries_ = 0, turns_ = 0;
  bool known_, by_size_ = false;
};

constexpr assay_option options[] = {
    enum_option("split",
                "which cluster is split next: of the largest sum of squares, or weight",
                "inertia",
                kRules),
    integer_option("tries", "starts of each split; the best is kept", 5, 1, 1000),
    integer_option("turns", "most turns of the 2-means of a split", 100, 1, 1000000),
    kNoMoreOptions};
constexpr assay_solver vtable =
    solver_table<Bisecting>(ASSAY_NEEDS_SQUARED,
                            ASSAY_NEEDS_NO_PENALTY,
                            ASSAY_TAKES_SPARSE | ASSAY_TAKES_LINE_WEIGHTS,
                            "one_hot:W",
                            ASSAY_SOLVER_MAKES_W | ASSAY_SOLVER_NO_RESIDUAL,
                            nullptr,
                            nullptr);
constexpr assay_plugin plugin = describe(
    "assay.solver/1",
    "bisecting_kmeans",
    "k-means by splitting: a step parts one cluster in two, until there are k",
    "Steinbach, Karypis and Kumar 2000",
    "a step: the cluster of the largest sum of squares (or weight), 2-means of its rows from\n"
    "  several pairs of them, the split that lowers the objective most\n"
    "a row's cluster is where it arrives from the root of the tree of splits, by the nearer of "
    "two\n"
    "centroids each time; the start is not read\n"
    "residual: |N H - W'X|_F / (|N H|_F + |W'X|_F), N the clusters' weights\n"
    "cost: 4 n_c d tries a turn, n_c the rows of the cluster, which alone are read\n"
    "guarantee: no step raises the objective; ends with k clusters, or when all rows of each are\n"
    "  alike",
    options,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.bisecting_kmeans", "1.0", plugin)
