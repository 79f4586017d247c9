// SPDX-License-Identifier: Apache-2.0
// Philox against the known answers of Random123, and what streams promise: entry i depends on
// (stream, i) only.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "core/plugin/philox.hpp"
#include "core/plugin/registry.hpp"
#include "core/plugin/services.hpp"

namespace assay::plugin {

TEST_CASE("philox gives the known answers of Random123") {
  using Block = std::array<uint32_t, 4>;
  constexpr uint32_t kOnes = 0xffffffff;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}) ==
        Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("entries of a stream do not depend on how they are asked for") {
  const assay_rng* rng = rng_service();
  for (const auto fill : {rng->uniform, rng->normal}) {
    std::vector<double> all(101), parts(101);
    fill(42, 7, 101, all.data());
    for (int64_t at = 0, size = 1; at < 101; at += size, size = size % 5 + 1) {
      size = std::min<int64_t>(size, 101 - at);
      fill(42, 7 + static_cast<uint64_t>(at), size, parts.data() + at);
    }
    CHECK(all == parts);
    fill(43, 7, 101, parts.data());
    CHECK(all != parts);
  }
}

TEST_CASE("uniform numbers lie inside (0, 1), normal ones have mean 0 and variance 1") {
  const assay_rng* rng = rng_service();
  constexpr int64_t kCount = 100000;
  std::vector<double> u(kCount), z(kCount);
  rng->uniform(1, 0, kCount, u.data());
  rng->normal(1, 0, kCount, z.data());
  double mean = 0, first = 0, second = 0, cross = 0;
  for (int64_t i = 0; i < kCount; ++i) {
    const auto k = static_cast<size_t>(i);
    REQUIRE((u[k] > 0 && u[k] < 1));
    mean += u[k] / kCount;
    first += z[k] / kCount;
    second += z[k] * z[k] / kCount;
    cross += (u[k] - 0.5) * z[k] / kCount;
  }
  // Five standard errors of each estimate.
  const double root = std::sqrt(static_cast<double>(kCount));
  CHECK(std::abs(mean - 0.5) < 5 * std::sqrt(1.0 / 12) / root);
  CHECK(std::abs(first) < 5 / root);
  CHECK(std::abs(second - 1) < 5 * std::sqrt(2.0) / root);
  CHECK(std::abs(cross) < 5 * std::sqrt(1.0 / 12) / root);
}

TEST_CASE("streams differ by seed, name, data and repeat, and split streams differ") {
  const uint64_t base = stream_key(0, "init", "abc", 0);
  CHECK(base == stream_key(0, "init", "abc", 0));
  CHECK(base != stream_key(1, "init", "abc", 0));
  CHECK(base != stream_key(0, "solver", "abc", 0));
  CHECK(base != stream_key(0, "init", "abd", 0));
  CHECK(base != stream_key(0, "init", "abc", 1));
  const assay_rng* rng = rng_service();
  CHECK(rng->split(base, 0) != rng->split(base, 1));
  CHECK(rng->split(base, 0) == rng->split(base, 0));
}

}  // namespace assay::plugin
