// SPDX-License-Identifier: Apache-2.0
// Selection of rows and columns.
#include "core/data/select.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <numeric>

#include "core/base/number.hpp"
#include "core/data/lines.hpp"
#include "core/data/memory.hpp"

namespace assay::data {
namespace {

const unsigned char* row_of(const Dense& dense, int64_t i) {
  return static_cast<const unsigned char*>(dense.data) + i * dense.stride * dtype_size(dense.dtype);
}

template <class T>
std::vector<T> picked(const std::vector<T>& from, const std::vector<int64_t>& which) {
  std::vector<T> out;
  if (from.empty()) return out;
  out.reserve(which.size());
  for (const int64_t i : which) out.push_back(from[static_cast<size_t>(i)]);
  return out;
}

// The truth with lines of one factor picked, in their order.
std::shared_ptr<const Truth> picked_truth(const std::shared_ptr<const Truth>& from,
                                          bool rows,
                                          const std::vector<int64_t>& which) {
  if (!from) return nullptr;
  Truth out = *from;
  const std::vector<double>& lines = rows ? from->W : from->H;
  std::vector<double>& to = rows ? out.W : out.H;
  to.clear();
  for (const int64_t i : which)
    to.insert(to.end(), lines.begin() + i * from->rank, lines.begin() + (i + 1) * from->rank);
  return std::make_shared<const Truth>(std::move(out));
}

std::vector<int64_t> counted(Span span) {
  std::vector<int64_t> out(static_cast<size_t>(span.last - span.first));
  std::iota(out.begin(), out.end(), span.first);
  return out;
}

// Which rows of the data as read these rows of x are.
std::shared_ptr<const std::vector<int64_t>> source_of(const Data& x, std::vector<int64_t> rows) {
  if (x.source_rows)
    for (int64_t& i : rows) i = (*x.source_rows)[static_cast<size_t>(i)];
  return std::make_shared<const std::vector<int64_t>>(std::move(rows));
}

bool neighbours(const std::vector<int64_t>& cols) {
  for (size_t c = 1; c < cols.size(); ++c)
    if (cols[c] != cols[c - 1] + 1) return false;
  return true;
}

// An array of `count` lines of `width` elements, the given ones in their order.
template <class T>
std::shared_ptr<const AlignedArray<T>> gathered(const std::shared_ptr<const AlignedArray<T>>& from,
                                                int64_t width,
                                                const std::vector<int64_t>& lines) {
  if (!from) return nullptr;
  AlignedArray<T> out(static_cast<int64_t>(lines.size()) * width);
  for (size_t r = 0; r < lines.size(); ++r)
    std::copy_n(from->data() + lines[r] * width, width,
                out.data() + static_cast<int64_t>(r) * width);
  return std::make_shared<const AlignedArray<T>>(std::move(out));
}

Lines gather_lines(const Lines& csr, const std::vector<int64_t>& rows) {
  auto store = std::make_shared<LineStore>(csr.dtype);
  int64_t nnz = 0;
  for (const int64_t i : rows) nnz += csr.indptr[i + 1] - csr.indptr[i];
  store->reserve(static_cast<int64_t>(rows.size()), nnz, csr.weights != nullptr);
  for (const int64_t i : rows) {
    for (int64_t p = csr.indptr[i]; p < csr.indptr[i + 1]; ++p) {
      if (csr.weights) {
        store->entry(csr.indices[p], value_at(csr, p), csr.weights[p]);
      } else {
        store->entry(csr.indices[p], value_at(csr, p));
      }
    }
    store->end_line();
  }
  return LineStore::finish(std::move(store));
}

Lines take_lines_cols(const Lines& csr, const std::vector<int64_t>& cols, int64_t width) {
  std::vector<std::vector<int32_t>> place(static_cast<size_t>(width));
  for (size_t c = 0; c < cols.size(); ++c)
    place[static_cast<size_t>(cols[c])].push_back(static_cast<int32_t>(c));
  auto store = std::make_shared<LineStore>(csr.dtype);
  std::vector<std::pair<int32_t, int64_t>> line;
  for (int64_t i = 0; i < csr.lines; ++i) {
    line.clear();
    for (int64_t p = csr.indptr[i]; p < csr.indptr[i + 1]; ++p)
      for (const int32_t c : place[static_cast<size_t>(csr.indices[p])]) line.emplace_back(c, p);
    std::sort(line.begin(), line.end());
    for (const auto& [c, p] : line) store->entry(c, value_at(csr, p));
    store->end_line();
  }
  return LineStore::finish(std::move(store));
}

void copy_row(const Dense& from, int64_t i, const std::vector<int64_t>& cols, unsigned char* to) {
  const auto size = static_cast<size_t>(dtype_size(from.dtype));
  for (size_t c = 0; c < cols.size(); ++c)
    std::memcpy(to + c * size, row_of(from, i) + static_cast<size_t>(cols[c]) * size, size);
}

Error outside(const std::string& what, int64_t size, const char* unit) {
  return Error(ASSAY_E_SHAPE, "", what + " is outside the data")
      .with_found(std::to_string(size) + " " + unit);
}

Expected<Data> out_of_memory() {
  return Error(ASSAY_E_MEMORY, "", "not enough memory for the selected part of the data");
}

}  // namespace

Expected<Span> parse_span(const std::string& text, int64_t size) {
  const size_t colon = text.find(':');
  const std::string head = text.substr(0, colon),
                    tail = colon == std::string::npos ? "" : text.substr(colon + 1);
  Span span{0, size};
  const auto first = parse_int(head), last = parse_int(tail);
  if ((!head.empty() && !first) || (!tail.empty() && !last) || text.empty())
    return Error(ASSAY_E_SPEC, "", "`" + text + "` is not a range")
        .with_expected("a range such as `0:1000`, from 0, end left out");
  if (first) span.first = *first;
  if (last) span.last = *last;
  if (colon == std::string::npos) span.last = span.first + 1;
  if (span.first < 0 || span.last > size || span.first >= span.last)
    return outside("range `" + text + "`", size, "in all");
  return span;
}

Expected<std::vector<int64_t>> find_columns(const std::vector<std::string>& wanted,
                                            const std::vector<std::string>& names,
                                            int64_t cols) {
  std::vector<int64_t> out;
  for (const std::string& text : wanted) {
    const auto named = std::find(names.begin(), names.end(), text);
    if (named != names.end()) {
      out.push_back(named - names.begin());
      continue;
    }
    auto span = parse_span(text, cols);
    if (!span) {
      if (span.error().status == ASSAY_E_SHAPE) return std::move(span.error());
      return Error(ASSAY_E_SHAPE, "", "there is no column `" + text + "`")
          .with_help("name a column of the file, or give its number, counted from 0");
    }
    for (int64_t j = span->first; j < span->last; ++j) out.push_back(j);
  }
  return out;
}

Expected<Data> slice_rows(const Data& x, Span rows) {
  try {
    Data out = x;
    out.rows = rows.last - rows.first;
    if (out.rows != x.rows) out.source_rows = source_of(x, counted(rows));
    if (x.truth) out.truth = picked_truth(x.truth, true, counted(rows));
    if (x.names) {
      Names names = *x.names;
      for (auto* list : {&names.rows, &names.labels})
        if (!list->empty())
          *list = std::vector<std::string>(list->begin() + rows.first, list->begin() + rows.last);
      out.names = std::make_shared<const Names>(std::move(names));
    }
    if (!x.sparse) {
      out.dense.data = row_of(x.dense, rows.first);
      return out;
    }
    out.csr = gather_lines(x.csr, counted(rows));
    return out;
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
}

Expected<Data> take_cols(const Data& x, const std::vector<int64_t>& cols) {
  if (cols.empty()) return check_shape(x.rows, 0).error();
  try {
    Data out = x;
    out.cols = static_cast<int64_t>(cols.size());
    out.truth = picked_truth(x.truth, false, cols);
    if (x.names) {
      Names names = *x.names;
      names.cols = picked(x.names->cols, cols);
      out.names = std::make_shared<const Names>(std::move(names));
    }
    if (x.sparse) {
      out.csr = take_lines_cols(x.csr, cols, x.cols);
      return out;
    }
    if (neighbours(cols)) {
      out.dense.data = row_of(x.dense, 0) + cols[0] * dtype_size(x.dense.dtype);
      return out;
    }
    auto store = allocate_dense(x.rows, out.cols, x.dense.dtype);
    if (!store) return std::move(store.error());
    const int64_t bytes = out.cols * dtype_size(x.dense.dtype);
    for (int64_t i = 0; i < x.rows; ++i)
      copy_row(x.dense, i, cols, static_cast<unsigned char*>(store->data) + i * bytes);
    out.dense = std::move(store->dense);
    return out;
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
}

Expected<Data> take_rows(const Data& x, const std::vector<int64_t>& rows) {
  try {
    Data out = x;
    out.rows = static_cast<int64_t>(rows.size());
    ASSAY_TRY(check_shape(out.rows, x.cols));
    out.source_rows = source_of(x, rows);
    out.truth = picked_truth(x.truth, true, rows);
    if (x.names) {
      Names names = *x.names;
      names.rows = picked(x.names->rows, rows);
      names.labels = picked(x.names->labels, rows);
      out.names = std::make_shared<const Names>(std::move(names));
    }
    out.row_weights = gathered(x.row_weights, 1, rows);
    if (x.sparse) {
      out.csr = gather_lines(x.csr, rows);
      return out;
    }
    out.entry_weights = gathered(x.entry_weights, x.cols, rows);
    if (x.mask) {
      auto mask = std::make_shared<Bitmap>();
      mask->rows = out.rows;
      mask->cols = x.cols;
      mask->words = x.mask->words;
      mask->bits = AlignedArray<uint64_t>(out.rows * mask->words);
      for (size_t r = 0; r < rows.size(); ++r)
        std::copy_n(x.mask->bits.data() + rows[r] * mask->words, mask->words,
                    mask->bits.data() + static_cast<int64_t>(r) * mask->words);
      out.mask = std::move(mask);
    }
    auto store = allocate_dense(out.rows, x.cols, x.dense.dtype);
    if (!store) return std::move(store.error());
    const int64_t bytes = x.cols * dtype_size(x.dense.dtype);
    for (size_t r = 0; r < rows.size(); ++r)
      std::memcpy(static_cast<unsigned char*>(store->data) + static_cast<int64_t>(r) * bytes,
                  row_of(x.dense, rows[r]), static_cast<size_t>(bytes));
    out.dense = std::move(store->dense);
    return out;
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
}

}  // namespace assay::data
