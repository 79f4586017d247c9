// SPDX-License-Identifier: Apache-2.0
// Perplexity and coherence against their formulas, written out.
#include <algorithm>

#include "core/data/observe.hpp"
#include "tests/laws/program_support.hpp"
#include "tests/unit/data_samples.hpp"

namespace assay::programs {

namespace {

constexpr int64_t kRows = 50, kCols = 30, kRank = 3;

// Rows that have both columns.
double together(const std::vector<double>& x, int64_t i, int64_t j) {
  double count = 0;
  for (int64_t r = 0; r < kRows; ++r)
    count += x[static_cast<size_t>(r * kCols + i)] > 0 && x[static_cast<size_t>(r * kCols + j)] > 0;
  return count;
}

std::vector<int64_t> top(const graph::Model& m, int64_t a) {
  std::vector<int64_t> order(kCols);
  for (int64_t j = 0; j < kCols; ++j) order[static_cast<size_t>(j)] = j;
  std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
    return m.factor[1].get(i, a) > m.factor[1].get(j, a);
  });
  order.resize(10);
  return order;
}

}  // namespace

TEST_CASE("perplexity is that of each row's distribution, on every form of data") {
  const std::vector<double> x = samples::mostly_zeros(kRows, kCols);
  for (const bool sparse : {true, false}) {
    graph::Model m = model(
        sparse ? samples::sparse(kRows, kCols, x) : samples::dense(kRows, kCols, x), kRank, "kl");
    init(m, "random", {}, 3);
    double logs = 0, total = 0;
    for (int64_t i = 0; i < kRows; ++i) {
      double whole = 0;
      for (int64_t j = 0; j < kCols; ++j) whole += product(m, i, j);
      for (int64_t j = 0; j < kCols; ++j) {
        const double count = x[static_cast<size_t>(i * kCols + j)];
        if (count == 0) continue;
        logs += count * std::log(product(m, i, j) / whole);
        total += count;
      }
    }
    CHECK(metric(m, "perplexity") == doctest::Approx(std::exp(-logs / total)).epsilon(1e-12));
  }
  // A flat model finds every word as hard as any other.
  graph::Model flat = model(samples::sparse(kRows, kCols, x), 1, "kl");
  for (int64_t i = 0; i < kRows; ++i) flat.factor[0].set(i, 0, 2.5);
  for (int64_t j = 0; j < kCols; ++j) flat.factor[1].set(j, 0, 0.25);
  CHECK(metric(flat, "perplexity") == doctest::Approx(kCols).epsilon(1e-12));
}

TEST_CASE("perplexity of held-out entries is of these alone, under the rows' whole distributions") {
  const std::vector<double> x = samples::mostly_zeros(kRows, kCols);
  const auto hidden = [](int64_t i, int64_t j) { return (i + 2 * j) % 3 == 0; };
  const auto hide = [&](int64_t i, uint64_t* words) {
    for (int64_t j = 0; j < kCols; ++j)
      if (hidden(i, j)) words[j / 64] |= uint64_t{1} << (j % 64);
  };
  for (const bool sparse : {true, false}) {
    const auto seen = data::hide(
        sparse ? samples::sparse(kRows, kCols, x) : samples::dense(kRows, kCols, x), hide);
    REQUIRE(seen.ok());
    graph::Model m = model(*seen, kRank, "kl");
    init(m, "random", {}, 3);
    double logs = 0, total = 0;
    for (int64_t i = 0; i < kRows; ++i) {
      double whole = 0;
      for (int64_t j = 0; j < kCols; ++j) whole += product(m, i, j);
      for (int64_t j = 0; j < kCols; ++j) {
        const double count = hidden(i, j) ? 0 : x[static_cast<size_t>(i * kCols + j)];
        if (count > 0) logs += count * std::log(product(m, i, j) / whole);
        total += count;
      }
    }
    CHECK(metric(m, "perplexity") == doctest::Approx(std::exp(-logs / total)).epsilon(1e-12));
  }
}

TEST_CASE("perplexity is of models that are not negative") {
  graph::Model m = model(samples::pixels<double>(9, 4), 2, "squared", {});
  const auto r = run(m, "metric", "perplexity", ASSAY_MEASURE);
  REQUIRE(!r);
  CHECK(r.error().message == "metric `perplexity` needs factors that are not negative");
}

TEST_CASE("coherence is the mean over pairs of the first words of each component") {
  const std::vector<double> x = samples::mostly_zeros(kRows, kCols);
  for (const bool sparse : {true, false}) {
    graph::Model m =
        model(sparse ? samples::sparse(kRows, kCols, x) : samples::dense(kRows, kCols, x), kRank);
    init(m, "random", {}, 7);
    double npmi = 0, umass = 0;
    for (int64_t a = 0; a < kRank; ++a) {
      const auto words = top(m, a);
      for (size_t t = 1; t < words.size(); ++t)
        for (size_t s = 0; s < t; ++s) {
          const double one = together(x, words[t], words[t]),
                       above = together(x, words[s], words[s]),
                       both = together(x, words[t], words[s]), n = kRows;
          npmi += both > 0 ? std::log(both * n / (one * above)) / -std::log(both / n) : -1;
          umass += std::log((both + 1) / above);
        }
    }
    CHECK(metric(m, "coherence") == doctest::Approx(npmi / (45 * kRank)).epsilon(1e-12));
    CHECK(metric(m, "coherence_umass") == doctest::Approx(umass / (45 * kRank)).epsilon(1e-12));
  }
}

TEST_CASE("words that are always together are coherent, strangers are not") {
  // Two blocks: columns 0 and 1 in the first half of the rows, 2 and 3 in the second.
  std::vector<double> x(40, 0.0);
  for (size_t i = 0; i < 10; ++i)
    for (size_t j = 0; j < 2; ++j) x[i * 4 + (i < 5 ? j : j + 2)] = 1;
  graph::Model m = model(samples::sparse(10, 4, x), 1);
  m.factor[1].set(0, 0, 2);
  m.factor[1].set(1, 0, 1);
  CHECK(metric(m, "coherence") == doctest::Approx(1));
  CHECK(metric(m, "coherence_umass") == doctest::Approx(std::log(6.0 / 5)));
  m.factor[1].set(1, 0, 0);
  m.factor[1].set(2, 0, 1);
  CHECK(metric(m, "coherence") == doctest::Approx(-1));
  m.factor[1].set(2, 0, 0);  // one word is no pair
  CHECK(metric(m, "coherence") == 0);
}

}  // namespace assay::programs
