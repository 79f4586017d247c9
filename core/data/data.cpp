// SPDX-License-Identifier: Apache-2.0
// What Data says about itself: sizes, single entries, identity.
#include "core/data/data.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/hash.hpp"
#include "core/data/tile.hpp"

namespace assay::data {

int64_t dtype_size(int32_t dtype) {
  switch (dtype) {
    case ASSAY_F64:
    case ASSAY_I64:
      return 8;
    case ASSAY_F32:
    case ASSAY_I32:
      return 4;
    case ASSAY_F16:
    case ASSAY_U16:
      return 2;
    case ASSAY_U8:
      return 1;
    default:
      return 0;
  }
}

const char* dtype_name(int32_t dtype) {
  switch (dtype) {
    case ASSAY_F64:
      return "float64";
    case ASSAY_F32:
      return "float32";
    case ASSAY_F16:
      return "float16";
    case ASSAY_U8:
      return "uint8";
    case ASSAY_U16:
      return "uint16";
    case ASSAY_I32:
      return "int32";
    case ASSAY_I64:
      return "int64";
    default:
      return "an unknown type";
  }
}

int64_t Data::bytes() const {
  if (!sparse) return rows * cols * dtype_size(dense.dtype);
  const int64_t entry = dtype_size(csr.dtype) + 4 + (csr.weights ? 4 : 0);
  return csr.nnz * entry + (csr.lines + 1) * 8;
}

double Data::value(int64_t i, int64_t j) const {
  double out = 0;
  load<double>(*this, i, 1, j, 1, &out, 1);
  return out;
}

double Data::weight(int64_t i, int64_t j) const {
  double out = 0;
  load_weights<double>(*this, i, 1, j, 1, &out, 1);
  return out;
}

namespace {

// Hashes a row of dense storage with its hidden entries as zero bytes: they may hold anything.
void hash_masked_row(const Data& x, int64_t i, std::vector<unsigned char>& row, Hasher& hasher) {
  const int64_t size = dtype_size(x.dense.dtype);
  const auto bytes = static_cast<size_t>(x.cols * size);
  const auto* from = static_cast<const unsigned char*>(x.dense.data) + i * x.dense.stride * size;
  for (int64_t j = 0; j < x.cols; ++j) {
    unsigned char* to = row.data() + j * size;
    if (x.mask->observed(i, j)) {
      std::memcpy(to, from + j * size, static_cast<size_t>(size));
    } else {
      std::memset(to, 0, static_cast<size_t>(size));
    }
  }
  hasher.update(row.data(), bytes);
}

void hash_dense(const Data& x, Hasher& hasher) {
  const int64_t size = dtype_size(x.dense.dtype);
  const auto* base = static_cast<const unsigned char*>(x.dense.data);
  if (x.mask) {
    std::vector<unsigned char> row(static_cast<size_t>(x.cols * size));
    for (int64_t i = 0; i < x.rows; ++i) hash_masked_row(x, i, row, hasher);
    hasher.update("mask").update(x.mask->bits.data(), static_cast<size_t>(x.mask->bits.size()) * 8);
    return;
  }
  for (int64_t i = 0; i < x.rows; ++i)
    hasher.update(base + i * x.dense.stride * size, static_cast<size_t>(x.cols * size));
}

void hash_lines(const Lines& csr, Hasher& hasher) {
  const int64_t size = dtype_size(csr.dtype);
  const auto* values = static_cast<const unsigned char*>(csr.values);
  hasher.update(csr.indptr, static_cast<size_t>(csr.lines + 1) * 8);
  hasher.update(csr.indices, static_cast<size_t>(csr.nnz) * 4);
  if (!csr.weights) {
    hasher.update(values, static_cast<size_t>(csr.nnz * size));
    return;
  }
  const double zero = 0;
  for (int64_t p = 0; p < csr.nnz; ++p) {
    const void* entry = csr.weights[p] > 0 ? static_cast<const void*>(values + p * size) : &zero;
    hasher.update(entry, static_cast<size_t>(size));
  }
  hasher.update("weights").update(csr.weights, static_cast<size_t>(csr.nnz) * 4);
}

template <class T>
void hash_array(const char* name, const std::shared_ptr<const AlignedArray<T>>& a, Hasher& hasher) {
  if (a) hasher.update(name).update(a->data(), static_cast<size_t>(a->size()) * sizeof(T));
}

}  // namespace

std::string identify(const Data& x) {
  Hasher hasher;
  const int64_t head[5] = {x.rows, x.cols, x.sparse, x.unstored_zero,
                           x.sparse ? x.csr.dtype : x.dense.dtype};
  hasher.update(head, sizeof head);
  if (x.sparse) {
    hash_lines(x.csr, hasher);
  } else {
    hash_dense(x, hasher);
  }
  hash_array("entries", x.entry_weights, hasher);
  hash_array("rows", x.row_weights, hasher);
  hash_array("cols", x.col_weights, hasher);
  return hasher.hex();
}

}  // namespace assay::data
