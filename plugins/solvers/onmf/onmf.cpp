// SPDX-License-Identifier: Apache-2.0
// Orthogonal NMF: minimise 1/2 |X - W H|^2 over W, H >= 0 with W'W = I, X >= 0. Such a W has at
// most one entry above 0 in each row, so that its rows are clusters and the fit is a spherical
// k-means with weights; both halves of a step are exact minimisers:
//   labels:      c_i = argmax_a x_i'h_a / |h_a|,  w_ic = x_i'h_c / |h_c|, columns of length 1
//   components:  H = W'X
// W'W = I holds to rounding after every step: a component without a row takes the row fitted worst
// among those that others can spare. Cost per step 4 n d k; no step raises the objective. New rows
// get the component and weight that fit them best. Pompili, Gillis, Absil and Glineur 2014,
// algorithm 1 (EM-ONMF), with one power step of the rank-one fits per iteration.
// Where entries count differently (weights w, hidden ones w = 0) each row still has one component,
// so that both halves stay exact minimisers and the proof as it is, sums over observed entries:
//   c_i = argmax_a p_ia / sqrt(q_ia),  w_ic = p_ic / q_ic,  p = sum_j w x h_a,  q = sum_j w h_a^2
//   h_aj = sum_i w x w_ia / sum_i w w_ia^2, 0 where nothing of the component is observed
// from the lines of X, of which sparse ones list what they store.
// The constraint lies outside the sets of the host's KKT residual. This solver's own is how far W
// is from what H makes of it, |W(H) - W|_F / sqrt(k): 0 where each of labels, weights and
// components is best given the others. On the unit vectors of given labels it is the projected
// gradient.
#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>
#include <string>

namespace {

using namespace assay::author;

class Orthogonal {
 public:
  Orthogonal(Call call, const assay_problem& p)
      : tile_(call.service<assay_tile>("assay.tile/1")),
        k_(p.k[0]),
        n_(p.n),
        known_(p.factor_flags[1] & ASSAY_FACTOR_FROZEN),
        unequal_(p.flags & ASSAY_PROBLEM_UNEQUAL) {
    if (p.x_min < 0)
      throw Failure(ASSAY_E_DOMAIN, "solver `onmf` needs X >= 0")
          .help("use solver `semi` for signed X");
    if (known_) return;
    if (p.factor_flags[0] & ASSAY_FACTOR_FROZEN)
      throw Failure(ASSAY_E_COMBINATION, "solver `onmf` finds W and cannot keep it fixed")
          .help("leave `model.W.fixed` out");
    if (p.n < k_)
      throw Failure(ASSAY_E_SHAPE, "W'W = I needs at least as many rows as components: rank " +
                                       std::to_string(k_) + ", " + std::to_string(p.n) + " rows");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose == ASSAY_PREPARE && !known_ && !unequal_) prepare(b);
    if (purpose == ASSAY_STEP) step(b);
    if (purpose == ASSAY_MEASURE && !known_) measure(b);
  }

 private:
  assay_buf lengths(const Builder& b) const {
    return b.buffer("squared_lengths", ASSAY_ROWS, ASSAY_STATE, 0, 1);
  }

  // |x_i|^2
  void prepare(const Builder& b) const {
    const assay_buf ones = b.local("ones", ASSAY_COLS, 1),
                    squares = b.local("squares", ASSAY_ROWS, 1);
    b.each<&Orthogonal::fill>("ones", ASSAY_COLS, {{ones, ASSAY_OUT}});
    b.times(squares, ASSAY_X, ones, ASSAY_SQUARE);
    b.each<&Orthogonal::copy>("squared_lengths", ASSAY_ROWS,
                              {{squares, ASSAY_IN}, {lengths(b), ASSAY_OUT}});
  }

  // What H makes of each row: its component; x'h / |h|, whose square is what the component
  // explains; the entry of W but for its column's length; |x|^2.
  struct Rows {
    assay_buf label, gain, entry, squares, gram;  // squares: unequal entries; gram: equal ones
  };
  Rows rows(const Builder& b) const {
    const assay_buf H = b.factor(1), label = b.local("label", ASSAY_ROWS, 1),
                    gain = b.local("gain", ASSAY_ROWS, 1);
    if (!unequal_) {
      const assay_buf P = b.local("xh", ASSAY_ROWS), G = b.sum("gram", k_, k_);
      b.gram(G, H, H);
      b.times(P, ASSAY_X, H);
      b.each<&Orthogonal::assign>(
          "assign", ASSAY_ROWS,
          {{P, ASSAY_IN}, {G, ASSAY_IN}, {label, ASSAY_OUT}, {gain, ASSAY_OUT}});
      return {label, gain, gain, ASSAY_NO, G};
    }
    const assay_buf entry = b.local("entry", ASSAY_ROWS, 1),
                    squares = b.local("squares", ASSAY_ROWS, 1),
                    all = weighted_squares(b, "h_squares", 1);
    b.each<&Orthogonal::assign_observed>("assign", ASSAY_ROWS,
                                         {{b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                          {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                                          {H, ASSAY_IN},
                                          {all, ASSAY_IN},
                                          {label, ASSAY_OUT},
                                          {gain, ASSAY_OUT},
                                          {entry, ASSAY_OUT},
                                          {squares, ASSAY_OUT}},
                                         0, ASSAY_EACH_X);
    return {label, gain, entry, squares, ASSAY_NO};
  }

  // Sums of squares of a factor's columns times the weights of its rows.
  assay_buf weighted_squares(const Builder& b, const char* name, int32_t side) const {
    const assay_buf out = b.sum(name, 1, k_);
    b.each<&Orthogonal::add_weighted>(
        name, side,
        {{b.factor(side), ASSAY_IN},
         {b.given(side ? ASSAY_COL_WEIGHTS : ASSAY_ROW_WEIGHTS), ASSAY_IN},
         {out, ASSAY_ADD}});
    return out;
  }

  void step(const Builder& b) const {
    const assay_buf W = b.factor(0), H = b.factor(1);
    const Rows r = rows(b);
    if (known_) {
      if (unequal_)
        b.each<&Orthogonal::put>("place", ASSAY_ROWS,
                                 {{r.label, ASSAY_IN}, {r.entry, ASSAY_IN}, {W, ASSAY_OUT}});
      else
        b.each<&Orthogonal::place>(
            "place", ASSAY_ROWS,
            {{r.label, ASSAY_IN}, {r.gain, ASSAY_IN}, {r.gram, ASSAY_IN}, {W, ASSAY_OUT}});
      return;
    }
    const assay_buf moved = b.small("moved", k_, 1), squares = b.sum("column_squares", 1, k_);
    b.each<&Orthogonal::repair>("repair", ASSAY_ONE,
                                {{r.label, ASSAY_IN},
                                 {r.gain, ASSAY_IN},
                                 {unequal_ ? r.squares : lengths(b), ASSAY_IN},
                                 {moved, ASSAY_OUT}});
    b.each<&Orthogonal::write>("write", ASSAY_ROWS,
                               {{r.label, ASSAY_IN},
                                {r.entry, ASSAY_IN},
                                {moved, ASSAY_IN},
                                {W, ASSAY_OUT},
                                {squares, ASSAY_ADD}});
    b.each<&Orthogonal::normalise>("normalise", ASSAY_ROWS,
                                   {{W, ASSAY_INOUT}, {squares, ASSAY_IN}});
    if (unequal_) {
      b.each<&Orthogonal::fit_observed>("components", ASSAY_COLS,
                                        {{b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                         {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                                         {W, ASSAY_IN},
                                         {weighted_squares(b, "w_squares", 0), ASSAY_IN},
                                         {H, ASSAY_OUT}},
                                        0, ASSAY_EACH_X);
      return;
    }
    const assay_buf Q = b.local("xw", ASSAY_COLS);
    b.times(Q, ASSAY_X, W);
    b.each<&Orthogonal::copy>("components", ASSAY_COLS, {{Q, ASSAY_IN}, {H, ASSAY_OUT}});
  }

  void measure(const Builder& b) const {
    const Rows r = rows(b);
    const assay_buf squares = b.sum("column_squares", 1, k_), apart = b.sum("apart", 1, 1),
                    kkt = b.small("kkt", 1, 1);
    b.each<&Orthogonal::add_squares>(
        "column_squares", ASSAY_ROWS,
        {{r.label, ASSAY_IN}, {r.entry, ASSAY_IN}, {squares, ASSAY_ADD}});
    b.each<&Orthogonal::compare>("compare", ASSAY_ROWS,
                                 {{b.factor(0), ASSAY_IN},
                                  {r.label, ASSAY_IN},
                                  {r.entry, ASSAY_IN},
                                  {squares, ASSAY_IN},
                                  {apart, ASSAY_ADD}});
    b.each<&Orthogonal::residual>("residual", ASSAY_ONE, {{apart, ASSAY_IN}, {kkt, ASSAY_OUT}});
    b.report("kkt", kkt);
  }

  // ---- block functions ----

  void fill(const Block& b) const {
    for (int64_t j = 0; j < b.count(); ++j) b.matrix(0)(j, 0) = 1;
  }
  void copy(const Block& b) const {
    const Matrix from = b.matrix(0), to = b.matrix(1);
    for (int64_t i = 0; i < from.rows(); ++i)
      for (int64_t a = 0; a < from.cols(); ++a) to(i, a) = from(i, a);
  }

  // {X H, gram of H, label, x'h / |h|}; ties go to the lower component.
  void assign(const Block& b) const {
    const Matrix P = b.matrix(0), G = b.matrix(1), label = b.matrix(2), weight = b.matrix(3);
    for (int64_t i = 0; i < P.rows(); ++i) {
      label(i, 0) = weight(i, 0) = 0;
      for (int64_t a = 0; a < k_; ++a) {
        const double w = G(a, a) > 0 ? P(i, a) / std::sqrt(G(a, a)) : 0;
        if (w > weight(i, 0)) {
          label(i, 0) = static_cast<double>(a);
          weight(i, 0) = w;
        }
      }
    }
  }

  // {label, weight, gram of H, W}: rows alone, for a known H.
  void place(const Block& b) const {
    const Matrix label = b.matrix(0), weight = b.matrix(1), G = b.matrix(2), W = b.matrix(3);
    for (int64_t i = 0; i < W.rows(); ++i) {
      for (int64_t a = 0; a < k_; ++a) W(i, a) = 0;
      const auto c = static_cast<int64_t>(label(i, 0));
      if (weight(i, 0) > 0) W(i, c) = weight(i, 0) / std::sqrt(G(c, c));
    }
  }

  // {label, gain, |x|^2, moved}: for each component without a row of weight above 0 the row it
  // takes, else -1. n >= k, so that the others can always spare one.
  void repair(const Block& b) const {
    const Matrix label = b.matrix(0), weight = b.matrix(1), squares = b.matrix(2),
                 moved = b.matrix(3);
    const auto members = b.call().scratch<int64_t>(k_);
    std::fill(members.begin(), members.end(), 0);
    const auto of = [&](int64_t i) -> int64_t& {
      return members[static_cast<size_t>(label(i, 0))];
    };
    for (int64_t i = 0; i < n_; ++i) of(i) += weight(i, 0) > 0;
    for (int64_t a = 0; a < k_; ++a) moved(a, 0) = -1;
    for (int64_t a = 0; a < k_; ++a) {
      if (members[static_cast<size_t>(a)] > 0) continue;
      int64_t worst = -1;
      double error = -1;
      for (int64_t i = 0; i < n_; ++i) {
        const double w = weight(i, 0), e = std::max(squares(i, 0) - w * w, 0.0);
        if (e <= error || (w > 0 && of(i) < 2) || is_moved(moved, i)) continue;
        error = e;
        worst = i;
      }
      if (worst < 0) throw Failure(ASSAY_E_NUMERIC, "no row is left for an empty component");
      if (weight(worst, 0) > 0) --of(worst);
      members[static_cast<size_t>(a)] = 1;
      moved(a, 0) = static_cast<double>(worst);
    }
  }
  bool is_moved(const Matrix& moved, int64_t i) const {
    for (int64_t a = 0; a < k_; ++a)
      if (static_cast<int64_t>(moved(a, 0)) == i) return true;
    return false;
  }

  // {label, weight, moved, W, column squares}
  void write(const Block& b) const {
    const Matrix label = b.matrix(0), weight = b.matrix(1), moved = b.matrix(2), W = b.matrix(3),
                 squares = b.matrix(4);
    for (int64_t i = 0; i < W.rows(); ++i) {
      for (int64_t a = 0; a < k_; ++a) W(i, a) = 0;
      auto c = static_cast<int64_t>(label(i, 0));
      double w = weight(i, 0);
      for (int64_t a = 0; a < k_; ++a) {
        if (static_cast<int64_t>(moved(a, 0)) != b.first() + i) continue;
        c = a;
        w = 1;
      }
      W(i, c) = w;
      squares(0, c) += w * w;
    }
  }
  void normalise(const Block& b) const {
    const Matrix W = b.matrix(0), squares = b.matrix(1);
    for (int64_t i = 0; i < W.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a)
        if (squares(0, a) > 0) W(i, a) /= std::sqrt(squares(0, a));
  }

  // {label, entry, column squares}
  void add_squares(const Block& b) const {
    const Matrix label = b.matrix(0), entry = b.matrix(1), squares = b.matrix(2);
    for (int64_t i = 0; i < label.rows(); ++i)
      squares(0, static_cast<int64_t>(label(i, 0))) += entry(i, 0) * entry(i, 0);
  }
  // {W, label, entry, column squares, |W(H) - W|^2}
  void compare(const Block& b) const {
    const Matrix W = b.matrix(0), label = b.matrix(1), entry = b.matrix(2), squares = b.matrix(3);
    for (int64_t i = 0; i < W.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        const bool mine = static_cast<int64_t>(label(i, 0)) == a && squares(0, a) > 0;
        const double apart = W(i, a) - (mine ? entry(i, 0) / std::sqrt(squares(0, a)) : 0);
        b.number(4) += apart * apart;
      }
  }
  void residual(const Block& b) const {
    b.number(1) = std::sqrt(b.number(0) / static_cast<double>(k_));
  }

  // {factor, weights of its rows, sums}
  void add_weighted(const Block& b) const {
    const Matrix F = b.matrix(0), weights = b.matrix(1), sums = b.matrix(2);
    for (int64_t i = 0; i < F.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) sums(0, a) += weights(i, 0) * F(i, a) * F(i, a);
  }

  // Sums over the observed entries of a line: p_a = w x f_a, q_a = w f_a^2, and w x^2. Zeros that
  // are not stored add to q alone: `weight` times all, less what the listed entries would.
  struct Sums {
    std::span<double> p, q;
    double squares = 0;
  };
  void sum_line(const Block& b,
                int64_t i,
                double weight,
                const Matrix& F,
                const Matrix& weights,
                const Matrix& all,
                Sums& s) const {
    assay_line line{};
    Call::check(tile_->line(b.call().ctx, i, &line));
    s.squares = 0;
    for (int64_t a = 0; a < k_; ++a) {
      const auto at = static_cast<size_t>(a);
      s.p[at] = 0;
      s.q[at] = line.zeros ? weight * all(0, a) : 0;
    }
    for (int64_t e = 0; e < line.n; ++e) {
      const int64_t j = line.idx ? line.idx[e] : e;
      const double w = line.w ? line.w[e] : 1, x = line.x[e];
      s.squares += w * x * x;
      add_entry(k_, w * x, line.zeros ? w - weight * weights(j, 0) : w, &F(j, 0), s.p.data(),
                s.q.data());
    }
    for (double& q : s.q) q = std::max(q, 0.0);
  }
  ASSAY_SIMD static void add_entry(int64_t k,
                                   double wx,
                                   double w,
                                   const double* f,
                                   double* p,
                                   double* q) {
    for (int64_t a = 0; a < k; ++a) {
      p[a] += wx * f[a];
      q[a] += w * f[a] * f[a];
    }
  }
  Sums sums_of(const Block& b) const {
    return {b.call().scratch<double>(k_), b.call().scratch<double>(k_), 0};
  }

  // {row weights, column weights, H, sums of w h^2, label, gain, entry, |x|^2}; ties go to the
  // lower component.
  void assign_observed(const Block& b) const {
    const Matrix mine = b.matrix(0), weights = b.matrix(1), H = b.matrix(2), all = b.matrix(3),
                 label = b.matrix(4), gain = b.matrix(5), entry = b.matrix(6),
                 squares = b.matrix(7);
    Sums s = sums_of(b);
    for (int64_t i = 0; i < label.rows(); ++i) {
      sum_line(b, i, mine(i, 0), H, weights, all, s);
      label(i, 0) = gain(i, 0) = entry(i, 0) = 0;
      squares(i, 0) = s.squares;
      for (size_t a = 0; a < s.p.size(); ++a) {
        const double g = s.q[a] > 0 ? s.p[a] / std::sqrt(s.q[a]) : 0, w = s.p[a] / s.q[a];
        if (!(g > gain(i, 0)) || !std::isfinite(w)) continue;
        label(i, 0) = static_cast<double>(a);
        gain(i, 0) = g;
        entry(i, 0) = w;
      }
    }
  }
  // {row weights, column weights, W, sums of w w^2, H}
  void fit_observed(const Block& b) const {
    const Matrix weights = b.matrix(0), mine = b.matrix(1), W = b.matrix(2), all = b.matrix(3),
                 H = b.matrix(4);
    Sums s = sums_of(b);
    for (int64_t j = 0; j < H.rows(); ++j) {
      sum_line(b, j, mine(j, 0), W, weights, all, s);
      for (int64_t a = 0; a < k_; ++a) {
        const auto at = static_cast<size_t>(a);
        const double h = s.p[at] / s.q[at];
        H(j, a) = s.p[at] > 0 && std::isfinite(h) ? h : 0;
      }
    }
  }
  // {label, entry, W}
  void put(const Block& b) const {
    const Matrix label = b.matrix(0), entry = b.matrix(1), W = b.matrix(2);
    for (int64_t i = 0; i < W.rows(); ++i) {
      for (int64_t a = 0; a < k_; ++a) W(i, a) = 0;
      W(i, static_cast<int64_t>(label(i, 0))) = entry(i, 0);
    }
  }

  const assay_tile* tile_;
  int64_t k_, n_;
  bool known_, unequal_;  // H is given; entries count differently
};

constexpr assay_solver vtable = solver_table<Orthogonal>(
    ASSAY_NEEDS_SQUARED,
    ASSAY_NEEDS_NO_PENALTY,
    ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK | ASSAY_TAKES_WEIGHTS | ASSAY_TAKES_UNOBSERVED,
    "nonneg",
    ASSAY_SOLVER_NO_RESIDUAL);
constexpr assay_plugin plugin = describe(
    "assay.solver/1",
    "onmf",
    "orthogonal NMF: W'W = I exactly, one component per row",
    "Pompili, Gillis, Absil and Glineur 2014",
    "c_i = argmax_a x_i'h_a / |h_a|,  w_ic = x_i'h_c / |h_c|, columns of W of length 1;  H = W'X\n"
    "masks, weights: c_i = argmax_a p_ia / sqrt(q_ia), w_ic = p_ic / q_ic;  h_aj = sum_i w x w_ia "
    "/ "
    "sum_i w w_ia^2\n"
    "  p_ia = sum_j w x h_a, q_ia = sum_j w h_a^2 over observed entries\n"
    "residual: |W(H) - W|_F / sqrt(k), W(H) the W that H gives: 0 where labels, weights and "
    "components are best given each other; the stop rule's kkt\n"
    "cost: 4ndk per step; 8ndk masked or weighted, 8 nnz k for sparse X\n"
    "guarantee: no step raises the objective, and W'W = I after each to rounding",
    nullptr,
    &vtable,
    ASSAY_PLUGIN_DETERMINISTIC);

}  // namespace

ASSAY_MODULE("org.assay.onmf", "1.0", plugin)
