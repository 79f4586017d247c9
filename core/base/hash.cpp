// SPDX-License-Identifier: Apache-2.0
// XXH3 behind hash.hpp; hex digits are those of the canonical (big-endian) form, as xxhsum prints.
#include "core/base/hash.hpp"

#include <xxhash.h>

#include <new>

namespace assay {
namespace {

std::string hex_of(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * sizeof canonical.digest);
  for (const unsigned char byte : canonical.digest) {
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

}  // namespace

std::string xxh3_128_hex(const void* data, size_t bytes) {
  return hex_of(XXH3_128bits(data, bytes));
}

std::string xxh3_128_hex(std::string_view text) { return xxh3_128_hex(text.data(), text.size()); }

uint64_t xxh3_64(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

struct Hasher::State {
  State() : xxh(XXH3_createState()) {
    if (xxh == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(xxh);
  }
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  XXH3_state_t* xxh;
};

Hasher::Hasher() : state_(std::make_unique<State>()) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

Hasher& Hasher::update(const void* data, size_t bytes) {
  if (bytes > 0) XXH3_128bits_update(state_->xxh, data, bytes);
  return *this;
}

std::string Hasher::hex() const { return hex_of(XXH3_128bits_digest(state_->xxh)); }

}  // namespace assay
