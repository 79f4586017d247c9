// SPDX-License-Identifier: Apache-2.0
// Blocks of rows into storage.
#include "core/plugin/sink.hpp"

#include <fmt/format.h>

#include <new>
#include <utility>

namespace assay::plugin {
namespace {

Error misbehaved(const std::string& what) {
  return Error(ASSAY_E_PLUGIN, "E0412", "the reader " + what)
      .with_help("mend the reader: its rows must fit the shape it declares");
}

// Appends lines that may lie in the reader's memory.
void append(const data::Lines& from, data::LineStore& store) {
  for (int64_t i = 0; i < from.lines; ++i) {
    for (int64_t p = from.indptr[i]; p < from.indptr[i + 1]; ++p)
      store.entry(from.indices[p], data::value_at(from, p));
    store.end_line();
  }
}

data::Lines copied(const data::Lines& from) {
  auto store = std::make_shared<data::LineStore>(from.dtype);
  store->reserve(from.lines, from.nnz, false);
  append(from, *store);
  return data::LineStore::finish(std::move(store));
}

Expected<data::Lines> joined(const std::map<int64_t, data::Lines>& pieces, int64_t rows) {
  int64_t nnz = 0;
  const int32_t dtype = pieces.begin()->second.dtype;
  for (const auto& [row, piece] : pieces) {
    nnz += piece.nnz;
    if (piece.dtype != dtype) return misbehaved("changes the type of its entries between blocks");
  }
  auto store = std::make_shared<data::LineStore>(dtype);
  store->reserve(rows, nnz, false);
  for (const auto& [row, piece] : pieces) append(piece, *store);
  return data::LineStore::finish(std::move(store));
}

}  // namespace

Expected<std::unique_ptr<Sink>> Sink::make(const assay_shape& shape,
                                           int64_t row0,
                                           int64_t rows,
                                           int32_t dtype) {
  try {
    std::unique_ptr<Sink> sink(new Sink);
    sink->table_ = {static_cast<uint32_t>(sizeof(assay_sink)), 0, sink.get(), push_dense,
                    push_sparse};
    sink->sparse_ = shape.nnz >= 0;
    sink->unobserved_ = (shape.flags & ASSAY_SHAPE_UNSTORED_UNOBSERVED) != 0;
    sink->row0_ = row0;
    sink->rows_ = rows;
    sink->cols_ = shape.cols;
    sink->all_rows_ = shape.rows;
    sink->declared_ = shape.nnz;
    sink->seen_.resize(static_cast<size_t>(rows));
    if (sink->sparse_) return sink;
    auto store = data::allocate_dense(rows, shape.cols, dtype);
    if (!store) return std::move(store.error());
    sink->dense_ = std::move(*store);
    return sink;
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", fmt::format("not enough memory for {} rows of data", rows));
  }
}

int32_t Sink::status_of(const Expected<void>& taken) {
  if (taken.ok()) return ASSAY_OK;
  if (!failed_) error_ = taken.error();
  failed_ = true;
  return taken.error().status;
}

int32_t Sink::push_dense(void* self, int64_t row0, const assay_dense* block) {
  Sink* sink = static_cast<Sink*>(self);
  try {
    return sink->status_of(sink->take(row0, *block));
  } catch (const std::bad_alloc&) {
    return ASSAY_E_MEMORY;
  }
}

int32_t Sink::push_sparse(void* self, int64_t row0, const assay_sparse* block) {
  Sink* sink = static_cast<Sink*>(self);
  try {
    return sink->status_of(sink->take(row0, *block));
  } catch (const std::bad_alloc&) {
    return ASSAY_E_MEMORY;
  }
}

// Marks the rows of a block as seen.
Expected<void> Sink::claim(int64_t row0, int64_t rows, int64_t cols) {
  if (cols != cols_)
    return misbehaved(fmt::format("pushes {} columns where it declared {}", cols, cols_));
  if (rows < 0 || row0 < row0_ || row0 - row0_ > rows_ - rows)
    return misbehaved(
        fmt::format("pushes {} rows from row {} where {} were asked for", rows, row0 + 1, rows_));
  for (int64_t i = row0 - row0_; i < row0 - row0_ + rows; ++i) {
    if (seen_[static_cast<size_t>(i)])
      return misbehaved(fmt::format("pushes row {} twice", row0_ + i + 1));
    seen_[static_cast<size_t>(i)] = true;
  }
  taken_ += rows;
  return {};
}

Expected<void> Sink::take(int64_t row0, const assay_dense& block) {
  if (sparse_) return misbehaved("declares sparse data and pushes dense ones");
  if (!block.data || data::storage_dtype(block.dtype) == 0)
    return misbehaved("pushes a block without memory or of no known type");
  ASSAY_TRY(claim(row0, block.rows, block.cols));
  const int64_t bytes = cols_ * data::dtype_size(dense_.dense.dtype);
  data::copy_dense(block, dense_.dense.dtype,
                   static_cast<unsigned char*>(dense_.data) + (row0 - row0_) * bytes, cols_);
  return {};
}

Expected<void> Sink::take(int64_t row0, const assay_sparse& block) {
  if (!sparse_) return misbehaved("declares dense data and pushes sparse ones");
  if (block.rows == 0) return {};
  ASSAY_TRY(claim(row0, block.rows, block.cols));
  auto x = data::from_sparse(block, nullptr);
  if (!x) {
    if (row0 > 0) x.error().note.push_back(fmt::format("rows are counted from row {}", row0 + 1));
    return std::move(x.error());
  }
  if (row0 != row0_ + in_order_ || (store_ && x->csr.dtype != store_dtype_)) {
    pieces_.emplace(row0, copied(x->csr));
    return {};
  }
  // Blocks in the order of their rows go where they stay: X is in memory once.
  if (!store_) {
    store_dtype_ = x->csr.dtype;
    store_ = std::make_shared<data::LineStore>(store_dtype_);
    store_->reserve(rows_, rows_ == all_rows_ ? declared_ : x->csr.nnz, false);
  }
  append(x->csr, *store_);
  in_order_ += block.rows;
  return {};
}

Expected<data::Data> Sink::finish() {
  if (taken_ != rows_)
    return Error(ASSAY_E_TRUNCATED, "", "the reader gave fewer rows than it declared")
        .with_found(fmt::format("{} of {} rows", taken_, rows_));
  data::Data x;
  x.rows = rows_;
  x.cols = cols_;
  x.sparse = sparse_;
  x.unstored_zero = !unobserved_;
  if (!sparse_) {
    x.dense = std::move(dense_.dense);
    return x;
  }
  if (store_) pieces_.emplace(row0_, data::LineStore::finish(std::move(store_)));
  if (pieces_.size() == 1) {
    x.csr = pieces_.begin()->second;
    return x;
  }
  try {
    auto lines = joined(pieces_, rows_);
    if (!lines) return std::move(lines.error());
    x.csr = std::move(*lines);
    return x;
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", "not enough memory to join the rows of sparse data");
  }
}

}  // namespace assay::plugin
