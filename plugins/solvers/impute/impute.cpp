// SPDX-License-Identifier: Apache-2.0
// Low rank with unobserved entries, soft-impute as alternating least squares: factors of both
// signs, ridge penalties on both (softImpute-ALS: Hastie, Mazumder, Lee and Zadeh 2015; Mazumder,
// Hastie and Tibshirani 2010).
//
//   F = sum over observed (i,j) of loss(x_ij, (W H)_ij) + a/2 |W|^2 + b/2 |H|^2
//
// Unobserved entries are filled with the model's own, so every row of a factor has the same normal
// equations and the loss lies below a quadratic of curvature L (squared, huber 1; logistic 1/4):
//   H <- H - (g + b H) (L W'W + b I)^-,  g = the gradient with respect to H;  then W alike.
// F never rises. A step costs two sweeps over observed entries, O(nnz k), and no filled X exists.
//
// With a, b > 0 the least F over all W H = M is that with sqrt(a b) |M|_* (its singular values
// summed) in place of the ridge, so the singular values come out soft-thresholded; with no penalty
// it is hard-impute of rank k. The end turns the factors to W = U s^(1/2) c, H = V s^(1/2) / c with
// c = (b/a)^(1/4), where the ridge is least; where one factor alone is penalised they stay.
#include <assay/author/spectral/methods.hpp>

namespace {

using namespace assay::author;

class Impute : public SpectralMethods<Impute> {
 public:
  Impute(Call call, const assay_problem& p)
      : SpectralMethods<Impute>(call, without_frozen(p)),
        penalties_(call.service<assay_penalty_calls>("assay.penalty/1")),
        bound_(p.loss->curvature_bound) {
    for (int32_t side = 0; side < 2; ++side) {
      frozen_ = frozen_ || (p.factor_flags[side] & ASSAY_FACTOR_FROZEN);
      if (p.factor_flags[side] & (ASSAY_FACTOR_NONNEG | ASSAY_FACTOR_SET | ASSAY_FACTOR_COUPLED))
        throw Failure(ASSAY_E_COMBINATION, "solver `impute` fits factors of both signs")
            .help("leave the constraints of W and H out, or use a solver that keeps them: `palm`");
    }
    if (!(bound_ > 0) || !(bound_ < kNoBound) || p.loss->m_lo > -kNoBound)
      throw Failure(ASSAY_E_COMBINATION, "the loss has no curvature that lies above it everywhere")
          .help("use `squared`, `huber` or `logistic`, or the solver `palm`");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose == ASSAY_STEP) {
      update(b, ASSAY_COLS);
      update(b, ASSAY_ROWS);
    }
    if (purpose == ASSAY_FINISH && !frozen_) turn(b);
  }

 private:
  static constexpr double kNoBound = 1e300;
  static constexpr const char* kSide[] = {"w_", "h_"};
  static std::string named(int32_t side, const char* what) {
    return kSide[side] + std::string(what);
  }

  // The base refuses a rank above the data's sides, which new rows may bring.
  static assay_problem without_frozen(assay_problem p) {
    for (const uint32_t flags : p.factor_flags)
      if (flags & ASSAY_FACTOR_FROZEN) p.factor_flags[0] |= ASSAY_FACTOR_FROZEN;
    return p;
  }

  // One factor to the least of its quadratic, the other as it is.
  void update(const Builder& b, int32_t side) const {
    const assay_buf F = b.factor(side), other = b.factor(1 - side),
                    g = b.local(named(side, "gradient").c_str(), side),
                    G = b.sum(named(side, "gram").c_str(), k_, k_),
                    R = b.small(named(side, "inverse").c_str(), k_, k_);
    b.terms(ASSAY_GRAD, side, g, ASSAY_NO);
    b.gram(G, other, other);
    b.each<&Impute::curvature>(named(side, "curvature").c_str(), ASSAY_ONE,
                               {{F, ASSAY_IN}, {G, ASSAY_IN}, {R, ASSAY_OUT}}, side);
    b.each<&Impute::descend>(named(side, "descend").c_str(), side,
                             {{g, ASSAY_IN}, {R, ASSAY_IN}, {F, ASSAY_INOUT}}, side);
  }

  // The factors as U, s, V, and shared out between them.
  void turn(const Builder& b) const {
    const assay_buf near = b.factor(short_), far = b.factor(long_),
                    Z = orthonormal(b, orthonormal(b, near, short_, k_, "once"), short_, k_,
                                    "twice"),
                    C = b.sum("coordinates", k_, k_), T = b.small("coordinates_copy", k_, k_),
                    Y = b.local("image", long_), scale = b.small("scale", 1, 1);
    b.gram(C, near, Z);
    assign(b, "coordinates_copy", ASSAY_ONE, C, T);
    b.times(Y, far, T);
    const Triplets t = triplets(b, Y, long_, Z, k_, k_, "impute");
    assay_buf vectors[2];
    vectors[long_] = completed(b, t.left, long_, k_, "left");
    vectors[short_] = completed(b, t.right, short_, k_, "right");
    const assay_buf ends = ends_of(b, vectors[ASSAY_COLS]),
                    s = b.buffer("s", ASSAY_ONE, ASSAY_STATE, 1, k_, true, ASSAY_BUFFER_OUTPUT);
    assign(b, "s_write", ASSAY_ONE, t.sigma, s);
    b.each<&Impute::shares>("shares", ASSAY_ONE,
                            {{b.factor(0), ASSAY_IN}, {b.factor(1), ASSAY_IN}, {scale, ASSAY_OUT}});
    for (int32_t side = 0; side < 2; ++side) {
      const assay_buf array = b.buffer(side == ASSAY_ROWS ? "U" : "V", side, ASSAY_STATE, 0, k_,
                                       true, ASSAY_BUFFER_OUTPUT);
      b.each<&Impute::write>(named(side, "write").c_str(), side,
                             {{vectors[side], ASSAY_IN},
                              {ends, ASSAY_IN},
                              {t.sigma, ASSAY_IN},
                              {scale, ASSAY_IN},
                              {array, ASSAY_OUT},
                              {b.factor(side), ASSAY_INOUT}},
                             side);
    }
  }

  // ---- block functions ----

  struct Quadratic {
    std::span<double> diag, lin;
  };
  Quadratic quadratic(const Block& b, int32_t side, int32_t arg) const {
    const auto of_k = [&] { return b.call().scratch<double>(k_); };
    const Quadratic q = {of_k(), of_k()};
    const auto lower = of_k(), upper = of_k();
    Call::check(penalties_->quad(b.call().ctx, side, &b.view(arg), q.diag.data(), q.lin.data(),
                                 lower.data(), upper.data()));
    return q;
  }

  // {F, Gram matrix of the other, R}: R = (L G + diag)^-.
  void curvature(const Block& b) const {
    const Matrix G = b.matrix(1), R = b.matrix(2);
    const Quadratic q = quadratic(b, b.tag(), 0);
    const auto k = static_cast<size_t>(k_);
    const auto v = b.call().scratch<double>(k_ * k_), l = b.call().scratch<double>(k_);
    for (size_t a = 0; a < k; ++a)
      for (size_t c = 0; c < k; ++c)
        v[a * k + c] =
            bound_ * G(static_cast<int64_t>(a), static_cast<int64_t>(c)) + (a == c ? q.diag[a] : 0);
    Call::check(la()->eigh(k_, v.data(), k_, l.data()));
    const double least = std::max(DBL_MIN, l[k - 1] * static_cast<double>(k_) * DBL_EPSILON);
    for (size_t a = 0; a < k; ++a)
      for (size_t c = 0; c < k; ++c) {
        double sum = 0;
        for (size_t e = 0; e < k; ++e)
          if (l[e] > least) sum += v[a * k + e] * v[c * k + e] / l[e];
        R(static_cast<int64_t>(a), static_cast<int64_t>(c)) = sum;
      }
  }

  // {gradient, R, F}
  void descend(const Block& b) const {
    const Matrix g = b.matrix(0), R = b.matrix(1), F = b.matrix(2);
    const Quadratic q = quadratic(b, b.tag(), 2);
    const auto full = b.call().scratch<double>(k_);
    for (int64_t i = 0; i < F.rows(); ++i) {
      for (int64_t a = 0; a < k_; ++a) {
        const auto at = static_cast<size_t>(a);
        full[at] = g(i, a) + q.diag[at] * F(i, a) + q.lin[at];
      }
      for (int64_t c = 0; c < k_; ++c) {
        double step = 0;
        for (int64_t a = 0; a < k_; ++a) step += full[static_cast<size_t>(a)] * R(a, c);
        F(i, c) -= step;
      }
    }
  }

  // {W, H, scale}: what W is multiplied with for the least ridge; 0: the factors stay.
  void shares(const Block& b) const {
    const Quadratic w = quadratic(b, 0, 0), h = quadratic(b, 1, 1);
    bool uniform = true;
    for (size_t a = 0; a < static_cast<size_t>(k_); ++a)
      uniform = uniform && w.diag[a] == w.diag[0] && h.diag[a] == h.diag[0] && w.lin[a] == 0 &&
                h.lin[a] == 0;
    const double a = w.diag[0], c = h.diag[0];
    b.number(2) = !uniform || (a > 0) != (c > 0) ? 0 : a > 0 ? std::pow(c / a, 0.25) : 1;
  }

  // {vectors, ends, sigma, scale, array, factor}
  void write(const Block& b) const {
    const Matrix from = b.matrix(0), ends = b.matrix(1), sigma = b.matrix(2), array = b.matrix(4),
                 factor = b.matrix(5);
    const double scale = b.number(3), mine = b.tag() == ASSAY_ROWS ? scale : 1 / scale;
    for (int64_t i = 0; i < from.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        array(i, a) = from(i, a) * sign(ends, a);
        if (scale > 0) factor(i, a) = array(i, a) * std::sqrt(sigma(0, a)) * mine;
      }
  }

  const assay_penalty_calls* penalties_;
  double bound_;
  bool frozen_ = false;
};

constexpr assay_solver table =
    solver_table<Impute>(ASSAY_NEEDS_SQUARED | ASSAY_NEEDS_CURVATURE,
                         ASSAY_NEEDS_QUAD,
                         ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK | ASSAY_TAKES_UNOBSERVED,
                         nullptr);
constexpr assay_plugin impute = describe(
    "assay.solver/1",
    "impute",
    "low rank with unobserved entries: soft-impute and hard-impute by alternating least squares",
    "Hastie, Mazumder, Lee and Zadeh 2015; Mazumder, Hastie and Tibshirani 2010",
    "F = sum over observed loss(x, (W H)_ij) + a/2 |W|^2 + b/2 |H|^2, both factors of either sign\n"
    "H <- H - (dF/dH) (L W'W + b I)^-, then W; L the bound of the loss's curvature: squared, huber "
    "1, logistic 1/4\n"
    "l2 penalties of weight lambda on both: W H minimises loss + lambda |W H|_*, its singular "
    "values\n"
    "  soft-thresholded; none: the best rank k by hard-impute\n"
    "arrays U, s, V: W H = U diag(s) V';  W = U s^(1/2) (b/a)^(1/4), H = V s^(1/2) (a/b)^(1/4)\n"
    "cost: two sweeps over observed entries and 8 nnz k flops a step; no filled X\n"
    "guarantee: F never rises",
    nullptr,
    &table);

}  // namespace

ASSAY_MODULE("org.assay.impute", "1.0", impute)
