// SPDX-License-Identifier: Apache-2.0
// Hoyer's sparseness of a factor: mean over components v (columns of W, rows of H) of
// (sqrt(n) - |v|_1 / |v|_2) / (sqrt(n) - 1), n the component's length: 0 for equal entries, 1 for a
// single one. Components that are all zero are left out.
#include <assay/plugin.hpp>
#include <cmath>

namespace {

using namespace assay::author;

class Sparseness {
 public:
  Sparseness(Call, const assay_problem& p)
      : side_(p.side), k_(p.side < 0 ? 0 : p.k[p.side]), length_(p.side == 0 ? p.n : p.d) {
    if (side_ < 0 || side_ > 1)
      throw Failure(ASSAY_E_SPEC, "metric `sparseness` needs a factor")
          .help("write `sparseness.W` or `sparseness.H`");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf norms = b.sum("norms", 2, k_), value = b.small("sparseness", 1, 1);
    b.each<&Sparseness::add>("norms", side_, {{b.factor(side_), ASSAY_IN}, {norms, ASSAY_ADD}});
    b.each<&Sparseness::finish>("sparseness", ASSAY_ONE, {{norms, ASSAY_IN}, {value, ASSAY_OUT}});
    b.report("value", value);
  }

 private:
  void add(const Block& b) const {
    const Matrix F = b.matrix(0), norms = b.matrix(1);
    for (int64_t i = 0; i < F.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        norms(0, a) += std::abs(F(i, a));
        norms(1, a) += F(i, a) * F(i, a);
      }
  }
  void finish(const Block& b) const {
    const Matrix norms = b.matrix(0);
    const double root = std::sqrt(static_cast<double>(length_));
    double total = 0, counted = 0;
    for (int64_t a = 0; a < k_; ++a) {
      if (!(norms(1, a) > 0) || length_ < 2) continue;
      total += (root - norms(0, a) / std::sqrt(norms(1, a))) / (root - 1);
      counted += 1;
    }
    b.number(1) = counted > 0 ? total / counted : 0;
  }

  int32_t side_;
  int64_t k_, length_;
};

constexpr assay_metric vtable = metric_table<Sparseness>(ASSAY_METRIC_PER_FACTOR);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "sparseness",
             "Hoyer's sparseness of a factor's components, 0 (flat) to 1 (one entry)",
             "Hoyer 2004",
             "mean over components v of (sqrt(n) - |v|_1 / |v|_2) / (sqrt(n) - 1)",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.sparseness", "1.0", plugin)
