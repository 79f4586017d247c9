// SPDX-License-Identifier: Apache-2.0
// The head of the .npy format, versions 1 to 3: a magic word and a Python dictionary with descr,
// fortran_order and shape (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
// Anything else in it is an error, not a guess.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/expected.hpp"
#include "core/kernels/npy.hpp"

namespace assay::kernels {

struct NpyType {
  const char* code;  // without the byte order
  int32_t dtype;
  int64_t size;
};
// The type of a dtype of types.h, or null.
const NpyType* npy_type(int32_t dtype);

struct NpyHeader {
  const NpyType* type = nullptr;
  bool fortran = false, vector = false;
  int64_t rows = 0, cols = 1;
};

// What a file holds, and where its elements begin.
Expected<std::pair<NpyHeader, size_t>> read_npy_header(const std::vector<unsigned char>& file);

// The head of an array whose type npy_type knows.
std::string npy_header(const Member& m);

Error npy_malformed(const std::string& what, const std::string& help);
Error npy_truncated(const std::string& what);

}  // namespace assay::kernels
