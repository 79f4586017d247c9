// SPDX-License-Identifier: Apache-2.0
// Laws of EM over random small problems of every family and covariance, in float64 and float32,
// with what breaks other implementations: rows that repeat, columns that are constant, columns that
// are sums of others, components without rows. It ends well, everything is finite, F never rises.
#include "tests/mixtures/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

struct Family {
  const char* density;
  double top;  // entries are whole numbers from 0 to here; 0: any number
};

constexpr Family kFamilies[] = {
    {"{ use: gaussian, covariance: full }", 0},
    {"{ use: gaussian, covariance: tied }", 0},
    {"{ use: gaussian, covariance: diag }", 0},
    {"{ use: gaussian, covariance: spherical }", 0},
    {"{ use: gaussian, covariance: identity }", 0},
    {"bernoulli", 1},
    {"poisson", 6},
    {"multinomial", 6},
    {"categorical", 3},
};

// Odd on purpose: see the head.
Problem odd_problem(Draw& draw, double top) {
  Problem p;
  p.n = 4 + draw.below(40);
  p.d = 1 + draw.below(6);
  p.x.resize(static_cast<size_t>(p.n * p.d));
  const double scale = std::pow(10, 6 * draw() - 3), shift = draw() < 0.3 ? 1000 * scale : 0;
  for (double& v : p.x)
    v = top > 0 ? std::floor(draw() * (top + 1)) : scale * draw.normal() + shift;
  const auto at = [&](int64_t i, int64_t j) -> double& {
    return p.x[static_cast<size_t>(i * p.d + j)];
  };
  const double odd = draw();
  if (odd < 0.25)  // few distinct rows
    for (int64_t i = 3; i < p.n; ++i)
      for (int64_t j = 0; j < p.d; ++j) at(i, j) = at(i % 3, j);
  if (odd >= 0.2 && odd < 0.5)  // a constant column
    for (int64_t i = 0; i < p.n; ++i) at(i, 0) = at(0, 0);
  if (odd >= 0.45 && odd < 0.7 && p.d > 2 && top == 0)  // a collinear one
    for (int64_t i = 0; i < p.n; ++i) at(i, 2) = at(i, 0) + at(i, 1);
  if (odd >= 0.97)  // all rows alike
    for (int64_t i = 0; i < p.n; ++i)
      for (int64_t j = 0; j < p.d; ++j) at(i, j) = at(0, j);
  p.k = 1 + draw.below(std::min<int64_t>(5, p.n - 1));
  return p;
}

void one_problem(uint64_t seed) {
  Draw draw(seed);
  const Family& family = kFamilies[seed % std::size(kFamilies)];
  const Problem p = odd_problem(draw, family.top);
  const int32_t dtype = draw() < 0.5 ? ASSAY_F64 : ASSAY_F32;
  const bool random = draw() < 0.5, hard = draw() < 0.2;
  CAPTURE(seed);
  CAPTURE(family.density);
  spec::Trial t = mixture("components: " + std::to_string(p.k) + ", density: " + family.density,
                          std::string("{ use: em, start: ") + (random ? "random" : "clusters") +
                              (hard ? ", assignment: hard }" : " }"),
                          "init: random\nstop: { max_iter: 15, rel_tol: 0, patience: 0 }\n");
  t.seed = seed;
  const Mixed m = fit_mixture(t, dense(p, dtype));
  REQUIRE_MESSAGE(m.result.ok(), m.result.error().message);
  CHECK_MESSAGE(m.result->stop == fit::Stop::kMaxIter, fit::stop_name(m.result->stop));
  // In float32 products of the linear families carry seven digits of what cancels.
  const bool rough = dtype == ASSAY_F32 && family.top > 0;
  check_descent(*m.result, rough ? 1e-5 : 1e-9, rough ? static_cast<double>(p.n * p.d) : 1);
  double weights = 0;
  for (int64_t c = 0; c < m.k(); ++c) {
    weights += m.weight(c);
    for (int64_t j = 0; j < p.d; ++j) {
      CHECK(std::isfinite(m.mean(c, j)));
      for (int64_t l = 0; l < p.d; ++l) CHECK(std::isfinite(m.covariance(c, j, l)));
    }
  }
  CHECK(weights == doctest::Approx(1).epsilon(1e-12));
}

}  // namespace

TEST_CASE("every density there is has its odd problems") {
  for (const plugin::Descriptor* d : registry()->all("density")) {
    CAPTURE(d->id);
    CHECK(std::any_of(std::begin(kFamilies), std::end(kFamilies), [&](const Family& f) {
      return std::string(f.density).find(d->id) != std::string::npos;
    }));
  }
}

TEST_CASE("EM never lowers the likelihood and never fails: 1000 odd problems") {
  for (uint64_t seed = 0; seed < 1000; ++seed) one_problem(seed);
}

TEST_CASE("rows that are all alike have a fit, whatever their size") {
  for (const Family& family : kFamilies)
    for (const double value : {0.0, 0.021922, -3e-5, 1e6 + 1.0 / 3})
      for (const int32_t dtype : {ASSAY_F64, ASSAY_F32}) {
        CAPTURE(family.density);
        CAPTURE(value);
        const double entry = family.top > 0 ? (value > 0 ? 1 : 0) : value;
        const Problem p{28, 5, 3, std::vector<double>(28 * 5, entry)};
        const Mixed m = fitted_mixture(
            mixture(std::string("components: 3, density: ") + family.density, "em",
                    "init: random\nstop: { max_iter: 5, rel_tol: 0, patience: 0 }\n"),
            dense(p, dtype));
        CHECK(m.result->stop == fit::Stop::kMaxIter);
        check_descent(*m.result, 1e-5);
      }
}
