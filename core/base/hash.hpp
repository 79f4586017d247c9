// SPDX-License-Identifier: Apache-2.0
// XXH3 hashes: 128 bits as 32 hex digits for identities, 64 bits for random streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace assay {

std::string xxh3_128_hex(const void* data, size_t bytes);
std::string xxh3_128_hex(std::string_view text);
uint64_t xxh3_64(std::string_view text);

// The 128-bit hash of a sequence of pieces; the cuts between pieces do not matter.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  Hasher& update(const void* data, size_t bytes);
  Hasher& update(std::string_view text) { return update(text.data(), text.size()); }
  // Of everything so far; more may follow.
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace assay
