// SPDX-License-Identifier: Apache-2.0
// Facts, counts, identity and the transposed index against their definitions.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/data/observe.hpp"
#include "core/data/tile.hpp"
#include "core/data/view.hpp"
#include "tests/unit/data_samples.hpp"

using namespace assay;

namespace {

constexpr int64_t kRows = 23, kCols = 70;

// Facts and counts, entry by entry.
void check_facts(const data::Data& x) {
  data::Facts want;
  double low = 0, high = 0;
  AlignedArray<double> by_row(x.rows), by_col(x.cols);
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t j = 0; j < x.cols; ++j) {
      const double w = x.weight(i, j), v = x.value(i, j);
      by_row[i] += w;
      by_col[j] += w;
      if (!(w > 0)) continue;
      low = want.entries == 0 ? v : std::min(low, v);
      high = want.entries == 0 ? v : std::max(high, v);
      ++want.entries;
      want.observed += w;
      want.sum += w * v;
      want.sumsq += w * v * v;
      want.negative += v < 0;
    }
  }
  const data::Facts got = data::measure(x);
  CHECK(got.entries == want.entries);
  CHECK(got.negative == want.negative);
  CHECK(got.observed == doctest::Approx(want.observed).epsilon(1e-12));
  CHECK(got.sum == doctest::Approx(want.sum).epsilon(1e-12));
  CHECK(got.sumsq == doctest::Approx(want.sumsq).epsilon(1e-12));
  CHECK(got.min == low);
  CHECK(got.max == high);
  const auto rows = data::row_counts(x), cols = data::col_counts(x);
  for (int64_t i = 0; i < x.rows; ++i) CHECK(rows[i] == doctest::Approx(by_row[i]).epsilon(1e-12));
  for (int64_t j = 0; j < x.cols; ++j) CHECK(cols[j] == doctest::Approx(by_col[j]).epsilon(1e-12));
}

data::Matrix axis(int64_t n, double first) {
  data::Matrix m;
  m.rows = n;
  m.cols = 1;
  for (int64_t i = 0; i < n; ++i) m.values.push_back(first + static_cast<double>(i % 4) * 0.5);
  return m;
}

data::HideRow every(int64_t step) {
  return [step](int64_t i, uint64_t* words) {
    for (int64_t j = i % step; j < kCols; j += step) words[j / 64] |= uint64_t{1} << (j % 64);
  };
}

}  // namespace

TEST_CASE("facts of dense, masked and weighted data") {
  const data::Data x = samples::pixels<uint8_t>(kRows, kCols);
  check_facts(x);
  std::vector<double> scale(kCols, -1), shift(kCols, 100);
  const auto view = data::with_affine(x, scale.data(), shift.data());
  check_facts(*view);
  check_facts(*data::hide(*view, every(3)));
  check_facts(*data::weigh_rows(*data::weigh_cols(*view, axis(kCols, 0.5)), axis(kRows, 1)));
  data::Matrix entries{kRows, kCols, std::vector<double>(kRows * kCols, 2)};
  for (size_t e = 0; e < entries.values.size(); e += 3) entries.values[e] = 0;
  const auto weighted = data::weigh_entries(x, entries);
  CHECK(weighted->mask != nullptr);
  check_facts(*weighted);
}

TEST_CASE("the smallest entry is found at its place") {
  data::Data x = samples::dense<double>(3, 4, {5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 1, 7});
  const data::Facts facts = data::measure(x);
  CHECK(facts.min_row == 1);
  CHECK(facts.min_col == 1);
}

TEST_CASE("facts of sparse data, zeros and unobserved") {
  const auto x = samples::mostly_zeros(kRows, kCols);
  for (const bool unobserved : {false, true}) {
    const data::Data s = samples::sparse(kRows, kCols, x, unobserved);
    check_facts(s);
    check_facts(*data::hide(s, every(4)));
    check_facts(*data::weigh_rows(*data::weigh_cols(s, axis(kCols, 0.5)), axis(kRows, 0)));
  }
  std::vector<double> scale(kCols, 2), shift(kCols, -1);
  check_facts(*data::with_affine(samples::sparse(kRows, kCols, x), scale.data(), shift.data()));
}

TEST_CASE("hidden entries have no influence on identity and facts") {
  std::vector<double> clean(kRows * kCols, 3), dirty = clean;
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = i % 3; j < kCols; j += 3)
      dirty[static_cast<size_t>(i * kCols + j)] = samples::kNan;
  const auto a = data::hide(samples::dense(kRows, kCols, clean), every(3));
  const auto b = data::hide(samples::dense(kRows, kCols, dirty), every(3));
  CHECK(data::identify(*a) == data::identify(*b));
  CHECK(data::identify(*a) != data::identify(samples::dense(kRows, kCols, clean)));
  CHECK(data::measure(*b).sum == data::measure(*a).sum);
  CHECK(data::check_observed(*b).ok());
  const auto sparse_a = data::hide(samples::sparse(kRows, kCols, clean), every(3));
  const auto sparse_b = data::hide(samples::sparse(kRows, kCols, dirty), every(3));
  CHECK(data::identify(*sparse_a) == data::identify(*sparse_b));
  CHECK(data::check_observed(*sparse_b).ok());
}

TEST_CASE("identity sees every part of the meaning") {
  const auto x = samples::mostly_zeros(kRows, kCols);
  const data::Data s = samples::sparse(kRows, kCols, x);
  CHECK(data::identify(s).size() == 32);
  CHECK(data::identify(s) == data::identify(samples::sparse(kRows, kCols, x)));
  CHECK(data::identify(s) != data::identify(samples::sparse(kRows, kCols, x, true)));
  CHECK(data::identify(s) != data::identify(samples::dense(kRows, kCols, x)));
  CHECK(data::identify(s) != data::identify(*data::weigh_rows(s, axis(kRows, 1))));
  auto changed = x;
  changed[11] += 1;
  CHECK(data::identify(s) != data::identify(samples::sparse(kRows, kCols, changed)));
}

TEST_CASE("the transposed index holds the same entries and weights") {
  const auto x = samples::mostly_zeros(kRows, kCols);
  const auto hidden = data::hide(samples::sparse(kRows, kCols, x), every(9));
  for (const data::Data& s : {samples::sparse(kRows, kCols, x), *hidden}) {
    const auto csc = data::transpose(s);
    REQUIRE(csc.ok());
    CHECK(csc->lines == kCols);
    CHECK(csc->nnz == s.csr.nnz);
    for (int64_t j = 0; j < kCols; ++j) {
      CHECK(std::is_sorted(csc->indices + csc->indptr[j], csc->indices + csc->indptr[j + 1]));
      for (int64_t p = csc->indptr[j]; p < csc->indptr[j + 1]; ++p) {
        const int64_t i = csc->indices[p];
        const double weight = csc->weights ? static_cast<double>(csc->weights[p]) : 1;
        CHECK(weight == s.weight(i, j));
        if (weight > 0)
          CHECK(static_cast<const double*>(csc->values)[p] ==
                x[static_cast<size_t>(i * kCols + j)]);
      }
    }
  }
}
