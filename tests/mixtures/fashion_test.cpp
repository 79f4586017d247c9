// SPDX-License-Identifier: Apache-2.0
// Ten full covariances on 32 principal components of pictures of clothes, in float32 and from rows
// drawn at random: scores whose variances differ a hundredfold, where a component easily shrinks
// to a few rows. The fit must end well.
#include <fstream>

#include "core/experiment/session.hpp"
#include "core/kernels/linalg.hpp"
#include "tests/mixtures/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

// Scores of the first rows; nothing where the pictures are not there.
std::optional<Problem> scores(const std::string& rows) {
  const std::string path = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz";
  if (!std::ifstream(path)) {
    MESSAGE("skipped: " << path << " is not there (Debian's dataset-fashion-mnist)");
    return {};
  }
  const auto parsed = spec::parse(
      "scores.yaml",
      "assay: 1\nname: scores\ndata: { use: idx, path: " + path + rows +
          ", transforms: [{ use: scale, by: 0.00392156862745098 }] }\nmodel: { rank: 32 }\n"
          "solver: { use: pca, method: gram }\nmeasure: { every: 1, metrics: [] }\n",
      {{}, {}, true}, *registry());
  REQUIRE(parsed.ok());
  const spec::Trial& trial = parsed.experiment->trials[0];
  auto runtime = experiment::Runtime::create(registry(), 2, "auto", "auto");
  REQUIRE(runtime.ok());
  experiment::Session session(*runtime);
  auto x = session.load(trial);
  REQUIRE_MESSAGE(x.ok(), x.error().message);
  auto data = experiment::prepare(trial, *x, *runtime);
  REQUIRE(data.ok());
  auto model = experiment::make_model(trial, *data, *runtime);
  REQUIRE(model.ok());
  auto task = experiment::make_task(trial, *data, **model, *runtime);
  REQUIRE(task.ok());
  REQUIRE(fit::fit(*task).ok());
  const graph::Buffer& W = (*model)->factor[0];
  Problem p{W.rows, W.width, 10, {}};
  for (int64_t i = 0; i < W.rows; ++i)
    for (int64_t j = 0; j < W.width; ++j)
      p.x.push_back(static_cast<double>(static_cast<float>(W.get(i, j))));
  return p;
}

void fits(const Problem& p, uint64_t seed, int64_t steps) {
  CAPTURE(seed);
  spec::Trial t = mixture("components: 10, density: gaussian", "em",
                          "data: { use: csv, path: none.csv, compute: f32 }\ninit: random_rows\n"
                          "stop: { max_iter: " +
                              std::to_string(steps) + ", rel_tol: 1e-6 }\n");
  t.seed = seed;
  const Mixed m = fitted_mixture(t, dense(p, ASSAY_F32), 2);
  CHECK_MESSAGE((m.result->stop == fit::Stop::kConverged || m.result->stop == fit::Stop::kMaxIter),
                fit::stop_name(m.result->stop));
  check_descent(*m.result, 1e-9);
  double mean_variance = 0, weights = 0;
  for (int64_t j = 0; j < p.d; ++j) {
    double square = 0;  // scores are centred
    for (int64_t i = 0; i < p.n; ++i) square += std::pow(p.x[static_cast<size_t>(i * p.d + j)], 2);
    mean_variance += square / static_cast<double>(p.n * p.d);
  }
  const assay_la* la = kernels::la_table();
  for (int64_t c = 0; c < 10; ++c) {
    weights += m.weight(c);
    std::vector<double> C(static_cast<size_t>(p.d * p.d)), w(static_cast<size_t>(p.d));
    for (int64_t i = 0; i < p.d; ++i)
      for (int64_t j = 0; j < p.d; ++j) C[static_cast<size_t>(i * p.d + j)] = m.covariance(c, i, j);
    REQUIRE(la->eigh(p.d, C.data(), p.d, w.data()) == ASSAY_OK);
    CHECK(*std::min_element(w.begin(), w.end()) > 0.99e-4 * mean_variance);
  }
  CHECK(weights == doctest::Approx(1).epsilon(1e-12));
}

}  // namespace

TEST_CASE("clothes: ten full covariances of 32 scores from random rows, 3000 pictures") {
  if (const auto p = scores(", rows: \"0:3000\"")) fits(*p, 1, 30);
}

TEST_CASE("clothes: ten full covariances of 32 scores from random rows, 60000 pictures" *
          doctest::test_suite("long")) {
  const auto p = scores("");
  for (uint64_t seed = 0; p && seed < 3; ++seed) fits(*p, seed, 300);
}
