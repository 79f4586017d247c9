// SPDX-License-Identifier: Apache-2.0
// Within-cluster sum of squares: the plain sum of squared errors of the model, by the weights.
// Sums over stored entries, x^2 - 2xm and all m^2 apart, lose digits where X lies far from 0. So
// rows of sparse X of which a good part is stored are summed whole, by differences: nd k more.
#include <algorithm>
#include <assay/plugin.hpp>

namespace {

using namespace assay::author;

class Inertia {
 public:
  Inertia(Call call, const assay_problem& p)
      : tile_(call.service<assay_tile>("assay.tile/1")),
        whole_(p.sparse && !(p.flags & ASSAY_PROBLEM_UNEQUAL) && p.nnz > p.n * p.d / kStoredPart &&
               p.loss->tag != ASSAY_TAG_LOGISTIC && p.loss->tag != ASSAY_TAG_POISSON_LOG) {}

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf half = b.sum("half_squares", 1, 1), inertia = b.small("inertia", 1, 1);
    if (whole_)
      b.each<&Inertia::add>(
          "differences", ASSAY_ROWS,
          {{b.factor(ASSAY_LEFT), ASSAY_IN}, {b.factor(1), ASSAY_IN}, {half, ASSAY_ADD}}, 0,
          ASSAY_EACH_X);
    else
      b.terms(ASSAY_VALUE, ASSAY_ROWS, ASSAY_NO, ASSAY_NO, half, ASSAY_TERMS_SQUARED);
    b.each<&Inertia::twice>("inertia", ASSAY_ONE, {{half, ASSAY_IN}, {inertia, ASSAY_OUT}});
    b.report("value", inertia);
  }

 private:
  static constexpr int64_t kStoredPart = 16;

  void twice(const Block& b) const { b.number(1) = 2 * b.number(0); }
  // {W, H, half}
  void add(const Block& b) const {
    const Matrix W = b.matrix(0), H = b.matrix(1);
    const auto from = b.call().scratch<double>(H.rows());
    for (int64_t i = 0; i < W.rows(); ++i) {
      std::fill(from.begin(), from.end(), 0.0);
      for (int64_t a = 0; a < W.cols(); ++a)
        for (int64_t j = 0; W(i, a) != 0 && j < H.rows(); ++j)
          from[static_cast<size_t>(j)] -= W(i, a) * H(j, a);
      assay_line x{};
      Call::check(tile_->line(b.call().ctx, i, &x));
      for (int64_t e = 0; e < x.n; ++e) from[static_cast<size_t>(x.idx ? x.idx[e] : e)] += x.x[e];
      for (const double v : from) b.number(2) += v * v / 2;
    }
  }

  const assay_tile* tile_;
  bool whole_;
};

constexpr assay_metric vtable = metric_table<Inertia>(ASSAY_METRIC_LOWER_IS_BETTER);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "inertia",
             "sum of squared errors: of k-means, of rows from their centroids",
             nullptr,
             "sum w (x - m)^2\n(m: the mean, s(m) of `logistic`, exp(m) of `poisson_log`)",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.inertia", "1.0", plugin)
