// SPDX-License-Identifier: Apache-2.0
// The constraint f >= 0 with Hoyer sparseness (sqrt(n) - |f|_1 / |f|_2) / (sqrt(n) - 1) = s on
// every component, of any length. Projection: the nearest vector z of length 1 with the |z|_1 that
// s asks for (Hoyer 2004: move to the plane of that sum, along it to the sphere, drop what is
// negative, again), then scaled to lie nearest to f: <z, f> z.
#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>
#include <span>

namespace {

using namespace assay::author;

constexpr double kSlack = 1e-6;     // of the sparseness, up to the rounding of a float32 factor
constexpr double kSettled = 1e-13;  // a sparseness this close is left as it is

class SparseHoyer {
 public:
  SparseHoyer(Call, const Options& o)
      : axis_(o.text("axis").value()), sparseness_(o.number("sparseness")) {}
  assay_penalty_facts facts(int32_t side) {
    along_ = along_components(axis_, side);
    assay_penalty_facts f{};
    f.flags = ASSAY_PENALTY_NONNEG;
    f.scope = along_ ? ASSAY_SCOPE_COLUMN : ASSAY_SCOPE_ROW;
    f.kind = ASSAY_PENALTY_SET;
    return f;
  }
  double value(const Call& call, ConstMatrix F) const {
    const Lines lines(F, along_);
    const auto f = call.scratch<double>(lines.length());
    for (int64_t l = 0; l < lines.count(); ++l) {
      for (size_t i = 0; i < f.size(); ++i) f[i] = lines(l, static_cast<int64_t>(i));
      if (!inside(f, kSlack)) return INFINITY;
    }
    return 0;
  }
  void prox(const Call& call, Matrix F, double) const { project(call, F); }
  void project(const Call& call, Matrix F) const {
    const Lines lines(F, along_);
    const auto f = call.scratch<double>(lines.length()), z = call.scratch<double>(lines.length());
    const auto dropped = call.scratch<char>(lines.length());
    for (int64_t l = 0; l < lines.count(); ++l) {
      for (size_t i = 0; i < f.size(); ++i) f[i] = lines(l, static_cast<int64_t>(i));
      if (inside(f, kSettled)) continue;
      nearest(f, z, dropped);
      for (size_t i = 0; i < f.size(); ++i) lines(l, static_cast<int64_t>(i)) = z[i];
    }
  }

 private:
  bool inside(std::span<const double> f, double slack) const {
    double sum = 0, squares = 0;
    for (const double v : f) {
      if (!(v >= 0)) return false;
      sum += v;
      squares += v * v;
    }
    if (squares == 0 || f.size() < 2) return std::isfinite(squares);
    const double root = std::sqrt(static_cast<double>(f.size()));
    const double sparseness = (root - sum / std::sqrt(squares)) / (root - 1);
    return std::abs(sparseness - sparseness_) <= slack;
  }

  // z: the nearest point of the cone to f.
  void nearest(std::span<const double> f, std::span<double> z, std::span<char> dropped) const {
    const size_t n = f.size();
    std::copy(f.begin(), f.end(), z.begin());
    if (n < 2) {
      z[0] = std::max(z[0], 0.0);
      return;
    }
    const double root = std::sqrt(static_cast<double>(n));
    const double sum = root - sparseness_ * (root - 1);  // |z|_1 at |z|_2 = 1
    double size = 0;
    for (const double v : f) size = std::max(size, std::abs(v));
    if (size == 0) return;
    for (double& v : z) v /= size;
    std::fill(dropped.begin(), dropped.end(), char{0});
    size_t left = n;
    for (size_t round = 0; round < n; ++round) {
      double total = 0;
      for (const double v : z) total += v;
      const double shift = (sum - total) / static_cast<double>(left);
      const double middle = sum / static_cast<double>(left);
      for (size_t i = 0; i < n; ++i)
        if (!dropped[i]) z[i] += shift;
      spread(z, dropped, middle);
      bool negative = false;
      for (size_t i = 0; i < n; ++i) {
        if (dropped[i] || z[i] >= 0) continue;
        z[i] = 0;
        dropped[i] = 1;
        --left;
        negative = true;
      }
      if (!negative || left == 0) break;
    }
    double along = 0;
    for (size_t i = 0; i < n; ++i) along += z[i] * f[i];
    for (double& v : z) v *= std::max(along, 0.0);
  }

  // Moves z away from the middle m of the plane until |z|_2 = 1: m + alpha (z - m), alpha >= 0.
  static void spread(std::span<double> z, std::span<const char> dropped, double m) {
    double away = 0, cross = 0, base = -1;
    size_t left = 0, top = 0;
    for (size_t i = 0; i < z.size(); ++i) {
      if (dropped[i]) continue;
      const double d = z[i] - m;
      away += d * d;
      cross += d * m;
      base += m * m;
      if (left == 0 || z[i] > z[top]) top = i;
      ++left;
    }
    if (base >= 0 || left < 2) return;  // the sphere touches the plane here, or there is one left
    if (away <= 1e-28) {                // every direction is as near: the first entry stands out
      for (size_t i = 0; i < z.size(); ++i)
        if (!dropped[i]) z[i] = m + (i == top ? 1.0 : -1.0 / static_cast<double>(left - 1));
      return spread(z, dropped, m);
    }
    const double alpha = (-cross + std::sqrt(std::max(cross * cross - away * base, 0.0))) / away;
    for (size_t i = 0; i < z.size(); ++i)
      if (!dropped[i]) z[i] = m + alpha * (z[i] - m);
  }

  std::string axis_;
  double sparseness_;
  bool along_ = true;
};

constexpr assay_option options[] = {
    number_option("sparseness", "0: all entries equal, 1: a single one", 0.6, 0, 1),
    enum_option("axis",
                "the lines of this sparseness, as results show the factor",
                "components",
                kAxes),
    kNoMoreOptions};
constexpr assay_penalty vtable = penalty_table<SparseHoyer>();
constexpr assay_plugin plugin =
    describe("assay.penalty/1",
             "sparse_hoyer",
             "every component has a given sparseness, and entries at least 0",
             "Hoyer 2004; Thom and Palm 2013",
             "f >= 0, (sqrt(n) - |f|_1 / |f|_2) / (sqrt(n) - 1) = sparseness",
             options,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.sparse_hoyer", "1.0", plugin)
