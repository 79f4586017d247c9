// SPDX-License-Identifier: Apache-2.0
// The density `categorical` against EM written out here from its formulas, entries missing and a
// prior among them; with two levels it is `bernoulli`; levels found in data go with the model.
#include "core/data/observe.hpp"
#include "core/experiment/model_file.hpp"
#include "core/experiment/new_rows.hpp"
#include "core/kernels/widen.hpp"
#include "tests/mixtures/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

const std::vector<int64_t> kLevels = {3, 2, 4};

// Rows of two kinds: one likes low codes, one high ones.
Problem codes(int64_t n, const std::vector<int64_t>& levels, uint64_t seed) {
  Draw draw(seed);
  const auto d = static_cast<int64_t>(levels.size());
  Problem p{n, d, 2, {}};
  for (int64_t i = 0; i < n; ++i) {
    const bool high = draw() < 0.4;
    for (const int64_t L : levels)
      p.x.push_back(static_cast<double>(std::min(
          L - 1,
          static_cast<int64_t>(std::pow(draw(), high ? 0.4 : 2.5) * static_cast<double>(L)))));
  }
  return p;
}

bool is_hidden(int64_t i, int64_t j) { return (5 * i + 3 * j) % 7 == 2; }

std::shared_ptr<const data::Data> hidden(const std::shared_ptr<const data::Data>& x) {
  auto out = data::hide(*x, [&](int64_t i, uint64_t* words) {
    for (int64_t j = 0; j < x->cols; ++j)
      if (is_hidden(i, j)) words[j / 64] |= uint64_t{1} << (j % 64);
  });
  REQUIRE(out.ok());
  return std::make_shared<const data::Data>(std::move(*out));
}

// EM of two components in the plainest way: t[c][j][l], pi[c].
struct Plain {
  std::vector<std::vector<double>> t[2];
  double pi[2] = {0.5, 0.5}, F = 0;

  // The density's start at these means (k x d).
  void start(const std::vector<double>& means) {
    for (size_t c = 0; c < 2; ++c) {
      t[c].clear();
      for (size_t j = 0; j < kLevels.size(); ++j) {
        const auto L = static_cast<size_t>(kLevels[j]);
        std::vector<double> law(L, 0.1 / static_cast<double>(L));
        const double mean = means[c * kLevels.size() + j];
        const auto below = static_cast<size_t>(mean);
        law[below] += 0.9 * (1 - (mean - static_cast<double>(below)));
        if (below + 1 < L) law[below + 1] += 0.9 * (mean - static_cast<double>(below));
        t[c].push_back(law);
      }
    }
  }

  // F of the parameters as they stand, then the step; a: of the Dirichlet prior.
  void step(const Problem& p, bool missing, double a) {
    std::vector<std::vector<double>> counts[2];
    double N[2] = {0, 0};
    F = 0;
    for (size_t c = 0; c < 2; ++c)
      for (size_t j = 0; j < kLevels.size(); ++j) {
        const auto L = static_cast<size_t>(kLevels[j]);
        counts[c].emplace_back(L, a - 1);
        if (a > 1)
          F -= std::lgamma(static_cast<double>(L) * a) - static_cast<double>(L) * std::lgamma(a);
        for (const double v : t[c][j]) F -= (a - 1) * std::log(v);
      }
    for (int64_t i = 0; i < p.n; ++i) {
      double both[2] = {pi[0], pi[1]};
      const auto code = [&](int64_t j) {
        return static_cast<size_t>(p.x[static_cast<size_t>(i * p.d + j)]);
      };
      for (size_t c = 0; c < 2; ++c)
        for (int64_t j = 0; j < p.d; ++j)
          if (!missing || !is_hidden(i, j)) both[c] *= t[c][static_cast<size_t>(j)][code(j)];
      const double all = both[0] + both[1];
      F -= std::log(all);
      for (size_t c = 0; c < 2; ++c) {
        N[c] += both[c] / all;
        for (int64_t j = 0; j < p.d; ++j)
          if (!missing || !is_hidden(i, j))
            counts[c][static_cast<size_t>(j)][code(j)] += both[c] / all;
      }
    }
    for (size_t c = 0; c < 2; ++c) {
      pi[c] = N[c] / static_cast<double>(p.n);
      for (size_t j = 0; j < kLevels.size(); ++j) {
        const double sum = std::accumulate(counts[c][j].begin(), counts[c][j].end(), 0.0);
        for (size_t l = 0; l < t[c][j].size(); ++l) t[c][j][l] = counts[c][j][l] / sum;
      }
    }
  }
};

}  // namespace

TEST_CASE("categorical: every step is EM written out, with entries missing and with a prior") {
  const Problem p = codes(90, kLevels, 3);
  const std::vector<double> start = {0.25, 0, 1.5, 1.5, 1, 2.75};
  for (const bool missing : {false, true})
    for (const double a : {1.0, 2.5}) {
      CAPTURE(missing);
      CAPTURE(a);
      const Mixed m = fitted_mixture(
          mixture("components: 2, density: { use: categorical, levels: [3, 2, 4], prior_a: " +
                      std::to_string(a) + " }",
                  "{ use: em, start: means }",
                  "init: random\nstop: { max_iter: 12, rel_tol: 0, patience: 0 }\n"),
          missing ? hidden(dense(p)) : dense(p), 1, start);
      Plain plain;
      plain.start(start);
      const auto& rows = m.result->trace.rows;
      // A row of the trace is F of the parameters after that many steps.
      for (size_t step = 0; step < rows.size(); ++step) {
        Plain at = plain;
        at.step(p, missing, a);
        CHECK(rows[step].objective == doctest::Approx(at.F).epsilon(1e-12));
        if (step + 1 < rows.size()) plain = at;
      }
      for (int64_t c = 0; c < 2; ++c) {
        CHECK(m.weight(c) == doctest::Approx(plain.pi[c]).epsilon(1e-11));
        int64_t at = 0;
        for (size_t j = 0; j < 3; ++j) {
          const std::vector<double>& law = plain.t[c][j];
          double mean = 0, square = 0;
          for (size_t l = 0; l < law.size(); ++l, ++at) {
            CHECK(m.model->state.at("parameters").get(c, at) ==
                  doctest::Approx(law[l]).epsilon(1e-11));
            mean += static_cast<double>(l) * law[l];
            square += static_cast<double>(l * l) * law[l];
          }
          const auto column = static_cast<int64_t>(j);
          CHECK(m.mean(c, column) == doctest::Approx(mean).epsilon(1e-11));
          CHECK(m.covariance(c, column, column) ==
                doctest::Approx(square - mean * mean).epsilon(1e-10));
          CHECK(m.covariance(c, column, (column + 1) % 3) == 0);
        }
      }
      CHECK(m.model->density->facts().free_parameters == 2 * (2 + 1 + 3));
    }
}

TEST_CASE("categorical of two levels is bernoulli") {
  const Problem p = codes(120, {2, 2, 2, 2, 2}, 8);
  const std::pair<const char*, const char*> pairs[] = {
      {"bernoulli", "categorical"},
      {"{ use: bernoulli, prior_a: 3, prior_b: 3 }", "{ use: categorical, prior_a: 3 }"}};
  for (const auto& [coin, code] : pairs) {
    const auto fit = [&](const std::string& density) {
      return fitted_mixture(
          mixture("components: 3, density: " + density, "{ use: em, start: random }",
                  "init: random\nstop: { max_iter: 60, rel_tol: 0, patience: 0 }\n"
                  "measure: { every: 1, metrics: [bic] }\n"),
          dense(p));
    };
    const Mixed a = fit(coin), b = fit(code);
    const auto &rows = a.result->trace.rows, &same = b.result->trace.rows;
    REQUIRE(rows.size() == same.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      CHECK(same[i].objective == doctest::Approx(rows[i].objective).epsilon(1e-11));
      CHECK(same[i].metrics[0] == doctest::Approx(rows[i].metrics[0]).epsilon(1e-11));
    }
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t j = 0; j < p.d; ++j)
        CHECK(b.mean(c, j) == doctest::Approx(a.mean(c, j)).epsilon(1e-6));
  }
}

TEST_CASE("categorical: levels found in data make the fit that levels given make") {
  const Problem p = codes(80, kLevels, 5);
  const auto fit = [&](const std::string& levels) {
    return fitted_mixture(
        mixture("components: 2, density: { use: categorical" + levels + ", prior_a: 1.5 }",
                "{ use: em, start: random }",
                "init: random\nmeasure: { every: 1, metrics: [bic] }\n"),
        dense(p));
  };
  const Mixed found = fit(""), given = fit(", levels: [3, 2, 4]");
  const auto &a = found.result->trace.rows, &b = given.result->trace.rows;
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].objective == b[i].objective);
    CHECK(a[i].metrics[0] == b[i].metrics[0]);
  }
}

TEST_CASE("categorical: levels found in data go with the model; what is no code is refused") {
  const Problem p = codes(80, kLevels, 5);
  const Mixed m = fitted_mixture(mixture("components: 2, density: categorical",
                                         "{ use: em, start: random }", "init: random\n"),
                                 dense(p));
  const graph::Buffer& t = m.model->state.at("parameters");
  CHECK(t.width == 3 + 2 + 4);
  CHECK(m.model->density->facts().free_parameters == 2 * (2 + 1 + 3));
  const auto saved = experiment::save(m.trial, "", *m.model, m.data, *m.result, *registry());
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  const Problem low{2, 3, 2, {0, 0, 1, 1, 1, 0}};
  const auto rows = experiment::transform_rows(saved, dense(low), *runtime);
  REQUIRE_MESSAGE(rows.ok(), rows.error().message);
  const graph::Buffer W = experiment::storage_view(rows->W, 0);
  constexpr int64_t kBegin[] = {0, 3, 5};
  const auto* shown = saved.find("probabilities");
  REQUIRE(shown != nullptr);
  CHECK(shown->rows == 2);
  CHECK(shown->cols == t.width);
  std::vector<double> probabilities(static_cast<size_t>(2 * t.width));
  kernels::widen(*shown, probabilities.data());
  for (int64_t c = 0; c < 2; ++c)
    for (int64_t l = 0; l < t.width; ++l)
      CHECK(probabilities[static_cast<size_t>(c * t.width + l)] == t.get(c, l));
  for (int64_t i = 0; i < 2; ++i) {
    double r[2];
    for (int64_t c = 0; c < 2; ++c) {
      r[c] = m.weight(c);
      for (int64_t j = 0; j < 3; ++j)
        r[c] *=
            m.model->state.at("parameters")
                .get(c, kBegin[j] + static_cast<int64_t>(low.x[static_cast<size_t>(i * 3 + j)]));
    }
    CHECK(W.get(i, 0) == doctest::Approx(r[0] / (r[0] + r[1])).epsilon(1e-12));
  }
  for (const double odd : {4.0, 1.5, -1.0}) {
    CAPTURE(odd);
    const Problem wrong{2, 3, 2, {0, 0, odd, 1, 1, 0}};
    const auto refused = experiment::transform_rows(saved, dense(wrong), *runtime);
    REQUIRE(!refused.ok());
    CHECK(refused.error().code == "E0310");
  }
  // Codes above a column's own levels are found while the rows are read.
  const Mixed narrow =
      fit_mixture(mixture("components: 2, density: { use: categorical, levels: [3, 2, 2] }",
                          "{ use: em, start: random }", "init: random\n"),
                  dense(codes(80, {3, 2, 3}, 5)));
  REQUIRE(!narrow.result.ok());
  CHECK(narrow.result.error().message == "column 3 holds 2, which is no code from 0 to 1");
}
