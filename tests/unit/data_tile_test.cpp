// SPDX-License-Identifier: Apache-2.0
// Tiles show every storage, view and mask as the entry-by-entry definition says.
#include <doctest/doctest.h>

#include <cmath>

#include "core/data/observe.hpp"
#include "core/data/tile.hpp"
#include "core/data/view.hpp"
#include "tests/unit/data_samples.hpp"

using namespace assay;

namespace {

constexpr int64_t kRows = 9, kCols = 131;

std::vector<double> columns(double first, double step) {
  std::vector<double> out;
  for (int64_t j = 0; j < kCols; ++j) out.push_back(first + step * static_cast<double>(j));
  return out;
}

// Every tile of x, from all corners, against `expected(i, j)`.
template <class T, class F>
void check_tiles(const data::Data& x, double tolerance, F&& expected) {
  const int64_t corners[][4] = {
      {0, 9, 0, 131}, {2, 3, 1, 64}, {8, 1, 63, 68}, {0, 2, 128, 3}, {5, 1, 77, 1}};
  for (const auto& c : corners) {
    const int64_t ld = c[3] + 3;
    std::vector<T> tile(static_cast<size_t>(c[1] * ld), T{-7});
    data::load<T>(x, c[0], c[1], c[2], c[3], tile.data(), ld);
    for (int64_t i = 0; i < c[1]; ++i) {
      for (int64_t j = 0; j < ld; ++j) {
        const double got = static_cast<double>(tile[static_cast<size_t>(i * ld + j)]);
        if (j >= c[3]) {
          CHECK(got == -7);
        } else {
          const double want = expected(c[0] + i, c[2] + j);
          CHECK(std::abs(got - want) <= tolerance * std::max(1.0, std::abs(want)));
        }
      }
    }
  }
}

template <class S>
void check_storage() {
  const data::Data x = samples::pixels<S>(kRows, kCols);
  const auto plain = [](int64_t i, int64_t j) { return samples::pixel(i, j); };
  check_tiles<double>(x, 0, plain);
  check_tiles<float>(x, 0, plain);
  const auto same = data::with_affine(x, std::vector<double>(kCols, 0.5).data(),
                                      std::vector<double>(kCols, -3).data());
  CHECK(same->same_view);
  const auto halved = [](int64_t i, int64_t j) { return 0.5 * samples::pixel(i, j) - 3; };
  check_tiles<double>(*same, 0, halved);
  check_tiles<float>(*same, 0, halved);
  const auto scale = columns(0.25, 0.125), shift = columns(-4, 0.0625);
  const auto by_column = data::with_affine(x, scale.data(), shift.data());
  CHECK(!by_column->same_view);
  const auto columnwise = [&](int64_t i, int64_t j) {
    return samples::pixel(i, j) * scale[static_cast<size_t>(j)] + shift[static_cast<size_t>(j)];
  };
  check_tiles<double>(*by_column, 1e-15, columnwise);
  check_tiles<float>(*by_column, 1e-6, columnwise);
  // A second affine view on top of the first.
  const auto twice = data::with_affine(*by_column, std::vector<double>(kCols, 2).data(),
                                       std::vector<double>(kCols, 1).data());
  check_tiles<double>(*twice, 1e-14,
                      [&](int64_t i, int64_t j) { return 2 * columnwise(i, j) + 1; });
  const auto hidden = data::hide(*by_column, [](int64_t i, uint64_t* words) {
    for (int64_t j = i; j < kCols; j += 5) words[j / 64] |= uint64_t{1} << (j % 64);
  });
  const auto seen = [](int64_t i, int64_t j) { return j < i || (j - i) % 5 != 0; };
  check_tiles<double>(*hidden, 1e-15,
                      [&](int64_t i, int64_t j) { return seen(i, j) ? columnwise(i, j) : 0; });
  check_tiles<float>(*hidden, 1e-6,
                     [&](int64_t i, int64_t j) { return seen(i, j) ? columnwise(i, j) : 0; });
  for (int64_t j = 0; j < kCols; ++j) CHECK(hidden->weight(3, j) == (seen(3, j) ? 1 : 0));
}

}  // namespace

TEST_CASE("tiles of every storage") {
  check_storage<double>();
  check_storage<float>();
  check_storage<uint8_t>();
  check_storage<uint16_t>();
}

TEST_CASE("identity views of float storage are read where they lie") {
  const data::Data x = samples::pixels<double>(kRows, kCols);
  CHECK(data::direct<double>(x, 2, 3) == static_cast<const double*>(x.dense.data) + 2 * kCols + 3);
  CHECK(data::direct<float>(x, 0, 0) == nullptr);
  CHECK(data::direct<double>(samples::pixels<uint8_t>(3, 3), 0, 0) == nullptr);
  const auto scaled = data::with_affine(x, std::vector<double>(kCols, 2).data(),
                                        std::vector<double>(kCols, 0).data());
  CHECK(data::direct<double>(*scaled, 0, 0) == nullptr);
  const auto same = data::with_affine(*scaled, std::vector<double>(kCols, 0.5).data(),
                                      std::vector<double>(kCols, 0).data());
  CHECK(data::direct<double>(*same, 0, 0) != nullptr);
}

TEST_CASE("a function of uint8 entries becomes a table, of others one rewrite") {
  const auto log1p = [](int64_t n, double* v) -> Expected<void> {
    for (int64_t e = 0; e < n; ++e) v[e] = std::log1p(v[e]);
    return {};
  };
  data::Rewrite how = data::Rewrite::kNone;
  const data::Data bytes = samples::pixels<uint8_t>(kRows, kCols);
  const auto table = data::with_element(bytes, log1p, &how);
  CHECK(how == data::Rewrite::kTable);
  CHECK(table->dense.data == bytes.dense.data);
  check_tiles<double>(*table, 1e-15,
                      [](int64_t i, int64_t j) { return std::log1p(samples::pixel(i, j)); });
  const std::vector<double> scale(kCols, 3), shift(kCols, 1);
  check_tiles<double>(
      *data::with_affine(*table, scale.data(), shift.data()), 1e-15,
      [](int64_t i, int64_t j) { return 3 * std::log1p(samples::pixel(i, j)) + 1; });
  const auto on_view =
      data::with_element(*data::with_affine(bytes, scale.data(), shift.data()), log1p, &how);
  CHECK(how == data::Rewrite::kTable);
  check_tiles<double>(*on_view, 1e-15, [](int64_t i, int64_t j) {
    return std::log1p(3 * samples::pixel(i, j) + 1);
  });
  const auto rewritten = data::with_element(samples::pixels<float>(kRows, kCols), log1p, &how);
  CHECK(how == data::Rewrite::kStorage);
  CHECK(rewritten->dense.dtype == ASSAY_F32);
  check_tiles<double>(*rewritten, 1e-6,
                      [](int64_t i, int64_t j) { return std::log1p(samples::pixel(i, j)); });
}

TEST_CASE("sparse tiles equal dense ones") {
  const auto x = samples::mostly_zeros(kRows, kCols);
  const data::Data zeros = samples::sparse(kRows, kCols, x);
  const auto at = [&](int64_t i, int64_t j) { return x[static_cast<size_t>(i * kCols + j)]; };
  check_tiles<double>(zeros, 0, at);
  const auto scale = columns(1, 0.5), shift = columns(-2, 0.25);
  const auto viewed = data::with_affine(zeros, scale.data(), shift.data());
  check_tiles<double>(*viewed, 1e-15, [&](int64_t i, int64_t j) {
    return at(i, j) * scale[static_cast<size_t>(j)] + shift[static_cast<size_t>(j)];
  });
  const data::Data ratings = samples::sparse(kRows, kCols, x, true);
  check_tiles<float>(ratings, 0, at);
  for (int64_t j = 0; j < kCols; ++j) {
    CHECK(ratings.weight(1, j) == (at(1, j) != 0 ? 1 : 0));
    CHECK(zeros.weight(1, j) == 1);
  }
}
