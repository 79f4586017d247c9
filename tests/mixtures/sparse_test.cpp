// SPDX-License-Identifier: Apache-2.0
// Sparse rows whose stored entries lie far from 0: variances of 1 at 1e6 are right, or the fit says
// that they cannot be.
#include "tests/mixtures/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

spec::Trial of(const std::string& covariance, const std::string& compute) {
  spec::Trial t =
      mixture("components: 3, density: { use: gaussian, covariance: " + covariance + " }", "em",
              "init: random\nstop: { max_iter: 20, rel_tol: 0, patience: 0 }\n");
  t.data.compute = compute;
  return t;
}

// Columns behind those of p hold nothing.
Problem widened(const Problem& p, int64_t d) {
  Problem out{p.n, d, p.k, std::vector<double>(static_cast<size_t>(p.n * d), 0.0)};
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j < p.d; ++j)
      out.x[static_cast<size_t>(i * d + j)] = p.x[static_cast<size_t>(i * p.d + j)];
  return out;
}

std::vector<double> rows_of(const Problem& p) {
  const auto width = static_cast<std::ptrdiff_t>(3 * p.d);
  return {p.x.begin(), p.x.begin() + width};
}

}  // namespace

TEST_CASE("sparse rows that are full lose no digits far from 0") {
  const Problem p = blobs(180, 3, 3, 4, 1e6, 5);
  for (const char* covariance : {"diag", "spherical", "identity"}) {
    CAPTURE(covariance);
    const spec::Trial t = of(covariance, "f64");
    const Mixed a = fitted_mixture(t, dense(p), 1, rows_of(p)),
                b = fitted_mixture(t, sparse(p), 1, rows_of(p));
    CHECK(b.F() == doctest::Approx(a.F()).epsilon(1e-9));
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t j = 0; j < 3; ++j)
        CHECK(b.covariance(c, j, j) == doctest::Approx(a.covariance(c, j, j)).epsilon(1e-6));
  }
}

TEST_CASE("thin sparse rows far from 0 are refused by name, near it they are right") {
  for (const char* compute : {"f64", "f32"}) {
    CAPTURE(compute);
    const Problem far = widened(blobs(180, 2, 3, 4, 1e6, 5), 12);
    const Mixed m = fit_mixture(of("diag", compute), sparse(far), 1, rows_of(far));
    REQUIRE(m.result.ok());
    CHECK(m.result->stop == fit::Stop::kNonFinite);
    REQUIRE(m.result->numeric);
    CHECK(m.result->numeric->message.find("too far from 0") != std::string::npos);
    CHECK(!m.result->numeric->help.empty());
  }
  const Problem near = widened(blobs(180, 2, 3, 4, 100, 5), 12);
  const spec::Trial t = of("diag", "f64");
  const Mixed a = fitted_mixture(t, dense(near), 1, rows_of(near)),
              b = fitted_mixture(t, sparse(near), 1, rows_of(near));
  CHECK(b.F() == doctest::Approx(a.F()).epsilon(1e-8));
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t j = 0; j < 2; ++j)
      CHECK(b.covariance(c, j, j) == doctest::Approx(a.covariance(c, j, j)).epsilon(1e-6));
}
