// SPDX-License-Identifier: Apache-2.0
// k-medians: minimise sum |x_ij - h_cj| over one-hot rows of W (the l1 loss), by turns
//   labels:     c_i = argmin_a sum_j v_j |x_ij - h_aj|, ties to the lower index
//   centroids:  h_aj = the median of column j over the rows of a, by their weights (between the two
//               middle ones their mean)
// Two reads of X a step, by rows and by columns; new rows get the nearest centroid. A cluster
// without rows takes the row farthest from its centroid, as in lloyd. The fit ends when no label
// changes; no step raises the objective. Cost 3ndk + nd log(n / k). Bradley, Mangasarian and Street
// 1997.
#include <algorithm>
#include <assay/author/clusters.hpp>
#include <assay/plugin.hpp>
#include <cmath>
#include <utility>

namespace {

using namespace assay::author;

class Medians : public Clusters<Medians> {
 public:
  Medians(Call call, const assay_problem& p)
      : Clusters(call, p), unequal_(p.flags & ASSAY_PROBLEM_UNEQUAL) {
    if (p.loss->tag != ASSAY_TAG_L1)
      throw Failure(ASSAY_E_COMBINATION, "solver `k_medians` minimises the l1 loss")
          .help("set `model.loss: l1`, or use solver `lloyd` for squared distances");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose == ASSAY_STEP) step(b);
    if (purpose == ASSAY_FINISH) finish(b);
    if (purpose == ASSAY_MEASURE) measure(b);
    if (purpose == ASSAY_APPLY)
      b.each<&Medians::make_w>("one_hot", ASSAY_ROWS,
                               {{b.factor(1), ASSAY_IN},
                                {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                                {b.factor(0), ASSAY_OUT}},
                               0, ASSAY_EACH_X);
  }

 private:
  Rows label_rows(const Builder& b, assay_buf labels) const {
    const Rows r{b.sum("clusters_sizes", 2, k_), b.sum("clusters_totals", 2, 1),
                 b.local("clusters_near", ASSAY_ROWS, 1)};
    b.each<&Medians::assign_l1>("assign", ASSAY_ROWS,
                                {{b.factor(1), ASSAY_IN},
                                 {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                                 {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                 {labels, ASSAY_INOUT},
                                 {r.sizes, ASSAY_ADD},
                                 {r.totals, ASSAY_ADD},
                                 {r.near, ASSAY_OUT}},
                                0, ASSAY_EACH_X);
    return r;
  }
  void step(const Builder& b) const {
    const assay_buf H = b.factor(1), labels = labels_of_result(b);
    const Rows r = label_rows(b, labels);
    report_one(b, r);
    if (known_) return;
    const Moves m = moves(b, {1, H, labels}, r, 0);
    b.each<&Medians::medians>("medians", ASSAY_COLS,
                              {{labels, ASSAY_IN},
                               {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                               {m.far, ASSAY_IN},
                               {m.taken, ASSAY_IN},
                               {m.rows, ASSAY_IN},
                               {H, ASSAY_INOUT}},
                              0, ASSAY_EACH_X);
  }
  void finish(const Builder& b) const { report_empty(b, label_rows(b, labels_of_result(b))); }
  void measure(const Builder& b) const {
    const assay_buf labels = b.labels("clusters_labels", ASSAY_LOCAL, 1),
                    objective = b.small("clusters_objective", 1, 1);
    b.each<&Medians::no_labels>("no_labels", ASSAY_ROWS, {{labels, ASSAY_OUT}});
    const Rows r = label_rows(b, labels);
    b.each<&Medians::total>("total", ASSAY_ONE, {{r.totals, ASSAY_IN}, {objective, ASSAY_OUT}});
    b.report("objective", objective);
  }

  // ---- block functions ----

  void total(const Block& b) const { b.number(1) = b.matrix(0)(0, 0); }

  // Calls found(row, nearest, distance) for each row of the block.
  template <class Found>
  void for_rows(const Block& b, const Matrix& H, const Matrix& v, const Found& found) const {
    const auto all = b.call().scratch<double>(k_), sum = b.call().scratch<double>(k_);
    std::fill(all.begin(), all.end(), 0.0);
    for (int64_t j = 0; j < H.rows(); ++j) add(k_, v(j, 0), 0, &H(j, 0), all.data());
    for (int64_t i = 0; i < b.count(); ++i) {
      assay_line line{};
      Call::check(tile_->line(b.call().ctx, i, &line));
      for (size_t a = 0; a < sum.size(); ++a) sum[a] = line.zeros ? all[a] : 0;
      for (int64_t e = 0; e < line.n; ++e) {
        const int64_t j = line.idx ? line.idx[e] : e;
        add(k_, v(j, 0), line.x[e], &H(j, 0), sum.data());
        if (line.zeros) add(k_, -v(j, 0), 0, &H(j, 0), sum.data());
      }
      const auto least = std::min_element(sum.begin(), sum.end());
      found(i, least - sum.begin(), std::max(*least, 0.0));
    }
  }
  ASSAY_SIMD static void add(int64_t k,
                             double v,
                             double x,
                             const double* __restrict__ h,
                             double* __restrict__ sum) {
    for (int64_t a = 0; a < k; ++a) sum[a] += v * std::fabs(x - h[a]);
  }

  // {H, column weights, row weights, labels, sizes, totals, near}
  void assign_l1(const Block& b) const {
    const Matrix weights = b.matrix(2), sizes = b.matrix(4), totals = b.matrix(5),
                 near = b.matrix(6);
    const auto labels = b.labels(3);
    for_rows(b, b.matrix(0), b.matrix(1), [&](int64_t i, int64_t a, double distance) {
      near(i, 0) = distance;
      totals(0, 0) += weights(i, 0) * distance;
      totals(1, 0) += labels(i, 0) != a ? 1 : 0;
      labels(i, 0) = static_cast<int32_t>(a);
      sizes(0, a) += weights(i, 0);
      sizes(1, a) += weights(i, 0) > 0 ? 1 : 0;
    });
  }
  // {H, column weights, W}
  void make_w(const Block& b) const {
    const Matrix W = b.matrix(2);
    for_rows(b, b.matrix(0), b.matrix(1), [&](int64_t i, int64_t a, double) {
      for (int64_t c = 0; c < k_; ++c) W(i, c) = c == a ? 1 : 0;
    });
  }

  // {labels, row weights, far, taken, rows, H}: values and weights of a column, cluster by cluster.
  void medians(const Block& b) const {
    const auto labels = b.labels(0);
    const Matrix weights = b.matrix(1), far = b.matrix(2), taken = b.matrix(3), rows = b.matrix(4),
                 H = b.matrix(5);
    const int64_t n = labels.rows();
    const auto cluster = b.call().scratch<int32_t>(n);
    const auto first = b.call().scratch<int64_t>(k_ + 1);
    const auto fill = b.call().scratch<int64_t>(k_);
    using Entry = std::pair<double, double>;
    const auto entries = b.call().scratch<Entry>(n);
    const auto values = b.call().scratch<double>(n);
    for (int64_t i = 0; i < n; ++i)
      cluster[static_cast<size_t>(i)] = weights(i, 0) > 0 ? labels(i, 0) : -1;
    for (int64_t s = 0; s < taken.rows(); ++s)
      if (taken(s, 0) >= 0) cluster[static_cast<size_t>(far(s, 1))] = -1;
    std::fill(first.begin(), first.end(), 0);
    for (const int32_t c : cluster)
      if (c >= 0) ++first[static_cast<size_t>(c) + 1];
    for (size_t a = 0; a < static_cast<size_t>(k_); ++a) first[a + 1] += first[a];
    for (int64_t j = 0; j < H.rows(); ++j) {
      assay_line line{};
      Call::check(tile_->line(b.call().ctx, j, &line));
      std::fill(values.begin(), values.end(), 0.0);
      for (int64_t e = 0; e < line.n; ++e)
        values[static_cast<size_t>(line.idx ? line.idx[e] : e)] = line.x[e];
      std::copy_n(first.begin(), k_, fill.begin());
      for (size_t i = 0; i < cluster.size(); ++i)
        if (cluster[i] >= 0)
          entries[static_cast<size_t>(fill[static_cast<size_t>(cluster[i])]++)] = {
              values[i], weights(static_cast<int64_t>(i), 0)};
      for (int64_t a = 0; a < k_; ++a) {
        Entry* const begin = entries.data() + first[static_cast<size_t>(a)];
        Entry* const end = entries.data() + first[static_cast<size_t>(a) + 1];
        if (begin < end) H(j, a) = unequal_ ? weighted(begin, end) : middle(begin, end);
      }
      for (int64_t s = 0; s < taken.rows(); ++s)
        if (taken(s, 0) >= 0) H(j, static_cast<int64_t>(taken(s, 0))) = rows(s, b.first() + j);
    }
  }
  template <class Entry>
  static double middle(Entry* begin, Entry* end) {
    Entry* const half = begin + (end - begin) / 2;
    std::nth_element(begin, half, end);
    if ((end - begin) % 2 == 1) return half->first;
    return (half->first + std::max_element(begin, half)->first) / 2;
  }
  template <class Entry>
  static double weighted(Entry* begin, Entry* end) {
    std::sort(begin, end);
    double all = 0, below = 0;
    for (const Entry* e = begin; e < end; ++e) all += e->second;
    for (const Entry* e = begin; e < end; ++e) {
      below += e->second;
      if (below == all / 2 && e + 1 < end) return (e->first + e[1].first) / 2;
      if (below >= all / 2) return e->first;
    }
    return end[-1].first;
  }

  bool unequal_;
};

constexpr assay_solver vtable =
    solver_table<Medians>(0,
                          ASSAY_NEEDS_NO_PENALTY,
                          ASSAY_TAKES_SPARSE | ASSAY_TAKES_LINE_WEIGHTS,
                          "one_hot:W",
                          ASSAY_SOLVER_MAKES_W | ASSAY_SOLVER_NO_RESIDUAL,
                          nullptr,
                          "kmeans_plus_plus");
constexpr assay_plugin plugin =
    describe("assay.solver/1",
             "k_medians",
             "k-medians: clusters by sums of absolute differences",
             "Bradley, Mangasarian and Street 1997",
             "c_i = argmin_a |x_i - h_a|_1;  h_aj = median of column j over the rows of a\n"
             "needs `loss: l1`\n"
             "cost: 3ndk + nd log(n / k) per step, two reads of X\n"
             "guarantee: no step raises the objective; ends when no label changes",
             nullptr,
             &vtable,
             ASSAY_PLUGIN_DETERMINISTIC);

}  // namespace

ASSAY_MODULE("org.assay.k_medians", "1.0", plugin)
