// SPDX-License-Identifier: Apache-2.0
// Families beside the Gaussian one, against their formulas and a published run, and what all share:
// entries missing, weights of rows, sparse rows, hard assignments.
#include <map>

#include "core/data/observe.hpp"
#include "tests/mixtures/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

using DataPtr = std::shared_ptr<const data::Data>;

// Every `often`-th entry hidden, never a whole row of three or more columns.
bool is_hidden(int64_t i, int64_t j) { return (7 * i + 11 * j + (i * j) % 5) % 4 == 1; }

DataPtr hidden(const DataPtr& x) {
  auto out = data::hide(*x, [&](int64_t i, uint64_t* words) {
    for (int64_t j = 0; j < x->cols; ++j)
      if (is_hidden(i, j)) words[j / 64] |= uint64_t{1} << (j % 64);
  });
  REQUIRE(out.ok());
  return std::make_shared<const data::Data>(std::move(*out));
}

DataPtr weighted(const Problem& p, const std::vector<double>& weights) {
  data::Data x = *dense(p);
  AlignedArray<double> values(p.n);
  for (int64_t i = 0; i < p.n; ++i) values.data()[i] = weights[static_cast<size_t>(i)];
  x.row_weights = std::make_shared<const AlignedArray<double>>(std::move(values));
  return std::make_shared<const data::Data>(std::move(x));
}

Problem whole_numbers(int64_t n, int64_t d, double top, uint64_t seed) {
  Draw draw(seed);
  Problem p{n, d, 2, std::vector<double>(static_cast<size_t>(n * d))};
  for (int64_t i = 0; i < n; ++i) {
    const bool high = draw() < 0.4;
    for (int64_t j = 0; j < d; ++j)
      p.x[static_cast<size_t>(i * d + j)] =
          std::floor(std::pow(draw(), (j % 2 == 0) == high ? 0.5 : 3) * (top + 1));
  }
  return p;
}

}  // namespace

TEST_CASE("digits_binary: ten coins a pixel, ten random starts") {
  std::vector<int> labels;
  const auto p = data_file("digits/digits_binary.csv", &labels);
  if (!p) {
    MESSAGE("skipped: no digits/digits_binary.csv below $ASSAY_DATA");
    return;
  }
  std::vector<double> likelihoods;
  int good = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    spec::Trial t = mixture("components: 10, density: bernoulli",
                            "{ use: em, start: random, responsibilities: true }",
                            "init: random\nstop: { max_iter: 500, rel_tol: 1e-8, patience: 0 }\n");
    t.seed = seed;
    const Mixed m = fitted_mixture(t, dense(*p));
    const graph::Buffer& r = m.model->state.at("rows.responsibilities");
    std::map<std::pair<int64_t, int>, int> counts;
    for (int64_t i = 0; i < p->n; ++i) {
      int64_t best = 0;
      for (int64_t c = 1; c < 10; ++c)
        if (r.get(i, c) > r.get(i, best)) best = c;
      ++counts[{best, labels[static_cast<size_t>(i)]}];
    }
    std::vector<int> top(10, 0);
    for (const auto& [key, count] : counts)
      top[static_cast<size_t>(key.first)] = std::max(top[static_cast<size_t>(key.first)], count);
    const double purity = std::accumulate(top.begin(), top.end(), 0.0) / static_cast<double>(p->n);
    good += purity >= 0.65 && m.log_likelihood() >= -35300 ? 1 : 0;
    likelihoods.push_back(m.log_likelihood());
    if (seed > 0) continue;
    // The covariance within a component is diag mu (1 - mu).
    for (int64_t j = 0; j < p->d; ++j)
      CHECK(m.covariance(3, j, j) == doctest::Approx(m.mean(3, j) * (1 - m.mean(3, j))));
  }
  std::sort(likelihoods.begin(), likelihoods.end());
  CHECK(good >= 9);
  CHECK((likelihoods[4] + likelihoods[5]) / 2 >= -34650);
}

TEST_CASE("a mean is the average of rows weighted by responsibilities, for every family") {
  for (const char* family : {"bernoulli", "poisson", "multinomial"}) {
    CAPTURE(family);
    const Problem p = whole_numbers(150, 6, family[0] == 'b' ? 1 : 7, 5);
    const Mixed m =
        fitted_mixture(mixture(std::string("components: 2, density: ") + family,
                               "{ use: em, start: random, responsibilities: true }",
                               "init: random\nstop: { max_iter: 4000, rel_tol: 0, patience: 0 }\n"),
                       dense(p));
    check_descent(*m.result, 1e-12);
    const graph::Buffer& r = m.model->state.at("rows.responsibilities");
    for (int64_t c = 0; c < 2; ++c) {
      std::vector<double> sum(6, 0.0);
      double N = 0;
      for (int64_t i = 0; i < p.n; ++i) {
        N += r.get(i, c);
        for (size_t j = 0; j < 6; ++j) sum[j] += r.get(i, c) * p.x[static_cast<size_t>(i) * 6 + j];
      }
      CHECK(m.weight(c) == doctest::Approx(N / static_cast<double>(p.n)).epsilon(1e-6));
      for (size_t j = 0; j < 6; ++j)
        CHECK(m.mean(c, static_cast<int64_t>(j)) == doctest::Approx(sum[j] / N).epsilon(1e-6));
    }
    // Sparse rows are the same rows.
    const Mixed s = fitted_mixture(m.trial, sparse(p));
    CHECK(s.F() == doctest::Approx(m.F()).epsilon(1e-9));
  }
}

TEST_CASE("mean and covariance of a mixture are arrays of the result, for every family") {
  const std::pair<const char*, double> families[] = {
      {"gaussian", 0},
      {"{ use: gaussian, covariance: tied }", 0},
      {"{ use: gaussian, covariance: spherical }", 0},
      {"bernoulli", 1},
      {"poisson", 6},
      {"multinomial", 6},
      {"categorical", 3}};
  for (const auto& [family, top] : families)
    for (const char* solver : {"em", "{ use: online_em, batch: 64 }"}) {
      CAPTURE(family);
      const Problem p = top > 0 ? whole_numbers(140, 3, top, 4) : blobs(140, 3, 2, 3, 1e3, 4);
      const Mixed m = fitted_mixture(
          mixture(std::string("components: 2, density: ") + family, solver,
                  "init: random_rows\nstop: { max_iter: 200, rel_tol: 0, patience: 0 }\n"),
          dense(p));
      const graph::Buffer &mean = m.model->state.at("mixture_mean"),
                          &covariance = m.model->state.at("mixture_covariance");
      REQUIRE(m.model->results.count("mixture_mean") == 1);
      REQUIRE(m.model->results.count("mixture_covariance") == 1);
      for (int64_t i = 0; i < 3; ++i) {
        double first = 0, data = 0;
        for (int64_t c = 0; c < 2; ++c) first += m.weight(c) * m.mean(c, i);
        for (int64_t r = 0; r < p.n; ++r) data += p.x[static_cast<size_t>(r * 3 + i)] / 140;
        CHECK(mean.get(0, i) == doctest::Approx(first).epsilon(1e-12));
        // Where EM ends, but for the law whose mean is about the mean total of all rows.
        if (solver[0] == 'e' && family[0] != 'm')
          CHECK(mean.get(0, i) == doctest::Approx(data).epsilon(1e-5));
        for (int64_t j = 0; j < 3; ++j) {
          double second = 0;
          for (int64_t c = 0; c < 2; ++c)
            second += m.weight(c) * (m.covariance(c, i, j) + m.mean(c, i) * m.mean(c, j));
          const double other = mean.get(0, i) * mean.get(0, j);
          CHECK(std::abs(covariance.get(i, j) - (second - other)) < 1e-9 * (1 + std::abs(other)));
        }
      }
    }
}

TEST_CASE("log-likelihoods of one component are those of the laws") {
  const Problem p = whole_numbers(40, 3, 5, 9);
  std::vector<double> rate(3, 0.0);
  for (int64_t i = 0; i < p.n; ++i)
    for (size_t j = 0; j < 3; ++j) rate[j] += p.x[static_cast<size_t>(i) * 3 + j] / 40;
  const double all = rate[0] + rate[1] + rate[2];
  double poisson = 0, multinomial = 0;
  for (int64_t i = 0; i < p.n; ++i) {
    double total = 0;
    for (size_t j = 0; j < 3; ++j) {
      const double x = p.x[static_cast<size_t>(i) * 3 + j];
      total += x;
      poisson += x * std::log(rate[j]) - rate[j] - std::lgamma(x + 1);
      multinomial += x * std::log(rate[j] / all) - std::lgamma(x + 1);
    }
    multinomial += std::lgamma(total + 1);
  }
  const auto fit = [&](const std::string& family) {
    return fitted_mixture(mixture("components: 1, density: " + family, "em", "init: random\n"),
                          dense(p))
        .log_likelihood();
  };
  CHECK(fit("poisson") == doctest::Approx(poisson).epsilon(1e-12));
  CHECK(fit("multinomial") == doctest::Approx(multinomial).epsilon(1e-12));
}

TEST_CASE("entries missing are summed out: the value is that of what is seen") {
  for (const char* kind : {"full", "tied", "diag", "spherical"}) {
    CAPTURE(kind);
    Problem p = blobs(120, 4, 2, 3, 1, 6);
    const spec::Trial t =
        mixture(std::string("components: 2, density: { use: gaussian, covariance: ") + kind + " }",
                "em", "init: random\n");
    const std::vector<double> start(p.x.begin(), p.x.begin() + 2 * p.d);
    const Mixed m = fitted_mixture(t, hidden(dense(p)), 1, start);
    check_descent(*m.result, 1e-11);
    double total = 0;
    for (int64_t i = 0; i < p.n; ++i) {
      double a[2];
      for (int64_t c = 0; c < 2; ++c) {
        std::vector<double> x, mean, C;
        for (int64_t j = 0; j < p.d; ++j) {
          if (is_hidden(i, j)) continue;
          x.push_back(p.x[static_cast<size_t>(i * p.d + j)]);
          mean.push_back(m.mean(c, j));
          for (int64_t l = 0; l < p.d; ++l)
            if (!is_hidden(i, l)) C.push_back(m.covariance(c, j, l));
        }
        a[c] = std::log(m.weight(c)) + log_normal(x.data(), mean, C);
      }
      total += log_sum_exp(a, 2);
    }
    CHECK(m.log_likelihood() == doctest::Approx(total).epsilon(1e-11));
    // What is hidden is never read.
    for (int64_t i = 0; i < p.n; ++i)
      for (int64_t j = 0; j < p.d; ++j)
        if (is_hidden(i, j)) p.x[static_cast<size_t>(i * p.d + j)] = 1e30;
    CHECK(fitted_mixture(t, hidden(dense(p)), 1, start).F() ==
          doctest::Approx(m.F()).epsilon(1e-12));
  }
}

TEST_CASE("coins with entries missing: the mean is that of what was tossed") {
  const Problem p = whole_numbers(200, 5, 1, 3);
  const Mixed m = fitted_mixture(mixture("components: 1, density: bernoulli", "em",
                                         "init: random\nstop: { max_iter: 500, rel_tol: 0 }\n"),
                                 hidden(dense(p)));
  check_descent(*m.result, 1e-12);
  double total = 0;
  for (int64_t j = 0; j < p.d; ++j) {
    double ones = 0, seen = 0;
    for (int64_t i = 0; i < p.n; ++i) {
      if (is_hidden(i, j)) continue;
      ones += p.x[static_cast<size_t>(i * p.d + j)];
      ++seen;
    }
    const double mu = ones / seen;
    CHECK(m.mean(0, j) == doctest::Approx(mu).epsilon(1e-9));
    total += ones * std::log(mu) + (seen - ones) * std::log(1 - mu);
  }
  CHECK(m.log_likelihood() == doctest::Approx(total).epsilon(1e-10));
}

TEST_CASE("what no density can mean is refused: missing counts, weights of columns") {
  const Problem p = whole_numbers(50, 4, 5, 2);
  data::Data x = *dense(p);
  AlignedArray<double> weights(p.d);
  for (int64_t j = 0; j < p.d; ++j) weights.data()[j] = j == 1 ? 2 : 1;
  x.col_weights = std::make_shared<const AlignedArray<double>>(std::move(weights));
  const DataPtr odd = std::make_shared<const data::Data>(std::move(x));
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  const std::pair<const char*, DataPtr> refused[] = {
      {"poisson", hidden(dense(p))}, {"poisson", odd}, {"gaussian", odd}};
  for (const auto& [family, data] : refused) {
    CAPTURE(family);
    const spec::Trial t =
        mixture(std::string("components: 2, density: ") + family, "em", "init: random\n");
    const auto prepared = experiment::prepare(t, data, *runtime);
    REQUIRE(prepared.ok());
    const auto model = experiment::make_model(t, *prepared, *runtime);
    REQUIRE(!model.ok());
    CHECK(model.error().status == ASSAY_E_COMBINATION);
  }
}

TEST_CASE("a row of weight 3 counts as three rows") {
  const Problem p = blobs(60, 3, 2, 3, 0, 8);
  Problem repeated{0, p.d, p.k, {}};
  std::vector<double> weights;
  for (int64_t i = 0; i < p.n; ++i) {
    const int64_t times = 1 + i % 3;
    weights.push_back(static_cast<double>(times));
    for (int64_t t = 0; t < times; ++t)
      repeated.x.insert(repeated.x.end(), p.x.begin() + i * p.d, p.x.begin() + (i + 1) * p.d);
    repeated.n += times;
  }
  for (const char* kind : {"full", "diag"}) {
    CAPTURE(kind);
    const spec::Trial t =
        mixture(std::string("components: 2, density: { use: gaussian, covariance: ") + kind + " }",
                "{ use: em, start: means }", "init: random\n");
    const std::vector<double> start(p.x.begin(), p.x.begin() + 2 * p.d);
    CHECK(fitted_mixture(t, weighted(p, weights), 1, start).F() ==
          doctest::Approx(fitted_mixture(t, dense(repeated), 1, start).F()).epsilon(1e-10));
  }
}

TEST_CASE("hard assignments with identity covariances of equal weight are k-means") {
  const Problem p = blobs(200, 3, 3, 4, 0, 10);
  const Mixed m = fitted_mixture(
      mixture("components: 3, density: { use: gaussian, covariance: identity }",
              "{ use: em, assignment: hard, equal_weights: true, responsibilities: true }",
              "init: random\nstop: { max_iter: 100, rel_tol: 0 }\n"),
      dense(p));
  check_descent(*m.result, 1e-12);
  // F = half the squared distances to the nearest mean, and constants.
  const graph::Buffer& r = m.model->state.at("rows.responsibilities");
  double inertia = 0;
  for (int64_t i = 0; i < p.n; ++i) {
    double least = 1e300;
    int64_t nearest = 0;
    for (int64_t c = 0; c < 3; ++c) {
      double sum = 0;
      for (int64_t j = 0; j < 3; ++j) {
        const double apart = p.x[static_cast<size_t>(i * 3 + j)] - m.mean(c, j);
        sum += apart * apart;
      }
      if (sum < least) nearest = c, least = sum;
    }
    inertia += least;
    CHECK(r.get(i, nearest) == 1);
  }
  const double constant = 200 * (1.5 * std::log(2 * 3.14159265358979324) + std::log(3));
  CHECK(m.F() == doctest::Approx(inertia / 2 + constant).epsilon(1e-12));
}

TEST_CASE("a stranger's density in plain C: waiting times of two rates") {
  const char* folder = std::getenv("ASSAY_TEST_TEMPLATE");
  REQUIRE(folder != nullptr);
  plugin::SearchOptions where;
  where.plugin_dirs = {folder};
  const auto opened = plugin::Registry::open(where);
  REQUIRE(opened.ok());
  REQUIRE((*opened)->find("density", "acme.exponential") != nullptr);
  Draw draw(21);
  Problem p{2000, 3, 2, std::vector<double>(6000)};
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j < 3; ++j)
      p.x[static_cast<size_t>(i * 3 + j)] = -std::log(1 - draw()) * (i % 4 == 0 ? 10 : 1);
  const auto parsed =
      spec::parse("stranger.yaml",
                  "assay: 1\nname: stranger\nmodel: { kind: mixture, components: 2, "
                  "density: acme.exponential }\nsolver: { use: em, start: random }\n"
                  "init: random\nstop: { max_iter: 500, rel_tol: 1e-10 }\n"
                  "measure: { every: 1, metrics: [log_likelihood] }\n",
                  {{}, {}, true}, **opened);
  REQUIRE(parsed.ok());
  const spec::Trial& trial = parsed.experiment->trials[0];
  auto runtime = experiment::Runtime::create(*opened, 1, "auto", "auto");
  REQUIRE(runtime.ok());
  auto data = experiment::prepare(trial, dense(p), *runtime);
  REQUIRE(data.ok());
  auto model = experiment::make_model(trial, *data, *runtime);
  REQUIRE(model.ok());
  auto task = experiment::make_task(trial, *data, **model, *runtime);
  REQUIRE(task.ok());
  const auto result = fit::fit(*task);
  REQUIRE_MESSAGE(result.ok(), result.error().message);
  check_descent(*result, 1e-11);
  CHECK(result->trace.rows.back().metrics[0] ==
        doctest::Approx(-result->trace.rows.back().objective).epsilon(1e-12));
  const graph::Buffer& H = (*model)->factor[1];
  const int64_t slow = H.get(0, 0) > H.get(0, 1) ? 0 : 1;
  for (int64_t j = 0; j < 3; ++j) {
    CHECK(H.get(j, slow) == doctest::Approx(10).epsilon(0.15));
    CHECK(H.get(j, 1 - slow) == doctest::Approx(1).epsilon(0.1));
  }
}
