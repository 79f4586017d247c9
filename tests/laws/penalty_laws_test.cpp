// SPDX-License-Identifier: Apache-2.0
// Laws of every penalty that is found: prox, halves, gradient and quadratic form all belong to one
// value.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
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

// One penalty (or constraint) as one set of options makes it, bound to W or H of 7 x 3 entries.
struct Tested {
  const PenaltySet& set_of;
  const PenaltySet::Item& p;
  mutable assay_ctx ctx;
  bool set() const { return p.set(); }
  double value(Factor f) const {
    double out = 0;
    const assay_view v = f.view();
    REQUIRE(p.table->value(p.self, &ctx, &v, &out) == ASSAY_OK);
    return out;
  }
  bool has_prox() const { return p.whole() ? p.set() : p.table->prox != nullptr; }
  Factor prox(Factor f, double step) const {
    assay_view v = f.view();
    if (p.whole())
      REQUIRE(p.table->project(p.self, &ctx, &v) == ASSAY_OK);
    else
      REQUIRE(p.table->prox(p.self, &ctx, &v, step) == ASSAY_OK);
    CHECK(f.padding_kept());
    return f;
  }
  WholeTerms expand(Factor f) const {
    WholeTerms terms;
    const assay_view v = f.view();
    REQUIRE(set_of.expand(&ctx, &v, terms) == ASSAY_OK);
    return terms;
  }
  bool has_gradient() const { return p.table->grad_add || (p.whole() && !set()); }
  // Added to g.
  void gradient(Factor f, Factor& g) const {
    if (p.whole()) {
      const WholeTerms terms = expand(f);
      entries([&](int64_t i, int64_t j) { g.at(i, j) += terms.slope(i * kCols + j); });
      return;
    }
    const assay_view v = f.view();
    assay_view gv = g.view();
    REQUIRE(p.table->grad_add(p.self, &ctx, &v, &gv) == ASSAY_OK);
    CHECK(g.padding_kept());
  }
};

// Files for the options that name one: a value for some entries, and edges among the rows.
std::string example_file(const std::string& id, int side) {
  const std::string name = "assay-law-" + std::to_string(getpid()) + "-" + id;
  const auto path = std::filesystem::temp_directory_path() / (name + (side == 0       ? "-w.csv"
                                                                      : id == "graph" ? "-h.mtx"
                                                                                      : "-h.csv"));
  std::ofstream out(path);
  if (id == "fixed") {
    const int64_t rows = side == 1 ? kCols : kRows, cols = side == 1 ? kRows : kCols;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j)
        out << ((i + 2 * j) % 3 == 0 ? "0.25" : "nan") << (j + 1 == cols ? "\n" : ",");
  } else {
    if (side == 1)
      out << "%%MatrixMarket matrix coordinate real general\n% edges\n7 7 5\n"
             "1 2 1\n2 3 0.5\n6 4 2\n4 6 2\n7 1 1\n";
    else
      out << "0,1,1\n1,2,0.5\n5,3,2\n3,5,2\n6,0,1\n";
  }
  return path.string();
}

// Every penalty found, on W and on H, with every word of its enumerated options.
void for_every_penalty(const std::function<void(const Tested&)>& law) {
  const auto r = Registry::open({});
  REQUIRE(r);
  REQUIRE((*r)->all("penalty").size() >= 12);
  for (const Descriptor* d : (*r)->all("penalty")) {
    CAPTURE(d->id);
    for (const int side : {0, 1}) {
      CAPTURE(side);
      Options standard;
      std::vector<Options> variants;
      for (const assay_option* o = d->plugin->options; o && o->name; ++o) {
        OptionValue& v = standard.values[o->name];
        v.type = o->type;
        v.number = o->def;
        v.text = o->def_text ? o->def_text : "";
        v.has_text = o->def_text != nullptr;
        if (std::string(o->name) == "weight" || std::string(o->name) == "alpha") v.number = 0.7;
        if (std::string(o->name) == "l1_ratio") v.number = 0.3;
        if (o->type == ASSAY_OPT_PATH) v.text = example_file(d->id, side), v.has_text = true;
        v.given = std::string(o->name).rfind("alpha_", 0) != 0;
      }
      variants.push_back(standard);
      for (const assay_option* o = d->plugin->options; o && o->name; ++o) {
        for (const char* const* word = o->values; word && *word; ++word) {
          variants.push_back(standard);
          variants.back().values[o->name].text = *word;
        }
      }
      for (const Options& options : variants) {
        for (const auto& [name, v] : options.values)
          if (v.type == ASSAY_OPT_ENUM) CAPTURE(v.text);
        const auto set = PenaltySet::create({{d, options}}, side);
        REQUIRE(set);
        const assay_factor_facts facts = {
            sizeof facts,         0, side, side, kRows, kCols, side == 1 ? 4 : kRows,
            side == 1 ? kRows : 4};
        const auto bound = (*set)->bind(facts);
        REQUIRE_MESSAGE(bound.ok(), bound.error().message);
        CHECK((*set)->items()[0].forms() != 0);
        law({**set, (*set)->items()[0], {}});
      }
    }
  }
}

}  // namespace

TEST_CASE("law: the prox minimises step * penalty + half the squared distance") {
  for_every_penalty([](const Tested& t) {
    if (!t.has_prox()) return;
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
        if (t.set()) CHECK(least <= cost(t.prox(z, step)) * (1 + 1e-12));
      }
    }
  });
}

TEST_CASE("law: the prox of a convex penalty is firmly non-expansive") {
  for_every_penalty([](const Tested& t) {
    if (!t.has_prox() || !(t.p.facts.flags & ASSAY_PENALTY_CONVEX)) return;
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
    REQUIRE(t.has_prox());
    const Factor f = random(3, false), p = t.prox(f, 1), again = t.prox(p, 5);
    CHECK(t.value(p) == 0);
    CHECK(std::isinf(t.value(f)));
    CHECK(p.data == again.data);
    if (t.p.facts.flags & ASSAY_PENALTY_NONNEG)
      entries([&](int64_t i, int64_t j) { CHECK(p.at(i, j) >= 0); });
  });
}

TEST_CASE("law: asked again what it is, a penalty stays bound to its factor") {
  for_every_penalty([](const Tested& t) {
    const Factor f = random(7, true);
    const double before = t.value(f);
    assay_penalty_facts again{};
    again.struct_size = sizeof again;
    again.side = t.p.facts.side;
    REQUIRE(t.p.table->describe(t.p.self, &again) == ASSAY_OK);
    CHECK(t.value(f) == before);
  });
}

TEST_CASE("law: the gradient is the derivative of the value") {
  for_every_penalty([](const Tested& t) {
    if (!t.has_gradient()) return;
    const Factor f = random(4, false);
    Factor g = filled(2);
    t.gradient(f, g);
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
    if (!(t.p.forms() & ASSAY_NEEDS_MU_ADD)) return;
    Factor f = random(5, true), num = filled(0), den = filled(0), g = filled(0);
    const assay_view v = f.view();
    assay_view nv = num.view(), dv = den.view();
    const WholeTerms terms = t.p.whole() ? t.expand(f) : WholeTerms();
    REQUIRE(t.set_of.mu(&t.ctx, &v, &nv, &dv, &terms) == ASSAY_OK);
    t.gradient(f, g);
    entries([&](int64_t i, int64_t j) {
      CHECK(num.at(i, j) >= 0);
      CHECK(den.at(i, j) >= 0);
      CHECK(den.at(i, j) - num.at(i, j) == doctest::Approx(g.at(i, j)).epsilon(1e-13));
    });
  });
}

TEST_CASE("law: with the exponent of its power, a penalty's halves alone do not raise it") {
  for_every_penalty([](const Tested& t) {
    if (!t.p.whole() || t.set()) return;
    REQUIRE(t.p.facts.mu_power > 0);
    for (uint64_t trial = 0; trial < 20; ++trial) {
      const Factor f = random(trial, true);
      const WholeTerms terms = t.expand(f);
      Factor next = f;
      entries([&](int64_t i, int64_t j) {
        const auto at = static_cast<size_t>(i * kCols + j);
        if (terms.den[at] > 0)
          next.at(i, j) *= std::pow(terms.num[at] / terms.den[at], 1 / t.p.facts.mu_power);
      });
      CHECK(t.value(next) <= t.value(f) * (1 + 1e-12));
    }
  });
}

TEST_CASE("law: the expansion of a whole factor's penalty lies above it and touches it") {
  for_every_penalty([](const Tested& t) {
    if (!t.p.whole() || t.set() || (t.p.facts.flags & ASSAY_PENALTY_NO_MAJORISER)) return;
    for (uint64_t trial = 0; trial < 20; ++trial) {
      const bool nonneg = (t.p.facts.flags & ASSAY_PENALTY_NEEDS_NONNEG) != 0;
      const Factor f = random(trial, nonneg), z = random(100 + trial, nonneg);
      const WholeTerms terms = t.expand(f);
      double above = t.value(f);
      entries([&](int64_t i, int64_t j) {
        const double moved = z.at(i, j) - f.at(i, j);
        above += terms.slope(i * kCols + j) * moved + 0.5 * terms.curvature * moved * moved;
      });
      CHECK(t.value(z) <= above + 1e-12 * std::abs(above));
    }
  });
}

TEST_CASE(
    "law: the quadratic form is the value on the set's interior, for either layout of the block") {
  for_every_penalty([](const Tested& t) {
    if (!t.p.table->quad_add) return;
    Factor f = t.set() ? t.prox(random(6, true), 1) : random(6, true);
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
    const Factor f = t.set() ? t.prox(random(7, true), 1) : random(7, true);
    double parts = 0;
    for (int64_t i = 0; i < kRows; ++i) {
      Factor row = f;
      assay_view v = row.view();
      t.ctx.first = i;
      v.data = row.data.data() + i * kStride;
      v.rows = 1;
      double part = 0;
      REQUIRE(t.p.table->value(t.p.self, &t.ctx, &v, &part) == ASSAY_OK);
      parts += part;
      t.ctx.first = 0;
      if (!t.p.table->prox) continue;
      t.ctx.first = i;
      REQUIRE(t.p.table->prox(t.p.self, &t.ctx, &v, 0.5) == ASSAY_OK);
      t.ctx.first = 0;
      const Factor whole = t.prox(f, 0.5);
      for (int64_t j = 0; j < kCols; ++j) CHECK(row.at(i, j) == whole.at(i, j));
    }
    CHECK(parts == doctest::Approx(t.value(f)).epsilon(1e-13));
  });
}

TEST_CASE("law: steps per row and bounds per entry say what the calls per block say") {
  for_every_penalty([](const Tested& t) {
    const Factor f = random(8, false);
    if (t.p.table->prox && !t.p.whole()) {
      double steps[kRows];
      for (int64_t i = 0; i < kRows; ++i) steps[i] = 0.1 * static_cast<double>(1 + i);
      Factor all = f;
      assay_view v = all.view();
      REQUIRE(t.set_of.prox_rows(&t.ctx, &v, steps) == ASSAY_OK);
      for (int64_t i = 0; i < kRows; ++i) {
        const Factor one = t.prox(f, steps[i]);
        for (int64_t j = 0; j < kCols; ++j) CHECK(all.at(i, j) == one.at(i, j));
      }
    }
    if (!(t.p.forms() & ASSAY_NEEDS_QUAD_ROWS)) return;
    const Factor g = t.set() ? t.prox(random(9, true), 1) : random(9, true);
    const WholeTerms terms = t.p.whole() ? t.expand(g) : WholeTerms();
    if (t.p.facts.kind == ASSAY_PENALTY_L1 || t.p.facts.kind == ASSAY_PENALTY_QUADRATIC_L1) return;
    Factor at = g, lin = filled(9), lower = filled(9), upper = filled(9);
    double diag[kCols];
    const assay_view v = at.view();
    assay_view lv = lin.view(), lo = lower.view(), hi = upper.view();
    REQUIRE(t.set_of.quad_rows(&t.ctx, &v, diag, &lv, &lo, &hi, &terms) == ASSAY_OK);
    Factor slope = filled(0);
    if (t.has_gradient()) t.gradient(g, slope);
    entries([&](int64_t i, int64_t j) {
      CHECK(lower.at(i, j) <= g.at(i, j));
      CHECK(upper.at(i, j) >= g.at(i, j));
      CHECK(lin.at(i, j) + diag[j] * g.at(i, j) == doctest::Approx(slope.at(i, j)).epsilon(1e-12));
    });
  });
}

TEST_CASE(
    "law: the projected gradient of a set is 0 where a projection left it, and no more than the "
    "gradient") {
  for_every_penalty([](const Tested& t) {
    if (!t.set() || t.set_of.plain_bounds()) return;
    for (uint64_t trial = 0; trial < 20; ++trial) {
      const Factor target = random(trial, false), best = t.prox(target, 1);
      Factor g = best, f = best;
      entries([&](int64_t i, int64_t j) { g.at(i, j) -= target.at(i, j); });
      const assay_view v = f.view();
      assay_view gv = g.view();
      REQUIRE(t.set_of.project_gradient(&t.ctx, &v, &gv) == ASSAY_OK);
      CHECK(g.padding_kept());
      entries([&](int64_t i, int64_t j) { CHECK(std::abs(g.at(i, j)) < 1e-9); });
      // Elsewhere it is the limit of projected steps.
      const Factor slope = random(70 + trial, false);
      Factor p = slope, moved = best;
      assay_view pv = p.view();
      REQUIRE(t.set_of.project_gradient(&t.ctx, &v, &pv) == ASSAY_OK);
      const double step = 1e-7;
      entries([&](int64_t i, int64_t j) { moved.at(i, j) -= step * slope.at(i, j); });
      const Factor back = t.prox(moved, 1);
      entries([&](int64_t i, int64_t j) {
        CHECK(p.at(i, j) ==
              doctest::Approx((best.at(i, j) - back.at(i, j)) / step).epsilon(2e-3).scale(1));
      });
    }
  });
}

TEST_CASE("a graph is the same from a list of edges and from a MatrixMarket file") {
  const auto r = Registry::open({});
  REQUIRE(r);
  std::vector<double> values;
  for (const int side : {0, 1}) {
    Options o;
    o.values["path"].type = ASSAY_OPT_PATH;
    o.values["path"].text = example_file("graph", side);
    o.values["path"].has_text = o.values["path"].given = true;
    const auto set = PenaltySet::create({{(*r)->find("penalty", "graph"), o}}, side);
    REQUIRE(set);
    const assay_factor_facts facts = {sizeof facts, 0, side, side, kRows, kCols, kRows, kRows};
    REQUIRE((*set)->bind(facts).ok());
    Factor f = random(11, false);
    assay_ctx ctx;
    const assay_view v = f.view();
    values.push_back(0);
    REQUIRE((*set)->value(&ctx, &v, &values.back()) == ASSAY_OK);
  }
  CHECK(values[0] > 0);
  CHECK(values[0] == values[1]);
}

TEST_CASE("law: every pair of penalty and constraint composes exactly, or is refused") {
  const auto r = Registry::open({});
  REQUIRE(r);
  std::vector<std::pair<const Descriptor*, PenaltySet::Item>> all;
  for_every_penalty([&](const Tested& t) {
    const Descriptor* d = (*r)->find("penalty", t.p.id);
    if (all.empty() || all.back().first->id != d->id) all.emplace_back(d, t.p);
  });
  const auto parts = [](const PenaltySet::Item& i) {
    return i.set() ? 4
                   : (i.has(ASSAY_PENALTY_L1) ? 2 : 0) | (i.has(ASSAY_PENALTY_QUADRATIC) ? 1 : 0);
  };
  const auto options_of = [](const Descriptor* d) {
    Options o;
    for (const assay_option* e = d->plugin->options; e && e->name; ++e) {
      if (e->type != ASSAY_OPT_PATH) continue;
      o.values[e->name].type = e->type;
      o.values[e->name].text = example_file(d->id, 0);
      o.values[e->name].has_text = o.values[e->name].given = true;
    }
    return o;
  };
  for (const auto& [a, first] : all) {
    for (const auto& [b, second] : all) {
      CAPTURE(a->id);
      CAPTURE(b->id);
      const auto set = PenaltySet::create({{a, options_of(a)}, {b, options_of(b)}}, 0);
      if (parts(first) & parts(second)) {
        REQUIRE_FALSE(set);
        CHECK(set.error().code == "E0208");
        continue;
      }
      REQUIRE(set);
      if (!second.set() || first.whole() || first.set()) continue;
      const assay_factor_facts facts = {sizeof facts, 0, 0, 0, kRows, kCols, kRows, 4};
      REQUIRE((*set)->bind(facts).ok());
      assay_ctx ctx;
      const auto cost = [&](Factor z, const Factor& f, double step) {
        double v = 0;
        const assay_view view = z.view();
        REQUIRE((*set)->value(&ctx, &view, &v) == ASSAY_OK);
        return step * v + 0.5 * inner(z, f, z, f);
      };
      for (uint64_t trial = 0; trial < 10; ++trial) {
        const double step = 0.1 + 0.1 * static_cast<double>(trial);
        const Factor f = random(trial, false);
        Factor best = f;
        assay_view v = best.view();
        REQUIRE((*set)->prox(&ctx, &v, step) == ASSAY_OK);
        REQUIRE((*set)->project(&ctx, &v) == ASSAY_OK);
        const double least = cost(best, f, step);
        CHECK(std::isfinite(least));
        for (uint64_t other = 0; other < 20; ++other) {
          Factor z = best;
          const Factor move = random(500 + other, false);
          entries([&](int64_t i, int64_t j) {
            z.at(i, j) += (other % 2 ? 0.05 : 0.7) * move.at(i, j);
          });
          assay_view zv = z.view();
          REQUIRE((*set)->project(&ctx, &zv) == ASSAY_OK);
          CHECK(least <= cost(z, f, step) * (1 + 1e-12));
        }
      }
    }
  }
}

}  // namespace assay::plugin
