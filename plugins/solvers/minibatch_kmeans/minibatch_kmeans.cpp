// SPDX-License-Identifier: Apache-2.0
// Minibatch k-means: an epoch of batches of rows in an order drawn anew. For each batch
//   c_i = argmin_a |x_i - h_a|;  N_a += weight of the batch's rows of a;  h_a += (their mean - h_a)
//   * (their weight) / N_a
// so that h_a is the mean of all rows it ever had, each at the centroids of its time. An epoch
// begins with a sweep that measures the objective and gives clusters without rows the rows farthest
// from their centroids, as lloyd does: two reads of X, 4ndk. The fit ends when no label changes
// from epoch to epoch. The objective may rise. Sculley 2010.
#include <assay/author/clusters.hpp>
#include <assay/plugin.hpp>

namespace {

using namespace assay::author;

class Minibatch : public Clusters<Minibatch> {
 public:
  Minibatch(Call call, const assay_problem& p)
      : Clusters(call, p), stream_(call.service<assay_rng>("assay.rng/1")->split(p.stream, 1)) {
    const Options options(call.host, p.options);
    batch_ = std::min(options.integer("batch"), p.n);
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
    const Starts s{1, H, labels_of_result(b)};
    const Rows r = assign_rows(b, reference, s);
    report_one(b, r);
    if (known_) return;
    const Moves m = moves(b, s, r, 0);
    b.each<&Minibatch::place>("place", ASSAY_COLS,
                              {{m.rows, ASSAY_IN}, {m.taken, ASSAY_IN}, {H, ASSAY_INOUT}});
    const assay_buf counts = b.buffer("counts", ASSAY_ONE, ASSAY_STATE, 1, k_, true),
                    labels = b.labels("batch_labels", ASSAY_LOCAL, 1),
                    sizes = b.sum("batch_sizes", 1, k_),
                    sums = b.local("batch_sums", ASSAY_COLS, k_);
    b.batches(batch_, ASSAY_SHUFFLED_ROWS, stream_);
    const Products p = products(b, reference, H, k_, "batch");
    b.each<&Minibatch::assign_batch>("assign_batch", ASSAY_ROWS,
                                     {{p.products, ASSAY_IN},
                                      {p.facts, ASSAY_IN},
                                      {p.lines, ASSAY_IN},
                                      {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                      {labels, ASSAY_OUT},
                                      {sizes, ASSAY_ADD}},
                                     0, ASSAY_EACH_X);
    b.times(sums, ASSAY_X, labels, ASSAY_WEIGHTED);
    b.each<&Minibatch::count>("count", ASSAY_ONE, {{sizes, ASSAY_IN}, {counts, ASSAY_INOUT}});
    b.each<&Minibatch::move>(
        "move", ASSAY_COLS,
        {{sums, ASSAY_IN}, {sizes, ASSAY_IN}, {counts, ASSAY_IN}, {H, ASSAY_INOUT}});
    b.end();
  }

  // {rows, taken, H}
  void place(const Block& b) const {
    const Matrix rows = b.matrix(0), taken = b.matrix(1), H = b.matrix(2);
    for (int64_t s = 0; s < taken.rows(); ++s)
      for (int64_t j = 0; taken(s, 0) >= 0 && j < H.rows(); ++j)
        H(j, static_cast<int64_t>(taken(s, 0))) = rows(s, b.first() + j);
  }
  // {products, facts, lines, row weights, labels, sizes}
  void assign_batch(const Block& b) const {
    const Matrix weights = b.matrix(3), sizes = b.matrix(5);
    const auto labels = b.labels(4);
    NearestRows nearest = nearest_rows(b, 1, 2);
    nearest.run(b.matrix(0), 0, k_);
    for (int64_t i = 0; i < b.count(); ++i) {
      labels(i, 0) = static_cast<int32_t>(nearest.line(i));
      sizes(0, nearest.line(i)) += weights(i, 0);
    }
  }
  void count(const Block& b) const {
    for (int64_t a = 0; a < k_; ++a) b.matrix(1)(0, a) += b.matrix(0)(0, a);
  }
  // {sums, sizes, counts, H}
  void move(const Block& b) const {
    const Matrix sums = b.matrix(0), sizes = b.matrix(1), counts = b.matrix(2), H = b.matrix(3);
    for (int64_t j = 0; j < H.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a)
        if (sizes(0, a) > 0) H(j, a) += (sums(j, a) - sizes(0, a) * H(j, a)) / counts(0, a);
  }

  uint64_t stream_;
  int64_t batch_ = 0;
};

constexpr assay_option options[] = {integer_option("batch", "rows of a batch", 1024, 1, 1 << 24),
                                    kNoMoreOptions};
constexpr assay_solver vtable =
    solver_table<Minibatch>(ASSAY_NEEDS_SQUARED,
                            ASSAY_NEEDS_NO_PENALTY,
                            ASSAY_TAKES_SPARSE | ASSAY_TAKES_LINE_WEIGHTS,
                            "one_hot:W",
                            ASSAY_SOLVER_MAKES_W | ASSAY_SOLVER_NO_RESIDUAL,
                            nullptr,
                            "kmeans_plus_plus");
constexpr assay_plugin plugin = describe(
    "assay.solver/1",
    "minibatch_kmeans",
    "k-means by batches of rows: centroids are means of all rows they ever had",
    "Sculley 2010",
    "c_i = argmin_a |x_i - h_a|;  N_a += n_a;  h_a += (n_a / N_a) (mean of the batch's - h_a)\n"
    "residual: |N H - W'X|_F / (|N H|_F + |W'X|_F), N the clusters' weights\n"
    "cost: 4ndk per epoch, two reads of X\n"
    "guarantee: none of descent; ends when no label changes between epochs",
    options,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.minibatch_kmeans", "1.0", plugin)
