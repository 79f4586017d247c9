// SPDX-License-Identifier: Apache-2.0
// k-means||: a few draws of many rows by weight times squared distance, then greedy k-means++ among
// these by the weights of the rows nearest to each. Reads X once for each draw, however many
// components there are.
#include <assay/author/seeding.hpp>
#include <assay/plugin.hpp>
#include <cmath>

namespace {

using namespace assay::author;

constexpr double kMostWork = 2e9;  // of the choice among the rows drawn, which one thread makes

class Parallel : public Seeding<Parallel> {
 public:
  Parallel(Call call, const assay_problem& p) : Seeding(call, p), k_(p.k[1]) {
    const Options options(call.host, p.options);
    rounds_ = options.integer("rounds");
    const double many = std::ceil(options.number("oversampling") * static_cast<double>(k_));
    many_ = std::min(std::max<int64_t>(1, static_cast<int64_t>(many)), p.n);
    const double work =
        2.0 * static_cast<double>((1 + rounds_ * many_) * k_) * static_cast<double>(p.d);
    candidates_ = std::clamp<int64_t>(static_cast<int64_t>(kMostWork / work), 1,
                                      2 + static_cast<int64_t>(std::log(static_cast<double>(k_))));
  }
  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_INIT) return;
    parallel(b, b.factor(1), k_, rounds_, many_, candidates_);
    write_w(b, k_);
  }

 private:
  int64_t k_, rounds_, many_, candidates_;
};

constexpr assay_option options[] = {
    integer_option("rounds", "draws", 5, 1, 100),
    number_option("oversampling", "rows of a draw for each component", 2, 0.1, 100),
    kNoMoreOptions};
constexpr assay_init vtable = init_table<Parallel>();
constexpr assay_plugin plugin = describe(
    "assay.init/1",
    "kmeans_parallel",
    "rows of X far from each other, in a few reads of X for many components",
    "Bahmani, Moseley, Vattani, Kumar and Vassilvitskii 2012",
    "`rounds` draws of `oversampling` k rows by weight * min |x_i - c|^2; k-means++ among them",
    options,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.kmeans_parallel", "1.0", plugin)
