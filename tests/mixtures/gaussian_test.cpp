// SPDX-License-Identifier: Apache-2.0
// Gaussian mixtures: the published optimum of Old Faithful, the log-likelihood against one worked
// out by hand, the identities of the source notes, and digits that large means must not cost.
#include "tests/mixtures/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

std::string density(const std::string& covariance) {
  return "components: 3, density: { use: gaussian, covariance: " + covariance + " }";
}

constexpr const char* kKinds[] = {"full", "tied", "diag", "spherical", "identity"};

}  // namespace

TEST_CASE("the trace's value is the log-likelihood of the arrays, for every covariance") {
  const Problem p = blobs(400, 3, 3, 3, 0, 1);
  for (const char* kind : kKinds) {
    CAPTURE(kind);
    const Mixed m = fitted_mixture(mixture(density(kind), "em"), dense(p));
    const std::vector<double> a = joint(m, p);
    double total = 0;
    for (int64_t i = 0; i < p.n; ++i) total += log_sum_exp(&a[static_cast<size_t>(i * 3)], 3);
    CHECK(m.log_likelihood() == doctest::Approx(total).epsilon(1e-12));
    check_descent(*m.result, 1e-12);
  }
}

TEST_CASE("Old Faithful: three tied components, best of 20 starts") {
  const auto p = data_file("tabular/old_faithful.csv");
  if (!p) {
    MESSAGE("skipped: no tabular/old_faithful.csv below $ASSAY_DATA");
    return;
  }
  double best = -1e300;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    spec::Trial t = mixture(density("tied"), "{ use: em, start: random }",
                            "stop: { max_iter: 2000, rel_tol: 1e-12, patience: 0 }\n");
    t.seed = seed;
    best = std::max(best, fitted_mixture(t, dense(*p)).log_likelihood());
  }
  CHECK(best >= -1126.316);
  CHECK(best <= -1126.31);
}

TEST_CASE("identities of a fit: moments, weights, complete likelihood") {
  const Problem p = blobs(500, 4, 3, 2, 1, 2);
  for (const char* kind : kKinds) {
    CAPTURE(kind);
    const Mixed m = fitted_mixture(mixture(density(kind), "{ use: em, responsibilities: true }",
                                           "stop: { max_iter: 3000, rel_tol: 0, patience: 0 }\n"),
                                   dense(p));
    const graph::Buffer& r = m.model->state.at("rows.responsibilities");
    const std::vector<double> a = joint(m, p);
    double complete = 0, entropy = 0;
    std::vector<double> N(3, 0.0);
    for (int64_t i = 0; i < p.n; ++i) {
      double sum = 0;
      for (int64_t c = 0; c < 3; ++c) {
        const double v = r.get(i, c);
        sum += v;
        N[static_cast<size_t>(c)] += v;
        if (v <= 0) continue;
        complete += v * a[static_cast<size_t>(i * 3 + c)];
        entropy -= v * std::log(v);
      }
      CHECK(sum == doctest::Approx(1).epsilon(1e-13));
    }
    // log-likelihood = expected complete log-likelihood + entropy of the responsibilities
    CHECK(complete + entropy == doctest::Approx(m.log_likelihood()).epsilon(1e-12));
    for (int64_t c = 0; c < 3; ++c)
      CHECK(m.weight(c) == doctest::Approx(N[static_cast<size_t>(c)] / 500).epsilon(1e-7));
    // At the end of EM the mixture's mean is the data's, and with free covariances its covariance
    // too: sum pi (C + mu mu') - E E'.
    for (int64_t i = 0; i < 4; ++i) {
      double mixed = 0, sample = 0;
      for (int64_t c = 0; c < 3; ++c) mixed += m.weight(c) * m.mean(c, i);
      for (int64_t row = 0; row < p.n; ++row) sample += p.x[static_cast<size_t>(row * 4 + i)] / 500;
      CHECK(mixed == doctest::Approx(sample).epsilon(1e-7));
      const bool whole = std::string(kind) == "full" || std::string(kind) == "tied";
      for (int64_t j = 0; j < 4; ++j) {
        if (!whole && !(i == j && std::string(kind) == "diag")) continue;
        double second = 0, data = 0, other = 0;
        for (int64_t c = 0; c < 3; ++c) {
          second += m.weight(c) * (m.covariance(c, i, j) + m.mean(c, i) * m.mean(c, j));
          other += m.weight(c) * m.mean(c, j);
        }
        for (int64_t row = 0; row < p.n; ++row)
          data +=
              p.x[static_cast<size_t>(row * 4 + i)] * p.x[static_cast<size_t>(row * 4 + j)] / 500;
        CHECK(second - mixed * other == doctest::Approx(data - mixed * other).epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("identity covariances: half the bound, the entropy and a constant") {
  // -E log p(X, Z) = 1/2 sum r |x - mu|^2 - sum r log pi + n d / 2 log 2 pi, and with the entropy
  // of the responsibilities that is F.
  const Problem p = blobs(300, 3, 3, 1, 0, 14);
  const Mixed m =
      fitted_mixture(mixture(density("identity"), "{ use: em, responsibilities: true }"), dense(p));
  const graph::Buffer& r = m.model->state.at("rows.responsibilities");
  double bound = 0, prior = 0, entropy = 0;
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t c = 0; c < 3; ++c) {
      const double v = r.get(i, c);
      for (int64_t j = 0; j < p.d; ++j)
        bound += v * std::pow(p.x[static_cast<size_t>(i * p.d + j)] - m.mean(c, j), 2);
      prior -= v * std::log(m.weight(c));
      if (v > 0) entropy -= v * std::log(v);
    }
  const double constant = 0.5 * 300 * 3 * std::log(2 * 3.14159265358979324);
  CHECK(m.F() == doctest::Approx(bound / 2 + prior + constant - entropy).epsilon(1e-12));
}

TEST_CASE("a mean of 1e6 beside a variance of 1 costs no digits") {
  Problem p = blobs(4000, 3, 1, 0, 1e6, 4);
  for (const int32_t dtype : {ASSAY_F64, ASSAY_F32}) {
    CAPTURE(dtype);
    if (dtype == ASSAY_F32)
      for (double& v : p.x) v = static_cast<double>(static_cast<float>(v));  // what is stored
    std::vector<double> mean(3, 0.0), C(9, 0.0);
    for (int64_t i = 0; i < p.n; ++i)
      for (size_t j = 0; j < 3; ++j)
        mean[j] += (p.x[static_cast<size_t>(i) * 3 + j] - 1e6) / static_cast<double>(p.n);
    for (int64_t i = 0; i < p.n; ++i)
      for (size_t j = 0; j < 3; ++j)
        for (size_t l = 0; l < 3; ++l)
          C[j * 3 + l] += (p.x[static_cast<size_t>(i) * 3 + j] - 1e6 - mean[j]) *
                          (p.x[static_cast<size_t>(i) * 3 + l] - 1e6 - mean[l]) /
                          static_cast<double>(p.n);
    for (const char* kind : {"full", "tied", "diag"}) {
      CAPTURE(kind);
      const Mixed m = fitted_mixture(
          mixture(
              std::string("components: 1, density: { use: gaussian, covariance: ") + kind + " }",
              "em"),
          dense(p, dtype));
      for (int64_t j = 0; j < 3; ++j)
        for (int64_t l = 0; l < 3; ++l)
          if (j == l || std::string(kind) != "diag")
            CHECK(std::abs(m.covariance(0, j, l) - C[static_cast<size_t>(j * 3 + l)]) <
                  (dtype == ASSAY_F32 ? 1e-3 : 1e-6));
    }
  }
}

TEST_CASE("sparse rows in linear form and the same rows dense give one fit") {
  Problem p = random_problem(200, 9, 3);
  for (const char* kind : {"diag", "spherical", "identity"}) {
    CAPTURE(kind);
    const spec::Trial t = mixture(density(kind), "em", "init: random\n");
    const Mixed a = fitted_mixture(t, dense(p)), b = fitted_mixture(t, sparse(p));
    CHECK(a.F() == doctest::Approx(b.F()).epsilon(1e-7));
  }
}

TEST_CASE("a fit has the same bits on 1, 2 and 4 threads") {
  const Problem p = blobs(3000, 5, 3, 2, 0, 5);
  const spec::Trial t = mixture(density("full"), "em", "stop: { max_iter: 7, rel_tol: 0 }\n");
  const Mixed one = fitted_mixture(t, dense(p));
  for (const int threads : {2, 4}) {
    const Mixed other = fitted_mixture(t, dense(p), threads);
    CHECK(one.F() == other.F());
    for (int64_t j = 0; j < 5; ++j) CHECK(one.mean(0, j) == other.mean(0, j));
  }
}
