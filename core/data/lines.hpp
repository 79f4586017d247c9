// SPDX-License-Identifier: Apache-2.0
// LineStore: memory of one compressed orientation while it is built, then owned by the Lines made
// of it.
#pragma once

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "core/data/data.hpp"

namespace assay::data {

class LineStore {
 public:
  explicit LineStore(int32_t dtype)
      : dtype_(dtype), size_(static_cast<size_t>(dtype_size(dtype))) {}

  void reserve(int64_t lines, int64_t nnz, bool weighted) {
    indptr_.reserve(static_cast<size_t>(lines) + 1);
    indices_.reserve(static_cast<size_t>(nnz));
    values_.reserve(static_cast<size_t>(nnz) * size_);
    if (weighted) weights_.reserve(static_cast<size_t>(nnz));
  }
  // Appends an entry to the open line; the value is copied as it is stored.
  void entry(int32_t index, const void* value) {
    indices_.push_back(index);
    const auto* bytes = static_cast<const unsigned char*>(value);
    values_.insert(values_.end(), bytes, bytes + size_);
  }
  void entry(int32_t index, const void* value, float weight) {
    entry(index, value);
    weights_.push_back(weight);
  }
  void end_line() { indptr_.push_back(static_cast<int64_t>(indices_.size())); }
  int64_t nnz() const { return static_cast<int64_t>(indices_.size()); }

  // The lines written so far; the store must not be changed afterwards.
  static Lines finish(std::shared_ptr<LineStore> store) {
    Lines out;
    out.values = store->values_.data();
    out.indptr = store->indptr_.data();
    out.indices = store->indices_.data();
    out.weights = store->weights_.empty() ? nullptr : store->weights_.data();
    out.lines = static_cast<int64_t>(store->indptr_.size()) - 1;
    out.nnz = store->nnz();
    out.dtype = store->dtype_;
    out.owner = std::move(store);
    return out;
  }

 private:
  int32_t dtype_;
  size_t size_;
  std::vector<int64_t> indptr_{0};
  std::vector<int32_t> indices_;
  std::vector<unsigned char> values_;
  std::vector<float> weights_;
};

// Place of stored entry p in memory.
inline const void* value_at(const Lines& lines, int64_t p) {
  return static_cast<const unsigned char*>(lines.values) + p * dtype_size(lines.dtype);
}

}  // namespace assay::data
