// SPDX-License-Identifier: Apache-2.0
// The templates, a stranger's losses in plain C, through the solver mu and, where a majorising
// curvature is offered, through the least-squares solvers: descent on every kind of data, and the
// same answer from sparse as from dense X, from masked as from unobserved X.
#include "core/fit/certificate.hpp"
#include "tests/laws/program_support.hpp"
#include "tests/unit/data_samples.hpp"

namespace assay::programs {

namespace {

constexpr int64_t kRows = 90, kCols = 31, kRank = 4;
constexpr int kSteps = 40;

// Losses at the factors entering each of kSteps steps, which stay finite and >= 0.
std::vector<double> descend(graph::Model& m, const std::string& id = "mu") {
  init(m, "random", {}, 3);
  const plugin::Descriptor* solver = registry().find("solver", id);
  REQUIRE(solver != nullptr);
  const auto complete = plugin::Options::complete(solver->plugin->options, {}, id);
  REQUIRE(complete);
  const auto method = fit::Method::create({solver, *complete, 1}, m, -1, nullptr);
  REQUIRE(method);
  const auto plan = (*method)->plan(ASSAY_STEP, m, plan_options());
  REQUIRE(plan);
  const auto certificate = fit::Certificate::create(m, plan_options());
  REQUIRE(certificate);
  std::vector<double> losses;
  for (int step = 0; step < kSteps; ++step) {
    const auto exact = (*certificate)->loss();
    REQUIRE(exact);
    const auto r = (*plan)->run(true, step);
    if (!r) FAIL(r.error().message);
    losses.push_back(r->has_loss ? r->loss : *exact);
  }
  return losses;
}

void check_descent(const std::vector<double>& losses) {
  for (size_t i = 1; i < losses.size(); ++i) CHECK(losses[i] <= losses[i - 1] * (1 + 1e-12));
  CHECK(losses.back() < 0.9 * losses.front());
}

void check_equal(const graph::Model& a, const graph::Model& b) {
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = 0; j < kCols; ++j)
      CHECK(product(a, i, j) == doctest::Approx(product(b, i, j)).epsilon(1e-7));
}

}  // namespace

TEST_CASE("the template runs through mu on dense and on sparse X, with the same answer") {
  const std::vector<double> x = samples::mostly_zeros(kRows, kCols);
  graph::Model dense = model(samples::dense(kRows, kCols, x), kRank, "acme.pearson");
  graph::Model sparse = model(samples::sparse(kRows, kCols, x), kRank, "acme.pearson");
  check_descent(descend(dense));
  check_descent(descend(sparse));
  check_equal(dense, sparse);
}

TEST_CASE("the template runs through the solvers that walk by gradients") {
  const std::vector<double> x = samples::mostly_zeros(kRows, kCols);
  for (const char* solver : {"palm", "gradient"}) {
    CAPTURE(solver);
    graph::Model dense = model(samples::dense(kRows, kCols, x), kRank, "acme.pearson");
    graph::Model sparse = model(samples::sparse(kRows, kCols, x), kRank, "acme.pearson");
    check_descent(descend(dense, solver));
    check_descent(descend(sparse, solver));
    check_equal(dense, sparse);
    graph::Model unobserved = model(samples::sparse(kRows, kCols, x, true), kRank, "acme.pearson");
    check_descent(descend(unobserved, solver));
  }
}

TEST_CASE("the templates run through sgd: epochs come down, if not every one") {
  const std::vector<double> x = samples::mostly_zeros(kRows, kCols);
  for (const char* loss : {"acme.pearson", "acme.logcosh"}) {
    CAPTURE(loss);
    graph::Model dense = model(samples::dense(kRows, kCols, x), kRank, loss);
    graph::Model unobserved = model(samples::sparse(kRows, kCols, x, true), kRank, loss);
    for (graph::Model* m : {&dense, &unobserved}) {
      const std::vector<double> losses = descend(*m, "sgd");
      for (const double v : losses) CHECK(std::isfinite(v));
      CHECK(losses.back() < 0.7 * losses.front());
    }
  }
}

TEST_CASE("a template with a majorising curvature runs through the least-squares solvers") {
  const std::vector<double> x = samples::mostly_zeros(kRows, kCols);
  for (const char* solver : {"mu", "hals", "cd", "anls_bpp", "admm", "palm", "gradient"}) {
    CAPTURE(solver);
    graph::Model dense = model(samples::dense(kRows, kCols, x), kRank, "acme.logcosh");
    graph::Model sparse = model(samples::sparse(kRows, kCols, x), kRank, "acme.logcosh");
    check_descent(descend(dense, solver));
    check_descent(descend(sparse, solver));
    check_equal(dense, sparse);
    graph::Model unobserved = model(samples::sparse(kRows, kCols, x, true), kRank, "acme.logcosh");
    check_descent(descend(unobserved, solver));
  }
}

TEST_CASE("the template runs through mu on masked X, where hidden entries are never read") {
  const std::vector<double> x = samples::mostly_zeros(kRows, kCols);
  const auto masked = [&](double hidden) {
    std::vector<double> shown = x;
    auto mask = std::make_shared<data::Bitmap>();
    mask->rows = kRows;
    mask->cols = kCols;
    mask->words = 1;
    mask->bits = AlignedArray<uint64_t>(kRows);
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t j = 0; j < kCols; ++j) {
        auto& entry = shown[static_cast<size_t>(i * kCols + j)];
        if (entry != 0)
          mask->bits[i] |= uint64_t{1} << j;
        else
          entry = hidden;
      }
    data::Data data = samples::dense(kRows, kCols, shown);
    data.mask = mask;
    return model(data, kRank, "acme.pearson");
  };
  graph::Model zeros = masked(0), nans = masked(samples::kNan);
  graph::Model unobserved = model(samples::sparse(kRows, kCols, x, true), kRank, "acme.pearson");
  const auto losses = descend(zeros);
  check_descent(losses);
  CHECK(descend(nans) == losses);
  check_descent(descend(unobserved));
  check_equal(zeros, unobserved);
}

TEST_CASE("the template runs in float32 through the host's widening") {
  graph::Model wide = model(samples::pixels<double>(kRows, kCols), kRank, "acme.pearson");
  graph::Model narrow = model(samples::pixels<float>(kRows, kCols), kRank, "acme.pearson");
  narrow.compute = ASSAY_F32;
  for (int side : {0, 1})
    narrow.factor[side] = graph::Buffer::make(ASSAY_F32, narrow.factor[side].rows, kRank);
  const auto a = descend(wide), b = descend(narrow);
  for (size_t i = 0; i < a.size(); ++i) CHECK(b[i] == doctest::Approx(a[i]).epsilon(1e-4));
}

}  // namespace assay::programs
