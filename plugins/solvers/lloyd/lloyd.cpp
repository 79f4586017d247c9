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

namespace {

using namespace assay::author;

class Lloyd : public Clusters<Lloyd> {
 public:
  Lloyd(Call call, const assay_problem& p)
      : Clusters(call, p),
        restarts_(known_ ? 1 : Options(call.host, p.options).integer("restarts")),
        spherical_(Options(call.host, p.options).flag("spherical")) {}

  int64_t starts() const { return restarts_; }

  void build(const Builder& b, int32_t purpose) const {
    const Frame f = frame(b, ASSAY_STATE);
    if (purpose == ASSAY_PREPARE) refer(b, f, b.factor(1));
    if (purpose == ASSAY_STEP) step(b, f);
    if (purpose == ASSAY_FINISH) finish(b, f);
    if (purpose == ASSAY_MEASURE) measure(b, f, spherical_);
    if (purpose == ASSAY_APPLY) apply(b, f);
  }

 private:
  Starts starts_of(const Builder& b) const {
    if (restarts_ == 1) return {1, b.factor(1), labels_of_result(b)};
    return {restarts_, b.buffer("restarts", ASSAY_COLS, ASSAY_STATE, 0, restarts_ * k_),
            b.labels("restart_labels", ASSAY_STATE, restarts_)};
  }
  void step(const Builder& b, const Frame& f) const {
    const Starts s = starts_of(b);
    const Rows r = assign_rows(b, f, s);
    const assay_buf best = b.small("lloyd_best", 1, 1);
    report(b, r, best);
    if (known_) return;
    const assay_buf sums = b.local("lloyd_sums", ASSAY_COLS, s.count * k_);
    b.times(sums, ASSAY_X, s.labels, ASSAY_WEIGHTED);
    for (int64_t at = 0; at < s.count; ++at) update(b, s, r, sums, static_cast<int32_t>(at));
    if (spherical_) normalise(b, s);
    if (s.count > 1) keep_best(b, s, best);
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
  void normalise(const Builder& b, const Starts& s) const {
    const assay_buf squares = b.sum("lloyd_squares", 1, s.count * k_);
    b.each<&Lloyd::add_squares>("squares", ASSAY_COLS,
                                {{s.centres, ASSAY_IN}, {squares, ASSAY_ADD}});
    b.each<&Lloyd::divide>("divide", ASSAY_COLS, {{squares, ASSAY_IN}, {s.centres, ASSAY_INOUT}});
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
  void finish(const Builder& b, const Frame& f) const {
    const Starts s = starts_of(b);
    const Rows r = assign_rows(b, f, s);
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
          centres(j, first + a) = sums(j, first + a) / w;
    for (int64_t s = 0; s < slots_; ++s)
      for (int64_t j = 0; taken(s, 0) >= 0 && j < centres.rows(); ++j)
        centres(j, static_cast<int64_t>(taken(s, 0))) = rows(s, b.first() + j);
  }

  void add_squares(const Block& b) const {
    const Matrix centres = b.matrix(0), squares = b.matrix(1);
    for (int64_t j = 0; j < centres.rows(); ++j)
      for (int64_t a = 0; a < centres.cols(); ++a) squares(0, a) += centres(j, a) * centres(j, a);
  }
  void divide(const Block& b) const {
    const Matrix squares = b.matrix(0), centres = b.matrix(1);
    for (int64_t j = 0; j < centres.rows(); ++j)
      for (int64_t a = 0; a < centres.cols(); ++a)
        if (squares(0, a) > 0) centres(j, a) /= std::sqrt(squares(0, a));
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
  int64_t restarts_;
  bool spherical_;
};

constexpr assay_option options[] = {
    integer_option("restarts",
                   "starts that are fitted in the same sweeps; the best is kept",
                   1,
                   1,
                   1000),
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
                                                    nullptr,
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
