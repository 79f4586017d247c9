// SPDX-License-Identifier: Apache-2.0
// Principal component analysis: with the columns of X centred (a transform this solver brings
// along), X ~ W H, H the k leading directions of the covariance X'X / (n - 1) and W the scores X
// H': most variance kept, least squares lost, which is the same (Pearson 1901; Hotelling 1933).
// `whiten`: scores of variance 1, H scaled in turn.
//
// How the directions are found is in <assay/author/spectral/...> and incremental.hpp; how many of
// them count, in choose.hpp: those beyond become 0. Likelihood: x ~ N(mean, V diag(lambda - noise)
// V' + noise I), noise the mean variance of the d - m directions left out (Tipping and Bishop
// 1999).
#include <assay/author/spectral/methods.hpp>

#include "choose.hpp"
#include "incremental.hpp"

namespace {

using namespace assay::author;

class Pca : public Incremental<SingularVectors<Pca>> {
 public:
  Pca(Call call, const assay_problem& p)
      : Incremental<SingularVectors<Pca>>(call, p),
        math_(call.service<assay_math>("assay.math/1")),
        draw_stream_(rng_->split(rng_->split(p.stream, 1), 100)),
        squares_(p.x_sumsq) {
    if (known_ >= 0) return;
    const Options options(call.host, p.options);
    centred_ = options.flag("centre");
    whiten_ = options.flag("whiten");
    keep_ = options.text("keep").value_or("all");
    fraction_ = options.number("fraction");
    draws_ = options.integer("draws");
    quantile_ = options.number("quantile");
    set_centred(centred_);
    const int64_t batch = options.integer("batch");
    batch_ = std::min(n_, batch > 0 ? batch : std::max<int64_t>(5 * d_, 1000));
    if (n_ < 2)
      throw Failure(ASSAY_E_SHAPE, "one row has no variance").help("give two rows at least");
    if (keep_ == "mle" && n_ <= d_)
      throw Failure(ASSAY_E_SHAPE, "`keep: mle` needs more rows than columns, and X has " +
                                       std::to_string(n_) + " x " + std::to_string(d_))
          .help("use `keep: parallel`, or `fraction`");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (known_ >= 0) return purpose == ASSAY_STEP ? project(b) : void();
    if (method() == "incremental") {
      if (purpose == ASSAY_STEP) finish_incremental(b, epoch(b, batch_));
      return;
    }
    if (purpose == ASSAY_PREPARE) prepare(b);
    if (purpose == ASSAY_STEP) step(b);
    if (purpose == (direct() ? ASSAY_STEP : ASSAY_FINISH))
      long_ == ASSAY_ROWS ? finish_tall(b) : finish_wide(b);
  }

 private:
  // n >= d: (A Z, Z) turned to the principal axes. The rows come last, in one sweep.
  void finish_tall(const Builder& b) const {
    const Rotation r = rotation(b, b.factor(ASSAY_ROWS), k_, "turned");
    const assay_buf axes = b.local("axes", ASSAY_COLS), scores = b.local("scores", ASSAY_ROWS);
    b.times(axes, b.factor(ASSAY_COLS), r.right);
    const Found found = describe(b, axes, r.sigma, whole_sizes(b));
    b.times(scores, b.factor(ASSAY_ROWS), r.right);
    write(b, scores, axes, found, ASSAY_ROWS);
  }
  // n < d: the axes are the left vectors of A and may need completing; the scores are U s.
  void finish_wide(const Builder& b) const {
    const Whole t = whole_triplets(b, false);
    const Found found = describe(b, t.vectors[ASSAY_COLS], t.sigma, whole_sizes(b));
    write(b, t.vectors[ASSAY_ROWS], t.vectors[ASSAY_COLS], found, kUnitRows);
  }
  assay_buf whole_sizes(const Builder& b) const {
    const assay_buf sizes = b.small("rows_and_squares", 1, 2);
    b.each<&Pca::given_sizes>("rows_and_squares", ASSAY_ONE, {{sizes, ASSAY_OUT}});
    return sizes;
  }
  // The scores are in the factor on the rows; variances are of all rows ever seen.
  void finish_incremental(const Builder& b, const Seen& now) const {
    const assay_buf axes = b.local("axes", ASSAY_COLS), scores = b.local("scores", ASSAY_ROWS);
    assign(b, "axes", ASSAY_COLS, now.V, axes);
    const Found found = describe(b, axes, now.s, now.sizes);
    b.times(scores, ASSAY_X, axes);
    write(b, scores, axes, found, ASSAY_ROWS);
    once(b);
  }

  struct Found {
    assay_buf ends, singular, variances, count;
  };
  // The arrays of the result. V: the axes, with signs of their own.
  Found describe(const Builder& b, assay_buf V, assay_buf sigma, assay_buf sizes) const {
    const Found found = {ends_of(b, V), number(b, "singular_values", k_),
                         number(b, "explained_variance", k_), number(b, "n_components", 1)};
    const assay_buf ratio = number(b, "explained_variance_ratio", k_),
                    noise = number(b, "noise_variance", 1),
                    likelihood = number(b, "log_likelihood", 1), kept = b.small("kept", 1, 1);
    choose(b, sigma, sizes, kept);
    b.each<&Pca::describe_kept>("describe", ASSAY_ONE,
                                {{sigma, ASSAY_IN},
                                 {sizes, ASSAY_IN},
                                 {kept, ASSAY_IN},
                                 {found.variances, ASSAY_OUT},
                                 {ratio, ASSAY_OUT},
                                 {found.singular, ASSAY_OUT},
                                 {noise, ASSAY_OUT},
                                 {found.count, ASSAY_OUT},
                                 {likelihood, ASSAY_OUT}});
    const assay_buf components =
        b.buffer("components", ASSAY_ONE, ASSAY_STATE, k_, d_, true, ASSAY_BUFFER_OUTPUT);
    b.each<&Pca::transpose_kept>(
        "components", ASSAY_ONE,
        {{V, ASSAY_IN}, {found.ends, ASSAY_IN}, {found.count, ASSAY_IN}, {components, ASSAY_OUT}});
    return found;
  }
  void write(const Builder& b,
             assay_buf scores,
             assay_buf axes,
             const Found& found,
             int32_t tag) const {
    for (int32_t side = 0; side < 2; ++side)
      b.each<&Pca::write_factor>(side == ASSAY_ROWS ? "write_w" : "write_h", side,
                                 {{side == ASSAY_ROWS ? scores : axes, ASSAY_IN},
                                  {found.ends, ASSAY_IN},
                                  {found.singular, ASSAY_IN},
                                  {found.variances, ASSAY_IN},
                                  {found.count, ASSAY_IN},
                                  {b.factor(side), ASSAY_OUT}},
                                 side == ASSAY_ROWS ? tag : side);
  }
  static assay_buf number(const Builder& b, const char* name, int64_t width) {
    return b.buffer(name, ASSAY_ONE, ASSAY_STATE, 1, width, true, ASSAY_BUFFER_OUTPUT);
  }

  // kept: how many components count.
  void choose(const Builder& b, assay_buf sigma, assay_buf sizes, assay_buf kept) const {
    if (keep_ == "mle") {
      const assay_buf C = b.sum("covariance", d_, d_);
      b.times(C, ASSAY_X, ASSAY_X);
      return b.each<&Pca::by_evidence>("mle", ASSAY_ONE, {{C, ASSAY_IN}, {kept, ASSAY_OUT}});
    }
    if (keep_ == "parallel") {
      const assay_buf squares = b.local("column_squares", ASSAY_COLS, 1);
      b.times(squares, ASSAY_X, b.given(ASSAY_ROW_WEIGHTS), ASSAY_SQUARE);
      return b.each<&Pca::by_random>("parallel", ASSAY_ONE,
                                     {{sigma, ASSAY_IN}, {squares, ASSAY_IN}, {kept, ASSAY_OUT}});
    }
    b.each<&Pca::by_fraction>("keep", ASSAY_ONE,
                              {{sigma, ASSAY_IN}, {sizes, ASSAY_IN}, {kept, ASSAY_OUT}});
  }

  // ---- block functions ----

  static constexpr int32_t kUnitRows = 2;

  // {rows, sum of squares}
  void given_sizes(const Block& b) const {
    b.matrix(0)(0, 0) = static_cast<double>(n_);
    b.matrix(0)(0, 1) = squares_;
  }
  std::span<double> variances_of(const Matrix& sigma, double rows, const Call& call) const {
    const auto out = call.scratch<double>(k_);
    for (int64_t a = 0; a < k_; ++a) out[place(a)] = sigma(0, a) * sigma(0, a) / (rows - 1);
    return out;
  }
  // {sigma, sizes, kept}
  void by_fraction(const Block& b) const {
    const Matrix sizes = b.matrix(1);
    const double rows = sizes(0, 0);
    b.number(2) = static_cast<double>(keep_ == "all"
                                          ? k_
                                          : keep_fraction(variances_of(b.matrix(0), rows, b.call()),
                                                          sizes(0, 1) / (rows - 1), fraction_));
  }
  // {X'X, kept}
  void by_evidence(const Block& b) const {
    const Matrix C = b.matrix(0);
    const auto v = b.call().scratch<double>(d_ * d_), w = b.call().scratch<double>(d_);
    for (int64_t i = 0; i < d_; ++i) std::copy_n(C.row(i).data(), d_, &v[place(i * d_)]);
    Call::check(la()->eigh(d_, v.data(), d_, w.data()));
    std::reverse(w.begin(), w.end());
    for (double& x : w) x = std::max(x, 0.0) / static_cast<double>(n_ - 1);
    const Evidence evidence(w, static_cast<double>(n_), *math_);
    const bool any = w[0] > 0 && d_ > 1;
    b.number(1) = static_cast<double>(any ? keep_most_evident(evidence, std::min(k_, d_ - 1)) : k_);
  }
  // {sigma, sums of squares of the columns, kept}
  void by_random(const Block& b) const {
    const Matrix sigma = b.matrix(0), squares = b.matrix(1);
    const int64_t freedom = centred_ ? n_ - 1 : n_;
    const auto deviations = b.call().scratch<double>(d_), observed = b.call().scratch<double>(k_);
    for (int64_t j = 0; j < d_; ++j)
      deviations[place(j)] = std::sqrt(squares(j, 0) / static_cast<double>(freedom));
    for (int64_t a = 0; a < k_; ++a) observed[place(a)] = sigma(0, a) * sigma(0, a);
    const RandomScatter random(deviations, freedom, *rng_, draw_stream_);
    b.number(2) = static_cast<double>(
        keep_above_random(observed, random, draws_, quantile_, *la(), b.call()));
  }

  // {sigma, sizes, kept, variances, ratio, singular values, noise, count, likelihood}
  void describe_kept(const Block& b) const {
    const Matrix sigma = b.matrix(0), sizes = b.matrix(1), variances = b.matrix(3),
                 ratio = b.matrix(4), singular = b.matrix(5);
    const auto m = static_cast<int64_t>(b.number(2));
    const double rows = sizes(0, 0), total = sizes(0, 1) / (rows - 1);
    double sum = 0, logs = 0;
    for (int64_t a = 0; a < k_; ++a) {
      singular(0, a) = a < m ? sigma(0, a) : 0;
      variances(0, a) = singular(0, a) * singular(0, a) / (rows - 1);
      ratio(0, a) = total > 0 ? variances(0, a) / total : 0;
      sum += variances(0, a);
    }
    const double rest = static_cast<double>(d_ - m), d = static_cast<double>(d_),
                 least = std::max(variances(0, 0) * d * DBL_EPSILON, DBL_MIN),
                 noise = m < d_ ? std::max(total - sum, 0.0) / rest : 0;
    for (int64_t a = 0; a < m; ++a) logs += std::log(std::max(variances(0, a), least));
    if (m < d_) logs += rest * std::log(std::max(noise, least));
    b.number(6) = noise;
    b.number(7) = static_cast<double>(m);
    b.number(8) = -(rows * (d * std::log(2 * std::numbers::pi) + logs) + (rows - 1) * d) / 2;
  }
  // {V, ends, count, components}
  void transpose_kept(const Block& b) const {
    const Matrix V = b.matrix(0), ends = b.matrix(1), out = b.matrix(3);
    for (int64_t a = 0; a < k_; ++a) {
      const double by = a < static_cast<int64_t>(b.number(2)) ? sign(ends, a) : 0;
      for (int64_t j = 0; j < d_; ++j) out(a, j) = V(j, a) * by;
    }
  }
  // {vectors or scores, ends, singular values, variances, count, factor}: W = scores / c, H = c V',
  // c = 1 or, to whiten, the root of the variance, nothing where that is rounding. Beyond `count`
  // both are 0; before it H stays orthonormal where the value is 0, and W is 0.
  void write_factor(const Block& b) const {
    const Matrix F = b.matrix(0), ends = b.matrix(1), singular = b.matrix(2),
                 variances = b.matrix(3), out = b.matrix(5);
    const auto count = static_cast<int64_t>(b.number(4));
    for (int64_t a = 0; a < k_; ++a) {
      const double s = singular(0, a);
      const bool counts = s > singular(0, 0) * DBL_EPSILON;
      double by = sign(ends, a) * (b.tag() == kUnitRows ? s : 1);
      if (whiten_ && counts)
        by *= b.tag() == ASSAY_COLS ? std::sqrt(variances(0, a)) : 1 / std::sqrt(variances(0, a));
      const bool nothing = s == 0 && b.tag() != ASSAY_COLS;
      if (a >= count || nothing || (whiten_ && !counts)) by = 0;
      for (int64_t i = 0; i < F.rows(); ++i) out(i, a) = F(i, a) * by;
    }
  }

  const assay_math* math_;
  uint64_t draw_stream_;
  double squares_, fraction_ = 0, quantile_ = 0;
  int64_t draws_ = 0, batch_ = 0;
  bool centred_ = true, whiten_ = false;
  std::string keep_;
};

constexpr const char* kMethods[] = {"auto",   "gram",  "randomized",  "lanczos", "subspace",
                                    "lapack", "power", "incremental", nullptr};
constexpr const char* kKeeps[] = {"all", "fraction", "mle", "parallel", nullptr};
constexpr assay_option kOwn[] = {
    enum_option("method",
                "how the directions are found; auto: gram up to 2000 on the shorter side, else "
                "randomized",
                "auto",
                kMethods,
                ASSAY_OPT_SETTLES(0) | ASSAY_OPT_SETTLES(1) | ASSAY_OPT_SETTLES(5)),
    bool_option("centre", "subtract the mean of each column", true),
    bool_option("standardise", "divide each column by its standard deviation", false),
    bool_option("whiten", "scores of variance 1", false),
    enum_option("keep",
                "how many of the `model.rank` components count; the others become 0",
                "all",
                kKeeps,
                ASSAY_OPT_DRAWS(3)),
    number_option("fraction", "fraction: of the variance that is kept", 0.95, 0, 1),
    integer_option("draws", "parallel: random matrices", 20, 1, 100000),
    number_option("quantile", "parallel: of the random variances that one must exceed", 0.95, 0, 1),
    integer_option("batch",
                   "incremental: rows of a batch; 0: 5 d, 1000 at least",
                   0,
                   0,
                   1000000000)};
constexpr auto options = with_spectral_options(kOwn);
constexpr assay_solver table = solver_table<Pca>(ASSAY_NEEDS_SQUARED,
                                                 ASSAY_NEEDS_NO_PENALTY,
                                                 ASSAY_TAKES_SPARSE,
                                                 nullptr,
                                                 0,
                                                 "standardise:standardise centre:centre");
constexpr assay_plugin pca = describe(
    "assay.solver/1",
    "pca",
    "principal component analysis",
    "Pearson 1901; Hotelling 1933; Tipping and Bishop 1999; Minka 2000; Ross et al. 2008",
    "X ~ W H, H H' = I, W = X H': max tr(H X'X H'), which is min norm(X - X H'H)^2\n"
    "explained_variance_a = s_a^2 / (n - 1), s the singular values of X; of what is left the mean\n"
    "over the d - m other directions is noise_variance\n"
    "whiten: W / sqrt(explained_variance), H the other way round, so that W H is the same\n"
    "keep: fraction of the variance; mle: Laplace's evidence (Minka 2000); parallel: more than "
    "the\n"
    "quantile of the variances of random columns of the same size (Horn 1965)\n"
    "incremental: eigenvectors of V diag(s^2) V' + the scatter of a batch, batch by batch\n"
    "cost: as svd's methods; mle one X'X more, parallel an eigenvalue problem a draw, incremental\n"
    "  2nd^2 flops and d^3 a batch\n"
    "guarantee: no other plane of k dimensions is nearer to the rows, once converged "
    "(incremental:\n"
    "  where k reaches the rank)",
    options.data(),
    &table);

}  // namespace

ASSAY_MODULE("org.assay.pca", "1.0", pca)
