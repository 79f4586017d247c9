// SPDX-License-Identifier: Apache-2.0
// The constraint |f|_2 = 1 on every component (column of W, row of H), within f >= 0 unless told
// otherwise. Projection: the positive part over its norm; where nothing is positive, the unit
// vector of the largest entry.
#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>

namespace {

using namespace assay::author;

constexpr uint32_t kNonneg = ASSAY_PENALTY_NONNEG;

constexpr double kSlack = 1e-6;     // of the norm, up to the rounding of a float32 factor
constexpr double kSettled = 1e-14;  // a norm this close to 1 is left as it is, so that bits settle

class UnitNorm {
 public:
  UnitNorm(Call, const Options& o) : axis_(o.text("axis").value()), nonneg_(o.flag("nonneg")) {}
  assay_penalty_facts facts(int32_t side) {
    along_ = along_components(axis_, side);
    assay_penalty_facts f{};
    f.flags = nonneg_ ? kNonneg : 0;
    f.scope = along_ ? ASSAY_SCOPE_COLUMN : ASSAY_SCOPE_ROW;
    f.kind = ASSAY_PENALTY_SET;
    return f;
  }
  double value(ConstMatrix F) const {
    const Lines f(F, along_);
    for (int64_t l = 0; l < f.count(); ++l) {
      double squares = 0;
      for (int64_t i = 0; i < f.length(); ++i) {
        if (nonneg_ && !(f(l, i) >= 0)) return INFINITY;
        squares += f(l, i) * f(l, i);
      }
      if (!(std::abs(std::sqrt(squares) - 1) <= kSlack)) return INFINITY;
    }
    return 0;
  }
  void prox(Matrix F, double) const { project(F); }
  void project(Matrix F) const {
    const Lines f(F, along_);
    for (int64_t l = 0; l < f.count(); ++l) project_line(f, l);
  }
  // g - f <f, g>; where f = 0 at the border only what would move inwards counts.
  void kkt(ConstMatrix F, Matrix G) const {
    const Lines f(F, along_);
    const Lines g(G, along_);
    for (int64_t l = 0; l < f.count(); ++l) {
      double across = 0;
      for (int64_t i = 0; i < f.length(); ++i) across += f(l, i) * g(l, i);
      for (int64_t i = 0; i < f.length(); ++i) {
        const bool border = nonneg_ && f(l, i) <= 0;
        g(l, i) = border ? std::min(g(l, i), 0.0) : g(l, i) - f(l, i) * across;
      }
    }
  }

 private:
  void project_line(const Lines<double>& f, int64_t l) const {
    const int64_t n = f.length();
    double squares = 0;
    int64_t best = 0;
    bool inside = true;
    for (int64_t i = 0; i < n; ++i) {
      if (f(l, i) > f(l, best)) best = i;
      inside = inside && (f(l, i) >= 0 || !nonneg_);
      if (f(l, i) > 0 || !nonneg_) squares += f(l, i) * f(l, i);
    }
    const double norm = std::sqrt(squares);
    if (inside && std::abs(norm - 1) <= kSettled) return;
    const bool negative = f(l, best) < 0;
    for (int64_t i = 0; i < n; ++i) {
      if (norm > 0)
        f(l, i) = f(l, i) > 0 || !nonneg_ ? f(l, i) / norm : 0;
      else if (negative)
        f(l, i) = i == best ? 1 : 0;
      else
        f(l, i) = 1 / std::sqrt(static_cast<double>(n));  // all unit vectors are as near to 0
    }
  }

  std::string axis_;
  bool nonneg_, along_ = true;
};

constexpr assay_option options[] = {
    enum_option("axis",
                "the lines of unit length, as results show the factor",
                "components",
                kAxes),
    bool_option("nonneg", "entries are also at least 0", true), kNoMoreOptions};
constexpr assay_penalty vtable = penalty_table<UnitNorm>();
constexpr assay_plugin plugin =
    describe("assay.penalty/1",
             "unit_norm",
             "every component has length one",
             nullptr,
             "|f|_2 = 1 (and f >= 0);  projection max(f, 0) / |max(f, 0)|",
             options,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.unit_norm", "1.0", plugin)
