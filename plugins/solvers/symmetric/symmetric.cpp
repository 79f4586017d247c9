// SPDX-License-Identifier: Apache-2.0
// Symmetric NMF: minimise 1/2 |X - W W'|^2, or 1/2 |X - W S W'|^2 with three factors, over W, S >=
// 0 for symmetric X >= 0 (similarities, graphs). W and H are one matrix, returned twice.
//   W <- W * (N / D)^e,   N = X W S, D = M W S;   S <- S * (W'X W / W'M W)^(1/2)
// e = 1/4 never raises the objective, for any X >= 0; the damped rule W <- W * (1/2 + 1/2 N / D) is
// often faster and has no such proof. Penalties count half from each of W and H. Symmetry is
// checked once, by X R against X'R for two random columns R. New rows are fitted with H known, by W
// <- W * N / D. Cost per step 2 n^2 k. Ding, He and Simon 2005 (damped); He, Xie, Zdunek, Zhou and
// Cichocki 2011 (powers).
// Where entries count differently, x_ij and x_ji are two measurements of one similarity, each with
// its own weight (hidden: 0), so that neither the weights nor what is observed need be symmetric:
//   N = ((w * X) W S + (w * X)'W S) / 2,   D likewise with M
// which is the update for weights (w + w') / 2 and the weighted mean of x_ij and x_ji: the proof
// holds for any weights. X is checked where x_ij and x_ji are observed or hidden together.
// The residual is that of W and H as one matrix (and S).
#include <assay/steps.h>

#include <algorithm>
#include <assay/plugin.hpp>
#include <cfloat>
#include <cmath>

namespace {

using namespace assay::author;

class Symmetric {
 public:
  Symmetric(Call call, const assay_problem& p)
      : rng_(call.service<assay_rng>("assay.rng/1")),
        penalties_(call.service<assay_penalty_calls>("assay.penalty/1")),
        k_(p.k[0]),
        three_(p.n_factors == 3),
        known_(p.factor_flags[1] & ASSAY_FACTOR_FROZEN),
        unequal_(p.flags & ASSAY_PROBLEM_UNEQUAL),
        damped_(Options(call.host, p.options).text("rule") == "damped") {
    if (!known_ && p.n != p.d)
      throw Failure(ASSAY_E_SHAPE, "solver `symmetric` needs a square X, and this one is " +
                                       std::to_string(p.n) + " x " + std::to_string(p.d))
          .help("give similarities of the rows, or use another solver");
    if (p.k[0] != p.k[1])
      throw Failure(ASSAY_E_COMBINATION, "solver `symmetric` needs equal ranks of W and H")
          .help("write `rank: [8, 8]` for W S W'");
    if (p.x_min < 0)
      throw Failure(ASSAY_E_DOMAIN, "solver `symmetric` needs X >= 0")
          .help("shift or scale the similarities");
    if ((p.factor_flags[0] & ASSAY_FACTOR_FROZEN) && !known_)
      throw Failure(ASSAY_E_COMBINATION, "solver `symmetric` cannot keep W fixed");
    const double mean = p.observed > 0 ? p.x_sum / p.observed : 0, k = static_cast<double>(k_);
    const double unit = three_ ? std::cbrt(mean / (k * k)) : std::sqrt(mean / k);
    floor_ = Options(call.host, p.options).number("floor") * unit;
    border_ = std::max(floor_, 1e-15 * unit);
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose == ASSAY_PREPARE && !known_) prepare(b);
    if (purpose == ASSAY_STEP) step(b);
    if (purpose == ASSAY_MEASURE) measure(b);
  }

 private:
  static constexpr int64_t kProbes = 2;

  void prepare(const Builder& b) const {
    const assay_buf R = b.local("probe_rows", ASSAY_ROWS, kProbes),
                    T = b.local("probe_cols", ASSAY_COLS, kProbes),
                    XT = b.local("x_probe", ASSAY_ROWS, kProbes),
                    XR = b.local("xt_probe", ASSAY_COLS, kProbes);
    b.each<&Symmetric::draw>("probe_rows", ASSAY_ROWS, {{R, ASSAY_OUT}});
    b.each<&Symmetric::draw>("probe_cols", ASSAY_COLS, {{T, ASSAY_OUT}});
    b.times(XT, ASSAY_X, T);
    b.times(XR, ASSAY_X, R);
    const assay_buf apart = b.sum("apart", 1, 2), checked = b.small("checked", 1, 1);
    b.each<&Symmetric::compare>("compare", ASSAY_ROWS,
                                {{XT, ASSAY_IN}, {XR, ASSAY_IN}, {apart, ASSAY_ADD}});
    if (unequal_) {
      const assay_buf PT = b.local("seen_probe", ASSAY_ROWS, kProbes),
                      PR = b.local("seent_probe", ASSAY_COLS, kProbes);
      b.times(PT, ASSAY_X, T, ASSAY_PATTERN);
      b.times(PR, ASSAY_X, R, ASSAY_PATTERN);
      const assay_buf uneven = b.sum("seen_apart", 1, 2);
      b.each<&Symmetric::compare>("compare_seen", ASSAY_ROWS,
                                  {{PT, ASSAY_IN}, {PR, ASSAY_IN}, {uneven, ASSAY_ADD}});
      b.each<&Symmetric::check_seen>("symmetry", ASSAY_ONE,
                                     {{apart, ASSAY_IN}, {uneven, ASSAY_IN}, {checked, ASSAY_OUT}});
    } else {
      b.each<&Symmetric::check>("symmetry", ASSAY_ONE, {{apart, ASSAY_IN}, {checked, ASSAY_OUT}});
    }
    b.each<&Symmetric::copy>(
        "h_is_w", ASSAY_COLS,
        {{b.factor(1), ASSAY_OUT}, {b.factor(0), ASSAY_IN}, {checked, ASSAY_IN}});
    if (three_) b.each<&Symmetric::even>("symmetric_s", ASSAY_ONE, {{b.factor(2), ASSAY_INOUT}});
  }

  struct Halves {
    assay_buf N, D;
  };
  Halves halves_of_w(const Builder& b) const {
    const assay_buf W = b.factor(0), H = b.factor(1), N = b.local("num", ASSAY_ROWS),
                    D = b.local("den", ASSAY_ROWS);
    assay_buf right = H;
    if (three_) {
      right = b.local("hs", ASSAY_COLS);
      b.times(right, H, b.factor(2), ASSAY_TRANSPOSED);
    }
    b.terms({ASSAY_MU, ASSAY_ROWS, W, right, N, D, ASSAY_NO, 0});
    if (!unequal_ || known_) return {N, D};
    const assay_buf Nh = b.local("num_h", ASSAY_COLS), Dh = b.local("den_h", ASSAY_COLS);
    b.terms(ASSAY_MU, ASSAY_COLS, Nh, Dh);
    b.each<&Symmetric::fold>("fold", ASSAY_ROWS,
                             {{N, ASSAY_INOUT}, {D, ASSAY_INOUT}, {Nh, ASSAY_IN}, {Dh, ASSAY_IN}});
    return {N, D};
  }
  Halves halves_of_s(const Builder& b) const {
    const assay_buf N = b.local("num_s", ASSAY_ROWS), D = b.local("den_s", ASSAY_ROWS),
                    wn = b.sum("w_num", k_, k_), wd = b.sum("w_den", k_, k_);
    b.terms(ASSAY_MU, ASSAY_ROWS, N, D);
    b.gram(wn, b.factor(0), N);
    b.gram(wd, b.factor(0), D);
    return {wn, wd};
  }

  void step(const Builder& b) const {
    const assay_buf W = b.factor(0), H = b.factor(1);
    const auto [N, D] = halves_of_w(b);
    if (known_) {
      b.each<&Symmetric::scale>("update_w", ASSAY_ROWS,
                                {{W, ASSAY_INOUT}, {N, ASSAY_INOUT}, {D, ASSAY_INOUT}});
      return;
    }
    // H is read for its penalties: those of a whole factor are then expanded for this sweep.
    b.each<&Symmetric::scale>(
        "update_w", ASSAY_ROWS,
        {{W, ASSAY_INOUT}, {N, ASSAY_INOUT}, {D, ASSAY_INOUT}, {H, ASSAY_IN}});
    b.each<&Symmetric::copy>("h_is_w", ASSAY_COLS, {{H, ASSAY_OUT}, {W, ASSAY_IN}});
    if (!three_) return;
    const auto [wn, wd] = halves_of_s(b);
    b.each<&Symmetric::scale_s>("update_s", ASSAY_ONE,
                                {{b.factor(2), ASSAY_INOUT}, {wn, ASSAY_IN}, {wd, ASSAY_IN}});
  }

  void measure(const Builder& b) const {
    const assay_buf W = b.factor(0), sums = b.sum("squares_w", 1, 3), kkt = b.small("kkt", 1, 1);
    const auto [N, D] = halves_of_w(b);
    if (known_)
      b.each<&Symmetric::residual_w>(
          "residual_w", ASSAY_ROWS,
          {{W, ASSAY_IN}, {N, ASSAY_INOUT}, {D, ASSAY_INOUT}, {sums, ASSAY_ADD}});
    else
      b.each<&Symmetric::residual_w>("residual_w", ASSAY_ROWS,
                                     {{W, ASSAY_IN},
                                      {N, ASSAY_INOUT},
                                      {D, ASSAY_INOUT},
                                      {sums, ASSAY_ADD},
                                      {b.factor(1), ASSAY_IN}});
    if (three_ && !known_) {
      const auto [wn, wd] = halves_of_s(b);
      b.each<&Symmetric::residual_with_s>("residual", ASSAY_ONE,
                                          {{b.factor(2), ASSAY_IN},
                                           {wn, ASSAY_IN},
                                           {wd, ASSAY_IN},
                                           {sums, ASSAY_IN},
                                           {kkt, ASSAY_OUT}});
    } else {
      b.each<&Symmetric::residual>("residual", ASSAY_ONE, {{sums, ASSAY_IN}, {kkt, ASSAY_OUT}});
    }
    b.report("kkt", kkt);
  }

  // ---- block functions ----

  void draw(const Block& b) const {
    const Matrix R = b.matrix(0);
    for (int64_t i = 0; i < R.rows(); ++i)
      rng_->normal(0, static_cast<uint64_t>((b.first() + i) * kProbes), kProbes, R.row(i).data());
  }
  void compare(const Block& b) const {
    const Matrix mine = b.matrix(0), other = b.matrix(1), sums = b.matrix(2);
    for (int64_t i = 0; i < mine.rows(); ++i)
      for (int64_t c = 0; c < kProbes; ++c) {
        const double x = mine(i, c), difference = x - other(b.first() + i, c);
        sums(0, 0) += difference * difference;
        sums(0, 1) += x * x;
      }
  }
  // Rounding of stored entries, float32 ones too, stays far below the tolerance.
  static bool is_even(const Matrix& sums) {
    return !(std::sqrt(sums(0, 0)) > 1e-5 * std::sqrt(sums(0, 1)));
  }
  static void demand_even(const Matrix& sums) {
    if (!is_even(sums))
      throw Failure(ASSAY_E_DOMAIN, "X is not symmetric, and solver `symmetric` needs X = X'")
          .help("fit (X + X') / 2, or use another solver");
  }
  void check(const Block& b) const {
    demand_even(b.matrix(0));
    b.number(1) = 1;
  }
  // {of X, of what is observed}
  void check_seen(const Block& b) const {
    if (is_even(b.matrix(1))) demand_even(b.matrix(0));
    b.number(2) = 1;
  }
  // {N, D, halves of H}: the mean of both.
  void fold(const Block& b) const {
    for (int32_t half = 0; half < 2; ++half) {
      const Matrix mine = b.matrix(half), other = b.matrix(half + 2);
      for (int64_t i = 0; i < mine.rows(); ++i)
        for (int64_t a = 0; a < k_; ++a) mine(i, a) = (mine(i, a) + other(b.first() + i, a)) / 2;
    }
  }
  void copy(const Block& b) const {
    const Matrix H = b.matrix(0), W = b.matrix(1);
    for (int64_t j = 0; j < H.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a) H(j, a) = W(b.first() + j, a);
  }
  void even(const Block& b) const {
    const Matrix S = b.matrix(0);
    for (int64_t a = 0; a < k_; ++a)
      for (int64_t c = 0; c < a; ++c) S(a, c) = S(c, a) = (S(a, c) + S(c, a)) / 2;
  }

  double factor_of(double ratio) const {
    if (known_) return ratio;
    return damped_ ? 0.5 + 0.5 * ratio : std::sqrt(std::sqrt(ratio));
  }

  // {W, N, D}
  void scale(const Block& b) const {
    const Matrix W = b.matrix(0), N = b.matrix(1), D = b.matrix(2);
    add_penalties(b);
    for (int64_t i = 0; i < W.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        const double f = W(i, a) * factor_of(N(i, a) / std::max(D(i, a), DBL_MIN));
        W(i, a) = f > floor_ ? f : floor_;
      }
  }

  // The halves at W and at H are equal, so that each side's penalties count half.
  void add_penalties(const Block& b) const {
    assay_view num = b.view(1), den = b.view(2);
    if (known_) {
      Call::check(penalties_->mu(b.call().ctx, 0, &b.view(0), &num, &den));
      return;
    }
    const int64_t size = num.rows * k_;
    const auto n = b.call().scratch<double>(size), d = b.call().scratch<double>(size);
    num.data = n.data();
    den.data = d.data();
    num.stride = den.stride = k_;
    std::fill(n.begin(), n.end(), 0.0);
    std::fill(d.begin(), d.end(), 0.0);
    for (int32_t side = 0; side < 2; ++side)
      Call::check(penalties_->mu(b.call().ctx, side, &b.view(0), &num, &den));
    const Matrix N = b.matrix(1), D = b.matrix(2);
    for (int64_t i = 0; i < N.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        const auto at = static_cast<size_t>(i * k_ + a);
        N(i, a) += n[at] / 2;
        D(i, a) += d[at] / 2;
      }
  }

  // The halves of S, symmetric, with its penalties: {S, W'N, W'D}
  void halves_with_penalties(const Block& b, double* n, double* d) const {
    const Matrix N = b.matrix(1), D = b.matrix(2);
    for (int64_t a = 0; a < k_; ++a)
      for (int64_t c = 0; c < k_; ++c) {
        n[a * k_ + c] = (N(a, c) + N(c, a)) / 2;
        d[a * k_ + c] = (D(a, c) + D(c, a)) / 2;
      }
    assay_view num = square(n), den = square(d);
    Call::check(penalties_->mu(b.call().ctx, 2, &b.view(0), &num, &den));
  }
  assay_view square(double* data) const { return {data, k_, k_, k_, 0, ASSAY_F64, 0}; }

  // {S, W'N, W'D}
  void scale_s(const Block& b) const {
    const auto n = b.call().scratch<double>(k_ * k_), d = b.call().scratch<double>(k_ * k_);
    halves_with_penalties(b, n.data(), d.data());
    const Matrix S = b.matrix(0);
    for (int64_t a = 0; a < k_; ++a)
      for (int64_t c = 0; c < k_; ++c) {
        const auto at = static_cast<size_t>(a * k_ + c);
        const double f = S(a, c) * std::sqrt(n[at] / std::max(d[at], DBL_MIN));
        S(a, c) = f > floor_ ? f : floor_;
      }
    even(b);
  }

  // {W, N, D, squares}
  void residual_w(const Block& b) const {
    add_penalties(b);
    assay_add_residual(&b.view(0), &b.view(1), &b.view(2), border_, b.matrix(3).data());
  }
  // {squares, residual}
  void residual(const Block& b) const { b.number(1) = assay_residual(b.matrix(0).data()); }
  // {S, W'N, W'D, squares of W, residual}
  void residual_with_s(const Block& b) const {
    const auto n = b.call().scratch<double>(k_ * k_), d = b.call().scratch<double>(k_ * k_);
    halves_with_penalties(b, n.data(), d.data());
    const assay_view num = square(n.data()), den = square(d.data());
    double sums[3] = {0, 0, 0};
    assay_add_residual(&b.view(0), &num, &den, border_, sums);
    b.number(4) = std::max(assay_residual(b.matrix(3).data()), assay_residual(sums));
  }

  const assay_rng* rng_;
  const assay_penalty_calls* penalties_;
  int64_t k_;
  bool three_, known_, unequal_;  // W S W'; H is given; entries count differently
  bool damped_;                   // the damped rule
  double floor_ = 0, border_ = 0;
};

constexpr const char* kRules[] = {"monotone", "damped", nullptr};
constexpr assay_option options[] = {
    {"rule", "power 1/4 of the ratio, or its mean with 1", ASSAY_OPT_ENUM, 0, 0, 0, 0, "monotone",
     kRules},
    number_option("floor",
                  "smallest value of an entry, as a share of sqrt(mean of X / rank)",
                  1e-16,
                  0,
                  1),
    kNoMoreOptions};
constexpr assay_solver vtable = solver_table<Symmetric>(
    ASSAY_NEEDS_SQUARED,
    ASSAY_NEEDS_MU_ADD,
    ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK | ASSAY_TAKES_WEIGHTS | ASSAY_TAKES_UNOBSERVED,
    "nonneg",
    ASSAY_FITS_TWO | ASSAY_FITS_THREE | ASSAY_SOLVER_NO_RESIDUAL);
constexpr assay_plugin plugin = describe(
    "assay.solver/1",
    "symmetric",
    "symmetric NMF: X ~ W W', or W S W' with three factors",
    "Ding, He and Simon 2005; He, Xie, Zdunek, Zhou and Cichocki 2011",
    "W <- W * (X W / W W'W)^(1/4);  damped: W <- W * (1/2 + 1/2 X W / W W'W)\n"
    "three factors: W <- W * (X W S / M W S)^(1/4), S <- S * (W'X W / W'M W)^(1/2)\n"
    "masks, weights: x_ij and x_ji are two measurements of one similarity, each with its weight:\n"
    "  W <- W * (N / D)^(1/4),  N = ((w * X) W + (w * X)'W) / 2,  D = ((w * M) W + (w * M)'W) / 2\n"
    "residual: the projected gradient in W and H as one matrix (and in S), as the stop rule's kkt\n"
    "cost: 2nnk per step, 6nnk with three factors; 12nnk masked or weighted\n"
    "guarantee: the power 1/4 never raises the objective; the damped rule has no such proof",
    options,
    &vtable,
    ASSAY_PLUGIN_DETERMINISTIC);

}  // namespace

ASSAY_MODULE("org.assay.symmetric", "1.0", plugin)
