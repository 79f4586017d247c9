// SPDX-License-Identifier: Apache-2.0
// How far the factors are from those the data were made from. Order and scale of components mean
// nothing, so their rank-one parts T_a = w_a h_a are compared, under the assignment that fits best:
//   sqrt(min over assignments of sum |T_a - T*_a|^2 / sum |T*_a|^2);
// a component without a partner counts as a whole. <T_a, T*_b> = (w_a . w*_b)(h_a . h*_b), so W'W*
// and H'H* are all it takes: O((n + d) k k*).
#include <algorithm>
#include <assay/assignment.hpp>
#include <assay/plugin.hpp>
#include <cmath>
#include <vector>

namespace {

using namespace assay::author;

// Least total cost of an assignment of n rows to n columns.
double least_cost(int64_t n, const std::vector<double>& cost) {
  const auto size = static_cast<size_t>(n);
  const std::vector<size_t> column = cheapest_assignment(size, size, cost);
  std::vector<size_t> row(size);
  for (size_t i = 0; i < size; ++i) row[column[i]] = i;
  double total = 0;
  for (size_t j = 0; j < size; ++j) total += cost[row[j] * size + j];
  return total;
}

class FactorError {
 public:
  FactorError(Call, const assay_problem& p) : k_(p.k[0]), rank_(p.true_rank) {
    if (rank_ < 1)
      throw Failure(ASSAY_E_COMBINATION, "the factors that these data were made from are not known")
          .help(
              "use reader `synthetic` without transforms, or leave the metric `factor_error` out");
    const int64_t lines[2] = {p.n, p.d};
    for (size_t side = 0; side < 2; ++side)
      truth_[side].assign(p.true_factor[side], p.true_factor[side] + lines[side] * rank_);
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf w = b.sum("products_w", k_, rank_ + 1), h = b.sum("products_h", k_, rank_ + 1),
                    value = b.small("factor_error", 1, 1);
    b.each<&FactorError::add>("products_w", ASSAY_ROWS, {{b.factor(0), ASSAY_IN}, {w, ASSAY_ADD}},
                              0);
    b.each<&FactorError::add>("products_h", ASSAY_COLS, {{b.factor(1), ASSAY_IN}, {h, ASSAY_ADD}},
                              1);
    b.each<&FactorError::finish>("factor_error", ASSAY_ONE,
                                 {{w, ASSAY_IN}, {h, ASSAY_IN}, {value, ASSAY_OUT}});
    b.report("value", value);
  }

 private:
  const double* line(size_t side, int64_t i) const { return truth_[side].data() + i * rank_; }

  // sums(a, b) += f_a . f*_b, and |f_a|^2 in the last column.
  void add(const Block& b) const {
    const Matrix F = b.matrix(0), sums = b.matrix(1);
    for (int64_t i = 0; i < F.rows(); ++i) {
      const double* known = line(static_cast<size_t>(b.tag()), b.first() + i);
      for (int64_t a = 0; a < k_; ++a) {
        for (int64_t c = 0; c < rank_; ++c) sums(a, c) += F(i, a) * known[c];
        sums(a, rank_) += F(i, a) * F(i, a);
      }
    }
  }

  // |T*_c|^2 of each true component.
  std::vector<double> true_squares() const {
    std::vector<double> out(static_cast<size_t>(rank_), 1);
    for (const auto& factor : truth_) {
      std::vector<double> sum(out.size());
      for (size_t at = 0; at < factor.size(); ++at) sum[at % out.size()] += factor[at] * factor[at];
      for (size_t c = 0; c < out.size(); ++c) out[c] *= sum[c];
    }
    return out;
  }

  void finish(const Block& b) const {
    const Matrix w = b.matrix(0), h = b.matrix(1);
    const std::vector<double> known = true_squares();
    const int64_t n = std::max(k_, rank_);
    std::vector<double> cost(static_cast<size_t>(n * n));
    double total = 0;
    for (const double square : known) total += square;
    for (int64_t a = 0; a < n; ++a) {
      for (int64_t c = 0; c < n; ++c) {
        double& at = cost[static_cast<size_t>(a * n + c)];
        if (a < k_) at += w(a, rank_) * h(a, rank_);
        if (c < rank_) at += known[static_cast<size_t>(c)];
        if (a < k_ && c < rank_) at -= 2 * w(a, c) * h(a, c);
      }
    }
    b.number(2) = total > 0 ? std::sqrt(std::max(0.0, least_cost(n, cost)) / total) : 0;
  }

  int64_t k_, rank_;
  std::vector<double> truth_[2];  // n x rank, d x rank
};

constexpr assay_metric vtable = metric_table<FactorError>(ASSAY_METRIC_LOWER_IS_BETTER);
constexpr assay_plugin plugin = describe(
    "assay.metric/1",
    "factor_error",
    "distance of the components from those that synthetic data were made from",
    "Kuhn 1955 (assignment)",
    "sqrt(min over assignments of sum_a |w_a h_a - w*_a h*_a|_F^2 / sum_a |w*_a h*_a|_F^2)",
    nullptr,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.factor_error", "1.0", plugin)
