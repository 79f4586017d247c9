// SPDX-License-Identifier: Apache-2.0
// Greedy k-means++: rows of H are rows of X, each the best of 2 + floor(log k) drawn by weight
// times squared distance to the nearest before. Exact draws that depend on the seed and on the rows
// alone. Reads X once for each component.
#include <assay/author/seeding.hpp>
#include <assay/plugin.hpp>
#include <cmath>

namespace {

using namespace assay::author;

class PlusPlus : public Seeding<PlusPlus> {
 public:
  PlusPlus(Call call, const assay_problem& p) : Seeding(call, p), k_(p.k[1]) {
    const Options options(call.host, p.options);
    candidates_ = options.integer("candidates");
    if (candidates_ == 0) candidates_ = 2 + static_cast<int64_t>(std::log(static_cast<double>(k_)));
    candidates_ = std::min(candidates_, p.n);
  }
  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_INIT) return;
    plus_plus(b, b.factor(1), k_, candidates_);
    write_w(b, k_);
  }

 private:
  int64_t k_, candidates_;
};

constexpr assay_option options[] = {
    integer_option("candidates",
                   "rows drawn for each component, the best is kept; 0: 2 + floor(log k)",
                   0,
                   0,
                   1000),
    kNoMoreOptions};
constexpr assay_init vtable = init_table<PlusPlus>();
constexpr assay_plugin plugin =
    describe("assay.init/1",
             "kmeans_plus_plus",
             "rows of X far from each other, drawn by squared distance",
             "Arthur and Vassilvitskii 2007",
             "h_1 = x_i by weight;  h_a = x_i by weight * min_b<a |x_i - h_b|^2, the best of a few",
             options,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.kmeans_plus_plus", "1.0", plugin)
