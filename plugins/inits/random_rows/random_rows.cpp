// SPDX-License-Identifier: Apache-2.0
// Rows of H are rows of X drawn by their weights, none twice.
#include <assay/author/seeding.hpp>
#include <assay/plugin.hpp>
#include <string>

namespace {

using namespace assay::author;

class RandomRows : public Seeding<RandomRows> {
 public:
  RandomRows(Call call, const assay_problem& p) : Seeding(call, p), k_(p.k[1]) {
    if (p.n < k_)
      throw Failure(ASSAY_E_SHAPE, "init `random_rows` draws " + std::to_string(k_) +
                                       " of the rows of X, which has " + std::to_string(p.n))
          .help("set `model.rank` to at most the number of rows");
  }
  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_INIT) return;
    random_rows(b, b.factor(1), k_);
    write_w(b, k_);
  }

 private:
  int64_t k_;
};

constexpr assay_init vtable = init_table<RandomRows>();
constexpr assay_plugin plugin = describe("assay.init/1",
                                         "random_rows",
                                         "rows of X drawn at random, none twice",
                                         "Forgy 1965",
                                         "h_a = x_i, k of the rows by their weights",
                                         nullptr,
                                         &vtable);

}  // namespace

ASSAY_MODULE("org.assay.random_rows", "1.0", plugin)
