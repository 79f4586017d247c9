// SPDX-License-Identifier: Apache-2.0
// Convex NMF: minimise 1/2 |X - W A'X|^2 + penalties(W) over W, A >= 0: the rows of H = A'X are
// non-negative combinations of rows of X, so that components look like data. With K = X X',
//   W <- W * sqrt((P+ + W G-) / (P- + W G+)),             P = K A = X H', G = H H'
//   A <- A * sqrt((K+ W + K- A C) / (K- W + K+ A C)),     C = W'W,  then H = A'X
// where K+ - K- = K: for X >= 0, K and 0; else (|X||X|' +- X X') / 2, from products with |X|, so
// that K is never formed. A starts at W over its column sums. Cost per step 8 n d k, for signed X
// 16 n d k; no step raises the objective. Ding, Li and Jordan 2010, eq. 20-21 and theorem 6.
// Where entries count differently it minimises 1/2 sum w_ij (x_ij - (W A'Y)_ij)^2 over observed
// entries, Y the data with hidden entries as 0: components are combinations of what is known. Then
//   W: P = (w * X) H', the quadratic form of each row its own (X >= 0: den = (w * M) H')
//   A <- A * sqrt((R+ + E-) / (R- + E+)),  R = Y (w * X)'W,  E = Y (w * M)'W,  M = W A'Y
// with E+ - E- = E: E and 0 for X >= 0, else (|Y| (w * W A'|Y|)'W +- E) / 2, the same proof for
// another quadratic form. A starts at W times the weight of each row, so that a row of weight 2 is
// the row twice; a row of weight 0 is in no component.
// The residual is that of what is minimised: the projected gradients in W and in A.
#include <assay/steps.h>

#include <algorithm>
#include <assay/plugin.hpp>
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
        unequal_(p.flags & ASSAY_PROBLEM_UNEQUAL),
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
    unit_w_ = std::sqrt(size / static_cast<double>(k_));
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose == ASSAY_PREPARE && !known_) start(b);
    if (purpose == ASSAY_STEP) step(b);
    if (purpose == ASSAY_MEASURE) measure(b);
  }

 private:
  assay_buf coefficients(const Builder& b) const {
    return b.buffer("A", ASSAY_ROWS, ASSAY_STATE, 0, k_, true, ASSAY_BUFFER_OUTPUT);
  }

  // A of a fit that goes on is kept.
  void start(const Builder& b) const {
    const assay_buf A = coefficients(b), sums = b.sum("column_sums", 1, k_),
                    kept = b.sum("sum_of_a", 1, 1),
                    fits = b.buffer("fits", ASSAY_ONE, ASSAY_STATE, 1, 1, true),
                    counts = b.given(ASSAY_ROW_COUNTS);
    b.each<&Convex::add_columns>("column_sums", ASSAY_ROWS,
                                 {{b.factor(0), ASSAY_IN},
                                  {A, ASSAY_IN},
                                  {counts, ASSAY_IN},
                                  {sums, ASSAY_ADD},
                                  {kept, ASSAY_ADD}});
    b.each<&Convex::check_rows>("same_rows", ASSAY_ONE, {{kept, ASSAY_IN}, {fits, ASSAY_INOUT}});
    b.each<&Convex::divide_columns>("start", ASSAY_ROWS,
                                    {{b.factor(0), ASSAY_IN},
                                     {sums, ASSAY_IN},
                                     {kept, ASSAY_IN},
                                     {counts, ASSAY_IN},
                                     {A, ASSAY_INOUT}});
    combine(b, A);
  }

  // H = A'X
  void combine(const Builder& b, assay_buf A) const {
    const assay_buf T = b.local("combined", ASSAY_COLS);
    b.times(T, ASSAY_X, A);
    b.each<&Convex::copy>("components", ASSAY_COLS, {{T, ASSAY_IN}, {b.factor(1), ASSAY_OUT}});
  }

  // X B or, with ASSAY_ABS, |X| B.
  assay_buf product(const Builder& b,
                    const char* name,
                    int32_t axis,
                    assay_buf B,
                    uint32_t flags = 0) const {
    const assay_buf out = b.local(name, axis);
    b.times(out, ASSAY_X, B, flags);
    return out;
  }

  void step(const Builder& b) const {
    const assay_buf W = b.factor(0), H = b.factor(1);
    const assay_buf P = b.local("ka", ASSAY_ROWS), D = b.local("den", ASSAY_ROWS),
                    N = b.local("num", ASSAY_ROWS);
    if (unequal_ && !signed_ && !known_) {
      b.terms(ASSAY_MU, ASSAY_ROWS, P, D);
      b.each<&Convex::scale_plain_w>("update_w", ASSAY_ROWS,
                                     {{W, ASSAY_INOUT}, {P, ASSAY_INOUT}, {D, ASSAY_INOUT}});
    } else {
      assay_buf G = ASSAY_NO;
      if (unequal_) {
        G = b.local("grams_h", ASSAY_ROWS, k_ * k_);
        b.normals(ASSAY_ROWS, G, P);
      } else {
        G = b.sum("gram_h", k_, k_);
        b.terms(ASSAY_MU, ASSAY_ROWS, P, D);
        b.gram(G, H, H);
      }
      b.each<&Convex::scale_w>(
          "update_w", ASSAY_ROWS,
          {{W, ASSAY_INOUT}, {P, ASSAY_IN}, {N, ASSAY_OUT}, {D, ASSAY_OUT}, {G, ASSAY_IN}});
    }
    if (known_) return;
    const assay_buf A = coefficients(b);
    if (unequal_)
      weighted_a(b, A);
    else
      plain_a(b, A, P);
    combine(b, A);
  }

  void plain_a(const Builder& b, assay_buf A, assay_buf P) const {
    const assay_buf W = b.factor(0), C = b.sum("gram_w", k_, k_);
    b.gram(C, W, W);
    const assay_buf E = b.local("kac", ASSAY_ROWS);
    b.times(E, P, C);
    const assay_buf R = product(b, "kw", ASSAY_ROWS, product(b, "xw", ASSAY_COLS, W));
    if (!signed_) {
      b.each<&Convex::scale_a>("update_a", ASSAY_ROWS,
                               {{A, ASSAY_INOUT}, {R, ASSAY_IN}, {E, ASSAY_IN}});
      return;
    }
    const assay_buf AC = b.local("ac", ASSAY_ROWS);
    b.times(AC, A, C);
    const assay_buf R2 = product(b, "abs_kw", ASSAY_ROWS,
                                 product(b, "abs_xw", ASSAY_COLS, W, ASSAY_ABS), ASSAY_ABS),
                    E2 = product(b, "abs_kac", ASSAY_ROWS,
                                 product(b, "abs_xac", ASSAY_COLS, AC, ASSAY_ABS), ASSAY_ABS);
    b.each<&Convex::scale_signed_a>(
        "update_a", ASSAY_ROWS,
        {{A, ASSAY_INOUT}, {R, ASSAY_IN}, {E, ASSAY_IN}, {R2, ASSAY_IN}, {E2, ASSAY_IN}});
  }

  // R and E: Y times the halves of the gradient in H.
  struct Halves {
    assay_buf R, E;
  };
  Halves halves_of_a(const Builder& b) const {
    const assay_buf N = b.local("num_h", ASSAY_COLS), D = b.local("den_h", ASSAY_COLS);
    b.terms(ASSAY_MU, ASSAY_COLS, N, D);
    return {product(b, "data_num", ASSAY_ROWS, N), product(b, "data_den", ASSAY_ROWS, D)};
  }

  void weighted_a(const Builder& b, assay_buf A) const {
    const auto [R, E] = halves_of_a(b);
    const assay_buf counts = b.given(ASSAY_ROW_COUNTS);
    if (!signed_) {
      b.each<&Convex::scale_observed_a>(
          "update_a", ASSAY_ROWS,
          {{A, ASSAY_INOUT}, {R, ASSAY_IN}, {E, ASSAY_IN}, {counts, ASSAY_IN}});
      return;
    }
    const assay_buf T = product(b, "abs_h", ASSAY_COLS, A, ASSAY_ABS),
                    N = b.local("unused", ASSAY_COLS), D = b.local("abs_den_h", ASSAY_COLS);
    b.terms({ASSAY_MU, ASSAY_COLS, b.factor(0), T, N, D, ASSAY_NO, 0});
    const assay_buf E2 = product(b, "abs_data_den", ASSAY_ROWS, D, ASSAY_ABS);
    b.each<&Convex::scale_observed_signed_a>(
        "update_a", ASSAY_ROWS,
        {{A, ASSAY_INOUT}, {R, ASSAY_IN}, {E, ASSAY_IN}, {E2, ASSAY_IN}, {counts, ASSAY_IN}});
  }

  void measure(const Builder& b) const {
    const assay_buf N = b.local("num", ASSAY_ROWS), D = b.local("den", ASSAY_ROWS),
                    w = b.sum("squares_w", 1, 3), a = b.sum("squares_a", 1, 3),
                    kkt = b.small("kkt", 1, 1);
    b.terms(ASSAY_MU, ASSAY_ROWS, N, D);
    b.each<&Convex::residual_w>(
        "residual_w", ASSAY_ROWS,
        {{b.factor(0), ASSAY_IN}, {N, ASSAY_INOUT}, {D, ASSAY_INOUT}, {w, ASSAY_ADD}});
    if (known_) {
      b.each<&Convex::alone>("residual", ASSAY_ONE, {{w, ASSAY_IN}, {kkt, ASSAY_OUT}});
    } else {
      const auto [R, E] = halves_of_a(b);
      b.each<&Convex::residual_a>(
          "residual_a", ASSAY_ROWS,
          {{coefficients(b), ASSAY_IN}, {R, ASSAY_IN}, {E, ASSAY_IN}, {a, ASSAY_ADD}});
      b.each<&Convex::larger>("residual", ASSAY_ONE,
                              {{w, ASSAY_IN}, {a, ASSAY_IN}, {kkt, ASSAY_OUT}});
    }
    b.report("kkt", kkt);
  }

  // ---- block functions ----

  // A row's say in the start: 1, or the weight of its observed entries.
  double share(const Matrix& counts, int64_t i) const { return unequal_ ? counts(i, 0) : 1; }

  // {W, A, counts, sums of W, sum of A}
  void add_columns(const Block& b) const {
    const Matrix W = b.matrix(0), A = b.matrix(1), counts = b.matrix(2), sums = b.matrix(3),
                 kept = b.matrix(4);
    for (int64_t i = 0; i < W.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        sums(0, a) += W(i, a) * share(counts, i);
        kept(0, 0) += A(i, a);
      }
  }
  // {sum of A, fits}: a model that has been fitted, and no A: its rows were others.
  void check_rows(const Block& b) const {
    if (b.number(1) > 0 && !(b.number(0) > 0))
      throw Failure(ASSAY_E_COMBINATION,
                    "solver `convex` cannot go on with other rows: its components are "
                    "combinations of the rows it was fitted on")
          .help("fit all rows together, or `assay transform` the new ones");
    b.number(1) += 1;
  }
  // {W, sums of W, sum of A, counts, A}
  void divide_columns(const Block& b) const {
    const Matrix W = b.matrix(0), sums = b.matrix(1), counts = b.matrix(3), A = b.matrix(4);
    if (b.number(2) > 0) return;
    for (int64_t i = 0; i < W.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a)
        A(i, a) =
            sums(0, a) > 0 ? W(i, a) * share(counts, i) / sums(0, a) : 1 / static_cast<double>(n_);
  }
  void copy(const Block& b) const {
    const Matrix from = b.matrix(0), to = b.matrix(1);
    for (int64_t j = 0; j < from.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a) to(j, a) = from(j, a);
  }

  // {W, P, N, D, G}: one G, or one a row.
  void scale_w(const Block& b) const {
    assay_view num = b.view(2), den = b.view(3);
    const auto memory = b.call().scratch<double>(2 * k_ * k_);
    Call::check(
        assay_signed_halves(la_, &b.view(0), &b.view(1), &b.view(4), &num, &den, memory.data()));
    finish_w(b, num, den);
  }
  // {W, N, D}
  void scale_plain_w(const Block& b) const { finish_w(b, b.view(1), b.view(2)); }
  void finish_w(const Block& b, assay_view num, assay_view den) const {
    Call::check(penalties_->mu(b.call().ctx, 0, &b.view(0), &num, &den));
    assay_scale_rows(&b.view(0), &num, &den, exponent_w_, floor_ * unit_w_);
  }

  double next_a(double a, double num, double den) const {
    // Columns of A start with the sum 1.
    return assay_scaled(a, std::max(num, 0.0), den, 0.5, floor_ / static_cast<double>(n_));
  }
  // {A, K W, K A C}
  void scale_a(const Block& b) const {
    const Matrix A = b.matrix(0), R = b.matrix(1), E = b.matrix(2);
    for (int64_t i = 0; i < A.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) A(i, a) = next_a(A(i, a), R(i, a), E(i, a));
  }
  // {A, K W, K A C, |K| W, |K| A C} with |K| = |X||X|'
  void scale_signed_a(const Block& b) const {
    const Matrix A = b.matrix(0), R = b.matrix(1), E = b.matrix(2), R2 = b.matrix(3),
                 E2 = b.matrix(4);
    for (int64_t i = 0; i < A.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        const double num = (R2(i, a) + R(i, a)) / 2 + (E2(i, a) - E(i, a)) / 2,
                     den = (R2(i, a) - R(i, a)) / 2 + (E2(i, a) + E(i, a)) / 2;
        A(i, a) = next_a(A(i, a), num, den);
      }
  }
  // {A, R, E, counts}
  void scale_observed_a(const Block& b) const {
    const Matrix A = b.matrix(0), R = b.matrix(1), E = b.matrix(2), counts = b.matrix(3);
    for (int64_t i = 0; i < A.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a)
        A(i, a) = counts(i, 0) > 0 ? next_a(A(i, a), R(i, a), E(i, a)) : 0;
  }
  // {A, R, E, E by absolute values, counts}
  void scale_observed_signed_a(const Block& b) const {
    const Matrix A = b.matrix(0), R = b.matrix(1), E = b.matrix(2), E2 = b.matrix(3),
                 counts = b.matrix(4);
    for (int64_t i = 0; i < A.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        const double num = std::max(R(i, a), 0.0) + std::max(E2(i, a) - E(i, a), 0.0) / 2,
                     den = std::max(-R(i, a), 0.0) + std::max(E2(i, a) + E(i, a), 0.0) / 2;
        A(i, a) = counts(i, 0) > 0 ? next_a(A(i, a), num, den) : 0;
      }
  }

  static constexpr double kBorder = 1e-15;  // of a typical entry: as good as at 0
  double border(double unit) const { return std::max(kBorder, floor_) * unit; }
  // {W, N, D, squares}
  void residual_w(const Block& b) const {
    assay_view num = b.view(1), den = b.view(2);
    Call::check(penalties_->mu(b.call().ctx, 0, &b.view(0), &num, &den));
    assay_add_residual(&b.view(0), &num, &den, border(unit_w_), b.matrix(3).data());
  }
  // {A, R, E, squares}
  void residual_a(const Block& b) const {
    assay_add_residual(&b.view(0), &b.view(1), &b.view(2), border(1 / static_cast<double>(n_)),
                       b.matrix(3).data());
  }
  // {squares, residual}
  void alone(const Block& b) const { b.number(1) = assay_residual(b.matrix(0).data()); }
  // {squares, squares, residual}
  void larger(const Block& b) const {
    b.number(2) = std::max(assay_residual(b.matrix(0).data()), assay_residual(b.matrix(1).data()));
  }

  const assay_la* la_;
  const assay_penalty_calls* penalties_;
  int64_t k_, n_;
  bool signed_, unequal_;    // X has negative entries; entries count differently
  bool known_;               // H is given
  double exponent_w_ = 0.5;  // less with penalties whose halves grow faster than f
  double floor_ = 0, unit_w_ = 0;
};

constexpr assay_option options[] = {
    number_option("floor",
                  "smallest value of an entry of W and A, as a share of a typical one",
                  1e-16,
                  0,
                  1),
    kNoMoreOptions};
constexpr assay_solver vtable = solver_table<Convex>(
    ASSAY_NEEDS_SQUARED,
    ASSAY_NEEDS_MU_ADD,
    ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK | ASSAY_TAKES_WEIGHTS | ASSAY_TAKES_UNOBSERVED,
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
             "masks, weights: minimises sum w (x - W A'Y)^2 over observed entries, Y the data with "
             "hidden entries as 0:\n"
             "  A <- A * sqrt((R+ + E-) / (R- + E+)),  R = Y (w * X)'W,  E = Y (w * W A'Y)'W\n"
             "residual: the projected gradients in W and in A, as the stop rule's kkt\n"
             "cost: 8ndk per step, 16ndk where X has negative entries; 18ndk masked or weighted\n"
             "guarantee: no step raises the objective; A is saved with the model",
             options,
             &vtable,
             ASSAY_PLUGIN_DETERMINISTIC);

}  // namespace

ASSAY_MODULE("org.assay.convex", "1.0", plugin)
