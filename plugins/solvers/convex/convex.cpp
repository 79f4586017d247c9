// SPDX-License-Identifier: Apache-2.0
// Convex NMF: minimise 1/2 |X - W A'X|^2 + penalties(W) over W, A >= 0: the rows of H = A'X are
// non-negative combinations of rows of X, so that components look like data. With K = X X',
//   W <- W * sqrt((P+ + W G-) / (P- + W G+)),             P = K A = X H', G = H H'
//   A <- A * sqrt((K+ W + K- A C) / (K- W + K+ A C)),     C = W'W,  then H = A'X
// where K+ - K- = K: for X >= 0, K and 0; else (|X||X|' +- X X') / 2, from products with |X|, so
// that K is never formed. A starts at W over its column sums. Cost per step 8 n d k, for signed X
// 16 n d k; no step raises the objective. H follows from A, so that there is no KKT residual in W
// and H. Ding, Li and Jordan 2010, eq. 20-21 and theorem 6.
#include <algorithm>
#include <assay/plugin.hpp>
#include <cfloat>
#include <cmath>

namespace {

using namespace assay::author;

class Convex {
 public:
  Convex(Call call, const assay_problem& p)
      : la_(call.service<assay_la>("assay.la/1")),
        penalties_(call.service<assay_penalty_calls>("assay.penalty/1")),
        k_(p.k[0]),
        n_(p.n),
        signed_(p.x_min < 0),
        known_(p.factor_flags[1] & ASSAY_FACTOR_FROZEN) {
    if (signed_ && !known_ && (p.factor_flags[1] & ASSAY_FACTOR_NONNEG))
      throw Failure(ASSAY_E_COMBINATION,
                    "rows of X have negative entries, so H of solver `convex` cannot be `nonneg`")
          .help("leave the constraint of H out");
    if (p.factor_flags[1] & ASSAY_FACTOR_PENALISED)
      throw Failure(
          ASSAY_E_COMBINATION,
          "solver `convex` takes no penalties on H, which follows from A and the rows of X")
          .help("put them on W");
    if ((p.factor_flags[0] & ASSAY_FACTOR_NONNEG) == 0)
      throw Failure(ASSAY_E_COMBINATION, "solver `convex` needs W to be `nonneg`")
          .help("give W the constraint `nonneg`");
    const double size = p.observed > 0 ? std::sqrt(p.x_sumsq / p.observed) : 0;
    exponent_w_ = 1 / (1 + std::max(1.0, p.mu_power[0]));
    floor_ = Options(call.host, p.options).number("floor");
    floor_w_ = floor_ * std::sqrt(size / static_cast<double>(k_));
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose == ASSAY_PREPARE && !known_) start(b);
    if (purpose == ASSAY_STEP) step(b);
  }

 private:
  assay_buf coefficients(const Builder& b) const {
    return b.buffer("A", ASSAY_ROWS, ASSAY_STATE, 0, k_, false, ASSAY_BUFFER_OUTPUT);
  }

  void start(const Builder& b) const {
    const assay_buf A = coefficients(b), sums = b.sum("column_sums", 1, k_);
    b.each<&Convex::add_columns>("column_sums", ASSAY_ROWS,
                                 {{b.factor(0), ASSAY_IN}, {sums, ASSAY_ADD}});
    b.each<&Convex::divide_columns>("start", ASSAY_ROWS,
                                    {{b.factor(0), ASSAY_IN}, {sums, ASSAY_IN}, {A, ASSAY_OUT}});
    combine(b, A);
  }

  // H = A'X
  void combine(const Builder& b, assay_buf A) const {
    const assay_buf T = b.local("combined", ASSAY_COLS);
    b.times(T, ASSAY_X, A);
    b.each<&Convex::copy>("components", ASSAY_COLS, {{T, ASSAY_IN}, {b.factor(1), ASSAY_OUT}});
  }

  // K B or, with absolute values, |X||X|' B.
  assay_buf twice(const Builder& b,
                  const char* inner,
                  const char* outer,
                  assay_buf B,
                  uint32_t flags) const {
    const assay_buf T = b.local(inner, ASSAY_COLS), R = b.local(outer, ASSAY_ROWS);
    b.times(T, ASSAY_X, B, flags);
    b.times(R, ASSAY_X, T, flags);
    return R;
  }

  void step(const Builder& b) const {
    const assay_buf W = b.factor(0), H = b.factor(1);
    const assay_buf P = b.local("ka", ASSAY_ROWS), D = b.local("den", ASSAY_ROWS),
                    N = b.local("num", ASSAY_ROWS), G = b.sum("gram_h", k_, k_);
    b.terms(ASSAY_MU, ASSAY_ROWS, P, D);
    b.gram(G, H, H);
    b.each<&Convex::scale_w>(
        "update_w", ASSAY_ROWS,
        {{W, ASSAY_INOUT}, {P, ASSAY_IN}, {N, ASSAY_OUT}, {D, ASSAY_INOUT}, {G, ASSAY_IN}});
    if (known_) return;

    const assay_buf A = coefficients(b), C = b.sum("gram_w", k_, k_);
    b.gram(C, W, W);
    const assay_buf E = b.local("kac", ASSAY_ROWS);
    b.times(E, P, C);
    const assay_buf R = twice(b, "xw", "kw", W, 0);
    if (!signed_) {
      b.each<&Convex::scale_a>("update_a", ASSAY_ROWS,
                               {{A, ASSAY_INOUT}, {R, ASSAY_IN}, {E, ASSAY_IN}});
    } else {
      const assay_buf AC = b.local("ac", ASSAY_ROWS);
      b.times(AC, A, C);
      const assay_buf R2 = twice(b, "abs_xw", "abs_kw", W, ASSAY_ABS),
                      E2 = twice(b, "abs_xac", "abs_kac", AC, ASSAY_ABS);
      b.each<&Convex::scale_signed_a>(
          "update_a", ASSAY_ROWS,
          {{A, ASSAY_INOUT}, {R, ASSAY_IN}, {E, ASSAY_IN}, {R2, ASSAY_IN}, {E2, ASSAY_IN}});
    }
    combine(b, A);
  }

  // ---- block functions ----

  void add_columns(const Block& b) const {
    const Matrix W = b.matrix(0), sums = b.matrix(1);
    for (int64_t i = 0; i < W.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) sums(0, a) += W(i, a);
  }
  void divide_columns(const Block& b) const {
    const Matrix W = b.matrix(0), sums = b.matrix(1), A = b.matrix(2);
    for (int64_t i = 0; i < W.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a)
        A(i, a) = sums(0, a) > 0 ? W(i, a) / sums(0, a) : 1 / static_cast<double>(n_);
  }
  void copy(const Block& b) const {
    const Matrix from = b.matrix(0), to = b.matrix(1);
    for (int64_t j = 0; j < from.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a) to(j, a) = from(j, a);
  }

  static double scaled(double f, double num, double den, double exponent, double floor) {
    const double v = f * std::pow(num / std::max(den, DBL_MIN), exponent);
    return v > floor ? v : floor;
  }

  // {W, P, N, D, G}
  void scale_w(const Block& b) const {
    const Matrix W = b.matrix(0), P = b.matrix(1), N = b.matrix(2), D = b.matrix(3),
                 G = b.matrix(4);
    const auto up = b.call().scratch<double>(k_ * k_), down = b.call().scratch<double>(k_ * k_);
    for (int64_t a = 0; a < k_; ++a)
      for (int64_t c = 0; c < k_; ++c) {
        const auto at = static_cast<size_t>(a * k_ + c);
        up[at] = std::max(G(a, c), 0.0);
        down[at] = std::max(-G(a, c), 0.0);
      }
    for (int64_t i = 0; i < W.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        N(i, a) = std::max(P(i, a), 0.0);
        D(i, a) = std::max(-P(i, a), 0.0);
      }
    Call::check(la_->gemm(0, 0, W.rows(), k_, k_, 1, W.data(), W.stride(), down.data(), k_, 1,
                          N.data(), N.stride()));
    Call::check(la_->gemm(0, 0, W.rows(), k_, k_, 1, W.data(), W.stride(), up.data(), k_, 1,
                          D.data(), D.stride()));
    assay_view num = b.view(2), den = b.view(3);
    Call::check(penalties_->mu(b.call().ctx, 0, &b.view(0), &num, &den));
    for (int64_t i = 0; i < W.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a)
        W(i, a) = scaled(W(i, a), N(i, a), D(i, a), exponent_w_, floor_w_);
  }

  // {A, K W, K A C}
  void scale_a(const Block& b) const {
    const Matrix A = b.matrix(0), R = b.matrix(1), E = b.matrix(2);
    for (int64_t i = 0; i < A.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a)
        A(i, a) = scaled(A(i, a), std::max(R(i, a), 0.0), E(i, a), 0.5, least_a());
  }

  // {A, K W, K A C, |K| W, |K| A C} with |K| = |X||X|'
  void scale_signed_a(const Block& b) const {
    const Matrix A = b.matrix(0), R = b.matrix(1), E = b.matrix(2), R2 = b.matrix(3),
                 E2 = b.matrix(4);
    for (int64_t i = 0; i < A.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        const double num = (R2(i, a) + R(i, a)) / 2 + (E2(i, a) - E(i, a)) / 2,
                     den = (R2(i, a) - R(i, a)) / 2 + (E2(i, a) + E(i, a)) / 2;
        A(i, a) = scaled(A(i, a), std::max(num, 0.0), den, 0.5, least_a());
      }
  }
  // Columns of A start with the sum 1.
  double least_a() const { return floor_ / static_cast<double>(n_); }

  const assay_la* la_;
  const assay_penalty_calls* penalties_;
  int64_t k_, n_;
  bool signed_, known_;      // X has negative entries; H is given
  double exponent_w_ = 0.5;  // less with penalties whose halves grow faster than f
  double floor_ = 0, floor_w_ = 0;
};

constexpr assay_option options[] = {
    number_option("floor",
                  "smallest value of an entry of W and A, as a share of a typical one",
                  1e-16,
                  0,
                  1),
    kNoMoreOptions};
constexpr assay_solver vtable = solver_table<Convex>(ASSAY_NEEDS_SQUARED,
                                                     ASSAY_NEEDS_MU_ADD,
                                                     ASSAY_TAKES_SPARSE,
                                                     "nonneg:W",
                                                     ASSAY_SOLVER_NO_RESIDUAL);
constexpr assay_plugin plugin =
    describe("assay.solver/1",
             "convex",
             "convex NMF: components are non-negative combinations of the rows of X",
             "Ding, Li and Jordan 2010",
             "X ~ W (A'X),  K = X X'\n"
             "W <- W * sqrt((P+ + W G-) / (P- + W G+)),  P = K A, G = A'K A\n"
             "A <- A * sqrt((K+ W + K- A W'W) / (K- W + K+ A W'W));  H = A'X\n"
             "cost: 8ndk per step, 16ndk where X has negative entries\n"
             "guarantee: no step raises the objective; A is saved with the model",
             options,
             &vtable,
             ASSAY_PLUGIN_DETERMINISTIC);

}  // namespace

ASSAY_MODULE("org.assay.convex", "1.0", plugin)
