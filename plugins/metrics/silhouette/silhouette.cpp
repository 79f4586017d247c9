// SPDX-License-Identifier: Apache-2.0
// Silhouette: of a row, (b - a) / max(a, b), a the mean distance to the other rows of its cluster
// and b the least mean distance to those of another; the mean over rows (0 for a row alone in its
// cluster). The mean is taken over all rows up to `sample` of them, else over so many that are
// drawn, with distances among these. A row's cluster is the component its W is largest in.
//   each ROWS   the `sample` least random keys       SMALLEST
//   gather      those rows of X                      sample x d
//   each ROWS   their clusters                       SUM
//   each ONE    distances
// Cost sample^2 d / 2. Distances are Euclidean.
#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>
#include <limits>
#include <vector>

namespace {

using namespace assay::author;

class Silhouette {
 public:
  Silhouette(Call call, const assay_problem& p)
      : rng_(call.service<assay_rng>("assay.rng/1")),
        stream_(p.stream),
        k_(p.k[0]),
        m_(std::min(p.n, Options(call.host, p.options).integer("sample"))),
        d_(p.d),
        all_(p.n <= m_) {
    if (p.flags & ASSAY_PROBLEM_UNEQUAL)
      throw Failure(ASSAY_E_COMBINATION,
                    "the metric `silhouette` takes no masks, no weights and no unobserved entries")
          .help("leave it out");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf least = b.smallest("drawn", m_), rows = b.small("rows", m_, d_),
                    clusters = b.sum("clusters", m_, 1), value = b.small("silhouette", 1, 1);
    b.each<&Silhouette::draw>("draw", ASSAY_ROWS, {{least, ASSAY_ADD}});
    b.gather(rows, least);
    b.each<&Silhouette::find>("clusters", ASSAY_ROWS,
                              {{b.factor(0), ASSAY_IN}, {least, ASSAY_IN}, {clusters, ASSAY_ADD}});
    b.each<&Silhouette::finish>("silhouette", ASSAY_ONE,
                                {{rows, ASSAY_IN}, {clusters, ASSAY_IN}, {value, ASSAY_OUT}});
    b.report("value", value);
  }

 private:
  // {drawn}
  void draw(const Block& b) const {
    const auto keys = b.call().scratch<double>(b.count());
    if (!all_) rng_->uniform(stream_, static_cast<uint64_t>(b.first()), b.count(), keys.data());
    for (int64_t i = 0; i < b.count(); ++i)
      assay_smallest_add(&b.view(0), all_ ? 0 : keys[static_cast<size_t>(i)], b.index(i));
  }

  // {W, drawn, clusters}
  void find(const Block& b) const {
    const Matrix W = b.matrix(0), drawn = b.matrix(1), clusters = b.matrix(2);
    for (int64_t s = 0; s < m_; ++s) {
      const int64_t i = static_cast<int64_t>(drawn(s, 1)) - b.first();
      if (i < 0 || i >= b.count()) continue;
      const auto w = W.row(i);
      clusters(s, 0) += static_cast<double>(std::ranges::max_element(w) - w.begin());
    }
  }

  // {rows, clusters, value}
  void finish(const Block& b) const {
    const Matrix X = b.matrix(0), clusters = b.matrix(1);
    const auto m = static_cast<size_t>(m_), k = static_cast<size_t>(k_);
    std::vector<double> size(k), sums(m * k);
    for (size_t s = 0; s < m; ++s) size[cluster(clusters, s)] += 1;
    for (size_t s = 0; s < m; ++s)
      for (size_t r = 0; r < s; ++r) {
        const double apart =
            distance(X.row(static_cast<int64_t>(s)), X.row(static_cast<int64_t>(r)));
        sums[s * k + cluster(clusters, r)] += apart;
        sums[r * k + cluster(clusters, s)] += apart;
      }
    double total = 0;
    for (size_t s = 0; s < m; ++s) {
      const size_t own = cluster(clusters, s);
      double nearest = std::numeric_limits<double>::infinity();
      for (size_t c = 0; c < k; ++c)
        if (c != own && size[c] > 0) nearest = std::min(nearest, sums[s * k + c] / size[c]);
      if (!std::isfinite(nearest))
        throw Failure(ASSAY_E_NUMERIC, "all rows are in one cluster: no silhouette");
      if (size[own] < 2) continue;
      const double inside = sums[s * k + own] / (size[own] - 1), most = std::max(inside, nearest);
      if (most > 0) total += (nearest - inside) / most;
    }
    b.number(2) = total / static_cast<double>(m);
  }

  static size_t cluster(const Matrix& clusters, size_t s) {
    return static_cast<size_t>(clusters(static_cast<int64_t>(s), 0));
  }
  static double distance(std::span<const double> x, std::span<const double> y) {
    double sum = 0;
    for (size_t j = 0; j < x.size(); ++j) sum += (x[j] - y[j]) * (x[j] - y[j]);
    return std::sqrt(sum);
  }

  const assay_rng* rng_;
  uint64_t stream_;
  int64_t k_, m_, d_;
  bool all_;
};

constexpr assay_option options[] = {
    integer_option("sample",
                   "rows it looks at: all up to here, else so many drawn",
                   1000,
                   2,
                   100000),
    kNoMoreOptions};
constexpr assay_metric vtable = metric_table<Silhouette>(0);
constexpr assay_plugin plugin = describe(
    "assay.metric/1",
    "silhouette",
    "how much nearer rows are to their own cluster than to the next, -1 to 1",
    "Rousseeuw 1987",
    "mean of (b - a) / max(a, b), a, b: mean distance to the other rows of the own and of\n"
    "the nearest other cluster; over at most `sample` rows, drawn where there are more\n"
    "cost: sample^2 d / 2, on one thread",
    options,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.silhouette", "1.0", plugin)
