// SPDX-License-Identifier: Apache-2.0
// Splits: every observed entry is on one side, hidden values are never read, draws depend on the
// place alone.
#include <doctest/doctest.h>

#include <set>

#include "core/data/select.hpp"
#include "core/data/split.hpp"
#include "core/plugin/registry.hpp"
#include "tests/unit/data_samples.hpp"

using namespace assay;
using namespace assay::samples;

namespace {

constexpr int64_t kRows = 40, kCols = 90;

const assay_rng& rng() {
  return *static_cast<const assay_rng*>(plugin::host()->service("assay.rng/1"));
}

// Weights of both sides add up to those of x, and values are those of x.
void check_parts(const data::Data& x, const data::Split& split) {
  int64_t held = 0;
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t j = 0; j < x.cols; ++j) {
      const double whole = x.weight(i, j), train = split.train.weight(i, j),
                   test = split.held.weight(i, j);
      CHECK(train + test == whole);
      CHECK((train == 0 || test == 0));
      if (train > 0) CHECK(split.train.value(i, j) == x.value(i, j));
      if (test > 0) CHECK(split.held.value(i, j) == x.value(i, j));
      held += test > 0;
    }
  }
  CHECK(split.held_entries == held);
}

data::Data masked() {
  return *data::hide(pixels<uint8_t>(kRows, kCols), [](int64_t i, uint64_t* words) {
    for (int64_t j = i % 7; j < kCols; j += 7) words[j / 64] |= uint64_t{1} << (j % 64);
  });
}

}  // namespace

TEST_CASE("entries are held out of every kind of data") {
  const auto zeros = mostly_zeros(kRows, kCols);
  const data::Data all[] = {pixels<double>(kRows, kCols), masked(), sparse(kRows, kCols, zeros),
                            sparse(kRows, kCols, zeros, true)};
  for (const data::Data& x : all) {
    const auto split = data::hold_out_entries(x, 0.2, 0, 77, rng());
    REQUIRE(split.ok());
    check_parts(x, *split);
    const auto entries = static_cast<double>(data::measure(x).entries);
    CHECK(static_cast<double>(split->held_entries) / entries == doctest::Approx(0.2).epsilon(0.3));
    CHECK(split->train.bytes() <=
          x.bytes() + (x.sparse ? split->held_entries * 16 + x.csr.nnz * 4 : 0));
    const auto again = data::hold_out_entries(x, 0.2, 0, 77, rng());
    CHECK(data::identify(again->train) == data::identify(split->train));
    CHECK(data::identify(data::hold_out_entries(x, 0.2, 0, 78, rng())->train) !=
          data::identify(split->train));
    // A larger fraction holds out the same entries and more: the draw belongs to the entry.
    const auto more = data::hold_out_entries(x, 0.4, 0, 77, rng());
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t j = 0; j < kCols; ++j)
        if (split->held.weight(i, j) > 0) CHECK(more->held.weight(i, j) > 0);
  }
}

TEST_CASE("some entries of each row stay") {
  const data::Data ratings = sparse(kRows, kCols, mostly_zeros(kRows, kCols), true);
  const auto split = data::hold_out_entries(ratings, 0.9, 4, 5, rng());
  REQUIRE(split.ok());
  check_parts(ratings, *split);
  const auto before = data::row_counts(ratings), after = data::row_counts(split->train);
  for (int64_t i = 0; i < kRows; ++i) CHECK(after[i] >= std::min(4.0, before[i]));
}

TEST_CASE("the mask of a file holds out its entries") {
  data::Matrix mask{kRows, kCols, std::vector<double>(kRows * kCols)};
  mask.values[5] = mask.values[600] = 1;
  const data::Data x = pixels<float>(kRows, kCols);
  const auto split = data::hold_out_masked(x, mask);
  REQUIRE(split.ok());
  check_parts(x, *split);
  CHECK(split->held_entries == 2);
  CHECK(split->held.weight(0, 5) == 1);
  mask.rows = 3;
  CHECK(data::hold_out_masked(x, mask).error().status == ASSAY_E_SHAPE);
}

TEST_CASE("a mask of one column holds out rows") {
  const data::Data x = pixels<double>(4, 3);
  data::Matrix mask{4, 1, {0, 1, 0, 1}};
  const auto split = data::hold_out_masked(x, mask);
  REQUIRE(split.ok());
  CHECK(split->held_rows == std::vector<int64_t>{1, 3});
  CHECK(split->train_rows == std::vector<int64_t>{0, 2});
  CHECK(split->held.value(1, 2) == x.value(3, 2));
  CHECK_FALSE(split->train.mask);
  // What is wrong with a part is wrong in the file, also of a part of a part.
  CHECK(data::place_of(split->held, 1, 2) == "row 4, column 3");
  CHECK(data::place_of(split->train, 1, 0) == "row 3, column 1");
  const auto below = data::slice_rows(pixels<double>(9, 3), {5, 9});
  REQUIRE(below.ok());
  CHECK(data::place_of(data::hold_out_masked(*below, mask)->held, 0, 0) == "row 7, column 1");
  mask.values = {1, 1, 1, 1};
  CHECK(data::hold_out_masked(x, mask).error().status == ASSAY_E_EMPTY);
  mask = {3, 1, {1, 0, 0}};
  CHECK(data::hold_out_masked(x, mask).error().expected[0].find("4 x 1") != std::string::npos);
  // Of X with one column the mask is of entries.
  CHECK(data::hold_out_masked(pixels<double>(4, 1), {4, 1, {0, 1, 0, 1}})->held_rows.empty());
}

TEST_CASE("rows and folds part the rows") {
  const auto zeros = mostly_zeros(kRows, kCols);
  for (const data::Data& x : {masked(), sparse(kRows, kCols, zeros)}) {
    const auto split = data::hold_out_rows(x, 0.25, 9, rng());
    REQUIRE(split.ok());
    CHECK(split->held.rows == 10);
    CHECK(split->train.rows == 30);
    std::set<int64_t> seen(split->train_rows.begin(), split->train_rows.end());
    seen.insert(split->held_rows.begin(), split->held_rows.end());
    CHECK(seen.size() == kRows);
    for (int64_t r = 0; r < 10; ++r) {
      for (int64_t j = 0; j < kCols; ++j) {
        CHECK(split->held.value(r, j) == x.value(split->held_rows[static_cast<size_t>(r)], j));
        CHECK(split->held.weight(r, j) == x.weight(split->held_rows[static_cast<size_t>(r)], j));
      }
    }
  }
  const auto fold = data::folds(kRows, 7, 3, rng());
  std::vector<int64_t> sizes(7);
  for (const int64_t f : fold) ++sizes[static_cast<size_t>(f)];
  for (const int64_t size : sizes) CHECK((size == 5 || size == 6));
  CHECK(data::hold_out_fold(masked(), fold, 2)->held.rows == sizes[2]);
}

TEST_CASE("splits that leave nothing are refused") {
  const data::Data x = pixels<double>(2, 2);
  CHECK(data::hold_out_entries(x, 1e-9, 0, 1, rng()).error().status == ASSAY_E_EMPTY);
  CHECK(data::hold_out_entries(x, 1.0, 0, 1, rng()).error().status == ASSAY_E_EMPTY);
  CHECK(data::hold_out_rows(pixels<double>(1, 2), 0.5, 1, rng()).error().status == ASSAY_E_EMPTY);
  CHECK(data::hold_out_rows(pixels<double>(8, 2), 1.0, 1, rng()).error().status == ASSAY_E_EMPTY);
  CHECK(data::hold_out_rows(pixels<double>(8, 2), 1e-9, 1, rng())->held.rows == 1);
  const auto fold = data::folds(3, 5, 1, rng());
  CHECK(data::hold_out_fold(pixels<double>(3, 2), fold, 4).error().help[0].find("count") !=
        std::string::npos);
}
