// SPDX-License-Identifier: Apache-2.0
// Laws of every loss that is found, the template included: what it says about itself agrees with
// what it computes.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <vector>

#include "core/plugin/instance.hpp"
#include "core/plugin/registry.hpp"
#include "core/plugin/services.hpp"

namespace assay::plugin {

namespace {

using Span = std::vector<double>;

// Points of a loss's domain, ends that belong to it included; the same for every run.
struct Samples {
  Span x, m;
};

double inside(double lo, double hi, double u, double z) {
  if (std::isinf(lo) && std::isinf(hi)) return 3 * z;
  if (std::isinf(hi)) return lo + std::exp(1.3 * z);
  if (std::isinf(lo)) return hi - std::exp(1.3 * z);
  return lo + (hi - lo) * (0.01 + 0.98 * u);
}

Samples samples_of(const assay_loss_facts& f, int64_t n, uint64_t stream, bool nonneg = false) {
  Span u(static_cast<size_t>(2 * n)), z(u.size());
  rng_service()->uniform(stream, 0, 2 * n, u.data());
  rng_service()->normal(stream, 0, 2 * n, z.data());
  Samples s;
  const auto lo = [&](double v) { return nonneg ? std::max(v, 0.0) : v; };
  for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
    const bool at_end =
        i % 7 == 3 && std::isfinite(lo(f.x_lo)) && !(f.flags & ASSAY_LOSS_X_LO_OPEN);
    s.x.push_back(at_end ? lo(f.x_lo) : inside(lo(f.x_lo), f.x_hi, u[2 * i], z[2 * i]));
    s.m.push_back(inside(lo(f.m_lo), f.m_hi, u[2 * i + 1], z[2 * i + 1]));
  }
  return s;
}

struct Tested {
  std::shared_ptr<Loss> loss;
  kernels::LossFunctions<double> f;
  kernels::LossFunctions<float> f32;

  Span call(kernels::LossFunctions<double>::Unary fn, const Span& x, const Span& m) const {
    Span out(x.size());
    assay_ctx ctx;
    REQUIRE(fn(f.self, &ctx, static_cast<int64_t>(x.size()), x.data(), m.data(), out.data()) ==
            ASSAY_OK);
    return out;
  }
  Span value(const Span& x, const Span& m) const { return call(f.value, x, m); }
  Span grad(const Span& x, const Span& m) const { return call(f.grad, x, m); }
  Span curvature(const Span& x, const Span& m) const { return call(f.curvature, x, m); }
  void split(const Span& x, const Span& m, Span& num, Span& den) const {
    num.assign(x.size(), 0);
    den.assign(x.size(), 0);
    assay_ctx ctx;
    REQUIRE(f.mu_split(f.self, &ctx, static_cast<int64_t>(x.size()), x.data(), m.data(), num.data(),
                       den.data()) == ASSAY_OK);
  }
};

// An option of a loss set to a value; without a name the defaults.
struct Variant {
  const char* option = nullptr;
  double value = 0;
};

std::vector<Variant> variants_of(const std::string& id) {
  std::vector<Variant> out = {{}};
  const auto add = [&](const char* option, std::initializer_list<double> values) {
    for (const double v : values) out.push_back({option, v});
  };
  if (id == "beta") add("beta", {-1.2, -1e-12, 0, 0.2, 0.5, 1 - 1e-9, 1, 1 + 1e-9, 1.7, 2, 2.5, 4});
  if (id == "huber") add("delta", {0.1, 3});
  if (id == "l1") add("smoothing", {0.3});
  return out;
}

Tested tested(const Descriptor& d, const Variant& v) {
  Options options;
  if (v.option) {
    OptionValue& o = options.values[v.option];
    o.number = v.value;
    o.given = true;
  }
  auto loss = Loss::create(d, options);
  REQUIRE(loss);
  return {*loss, (*loss)->functions<double>(), (*loss)->functions<float>()};
}

Tested loss_named(const std::string& id, const Variant& v = {}) {
  static const auto r = Registry::open({});
  REQUIRE(r);
  const Descriptor* d = (*r)->find("loss", id);
  REQUIRE(d != nullptr);
  return tested(*d, v);
}

void for_every_loss(const std::function<void(const Tested&, const assay_loss_facts&)>& law) {
  SearchOptions o;
  if (const char* folder = std::getenv("ASSAY_TEST_TEMPLATE")) o.plugin_dirs.emplace_back(folder);
  const auto r = Registry::open(o);
  REQUIRE(r);
  const auto all = (*r)->all("loss");
  REQUIRE(all.size() >= 2);
  for (const Descriptor* d : all) {
    CAPTURE(d->id);
    for (const Variant& v : variants_of(d->id)) {
      CAPTURE(v.value);
      law(tested(*d, v), tested(*d, v).loss->facts());
    }
  }
}

Span shifted(Span m, const Span& h, double times) {
  for (size_t i = 0; i < m.size(); ++i) m[i] += times * h[i];
  return m;
}

// Richardson's central difference of g along m; steps stay inside the domain.
Span difference(const std::function<Span(const Span&)>& g,
                const Span& m,
                const assay_loss_facts& f) {
  Span h(m.size()), out(m.size());
  // No longer than the shortest length on which the gradient bends: 1 / the bound of its slope.
  const double longest = std::min(1.0, 1 / f.curvature_bound > 0 ? 1 / f.curvature_bound : 1.0);
  for (size_t i = 0; i < m.size(); ++i)
    h[i] = 1e-3 * std::min({longest, m[i] - f.m_lo, f.m_hi - m[i]});
  const Span a = g(shifted(m, h, 1)), b = g(shifted(m, h, -1)), a2 = g(shifted(m, h, 2)),
             b2 = g(shifted(m, h, -2));
  for (size_t i = 0; i < m.size(); ++i)
    out[i] = (8 * (a[i] - b[i]) - (a2[i] - b2[i])) / (12 * h[i]);
  return out;
}

// The formula a tag stands for, or nothing where this test knows none.
std::function<double(double, double)> formula(const assay_loss_facts& f) {
  switch (f.tag) {
    case ASSAY_TAG_SQUARED:
      return [](double x, double m) { return 0.5 * (x - m) * (x - m); };
    case ASSAY_TAG_KL:
      return [](double x, double m) { return (x > 0 ? x * std::log(x / m) : 0) - x + m; };
    case ASSAY_TAG_IS:
      return [](double x, double m) { return x / m - std::log(x / m) - 1; };
    case ASSAY_TAG_LOGISTIC:
      return [](double x, double m) {
        return std::log1p(std::exp(-std::abs(m))) + std::max(m, 0.0) - x * m;
      };
    case ASSAY_TAG_POISSON_LOG:
      return [](double x, double m) { return std::exp(m) - x * m; };
    case ASSAY_TAG_BETA:
      // As it stands in the papers: right where neither b nor b - 1 is small.
      if (std::abs(f.tag_parameter) < 0.1 || std::abs(f.tag_parameter - 1) < 0.1) return {};
      return [b = f.tag_parameter](double x, double m) {
        return ((x > 0 ? std::pow(x, b) : 0) + (b - 1) * std::pow(m, b) -
                b * x * std::pow(m, b - 1)) /
               (b * (b - 1));
      };
    case ASSAY_TAG_HUBER:
      return [d = f.tag_parameter](double x, double m) {
        const double r = std::abs(x - m);
        return r <= d ? r * r / 2 : d * r - d * d / 2;
      };
    case ASSAY_TAG_L1:
      return [s = f.tag_parameter](double x, double m) {
        return std::sqrt((x - m) * (x - m) + s * s) - s;
      };
    default:
      return {};
  }
}

void check_near(const Span& got, const Span& want, double tolerance) {
  for (size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(got[i] - want[i]) <= tolerance * (1 + std::abs(want[i])));
  }
}

bool divergence(const assay_loss_facts& f) {
  return f.tag != ASSAY_TAG_NONE && f.tag != ASSAY_TAG_LOGISTIC && f.tag != ASSAY_TAG_POISSON_LOG;
}

constexpr double kBetas[] = {-1.2, 0, 0.2, 0.5, 1, 1.5, 2, 2.5};

}  // namespace

TEST_CASE("law: the gradient of a loss is the derivative of its value") {
  for_every_loss([](const Tested& t, const assay_loss_facts& f) {
    Samples s = samples_of(f, 200, 1);
    for (size_t i = 0; i < s.m.size() && f.tag == ASSAY_TAG_HUBER; ++i) {
      // Not across the place where the second derivative jumps.
      if (std::abs(std::abs(s.x[i] - s.m[i]) - f.tag_parameter) < 4e-3) s.m[i] = s.x[i];
    }
    check_near(t.grad(s.x, s.m), difference([&](const Span& m) { return t.value(s.x, m); }, s.m, f),
               1e-6);
  });
}

TEST_CASE("law: an MU split has non-negative halves whose difference is the gradient") {
  for_every_loss([](const Tested& t, const assay_loss_facts& f) {
    if (!t.loss->has_mu_split()) return;
    const Samples s = samples_of(f, 200, 2, true);
    Span num, den;
    t.split(s.x, s.m, num, den);
    const Span g = t.grad(s.x, s.m);
    for (size_t i = 0; i < g.size(); ++i) {
      CHECK(num[i] >= 0);
      CHECK(den[i] >= 0);
      CHECK(std::abs(den[i] - num[i] - g[i]) <= 1e-13 * (num[i] + den[i]));
      if (!std::isnan(f.den_is)) CHECK(den[i] == f.den_is);
    }
  });
}

TEST_CASE("law: multiplicative updates with the stated exponent never raise the loss") {
  for_every_loss([](const Tested& t, const assay_loss_facts& f) {
    if (!t.loss->has_mu_split()) return;
    constexpr size_t n = 6, d = 5, k = 2;
    for (uint64_t trial = 0; trial < 20; ++trial) {
      const Samples s = samples_of(f, n * d, 100 + trial, true);
      Span W(n * k), H(d * k), M(n * d), num, den;
      rng_service()->uniform(trial, 0, static_cast<int64_t>(W.size()), W.data());
      rng_service()->uniform(trial + 1000, 0, static_cast<int64_t>(H.size()), H.data());
      const auto model = [&] {
        for (size_t i = 0; i < n; ++i)
          for (size_t j = 0; j < d; ++j) {
            M[i * d + j] = 0;
            for (size_t a = 0; a < k; ++a) M[i * d + j] += W[i * k + a] * H[j * k + a];
          }
      };
      const auto total = [&] {
        model();
        double sum = 0;
        for (const double v : t.value(s.x, M)) sum += v;
        return sum;
      };
      double before = total();
      for (int step = 0; step < 10; ++step) {
        t.split(s.x, M, num, den);
        for (size_t i = 0; i < n; ++i)
          for (size_t a = 0; a < k; ++a) {
            double N = 0, D = 0;
            for (size_t j = 0; j < d; ++j)
              N += num[i * d + j] * H[j * k + a], D += den[i * d + j] * H[j * k + a];
            W[i * k + a] *= std::pow(N / D, f.mu_exponent);
          }
        const double after = total();
        CHECK(after <= before + 1e-12 * (1 + std::abs(before)));
        before = after;
      }
    }
  });
}

TEST_CASE("law: a tag's formula is what the functions compute") {
  for_every_loss([](const Tested& t, const assay_loss_facts& f) {
    const auto want = formula(f);
    if (!want) return;
    const Samples s = samples_of(f, 200, 3);
    const Span got = t.value(s.x, s.m);
    for (size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i);
      const double v = want(s.x[i], s.m[i]);
      // What the textbook's beta divergence loses between its terms.
      const double terms = f.tag != ASSAY_TAG_BETA
                               ? 0
                               : (s.x[i] > 0 ? std::pow(s.x[i], f.tag_parameter) : 0) +
                                     std::pow(s.m[i], f.tag_parameter);
      CHECK(std::abs(got[i] - v) <= 1e-13 * (1 + std::abs(v) + terms));
    }
  });
}

TEST_CASE("law: the zero term is the loss at x = 0") {
  for_every_loss([](const Tested& t, const assay_loss_facts& f) {
    if (f.zero_term == ASSAY_ZERO_NONE) return;
    Samples s = samples_of(f, 50, 4);
    s.x.assign(s.x.size(), 0);
    const Span v = t.value(s.x, s.m);
    for (size_t i = 0; i < v.size(); ++i) {
      const double term = f.zero_a * s.m[i] * (f.zero_term == ASSAY_ZERO_QUADRATIC ? s.m[i] : 1);
      CHECK(v[i] == doctest::Approx(term).epsilon(1e-13));
    }
  });
}

TEST_CASE("law: a loss that says convex lies below its chords") {
  for_every_loss([](const Tested& t, const assay_loss_facts& f) {
    if (!(f.flags & ASSAY_LOSS_CONVEX)) return;
    const Samples s = samples_of(f, 300, 5), other = samples_of(f, 300, 6);
    Span middle = s.m;
    for (size_t i = 0; i < middle.size(); ++i) middle[i] = 0.5 * (s.m[i] + other.m[i]);
    const Span a = t.value(s.x, s.m), b = t.value(s.x, other.m), c = t.value(s.x, middle);
    for (size_t i = 0; i < c.size(); ++i)
      CHECK(c[i] <= 0.5 * (a[i] + b[i]) + 1e-12 * (1 + std::abs(a[i]) + std::abs(b[i])));
  });
}

TEST_CASE("law: curvature is the second derivative or majorises, within its bound") {
  for_every_loss([](const Tested& t, const assay_loss_facts& f) {
    if (!t.loss->has_curvature()) return;
    const Samples s = samples_of(f, 200, 7), other = samples_of(f, 200, 8);
    const Span h = t.curvature(s.x, s.m);
    for (const double v : h) CHECK(v <= f.curvature_bound * (1 + 1e-12));
    if (!(f.flags & ASSAY_LOSS_CURVATURE_MAJORISES)) {
      check_near(h, difference([&](const Span& m) { return t.grad(s.x, m); }, s.m, f), 1e-6);
      return;
    }
    const Span g = t.grad(s.x, s.m), v = t.value(s.x, s.m), there = t.value(s.x, other.m);
    for (size_t i = 0; i < h.size(); ++i) {
      const double step = other.m[i] - s.m[i],
                   parabola = v[i] + g[i] * step + 0.5 * h[i] * step * step;
      CHECK(there[i] <= parabola + 1e-12 * (1 + std::abs(parabola)));
    }
  });
}

TEST_CASE("law: a divergence is 0 where model and data agree and above 0 elsewhere") {
  for_every_loss([](const Tested& t, const assay_loss_facts& f) {
    if (!divergence(f)) return;
    Samples s = samples_of(f, 200, 11);
    for (size_t i = 0; i < s.x.size(); i += 3) s.m[i] = s.x[i] * (1 + 1e-5);
    const Span v = t.value(s.x, s.m);
    for (size_t i = 0; i < v.size(); ++i) {
      CAPTURE(s.x[i]);
      CAPTURE(s.m[i]);
      if (s.m[i] != s.x[i]) CHECK(v[i] > 0);
    }
    const bool zero_out = (f.flags & (ASSAY_LOSS_X_LO_OPEN | ASSAY_LOSS_M_LO_OPEN)) != 0;
    for (double& x : s.x) x = zero_out && x == 0 ? 1 : x;
    for (const double at : t.value(s.x, s.x)) CHECK(at == 0);
    for (const double at : t.grad(s.x, s.x)) CHECK(std::abs(at) < 1e-12);
  });
}

TEST_CASE("law: a beta divergence scales like the power beta of the units") {
  for (const double b : kBetas) {
    CAPTURE(b);
    const Tested t = loss_named("beta", {"beta", b});
    const Samples s = samples_of(t.loss->facts(), 100, 12);
    for (const double g : {1e-3, 0.3, 7.0, 1e4}) {
      Samples scaled = s;
      for (double& x : scaled.x) x *= g;
      for (double& m : scaled.m) m *= g;
      Span want = t.value(s.x, s.m);
      for (double& v : want) v *= std::pow(g, b);
      const Span got = t.value(scaled.x, scaled.m);
      for (size_t i = 0; i < got.size(); ++i)
        CHECK(std::abs(got[i] - want[i]) <= 1e-12 * want[i] + 1e-15 * std::pow(g * s.m[i], b));
    }
  }
}

TEST_CASE("law: beta divergences pass continuously through 0, 1 and 2") {
  const std::pair<double, const char*> named[] = {{0, "itakura_saito"}, {1, "kl"}, {2, "squared"}};
  for (const auto& [b, id] : named) {
    CAPTURE(id);
    const Tested limit = loss_named(id), at = loss_named("beta", {"beta", b});
    Samples s = samples_of(limit.loss->facts(), 200, 13, true);
    for (double& x : s.x) x = x > 0 ? x : 0.5;
    CHECK(at.loss->facts().tag == limit.loss->facts().tag);
    CHECK(at.loss->facts().mu_exponent == limit.loss->facts().mu_exponent);
    check_near(at.value(s.x, s.m), limit.value(s.x, s.m), 1e-13);
    check_near(at.grad(s.x, s.m), limit.grad(s.x, s.m), 1e-13);
    for (const double step : {1e-5, 1e-8, 1e-11}) {
      for (const double side : {-1.0, 1.0}) {
        const Tested near = loss_named("beta", {"beta", b + side * step});
        // |d l / d b| is below 100 at these samples.
        check_near(near.value(s.x, s.m), limit.value(s.x, s.m), 100 * step + 1e-13);
        check_near(near.grad(s.x, s.m), limit.grad(s.x, s.m), 100 * step + 1e-13);
      }
    }
  }
}

TEST_CASE("law: a log density differs from minus the loss by what does not depend on the model") {
  for_every_loss([](const Tested& t, const assay_loss_facts& f) {
    const assay_loss* table = t.loss->table();
    if (!ASSAY_HAS(table, log_density) || !table->log_density || f.noise == ASSAY_NOISE_NONE)
      return;
    const Samples s = samples_of(f, 300, 14), other = samples_of(f, 300, 15);
    const auto density = [&](const Span& m) {
      Span out(m.size());
      assay_ctx ctx;
      REQUIRE(table->log_density(t.loss->self(), &ctx, 300, s.x.data(), m.data(), out.data()) ==
              ASSAY_OK);
      return out;
    };
    // The smoothing of l1 is not in its density.
    const double smoothing = f.tag == ASSAY_TAG_L1 ? f.tag_parameter : 0;
    const Span a = density(s.m), b = density(other.m), va = t.value(s.x, s.m),
               vb = t.value(s.x, other.m);
    for (size_t i = 0; i < a.size(); ++i)
      CHECK(std::abs(a[i] + va[i] - b[i] - vb[i]) <=
            1e-11 * (1 + std::abs(va[i]) + std::abs(vb[i]) + std::abs(a[i])) + smoothing);
  });
}

TEST_CASE("law: a density integrates, a mass sums to 1") {
  struct Case {
    const char* id;
    double m, from, to, step;
  };
  // Densities by the midpoint rule, masses (step 1) over the counts.
  const Case cases[] = {{"squared", 1.5, -10, 13, 1e-3}, {"l1", 0.5, -40, 40, 1e-3},
                        {"huber", 0.5, -40, 40, 1e-3},   {"itakura_saito", 0.7, 0, 30, 1e-4},
                        {"kl", 3.5, -0.5, 60.5, 1},      {"poisson_log", 1.2, -0.5, 60.5, 1},
                        {"logistic", 0.8, -0.5, 1.5, 1}};
  for (const Case& c : cases) {
    CAPTURE(c.id);
    const Tested t = loss_named(c.id);
    const auto n = static_cast<int64_t>(std::llround((c.to - c.from) / c.step));
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double x = c.from + (static_cast<double>(i) + 0.5) * c.step;
      double out = 0;
      assay_ctx ctx;
      REQUIRE(t.loss->table()->log_density(t.loss->self(), &ctx, 1, &x, &c.m, &out) == ASSAY_OK);
      sum += std::exp(out) * c.step;
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-5));
  }
}

TEST_CASE("law: spans cut anywhere give the same bits, and write nothing beyond their end") {
  for_every_loss([](const Tested& t, const assay_loss_facts& f) {
    const Samples s = samples_of(f, 203, 9, true);
    const auto run = [&](const std::function<int32_t(int64_t, int64_t, double*)>& span) {
      Span whole(204, -77), parts(204, -77);
      REQUIRE(span(0, 203, whole.data()) == ASSAY_OK);
      REQUIRE(span(0, 0, parts.data()) == ASSAY_OK);
      CHECK(parts[0] == -77);
      for (int64_t at = 0, size = 1; at < 203; at += size, size = size % 17 + 1) {
        size = std::min<int64_t>(size, 203 - at);
        REQUIRE(span(at, size, parts.data() + at) == ASSAY_OK);
        CHECK(parts[static_cast<size_t>(at + size)] == -77);
      }
      CHECK(whole == parts);
    };
    assay_ctx ctx;
    for (const auto fn : {t.f.value, t.f.grad, t.f.curvature})
      if (fn)
        run([&](int64_t at, int64_t n, double* out) {
          return fn(t.f.self, &ctx, n, s.x.data() + at, s.m.data() + at, out);
        });
    if (!t.f.mu_split) return;
    for (const bool first : {true, false})
      run([&](int64_t at, int64_t n, double* out) {
        Span other(static_cast<size_t>(n) + 1);
        return t.f.mu_split(t.f.self, &ctx, n, s.x.data() + at, s.m.data() + at,
                            first ? out : other.data(), first ? other.data() : out);
      });
  });
}

TEST_CASE("law: float32 twins agree with float64") {
  for_every_loss([](const Tested& t, const assay_loss_facts& f) {
    const Samples s = samples_of(f, 200, 10, true);
    const std::vector<float> x(s.x.begin(), s.x.end()), m(s.m.begin(), s.m.end());
    const Span x64(x.begin(), x.end()), m64(m.begin(), m.end());
    const auto n = static_cast<int64_t>(x.size());
    assay_ctx ctx;
    // Rounding of x and m counts as often as the gradient is steep; powers add their exponent's.
    const double steep = std::isfinite(f.curvature_bound) ? std::max(1.0, f.curvature_bound) : 1;
    const double tolerance = (f.tag == ASSAY_TAG_BETA ? 1e-5 : 4e-6) * steep;
    const auto compare = [&](const std::vector<float>& got, const Span& want) {
      for (size_t i = 0; i < want.size(); ++i)
        CHECK(std::abs(static_cast<double>(got[i]) - want[i]) <=
              tolerance * (1 + std::abs(want[i]) + x64[i] + m64[i]));
    };
    const auto unary = [&](kernels::LossFunctions<float>::Unary fn, const Span& want) {
      std::vector<float> out(x.size());
      REQUIRE(fn(t.f32.self, &ctx, n, x.data(), m.data(), out.data()) == ASSAY_OK);
      compare(out, want);
    };
    if (t.f32.value) unary(t.f32.value, t.value(x64, m64));
    if (t.f32.grad) unary(t.f32.grad, t.grad(x64, m64));
    if (t.f32.curvature) unary(t.f32.curvature, t.curvature(x64, m64));
    if (!t.f32.mu_split) return;
    std::vector<float> num(x.size()), den(x.size());
    Span num64, den64;
    t.split(x64, m64, num64, den64);
    REQUIRE(t.f32.mu_split(t.f32.self, &ctx, n, x.data(), m.data(), num.data(), den.data()) ==
            ASSAY_OK);
    compare(num, num64);
    compare(den, den64);
  });
}

}  // namespace assay::plugin
