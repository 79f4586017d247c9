// SPDX-License-Identifier: Apache-2.0
// Arrays in .npy and .npz files: what models, checkpoints and the service "assay.files/1" use.
// Archives carry no time stamps, members are stored (not deflated) in the order given: equal arrays
// are equal files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/expected.hpp"

namespace assay::kernels {

// A named member: an array (row-major, dtype of types.h) or, with text, a text file such as
// model.json.
struct Member {
  std::string name;   // without .npy
  int32_t dtype = 0;  // ASSAY_F64 ...; 0: text
  int64_t rows = 0, cols = 0;
  bool vector = false;               // 1-D of `rows` elements
  std::vector<unsigned char> bytes;  // rows x cols elements, or the text
};

// Both orders of elements are read; Member holds them row-major. Types f8 f4 f2 u1 u2 i4 i8,
// little-endian, 1-D or 2-D. A missing file is E0301, a short one E0302, anything else E0306.
Expected<std::vector<Member>> read_npz(const std::string& path);
Expected<Member> read_npy(const std::string& path);
// The elements of an array as float64, rows x cols of them.
void widen(const Member& m, double* out);
// Writes path.tmp, optionally fsyncs, renames to path.
Expected<void> write_npz(const std::string& path, const std::vector<Member>& members, bool sync);

}  // namespace assay::kernels
