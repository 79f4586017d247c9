// SPDX-License-Identifier: Apache-2.0
// Priors and starts: the log posterior against one worked out by hand, EM on it, several starts,
// annealing, and what a density with a policy of its own does with singular covariances.
#include "tests/mixtures/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

double determinant(const std::vector<double>& C, int64_t d) {
  if (d == 1) return C[0];
  return C[0] * C[3] - C[1] * C[2];
}

// log of NIW(mu, C | m0, kappa, Psi, nu) for d = 2.
double log_niw(const std::vector<double>& mu,
               const std::vector<double>& C,
               const std::vector<double>& m0,
               double kappa,
               const std::vector<double>& psi,
               double nu) {
  const double pi = 3.14159265358979324, det = determinant(C, 2);
  std::vector<double> scaled = C;
  for (double& v : scaled) v /= kappa;
  const double inverse[4] = {C[3] / det, -C[1] / det, -C[2] / det, C[0] / det};
  const double trace = psi[0] * inverse[0] + psi[1] * inverse[3];
  const double gammas = 0.5 * std::log(pi) + std::lgamma(nu / 2) + std::lgamma((nu - 1) / 2);
  return log_normal(mu.data(), m0, scaled) + nu / 2 * std::log(psi[0] * psi[1]) -
         nu * std::log(2.0) - gammas - (nu + 3) / 2 * std::log(det) - trace / 2;
}

}  // namespace

TEST_CASE("F with a prior is minus log-likelihood and log prior, and never rises") {
  const Problem p = blobs(150, 2, 2, 2, 3, 7);
  const double kappa = 0.5, nu = 5, scale = 0.3, a = 2.5;
  const spec::Trial t = mixture(
      "components: 3, density: gaussian, prior: { weights: 2.5, mean: 0.5, degrees: 5, scale: 0.3 "
      "}",
      "{ use: em, start: random }", "init: random\n");
  const Mixed m = fitted_mixture(t, dense(p));
  check_descent(*m.result, 1e-12);
  const std::vector<double> joints = joint(m, p);
  double posterior = std::lgamma(3 * a) - 3 * std::lgamma(a);
  double likelihood = 0;
  for (int64_t i = 0; i < p.n; ++i)
    likelihood += log_sum_exp(&joints[static_cast<size_t>(i * 3)], 3);
  posterior += likelihood;
  std::vector<double> m0(2, 0.0), psi(2, 0.0);
  for (size_t j = 0; j < 2; ++j) {
    for (int64_t i = 0; i < p.n; ++i) m0[j] += p.x[static_cast<size_t>(i) * 2 + j] / 150;
    for (int64_t i = 0; i < p.n; ++i)
      psi[j] += scale * std::pow(p.x[static_cast<size_t>(i) * 2 + j] - m0[j], 2) / 150;
  }
  for (int64_t c = 0; c < 3; ++c) {
    posterior += (a - 1) * std::log(m.weight(c));
    posterior += log_niw({m.mean(c, 0), m.mean(c, 1)},
                         {m.covariance(c, 0, 0), m.covariance(c, 0, 1), m.covariance(c, 1, 0),
                          m.covariance(c, 1, 1)},
                         m0, kappa, psi, nu);
  }
  CHECK(m.F() == doctest::Approx(-posterior).epsilon(1e-11));
  // Q' - Q = ln p(theta): what a prior adds to F, likelihood and expected complete one alike.
  const fit::TraceRow& last = m.result->trace.rows.back();
  CHECK(last.penalty == doctest::Approx(likelihood - posterior).epsilon(1e-9));
  CHECK(last.loss == doctest::Approx(-likelihood).epsilon(1e-11));
}

TEST_CASE(
    "F = loss + penalty in every row; the likelihood is the expected complete one + entropy") {
  const std::pair<const char*, const char*> laws[] = {
      {"gaussian", "{ weights: 2, mean: 0.5, degrees: 6 }"},
      {"{ use: gaussian, covariance: diag }", "none"},
      {"bernoulli", "{ a: 2, b: 3 }"},
      {"poisson", "{ a: 2, b: 0.5 }"},
      {"multinomial", "{ a: 1.5, weights: 3 }"},
      {"categorical", "{ a: 2 }"}};
  for (const auto& [family, prior] : laws)
    for (const char* solver : {"em", "{ use: online_em, batch: 40 }"}) {
      CAPTURE(family);
      CAPTURE(solver);
      Problem p = blobs(120, 3, 2, 2, 1, 6);
      if (family[0] != 'g' && family[0] != '{')
        for (double& v : p.x)
          v = std::clamp(std::floor(std::abs(v)), 0.0, family[0] == 'b' ? 1.0 : 4.0);
      const Mixed m = fitted_mixture(
          mixture(
              std::string("components: 2, density: ") + family + ", prior: " + prior, solver,
              "init: random_rows\nstop: { max_iter: 6, rel_tol: 0, patience: 0 }\n"
              "measure: { every: 1, metrics: [log_likelihood, complete_log_likelihood, entropy, "
              "bic] }\n"),
          dense(p));
      const double weights = 1, parameters = m.model->density->facts().free_parameters + weights;
      for (const fit::TraceRow& row : m.result->trace.rows) {
        CHECK(row.objective == doctest::Approx(row.loss + row.penalty).epsilon(1e-13));
        CHECK(-row.loss == doctest::Approx(row.metrics[0]).epsilon(1e-11));
        CHECK(row.metrics[0] == doctest::Approx(row.metrics[1] + row.metrics[2]).epsilon(1e-12));
        CHECK(row.metrics[3] ==
              doctest::Approx(parameters * std::log(120.0) - 2 * row.metrics[0]).epsilon(1e-12));
        if (std::string(prior) == "none")
          CHECK(row.penalty == 0);
        else
          CHECK(row.penalty != 0);
      }
    }
}

TEST_CASE("weights that are held equal are no parameters of aic, bic and icl") {
  const Problem p = blobs(100, 2, 3, 3, 0, 9);
  const auto fit = [&](const std::string& more) {
    return fitted_mixture(
        mixture("components: 3, density: gaussian", "{ use: em, assignment: hard" + more + " }",
                "stop: { max_iter: 3, rel_tol: 0, patience: 0 }\n"
                "measure: { every: 1, metrics: [aic, bic, icl, log_likelihood] }\n"),
        dense(p));
  };
  const double laws = 3 * (2 + 3);
  for (const auto& [m, parameters] :
       {std::pair(fit(""), laws + 2), std::pair(fit(", equal_weights: true"), laws)})
    for (const fit::TraceRow& row : m.result->trace.rows) {
      CHECK(row.metrics[0] == doctest::Approx(2 * parameters - 2 * row.metrics[3]).epsilon(1e-12));
      CHECK(row.metrics[1] ==
            doctest::Approx(parameters * std::log(100.0) - 2 * row.metrics[3]).epsilon(1e-12));
      // Hard assignments: F is minus the classification likelihood, which icl is about.
      CHECK(row.metrics[2] ==
            doctest::Approx(parameters * std::log(100.0) + 2 * row.objective).epsilon(1e-12));
    }
}

TEST_CASE("EM never lowers the posterior, for every family and covariance") {
  const struct {
    const char* model;
    double top;
  } families[] = {
      {"density: { use: gaussian, covariance: full }, prior: { mean: 1, degrees: 6, scale: 0.1 }",
       0},
      {"density: { use: gaussian, covariance: tied }, prior: { mean: 1, degrees: 6, scale: 0.1 }",
       0},
      {"density: { use: gaussian, covariance: diag }, prior: { mean: 1, degrees: 2, scale: 0.1 }",
       0},
      {"density: { use: gaussian, covariance: spherical }, prior: { mean: 2, degrees: 3 }", 0},
      {"density: { use: gaussian, covariance: identity }, prior: { mean: 2 }", 0},
      {"density: bernoulli, prior: { a: 1.5, b: 2 }", 1},
      {"density: poisson, prior: { a: 2, b: 0.5 }", 8},
      {"density: multinomial, prior: { a: 1.2 }", 8},
  };
  for (const auto& family : families) {
    CAPTURE(family.model);
    for (uint64_t seed = 0; seed < 5; ++seed) {
      Draw draw(seed + 50);
      Problem p{30, 4, 3, std::vector<double>(120)};
      for (double& v : p.x)
        v = family.top > 0 ? std::floor(draw() * (family.top + 1)) : draw.normal();
      spec::Trial t =
          mixture(std::string("components: 3, ") + family.model, "{ use: em, start: random }",
                  "init: random\nstop: { max_iter: 40, rel_tol: 0, patience: 0 }\n");
      t.model.dirichlet = 1.5;
      t.seed = seed;
      const Mixed m = fitted_mixture(t, dense(p));
      check_descent(*m.result, 1e-11);
    }
  }
}

TEST_CASE("of several starts the best goes on") {
  const Problem p = blobs(300, 2, 6, 4, 0, 12);
  const std::string model = "components: 6, density: { use: gaussian, covariance: spherical }";
  for (const char* start : {"random", "clusters"}) {
    CAPTURE(start);
    const auto run = [&](const std::string& more) {
      spec::Trial t =
          mixture(model, std::string("{ use: em, start: ") + start + more + " }", "init: random\n");
      return fitted_mixture(t, dense(p));
    };
    const Mixed one = run(""), many = run(", restarts: 8, restart_steps: 30");
    CHECK(many.F() <= one.F() + 1e-6);
    // What was tried is not the model's.
    for (const auto& [name, state] : many.model->state) {
      CAPTURE(name);
      CHECK(name.rfind("start.", 0) != 0);
      CHECK(name != "restarts");
    }
    check_descent(*many.result, 1e-12);
  }
}

TEST_CASE("annealing ends in plain EM at temperature 1") {
  const Problem p = blobs(200, 2, 3, 4, 0, 13);
  const Mixed m =
      fitted_mixture(mixture("components: 3, density: { use: gaussian, covariance: tied }",
                             "{ use: em, temperature: 8, cooling_steps: 30 }", "init: random\n"),
                     dense(p));
  check_descent(*m.result, 1e-12);
  const std::vector<double> a = joint(m, p);
  double total = 0;
  for (int64_t i = 0; i < p.n; ++i) total += log_sum_exp(&a[static_cast<size_t>(i * 3)], 3);
  CHECK(m.log_likelihood() == doctest::Approx(total).epsilon(1e-12));
}

TEST_CASE("singular covariances: each policy does what it says") {
  Problem p = blobs(40, 2, 1, 0, 0, 3);  // and ten rows that are one point, far away
  for (int64_t i = 30; i < 40; ++i)
    p.x[static_cast<size_t>(i * 2)] = p.x[static_cast<size_t>(i * 2 + 1)] = 50;
  const std::vector<double> start = {0, 0, 50, 50};
  const auto run = [&](const std::string& policy) {
    return fit_mixture(
        mixture("components: 2, density: { use: gaussian, on_singular: " + policy + " }", "em",
                "init: random\nstop: { max_iter: 30, rel_tol: 0, patience: 0 }\n"),
        dense(p), 1, start);
  };
  const Mixed floor = run("floor"), prior = run("prior"), remove = run("remove"),
              error = run("error");
  REQUIRE(floor.result.ok());
  double spread = 0;  // the mean variance of all rows
  for (size_t j = 0; j < 2; ++j) {
    double mean = 0;
    for (size_t i = 0; i < 40; ++i) mean += p.x[i * 2 + j] / 40;
    for (size_t i = 0; i < 40; ++i) spread += std::pow(p.x[i * 2 + j] - mean, 2) / 80;
  }
  CHECK(floor.covariance(1, 0, 0) == doctest::Approx(1e-6 * spread).epsilon(1e-9));
  REQUIRE(prior.result.ok());
  CHECK(prior.covariance(1, 0, 0) > 1e-2 * spread);
  REQUIRE(remove.result.ok());
  CHECK(remove.weight(1) == 0);
  CHECK(remove.weight(0) == 1);
  REQUIRE(error.result.ok());
  CHECK(error.result->stop == fit::Stop::kNonFinite);
}
