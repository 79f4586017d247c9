// SPDX-License-Identifier: Apache-2.0
// The points a new loss is tried at, and what has to hold there.
#include "core/plugin/probe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace assay::plugin {
namespace {

constexpr int kSide = 5, kPoints = kSide * kSide;
constexpr double kLoose = 1e-4;  // of what must be equal but for rounding
constexpr double kSlope = 1e-2;  // of a slope that differences give

template <class T>
using PointsOf = std::array<T, kPoints>;
using Points = PointsOf<double>;
using Line = std::array<double, kSide>;

struct Sample {
  Line at{}, room{};  // room: how far the ends of the domain are, or how large the number is
};

// Five numbers inside a domain. Those of x and of m differ, so that most kinks lie between them.
Sample inside(double lo, double hi, const Line& spread) {
  Sample s;
  for (size_t i = 0; i < kSide; ++i) {
    const double t = spread[i];
    double at = i % 2 == 0 ? t : -t;
    if (std::isfinite(lo) && std::isfinite(hi))
      at = lo + (hi - lo) * t / 7;
    else if (std::isfinite(lo))
      at = lo + t;
    else if (std::isfinite(hi))
      at = hi - t;
    s.at[i] = at;
    s.room[i] = std::min({t, at - lo, hi - at});
  }
  return s;
}

class Probe {
 public:
  explicit Probe(const Loss& loss)
      : loss_(loss), facts_(loss.facts()), f_(loss.functions<double>()) {
    xs_ = inside(facts_.x_lo, facts_.x_hi, {0.31, 0.9, 1.7, 3.3, 5.2});
    ms_ = inside(facts_.m_lo, facts_.m_hi, {0.2, 0.55, 1.25, 2.4, 6.1});
    for (size_t i = 0; i < kPoints; ++i) {
      x_[i] = xs_.at[i / kSide];
      m_[i] = ms_.at[i % kSide];
    }
  }

  Expected<void> run() {
    if (!call(f_.value, x_, m_, v_) || !call(f_.grad, x_, m_, g_)) return {};
    ASSAY_TRY(slopes());
    ASSAY_TRY(halves());
    ASSAY_TRY(zeros());
    ASSAY_TRY(bounds());
    ASSAY_TRY(twins());
    return density();
  }

 private:
  template <class T, class Fn>
  bool call(Fn fn, const PointsOf<T>& x, const PointsOf<T>& m, PointsOf<T>& out) {
    return fn && fn(f_.self, &ctx_, kPoints, x.data(), m.data(), out.data()) >= 0;
  }

  Error wrong(const char* function, size_t i, const std::string& what, const std::string& mend) {
    return Error(ASSAY_E_PLUGIN, "E0414",
                 fmt::format("loss `{}` contradicts itself: `{}` at x = {:.4g}, m = {:.4g} {}",
                             loss_.id(), function, x_[i], m_[i], what))
        .with_help(mend);
  }

  // grad is the slope of value, on either side where there is a kink, at some length of the step.
  Expected<void> slopes() {
    std::array<bool, kPoints> agrees{};
    Points central{};
    for (const double share : {1e-5, 1e-3, 1e-7}) {
      Points below = m_, above = m_, left{}, right{};
      for (size_t i = 0; i < kPoints; ++i) {
        below[i] -= share * ms_.room[i % kSide];
        above[i] += share * ms_.room[i % kSide];
      }
      if (!call(f_.value, x_, below, left) || !call(f_.value, x_, above, right)) return {};
      for (size_t i = 0; i < kPoints; ++i) {
        const double h = 0.5 * (above[i] - below[i]);
        const double rise = (right[i] - v_[i]) / (above[i] - m_[i]),
                     fall = (v_[i] - left[i]) / (m_[i] - below[i]);
        if (share == 1e-5) central[i] = 0.5 * (rise + fall);
        const double noise = 1e-12 * (std::abs(v_[i]) + std::abs(m_[i] * g_[i])) / h;
        const double most =
            kSlope * std::max({std::abs(g_[i]), std::abs(rise), std::abs(fall)}) + noise + 1e-200;
        const double least = std::min(rise, fall) - most, largest = std::max(rise, fall) + most;
        if (!std::isfinite(rise + fall + g_[i]) || (g_[i] >= least && g_[i] <= largest))
          agrees[i] = true;
      }
    }
    if (std::count(agrees.begin(), agrees.end(), false) < 2) return {};
    const auto i =
        static_cast<size_t>(std::find(agrees.begin(), agrees.end(), false) - agrees.begin());
    return wrong(
        "grad", i,
        fmt::format("is {:.6g}, but `value` has the slope {:.6g} there", g_[i], central[i]),
        "mend `grad`: it is the derivative of `value` by m");
  }

  // num, den >= 0 with grad = den - num, where x and m are not negative.
  Expected<void> halves() {
    Points num{}, den{};
    if (!f_.mu_split ||
        f_.mu_split(f_.self, &ctx_, kPoints, x_.data(), m_.data(), num.data(), den.data()) < 0)
      return {};
    for (size_t i = 0; i < kPoints; ++i) {
      if (x_[i] < 0 || m_[i] < 0 || !std::isfinite(num[i] + den[i] + g_[i])) continue;
      const double size = std::abs(num[i]) + std::abs(den[i]) + std::abs(g_[i]);
      if (std::abs(den[i] - num[i] - g_[i]) > kLoose * size)
        return wrong(
            "mu_split", i,
            fmt::format("has den - num = {:.6g}, but `grad` is {:.6g}", den[i] - num[i], g_[i]),
            "mend `mu_split`: grad = den - num");
      if (std::min(num[i], den[i]) < -kLoose * size)
        return wrong(
            "mu_split", i,
            fmt::format("has num = {:.6g}, den = {:.6g}, and both must be >= 0", num[i], den[i]),
            "move the negative part to the other half: grad = den - num stays");
      if (!std::isnan(facts_.den_is) &&
          std::abs(den[i] - facts_.den_is) > kLoose * (std::abs(den[i]) + facts_.den_is))
        return wrong(
            "mu_split", i,
            fmt::format("has den = {:.6g}, but `den_is` says {:.6g}", den[i], facts_.den_is),
            "set `den_is` to the constant that den is, or to NaN");
    }
    return {};
  }

  // What zero_term says of the loss at x = 0, up to a constant.
  Expected<void> zeros() {
    const bool at_end = facts_.x_lo == 0 && !(facts_.flags & ASSAY_LOSS_X_LO_OPEN);
    if (facts_.zero_term == ASSAY_ZERO_NONE || !(facts_.x_lo < 0 || at_end)) return {};
    const Points x{};
    Points v{};
    if (!call(f_.value, x, m_, v)) return {};
    const auto term = [&](size_t i) {
      return facts_.zero_a * (facts_.zero_term == ASSAY_ZERO_LINEAR ? m_[i] : m_[i] * m_[i]);
    };
    for (size_t i = 1; i < kSide; ++i) {
      const double rise = v[i] - v[0], says = term(i) - term(0);
      if (std::isfinite(rise) &&
          std::abs(rise - says) > kLoose * (std::abs(v[i]) + std::abs(v[0]) + std::abs(says))) {
        x_[i] = 0;
        return wrong(
            "value", i,
            fmt::format(
                "is {:.6g} above that at m = {:.4g}, but `zero_term` and `zero_a` say {:.6g}", rise,
                m_[0], says),
            "mend `zero_a`: the loss at x = 0 is a m or a m^2; or leave `zero_term` out");
      }
    }
    return {};
  }

  // Parabolas of a majorising curvature and of the bound lie above the loss.
  Expected<void> bounds() {
    Points c{};
    const bool majorises = facts_.flags & ASSAY_LOSS_CURVATURE_MAJORISES;
    if (majorises && call(f_.curvature, x_, m_, c))
      ASSAY_TRY(
          lies_above("curvature", c, "mend `curvature`, or drop ASSAY_LOSS_CURVATURE_MAJORISES"));
    if (!std::isfinite(facts_.curvature_bound)) return {};
    c.fill(facts_.curvature_bound);
    return lies_above(
        "curvature_bound", c,
        "mend `curvature_bound`: no second derivative is above it; infinity: unknown");
  }

  Expected<void> lies_above(const char* function, const Points& c, const char* mend) {
    int bad = 0;
    for (size_t i = 0; i < kPoints; ++i) {
      for (size_t j = i / kSide * kSide; j < (i / kSide + 1) * kSide; ++j) {
        const double d = m_[j] - m_[i], above = v_[i] + g_[i] * d + 0.5 * c[i] * d * d;
        const double size =
            std::abs(v_[i]) + std::abs(v_[j]) + std::abs(g_[i] * d) + std::abs(c[i] * d * d);
        if (!std::isfinite(size) || v_[j] <= above + kLoose * size || ++bad < 2) continue;
        return wrong(function, i,
                     fmt::format("is {:.6g}, whose parabola is {:.6g} at m = {:.4g}, below the "
                                 "`value` {:.6g} there",
                                 c[i], above, m_[j], v_[j]),
                     mend);
      }
    }
    return {};
  }

  // Functions in float32 are near those in float64, at most points.
  Expected<void> twins() {
    const auto f = loss_.functions<float>();
    PointsOf<float> x{}, m{}, out{}, other{};
    for (size_t i = 0; i < kPoints; ++i) {
      x[i] = static_cast<float>(x_[i]);
      m[i] = static_cast<float>(m_[i]);
    }
    if (call(f.value, x, m, out)) ASSAY_TRY(near("value_f32", out, v_));
    if (call(f.grad, x, m, out)) ASSAY_TRY(near("grad_f32", out, g_));
    Points wide{}, wide_other{};
    if (f_.curvature && call(f.curvature, x, m, out) && call(f_.curvature, x_, m_, wide))
      ASSAY_TRY(near("curvature_f32", out, wide));
    if (f_.mu_split && f.mu_split &&
        f.mu_split(f.self, &ctx_, kPoints, x.data(), m.data(), out.data(), other.data()) >= 0 &&
        f_.mu_split(f_.self, &ctx_, kPoints, x_.data(), m_.data(), wide.data(),
                    wide_other.data()) >= 0) {
      ASSAY_TRY(near("mu_split_f32", out, wide));
      ASSAY_TRY(near("mu_split_f32", other, wide_other));
    }
    return {};
  }

  Expected<void> near(const char* function, const PointsOf<float>& narrow, const Points& wide) {
    int bad = 0;
    size_t where = 0;
    for (size_t i = 0; i < kPoints; ++i) {
      const double a = static_cast<double>(narrow[i]), b = wide[i];
      const double size = std::abs(b) + std::abs(v_[i]) + std::abs(m_[i] * g_[i]) + 1e-16;
      if (!std::isfinite(a + b) || std::abs(a - b) <= 0.1 * size) continue;
      ++bad;
      where = i;
    }
    if (2 * bad <= kPoints) return {};
    return wrong(function, where,
                 fmt::format("gives {:.6g}, but its twin in float64 {:.6g}",
                             static_cast<double>(narrow[where]), wide[where]),
                 "mend it, or leave it out: the host widens");
  }

  Expected<void> density() {
    if (!loss_.has_log_density()) return {};
    Points out{};
    if (!call(loss_.density().value, x_, m_, out)) return {};
    for (size_t i = 0; i < kPoints; ++i)
      if (std::isfinite(v_[i]) && (std::isnan(out[i]) || out[i] > 1e300))
        return wrong("log_density", i, fmt::format("is {}, but `value` {:.6g}", out[i], v_[i]),
                     "mend `log_density`: it is finite inside the domain");
    return {};
  }

  const Loss& loss_;
  const assay_loss_facts& facts_;
  kernels::LossFunctions<double> f_;
  assay_ctx ctx_;
  Sample xs_, ms_;
  Points x_{}, m_{}, v_{}, g_{};
};

}  // namespace

Expected<void> probe(const Loss& loss) { return Probe(loss).run(); }

}  // namespace assay::plugin
