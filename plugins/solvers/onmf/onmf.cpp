// SPDX-License-Identifier: Apache-2.0
// Orthogonal NMF: minimise 1/2 |X - W H|^2 over W, H >= 0 with W'W = I, X >= 0. Such a W has at
// most one entry above 0 in each row, so that its rows are clusters and the fit is a spherical
// k-means with weights; both halves of a step are exact minimisers:
//   labels:      c_i = argmax_a x_i'h_a / |h_a|,  w_ic = x_i'h_c / |h_c|, columns of length 1
//   components:  H = W'X
// W'W = I holds to rounding after every step: a component without a row takes the row fitted worst
// among those that others can spare. Cost per step 4 n d k; no step raises the objective. The
// constraint lies outside the KKT residual's sets, so there is none. New rows get the component and
// weight that fit them best. Pompili, Gillis, Absil and Glineur 2014, algorithm 1 (EM-ONMF), with
// one power step of the rank-one fits per iteration.
#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>
#include <string>

namespace {

using namespace assay::author;

class Orthogonal {
 public:
  Orthogonal(Call, const assay_problem& p)
      : k_(p.k[0]), n_(p.n), known_(p.factor_flags[1] & ASSAY_FACTOR_FROZEN) {
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
    if (purpose == ASSAY_PREPARE && !known_) prepare(b);
    if (purpose == ASSAY_STEP) step(b);
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

  void step(const Builder& b) const {
    const assay_buf W = b.factor(0), H = b.factor(1), P = b.local("xh", ASSAY_ROWS),
                    G = b.sum("gram", k_, k_), label = b.local("label", ASSAY_ROWS, 1),
                    weight = b.local("weight", ASSAY_ROWS, 1);
    b.gram(G, H, H);
    b.times(P, ASSAY_X, H);
    b.each<&Orthogonal::assign>(
        "assign", ASSAY_ROWS,
        {{P, ASSAY_IN}, {G, ASSAY_IN}, {label, ASSAY_OUT}, {weight, ASSAY_OUT}});
    if (known_) {
      b.each<&Orthogonal::place>(
          "place", ASSAY_ROWS,
          {{label, ASSAY_IN}, {weight, ASSAY_IN}, {G, ASSAY_IN}, {W, ASSAY_OUT}});
      return;
    }
    const assay_buf moved = b.small("moved", k_, 1), squares = b.sum("column_squares", 1, k_);
    b.each<&Orthogonal::repair>(
        "repair", ASSAY_ONE,
        {{label, ASSAY_IN}, {weight, ASSAY_IN}, {lengths(b), ASSAY_IN}, {moved, ASSAY_OUT}});
    b.each<&Orthogonal::write>("write", ASSAY_ROWS,
                               {{label, ASSAY_IN},
                                {weight, ASSAY_IN},
                                {moved, ASSAY_IN},
                                {W, ASSAY_OUT},
                                {squares, ASSAY_ADD}});
    b.each<&Orthogonal::normalise>("normalise", ASSAY_ROWS,
                                   {{W, ASSAY_INOUT}, {squares, ASSAY_IN}});
    const assay_buf Q = b.local("xw", ASSAY_COLS);
    b.times(Q, ASSAY_X, W);
    b.each<&Orthogonal::copy>("components", ASSAY_COLS, {{Q, ASSAY_IN}, {H, ASSAY_OUT}});
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

  // {label, weight, |x|^2, moved}: for each component without a row of weight above 0 the row it
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

  int64_t k_, n_;
  bool known_;  // H is given
};

constexpr assay_solver vtable = solver_table<Orthogonal>(ASSAY_NEEDS_SQUARED,
                                                         ASSAY_NEEDS_NO_PENALTY,
                                                         ASSAY_TAKES_SPARSE,
                                                         "nonneg",
                                                         ASSAY_SOLVER_NO_RESIDUAL);
constexpr assay_plugin plugin = describe(
    "assay.solver/1",
    "onmf",
    "orthogonal NMF: W'W = I exactly, one component per row",
    "Pompili, Gillis, Absil and Glineur 2014",
    "c_i = argmax_a x_i'h_a / |h_a|,  w_ic = x_i'h_c / |h_c|, columns of W of length 1;  H = W'X\n"
    "cost: 4ndk per step\n"
    "guarantee: no step raises the objective, and W'W = I after each to rounding",
    nullptr,
    &vtable,
    ASSAY_PLUGIN_DETERMINISTIC);

}  // namespace

ASSAY_MODULE("org.assay.onmf", "1.0", plugin)
