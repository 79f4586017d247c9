// SPDX-License-Identifier: Apache-2.0
// Logistic principal components (Collins, Dasgupta and Schapire 2001; Schein, Saul and Ungar 2003):
// binary X, log odds W H with factors of any sign and ridge on both, by palm. And what metrics say
// of losses whose model is not the mean itself.
#include <unistd.h>

#include <array>
#include <filesystem>

#include "core/experiment/apply.hpp"
#include "core/experiment/model_file.hpp"
#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

constexpr int64_t kRows = 120, kCols = 40, kRank = 3;
constexpr double kWeight = 0.5;

double sigmoid(double m) { return 1 / (1 + std::exp(-m)); }

class Draw {
 public:
  double operator()() {
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<double>(state_ >> 11) / 9007199254740992.0;
  }
  double normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += (*this)();
    return sum;
  }

 private:
  uint64_t state_ = 41;
};

// 0 and 1, with log odds of rank 2 and a constant of each column.
Problem coins() {
  Problem p{kRows, kCols, kRank, {}};
  Draw draw;
  std::vector<std::array<double, 3>> w(kRows), h(kCols);
  for (auto& row : w) row = {draw.normal(), draw.normal(), 1};
  for (auto& row : h) row = {2 * draw.normal(), 2 * draw.normal(), draw.normal()};
  for (const auto& a : w)
    for (const auto& b : h)
      p.x.push_back(draw() < sigmoid(a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) ? 1 : 0);
  return p;
}

spec::Trial logistic(int64_t steps, double inertia) {
  spec::Trial t = mu_trial("logistic", kRank);
  t.model.W.constraint = t.model.H.constraint = {};
  penalise(t, "l2", kWeight);
  t.solver = use("solver", "palm");
  t.solver.options.values["inertia"].number = inertia;
  t.stop.max_iter = steps;
  return t;
}

spec::Metric metric(const std::string& id, bool heldout = false) {
  return {(heldout ? "heldout." : "") + id, id, "", heldout};
}

double model_at(const std::vector<double>& W, const std::vector<double>& H, int64_t i, int64_t j) {
  double m = 0;
  for (int64_t a = 0; a < kRank; ++a)
    m += W[static_cast<size_t>(i * kRank + a)] * H[static_cast<size_t>(j * kRank + a)];
  return m;
}

// Loss of log odds m, summed.
double entropy(double x, double m) {
  return std::log1p(std::exp(-std::abs(m))) + std::max(m, 0.0) - x * m;
}

// Log odds of each column's share of ones among the entries that are observed.
std::vector<double> column_odds(const Problem& p, const data::Data& x) {
  std::vector<double> odds(kCols);
  for (int64_t j = 0; j < kCols; ++j) {
    double ones = 0, all = 0;
    for (int64_t i = 0; i < kRows; ++i) {
      if (x.mask && !x.mask->observed(i, j)) continue;
      ones += p.x[static_cast<size_t>(i * kCols + j)];
      all += 1;
    }
    REQUIRE(ones > 0);
    REQUIRE(ones < all);
    odds[static_cast<size_t>(j)] = std::log(ones / (all - ones));
  }
  return odds;
}

// Squared differences of x and means over the entries that x observes, and those of x about the
// columns' shares, and of x.
struct Squares {
  double error = 0, spread = 0, all = 0, entries = 0;
};
template <class F>
Squares squares(const Problem& p, const data::Data& x, F&& mean) {
  Squares s;
  for (int64_t j = 0; j < kCols; ++j) {
    double sum = 0, count = 0;
    const auto each = [&](auto&& f) {
      for (int64_t i = 0; i < kRows; ++i)
        if (!x.mask || x.mask->observed(i, j)) f(i, p.x[static_cast<size_t>(i * kCols + j)]);
    };
    each([&](int64_t, double v) { sum += v, count += 1; });
    each([&](int64_t i, double v) {
      s.error += std::pow(v - mean(i, j), 2);
      s.spread += std::pow(v - sum / count, 2);
      s.all += v * v;
      s.entries += 1;
    });
  }
  return s;
}

}  // namespace

TEST_CASE("logistic components by palm: no step raises the objective, below any column odds") {
  const Problem p = coins();
  Fixture f(dense(p), logistic(300, 0));
  const fit::Result done = f.run();
  const auto& rows = done.trace.rows;
  REQUIRE(rows.size() > 300);
  for (size_t at = 1; at < rows.size(); ++at)
    CHECK(rows[at].objective <= rows[at - 1].objective * (1 + 1e-12));

  const std::vector<double> odds = column_odds(p, *f.data.train);
  double loss = 0, squared = 0;
  for (int64_t j = 0; j < kCols; ++j) {
    squared += std::pow(odds[static_cast<size_t>(j)], 2);
    for (int64_t i = 0; i < kRows; ++i)
      loss += entropy(p.x[static_cast<size_t>(i * kCols + j)], odds[static_cast<size_t>(j)]);
  }
  // W = c 1, H = odds / c, at the c that costs least.
  const double penalty = kWeight * std::sqrt(static_cast<double>(kRows) * squared);
  CHECK(rows.back().loss < 0.8 * loss);
  CHECK(rows.back().objective < loss + penalty);
}

TEST_CASE("logistic components end where the gradient is zero, dense and sparse") {
  const Problem p = coins();
  for (const bool is_sparse : {false, true}) {
    CAPTURE(is_sparse);
    spec::Trial t = logistic(6000, 1);
    t.measure.every = 500;
    Fixture f(is_sparse ? sparse(p) : dense(p), t);
    const fit::Result done = f.run();
    CHECK(done.certificate.kkt < 1e-7);
    const std::vector<double> W = f.factor(0), H = f.factor(1);
    double worst = 0;
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t a = 0; a < kRank; ++a) {
        double g = kWeight * W[static_cast<size_t>(i * kRank + a)];
        for (int64_t j = 0; j < kCols; ++j)
          g += (sigmoid(model_at(W, H, i, j)) - p.x[static_cast<size_t>(i * kCols + j)]) *
               H[static_cast<size_t>(j * kRank + a)];
        worst = std::max(worst, std::abs(g));
      }
    CHECK(worst < 1e-4);
  }
}

TEST_CASE("logistic components say more of held-out entries than the columns' shares do") {
  const Problem p = coins();
  spec::Trial t = logistic(300, 1);
  t.split.kind = spec::SplitSpec::Kind::kEntries;
  t.split.test = 0.15;
  t.measure.every = 100;
  t.measure.metrics = {metric("log_likelihood", true), metric("rmse", true), metric("rmse"),
                       metric("rel_error"), metric("explained_variance")};
  Fixture f(dense(p), t);
  const fit::Result done = f.run();
  const std::vector<double>& found = done.trace.rows.back().metrics;
  REQUIRE(found.size() == 5);
  REQUIRE(f.data.heldout->mask);

  const std::vector<double> odds = column_odds(p, *f.data.train), W = f.factor(0), H = f.factor(1);
  double shares = 0, own = 0;
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = 0; j < kCols; ++j) {
      if (!f.data.heldout->mask->observed(i, j)) continue;
      const double x = p.x[static_cast<size_t>(i * kCols + j)];
      shares -= entropy(x, odds[static_cast<size_t>(j)]);
      own -= entropy(x, model_at(W, H, i, j));
    }
  CHECK(found[0] == doctest::Approx(own).epsilon(1e-9));
  CHECK(own > 0.9 * shares);

  // Differences are those of X and its mean, not of X and log odds.
  const auto mean = [&](int64_t i, int64_t j) { return sigmoid(model_at(W, H, i, j)); };
  const Squares held = squares(p, *f.data.heldout, mean), fitted = squares(p, *f.data.train, mean);
  CHECK(found[1] == doctest::Approx(std::sqrt(held.error / held.entries)).epsilon(1e-9));
  CHECK(found[2] == doctest::Approx(std::sqrt(fitted.error / fitted.entries)).epsilon(1e-9));
  CHECK(found[3] == doctest::Approx(std::sqrt(fitted.error / fitted.all)).epsilon(1e-9));
  CHECK(found[4] == doctest::Approx(1 - fitted.error / fitted.spread).epsilon(1e-9));
  CHECK(found[4] > 0);
}

TEST_CASE("errors of losses with a link are those of the mean, sparse, in float32, on any plan") {
  Problem p = coins();
  for (const std::string loss : {"logistic", "poisson_log"}) {
    if (loss == "poisson_log")
      for (size_t at = 0; at < p.x.size(); ++at) p.x[at] *= static_cast<double>(1 + at % 3);
    for (const bool is_sparse : {false, true})
      for (const std::string compute : {"f64", "f32"}) {
        CAPTURE(loss);
        CAPTURE(is_sparse);
        CAPTURE(compute);
        spec::Trial t = logistic(20, 0);
        t.model.loss = use("loss", loss);
        t.data.compute = compute;
        t.measure.metrics = {metric("rmse"), metric("rel_error"), metric("explained_variance")};
        const auto x = is_sparse ? sparse(p) : dense(p, compute == "f32" ? ASSAY_F32 : ASSAY_F64);
        Fixture f(x, t);
        const fit::Result done = f.run();
        const std::vector<double>& found = done.trace.rows.back().metrics;
        const std::vector<double> W = f.factor(0), H = f.factor(1);
        const Squares s = squares(p, *f.data.train, [&](int64_t i, int64_t j) {
          const double m = model_at(W, H, i, j);
          return loss == "logistic" ? sigmoid(m) : std::exp(m);
        });
        CHECK(found[0] == doctest::Approx(std::sqrt(s.error / s.entries)).epsilon(1e-8));
        CHECK(found[1] == doctest::Approx(std::sqrt(s.error / s.all)).epsilon(1e-8));
        CHECK(found[2] == doctest::Approx(1 - s.error / s.spread).epsilon(1e-8));
      }
  }
}

TEST_CASE("reconstruct writes means where the loss has a link") {
  const Problem p = coins();
  std::string folder = (std::filesystem::temp_directory_path() / "assay-means-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  for (const std::string loss : {"logistic", "poisson_log", "squared"}) {
    CAPTURE(loss);
    spec::Trial t = logistic(10, 0);
    t.model.loss = use("loss", loss);
    Fixture f(dense(p), t);
    const fit::Result done = f.run();
    const auto saved = experiment::save(t, "", *f.model, f.data, done, *registry());
    REQUIRE(experiment::write_model(folder + "/model.npz", saved).ok());
    const auto written =
        experiment::reconstruct(folder + "/model.npz", folder + "/X.npy", registry(), {});
    REQUIRE_MESSAGE(written.ok(), written.error().message);
    const auto X = kernels::read_npy(folder + "/X.npy");
    REQUIRE(X.ok());
    std::vector<double> found(p.x.size()), known;
    kernels::widen(*X, found.data());
    const std::vector<double> W = f.factor(0), H = f.factor(1);
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t j = 0; j < kCols; ++j) {
        const double m = model_at(W, H, i, j);
        known.push_back(loss == "logistic" ? sigmoid(m) : loss == "squared" ? m : std::exp(m));
      }
    CHECK(worst_relative(known, found) < 1e-12);
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}
