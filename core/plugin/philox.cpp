// SPDX-License-Identifier: Apache-2.0
// Streams: key = stream; counter = (pair of entries, what is drawn). Each counter block gives two
// 64-bit words, hence two uniform numbers, or the two normals of one Box-Muller pair: entry i needs
// block i / 2 and nothing else.
#include "core/plugin/philox.hpp"

#include <cmath>

#include "core/plugin/services.hpp"

namespace assay::plugin {

namespace {

// What a counter block is drawn for; keeps uniform and normal numbers of one stream independent.
enum class Draw : uint32_t { kUniform = 0, kNormal = 1, kSplit = 2 };

struct Pair {
  uint64_t first, second;
};

Pair block(uint64_t stream, uint64_t index, Draw draw) {
  const auto lo = [](uint64_t v) { return static_cast<uint32_t>(v); };
  const auto hi = [](uint64_t v) { return static_cast<uint32_t>(v >> 32); };
  const auto r =
      philox({lo(index), hi(index), static_cast<uint32_t>(draw), 0}, {lo(stream), hi(stream)});
  return {r[0] | static_cast<uint64_t>(r[1]) << 32, r[2] | static_cast<uint64_t>(r[3]) << 32};
}

// The middle of one of 2^52 equal cells of (0, 1): exact, never 0, never 1.
double unit(uint64_t word) { return (static_cast<double>(word >> 12) + 0.5) * 0x1p-52; }

template <class Two>
void fill(uint64_t stream, uint64_t index, int64_t n, double* out, Draw draw, Two&& two) {
  for (int64_t j = 0; j < n;) {
    const uint64_t entry = index + static_cast<uint64_t>(j);
    const auto pair = two(block(stream, entry / 2, draw));
    if (entry % 2 == 0) {
      out[j++] = pair.first;
      if (j < n) out[j++] = pair.second;
    } else {
      out[j++] = pair.second;
    }
  }
}

struct Numbers {
  double first, second;
};

uint64_t split(uint64_t stream, uint64_t which) { return block(stream, which, Draw::kSplit).first; }

void uniform(uint64_t stream, uint64_t index, int64_t n, double* out) {
  fill(stream, index, n, out, Draw::kUniform, [](const Pair& w) {
    return Numbers{unit(w.first), unit(w.second)};
  });
}

void normal(uint64_t stream, uint64_t index, int64_t n, double* out) {
  constexpr double kTwoPi = 6.283185307179586;
  fill(stream, index, n, out, Draw::kNormal, [](const Pair& w) {
    const double radius = std::sqrt(-2 * std::log(unit(w.first)));
    const double angle = kTwoPi * unit(w.second);
    return Numbers{radius * std::cos(angle), radius * std::sin(angle)};
  });
}

}  // namespace

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> c, std::array<uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(p0)};
    k = {k[0] + 0x9E3779B9, k[1] + 0xBB67AE85};
  }
  return c;
}

const assay_rng* rng_service() {
  static const assay_rng table = {sizeof(assay_rng), 0, split, uniform, normal};
  return &table;
}

}  // namespace assay::plugin
