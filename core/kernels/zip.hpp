// SPDX-License-Identifier: Apache-2.0
// Zip archives as .npz needs them: stored members with a fixed date when written; stored or
// deflated ones, zip64 included, when read. Sizes in the file are checked against each other before
// anything is allocated by them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/expected.hpp"

namespace assay::kernels {

struct ZipMember {
  std::string name;
  std::vector<unsigned char> bytes;
};
Expected<std::vector<ZipMember>> read_zip(const std::string& path);

// A member to write: head, then size bytes at data.
struct ZipPiece {
  std::string name, head;
  const unsigned char* data = nullptr;
  uint64_t size = 0;
};
// Writes path.tmp, flushes it to the disk when `sync`, renames it to path. On failure path is as it
// was.
Expected<void> write_zip(const std::string& path, const std::vector<ZipPiece>& pieces, bool sync);

// The whole file.
Expected<std::vector<unsigned char>> read_file(const std::string& path);

}  // namespace assay::kernels
