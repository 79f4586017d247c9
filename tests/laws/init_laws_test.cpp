// SPDX-License-Identifier: Apache-2.0
// Inits: the size and sign of random ones, nndsvd against an exact SVD, and factors read from
// files.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/base/number.hpp"
#include "core/kernels/linalg.hpp"
#include "core/kernels/npy.hpp"
#include "core/plugin/services.hpp"
#include "tests/laws/program_support.hpp"
#include "tests/unit/data_samples.hpp"

namespace assay::programs {

namespace {

struct Table {
  int64_t rows = 0, cols = 0;
  std::vector<double> x;
};

// The 64 pixels of the digits shipped with the configurations.
Table digits() {
  const char* source = std::getenv("ASSAY_TEST_SOURCE");
  REQUIRE(source != nullptr);
  std::ifstream in(std::string(source) + "/configs/data/digits.csv");
  Table t;
  t.cols = 64;
  std::string line;
  for (std::getline(in, line); std::getline(in, line); ++t.rows) {
    size_t at = 0;
    for (int64_t j = 0; j < t.cols; ++j) {
      const size_t end = std::min(line.find(',', at), line.size());
      t.x.push_back(parse_double(line.substr(at, end - at)).value());
      at = end + 1;
    }
  }
  REQUIRE(t.rows == 1797);
  return t;
}

Table transposed(const Table& t) {
  Table out{t.cols, t.rows, std::vector<double>(t.x.size())};
  for (int64_t i = 0; i < t.rows; ++i)
    for (int64_t j = 0; j < t.cols; ++j)
      out.x[static_cast<size_t>(j * t.rows + i)] = t.x[static_cast<size_t>(i * t.cols + j)];
  return out;
}

double sum(const graph::Buffer& f) {
  double total = 0;
  for (int64_t i = 0; i < f.rows; ++i)
    for (int64_t a = 0; a < f.width; ++a) total += f.get(i, a);
  return total;
}

int64_t zeros(const graph::Buffer& f) {
  int64_t count = 0;
  for (int64_t i = 0; i < f.rows; ++i)
    for (int64_t a = 0; a < f.width; ++a) count += f.get(i, a) == 0;
  return count;
}

// nndsvd as Boutsidis and Gallopoulos state it, from LAPACK's SVD of the whole matrix.
graph::Model reference(const Table& t, int64_t k) {
  graph::Model m = model(samples::dense(t.rows, t.cols, t.x), k);
  const int64_t r = std::min(t.rows, t.cols);
  std::vector<double> a = t.x, U(static_cast<size_t>(t.rows * r)), s(static_cast<size_t>(r)),
                      Vt(static_cast<size_t>(r * t.cols));
  REQUIRE(kernels::la_table()->svd(t.rows, t.cols, a.data(), t.cols, U.data(), r, s.data(),
                                   Vt.data(), t.cols) == 0);
  for (int64_t c = 0; c < k; ++c) {
    const auto u = [&](int64_t i) { return U[static_cast<size_t>(i * r + c)]; };
    const auto v = [&](int64_t j) { return Vt[static_cast<size_t>(c * t.cols + j)]; };
    double norms[2][2] = {};
    for (int64_t i = 0; i < t.rows; ++i) norms[0][u(i) < 0] += u(i) * u(i);
    for (int64_t j = 0; j < t.cols; ++j) norms[1][v(j) < 0] += v(j) * v(j);
    const int side = norms[0][0] * norms[1][0] > norms[0][1] * norms[1][1] ? 0 : 1;
    const double un = std::sqrt(norms[0][side]), vn = std::sqrt(norms[1][side]),
                 scale = std::sqrt(s[static_cast<size_t>(c)] * un * vn), sign = side ? -1 : 1;
    const auto kept = [](double f) { return f < 1e-6 ? 0 : f; };
    for (int64_t i = 0; i < t.rows; ++i)
      m.factor[0].set(i, c, kept(scale * std::max(sign * u(i), 0.0) / un));
    for (int64_t j = 0; j < t.cols; ++j)
      m.factor[1].set(j, c, kept(scale * std::max(sign * v(j), 0.0) / vn));
  }
  return m;
}

double largest_difference(const graph::Buffer& a, const graph::Buffer& b) {
  double most = 0;
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t c = 0; c < a.width; ++c)
      most = std::max(most, std::abs(a.get(i, c) - b.get(i, c)));
  return most;
}

}  // namespace

TEST_CASE("random starts have the size of X and the sign the factor may have") {
  graph::Model m = model(samples::pixels<double>(200, 60), 5);
  init(m, "random", {}, 7);
  double total = 0;
  for (int64_t i = 0; i < m.n(); ++i)
    for (int64_t a = 0; a < 5; ++a) {
      REQUIRE(m.factor[0].get(i, a) > 0);
      total += m.factor[0].get(i, a) * m.factor[0].get(i, a);
    }
  // E z^2 = 1; five standard errors of the mean of 1000 squares.
  CHECK(total / 1000 ==
        doctest::Approx(m.facts.sum / m.facts.observed / 5).epsilon(5 * std::sqrt(2.0 / 1000)));

  graph::Model free = model(samples::pixels<double>(200, 60), 5, "squared", {});
  init(free, "random", {}, 7);
  int64_t negative = 0;
  for (int64_t i = 0; i < 200; ++i)
    for (int64_t a = 0; a < 5; ++a) {
      negative += free.factor[0].get(i, a) < 0;
      CHECK(std::abs(free.factor[0].get(i, a)) == m.factor[0].get(i, a));
    }
  CHECK(negative > 400);
  CHECK(negative < 600);
}

TEST_CASE("random starts depend on the stream and not on the tiles") {
  graph::Model a = model(samples::pixels<double>(200, 60), 5),
               b = model(samples::pixels<double>(200, 60), 5);
  init(a, "random", {}, 7);
  graph::Force force;
  force.tile_rows = 24;
  force.lanes = 3;
  REQUIRE(run(b, "init", "random", ASSAY_INIT, {}, 7, -1, plan_options(force)));
  CHECK(largest_difference(a.factor[0], b.factor[0]) == 0);
  CHECK(largest_difference(a.factor[1], b.factor[1]) == 0);
  init(b, "random", {}, 8);
  CHECK(largest_difference(a.factor[0], b.factor[0]) > 0);
  CHECK(a.factor[0].get(0, 0) != a.factor[1].get(0, 0));
}

TEST_CASE("nndsvd of the digits is that of an exact SVD, for either orientation") {
  const Table t = digits();
  for (const Table& x : {t, transposed(t)}) {
    const graph::Model exact = reference(x, 16);
    graph::Model m = model(samples::dense(x.rows, x.cols, x.x), 16);
    init(m, "nndsvd", options({{"power", 60}}));
    CHECK(largest_difference(m.factor[0], exact.factor[0]) < 1e-6);
    CHECK(largest_difference(m.factor[1], exact.factor[1]) < 1e-6);
  }
}

TEST_CASE("nndsvd of the digits agrees with scikit-learn 1.9.1 over an exact SVD") {
  const Table t = digits();
  graph::Model m = model(samples::dense(t.rows, t.cols, t.x), 16);
  init(m, "nndsvd", options({{"power", 60}}));
  CHECK(sum(m.factor[0]) == doctest::Approx(6486.6584916863).epsilon(1e-7));
  CHECK(sum(m.factor[1]) == doctest::Approx(1037.6402870183).epsilon(1e-7));
  CHECK(zeros(m.factor[0]) == 13730);
  CHECK(zeros(m.factor[1]) == 488);
  CHECK(m.factor[0].get(5, 0) == doctest::Approx(1.2397977097908).epsilon(1e-7));
  CHECK(m.factor[0].get(5, 3) == doctest::Approx(0.0129009429883).epsilon(1e-5));
  init(m, "nndsvda", options({{"power", 60}}));
  CHECK(sum(m.factor[0]) == doctest::Approx(73546.2381730998).epsilon(1e-7));
  CHECK(sum(m.factor[1]) == doctest::Approx(3421.1126019877).epsilon(1e-7));
}

TEST_CASE("nndsvd works on sparse X and on X of lower rank than asked for") {
  // Random values: their singular values are distinct, so that the vectors are defined.
  std::vector<double> x(120 * 40), keep(x.size());
  plugin::rng_service()->uniform(1, 0, 120 * 40, x.data());
  plugin::rng_service()->uniform(2, 0, 120 * 40, keep.data());
  for (size_t e = 0; e < x.size(); ++e) x[e] = keep[e] < 0.2 ? 1 + x[e] : 0;
  graph::Model dense = model(samples::dense(120, 40, x), 4),
               sparse = model(samples::sparse(120, 40, x), 4);
  init(dense, "nndsvd");
  init(sparse, "nndsvd");
  CHECK(largest_difference(dense.factor[0], sparse.factor[0]) < 1e-10);
  CHECK(largest_difference(dense.factor[1], sparse.factor[1]) < 1e-10);

  std::vector<double> rank_one(50 * 20);
  for (size_t e = 0; e < rank_one.size(); ++e)
    rank_one[e] = (1 + static_cast<double>(e / 20)) * (1 + static_cast<double>(e % 20));
  graph::Model low = model(samples::dense(50, 20, rank_one), 3);
  init(low, "nndsvd");
  for (int64_t i = 0; i < 50; ++i)
    for (int64_t j = 0; j < 20; ++j)
      CHECK(product(low, i, j) ==
            doctest::Approx(rank_one[static_cast<size_t>(i * 20 + j)]).epsilon(1e-8));
}

TEST_CASE("nndsvda and nndsvdar fill exactly the zeros") {
  const Table t = digits();
  graph::Model zero = model(samples::dense(t.rows, t.cols, t.x), 16), mean = zero, noise = zero,
               again = zero;
  init(zero, "nndsvd");
  init(mean, "nndsvda");
  init(noise, "nndsvdar", {}, 3);
  init(again, "nndsvdar", {}, 4);
  const double average = zero.facts.sum / zero.facts.observed;
  for (int side : {0, 1}) {
    CHECK(zeros(mean.factor[side]) == 0);
    for (int64_t i = 0; i < zero.factor[side].rows; ++i)
      for (int64_t a = 0; a < 16; ++a) {
        const double f = zero.factor[side].get(i, a), n = noise.factor[side].get(i, a);
        CHECK(mean.factor[side].get(i, a) == (f == 0 ? average : f));
        CHECK((f == 0 ? n > 0 && n < average / 100 : n == f));
      }
    CHECK(largest_difference(noise.factor[side], again.factor[side]) > 0);
  }
}

TEST_CASE("nndsvd refuses what it cannot start") {
  graph::Model m = model(samples::pixels<double>(20, 6), 7);
  auto r = run(m, "init", "nndsvd", ASSAY_INIT);
  REQUIRE(!r);
  CHECK(r.error().status == ASSAY_E_SHAPE);
  std::vector<double> x(120, 1);
  x[7] = -1;
  graph::Model negative = model(samples::dense(20, 6, x), 3);
  r = run(negative, "init", "nndsvd", ASSAY_INIT);
  REQUIRE(!r);
  CHECK(r.error().status == ASSAY_E_DOMAIN);
  CHECK(!r.error().help.empty());
}

TEST_CASE("from_file reads W as n x k and H as k x d, and says what does not fit") {
  namespace fs = std::filesystem;
  const fs::path path =
      fs::temp_directory_path() / ("assay-from-file-" + std::to_string(getpid()) + ".npz");
  const auto member = [](const char* name, int64_t rows, int64_t cols, double first) {
    kernels::Member m;
    m.name = name;
    m.dtype = ASSAY_F64;
    m.rows = rows;
    m.cols = cols;
    std::vector<double> v(static_cast<size_t>(rows * cols));
    for (size_t e = 0; e < v.size(); ++e) v[e] = first + static_cast<double>(e);
    m.bytes.resize(v.size() * sizeof(double));
    std::memcpy(m.bytes.data(), v.data(), m.bytes.size());
    return m;
  };
  REQUIRE(kernels::write_npz(
      path.string(), {member("W", 8, 2, 0), member("parts", 2, 5, 100), member("low", 2, 5, -1)},
      false));
  graph::Model m = model(samples::pixels<double>(8, 5), 2);
  init(m, "from_file", options({}, {{"path", path.string()}, {"H", "parts"}}));
  CHECK(m.factor[0].get(3, 1) == 7);
  CHECK(m.factor[1].get(4, 1) == 109);
  const auto refused = [&](const std::map<std::string, std::string>& texts) {
    const auto r = run(m, "init", "from_file", ASSAY_INIT, options({}, texts));
    REQUIRE(!r);
    CHECK(!r.error().message.empty());
    return r.error().status;
  };
  CHECK(refused({{"path", path.string()}}) == ASSAY_E_NOT_FOUND);
  CHECK(refused({{"path", path.string()}, {"H", "W"}}) == ASSAY_E_SHAPE);
  CHECK(refused({{"path", path.string()}, {"H", "low"}}) == ASSAY_E_DOMAIN);
  CHECK(refused({{"path", "/no/such.npz"}}) == ASSAY_E_NO_FILE);
  CHECK(refused({}) == ASSAY_E_SPEC);
  fs::remove(path);
}

}  // namespace assay::programs
