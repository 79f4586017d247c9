// SPDX-License-Identifier: Apache-2.0
// Semi-NMF: minimise 1/2 |X - W H'|^2 + penalties(F) with one factor F >= 0 and the other, O, of
// any sign; which is which follows from the constraints of the model. X may have any sign.
//   F <- F * sqrt((P+ + F G-) / (P- + F G+)),   P = X O (or X' O),  G = O'O
//   O <- O + (Q - O C) C^+, the least squares,  Q = X' F (or X F),  C = F'F
// where A+ = max(A, 0) and A- = A+ - A.
// The correction leaves directions that C does not see as they are. Cost per step 4 n d k; no step
// raises the objective. Ding, Li and Jordan 2010, eq. 10-11 and theorem 1.
// Where entries count differently (weights w, hidden ones w = 0) both halves are problems of rows:
// row i of F has P_i = sum_j w x o_j and its own G_i = sum_j w o_j o_j', a row of O its own Q and
// C. The proof is about one row at a time, so it stays; cost per step 4 n d k^2.
#include <assay/steps.h>

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
        k_(p.k[0]),
        unequal_(p.flags & ASSAY_PROBLEM_UNEQUAL) {
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
    const assay_buf P = b.local("product", plain_), D = b.local("den", plain_);
    if (unequal_) {
      const assay_buf G = b.local("grams_signed", plain_, k_ * k_);
      b.normals(plain_, G, P);
      b.each<&Semi::scale>("update_nonneg", plain_,
                           {{F, ASSAY_INOUT}, {P, ASSAY_INOUT}, {D, ASSAY_OUT}, {G, ASSAY_IN}});
      const assay_buf Q = b.local("product_signed", other),
                      C = b.local("grams_nonneg", other, k_ * k_);
      b.normals(other, C, Q);
      b.each<&Semi::solve_rows>("update_signed", other,
                                {{O, ASSAY_INOUT}, {Q, ASSAY_IN}, {C, ASSAY_IN}});
      return;
    }
    const assay_buf G = b.sum("gram_signed", k_, k_);
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
  // {F, P, D, G}: one G, or one a row.
  void scale(const Block& b) const {
    assay_view num = b.view(1), den = b.view(2);
    const auto memory = b.call().scratch<double>(2 * k_ * k_);
    Call::check(
        assay_signed_halves(la_, &b.view(0), &b.view(1), &b.view(3), &num, &den, memory.data()));
    Call::check(penalties_->mu(b.call().ctx, plain_, &b.view(0), &num, &den));
    assay_scale_rows(&b.view(0), &num, &den, exponent_, floor_);
  }

  // {C, its pseudo-inverse}
  void invert(const Block& b) const { pseudo_inverse(b.matrix(0), b.matrix(1), memory_of(b)); }

  struct Memory {
    std::span<double> root, w, V;
  };
  Memory memory_of(const Block& b) const {
    return {b.call().scratch<double>(k_), b.call().scratch<double>(k_),
            b.call().scratch<double>(k_ * k_)};
  }

  // By eigenvectors of the matrix scaled to a unit diagonal, so that components of any size count.
  void pseudo_inverse(const Matrix& C, const Matrix& inverse, const Memory& m) const {
    for (int64_t a = 0; a < k_; ++a)
      m.root[static_cast<size_t>(a)] = C(a, a) > 0 ? std::sqrt(C(a, a)) : 0;
    const auto scaled = [&](int64_t a, int64_t c) {
      const double s = m.root[static_cast<size_t>(a)] * m.root[static_cast<size_t>(c)];
      return s > 0 ? 1 / s : 0.0;
    };
    for (int64_t a = 0; a < k_; ++a)
      for (int64_t c = 0; c < k_; ++c)
        m.V[static_cast<size_t>(a * k_ + c)] = C(a, c) * scaled(a, c);
    Call::check(la_->eigh(k_, m.V.data(), k_, m.w.data()));
    const double least = m.w.back() * static_cast<double>(k_) * 4 * DBL_EPSILON;
    for (int64_t a = 0; a < k_; ++a)
      for (int64_t c = 0; c < k_; ++c) {
        double sum = 0;
        for (int64_t e = 0; e < k_; ++e) {
          const double lambda = m.w[static_cast<size_t>(e)];
          if (lambda > least)
            sum += m.V[static_cast<size_t>(a * k_ + e)] * m.V[static_cast<size_t>(c * k_ + e)] /
                   lambda;
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

  // {O, Q, a C per row}
  void solve_rows(const Block& b) const {
    const Matrix O = b.matrix(0), Q = b.matrix(1);
    const assay_view& grams = b.view(2);
    const Memory m = memory_of(b);
    const auto inner = b.call().scratch<double>(k_ * k_), rest = b.call().scratch<double>(k_),
               step = b.call().scratch<double>(k_);
    const Matrix inverse(assay_view{inner.data(), k_, k_, k_, 0, ASSAY_F64, 0});
    for (int64_t i = 0; i < O.rows(); ++i) {
      assay_view one = grams;
      one.data = static_cast<double*>(grams.data) + i * grams.step;
      const Matrix C(one);
      correct(C, &O(i, 0), &Q(i, 0), rest.data());
      if (!solve_regular(C, inner.data(), m.root.data(), rest.data(), step.data())) {
        pseudo_inverse(C, inverse, m);
        for (int64_t a = 0; a < k_; ++a) {
          step[static_cast<size_t>(a)] = 0;
          for (int64_t c = 0; c < k_; ++c)
            step[static_cast<size_t>(a)] += inverse(a, c) * rest[static_cast<size_t>(c)];
        }
      }
      for (int64_t a = 0; a < k_; ++a) O(i, a) += step[static_cast<size_t>(a)];
    }
  }
  // rest = q - C o
  void correct(const Matrix& C, const double* o, const double* q, double* rest) const {
    for (int64_t a = 0; a < k_; ++a) {
      rest[a] = q[a];
      for (int64_t c = 0; c < k_; ++c) rest[a] -= C(a, c) * o[c];
    }
  }
  // step = C^-1 rest where C, scaled to a unit diagonal, is far from singular.
  bool solve_regular(const Matrix& C,
                     double* L,
                     double* root,
                     const double* rest,
                     double* step) const {
    constexpr double kLeastPivot = 1e-4;
    for (int64_t a = 0; a < k_; ++a) {
      if (!(C(a, a) > DBL_MIN)) return false;
      root[a] = 1 / std::sqrt(C(a, a));
    }
    for (int64_t a = 0; a < k_; ++a)
      for (int64_t c = 0; c < k_; ++c) L[a * k_ + c] = C(a, c) * root[a] * root[c];
    if (la_->potrf(k_, L, k_) != ASSAY_OK) return false;
    for (int64_t a = 0; a < k_; ++a) {
      if (L[a * k_ + a] < kLeastPivot) return false;
      step[a] = rest[a] * root[a];
    }
    Call::check(la_->potrs(k_, 1, L, k_, step, 1));
    for (int64_t a = 0; a < k_; ++a) step[a] *= root[a];
    return true;
  }

  const assay_la* la_;
  const assay_penalty_calls* penalties_;
  int64_t k_;
  bool unequal_;           // entries count differently
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
constexpr assay_solver vtable = solver_table<Semi>(
    ASSAY_NEEDS_SQUARED,
    ASSAY_NEEDS_MU_ADD,
    ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK | ASSAY_TAKES_WEIGHTS | ASSAY_TAKES_UNOBSERVED,
    "nonneg:W");
constexpr assay_plugin plugin = describe(
    "assay.solver/1",
    "semi",
    "semi-NMF: one factor non-negative, the other and X of any sign",
    "Ding, Li and Jordan 2010",
    "F <- F * sqrt((P+ + F G-) / (P- + F G+)),  P = X O, G = O'O;  O <- X'F (F'F)^+\n"
    "F is the factor with the constraint `nonneg`: W where neither names one\n"
    "masks, weights: the same row by row, G and F'F of each row over its observed entries, "
    "times their weights\n"
    "cost: 4ndk per step; 4ndk^2 where entries count differently\n"
    "guarantee: no step raises the objective",
    options,
    &vtable,
    ASSAY_PLUGIN_DETERMINISTIC);

}  // namespace

ASSAY_MODULE("org.assay.semi", "1.0", plugin)
