// SPDX-License-Identifier: Apache-2.0
// The constraint f >= 0, sum f = 1 on every row (or column) of the factor. Projection: max(f - t,
// 0) with the t that makes the sum 1, found by dropping what falls below it (Michelot 1986; Condat
// 2016). On rows of W a block is enough; along components the host projects the whole factor.
#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>

namespace {

using namespace assay::author;

constexpr double kSlack = 1e-6;     // of the sum, up to the rounding of a float32 factor
constexpr double kSettled = 1e-14;  // a sum this close to 1 is left as it is, so that bits settle

void project_line(const Lines<double>& f, int64_t l) {
  const int64_t n = f.length();
  double sum = 0, most = f(l, 0);
  bool inside = true;
  for (int64_t i = 0; i < n; ++i) {
    sum += f(l, i);
    most = std::max(most, f(l, i));
    inside = inside && f(l, i) >= 0;
  }
  if (inside && std::abs(sum - 1) <= kSettled * static_cast<double>(n)) return;
  // A shift of all entries changes nothing: with the largest at 0 no sum cancels. Entries at or
  // below the threshold of a larger set are below the final one too.
  double shifted = 0;
  for (int64_t i = 0; i < n; ++i) shifted += f(l, i) -= most;
  double t = (shifted - 1) / static_cast<double>(n);
  for (int64_t active = n, before = 0; active != before;) {
    before = active;
    double total = 0;
    active = 0;
    for (int64_t i = 0; i < n; ++i) {
      if (f(l, i) <= t) continue;
      total += f(l, i);
      ++active;
    }
    t = (total - 1) / static_cast<double>(active);
  }
  for (int64_t i = 0; i < n; ++i) f(l, i) = f(l, i) > t ? f(l, i) - t : 0;
}

// The gradient less its part along the normal cone: g - m where f > 0, min(g - m, 0) where f = 0,
// with the m that makes the sum 0.
void project_slope(const Lines<const double>& f, const Lines<double>& g, int64_t l) {
  const int64_t n = f.length();
  double m = INFINITY;
  for (int64_t counted = -1, before = -2; counted != before;) {
    before = counted;
    double total = 0;
    counted = 0;
    for (int64_t i = 0; i < n; ++i) {
      if (f(l, i) <= 0 && g(l, i) >= m) continue;
      total += g(l, i);
      ++counted;
    }
    m = total / static_cast<double>(counted);
  }
  for (int64_t i = 0; i < n; ++i) g(l, i) = f(l, i) > 0 ? g(l, i) - m : std::min(g(l, i) - m, 0.0);
}

class Simplex {
 public:
  Simplex(Call, const Options& o) : axis_(o.text("axis").value()) {}
  assay_penalty_facts facts(int32_t side) {
    along_ = along_components(axis_, side);
    assay_penalty_facts f{};
    f.flags = ASSAY_PENALTY_CONVEX | ASSAY_PENALTY_NONNEG;
    f.scope = along_ ? ASSAY_SCOPE_COLUMN : ASSAY_SCOPE_ROW;
    f.kind = ASSAY_PENALTY_SET;
    return f;
  }
  double value(ConstMatrix F) const {
    const Lines f(F, along_);
    for (int64_t l = 0; l < f.count(); ++l) {
      double sum = 0;
      for (int64_t i = 0; i < f.length(); ++i) {
        if (!(f(l, i) >= 0)) return INFINITY;
        sum += f(l, i);
      }
      if (!(std::abs(sum - 1) <= kSlack)) return INFINITY;
    }
    return 0;
  }
  void prox(Matrix F, double) const { project(F); }
  void project(Matrix F) const {
    const Lines f(F, along_);
    for (int64_t l = 0; l < f.count(); ++l) project_line(f, l);
  }
  void kkt(ConstMatrix F, Matrix G) const {
    const Lines f(F, along_);
    const Lines g(G, along_);
    for (int64_t l = 0; l < f.count(); ++l) project_slope(f, g, l);
  }

 private:
  std::string axis_;
  bool along_ = false;
};

constexpr assay_option options[] = {
    enum_option("axis", "the lines that sum to one, as results show the factor", "rows", kAxes),
    kNoMoreOptions};
constexpr assay_penalty vtable = penalty_table<Simplex>();
constexpr assay_plugin plugin = describe("assay.penalty/1",
                                         "simplex",
                                         "rows are mixtures: entries at least 0 that sum to one",
                                         "Michelot 1986; Condat 2016",
                                         "f >= 0, sum f = 1;  projection max(f - t, 0)",
                                         options,
                                         &vtable);

}  // namespace

ASSAY_MODULE("org.assay.simplex", "1.0", plugin)
