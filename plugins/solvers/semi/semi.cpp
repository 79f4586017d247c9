// SPDX-License-Identifier: Apache-2.0
// Semi-NMF: minimise 1/2 |X - W H'|^2 + penalties(F) with one factor F >= 0 and the other, O, of
// any sign; which is which follows from the constraints of the model. X may have any sign.
//   F <- F * sqrt((P+ + F G-) / (P- + F G+)),   P = X O (or X' O),  G = O'O
//   O <- O + (Q - O C) C^+, the least squares,  Q = X' F (or X F),  C = F'F
// where A+ = max(A, 0) and A- = A+ - A.
// The correction leaves directions that C does not see as they are. Cost per step 4 n d k; no step
// raises the objective. Ding, Li and Jordan 2010, eq. 10-11 and theorem 1.
#include <algorithm>
#include <assay/plugin.hpp>
#include <cfloat>
#include <cmath>

namespace {

using namespace assay::author;

class Semi {
 public:
  Semi(Call call, const assay_problem& p)
      : la_(call.service<assay_la>("assay.la/1")),
        penalties_(call.service<assay_penalty_calls>("assay.penalty/1")),
        k_(p.k[0]) {
    const bool w = p.factor_flags[0] & ASSAY_FACTOR_NONNEG,
               h = p.factor_flags[1] & ASSAY_FACTOR_NONNEG;
    if (w == h)
      throw Failure(ASSAY_E_COMBINATION, w ? "solver `semi` needs one factor that may be negative"
                                           : "solver `semi` needs one factor that is `nonneg`")
          .help("give exactly one of W and H the constraint `nonneg`");
    plain_ = w ? 0 : 1;
    if (p.factor_flags[1 - plain_] & ASSAY_FACTOR_PENALISED)
      throw Failure(ASSAY_E_COMBINATION,
                    "solver `semi` takes penalties on its non-negative factor only")
          .help("leave the penalties of the signed factor out, or use `gradient`");
    exponent_ = 1 / (1 + std::max(1.0, p.mu_power[plain_]));
    // A typical entry: the root mean square of X stands in for its mean.
    const double size = p.observed > 0 ? std::sqrt(p.x_sumsq / p.observed) : 0;
    floor_ =
        Options(call.host, p.options).number("floor") * std::sqrt(size / static_cast<double>(k_));
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_STEP) return;
    const int32_t other = 1 - plain_;
    const assay_buf F = b.factor(plain_), O = b.factor(other);
    const assay_buf P = b.local("product", plain_), D = b.local("den", plain_),
                    G = b.sum("gram_signed", k_, k_);
    b.terms(ASSAY_MU, plain_, P, D);
    b.gram(G, O, O);
    b.each<&Semi::scale>("update_nonneg", plain_,
                         {{F, ASSAY_INOUT}, {P, ASSAY_INOUT}, {D, ASSAY_INOUT}, {G, ASSAY_IN}});

    const assay_buf Q = b.local("product_signed", other), C = b.sum("gram_nonneg", k_, k_),
                    inverse = b.small("inverse", k_, k_);
    b.times(Q, ASSAY_X, F);
    b.gram(C, F, F);
    b.each<&Semi::invert>("invert", ASSAY_ONE, {{C, ASSAY_IN}, {inverse, ASSAY_OUT}});
    b.each<&Semi::solve>("update_signed", other,
                         {{O, ASSAY_INOUT}, {Q, ASSAY_INOUT}, {C, ASSAY_IN}, {inverse, ASSAY_IN}});
  }

 private:
  // {F, P, D, G}
  void scale(const Block& b) const {
    const Matrix F = b.matrix(0), N = b.matrix(1), D = b.matrix(2), G = b.matrix(3);
    const auto up = b.call().scratch<double>(k_ * k_), down = b.call().scratch<double>(k_ * k_);
    for (int64_t a = 0; a < k_; ++a)
      for (int64_t c = 0; c < k_; ++c) {
        const auto at = static_cast<size_t>(a * k_ + c);
        up[at] = std::max(G(a, c), 0.0);
        down[at] = std::max(-G(a, c), 0.0);
      }
    for (int64_t i = 0; i < F.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        const double p = N(i, a);
        N(i, a) = std::max(p, 0.0);
        D(i, a) = std::max(-p, 0.0);
      }
    Call::check(la_->gemm(0, 0, F.rows(), k_, k_, 1, F.data(), F.stride(), down.data(), k_, 1,
                          N.data(), N.stride()));
    Call::check(la_->gemm(0, 0, F.rows(), k_, k_, 1, F.data(), F.stride(), up.data(), k_, 1,
                          D.data(), D.stride()));
    assay_view num = b.view(1), den = b.view(2);
    Call::check(penalties_->mu(b.call().ctx, plain_, &b.view(0), &num, &den));
    for (int64_t i = 0; i < F.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        const double f = F(i, a) * std::pow(N(i, a) / std::max(D(i, a), DBL_MIN), exponent_);
        F(i, a) = f > floor_ ? f : floor_;
      }
  }

  // {C, its pseudo-inverse}, by eigenvectors of the matrix scaled to a unit diagonal, so that
  // components of any size count.
  void invert(const Block& b) const {
    const Matrix C = b.matrix(0), inverse = b.matrix(1);
    const auto root = b.call().scratch<double>(k_), w = b.call().scratch<double>(k_),
               V = b.call().scratch<double>(k_ * k_);
    for (int64_t a = 0; a < k_; ++a)
      root[static_cast<size_t>(a)] = C(a, a) > 0 ? std::sqrt(C(a, a)) : 0;
    const auto scaled = [&](int64_t a, int64_t c) {
      const double s = root[static_cast<size_t>(a)] * root[static_cast<size_t>(c)];
      return s > 0 ? 1 / s : 0.0;
    };
    for (int64_t a = 0; a < k_; ++a)
      for (int64_t c = 0; c < k_; ++c) V[static_cast<size_t>(a * k_ + c)] = C(a, c) * scaled(a, c);
    Call::check(la_->eigh(k_, V.data(), k_, w.data()));
    const double least = w.back() * static_cast<double>(k_) * 4 * DBL_EPSILON;
    for (int64_t a = 0; a < k_; ++a)
      for (int64_t c = 0; c < k_; ++c) {
        double sum = 0;
        for (int64_t e = 0; e < k_; ++e) {
          const double lambda = w[static_cast<size_t>(e)];
          if (lambda > least)
            sum += V[static_cast<size_t>(a * k_ + e)] * V[static_cast<size_t>(c * k_ + e)] / lambda;
        }
        inverse(a, c) = sum * scaled(a, c);
      }
  }

  // {O, Q, C, C^+}
  void solve(const Block& b) const {
    const Matrix O = b.matrix(0), Q = b.matrix(1), C = b.matrix(2), R = b.matrix(3);
    Call::check(la_->gemm(0, 0, O.rows(), k_, k_, -1, O.data(), O.stride(), C.data(), C.stride(), 1,
                          Q.data(), Q.stride()));
    Call::check(la_->gemm(0, 0, O.rows(), k_, k_, 1, Q.data(), Q.stride(), R.data(), R.stride(), 1,
                          O.data(), O.stride()));
  }

  const assay_la* la_;
  const assay_penalty_calls* penalties_;
  int64_t k_;
  int32_t plain_ = 0;      // the side that is >= 0
  double exponent_ = 0.5;  // less with penalties whose halves grow faster than f
  double floor_ = 0;
};

constexpr assay_option options[] = {
    number_option("floor",
                  "smallest value of the non-negative factor's entry, as a share of "
                  "sqrt(root mean square of X / rank)",
                  1e-16,
                  0,
                  1),
    kNoMoreOptions};
constexpr assay_solver vtable =
    solver_table<Semi>(ASSAY_NEEDS_SQUARED, ASSAY_NEEDS_MU_ADD, ASSAY_TAKES_SPARSE, "nonneg:W");
constexpr assay_plugin plugin =
    describe("assay.solver/1",
             "semi",
             "semi-NMF: one factor non-negative, the other and X of any sign",
             "Ding, Li and Jordan 2010",
             "F <- F * sqrt((P+ + F G-) / (P- + F G+)),  P = X O, G = O'O;  O <- X'F (F'F)^+\n"
             "F is the factor with the constraint `nonneg`: W where neither names one\n"
             "cost: 4ndk per step\n"
             "guarantee: no step raises the objective",
             options,
             &vtable,
             ASSAY_PLUGIN_DETERMINISTIC);

}  // namespace

ASSAY_MODULE("org.assay.semi", "1.0", plugin)
