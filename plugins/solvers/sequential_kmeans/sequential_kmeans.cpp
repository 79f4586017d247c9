// SPDX-License-Identifier: Apache-2.0
// Sequential k-means, the Robbins-Monro form: one row of X after another moves its nearest centroid
//   h_c += eta (x_i - h_c),  c = argmin_a |x_i - h_a|
//   step mean: eta = w_i / N_c, N_c the weight of the rows the centroid has had: h_c is their
//     running mean
//   step constant: eta as given;  step power: eta / N_c^power
// A step of the run is one epoch: each row once, in order or in an order drawn anew. It is serial
// by nature: 3ndk on one thread, behind a sweep that measures the objective. The fit ends when no
// label changes from epoch to epoch. The objective may rise. MacQueen 1967; Bottou and Bengio 1995.
#include <assay/author/clusters.hpp>
#include <assay/plugin.hpp>
#include <string>

namespace {

using namespace assay::author;

constexpr int64_t kRows = 256;  // of X that are gathered at a time
constexpr const char* kSteps[] = {"mean", "constant", "power", nullptr};

class Sequential : public Clusters<Sequential> {
 public:
  Sequential(Call call, const assay_problem& p)
      : Clusters(call, p),
        rng_(call.service<assay_rng>("assay.rng/1")),
        stream_(p.stream),
        run_(std::min(kRows, p.n)) {
    const Options options(call.host, p.options);
    rule_ = options.text("step").value();
    eta_ = options.number("eta");
    power_ = options.number("power");
    shuffle_ = options.flag("shuffle");
    for (bits_ = 1; (int64_t{1} << (2 * bits_)) < n_;) ++bits_;
  }

  void build(const Builder& b, int32_t purpose) const {
    const assay_buf r = reference(b, ASSAY_STATE);
    if (purpose == ASSAY_PREPARE) begin(b, r);
    if (purpose == ASSAY_STEP) step(b, r);
    if (purpose == ASSAY_FINISH) finish_one(b, r);
    if (purpose == ASSAY_MEASURE) measure(b, r);
    if (purpose == ASSAY_APPLY) apply(b, r);
  }

 private:
  void step(const Builder& b, assay_buf reference) const {
    const assay_buf H = b.factor(1);
    report_one(b, assign_rows(b, reference, {1, H, labels_of_result(b)}));
    if (known_) return;
    const assay_buf counts = b.buffer("counts", ASSAY_ONE, ASSAY_STATE, 1, k_, true),
                    centres = b.small("centres", k_, d_), which = b.small("which", run_, 1),
                    rows = b.small("rows", run_, d_);
    b.each<&Sequential::copy_in>("copy_in", ASSAY_ONE, {{H, ASSAY_IN}, {centres, ASSAY_OUT}});
    b.loop((n_ + run_ - 1) / run_, ASSAY_NO);
    b.each<&Sequential::next>("next", ASSAY_ONE, {{which, ASSAY_OUT}});
    b.gather(rows, which);
    b.each<&Sequential::walk>("walk", ASSAY_ONE,
                              {{which, ASSAY_IN},
                               {rows, ASSAY_IN},
                               {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                               {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                               {centres, ASSAY_INOUT},
                               {counts, ASSAY_INOUT}});
    b.end();
    b.each<&Sequential::copy_out>("copy_out", ASSAY_COLS, {{centres, ASSAY_IN}, {H, ASSAY_OUT}});
  }

  void copy_in(const Block& b) const {
    const Matrix H = b.matrix(0), centres = b.matrix(1);
    for (int64_t a = 0; a < k_; ++a)
      for (int64_t j = 0; j < d_; ++j) centres(a, j) = H(j, a);
  }
  void copy_out(const Block& b) const {
    const Matrix centres = b.matrix(0), H = b.matrix(1);
    for (int64_t j = 0; j < H.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a) H(j, a) = centres(a, b.first() + j);
  }

  // The rows of this turn: places turn * run_ .. of the epoch's order; -1 behind the last.
  void next(const Block& b) const {
    const Matrix which = b.matrix(0);
    const uint64_t key = rng_->split(stream_, static_cast<uint64_t>(b.step()));
    for (int64_t s = 0; s < run_; ++s) {
      const int64_t place = b.turn() * run_ + s;
      which(s, 0) = static_cast<double>(place >= n_ ? -1 : shuffle_ ? shuffled(place, key) : place);
    }
  }
  // A permutation of 0 .. n - 1: four rounds of a Feistel network over the next power of 4, walked
  // until it falls below n.
  int64_t shuffled(int64_t place, uint64_t key) const {
    const uint64_t mask = (uint64_t{1} << bits_) - 1;
    auto at = static_cast<uint64_t>(place);
    do {
      uint64_t left = at >> bits_, right = at & mask;
      for (uint64_t round = 0; round < 4; ++round) {
        const uint64_t mixed = left ^ (rng_->split(key, (round << 40) | right) >> 20 & mask);
        left = right;
        right = mixed;
      }
      at = left << bits_ | right;
    } while (at >= static_cast<uint64_t>(n_));
    return static_cast<int64_t>(at);
  }

  // {which, rows, row weights, column weights, centres, counts}
  void walk(const Block& b) const {
    const Matrix which = b.matrix(0), rows = b.matrix(1), weights = b.matrix(2),
                 columns = b.matrix(3), centres = b.matrix(4), counts = b.matrix(5);
    const auto v = b.call().scratch<double>(d_);
    for (int64_t j = 0; j < d_; ++j) v[static_cast<size_t>(j)] = columns(j, 0);
    for (int64_t s = 0; s < run_; ++s) {
      const auto i = static_cast<int64_t>(which(s, 0));
      if (i < 0 || !(weights(i, 0) > 0)) continue;
      int64_t best = 0;
      double least = apart(d_, &rows(s, 0), &centres(0, 0), v.data());
      for (int64_t a = 1; a < k_; ++a) {
        const double distance = apart(d_, &rows(s, 0), &centres(a, 0), v.data());
        if (distance >= least) continue;
        least = distance;
        best = a;
      }
      counts(0, best) += weights(i, 0);
      const double eta = rule_ == "mean"       ? weights(i, 0) / counts(0, best)
                         : rule_ == "constant" ? eta_
                                               : eta_ / std::pow(counts(0, best), power_);
      for (int64_t j = 0; j < d_; ++j) centres(best, j) += eta * (rows(s, j) - centres(best, j));
    }
  }
  ASSAY_SIMD static double apart(int64_t d,
                                 const double* __restrict__ x,
                                 const double* __restrict__ c,
                                 const double* __restrict__ v) {
    double sum[8] = {};
    int64_t j = 0;
    for (; j + 8 <= d; j += 8)
      for (int l = 0; l < 8; ++l) {
        const double from = x[j + l] - c[j + l];
        sum[l] += v[j + l] * from * from;
      }
    for (; j < d; ++j) sum[0] += v[j] * (x[j] - c[j]) * (x[j] - c[j]);
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
  }

  const assay_rng* rng_;
  uint64_t stream_;
  int64_t run_;
  std::string rule_;
  double eta_ = 0, power_ = 0;
  bool shuffle_ = false;
  uint64_t bits_ = 1;  // half of those of a place
};

constexpr assay_option options[] = {
    enum_option("step", "how far a row moves its centroid", "mean", kSteps),
    number_option("eta", "the step of `constant`, the first of `power`; at most 1", 0.05, 0, 1),
    number_option("power", "of `power`: eta / N^power, from 0.5 to 1", 0.75, 0.5, 1),
    bool_option("shuffle", "rows in an order drawn anew every epoch", false), kNoMoreOptions};
constexpr assay_solver vtable =
    solver_table<Sequential>(ASSAY_NEEDS_SQUARED,
                             ASSAY_NEEDS_NO_PENALTY,
                             ASSAY_TAKES_SPARSE | ASSAY_TAKES_LINE_WEIGHTS,
                             "one_hot:W",
                             ASSAY_SOLVER_MAKES_W | ASSAY_SOLVER_NO_RESIDUAL,
                             nullptr,
                             "kmeans_plus_plus");
constexpr assay_plugin plugin = describe(
    "assay.solver/1",
    "sequential_kmeans",
    "k-means row by row: each moves its nearest centroid a step towards itself",
    "Robbins and Monro 1951; MacQueen 1967",
    "h_c += eta (x_i - h_c), c = argmin_a |x_i - h_a|;  eta = 1 / N_c, given, or eta / N_c^p\n"
    "residual: |N H - W'X|_F / (|N H|_F + |W'X|_F), N the clusters' weights\n"
    "cost: 5ndk per epoch, of which 3ndk on one thread; two reads of X\n"
    "guarantee: none of descent; ends when no label changes between epochs",
    options,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.sequential_kmeans", "1.0", plugin)
