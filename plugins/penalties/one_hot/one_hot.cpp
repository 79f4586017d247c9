// SPDX-License-Identifier: Apache-2.0
// The constraint that every row of the factor has one entry 1 and zeros: on W a cluster for each
// row of X. Projection: the largest entry, ties to the lower index.
#include <assay/plugin.hpp>
#include <cmath>

namespace {

using namespace assay::author;

class OneHot {
 public:
  OneHot(Call, const Options&) {}
  assay_penalty_facts facts(int32_t side) {
    along_ = side == 1;
    assay_penalty_facts f{};
    f.flags = ASSAY_PENALTY_NONNEG;
    f.scope = along_ ? ASSAY_SCOPE_COLUMN : ASSAY_SCOPE_ROW;
    f.kind = ASSAY_PENALTY_SET;
    return f;
  }
  double value(ConstMatrix F) const {
    const Lines f(F, along_);
    for (int64_t l = 0; l < f.count(); ++l) {
      int64_t ones = 0;
      for (int64_t i = 0; i < f.length(); ++i) {
        if (f(l, i) != 0 && f(l, i) != 1) return INFINITY;
        ones += f(l, i) == 1 ? 1 : 0;
      }
      if (ones != 1) return INFINITY;
    }
    return 0;
  }
  void prox(Matrix F, double) const { project(F); }
  void project(Matrix F) const {
    const Lines f(F, along_);
    for (int64_t l = 0; l < f.count(); ++l) {
      int64_t most = 0;
      for (int64_t i = 1; i < f.length(); ++i)
        if (f(l, i) > f(l, most)) most = i;
      for (int64_t i = 0; i < f.length(); ++i) f(l, i) = i == most ? 1 : 0;
    }
  }

 private:
  bool along_ = false;
};

constexpr assay_penalty vtable = penalty_table<OneHot>();
constexpr assay_plugin plugin = describe("assay.penalty/1",
                                         "one_hot",
                                         "every row belongs to one component: one entry 1, zeros",
                                         nullptr,
                                         "f in {e_1 .. e_k};  projection e_argmax f",
                                         nullptr,
                                         &vtable);

}  // namespace

ASSAY_MODULE("org.assay.one_hot", "1.0", plugin)
