// SPDX-License-Identifier: Apache-2.0
// Soft-impute: ridge on both factors is the nuclear norm (Mazumder, Hastie and Tibshirani 2010), so
// that without unobserved entries the singular values are the plain ones, soft-thresholded; with
// them a low-rank matrix comes back; and the bound of the curvature carries it to other losses.
#include <cmath>

#include "core/data/observe.hpp"
#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

spec::Trial impute(int64_t k, double weight, const std::string& loss = "squared") {
  spec::Trial t;
  t.model.rank = {k};
  t.model.loss = use("loss", loss);
  t.init = use("init", "random");
  t.solver = use("solver", "impute");
  if (weight > 0) penalise(t, "l2", weight);
  t.stop.rel_tol = 1e-15;
  t.stop.patience = 0;
  t.stop.max_iter = 3000;
  t.measure.every = 50;
  return t;
}

std::vector<double> sigma(const graph::Model& model) {
  const graph::Buffer& s = model.state.at("s");
  std::vector<double> out;
  for (int64_t a = 0; a < s.width; ++a) out.push_back(s.get(0, a));
  return out;
}

// U diag(s) V' and W H, entry by entry.
double largest_gap(const graph::Model& m) {
  const graph::Buffer &U = m.state.at("rows.U"), &V = m.state.at("V"), &s = m.state.at("s");
  double worst = 0;
  for (int64_t i = 0; i < m.n(); ++i)
    for (int64_t j = 0; j < m.d(); ++j) {
      double usv = 0, wh = 0;
      for (int64_t a = 0; a < s.width; ++a) {
        usv += U.get(i, a) * s.get(0, a) * V.get(j, a);
        wh += m.factor[0].get(i, a) * m.factor[1].get(j, a);
      }
      worst = std::max(worst, std::abs(usv - wh));
    }
  return worst;
}

std::shared_ptr<const data::Data> hidden(const std::shared_ptr<const data::Data>& x) {
  auto out = data::hide(*x, [&](int64_t i, uint64_t* words) {
    for (int64_t j = 0; j < x->cols; ++j)
      if ((7 * i + 3 * j + i * j) % 4 == 1) words[j / 64] |= uint64_t{1} << (j % 64);
  });
  REQUIRE(out.ok());
  return std::make_shared<const data::Data>(std::move(*out));
}

void never_rises(const fit::Trace& trace) {
  for (size_t r = 1; r < trace.rows.size(); ++r)
    CHECK(trace.rows[r].objective <= trace.rows[r - 1].objective * (1 + 1e-12) + 1e-9);
}

}  // namespace

TEST_CASE("impute: ridge on both factors soft-thresholds the singular values") {
  const Problem p = random_problem(30, 14, 4);
  spec::Trial plain = impute(14, 0);
  plain.solver = use("solver", "svd");
  plain.solver.options.values["method"].text = "lapack";
  plain.solver.options.values["method"].given = true;
  Fixture svd(dense(p), plain);
  svd.run();
  const std::vector<double> s = sigma(*svd.model);
  double squares = 0;
  for (const double v : p.x) squares += v * v;
  for (const double lambda : {0.05, 0.6, 2.0}) {
    CAPTURE(lambda);
    Fixture f(dense(p), impute(6, lambda));
    const fit::Result result = f.run();
    const std::vector<double> soft = sigma(*f.model);
    double nuclear = 0, loss = squares / 2;
    for (size_t a = 0; a < soft.size(); ++a) {
      const double expected = std::max(s[a] - lambda, 0.0);
      CHECK(soft[a] == doctest::Approx(expected).epsilon(1e-6).scale(s[0]));
      nuclear += expected;
      loss += ((s[a] - expected) * (s[a] - expected) - s[a] * s[a]) / 2;
    }
    CHECK(result.trace.rows.back().objective ==
          doctest::Approx(loss + lambda * nuclear).epsilon(1e-8));
    CHECK(largest_gap(*f.model) < 1e-9);
    never_rises(result.trace);
  }
}

TEST_CASE("impute: unequal ridges are the nuclear norm by their geometric mean") {
  const Problem p = random_problem(30, 14, 4);
  spec::Trial unequal = impute(6, 0.5);
  unequal.model.W.penalties[0].options.values["weight"].number = 0.1;
  unequal.model.H.penalties[0].options.values["weight"].number = 2.5;
  Fixture a(dense(p), unequal), b(dense(p), impute(6, 0.5));
  const double one = a.run().trace.rows.back().objective,
               other = b.run().trace.rows.back().objective;
  CHECK(one == doctest::Approx(other).epsilon(1e-8));
  CHECK(worst_relative(sigma(*a.model), sigma(*b.model)) < 1e-5);
}

TEST_CASE("impute: a matrix of rank two comes back from three quarters of its entries") {
  Problem p{40, 25, 2, std::vector<double>(40 * 25)};
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j < p.d; ++j)
      p.x[static_cast<size_t>(i * p.d + j)] =
          std::sin(static_cast<double>(i)) * std::cos(static_cast<double>(2 * j)) +
          0.5 * std::cos(static_cast<double>(3 * i)) * std::sin(static_cast<double>(j));
  const auto x = hidden(dense(p));
  Fixture f(x, impute(2, 0));
  const fit::Result result = f.run();
  CHECK(result.trace.rows.back().loss < 1e-12);
  double worst = 0;
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j < p.d; ++j) {
      double m = 0;
      for (int64_t a = 0; a < 2; ++a)
        m += f.model->factor[0].get(i, a) * f.model->factor[1].get(j, a);
      worst = std::max(worst, std::abs(m - p.x[static_cast<size_t>(i * p.d + j)]));
    }
  CHECK(worst < 1e-4);
}

TEST_CASE("impute: other losses by the bound of their curvature, F never rises") {
  Problem p = random_problem(40, 15, 3);
  Problem binary = p;
  double ones = 0;
  for (double& v : binary.x) ones += v = v > 0.5 ? 1 : 0;
  const auto size = static_cast<double>(binary.x.size()), share = ones / size;
  // Logistic PCA against the constant model of the same data.
  spec::Trial logistic = impute(3, 0.05, "logistic");
  logistic.stop.max_iter = 300;
  logistic.measure.every = 10;
  Fixture l(dense(binary), logistic);
  const fit::Result pca = l.run();
  never_rises(pca.trace);
  const double constant = -size * (share * std::log(share) + (1 - share) * std::log(1 - share));
  CHECK(pca.trace.rows.back().objective < 0.7 * constant);
  // Gross errors on few entries do not move the fit by huber as they move that by squares.
  Problem spoilt = p;
  for (size_t at = 0; at < spoilt.x.size(); at += 17) spoilt.x[at] += 50;
  const auto apart = [&](const std::string& loss) {
    spec::Trial trial = impute(3, 0.05, loss);
    if (loss == "huber") trial.model.loss.options.values["delta"].number = 0.1;
    trial.stop.max_iter = 1000;
    Fixture f(dense(spoilt), trial);
    never_rises(f.run().trace);
    double sum = 0;
    for (size_t at = 0; at < p.x.size(); ++at) {
      double m = 0;
      for (int64_t a = 0; a < 3; ++a)
        m += f.model->factor[0].get(static_cast<int64_t>(at) / p.d, a) *
             f.model->factor[1].get(static_cast<int64_t>(at) % p.d, a);
      sum += (m - p.x[at]) * (m - p.x[at]);
    }
    return std::sqrt(sum / size);
  };
  const double robust = apart("huber"), plain = apart("squared");
  CHECK(robust < 0.2);
  CHECK(plain > 5 * robust);
}

TEST_CASE("impute: refuses signs and losses that have no bound") {
  const Problem p = random_problem();
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  const auto status = [&](const spec::Trial& trial) {
    auto data = experiment::prepare(trial, dense(p), *runtime);
    REQUIRE(data.ok());
    auto model = experiment::make_model(trial, *data, *runtime);
    REQUIRE(model.ok());
    const auto checked = experiment::check_methods(trial, *data, **model, *runtime);
    return checked ? 0 : checked.error().status;
  };
  spec::Trial nonneg = impute(3, 0);
  nonneg.model.W.constraint = use("penalty", "nonneg");
  CHECK(status(nonneg) == ASSAY_E_COMBINATION);
  CHECK(status(impute(3, 0, "kl")) == ASSAY_E_COMBINATION);
  CHECK(status(impute(3, 0, "huber")) == 0);
}
