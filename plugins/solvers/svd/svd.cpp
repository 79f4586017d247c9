// SPDX-License-Identifier: Apache-2.0
// Truncated singular value decomposition: X ~ U diag(s) V', s descending, the best of rank k by the
// squared loss (Eckart and Young 1936). W = U diag(s), H = V'; U, s and V are arrays of the result.
// The entry of largest magnitude of each right vector is positive.
//
// L is the longer axis of X, S the shorter, A is X seen as L x S. A step finds an orthonormal Z on
// S that holds the leading singular directions and leaves the factors as (A Z, Z); the end rotates
// them by a small SVD. The start's factor on S is where Z begins, beside random columns.
//   randomized: power times Z = orth(A'A Z), all in one step; q = k + oversample columns (Halko,
//     Martinsson and Tropp 2011, algorithms 4.4 and 5.1). power + 1 reads of X.
//   subspace: one Z = orth(A'A Z) a step, and the k best directions of its span (Rayleigh and
//   Ritz).
//     One read of X a step; the error falls by (s_(q+1) / s_a)^2.
//   lanczos: grows an orthonormal basis by A'A v, made orthogonal to all before, and is restarted
//     with its best directions when `basis` is reached (thick restart: Wu and Simon 2000); a step
//     is from one restart to the next, one read of X a vector.
// A'A squares the condition: directions with s below 1e-8 s_1 are rounding to all three.
#include <algorithm>
#include <assay/author/spectral.hpp>
#include <assay/plugin.hpp>
#include <cmath>
#include <string>

#include "krylov.hpp"

namespace {

using namespace assay::author;

class Svd : public Krylov<Svd> {
 public:
  Svd(Call call, const assay_problem& p)
      : Krylov<Svd>(call), rng_(call.service<assay_rng>("assay.rng/1")), k_(p.k[0]) {
    const Options options(call.host, p.options);
    const int64_t least = std::min(p.n, p.d);
    for (int32_t side = 0; side < 2; ++side)
      if (p.factor_flags[side] & ASSAY_FACTOR_FROZEN) known_ = side;
    if (known_ >= 0) return;
    if (k_ > least)
      throw Failure(ASSAY_E_SHAPE, "rank " + std::to_string(k_) +
                                       " is larger than the smaller side of X, " +
                                       std::to_string(least))
          .help("use a smaller `model.rank`");
    method_ = options.text("method").value_or("randomized");
    long_ = p.n >= p.d ? ASSAY_ROWS : ASSAY_COLS;
    short_ = 1 - long_;
    power_ = options.integer("power");
    q_ = std::min(least, k_ + options.integer("oversample"));
    const int64_t basis = options.integer("basis");
    const int64_t size = basis > 0 ? basis : std::max(2 * k_ + 20, int64_t{3} * k_);
    set_basis(k_, std::clamp(size, k_ + 1, std::max(k_ + 1, least)), least,
              options.number("tolerance"));
    stream_ = rng_->split(p.stream, 1);
  }

  void build(const Builder& b, int32_t purpose) const {
    if (known_ >= 0) return purpose == ASSAY_STEP ? project(b) : void();
    if (method_ == "lanczos") {
      if (purpose == ASSAY_PREPARE) begin(b, start(b, 1), short_);
      if (purpose == ASSAY_STEP) cycle(b, short_, long_);
    } else {
      if (purpose == ASSAY_PREPARE)
        assign(b, "keep_basis", short_, orthonormal(b, start(b, q_), short_, q_, "start"),
               basis(b));
      if (purpose == ASSAY_STEP) method_ == "randomized" ? randomized(b) : subspace(b);
    }
    if (purpose == ASSAY_FINISH) finish(b);
  }

 private:
  // The other factor of a known one F: X F (F'F)^+.
  void project(const Builder& b) const {
    const int32_t side = 1 - known_;
    const assay_buf F = b.factor(known_), P = b.local("product", side),
                    G = b.sum("known_gram", k_, k_), R = b.small("known_inverse", k_, k_);
    b.times(P, ASSAY_X, F);
    b.gram(G, F, F);
    b.each<&Svd::invert, Svd>("invert", ASSAY_ONE, {{G, ASSAY_IN}, {R, ASSAY_OUT}});
    const assay_buf half = b.local("half", side), whole = b.local("least_squares", side);
    b.times(half, P, R);
    b.times(whole, half, R, ASSAY_TRANSPOSED);
    assign(b, "write", side, whole, b.factor(side));
    once(b);
  }

  // Columns to begin with: the start's factor, as many as fit, and random ones.
  assay_buf start(const Builder& b, int64_t width) const {
    const assay_buf Z = b.local("start_columns", short_, width);
    b.each<&Svd::draw>("draw", short_, {{b.factor(short_), ASSAY_IN}, {Z, ASSAY_OUT}});
    return Z;
  }

  assay_buf basis(const Builder& b) const {
    return b.buffer("basis", short_, ASSAY_STATE, 0, q_, true);
  }
  void keep(const Builder& b, assay_buf Z) const { assign(b, "keep_basis", short_, Z, basis(b)); }

  // orth(A'A Z), q wide, in two passes.
  assay_buf powered(const Builder& b, assay_buf Z, const std::string& name) const {
    const assay_buf Y = b.local((name + "_image").c_str(), long_, q_);
    b.times(Y, ASSAY_X, Z);
    return powered_image(b, Y, name);
  }
  assay_buf powered_image(const Builder& b, assay_buf Y, const std::string& name) const {
    const assay_buf S = b.local((name + "_power").c_str(), short_, q_);
    b.times(S, ASSAY_X, Y);
    return orthonormal(b, orthonormal(b, S, short_, q_, name + "_once"), short_, q_,
                       name + "_twice");
  }

  // The factors (Y R, Z R) of the k best directions in the span of Z, Y = A Z.
  void best(const Builder& b, assay_buf Y, assay_buf Z) const {
    const assay_buf G = b.sum("image_gram", q_, q_), R = b.small("rotation", q_, k_);
    b.gram(G, Y, Y);
    b.each<&Svd::leading>("rotate", ASSAY_ONE, {{G, ASSAY_IN}, {R, ASSAY_OUT}});
    write(b, Y, long_, R, "long_part");
    write(b, Z, short_, R, "short_part");
  }
  void write(const Builder& b, assay_buf F, int32_t axis, assay_buf R, const char* name) const {
    const assay_buf part = b.local(name, axis);
    b.times(part, F, R);
    assign(b, std::string(name) + "_write", axis, part, b.factor(axis));
  }

  void randomized(const Builder& b) const {
    assay_buf Z = basis(b);
    for (int64_t i = 0; i < power_; ++i) Z = powered(b, Z, "turn_" + std::to_string(i));
    const assay_buf Y = b.local("image", long_, q_);
    b.times(Y, ASSAY_X, Z);
    best(b, Y, Z);
    once(b);
  }

  void subspace(const Builder& b) const {
    const assay_buf Z = basis(b), Y = b.local("image", long_, q_);
    b.times(Y, ASSAY_X, Z);
    best(b, Y, Z);
    assign(b, "keep_basis", short_, powered_image(b, Y, "turn"), Z);
  }

  // There is nothing to do in a second step.
  void once(const Builder& b) const {
    const assay_buf done = b.small("done", 1, 1);
    b.each<&Svd::one>("done", ASSAY_ONE, {{done, ASSAY_OUT}});
    b.report("converged", done);
  }

  // From (A Z, Z) to the triplets, U and V completed, signs chosen.
  void finish(const Builder& b) const {
    const Triplets t = triplets(b, b.factor(long_), long_, b.factor(short_), k_, k_, "svd");
    assay_buf vectors[2];
    vectors[long_] = completed(b, t.left, long_, "left");
    vectors[short_] = completed(b, t.right, short_, "right");
    const assay_buf ends = b.buffer("ends", ASSAY_ONE, ASSAY_MAX, 2, k_);
    b.each<&Svd::measure_ends>("ends", ASSAY_COLS,
                               {{vectors[ASSAY_COLS], ASSAY_IN}, {ends, ASSAY_ADD}});
    const assay_buf s = b.buffer("s", ASSAY_ONE, ASSAY_STATE, 1, k_, true, ASSAY_BUFFER_OUTPUT);
    assign(b, "sigma", ASSAY_ONE, t.sigma, s);
    for (int32_t side = 0; side < 2; ++side) {
      const assay_buf out = b.buffer(side == ASSAY_ROWS ? "U" : "V", side, ASSAY_STATE, 0, k_, true,
                                     ASSAY_BUFFER_OUTPUT);
      b.each<&Svd::sign>(side == ASSAY_ROWS ? "write_w" : "write_h", side,
                         {{vectors[side], ASSAY_IN},
                          {ends, ASSAY_IN},
                          {t.sigma, ASSAY_IN},
                          {out, ASSAY_OUT},
                          {b.factor(side), ASSAY_OUT}},
                         side);
    }
  }

  // Columns that are zeros drawn anew and made orthogonal to those before them, twice.
  assay_buf completed(const Builder& b, assay_buf F, int32_t axis, const std::string& name) const {
    const assay_buf G = b.sum((name + "_lengths").c_str(), k_, k_),
                    filled = b.local((name + "_filled").c_str(), axis);
    b.gram(G, F, F);
    b.each<&Svd::fill>((name + "_fill").c_str(), axis,
                       {{F, ASSAY_IN}, {G, ASSAY_IN}, {filled, ASSAY_OUT}}, axis);
    return in_order(b, in_order(b, filled, axis, name + "_first"), axis, name + "_second");
  }
  // Cholesky QR: each column orthogonal to those before it.
  assay_buf in_order(const Builder& b, assay_buf F, int32_t axis, const std::string& name) const {
    const assay_buf G = b.sum((name + "_gram").c_str(), k_, k_),
                    R = b.small((name + "_inverse").c_str(), k_, k_),
                    Q = b.local((name + "_basis").c_str(), axis);
    b.gram(G, F, F);
    b.each<&Svd::cholesky>((name + "_cholesky").c_str(), ASSAY_ONE,
                           {{G, ASSAY_IN}, {R, ASSAY_OUT}});
    b.times(Q, F, R, ASSAY_TRANSPOSED);
    return Q;
  }

  // ---- block functions ----

  void one(const Block& b) const { b.number(0) = 1; }

  // {factor, Z}
  void draw(const Block& b) const {
    const Matrix F = b.matrix(0), Z = b.matrix(1);
    for (int64_t i = 0; i < Z.rows(); ++i) {
      const auto at = static_cast<uint64_t>((b.first() + i) * Z.cols());
      rng_->normal(stream_, at, Z.cols(), Z.row(i).data());
      std::copy_n(F.row(i).data(), std::min(F.cols(), Z.cols()), Z.row(i).data());
    }
  }

  // {Gram matrix of the image, R}: its k leading eigenvectors.
  void leading(const Block& b) const {
    const Matrix G = b.matrix(0), R = b.matrix(1);
    const int64_t q = G.rows();
    const auto v = b.call().scratch<double>(q * q), w = b.call().scratch<double>(q);
    for (int64_t i = 0; i < q; ++i) std::copy_n(G.row(i).data(), q, &v[static_cast<size_t>(i * q)]);
    Call::check(la()->eigh(q, v.data(), q, w.data()));
    for (int64_t i = 0; i < q; ++i)
      for (int64_t a = 0; a < k_; ++a) R(i, a) = v[static_cast<size_t>(i * q + q - 1 - a)];
  }

  // {F, its Gram matrix, filled}
  void fill(const Block& b) const {
    const Matrix F = b.matrix(0), G = b.matrix(1), out = b.matrix(2);
    const uint64_t stream = rng_->split(stream_, static_cast<uint64_t>(b.tag()) + 1);
    const auto random = b.call().scratch<double>(k_);
    for (int64_t i = 0; i < F.rows(); ++i) {
      rng_->normal(stream, static_cast<uint64_t>((b.first() + i) * k_), k_, random.data());
      for (int64_t a = 0; a < k_; ++a)
        out(i, a) = G(a, a) > 0.5 ? F(i, a) : random[static_cast<size_t>(a)];
    }
  }

  // {G, R}: G = L L', R = L^(-1).
  void cholesky(const Block& b) const {
    const Matrix G = b.matrix(0), R = b.matrix(1);
    for (int64_t a = 0; a < k_; ++a) std::copy_n(G.row(a).data(), k_, R.row(a).data());
    Call::check(la()->potrf(k_, R.data(), R.stride()));
    Call::check(la()->trtri(k_, R.data(), R.stride()));
  }

  // {V, ends}: the largest entry of each column, and the largest of its negative.
  void measure_ends(const Block& b) const {
    const Matrix V = b.matrix(0), ends = b.matrix(1);
    for (int64_t i = 0; i < V.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        ends(0, a) = std::max(ends(0, a), V(i, a));
        ends(1, a) = std::max(ends(1, a), -V(i, a));
      }
  }

  // {vectors, ends, sigma, array, factor}
  void sign(const Block& b) const {
    const Matrix F = b.matrix(0), ends = b.matrix(1), sigma = b.matrix(2), array = b.matrix(3),
                 factor = b.matrix(4);
    for (int64_t i = 0; i < F.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        array(i, a) = ends(0, a) >= ends(1, a) ? F(i, a) : -F(i, a);
        factor(i, a) = b.tag() == ASSAY_ROWS ? array(i, a) * sigma(0, a) : array(i, a);
      }
  }

  const assay_rng* rng_;
  int64_t k_, q_ = 0, power_ = 0;
  int32_t known_ = -1, long_ = ASSAY_ROWS, short_ = ASSAY_COLS;
  std::string method_;
  uint64_t stream_ = 0;
};

constexpr const char* kMethods[] = {"randomized", "subspace", "lanczos", nullptr};
constexpr assay_option options[] = {
    enum_option("method", "how the directions are found", "randomized", kMethods),
    integer_option("power", "randomized: power iterations", 4, 0, 1000),
    integer_option("oversample", "randomized, subspace: columns beyond the rank", 10, 0, 10000),
    integer_option("basis",
                   "lanczos: vectors before a restart; 0: 2 k + 20, 3 k at least",
                   0,
                   0,
                   100000),
    number_option("tolerance",
                  "lanczos: residual of each s^2, relative, that ends it",
                  1e-13,
                  0,
                  1),
    kNoMoreOptions};
constexpr assay_solver table =
    solver_table<Svd>(ASSAY_NEEDS_SQUARED, ASSAY_NEEDS_NO_PENALTY, ASSAY_TAKES_SPARSE, nullptr);
constexpr assay_plugin svd = describe(
    "assay.solver/1",
    "svd",
    "truncated singular value decomposition",
    "Halko, Martinsson and Tropp 2011; Wu and Simon 2000",
    "X ~ U diag(s) V', U'U = V'V = I, s descending:  W = U diag(s), H = V'\n"
    "randomized: power times Z = orth(A'A Z);  subspace: one of them a step;\n"
    "lanczos: Z in the span of z, A'A z, (A'A)^2 z ...\n"
    "cost: 4ndq flops for each power or subspace step and one read of X, q = k + oversample;\n"
    "  lanczos 4nd and one read of X a vector\n"
    "guarantee: no other W H of rank k has a lower objective, once converged",
    options,
    &table);

}  // namespace

ASSAY_MODULE("org.assay.svd", "1.0", svd)
