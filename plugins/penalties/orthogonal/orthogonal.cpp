// SPDX-License-Identifier: Apache-2.0
// Components pushed apart, softly, in two forms with f_a the components (columns of W, rows of H):
//   identity: weight/4 |F'F - I|^2               halves F (F'F) and F; grows like f^4
//   overlap:  weight/2 sum over a != b of f_a'f_b, for f >= 0: 0 when supports are disjoint
// A quartic has no quadratic above it, so solvers of normal equations take `overlap` only, whose
// curvature within a row is at most weight (k - 1).
#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>
#include <span>

namespace {

using namespace assay::author;

class Orthogonal {
 public:
  Orthogonal(Call, const Options& o)
      : weight_(o.number("weight")), overlap_(o.text("form") == "overlap") {}
  assay_penalty_facts facts() const {
    assay_penalty_facts f{};
    f.flags = overlap_ ? ASSAY_PENALTY_NEEDS_NONNEG : ASSAY_PENALTY_NO_MAJORISER;
    f.scope = ASSAY_SCOPE_MATRIX;
    f.kind = ASSAY_PENALTY_QUADRATIC;
    f.mu_power = overlap_ ? 1 : 3;
    return f;
  }
  double value(const Call& call, ConstMatrix F) const {
    const int64_t k = F.cols();
    const auto gram = gram_of(call, F);
    double total = 0;
    for (int64_t a = 0; a < k; ++a) {
      for (int64_t b = 0; b < k; ++b) {
        const double g = gram[static_cast<size_t>(a * k + b)];
        const double off = g - (a == b ? 1 : 0);
        total += overlap_ ? (a == b ? 0 : 2 * g) : off * off;
      }
    }
    return weight_ / 4 * total;
  }
  double whole(const Call& call, ConstMatrix F, Matrix num, Matrix den) const {
    const int64_t k = F.cols();
    const auto gram = overlap_ ? std::span<double>() : gram_of(call, F);
    for (int64_t i = 0; i < F.rows(); ++i) {
      double sum = 0;
      for (const double f : F.row(i)) sum += f;
      for (int64_t a = 0; a < k; ++a) {
        if (overlap_) {
          den(i, a) += weight_ * (sum - F(i, a));
          continue;
        }
        double product = 0;
        for (int64_t b = 0; b < k; ++b) product += F(i, b) * gram[static_cast<size_t>(b * k + a)];
        den(i, a) += weight_ * product;
        num(i, a) += weight_ * F(i, a);
      }
    }
    return overlap_ ? weight_ * static_cast<double>(k - 1) : 0;
  }

 private:
  static std::span<double> gram_of(const Call& call, ConstMatrix F) {
    const int64_t k = F.cols();
    const auto gram = call.scratch<double>(k * k);
    std::fill(gram.begin(), gram.end(), 0.0);
    for (int64_t i = 0; i < F.rows(); ++i)
      for (int64_t a = 0; a < k; ++a)
        for (int64_t b = 0; b < k; ++b) gram[static_cast<size_t>(a * k + b)] += F(i, a) * F(i, b);
    return gram;
  }

  double weight_;
  bool overlap_;
};

constexpr const char* kForms[] = {"identity", "overlap", nullptr};
constexpr assay_option options[] = {
    number_option("weight", "strength of the push", 0.1, 0, INFINITY),
    enum_option("form",
                "identity: components orthonormal; overlap: components apart, for f >= 0",
                "identity",
                kForms),
    kNoMoreOptions};
constexpr assay_penalty vtable = penalty_table<Orthogonal>();
constexpr assay_plugin plugin =
    describe("assay.penalty/1",
             "orthogonal",
             "components orthogonal to one another, as a penalty",
             "Ding, Li, Peng and Park 2006; Li, Zhu and Chen 2014",
             "identity: weight/4 |F'F - I|^2;  overlap: weight/2 sum_{a != b} f_a'f_b",
             options,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.orthogonal", "1.0", plugin)
