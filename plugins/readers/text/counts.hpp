// SPDX-License-Identifier: Apache-2.0
// Rows of counts on their way to the host, compressed, a block at a time.
#pragma once

#include <algorithm>
#include <assay/reader.hpp>
#include <vector>

namespace text {

class Counts {
 public:
  Counts(int64_t row0, int64_t cols) : row0_(row0), cols_(cols) {}

  // One document: the column of each occurrence, in any order.
  void add(std::vector<int32_t>& found) {
    std::sort(found.begin(), found.end());
    for (size_t i = 0; i < found.size();) {
      size_t j = i;
      while (j < found.size() && found[j] == found[i]) ++j;
      indices_.push_back(found[i]);
      values_.push_back(static_cast<double>(j - i));
      i = j;
    }
    indptr_.push_back(static_cast<int64_t>(indices_.size()));
  }
  bool full() const { return values_.size() >= kEntries || indptr_.size() > kEntries; }

  void push(const assay_sink& sink) {
    std::vector<int64_t> indices(indices_.begin(), indices_.end());
    assay_sparse out{};
    out.values = values_.data();
    out.indices = indices.data();
    out.indptr = indptr_.data();
    out.dtype = ASSAY_F64;
    out.index_dtype = ASSAY_I64;
    out.flags = ASSAY_SORTED | ASSAY_UNIQUE;
    out.rows = static_cast<int64_t>(indptr_.size()) - 1;
    out.cols = cols_;
    out.nnz = indptr_.back();
    assay::reading::push_sparse(sink, row0_, out);
    row0_ += out.rows;
    indptr_.assign(1, 0);
    indices_.clear();
    values_.clear();
  }

 private:
  static constexpr size_t kEntries = size_t{1} << 16;

  int64_t row0_, cols_;
  std::vector<int64_t> indptr_{0};
  std::vector<int32_t> indices_;
  std::vector<double> values_;
};

}  // namespace text
