// SPDX-License-Identifier: Apache-2.0
// log_likelihood against the textbook's densities summed entry by entry, at the dispersion no other
// beats; factor_error against distances known beforehand.
#include <functional>

#include "core/data/select.hpp"
#include "core/data/view.hpp"
#include "core/plugin/load.hpp"
#include "tests/laws/program_support.hpp"
#include "tests/unit/data_samples.hpp"

namespace assay::programs {

namespace {

constexpr int64_t kRows = 40, kCols = 18, kRank = 3;

std::vector<double> counts() {
  std::vector<double> x = samples::mostly_zeros(kRows, kCols);
  for (size_t e = 0; e < x.size(); ++e) x[e] = e % 3 == 0 ? 0 : static_cast<double>(e % 7);
  return x;
}
std::vector<double> positive() {
  std::vector<double> x = counts();
  for (size_t e = 0; e < x.size(); ++e) x[e] += 0.1 + 0.01 * static_cast<double>(e % 11);
  return x;
}

// Sum over all entries of f(x, m).
double total(const graph::Model& m,
             const std::vector<double>& x,
             const std::function<double(double, double)>& f) {
  double sum = 0;
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = 0; j < kCols; ++j)
      sum += f(x[static_cast<size_t>(i * kCols + j)], product(m, i, j));
  return sum;
}

// The largest of f over dispersions near 1, by golden section in the logarithm.
double largest(const std::function<double(double)>& f) {
  constexpr double kRatio = 0.61803398874989484;
  double lo = -8, hi = 8;
  while (hi - lo > 1e-9) {
    const double a = hi - kRatio * (hi - lo), b = lo + kRatio * (hi - lo);
    (f(std::exp(a)) > f(std::exp(b)) ? hi : lo) = f(std::exp(a)) > f(std::exp(b)) ? b : a;
  }
  return f(std::exp((lo + hi) / 2));
}

constexpr double kPi = 3.14159265358979324;

}  // namespace

TEST_CASE("log_likelihood is the sum of the noise model's log densities at its best dispersion") {
  const std::vector<double> x = positive(), n = counts();
  const auto fitted = [](const std::vector<double>& data, const char* loss) {
    graph::Model m = model(samples::dense(kRows, kCols, data), kRank, loss);
    init(m, "random", {}, 5);
    return m;
  };
  SUBCASE("normal") {
    graph::Model m = fitted(x, "squared");
    const double want = largest([&](double v) {
      return total(m, x, [v](double a, double b) {
        return -0.5 * std::log(2 * kPi * v) - (a - b) * (a - b) / (2 * v);
      });
    });
    CHECK(metric(m, "log_likelihood") == doctest::Approx(want).epsilon(1e-9));
  }
  SUBCASE("Laplace, whatever the smoothing") {
    graph::Model m = fitted(x, "l1");
    const double want = largest([&](double s) {
      return total(m, x,
                   [s](double a, double b) { return -std::log(2 * s) - std::abs(a - b) / s; });
    });
    CHECK(metric(m, "log_likelihood") == doctest::Approx(want).epsilon(1e-9));
  }
  SUBCASE("gamma") {
    graph::Model m = fitted(x, "itakura_saito");
    const double want = largest([&](double a) {
      return total(m, x, [a](double v, double mean) {
        return a * std::log(a / mean) - std::lgamma(a) + (a - 1) * std::log(v) - a * v / mean;
      });
    });
    CHECK(metric(m, "log_likelihood") == doctest::Approx(want).epsilon(1e-9));
  }
  SUBCASE("Poisson, dense and sparse") {
    const auto mass = [](double k, double mean) {
      return k * std::log(mean) - mean - std::lgamma(k + 1);
    };
    graph::Model m = fitted(n, "kl");
    CHECK(metric(m, "log_likelihood") == doctest::Approx(total(m, n, mass)).epsilon(1e-10));
    graph::Model s = model(samples::sparse(kRows, kCols, n), kRank, "kl");
    s.factor[0] = m.factor[0];
    s.factor[1] = m.factor[1];
    CHECK(metric(s, "log_likelihood") == doctest::Approx(total(m, n, mass)).epsilon(1e-10));
  }
  SUBCASE("Bernoulli") {
    std::vector<double> bits = n;
    for (double& b : bits) b = b > 2 ? 1 : 0;
    graph::Model m = fitted(bits, "logistic");
    const double want = total(m, bits, [](double b, double odds) {
      const double p = 1 / (1 + std::exp(-odds));
      return std::log(b > 0 ? p : 1 - p);
    });
    CHECK(metric(m, "log_likelihood") == doctest::Approx(want).epsilon(1e-10));
  }
}

TEST_CASE("log_likelihood of a loss that is no likelihood is refused") {
  graph::Model m = model(samples::dense(kRows, kCols, positive()), kRank, "beta");
  init(m, "random");
  const auto r = run(m, "metric", "log_likelihood", ASSAY_MEASURE);
  REQUIRE(!r);
  CHECK(r.error().message == "the loss is the likelihood of no noise in closed form");
}

TEST_CASE("factor_error is 0 up to order and scale, and a missing component counts as a whole") {
  data::Data x = samples::dense(kRows, kCols, positive());
  auto truth = std::make_shared<data::Truth>();
  truth->rank = kRank;
  for (int64_t e = 0; e < kRows * kRank; ++e)
    truth->W.push_back(0.5 + std::sin(static_cast<double>(e)));
  for (int64_t e = 0; e < kCols * kRank; ++e)
    truth->H.push_back(1.5 + std::cos(static_cast<double>(2 * e)));
  x.truth = truth;
  graph::Model m = model(x, kRank);
  const auto set = [&](int64_t component, int64_t from, double scale) {
    const auto at = [&](int64_t i) { return static_cast<size_t>(i * kRank + from); };
    for (int64_t i = 0; i < kRows; ++i) m.factor[0].set(i, component, scale * truth->W[at(i)]);
    for (int64_t j = 0; j < kCols; ++j)
      m.factor[1].set(j, component, truth->H[at(j)] / (scale == 0 ? 1 : scale));
  };
  set(0, 2, 3);
  set(1, 0, 0.01);
  set(2, 1, 1);
  CHECK(metric(m, "factor_error") < 1e-7);
  const auto square = [&](int64_t c) {
    double w = 0, h = 0;
    for (size_t at = static_cast<size_t>(c); at < truth->W.size(); at += kRank)
      w += truth->W[at] * truth->W[at];
    for (size_t at = static_cast<size_t>(c); at < truth->H.size(); at += kRank)
      h += truth->H[at] * truth->H[at];
    return w * h;
  };
  set(2, 1, 0);
  const double all = square(0) + square(1) + square(2);
  CHECK(metric(m, "factor_error") == doctest::Approx(std::sqrt(square(1) / all)).epsilon(1e-9));
  SUBCASE("without known factors it is refused") {
    graph::Model unknown = model(samples::dense(kRows, kCols, positive()), kRank);
    CHECK(!run(unknown, "metric", "factor_error", ASSAY_MEASURE));
  }
}

TEST_CASE("the synthetic reader hands out its factors, and they follow the rows and columns") {
  const plugin::Descriptor* d = registry().find("reader", "synthetic");
  REQUIRE(d != nullptr);
  const auto x = plugin::load(
      *d, options({{"rows", 12}, {"columns", 9}, {"rank", 3}, {"zeros", 1}, {"least", 0.5}}), "",
      {});
  REQUIRE(x);
  const auto holds = [](const data::Data& data) {
    REQUIRE(data.truth);
    const int64_t k = data.truth->rank;
    for (int64_t i = 0; i < data.rows; ++i)
      for (int64_t j = 0; j < data.cols; ++j) {
        double sum = 0;
        for (int64_t a = 0; a < k; ++a)
          sum += data.truth->W[static_cast<size_t>(i * k + a)] *
                 data.truth->H[static_cast<size_t>(j * k + a)];
        CHECK(data.value(i, j) == doctest::Approx(sum).epsilon(1e-13));
        CHECK(sum > 0);  // one zero of three in each line
      }
  };
  holds(*x);
  holds(*data::take_rows(*x, {7, 2, 2, 11}));
  holds(*data::take_cols(*x, {8, 0, 3}));
  holds(*data::slice_rows(*x, {4, 9}));
  data::Rewrite how{};
  const auto log = data::with_element(
      *x,
      [](int64_t n, double* v) {
        for (int64_t i = 0; i < n; ++i) v[i] = std::log1p(v[i]);
        return Expected<void>();
      },
      &how);
  REQUIRE(log);
  CHECK(!log->truth);
}

}  // namespace assay::programs
