// SPDX-License-Identifier: Apache-2.0
// Small data for tests: matrices in memory, made from lists of numbers.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "core/data/data.hpp"
#include "core/data/memory.hpp"

namespace assay::samples {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

template <class T>
constexpr int32_t dtype_of() {
  if constexpr (sizeof(T) == 8) return ASSAY_F64;
  if constexpr (sizeof(T) == 4) return ASSAY_F32;
  if constexpr (sizeof(T) == 2) return ASSAY_U16;
  return ASSAY_U8;
}

// Row-major values with a stride of `cols`.
template <class T>
data::Data dense(int64_t rows, int64_t cols, std::vector<T> values) {
  auto owner = std::make_shared<std::vector<T>>(std::move(values));
  const assay_dense view = {owner->data(), dtype_of<T>(), 0, rows, cols, cols, 1, 0, 0};
  return *data::from_dense(view, owner);
}

// A repeatable number in 0 .. 255 for entry (i, j).
inline int pixel(int64_t i, int64_t j) {
  return static_cast<int>((i * 7919 + j * 104729 + i * j * 31) % 256);
}

template <class T>
data::Data pixels(int64_t rows, int64_t cols) {
  std::vector<T> values;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j) values.push_back(static_cast<T>(pixel(i, j)));
  return dense(rows, cols, std::move(values));
}

struct Csr {
  std::vector<int64_t> indptr;
  std::vector<int64_t> indices;
  std::vector<double> values;
};

// The entries of a row-major matrix that are not 0.
inline Csr csr_of(int64_t rows, int64_t cols, const std::vector<double>& x) {
  Csr out;
  out.indptr.push_back(0);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      if (x[static_cast<size_t>(i * cols + j)] == 0) continue;
      out.indices.push_back(j);
      out.values.push_back(x[static_cast<size_t>(i * cols + j)]);
    }
    out.indptr.push_back(static_cast<int64_t>(out.indices.size()));
  }
  return out;
}

inline data::Data sparse(int64_t rows,
                         int64_t cols,
                         const std::vector<double>& x,
                         bool unobserved = false) {
  auto owner = std::make_shared<Csr>(csr_of(rows, cols, x));
  assay_sparse view{};
  view.values = owner->values.data();
  view.indices = owner->indices.data();
  view.indptr = owner->indptr.data();
  view.dtype = ASSAY_F64;
  view.index_dtype = ASSAY_I64;
  view.flags = unobserved ? uint32_t{ASSAY_UNSTORED_UNOBSERVED} : 0u;
  view.rows = rows;
  view.cols = cols;
  view.nnz = static_cast<int64_t>(owner->values.size());
  return *data::from_sparse(view, owner);
}

// Mostly zeros, repeatable.
inline std::vector<double> mostly_zeros(int64_t rows, int64_t cols) {
  std::vector<double> x(static_cast<size_t>(rows * cols));
  for (size_t e = 0; e < x.size(); ++e)
    if ((e * 2654435761u) % 7 == 0) x[e] = 1 + static_cast<double>(e % 11);
  return x;
}

}  // namespace assay::samples
