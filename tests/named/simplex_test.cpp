// SPDX-License-Identifier: Apache-2.0
// Factorization with rows of W on the simplex: its squared error as a bound less a correction
// (Buhmann and Pletscher 2010), entry by entry and by the metrics, and the solver's optimum.
#include <numeric>

#include "core/fit/components.hpp"
#include "core/fit/measure.hpp"
#include "core/spec/parse.hpp"
#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

struct Mixture {
  size_t n, d, k;
  std::vector<double> x, w, h;  // n x d, n x k, k x d
};

double next(uint64_t& state) {
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return static_cast<double>(state >> 11) / 9007199254740992.0;
}

// Rows of W are mixtures; every third is one component alone, and some entries are 0.
Mixture random_mixture(uint64_t seed, double far = 0) {
  Mixture m{17, 6, 4, {}, {}, {}};
  uint64_t state = seed;
  for (size_t i = 0; i < m.n * m.d; ++i) m.x.push_back(far + 3 * next(state) - 1);
  for (size_t i = 0; i < m.k * m.d; ++i) m.h.push_back(far + 4 * next(state) - 2);
  for (size_t i = 0; i < m.n; ++i) {
    std::vector<double> w(m.k);
    for (double& v : w) v = next(state) < 0.3 ? 0 : next(state);
    if (i % 3 == 0) w.assign(m.k, 0);
    w[i % m.k] += i % 3 == 0 ? 1 : 0.1;
    const double sum = std::accumulate(w.begin(), w.end(), 0.0);
    for (const double v : w) m.w.push_back(v / sum);
  }
  return m;
}

double squared(const double* a, const double* b, size_t d) {
  double sum = 0;
  for (size_t j = 0; j < d; ++j) sum += (a[j] - b[j]) * (a[j] - b[j]);
  return sum;
}

struct Terms {
  double error = 0, bound = 0;
  double correction[3] = {};  // as in eq. 7, 8 and 9 of the note
};

Terms terms_of(const Mixture& m) {
  Terms t;
  const std::vector<double> zero(m.d);
  for (size_t i = 0; i < m.n; ++i) {
    const double *x = &m.x[i * m.d], *w = &m.w[i * m.k];
    std::vector<double> mean(m.d);
    for (size_t a = 0; a < m.k; ++a)
      for (size_t j = 0; j < m.d; ++j) mean[j] += w[a] * m.h[a * m.d + j];
    const double size = squared(mean.data(), zero.data(), m.d);
    t.error += squared(x, mean.data(), m.d);
    t.correction[0] += size;
    for (size_t a = 0; a < m.k; ++a) {
      const double* h = &m.h[a * m.d];
      const double own = squared(h, zero.data(), m.d);
      t.bound += w[a] * squared(x, h, m.d);
      t.correction[0] -= w[a] * own;
      t.correction[1] -= w[a] * (own - size);
      t.correction[2] -= w[a] * squared(h, mean.data(), m.d);
    }
  }
  return t;
}

spec::Trial trial_of(const std::string& text) {
  auto parsed =
      spec::parse("simplex.yaml", "assay: 1\nname: simplex\n" + text, {{}, {}, true}, *registry());
  REQUIRE(parsed.ok());
  REQUIRE(!parsed.experiment->trials.empty());
  return parsed.experiment->trials.front();
}

const std::string kModel =
    "model: { rank: 4, loss: squared, W: { constraint: simplex } }\ninit: random\n"
    "solver: simplex_mf\nstop: { max_iter: 5, rel_tol: 0 }\nmeasure: { metrics: [] }\n";

// Metrics of the model with these factors.
std::vector<double> measured(const Mixture& m, const std::vector<std::string>& ids) {
  const Problem p{static_cast<int64_t>(m.n), static_cast<int64_t>(m.d), static_cast<int64_t>(m.k),
                  m.x};
  Fixture f(dense(p), trial_of(kModel), 1);
  for (int64_t a = 0; a < p.k; ++a) {
    for (int64_t i = 0; i < p.n; ++i)
      f.model->factor[0].set(i, a, m.w[static_cast<size_t>(i * p.k + a)]);
    for (int64_t j = 0; j < p.d; ++j)
      f.model->factor[1].set(j, a, m.h[static_cast<size_t>(a * p.d + j)]);
  }
  std::vector<fit::MetricColumn> columns;
  for (const std::string& id : ids) {
    const spec::Use u = use("metric", id);
    columns.push_back({id, {registry()->find("metric", id), u.options, 0}, -1, false});
  }
  auto measurer = fit::Measurer::create(*f.model, {}, columns, f.runtime.plan_options());
  REQUIRE_MESSAGE(measurer.ok(), measurer.error().message);
  auto values = (*measurer)->measure();
  REQUIRE_MESSAGE(values.ok(), values.error().message);
  return *values;
}

}  // namespace

TEST_CASE("the squared error of mixtures is the bound less the correction, in all three forms") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    const Mixture m = random_mixture(seed);
    const Terms t = terms_of(m);
    CHECK(t.bound + t.correction[2] == doctest::Approx(t.error).epsilon(1e-10));
    for (const double c : t.correction) {
      CHECK(c == doctest::Approx(t.correction[2]).epsilon(1e-10));
      CHECK(c <= 0);
    }
    const std::vector<double> v = measured(m, {"simplex_bound", "simplex_correction", "rmse"});
    CHECK(v[0] == doctest::Approx(t.bound).epsilon(1e-10));
    CHECK(v[1] == doctest::Approx(t.correction[2]).epsilon(1e-10));
    CHECK(v[0] + v[1] ==
          doctest::Approx(v[2] * v[2] * static_cast<double>(m.n * m.d)).epsilon(1e-10));
  }
}

TEST_CASE("the terms lose no digits far from the origin, and vanish for one-hot W") {
  const Mixture far = random_mixture(7, 1e6);
  const Terms t = terms_of(far);
  std::vector<double> v = measured(far, {"simplex_bound", "simplex_correction"});
  CHECK(v[0] == doctest::Approx(t.bound).epsilon(1e-8));
  CHECK(v[1] == doctest::Approx(t.correction[2]).epsilon(1e-8));
  Mixture alone = random_mixture(8);
  for (size_t i = 0; i < alone.n; ++i)
    for (size_t a = 0; a < alone.k; ++a) alone.w[i * alone.k + a] = a == i % alone.k ? 1 : 0;
  v = measured(alone, {"simplex_bound", "simplex_correction"});
  CHECK(v[0] == doctest::Approx(terms_of(alone).error).epsilon(1e-12));
  CHECK(v[1] == 0);
  alone.w[0] = 1.5;
  for (const double none : measured(alone, {"simplex_bound", "simplex_correction"}))
    CHECK(std::isnan(none));
}

TEST_CASE("simplex_mf never raises the objective and ends where both factors are stationary") {
  for (const auto& [n, d, k] : {std::tuple{60, 23, 4}, {50, 2, 3}, {40, 2, 5}, {30, 6, 1}}) {
    CAPTURE(n);
    CAPTURE(k);
    spec::Trial trial = trial_of(kModel);
    trial.model.rank = {k};
    trial.stop.max_iter = 3000;
    trial.stop.rel_tol = 0;
    trial.stop.kkt_tol = 1e-9;
    const Outcome out = fitted(trial, dense(random_problem(n, d, k)));
    const auto& rows = out.result.trace.rows;
    for (size_t i = 1; i < rows.size(); ++i)
      CHECK(rows[i].objective <= rows[i - 1].objective * (1 + 1e-12) + 1e-12);
    CHECK(out.result.certificate.kkt < 1e-7);
    for (int64_t i = 0; i < n; ++i) {
      const double* w = &out.factor[0][static_cast<size_t>(i * k)];
      CHECK(std::accumulate(w, w + k, 0.0) == doctest::Approx(1).epsilon(1e-12));
      CHECK(*std::min_element(w, w + k) >= 0);
    }
  }
}

TEST_CASE("rows inside a known simplex are found exactly") {
  uint64_t state = 5;
  Mixture m = random_mixture(3);
  m.n = 90;
  m.w.clear();
  m.x.assign(m.n * m.d, 0);
  for (size_t i = 0; i < m.n; ++i) {
    std::vector<double> w(m.k);
    for (double& v : w) v = next(state);
    if (i < 2 * m.k) w.assign(m.k, 0), w[i % m.k] = 1;  // its corners are among them
    const double sum = std::accumulate(w.begin(), w.end(), 0.0);
    for (size_t a = 0; a < m.k; ++a)
      for (size_t j = 0; j < m.d; ++j) m.x[i * m.d + j] += w[a] / sum * m.h[a * m.d + j];
  }
  spec::Trial trial = trial_of(kModel);
  trial.stop.max_iter = 4000;
  trial.stop.rel_tol = 0;
  const Outcome out = fitted(trial, dense({static_cast<int64_t>(m.n), static_cast<int64_t>(m.d),
                                           static_cast<int64_t>(m.k), m.x}));
  double size = 0;
  for (const double v : m.x) size += v * v;
  CHECK(out.result.certificate.loss < 1e-6 * size);
}

TEST_CASE("simplex_mf takes sets and penalties on H, and W that is on the simplex only") {
  const auto x = dense(random_problem(50, 12, 3));
  for (const std::string h : {"constraint: nonneg", "penalties: [{ use: l2, weight: 0.5 }]",
                              "constraint: { use: box, lower: 0.1, upper: 0.6 }"}) {
    CAPTURE(h);
    spec::Trial trial = trial_of(
        "model: { rank: 3, loss: squared, H: { " + h +
        " } }\ninit: random\nsolver: simplex_mf\n"
        "stop: { max_iter: 2000, rel_tol: 0, kkt_tol: 1.0e-8 }\nmeasure: { metrics: [] }\n");
    const Outcome out = fitted(trial, x);
    CHECK(out.result.certificate.kkt < 1e-6);
    const auto& rows = out.result.trace.rows;
    for (size_t i = 1; i < rows.size(); ++i)
      CHECK(rows[i].objective <= rows[i - 1].objective * (1 + 1e-12));
  }
  const auto with_w = [](const std::string& constraint) {
    return "model: { rank: 3, loss: squared, W: { constraint: " + constraint +
           " } }\ninit: random\nsolver: simplex_mf\nmeasure: { metrics: [] }\n";
  };
  CHECK(
      !spec::parse("w.yaml", "assay: 1\nname: w\n" + with_w("nonneg"), {{}, {}, true}, *registry())
           .ok());
  const auto refused = attempt(trial_of(with_w("box")), x);
  REQUIRE(!refused.ok());
  CHECK(refused.error().message.find("needs the constraint `simplex`") != std::string::npos);
}

TEST_CASE("archetypal: archetypes are mixtures of rows, at the corners where these are known") {
  // 60 mixtures of three corners, which are among them.
  uint64_t state = 11;
  const double corner[3][2] = {{0, 0}, {4, 1}, {1, 3}};
  Problem p{63, 2, 3, {}};
  for (size_t i = 0; i < 63; ++i) {
    double w[3] = {next(state), next(state), next(state)};
    if (i >= 60)
      for (size_t a = 0; a < 3; ++a) w[a] = a == i - 60;
    const double sum = w[0] + w[1] + w[2];
    for (size_t j = 0; j < 2; ++j)
      p.x.push_back((w[0] * corner[0][j] + w[1] * corner[1][j] + w[2] * corner[2][j]) / sum);
  }
  spec::Trial trial = trial_of(
      "model: { rank: 3, loss: squared }\ninit: random\nsolver: archetypal\n"
      "stop: { max_iter: 300, rel_tol: 0 }\nmeasure: { metrics: [] }\n");
  const Outcome out = fitted(trial, dense(p));
  CHECK(out.result.certificate.loss < 1e-12);
  for (const auto& c : corner) {
    double nearest = 1e300;
    for (size_t a = 0; a < 3; ++a)
      nearest = std::min(nearest, std::hypot(out.factor[1][a] - c[0], out.factor[1][3 + a] - c[1]));
    CHECK(nearest < 1e-6);
  }
}

TEST_CASE("archetypal never raises the objective, and ends where W and B are stationary") {
  const Problem p = random_problem(50, 6, 4);
  spec::Trial trial = trial_of(
      "model: { rank: 4, loss: squared }\ninit: random\nsolver: archetypal\n"
      "stop: { max_iter: 500, rel_tol: 0 }\nmeasure: { metrics: [] }\n");
  const Outcome out = fitted(trial, dense(p));
  const auto& rows = out.result.trace.rows;
  for (size_t i = 1; i < rows.size(); ++i)
    CHECK(rows[i].objective <= rows[i - 1].objective * (1 + 1e-12));
  CHECK(out.result.certificate.kkt < 1e-6);
  const graph::Buffer& B = out.model->state.at("rows.B");
  for (int64_t a = 0; a < p.k; ++a) {
    double sum = 0;
    std::vector<double> h(static_cast<size_t>(p.d));
    for (int64_t i = 0; i < p.n; ++i) {
      CHECK(B.get(i, a) >= 0);
      sum += B.get(i, a);
      for (int64_t j = 0; j < p.d; ++j)
        h[static_cast<size_t>(j)] += B.get(i, a) * p.x[static_cast<size_t>(i * p.d + j)];
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-12));
    for (int64_t j = 0; j < p.d; ++j)
      CHECK(out.factor[1][static_cast<size_t>(j * p.k + a)] ==
            doctest::Approx(h[static_cast<size_t>(j)]).epsilon(1e-10));
  }
}

namespace {

// Labels that W of the model's rows are largest in, of one-hot or soft W.
std::vector<int32_t> labels_of(const spec::Trial& trial, Outcome& out) {
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  auto found = fit::components_of_rows(
      *out.model, {registry()->find("solver", trial.solver.id), trial.solver.options, 0},
      runtime->plan_options());
  REQUIRE_MESSAGE(found.ok(), found.error().message);
  return *found;
}

std::string clusters_by(const std::string& solver) {
  return "model: { rank: 5, loss: squared }\ninit: { use: random_rows }\nsolver: " + solver +
         "\nstop: { max_iter: 60, rel_tol: 0, patience: 0 }\nmeasure: { metrics: [] }\n";
}

}  // namespace

TEST_CASE("the bound alone is k-means: the labels and the value of lloyd from the same start") {
  for (const bool is_sparse : {false, true}) {
    const Problem p = random_problem(300, 7, 5);
    const auto x = is_sparse ? sparse(p) : dense(p);
    const spec::Trial one = trial_of(clusters_by("lloyd")),
                      other = trial_of(clusters_by("simplex_bound"));
    Outcome a = fitted(one, x), b = fitted(other, x);
    CHECK(labels_of(one, a) == labels_of(other, b));
    CHECK(b.result.certificate.loss == doctest::Approx(a.result.certificate.loss).epsilon(1e-12));
    CHECK(worst_relative(a.factor[1], b.factor[1]) < 1e-12);
    const auto& rows = b.result.trace.rows;
    for (size_t i = 1; i < rows.size(); ++i)
      CHECK(rows[i].objective <= rows[i - 1].objective * (1 + 1e-12));
  }
}

TEST_CASE("the bound with its entropy never rises, and tends to k-means as it cools") {
  const auto x = dense(random_problem(200, 6, 5));
  const auto value = [&](const std::string& options) {
    const Outcome out = fitted(trial_of(clusters_by("{ use: simplex_bound" + options + " }")), x);
    const auto& rows = out.result.trace.rows;
    for (size_t i = 1; i < rows.size(); ++i)
      CHECK(rows[i].objective <= rows[i - 1].objective + 1e-12 * std::abs(rows[0].objective));
    return out.result.certificate.loss;
  };
  const double hard = value("");
  CHECK(value(", temperature: 1.0e-6") == doctest::Approx(hard).epsilon(1e-3));
  CHECK(value(", temperature: 0.05") < hard);
  CHECK(value(", temperature: 0.05, weights: true") < hard + 200 * 0.05 * std::log(5.0));
}

TEST_CASE("temperature 1 with weights is em with identity covariances") {
  const Problem p = random_problem(200, 3, 4);
  Problem wide = p;
  for (double& v : wide.x) v *= 4;
  const auto x = dense(wide);
  const spec::Trial bound =
      trial_of(clusters_by("{ use: simplex_bound, temperature: 1, weights: true }"));
  const Outcome a = fitted(bound, x);
  const double nats = 0.5 * 200 * 3 * std::log(2 * 3.14159265358979323846);
  spec::Trial em = trial_of(
      "model: { kind: mixture, components: 5, density: { use: gaussian, covariance: identity } }\n"
      "init: { use: random_rows }\nsolver: { use: em, start: means }\n"
      "stop: { max_iter: 60, rel_tol: 0, patience: 0 }\nmeasure: { metrics: [] }\n");
  const Outcome b = fitted(em, x);
  CHECK(a.result.certificate.loss + nats ==
        doctest::Approx(b.result.certificate.loss).epsilon(1e-9));
  CHECK(worst_relative(a.factor[1], b.factor[1]) < 1e-8);
}
