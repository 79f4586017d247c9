// SPDX-License-Identifier: Apache-2.0
// Rows belong to the iterate that enters a step; the closing row is the certificate's, and the
// certificate is true.
#include <algorithm>
#include <cmath>

#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

struct Naive {
  double loss = 0, kkt = 0;
};

// F and the KKT residual by plain loops over X.
Naive naive(const Problem& p, const std::vector<double>& W, const std::vector<double>& H, bool kl) {
  Naive out;
  std::vector<double> nw(W.size()), dw(W.size()), nh(H.size()), dh(H.size());
  for (int64_t i = 0; i < p.n; ++i) {
    for (int64_t j = 0; j < p.d; ++j) {
      const double x = p.x[static_cast<size_t>(i * p.d + j)];
      double m = 0;
      for (int64_t a = 0; a < p.k; ++a)
        m += W[static_cast<size_t>(i * p.k + a)] * H[static_cast<size_t>(j * p.k + a)];
      out.loss += kl ? (x > 0 ? x * std::log(x / m) : 0) - x + m : 0.5 * (x - m) * (x - m);
      const double num = kl ? x / m : x, den = kl ? 1 : m;
      for (int64_t a = 0; a < p.k; ++a) {
        const auto wi = static_cast<size_t>(i * p.k + a), hj = static_cast<size_t>(j * p.k + a);
        nw[wi] += num * H[hj];
        dw[wi] += den * H[hj];
        nh[hj] += num * W[wi];
        dh[hj] += den * W[wi];
      }
    }
  }
  const auto residual = [](const std::vector<double>& F, const std::vector<double>& N,
                           const std::vector<double>& D) {
    double pg = 0, n2 = 0, d2 = 0;
    for (size_t i = 0; i < F.size(); ++i) {
      double g = D[i] - N[i];
      if (F[i] <= 1e-15) g = std::min(g, 0.0);
      pg += g * g;
      n2 += N[i] * N[i];
      d2 += D[i] * D[i];
    }
    return std::sqrt(pg) / (std::sqrt(n2) + std::sqrt(d2));
  };
  out.kkt = std::max(residual(W, nw, dw), residual(H, nh, dh));
  return out;
}

}  // namespace

TEST_CASE("certificate: objective and KKT residual equal plain loops over X") {
  const Problem p = random_problem();
  for (const char* loss : {"squared", "kl"}) {
    CAPTURE(loss);
    for (const bool is_sparse : {false, true}) {
      CAPTURE(is_sparse);
      Fixture f(is_sparse ? sparse(p) : dense(p), mu_trial(loss, p.k));
      const fit::Result r = f.run();
      const Naive truth = naive(p, f.factor(0), f.factor(1), std::string(loss) == "kl");
      CHECK(r.certificate.loss == doctest::Approx(truth.loss).epsilon(1e-10));
      CHECK(r.certificate.kkt == doctest::Approx(truth.kkt).epsilon(1e-8));
      CHECK(r.trace.rows.back().objective == doctest::Approx(truth.loss).epsilon(1e-10));
    }
  }
}

TEST_CASE("trace: a row shows the iterate that enters the step") {
  const Problem p = random_problem();
  for (const char* loss : {"squared", "kl"}) {
    CAPTURE(loss);
    spec::Trial trial = mu_trial(loss, p.k);
    Fixture all(dense(p), trial);
    const fit::Result long_run = all.run();
    REQUIRE(long_run.trace.rows.size() == 31);
    CHECK(long_run.trace.rows[0].iteration == 0);
    CHECK(long_run.trace.rows[0].seconds == 0);
    // A fit of t steps is certified at the iterate whose row is t in the longer one.
    for (const int64_t steps : {1, 2, 7}) {
      trial.stop.max_iter = steps;
      Fixture f(dense(p), trial);
      const fit::Result r = f.run();
      const auto& row = long_run.trace.rows[static_cast<size_t>(steps)];
      CHECK(row.iteration == steps);
      CHECK(row.objective == doctest::Approx(r.trace.rows.back().objective).epsilon(1e-9));
    }
  }
}

TEST_CASE("trace: measure.every picks the rows, start and end are always there") {
  const Problem p = random_problem();
  spec::Trial trial = mu_trial("squared", p.k);
  trial.measure.every = 12;
  spec::Metric metric;
  metric.text = metric.id = "rel_error";
  trial.measure.metrics = {metric};
  Fixture f(dense(p), trial);
  const fit::Result r = f.run();
  REQUIRE(r.trace.rows.size() == 4);
  CHECK(r.trace.rows[0].iteration == 0);
  CHECK(r.trace.rows[1].iteration == 12);
  CHECK(r.trace.rows[2].iteration == 24);
  CHECK(r.trace.rows[3].iteration == 30);
  CHECK(r.trace.columns == std::vector<std::string>{"rel_error"});
  double x2 = 0;
  for (double v : p.x) x2 += v * v;
  for (const auto& row : r.trace.rows) {
    REQUIRE(row.metrics.size() == 1);
    CHECK(row.metrics[0] == doctest::Approx(std::sqrt(2 * row.loss / x2)).epsilon(1e-9));
  }
  CHECK(std::isnan(r.trace.rows[1].kkt));
  CHECK(r.trace.rows[3].kkt > 0);
}

TEST_CASE("trace: penalties are part of the objective") {
  const Problem p = random_problem();
  spec::Trial trial = mu_trial("squared", p.k);
  spec::Use l1 = use("penalty", "l1");
  l1.options.values["weight"].number = 0.25;
  trial.model.H.penalties = {l1};
  Fixture f(dense(p), trial);
  const fit::Result r = f.run();
  double sum = 0;
  for (double v : f.factor(1)) sum += std::abs(v);
  const auto& last = r.trace.rows.back();
  CHECK(last.penalty == doctest::Approx(0.25 * sum).epsilon(1e-12));
  CHECK(last.objective == doctest::Approx(last.loss + last.penalty).epsilon(1e-14));
}

TEST_CASE("squared: the loss is summed from residuals when the products would cancel") {
  // Exact rank: the loss falls to rounding, where |x|^2 - 2<x,m> + |m|^2 has no digit left.
  Problem p = random_problem(40, 20, 2, 9);
  std::vector<double> a(static_cast<size_t>(p.n)), b(static_cast<size_t>(p.d));
  for (size_t i = 0; i < a.size(); ++i) a[i] = 1 + static_cast<double>(i % 7);
  for (size_t j = 0; j < b.size(); ++j) b[j] = 1 + static_cast<double>(j % 5);
  for (int64_t i = 0; i < p.n; ++i) {
    for (int64_t j = 0; j < p.d; ++j)
      p.x[static_cast<size_t>(i * p.d + j)] = a[static_cast<size_t>(i)] * b[static_cast<size_t>(j)];
  }
  p.k = 1;
  spec::Trial trial = mu_trial("squared", 1);
  trial.stop.max_iter = 60;
  Fixture f(dense(p), trial);
  std::vector<std::string> log;
  const plugin::LogSink sink = [&log](int32_t, const std::string& text) { log.push_back(text); };
  f.task.plan.log = &sink;
  const fit::Result r = f.run();
  for (const auto& row : r.trace.rows) CHECK(row.objective >= 0);
  CHECK(r.trace.rows.back().objective < 1e-18);
  CHECK(std::count_if(log.begin(), log.end(),
                      [](const std::string& t) { return t.find("residuals") != t.npos; }) == 1);
}

TEST_CASE("numerical trouble is a stop reason and the factors stay finite") {
  const Problem p = random_problem();
  spec::Trial trial = mu_trial("kl", p.k);
  Fixture f(dense(p), trial);
  const fit::Result r = f.run();
  for (int side : {0, 1}) {
    for (double v : f.factor(side)) CHECK(std::isfinite(v));
  }
  CHECK(r.numeric.has_value() == false);
}
