// SPDX-License-Identifier: Apache-2.0
// Cophenetic correlation of the consensus matrix C (Brunet et al. 2004): the correlation, over all
// pairs of objects, of the distances 1 - C_ij and the heights at which average linkage on these
// distances first joins i and j. 1 when all fits agree. The tree is built by chains of nearest
// neighbours (Murtagh 1983), n^2 steps, exact for average linkage.
#include <limits>
#include <numeric>

#include "consensus.hpp"

namespace {

using consensus::Matrix;

struct Merge {
  int64_t left, right;  // clusters by one of their objects
  double height;
};

// Average linkage; `distance` is used up.
std::vector<Merge> linkage(Matrix& distance) {
  const int64_t n = distance.size;
  std::vector<double> count(static_cast<size_t>(n), 1.0);
  std::vector<char> alive(static_cast<size_t>(n), 1);
  std::vector<int64_t> chain;
  std::vector<Merge> merges;
  while (static_cast<int64_t>(merges.size()) + 1 < n) {
    if (chain.empty())
      chain.push_back(std::find(alive.begin(), alive.end(), char{1}) - alive.begin());
    const int64_t tip = chain.back();
    const int64_t before = chain.size() > 1 ? chain[chain.size() - 2] : -1;
    int64_t nearest = before;  // of equal neighbours the one we came from: the chain ends
    double least = before < 0 ? std::numeric_limits<double>::infinity() : distance(tip, before);
    for (int64_t j = 0; j < n; ++j) {
      if (j == tip || !alive[static_cast<size_t>(j)] || distance(tip, j) >= least) continue;
      least = distance(tip, j);
      nearest = j;
    }
    if (nearest != before) {
      chain.push_back(nearest);
      continue;
    }
    chain.resize(chain.size() - 2);
    const int64_t keep = std::min(tip, nearest), gone = std::max(tip, nearest);
    merges.push_back({keep, gone, least});
    double& a = count[static_cast<size_t>(keep)];
    const double b = count[static_cast<size_t>(gone)];
    alive[static_cast<size_t>(gone)] = 0;
    for (int64_t j = 0; j < n; ++j) {
      if (j == keep || !alive[static_cast<size_t>(j)]) continue;
      distance(keep, j) = distance(j, keep) =
          (a * distance(keep, j) + b * distance(gone, j)) / (a + b);
    }
    a += b;
  }
  std::stable_sort(merges.begin(), merges.end(),
                   [](const Merge& x, const Merge& y) { return x.height < y.height; });
  return merges;
}

// The objects in the order of the tree's leaves; calls joined(i, j, height) once for every pair.
template <class Joined>
std::vector<double> leaves(const std::vector<Merge>& merges, int64_t n, Joined&& joined) {
  std::vector<std::vector<int64_t>> members(static_cast<size_t>(n));
  std::vector<int64_t> owner(static_cast<size_t>(n));
  std::iota(owner.begin(), owner.end(), int64_t{0});
  for (int64_t i = 0; i < n; ++i) members[static_cast<size_t>(i)] = {i};
  for (const Merge& m : merges) {
    const int64_t left = owner[static_cast<size_t>(m.left)],
                  right = owner[static_cast<size_t>(m.right)];
    auto& to = members[static_cast<size_t>(left)];
    auto& from = members[static_cast<size_t>(right)];
    for (const int64_t i : to)
      for (const int64_t j : from) joined(i, j, m.height);
    for (const int64_t j : from) owner[static_cast<size_t>(j)] = left;
    to.insert(to.end(), from.begin(), from.end());
    from.clear();
  }
  const auto& all = members[static_cast<size_t>(owner[0])];
  return {all.begin(), all.end()};
}

// Pearson's correlation of pairs, from sums.
class Correlation {
 public:
  void add(double x, double y) {
    n_ += 1;
    const double dx = x - mean_x_, dy = y - mean_y_;
    mean_x_ += dx / n_;
    mean_y_ += dy / n_;
    xx_ += dx * (x - mean_x_);
    yy_ += dy * (y - mean_y_);
    xy_ += dx * (y - mean_y_);
  }
  // 1 where nothing varies: all distances are equal, and so are all heights.
  double value() const { return xx_ > 0 && yy_ > 0 ? xy_ / std::sqrt(xx_) / std::sqrt(yy_) : 1; }

 private:
  double n_ = 0, mean_x_ = 0, mean_y_ = 0, xx_ = 0, yy_ = 0, xy_ = 0;
};

void keep_array(const assay_keep& keep,
                const char* name,
                const std::vector<double>& values,
                int64_t rows,
                int64_t cols) {
  assay_dense view{};
  view.data = const_cast<double*>(values.data());
  view.dtype = ASSAY_F64;
  view.flags = ASSAY_READ_ONLY | ASSAY_CONTIGUOUS;
  view.rows = rows;
  view.cols = cols;
  view.row_stride = cols;
  view.col_stride = 1;
  assay::author::Call::check(keep.array(keep.self, name, &view));
}

int32_t trials(const assay_host* host,
               assay_ctx* ctx,
               const assay_trials* given,
               double* value,
               const assay_keep* keep) {
  return assay::author::catching(host, ctx, [&] {
    const Matrix c = consensus::of(*given);
    Matrix distance = c;
    for (double& v : distance.values) v = 1 - v;
    Correlation correlation;
    const std::vector<double> order =
        leaves(linkage(distance), c.size,
               [&](int64_t i, int64_t j, double height) { correlation.add(1 - c(i, j), height); });
    *value = correlation.value();
    keep_array(*keep, "consensus", c.values, c.size, c.size);
    keep_array(*keep, "order", order, c.size, 1);
  });
}

constexpr assay_metric vtable = {sizeof(assay_metric),
                                 ASSAY_METRIC_PER_FACTOR | ASSAY_METRIC_OF_TRIALS,
                                 nullptr,
                                 nullptr,
                                 nullptr,
                                 trials};
constexpr assay_plugin plugin = assay::author::describe(
    "assay.metric/1",
    "cophenetic",
    "cophenetic correlation of the consensus matrix of repeated fits",
    "Brunet, Tamayo, Golub and Mesirov 2004",
    "corr over i < j of 1 - C_ij and the height at which average linkage joins i and j,\n"
    "C_ij = share of the fits that put objects i and j into the same component (the argmax of\n"
    "W_ia |H_a|_1). The run keeps C and the order of the leaves",
    nullptr,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.cophenetic", "1.0", plugin)
