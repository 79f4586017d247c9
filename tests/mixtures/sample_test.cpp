// SPDX-License-Identifier: Apache-2.0
// Rows drawn from a saved mixture have its moments, and those of new rows their log-density.
#include "core/experiment/sample.hpp"

#include <unistd.h>

#include <filesystem>

#include "core/experiment/model_file.hpp"
#include "core/experiment/new_rows.hpp"
#include "core/kernels/npy.hpp"
#include "tests/mixtures/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

// A folder of its own that goes with the test.
struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("assay-sample-" + std::to_string(::getpid()));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("samples of a mixture have its mean and covariance; row i is the seed's and i's") {
  const Folder folder;
  for (const std::string family : {"gaussian", "{ use: gaussian, covariance: diag }", "bernoulli",
                                   "poisson", "multinomial", "categorical"}) {
    CAPTURE(family);
    Problem p = blobs(300, 2, 2, 3, 1, 4);
    if (family == "bernoulli")
      for (double& v : p.x) v = v > 1 ? 1 : 0;
    else if (family[0] != 'g' && family[0] != '{')
      for (double& v : p.x) v = std::floor(std::abs(2 * v));
    const Mixed m = fitted_mixture(
        mixture("components: 2, density: " + family, "em", "init: random\n"), dense(p));
    const std::string model = folder.path / "model.npz";
    REQUIRE(experiment::write_model(
                model, experiment::save(m.trial, "", *m.model, m.data, *m.result, *registry()))
                .ok());
    const auto draw = [&](int64_t rows, uint64_t seed) {
      const std::string out = folder.path / "rows.npz";
      const auto done = experiment::sample(model, out, rows, seed, registry());
      REQUIRE_MESSAGE(done.ok(), done.error().message);
      const auto members = kernels::read_npz(out);
      REQUIRE(members.ok());
      std::vector<double> values(static_cast<size_t>(rows * 3));
      kernels::widen(members->front(), values.data());
      return values;
    };
    const int64_t n = 40000;
    const std::vector<double> rows = draw(n, 1);
    for (size_t j = 0; j < 2; ++j) {
      double mean = 0, second = 0, of_mixture = 0, square = 0;
      for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
        mean += rows[i * 3 + j] / static_cast<double>(n);
        second += rows[i * 3 + j] * rows[i * 3 + j] / static_cast<double>(n);
      }
      for (int64_t c = 0; c < 2; ++c) {
        const auto at = static_cast<int64_t>(j);
        of_mixture += m.weight(c) * m.mean(c, at);
        square += m.weight(c) * (m.covariance(c, at, at) + m.mean(c, at) * m.mean(c, at));
      }
      const double variance = square - of_mixture * of_mixture;
      CHECK(std::abs(mean - of_mixture) < 5 * std::sqrt(variance / static_cast<double>(n)));
      CHECK(second - mean * mean == doctest::Approx(variance).epsilon(0.05));
    }
    const std::vector<double> fewer = draw(10, 1), other = draw(10, 2);
    CHECK(std::equal(fewer.begin(), fewer.end(), rows.begin()));
    CHECK(fewer != other);
  }
}

TEST_CASE("multinomial speaks of the mean total of a component: long rows and short ones") {
  const int64_t n = 60, d = 3;
  Problem p{n, d, 2, {}};
  std::vector<double> mean(static_cast<size_t>(d), 0);
  for (int64_t i = 0; i < n; ++i) {
    const bool is_long = i % 3 == 0;
    const double row[] = {is_long ? 40.0 : 0.0, is_long ? 9.0 : 1.0, is_long ? 1.0 : 4.0};
    for (size_t j = 0; j < 3; ++j) {
      p.x.push_back(row[j]);
      mean[j] += row[j] / static_cast<double>(n);
    }
  }
  const Mixed m = fitted_mixture(
      mixture("components: 2, density: multinomial", "em", "init: kmeans_plus_plus\n"), dense(p));
  for (int64_t j = 0; j < d; ++j)
    CHECK(m.model->state.at("mixture_mean").get(0, j) ==
          doctest::Approx(mean[static_cast<size_t>(j)]).epsilon(1e-6));
  double totals[2] = {0, 0};
  for (int64_t c = 0; c < 2; ++c)
    for (int64_t j = 0; j < d; ++j) totals[c] += m.mean(c, j);
  CHECK(std::max(totals[0], totals[1]) == doctest::Approx(50).epsilon(1e-2));
  CHECK(std::min(totals[0], totals[1]) == doctest::Approx(5).epsilon(1e-2));
}

TEST_CASE("transform gives the responsibilities of the fit, and log p of each row beside them") {
  const Problem p = blobs(120, 3, 2, 2, 0, 5);
  const Mixed m = fitted_mixture(mixture("components: 2, density: gaussian",
                                         "{ use: em, responsibilities: true }", "init: random\n"),
                                 dense(p));
  const auto saved = experiment::save(m.trial, "", *m.model, m.data, *m.result, *registry());
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  auto rows = experiment::transform_rows(saved, dense(p), *runtime);
  REQUIRE_MESSAGE(rows.ok(), rows.error().message);
  const graph::Buffer W = experiment::storage_view(rows->W, 0);
  const graph::Buffer& r = m.model->state.at("rows.responsibilities");
  const std::vector<double> a = joint(m, p);
  REQUIRE(rows->fitted.rows.size() == 1);
  CHECK(rows->fitted.rows[0].first == "log_density");
  for (int64_t i = 0; i < p.n; ++i) {
    CHECK(W.get(i, 0) == r.get(i, 0));
    CHECK(rows->fitted.rows[0].second.get(i, 0) ==
          doctest::Approx(log_sum_exp(&a[static_cast<size_t>(i * 2)], 2)).epsilon(1e-11));
  }
}
