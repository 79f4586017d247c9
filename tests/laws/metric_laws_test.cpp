// SPDX-License-Identifier: Apache-2.0
// Metrics against their formulas written out, on dense, masked, weighted and sparse data.
#include "tests/laws/program_support.hpp"
#include "tests/unit/data_samples.hpp"

namespace assay::programs {

namespace {

constexpr int64_t kRows = 60, kCols = 24, kRank = 3;

// Entry and weight of every entry, 0 = hidden, as the data say.
struct Plain {
  data::Data data;
  std::vector<double> x, w;
};

Plain plain(const std::string& form) {
  Plain p;
  p.x = samples::mostly_zeros(kRows, kCols);
  p.w.assign(p.x.size(), 1);
  if (form == "sparse") {
    p.data = samples::sparse(kRows, kCols, p.x);
    return p;
  }
  if (form == "unobserved") {
    p.data = samples::sparse(kRows, kCols, p.x, true);
    for (size_t e = 0; e < p.x.size(); ++e) p.w[e] = p.x[e] != 0;
    return p;
  }
  std::vector<double> shown = p.x;
  if (form == "masked") {
    auto mask = std::make_shared<data::Bitmap>();
    mask->rows = kRows;
    mask->cols = kCols;
    mask->words = 1;
    mask->bits = AlignedArray<uint64_t>(kRows);
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t j = 0; j < kCols; ++j) {
        const auto e = static_cast<size_t>(i * kCols + j);
        if ((i + 3 * j) % 5 != 0) {
          mask->bits[i] |= uint64_t{1} << j;
        } else {
          p.w[e] = 0;
          shown[e] = samples::kNan;
        }
      }
    p.data = samples::dense(kRows, kCols, shown);
    p.data.mask = mask;
    return p;
  }
  p.data = samples::dense(kRows, kCols, shown);
  if (form == "weighted") {
    auto rows = std::make_shared<AlignedArray<double>>(kRows);
    auto cols = std::make_shared<AlignedArray<double>>(kCols);
    for (int64_t i = 0; i < kRows; ++i) (*rows)[i] = 1 + 0.1 * static_cast<double>(i % 7);
    for (int64_t j = 0; j < kCols; ++j) (*cols)[j] = 2 - 0.05 * static_cast<double>(j);
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t j = 0; j < kCols; ++j)
        p.w[static_cast<size_t>(i * kCols + j)] = (*rows)[i] * (*cols)[j];
    p.data.row_weights = rows;
    p.data.col_weights = cols;
  }
  return p;
}

template <class F>
double total(const Plain& p, F&& f) {
  double sum = 0;
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = 0; j < kCols; ++j) {
      const auto e = static_cast<size_t>(i * kCols + j);
      if (p.w[e] > 0) sum += p.w[e] * f(i, j, p.x[e]);
    }
  return sum;
}

}  // namespace

TEST_CASE("metrics of a model equal their formulas, whatever the data are") {
  for (const std::string form : {"dense", "masked", "weighted", "sparse", "unobserved"}) {
    CAPTURE(form);
    const Plain p = plain(form);
    graph::Model m = model(p.data, kRank, "kl", {"nonneg", "l1", "l2"});
    init(m, "random", {}, 5);
    const double squares =
        total(p, [&](int64_t i, int64_t j, double x) { return std::pow(x - product(m, i, j), 2); });
    const double all = total(p, [](int64_t, int64_t, double x) { return x * x; });
    const double weights = total(p, [](int64_t, int64_t, double) { return 1.0; });
    CHECK(metric(m, "rel_error") == doctest::Approx(std::sqrt(squares / all)).epsilon(1e-10));
    CHECK(metric(m, "rmse") == doctest::Approx(std::sqrt(squares / weights)).epsilon(1e-10));

    std::vector<double> sums(kCols), counts(kCols);
    total(p, [&](int64_t i, int64_t j, double x) {
      const double w = p.w[static_cast<size_t>(i * kCols + j)];
      sums[static_cast<size_t>(j)] += w * x;
      counts[static_cast<size_t>(j)] += w;
      return 0.0;
    });
    const double spread = total(p, [&](int64_t, int64_t j, double x) {
      return std::pow(x - sums[static_cast<size_t>(j)] / counts[static_cast<size_t>(j)], 2);
    });
    CHECK(metric(m, "explained_variance") == doctest::Approx(1 - squares / spread).epsilon(1e-9));

    double penalties = 0;
    for (const auto& f : {&m.factor[0], &m.factor[1]})
      for (int64_t i = 0; i < f->rows; ++i)
        for (int64_t a = 0; a < kRank; ++a)
          penalties += 0.1 * std::abs(f->get(i, a)) + 0.05 * f->get(i, a) * f->get(i, a);
    const double kl = total(p, [&](int64_t i, int64_t j, double x) {
      const double model_value = product(m, i, j);
      return (x > 0 ? x * std::log(x / model_value) : 0) - x + model_value;
    });
    CHECK(metric(m, "objective") == doctest::Approx(kl + penalties).epsilon(1e-10));
  }
}

TEST_CASE("a perfect model has no error and explains all variance") {
  graph::Model m = model(samples::pixels<double>(30, 10), 2);
  init(m, "random");
  std::vector<double> x;
  for (int64_t i = 0; i < 30; ++i)
    for (int64_t j = 0; j < 10; ++j) x.push_back(product(m, i, j));
  graph::Model same = model(samples::dense(30, 10, x), 2);
  same.factor[0] = m.factor[0];
  same.factor[1] = m.factor[1];
  CHECK(metric(same, "rel_error") < 1e-7);
  CHECK(metric(same, "rmse") < 1e-6);
  CHECK(metric(same, "explained_variance") == doctest::Approx(1));
}

TEST_CASE("Hoyer's sparseness is 0 for flat and 1 for single-entry components, zero ones apart") {
  graph::Model m = model(samples::pixels<double>(16, 9), 3);
  for (int64_t i = 0; i < 16; ++i) m.factor[0].set(i, 0, 2.5);
  m.factor[0].set(4, 1, 7);
  CHECK(metric(m, "sparseness", 0) == doctest::Approx(0.5));
  m.factor[1].set(0, 0, 3);
  m.factor[1].set(1, 0, 4);
  CHECK(metric(m, "sparseness", 1) == doctest::Approx((3 - 7.0 / 5) / 2));
  const auto r = run(m, "metric", "sparseness", ASSAY_MEASURE);
  REQUIRE(!r);
  CHECK(r.error().message == "metric `sparseness` needs a factor");
}

}  // namespace assay::programs
