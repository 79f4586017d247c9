// SPDX-License-Identifier: Apache-2.0
// The constraint lower <= f <= upper, entry by entry; its prox is the clip.
#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>

namespace {

using namespace assay::author;

constexpr uint32_t kNonneg = ASSAY_PENALTY_NONNEG;

// Feasible up to the rounding of a float32 factor.
constexpr double kSlack = 1e-6;

class Box {
 public:
  Box(Call, const Options& o) : lower_(o.number("lower")), upper_(o.number("upper")) {
    if (lower_ > upper_)
      throw Failure(ASSAY_E_SPEC, "the constraint `box` is empty: `lower` is above `upper`")
          .help("give `lower` at most `upper`");
  }
  assay_penalty_facts facts() const {
    assay_penalty_facts f{};
    f.flags = ASSAY_PENALTY_CONVEX | (lower_ >= 0 ? kNonneg : 0);
    f.scope = ASSAY_SCOPE_ELEMENT;
    f.kind = ASSAY_PENALTY_SET;
    return f;
  }
  double value(ConstMatrix F) const {
    const double lo = lower_ - (lower_ == 0 ? 0 : kSlack * std::abs(lower_)),
                 hi = upper_ + kSlack * std::abs(upper_);
    for (int64_t i = 0; i < F.rows(); ++i)
      for (const double f : F.row(i))
        if (!(f >= lo && f <= hi)) return INFINITY;
    return 0;
  }
  void prox(Matrix F, double) const {
    for (int64_t i = 0; i < F.rows(); ++i)
      for (double& f : F.row(i)) f = std::clamp(f, lower_, upper_);
  }
  void quad_add(std::span<double>,
                std::span<double>,
                std::span<double> lower,
                std::span<double> upper) const {
    for (double& v : lower) v = std::max(v, lower_);
    for (double& v : upper) v = std::min(v, upper_);
  }

 private:
  double lower_, upper_;
};

constexpr assay_option options[] = {
    number_option("lower", "least value of an entry", 0, -INFINITY, INFINITY),
    number_option("upper", "largest value of an entry", 1, -INFINITY, INFINITY), kNoMoreOptions};
constexpr assay_penalty vtable = penalty_table<Box>();
constexpr assay_plugin plugin =
    describe("assay.penalty/1",
             "box",
             "every entry of the factor lies between two numbers",
             nullptr,
             "lower <= f <= upper;  projection min(max(f, lower), upper)",
             options,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.box", "1.0", plugin)
