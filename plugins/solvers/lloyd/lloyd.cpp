// SPDX-License-Identifier: Apache-2.0
// k-means as a factorization: minimise 1/2 |X - W H|^2 over one-hot rows of W, by turns
//   labels:     c_i = argmin_a |x_i - h_a|, ties to the lower index
//   centroids:  h_a = the mean of the rows of a, by their weights
// in one read of X. W is stored nowhere, `labels` are. The fit ends when no label changes; the
// labels it returns are those of the final centroids. No step raises the objective.
// A cluster without rows takes the row farthest from its centroid (ties: the first such row) out of
// a cluster that has others, the next one the next farthest, at most 16 in a step. Rows that lie on
// their centroid are not taken: fewer distinct rows than clusters leave clusters empty, with their
// centroids where they were, and the log says so.
// `bounds: auto`: from rank 16 and 32 columns on, dense X without weights and one start leave out
// most distances, with the same bits (bounds.hpp); n k numbers more, at most n d / 8.
// `restarts: R` fits R starts of the spec's init in the same sweeps: all share each tile of X. H is
// that of the least objective (ties: the first), which the trace shows.
// `spherical: true`: k-means by the angle. The transform `normalise` stands behind the data's own,
// and centroids are brought to length 1 (Dhillon and Modha 2001).
// Cost per step R (2ndk + nd). Lloyd 1957 (1982).
#include <algorithm>
#include <assay/author/clusters.hpp>
#include <assay/plugin.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "bounds.hpp"

namespace {

using namespace assay::author;

// From here on bounds save more than they cost.
constexpr int64_t kLeastRank = 16, kLeastColumns = 32;
enum { kMoved, kGiven };  // centroids that are brought to length 1
constexpr const char* kBounds[] = {"auto", "on", "off", nullptr};

class Lloyd : public Clusters<Lloyd> {
 public:
  Lloyd(Call call, const assay_problem& p)
      : Clusters(call, p),
        asked_(Options(call.host, p.options).integer("restarts")),
        restarts_(known_ ? 1 : asked_),
        spherical_(Options(call.host, p.options).flag("spherical")),
        groups_(Groups::of(k_, d_)) {
    if (!known_ && (p.flags & ASSAY_PROBLEM_GOES_ON))
      throw Failure(ASSAY_E_COMBINATION,
                    "solver `lloyd` cannot go on with other rows: its centroids are the means of "
                    "the rows it sees, and it would forget those it was fitted on")
          .help("`minibatch_kmeans` goes on; `assay predict` gives new rows their clusters");
    const std::string bounds = Options(call.host, p.options).text("bounds").value();
    const bool can = !p.sparse && !(p.flags & ASSAY_PROBLEM_UNEQUAL) && restarts_ == 1 && !known_;
    const bool worth = k_ >= kLeastRank && d_ >= kLeastColumns;
    bounded_ = can && (bounds == "on" || (bounds == "auto" && worth));
  }

  int64_t starts() const { return asked_; }

  void build(const Builder& b, int32_t purpose) const {
    const assay_buf r = reference(b, ASSAY_STATE);
    if (purpose == ASSAY_PREPARE) {
      begin(b, r);
      if (spherical_ && !known_) normalise(b, starts_of(b), kGiven);
      if (bounded_)
        b.each<&Lloyd::group>("group", ASSAY_ONE, {{b.factor(1), ASSAY_IN}, {order(b), ASSAY_OUT}});
    }
    if (purpose == ASSAY_STEP) step(b, r);
    if (purpose == ASSAY_FINISH) finish(b, r);
    if (purpose == ASSAY_MEASURE) measure(b, r, spherical_);
    if (purpose == ASSAY_APPLY) apply(b, r);
  }

 private:
  Starts starts_of(const Builder& b) const {
    if (restarts_ == 1) return {1, b.factor(1), labels_of_result(b)};
    return {restarts_, b.buffer("restarts", ASSAY_COLS, ASSAY_STATE, 0, restarts_ * k_),
            b.labels("restart_labels", ASSAY_STATE, restarts_)};
  }
  void step(const Builder& b, assay_buf reference) const {
    const Starts s = starts_of(b);
    const Rows r = bounded_ ? assign_bounded(b, reference, s) : assign_rows(b, reference, s);
    const assay_buf best = b.small("lloyd_best", 1, 1);
    report(b, r, best);
    if (known_) return;
    const assay_buf sums = b.local("lloyd_sums", ASSAY_COLS, s.count * k_);
    b.times(sums, ASSAY_X, s.labels, ASSAY_WEIGHTED);
    for (int64_t at = 0; at < s.count; ++at) update(b, s, r, sums, static_cast<int32_t>(at));
    if (spherical_) normalise(b, s);
    if (s.count > 1) keep_best(b, s, best);
  }

  // The centroid of each column of the groups.
  assay_buf order(const Builder& b) const {
    return b.buffer("order", ASSAY_ONE, ASSAY_STATE, 1, groups_.columns(), true);
  }
  // As assign_rows, by bounds: bounds.hpp.
  Rows assign_bounded(const Builder& b, assay_buf reference, const Starts& s) const {
    const assay_buf shifted = b.local("groups_shifted", ASSAY_COLS, groups_.columns()),
                    facts = b.sum("groups_facts", kCentroidFacts + 1, groups_.columns()),
                    lines = b.small("groups_lines", k_ + 1, d_),
                    before = b.buffer("centroids_before", ASSAY_COLS, ASSAY_STATE, 0, k_, true),
                    lower = b.floats("lower", ASSAY_STATE, 0, groups_.groups);
    const Rows r{b.sum("clusters_sizes", 2, k_), b.sum("clusters_totals", 2, 1),
                 b.local("clusters_near", ASSAY_ROWS, 1)};
    b.each<&Lloyd::turn_all>("groups_lines", ASSAY_ONE,
                             {{s.centres, ASSAY_IN}, {lines, ASSAY_OUT}, {reference, ASSAY_IN}});
    b.each<&Lloyd::shift_groups>("shift_groups", ASSAY_COLS,
                                 {{s.centres, ASSAY_IN},
                                  {reference, ASSAY_IN},
                                  {order(b), ASSAY_IN},
                                  {before, ASSAY_INOUT},
                                  {shifted, ASSAY_OUT},
                                  {facts, ASSAY_ADD}});
    std::vector<assay_arg> args = {{shifted, ASSAY_IN},     {facts, ASSAY_IN},
                                   {lines, ASSAY_IN},       {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                   {s.labels, ASSAY_INOUT}, {r.sizes, ASSAY_ADD},
                                   {r.totals, ASSAY_ADD},   {r.near, ASSAY_OUT},
                                   {order(b), ASSAY_IN},    {lower, ASSAY_INOUT}};
    if (f32_) {
      const assay_buf narrow = b.floats("groups_narrow", ASSAY_LOCAL, k_, d_);
      b.each<&Lloyd::narrow_lines>("groups_narrow", ASSAY_ONE,
                                   {{lines, ASSAY_IN}, {narrow, ASSAY_OUT}});
      args.push_back({narrow, ASSAY_IN});
    }
    b.each<&Lloyd::assign_some>("assign", ASSAY_ROWS, args, 0, ASSAY_EACH_X);
    return r;
  }

  // The centroids of one start, from the sums of its clusters.
  void update(const Builder& b,
              const Starts& s,
              const Rows& r,
              assay_buf sums,
              int32_t start) const {
    const Moves m = moves(b, s, r, start);
    b.each<&Lloyd::centroids>("centroids", ASSAY_COLS,
                              {{sums, ASSAY_IN},
                               {r.sizes, ASSAY_IN},
                               {m.rows, ASSAY_IN},
                               {m.taken, ASSAY_IN},
                               {s.centres, ASSAY_INOUT}},
                              start);
  }

  // Centroids of length 1: of all such the nearest to the rows they are the mean of.
  void normalise(const Builder& b, const Starts& s, int32_t when = kMoved) const {
    const assay_buf squares = b.sum("lloyd_squares", 1, s.count * k_);
    b.each<&Lloyd::add_squares>("squares", ASSAY_COLS,
                                {{s.centres, ASSAY_IN}, {squares, ASSAY_ADD}});
    b.each<&Lloyd::divide>("divide", ASSAY_COLS, {{squares, ASSAY_IN}, {s.centres, ASSAY_INOUT}},
                           when);
  }

  void report(const Builder& b, const Rows& r, assay_buf best) const {
    const assay_buf objective = b.small("clusters_objective", 1, 1),
                    converged = b.small("lloyd_converged", 1, 1);
    b.each<&Lloyd::conclude>(
        "conclude", ASSAY_ONE,
        {{r.totals, ASSAY_IN}, {objective, ASSAY_OUT}, {converged, ASSAY_OUT}, {best, ASSAY_OUT}});
    b.report("objective", objective);
    b.report("converged", converged);
  }
  void keep_best(const Builder& b, const Starts& s, assay_buf best) const {
    b.each<&Lloyd::keep>("keep", ASSAY_COLS,
                         {{s.centres, ASSAY_IN}, {best, ASSAY_IN}, {b.factor(1), ASSAY_OUT}});
  }

  // The labels of the final centroids, and which start was best.
  void finish(const Builder& b, assay_buf reference) const {
    const Starts s = starts_of(b);
    const Rows r = assign_rows(b, reference, s);
    const assay_buf best = b.small("lloyd_best", 1, 1);
    b.each<&Lloyd::end>("end", ASSAY_ONE,
                        {{r.totals, ASSAY_IN}, {r.sizes, ASSAY_IN}, {best, ASSAY_OUT}});
    b.report("start", best);
    if (s.count == 1) return;
    keep_best(b, s, best);
    b.each<&Lloyd::keep_labels>(
        "keep_labels", ASSAY_ROWS,
        {{s.labels, ASSAY_IN}, {best, ASSAY_IN}, {labels_of_result(b), ASSAY_OUT}});
  }

  // ---- block functions ----

  // {H, order}
  void group(const Block& b) const {
    const Matrix H = b.matrix(0);
    const auto apart = [&](int64_t a, int64_t c) {
      double sum = 0;
      for (int64_t j = 0; j < d_; ++j) sum += (H(j, a) - H(j, c)) * (H(j, a) - H(j, c));
      return sum;
    };
    gather_groups(groups_, k_, apart, &b.matrix(1)(0, 0));
  }
  // {H, lines, reference}: the centroids a line each, then the reference.
  void turn_all(const Block& b) const {
    const Matrix lines = b.matrix(1), r = b.matrix(2);
    turn(b);
    for (int64_t j = 0; j < d_; ++j) lines(k_, j) = r(j, 0);
  }
  // {lines, narrow}
  void narrow_lines(const Block& b) const {
    const Matrix lines = b.matrix(0);
    for (int64_t a = 0; a < k_; ++a)
      for (int64_t j = 0; j < d_; ++j) b.floats(1)(a, j) = static_cast<float>(lines(a, j));
  }
  // {H, reference, order, H before, shifted, facts}; the last facts: the squared move.
  void shift_groups(const Block& b) const {
    const Matrix H = b.matrix(0), r = b.matrix(1), order = b.matrix(2), before = b.matrix(3),
                 shifted = b.matrix(4), facts = b.matrix(5);
    const int64_t columns = groups_.columns();
    const auto which = b.call().scratch<int64_t>(columns);
    for (int64_t p = 0; p < columns; ++p)
      which[static_cast<size_t>(p)] = static_cast<int64_t>(order(0, p));
    double *half = &facts(kHalf, 0), *lengths = &facts(kShifted, 0), *squares = &facts(kSquare, 0),
           *moved = &facts(kCentroidFacts, 0);
    for (int64_t j = 0; j < H.rows(); ++j) {
      const double* now = &H(j, 0);
      double *old = &before(j, 0), *out = &shifted(j, 0);
      const double at = r(j, 0);
      facts(kReference, 0) += at * at;
      for (int64_t p = 0; p < columns; ++p) {
        const int64_t a = which[static_cast<size_t>(p)];
        const double c = a < 0 ? 0 : now[a] - at, move = a < 0 ? 0 : now[a] - old[a];
        out[p] = c;
        half[p] += c * (c / 2 + at);
        lengths[p] += c * c;
        squares[p] += a < 0 ? 0 : now[a] * now[a];
        moved[p] += move * move;
      }
      std::copy_n(now, k_, old);
    }
  }
  // {shifted, facts, lines, row weights, labels, sizes, totals, near, order, lower}, narrow lines
  // of a run in float32
  void assign_some(const Block& b) const {
    const Matrix facts = b.matrix(1);
    const BoundedCentroids centroids{b.view(0),
                                     b.view(2),
                                     f32_ ? b.view(10) : assay_view{},
                                     facts,
                                     &facts(kCentroidFacts, 0),
                                     &b.matrix(8)(0, 0),
                                     f32_};
    BoundedRows rows(b, tile_, groups_, centroids, k_, b.floats(9));
    rows.run(b.labels(4), b.step() == 0);
    settle(b, rows, 0);
  }

  // {sums, sizes, rows of far, taken, centres}
  void centroids(const Block& b) const {
    const Matrix sums = b.matrix(0), sizes = b.matrix(1), rows = b.matrix(2), taken = b.matrix(3),
                 centres = b.matrix(4);
    const int64_t first = b.tag() * k_;
    const auto weight = b.call().scratch<double>(k_);
    for (int64_t a = 0; a < k_; ++a) weight[static_cast<size_t>(a)] = sizes(0, first + a);
    for (int64_t s = 0; s < slots_; ++s) {
      if (taken(s, 0) < 0) continue;
      weight[static_cast<size_t>(taken(s, 1)) - static_cast<size_t>(first)] -= taken(s, 2);
      for (int64_t j = 0; j < centres.rows(); ++j)
        sums(j, static_cast<int64_t>(taken(s, 1))) -= taken(s, 2) * rows(s, b.first() + j);
    }
    for (int64_t j = 0; j < centres.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a)
        if (const double w = weight[static_cast<size_t>(a)]; w > 0)
          move(centres(j, first + a), sums(j, first + a) / w);
    for (int64_t s = 0; s < slots_; ++s)
      for (int64_t j = 0; taken(s, 0) >= 0 && j < centres.rows(); ++j)
        centres(j, static_cast<int64_t>(taken(s, 0))) = rows(s, b.first() + j);
  }

  // Equal rows have a mean that differs from them by rounding alone: a centroid that lies on them
  // stays, or it would lose them to one without rows that does.
  static void move(double& centre, double mean) {
    if (std::abs(mean - centre) > 1e-14 * std::abs(centre)) centre = mean;
  }
  void add_squares(const Block& b) const {
    const Matrix centres = b.matrix(0), squares = b.matrix(1);
    for (int64_t j = 0; j < centres.rows(); ++j)
      for (int64_t a = 0; a < centres.cols(); ++a) squares(0, a) += centres(j, a) * centres(j, a);
  }
  // A given start of that length stays as it is.
  void divide(const Block& b) const {
    const Matrix squares = b.matrix(0), centres = b.matrix(1);
    const double kept = b.tag() == kMoved ? 0 : f32_ ? 1e-6 : 1e-14;
    for (int64_t j = 0; j < centres.rows(); ++j)
      for (int64_t a = 0; a < centres.cols(); ++a)
        if (squares(0, a) > 0 && std::abs(squares(0, a) - 1) > kept)
          centres(j, a) /= std::sqrt(squares(0, a));
  }

  static int64_t least(const Matrix& totals) {
    int64_t best = 0;
    for (int64_t r = 1; r < totals.cols(); ++r)
      if (totals(0, r) < totals(0, best)) best = r;
    return best;
  }
  // {totals, objective, converged, best}
  void conclude(const Block& b) const {
    const Matrix totals = b.matrix(0);
    const int64_t best = least(totals);
    double changed = 0;
    for (int64_t r = 0; r < totals.cols(); ++r) changed += totals(1, r);
    b.number(1) = totals(0, best);
    b.number(2) = b.step() > 0 && changed == 0 ? 1 : 0;
    b.number(3) = static_cast<double>(best);
  }
  // {totals, sizes, best}
  void end(const Block& b) const {
    const Matrix sizes = b.matrix(1);
    const int64_t best = least(b.matrix(0));
    b.number(2) = static_cast<double>(best);
    say_empty(b, sizes, best * k_);
  }
  // {centres of all starts, best, H}
  void keep(const Block& b) const {
    const Matrix centres = b.matrix(0), H = b.matrix(2);
    const int64_t first = static_cast<int64_t>(b.number(1)) * k_;
    for (int64_t j = 0; j < H.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a) H(j, a) = centres(j, first + a);
  }
  // {labels of all starts, best, labels}
  void keep_labels(const Block& b) const {
    const auto all = b.labels(0), labels = b.labels(2);
    const auto best = static_cast<int64_t>(b.number(1));
    for (int64_t i = 0; i < labels.rows(); ++i)
      labels(i, 0) = static_cast<int32_t>(all(i, best) - best * k_);
  }
  int64_t asked_, restarts_;
  bool spherical_;
  Groups groups_;
  bool bounded_ = false;
};

constexpr assay_option options[] = {
    integer_option("restarts",
                   "starts that are fitted in the same sweeps; the best is kept",
                   1,
                   1,
                   1000),
    enum_option(
        "bounds",
        "leave out distances that bounds show to be too long: the same labels in every step",
        "auto",
        kBounds),
    bool_option(
        "spherical",
        "by the angle: rows and centroids of length 1, half the squared distance is 1 - cos",
        false),
    kNoMoreOptions};
constexpr assay_solver vtable = solver_table<Lloyd>(ASSAY_NEEDS_SQUARED,
                                                    ASSAY_NEEDS_NO_PENALTY,
                                                    ASSAY_TAKES_SPARSE | ASSAY_TAKES_LINE_WEIGHTS,
                                                    "one_hot:W",
                                                    ASSAY_SOLVER_MAKES_W | ASSAY_SOLVER_NO_RESIDUAL,
                                                    "normalise:spherical",
                                                    "kmeans_plus_plus");
constexpr assay_plugin plugin =
    describe("assay.solver/1",
             "lloyd",
             "k-means: rows to their nearest centroid, centroids to the mean of their rows",
             "Lloyd 1957 (1982)",
             "c_i = argmin_a |x_i - h_a|;  h_a = mean of the rows of a, by their weights\n"
             "an empty cluster takes the row farthest from its centroid\n"
             "residual: |N H - W'X|_F / (|N H|_F + |W'X|_F), N the clusters' weights\n"
             "cost: 2ndk + nd per step and start, one read of X\n"
             "guarantee: no step raises the objective; ends when no label changes",
             options,
             &vtable,
             ASSAY_PLUGIN_DETERMINISTIC);

}  // namespace

ASSAY_MODULE("org.assay.lloyd", "1.0", plugin)
