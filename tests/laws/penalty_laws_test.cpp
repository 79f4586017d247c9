// SPDX-License-Identifier: Apache-2.0
// Laws of every penalty that is found: prox, halves, gradient and quadratic form all belong to one
// value.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "core/plugin/instance.hpp"
#include "core/plugin/registry.hpp"
#include "core/plugin/services.hpp"

namespace assay::plugin {

namespace {

constexpr int64_t kRows = 7, kCols = 3, kStride = 5;
constexpr double kPadding = -77;

// A factor block with padding that nobody may touch.
struct Factor {
  std::vector<double> data = std::vector<double>(kRows * kStride, kPadding);
  assay_view view() { return {data.data(), kRows, kCols, kStride, 0, ASSAY_F64, 0}; }
  double& at(int64_t i, int64_t j) { return data[static_cast<size_t>(i * kStride + j)]; }
  double at(int64_t i, int64_t j) const { return data[static_cast<size_t>(i * kStride + j)]; }
  bool padding_kept() const {
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t j = kCols; j < kStride; ++j)
        if (at(i, j) != kPadding) return false;
    return true;
  }
};

template <class F>
void entries(F&& f) {
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = 0; j < kCols; ++j) f(i, j);
}

Factor random(uint64_t stream, bool nonneg) {
  Factor f;
  std::vector<double> z(kRows * kCols);
  rng_service()->normal(stream, 0, kRows * kCols, z.data());
  entries([&](int64_t i, int64_t j) {
    const double v = z[static_cast<size_t>(i * kCols + j)];
    f.at(i, j) = nonneg ? std::abs(v) + 0.01 : v;
  });
  return f;
}

Factor filled(double v) {
  Factor f;
  entries([&](int64_t i, int64_t j) { f.at(i, j) = v; });
  return f;
}

double inner(const Factor& a, const Factor& b, const Factor& c, const Factor& d) {
  double sum = 0;
  entries(
      [&](int64_t i, int64_t j) { sum += (a.at(i, j) - b.at(i, j)) * (c.at(i, j) - d.at(i, j)); });
  return sum;
}

struct Tested {
  const PenaltySet::Item& p;
  mutable assay_ctx ctx;
  bool set() const { return p.facts.kind == ASSAY_PENALTY_SET; }
  double value(Factor f) const {
    double out = 0;
    const assay_view v = f.view();
    REQUIRE(p.table->value(p.self, &ctx, &v, &out) == ASSAY_OK);
    return out;
  }
  Factor prox(Factor f, double step) const {
    assay_view v = f.view();
    REQUIRE(p.table->prox(p.self, &ctx, &v, step) == ASSAY_OK);
    CHECK(f.padding_kept());
    return f;
  }
};

void for_every_penalty(const std::function<void(const Tested&)>& law) {
  const auto r = Registry::open({});
  REQUIRE(r);
  REQUIRE((*r)->all("penalty").size() >= 3);
  for (const Descriptor* d : (*r)->all("penalty")) {
    CAPTURE(d->id);
    Options options;
    for (const assay_option* o = d->plugin->options; o && o->name; ++o)
      if (std::string(o->name) == "weight") {
        options.values["weight"].number = 0.7;
        options.values["weight"].given = true;
      }
    const auto set = PenaltySet::create({{d, options}});
    REQUIRE(set);
    const auto& t = *(*set)->items()[0].table;
    CHECK((t.prox || t.mu_add || t.quad_add || t.grad_add));
    law({(*set)->items()[0], {}});
  }
}

}  // namespace

TEST_CASE("law: the prox minimises step * penalty + half the squared distance") {
  for_every_penalty([](const Tested& t) {
    if (!t.p.table->prox) return;
    for (uint64_t trial = 0; trial < 20; ++trial) {
      const double step = 0.1 + 0.2 * static_cast<double>(trial);
      const Factor f = random(trial, false), best = t.prox(f, step);
      const auto cost = [&](const Factor& z) {
        return step * t.value(z) + 0.5 * inner(z, f, z, f);
      };
      const double least = cost(best);
      CHECK(std::isfinite(least));
      for (uint64_t other = 0; other < 20; ++other) {
        Factor z = best;
        const Factor move = random(1000 + other, false);
        entries(
            [&](int64_t i, int64_t j) { z.at(i, j) += (other % 2 ? 0.01 : 0.5) * move.at(i, j); });
        CHECK(least <= cost(z) * (1 + 1e-12));
      }
    }
  });
}

TEST_CASE("law: the prox of a convex penalty is firmly non-expansive") {
  for_every_penalty([](const Tested& t) {
    if (!t.p.table->prox || !(t.p.facts.flags & ASSAY_PENALTY_CONVEX)) return;
    for (uint64_t trial = 0; trial < 20; ++trial) {
      const Factor a = random(trial, false), b = random(trial + 50, false), pa = t.prox(a, 0.8),
                   pb = t.prox(b, 0.8);
      CHECK(inner(pa, pb, pa, pb) <= inner(pa, pb, a, b) + 1e-12);
    }
  });
}

TEST_CASE("law: a set's prox projects onto it: value 0, idempotent, infinite outside") {
  for_every_penalty([](const Tested& t) {
    if (!t.set()) return;
    REQUIRE((t.p.table->prox != nullptr));
    const Factor f = random(3, false), p = t.prox(f, 1), again = t.prox(p, 5);
    CHECK(t.value(p) == 0);
    CHECK(std::isinf(t.value(f)));
    CHECK(p.data == again.data);
    if (t.p.facts.flags & ASSAY_PENALTY_NONNEG)
      entries([&](int64_t i, int64_t j) { CHECK(p.at(i, j) >= 0); });
  });
}

TEST_CASE("law: the gradient is the derivative of the value") {
  for_every_penalty([](const Tested& t) {
    if (!t.p.table->grad_add) return;
    const Factor f = random(4, false);
    Factor base = f, g = filled(2);
    const assay_view v = base.view();
    assay_view gv = g.view();
    REQUIRE(t.p.table->grad_add(t.p.self, &t.ctx, &v, &gv) == ASSAY_OK);
    CHECK(g.padding_kept());
    entries([&](int64_t i, int64_t j) {
      const double h = 1e-4 * std::abs(f.at(i, j));
      Factor up = f, down = f;
      up.at(i, j) += h;
      down.at(i, j) -= h;
      CHECK(g.at(i, j) - 2 ==
            doctest::Approx((t.value(up) - t.value(down)) / (2 * h)).epsilon(1e-6));
    });
  });
}

TEST_CASE(
    "law: the halves of the multiplicative form are non-negative and differ by the gradient") {
  for_every_penalty([](const Tested& t) {
    if (!t.p.table->mu_add || !t.p.table->grad_add) return;
    Factor f = random(5, true), num = filled(0), den = filled(0), g = filled(0);
    const assay_view v = f.view();
    assay_view nv = num.view(), dv = den.view(), gv = g.view();
    REQUIRE(t.p.table->mu_add(t.p.self, &t.ctx, &v, &nv, &dv) == ASSAY_OK);
    REQUIRE(t.p.table->grad_add(t.p.self, &t.ctx, &v, &gv) == ASSAY_OK);
    entries([&](int64_t i, int64_t j) {
      CHECK(num.at(i, j) >= 0);
      CHECK(den.at(i, j) >= 0);
      CHECK(den.at(i, j) - num.at(i, j) == doctest::Approx(g.at(i, j)).epsilon(1e-14));
    });
  });
}

TEST_CASE(
    "law: the quadratic form is the value on the set's interior, for either layout of the block") {
  for_every_penalty([](const Tested& t) {
    if (!t.p.table->quad_add) return;
    Factor f = random(6, true);
    double diag[kRows] = {}, lin[kRows] = {}, lower[kRows], upper[kRows];
    std::fill_n(lower, kRows, -INFINITY);
    std::fill_n(upper, kRows, INFINITY);
    const assay_view v = f.view();
    REQUIRE(t.p.table->quad_add(t.p.self, &t.ctx, &v, diag, lin, lower, upper) == ASSAY_OK);
    double sum = 0;
    entries([&](int64_t i, int64_t j) {
      sum += 0.5 * diag[j] * f.at(i, j) * f.at(i, j) + lin[j] * f.at(i, j);
      CHECK(lower[j] <= f.at(i, j));
      CHECK(upper[j] >= f.at(i, j));
    });
    CHECK(sum == doctest::Approx(t.value(f)).epsilon(1e-13));
    for (int64_t j = kCols; j < kRows; ++j)
      CHECK((diag[j] == 0 && lin[j] == 0 && std::isinf(lower[j])));
    assay_view by_component = v;
    by_component.flags = ASSAY_BY_COMPONENT;
    double more[kRows] = {}, more_lin[kRows] = {};
    REQUIRE(t.p.table->quad_add(t.p.self, &t.ctx, &by_component, more, more_lin, lower, upper) ==
            ASSAY_OK);
    CHECK((more[kRows - 1] == diag[0] && more_lin[kRows - 1] == lin[0]));
  });
}

TEST_CASE(
    "law: element and row scopes are honest: blocks of rows add up and do not see each other") {
  for_every_penalty([](const Tested& t) {
    if (t.p.facts.scope != ASSAY_SCOPE_ELEMENT && t.p.facts.scope != ASSAY_SCOPE_ROW) return;
    const Factor f = random(7, true);
    double parts = 0;
    for (int64_t i = 0; i < kRows; ++i) {
      Factor row = f;
      assay_view v = row.view();
      v.data = row.data.data() + i * kStride;
      v.rows = 1;
      double part = 0;
      REQUIRE(t.p.table->value(t.p.self, &t.ctx, &v, &part) == ASSAY_OK);
      parts += part;
      if (!t.p.table->prox) continue;
      REQUIRE(t.p.table->prox(t.p.self, &t.ctx, &v, 0.5) == ASSAY_OK);
      const Factor whole = t.prox(f, 0.5);
      for (int64_t j = 0; j < kCols; ++j) CHECK(row.at(i, j) == whole.at(i, j));
    }
    CHECK(parts == doctest::Approx(t.value(f)).epsilon(1e-13));
  });
}

}  // namespace assay::plugin
