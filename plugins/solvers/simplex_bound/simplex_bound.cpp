// SPDX-License-Identifier: Apache-2.0
// The upper bound of simplex factorization (Buhmann and Pletscher 2010, eq. 10 and 11):
//   F = 1/2 sum_nk w_nk |x_n - h_k|^2 + t sum_nk w_nk (log w_nk - log pi_k),  rows of W mixtures.
// It is linear in w at temperature t = 0, so W is one-hot and F is k-means (half its inertia);
// t > 0 adds the entropy of the notes' c(Z, pi), which makes W soft:
//   w_nk ~ pi_k exp(-|x_n - h_k|^2 / 2t),  h_k = sum_n w_nk x_n / sum_n w_nk,
// and t = 1 with `weights` is EM for a Gaussian mixture with identity covariances, F minus its
// log-likelihood without n d / 2 log 2 pi. W is a function of the row and stored nowhere. Distances
// are taken about the mean m of X: with y_k = h_k - m,
//   1/2 |x - h_k|^2 = 1/2 |x - m|^2 - s_k,  s_k = x.y_k - (m.y_k + 1/2 |y_k|^2),
// so that data far from the origin lose no digits. One read of X a step, 4 n d k flops (2 n d k at
// t = 0, where X'W is a sum of rows). A component without rows stays where it was. A row of weight
// v counts as v rows, a column's weight is in all distances. Each step reports the two terms of
// 1/2 |X - W H|^2 at the H that it begins with, `bound` and `correction`.
#include <assay/mixing.h>

#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>
#include <limits>

namespace {

using namespace assay::author;

class Bound {
 public:
  Bound(Call call, const assay_problem& p)
      : k_(p.k[1]),
        goes_on_(p.flags & ASSAY_PROBLEM_GOES_ON),
        fixed_(p.factor_flags[1] & ASSAY_FACTOR_FROZEN) {
    if (goes_on_ && !fixed_)
      throw Failure(ASSAY_E_COMBINATION,
                    "solver `simplex_bound` cannot go on with other rows: H is made of the rows it "
                    "sees, and it would forget those it was fitted on")
          .help("`minibatch_kmeans` goes on; `assay transform` gives new rows their weights");
    const Options options(call.host, p.options);
    temperature_ = options.number("temperature");
    weights_ = options.flag("weights");
    if (weights_ && !(temperature_ > 0))
      throw Failure(ASSAY_E_COMBINATION,
                    "solver `simplex_bound` uses `weights` at a `temperature` above 0 only")
          .help("write `temperature: 1`, or leave `weights` out");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose == ASSAY_PREPARE) prepare(b);
    if (purpose == ASSAY_STEP) step(b);
    if (purpose == ASSAY_APPLY) apply(b);
    if (purpose == ASSAY_MEASURE) measure(b);
  }

 private:
  assay_buf mean(const Builder& b) const {
    return b.buffer("mean", ASSAY_COLS, ASSAY_STATE, 0, 1, true);
  }
  assay_buf weights(const Builder& b) const {
    return b.buffer("weights", ASSAY_ONE, ASSAY_STATE, 1, k_, true,
                    weights_ ? ASSAY_BUFFER_OUTPUT : 0);
  }
  assay_buf spread(const Builder& b) const {
    return b.buffer("spread", ASSAY_ONE, ASSAY_STATE, 1, 1, true);
  }

  void prepare(const Builder& b) const {
    const assay_buf total = b.local("total", ASSAY_COLS, 1), rows = b.given(ASSAY_ROW_WEIGHTS),
                    count = b.sum("count", 1, 1);
    b.times(total, ASSAY_X, rows);
    b.each<&Bound::add>("count", ASSAY_ROWS, {{rows, ASSAY_IN}, {count, ASSAY_ADD}});
    b.each<&Bound::divide>("mean", ASSAY_COLS,
                           {{total, ASSAY_IN}, {count, ASSAY_IN}, {mean(b), ASSAY_OUT}});
    b.each<&Bound::keep>("spread", ASSAY_ONE, {{about_mean(b), ASSAY_IN}, {spread(b), ASSAY_OUT}});
    if (!goes_on_) b.each<&Bound::start>("weights", ASSAY_ONE, {{weights(b), ASSAY_OUT}});
  }

  // 1/2 sum |x - m|^2
  assay_buf about_mean(const Builder& b) const {
    const assay_buf ones = b.local("ones", ASSAY_ROWS, 1), out = b.sum("about_mean", 1, 1);
    b.each<&Bound::ones>("ones", ASSAY_ROWS, {{ones, ASSAY_OUT}});
    b.terms({ASSAY_VALUE, ASSAY_ROWS, ones, mean(b), ASSAY_NO, ASSAY_NO, out, ASSAY_TERMS_SQUARED});
    return out;
  }

  struct Scores {
    assay_buf products, offsets;
  };
  Scores scores(const Builder& b) const {
    const assay_buf Y = b.local("from_mean", ASSAY_COLS, k_);
    const Scores s{b.local("products", ASSAY_ROWS, k_), b.sum("offsets", 1, k_)};
    b.each<&Bound::shift>("from_mean", ASSAY_COLS,
                          {{b.factor(1), ASSAY_IN},
                           {mean(b), ASSAY_IN},
                           {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                           {Y, ASSAY_OUT},
                           {s.offsets, ASSAY_ADD}});
    b.times(s.products, ASSAY_X, Y);
    return s;
  }

  void apply(const Builder& b) const {
    const Scores s = scores(b);
    b.each<&Bound::respond>("responsibilities", ASSAY_ROWS,
                            {{s.products, ASSAY_IN},
                             {s.offsets, ASSAY_IN},
                             {weights(b), ASSAY_IN},
                             {b.factor(0), ASSAY_OUT}});
  }

  // W, the sums of its columns, and F, the bound and the correction without the part about the
  // mean: out is W times the rows' weights, or labels where W is one-hot.
  struct Found {
    assay_buf out, total, counts;
  };
  Found find(const Builder& b) const {
    const Scores s = scores(b);
    const bool soft = temperature_ > 0;
    const Found f{soft ? b.local("w", ASSAY_ROWS, k_) : b.labels("labels", ASSAY_LOCAL, 1),
                  b.sum("total", 1, 3), b.sum("counts", 1, k_)};
    const assay_buf rows = b.given(ASSAY_ROW_WEIGHTS);
    if (soft) {
      const assay_buf D = b.sum("distances", k_, k_);
      b.each<&Bound::separate>(
          "distances", ASSAY_COLS,
          {{b.factor(1), ASSAY_IN}, {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN}, {D, ASSAY_ADD}});
      b.each<&Bound::mix>("mix", ASSAY_ROWS,
                          {{s.products, ASSAY_IN},
                           {s.offsets, ASSAY_IN},
                           {weights(b), ASSAY_IN},
                           {rows, ASSAY_IN},
                           {D, ASSAY_IN},
                           {f.out, ASSAY_OUT},
                           {f.total, ASSAY_ADD},
                           {f.counts, ASSAY_ADD}});
    } else {
      b.each<&Bound::choose>("choose", ASSAY_ROWS,
                             {{s.products, ASSAY_IN},
                              {s.offsets, ASSAY_IN},
                              {rows, ASSAY_IN},
                              {f.out, ASSAY_OUT},
                              {f.total, ASSAY_ADD},
                              {f.counts, ASSAY_ADD}});
    }
    return f;
  }

  void report(const Builder& b, assay_buf about, assay_buf total) const {
    const assay_buf value = b.small("objective", 1, 1), bound = b.small("bound", 1, 1),
                    correction = b.small("correction", 1, 1);
    b.each<&Bound::finish>("objective", ASSAY_ONE,
                           {{about, ASSAY_IN},
                            {total, ASSAY_IN},
                            {value, ASSAY_OUT},
                            {bound, ASSAY_OUT},
                            {correction, ASSAY_OUT}});
    b.report("objective", value);
    b.report("bound", bound);
    b.report("correction", correction);
  }

  void step(const Builder& b) const {
    const Found f = find(b);
    report(b, spread(b), f.total);
    if (weights_)
      b.each<&Bound::share>("weights", ASSAY_ONE, {{f.counts, ASSAY_IN}, {weights(b), ASSAY_OUT}});
    if (fixed_) return;
    const assay_buf S = b.local("sums", ASSAY_COLS, k_), moved = b.sum("moved", 1, 1),
                    still = b.small("converged", 1, 1);
    b.times(S, ASSAY_X, f.out, temperature_ > 0 ? 0 : ASSAY_WEIGHTED);
    b.each<&Bound::centre>(
        "centres", ASSAY_COLS,
        {{S, ASSAY_IN}, {f.counts, ASSAY_IN}, {b.factor(1), ASSAY_INOUT}, {moved, ASSAY_ADD}});
    b.each<&Bound::rest>("converged", ASSAY_ONE, {{moved, ASSAY_IN}, {still, ASSAY_OUT}});
    if (!weights_) b.report("converged", still);
  }

  void measure(const Builder& b) const { report(b, about_mean(b), find(b).total); }

  // ---- block functions ----

  // {row weights, count}
  void add(const Block& b) const {
    for (int64_t i = 0; i < b.count(); ++i) b.number(1) += b.matrix(0)(i, 0);
  }
  // {sums of columns, count, mean}
  void divide(const Block& b) const {
    for (int64_t j = 0; j < b.count(); ++j) b.matrix(2)(j, 0) = b.matrix(0)(j, 0) / b.number(1);
  }
  void keep(const Block& b) const { b.number(1) = b.number(0); }
  void start(const Block& b) const {
    for (double& pi : b.matrix(0).row(0)) pi = weights_ ? 1 / static_cast<double>(k_) : 1;
  }
  void ones(const Block& b) const {
    for (int64_t i = 0; i < b.count(); ++i) b.matrix(0)(i, 0) = 1;
  }

  // {H, mean, column weights, Y, offsets}
  void shift(const Block& b) const {
    const Matrix H = b.matrix(0), m = b.matrix(1), c = b.matrix(2), Y = b.matrix(3),
                 offsets = b.matrix(4);
    for (int64_t j = 0; j < H.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a) {
        const double y = H(j, a) - m(j, 0);
        Y(j, a) = c(j, 0) * y;
        offsets(0, a) += Y(j, a) * (m(j, 0) + 0.5 * y);
      }
  }
  // {H, column weights, D}
  void separate(const Block& b) const {
    const auto* c = static_cast<const double*>(b.view(1).data);
    auto* D = static_cast<double*>(b.view(2).data);
    assay_mixing_distances(&b.view(0), c, D, b.view(2).stride);
  }

  int64_t nearest(std::span<const double> products, std::span<const double> offsets) const {
    int64_t best = 0;
    for (int64_t a = 1; a < k_; ++a) {
      const auto at = static_cast<size_t>(a), before = static_cast<size_t>(best);
      if (products[at] - offsets[at] > products[before] - offsets[before]) best = a;
    }
    return best;
  }

  // w of one row, and t log sum_k pi_k exp(s_k / t).
  double soften(std::span<const double> products,
                std::span<const double> offsets,
                std::span<const double> pi,
                std::span<double> w) const {
    double most = -std::numeric_limits<double>::infinity(), sum = 0;
    for (size_t a = 0; a < w.size(); ++a) {
      w[a] = (products[a] - offsets[a]) / temperature_ + std::log(pi[a]);
      most = std::max(most, w[a]);
    }
    for (double& v : w) sum += v = std::exp(v - most);
    for (double& v : w) v /= sum;
    return temperature_ * (most + std::log(sum));
  }

  // {products, offsets, weights, W}
  void respond(const Block& b) const {
    const Matrix P = b.matrix(0), W = b.matrix(3);
    const auto offsets = b.matrix(1).row(0), pi = b.matrix(2).row(0);
    for (int64_t i = 0; i < P.rows(); ++i) {
      if (temperature_ > 0) {
        soften(P.row(i), offsets, pi, W.row(i));
      } else {
        std::ranges::fill(W.row(i), 0.0);
        W(i, nearest(P.row(i), offsets)) = 1;
      }
    }
  }

  // {products, offsets, weights, row weights, D, W, total, counts}
  void mix(const Block& b) const {
    const Matrix P = b.matrix(0), v = b.matrix(3), W = b.matrix(5);
    const auto offsets = b.matrix(1).row(0), pi = b.matrix(2).row(0), counts = b.matrix(7).row(0);
    const auto* D = static_cast<const double*>(b.view(4).data);
    double total = 0, bound = 0, spread = 0;
    for (int64_t i = 0; i < P.rows(); ++i) {
      const auto w = W.row(i), s = P.row(i);
      total -= v(i, 0) * soften(s, offsets, pi, w);
      double score = 0;
      for (size_t a = 0; a < w.size(); ++a) score += w[a] * (s[a] - offsets[a]);
      bound -= v(i, 0) * score;
      spread += v(i, 0) * assay_mixing_spread(k_, w.data(), D, b.view(4).stride);
      for (size_t a = 0; a < w.size(); ++a) counts[a] += w[a] *= v(i, 0);
    }
    add_terms(b.matrix(6), total, bound, spread);
  }

  // {products, offsets, row weights, labels, total, counts}
  void choose(const Block& b) const {
    const Matrix P = b.matrix(0), v = b.matrix(2), counts = b.matrix(5);
    const Block2d<int32_t> labels = b.labels(3);
    const auto offsets = b.matrix(1).row(0);
    double total = 0;
    for (int64_t i = 0; i < P.rows(); ++i) {
      const int64_t best = nearest(P.row(i), offsets);
      labels(i, 0) = static_cast<int32_t>(best);
      total -= v(i, 0) * (P(i, best) - offsets[static_cast<size_t>(best)]);
      counts(0, best) += v(i, 0);
    }
    add_terms(b.matrix(4), total, total, 0);
  }
  static void add_terms(const Matrix& sums, double total, double bound, double spread) {
    sums(0, 0) += total;
    sums(0, 1) += bound;
    sums(0, 2) += spread;
  }

  // {about the mean, terms, objective, bound, correction}
  void finish(const Block& b) const {
    const Matrix terms = b.matrix(1);
    b.number(2) = b.number(0) + terms(0, 0);
    b.number(3) = b.number(0) + terms(0, 1);
    b.number(4) = 0 - terms(0, 2);
  }

  // {counts, weights}: none is 0, so that its logarithm is finite.
  void share(const Block& b) const {
    const auto counts = b.matrix(0).row(0), pi = b.matrix(1).row(0);
    double all = 0;
    for (const double c : counts) all += c;
    for (size_t a = 0; a < pi.size(); ++a)
      pi[a] = std::max(counts[a] / all, std::numeric_limits<double>::min());
  }

  // {sums, counts, H, moved}
  void centre(const Block& b) const {
    const Matrix S = b.matrix(0), counts = b.matrix(1), H = b.matrix(2);
    double moved = 0;
    for (int64_t j = 0; j < H.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a) {
        if (!(counts(0, a) > 1e-200)) continue;
        const double to = S(j, a) / counts(0, a);
        moved += std::abs(to - H(j, a));
        H(j, a) = to;
      }
    b.number(3) += moved;
  }
  void rest(const Block& b) const { b.number(1) = b.number(0) == 0 ? 1 : 0; }

  int64_t k_;
  double temperature_ = 0;
  bool goes_on_, fixed_, weights_ = false;
};

constexpr assay_option options[] = {
    number_option("temperature",
                  "of the entropy that makes rows of W soft; 0: none, which is k-means",
                  0,
                  0,
                  1e300),
    bool_option("weights", "components have weights pi_k, their shares of the rows", false),
    kNoMoreOptions};
constexpr assay_solver vtable = solver_table<Bound>(ASSAY_NEEDS_SQUARED,
                                                    ASSAY_NEEDS_NO_PENALTY,
                                                    ASSAY_TAKES_SPARSE | ASSAY_TAKES_LINE_WEIGHTS,
                                                    nullptr,
                                                    ASSAY_SOLVER_MAKES_W | ASSAY_SOLVER_NO_RESIDUAL,
                                                    nullptr,
                                                    "kmeans_plus_plus");
constexpr assay_plugin plugin = describe(
    "assay.solver/1",
    "simplex_bound",
    "the upper bound of simplex factorization: k-means, or soft k-means at a temperature",
    "Buhmann and Pletscher 2010; Rose 1998",
    "F = 1/2 sum_nk w_nk |x_n - h_k|^2 + t sum_nk w_nk (log w_nk - log pi_k),\n"
    "   log pi_k = 0 without `weights`\n"
    "w_nk ~ pi_k exp(-|x_n - h_k|^2 / 2t)  (t = 0: the nearest),  h_k <- the mean of its rows\n"
    "|X - W H|^2 = sum_nk w_nk |x_n - h_k|^2 - sum_nk w_nk |h_k - w_n H|^2\n"
    "(the metrics `simplex_bound` and `simplex_correction`; `bound` and `correction` of the trace "
    "are\n"
    "half of each in every row)\n"
    "cost: 4ndk flops and one read of X a step (t = 0: 2ndk)\n"
    "guarantee: F never rises; t = 1 with `weights`: EM with identity covariances",
    options,
    &vtable,
    ASSAY_PLUGIN_DETERMINISTIC);

}  // namespace

ASSAY_MODULE("org.assay.simplex_bound", "1.0", plugin)
