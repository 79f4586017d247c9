// SPDX-License-Identifier: Apache-2.0
// Lines of X: stored entries of sparse X as they lie, rows of dense X through the view, columns of
// dense X out of a panel that is turned once a block.
#include "core/graph/lines.hpp"

#include <algorithm>
#include <type_traits>

#include "core/data/tile.hpp"
#include "core/kernels/some_rows.hpp"

namespace assay::graph {

namespace {

constexpr int64_t kPanelBytes = 4 * 1024 * 1024;
constexpr int64_t kChunk = 64;  // rows turned at a time

int64_t longest(const data::Lines& l) {
  int64_t most = 0;
  for (int64_t i = 0; i < l.lines; ++i) most = std::max(most, l.indptr[i + 1] - l.indptr[i]);
  return most;
}

// Room for so many elements.
template <class T>
T* elements(AlignedArray<unsigned char>& memory, int64_t n) {
  const int64_t bytes = n * static_cast<int64_t>(sizeof(T));
  if (memory.size() < bytes) memory = AlignedArray<unsigned char>(bytes);
  return reinterpret_cast<T*>(memory.data());
}

}  // namespace

int64_t LineReader::most_lines(int64_t length) {
  return std::clamp<int64_t>(kPanelBytes / std::max<int64_t>(1, 8 * length) / 8 * 8, 8, 64);
}

int64_t LineReader::most_columns(const data::Data& x) { return most_lines(x.rows); }

LineReader::LineReader(const data::Data& x,
                       const data::Lines* csc,
                       int64_t rows,
                       int64_t cols,
                       bool dense,
                       kernels::Isa isa,
                       int32_t compute)
    : x_(&x),
      csc_(csc),
      weighted_(x.weighted() || x.mask),
      hides_(x.hidden() || x.entry_weights),
      kernels_(kernels::table<double>(isa)),
      narrow_(kernels::table<float>(isa)),
      isa_(isa),
      compute_(compute) {
  int64_t length = 0;
  if (rows > 0) length = std::max(length, x.sparse && !dense ? longest(x.csr) : x.cols);
  if (cols > 0) length = std::max(length, x.sparse && !dense ? longest(*csc) : x.rows);
  length = (length + 7) / 8 * 8;
  values_ = AlignedArray<double>(length);
  weights_ = AlignedArray<double>(length);
  places_ = AlignedArray<int64_t>(length);
  if (cols > 0 && (!x.sparse || dense)) {
    panel_ = AlignedArray<double>(cols * x.rows);
    if (weighted_) panel_weights_ = AlignedArray<double>(cols * x.rows);
    chunk_ = AlignedArray<double>(kChunk * cols);
  }
}

void LineReader::start(const data::Data& x,
                       int32_t axis,
                       int64_t first,
                       int64_t count,
                       bool every_zero) {
  x_ = &x;
  axis_ = axis;
  first_ = first;
  count_ = count;
  every_zero_ = every_zero;
  loaded_ = rows_loaded_ = false;
}

int32_t LineReader::line(int64_t i, assay_line* out) {
  if (i < 0 || i >= count_) return ASSAY_E_ARGUMENT;
  assay_line made{};
  made.struct_size = sizeof made;
  const int32_t status = x_->sparse && !every_zero_ ? sparse_line(i, &made) : dense_line(i, &made);
  if (status == ASSAY_OK) *out = made;
  return status;
}

int32_t LineReader::entries(assay_entries* out) {
  (void)out;
  return ASSAY_E_ARGUMENT;
}

int32_t LineReader::dense(int64_t first, int64_t count, assay_view* out) {
  if (axis_ != ASSAY_ROWS || first < 0 || count < 0 || first + count > count_)
    return ASSAY_E_ARGUMENT;
  const int64_t ld = kernels::padded<double>(x_->cols);
  if (block_.size() < count * ld) block_ = AlignedArray<double>(count * ld);
  data::load<double>(*x_, first_ + first, count, 0, x_->cols, block_.data(), ld);
  *out = {block_.data(), count, x_->cols, ld, 0, ASSAY_F64, ASSAY_READ_ONLY};
  return ASSAY_OK;
}

int32_t LineReader::times(int64_t n,
                          const int64_t* rows,
                          const assay_view& B,
                          double* out,
                          int64_t ldo) {
  if (axis_ != ASSAY_ROWS || n < 0 || n > count_ || B.rows != x_->cols || B.dtype != ASSAY_F64 ||
      B.stride % kernels::pad<double>() != 0 || ldo % kernels::pad<double>() != 0 || ldo < B.cols)
    return ASSAY_E_ARGUMENT;
  for (int64_t i = 0; rows && i < n; ++i)
    if (rows[i] < 0 || rows[i] >= count_) return ASSAY_E_ARGUMENT;
  return compute_ == ASSAY_F32 ? times_in(narrow_, n, rows, B, out, ldo)
                               : times_in(kernels_, n, rows, B, out, ldo);
}

// The block's rows in their element type, where they lie or loaded once.
template <class T>
const T* LineReader::block_rows(int64_t& ldx) {
  ldx = x_->dense.stride;
  if (const T* x = data::direct<T>(*x_, first_, 0)) return x;
  ldx = kernels::padded<T>(x_->cols);
  T* all = elements<T>(rows_, count_ * ldx);
  if (!rows_loaded_) data::load<T>(*x_, first_, count_, 0, x_->cols, all, ldx);
  rows_loaded_ = true;
  return all;
}
template const double* LineReader::block_rows<double>(int64_t&);
template const float* LineReader::block_rows<float>(int64_t&);

const float* LineReader::narrowed(const assay_view& B, int64_t ldb) {
  for (const Operand& known : operands_)
    if (known.of == B.data && known.cols == B.cols) return known.values.data();
  operands_.push_back({B.data, B.cols, AlignedArray<float>(B.rows * ldb)});
  float* narrow = operands_.back().values.data();
  const auto* given = static_cast<const double*>(B.data);
  for (int64_t j = 0; j < B.rows; ++j) {
    for (int64_t a = 0; a < B.cols; ++a)
      narrow[j * ldb + a] = static_cast<float>(given[j * B.stride + a]);
    std::fill_n(narrow + j * ldb + B.cols, ldb - B.cols, 0.0F);
  }
  return narrow;
}

// Each element is the chain of multiply-adds that the product of all rows makes: same bits.
template <class T>
int32_t LineReader::times_in(const kernels::Kernels<T>& table,
                             int64_t n,
                             const int64_t* rows,
                             const assay_view& B,
                             double* out,
                             int64_t ldo) {
  int64_t ldx = 0, ldb = B.stride, ldt = ldo;
  const T* x = block_rows<T>(ldx);
  const T* b = nullptr;
  T* to = nullptr;
  if constexpr (std::is_same_v<T, double>) {
    b = static_cast<const double*>(B.data);
    to = out;
  } else {
    ldb = ldt = kernels::padded<T>(B.cols);
    b = narrowed(B, ldb);
    to = elements<T>(result_, n * ldt);
  }
  if (rows)
    kernels::some_rows<T>(isa_)(n, rows, x_->cols, x, ldx, b, ldb, B.cols, to, ldt);
  else
    table.rows_product(n, x_->cols, x, ldx, b, ldb, B.cols, to, ldt, false);
  if constexpr (!std::is_same_v<T, double>)
    for (int64_t i = 0; i < n; ++i)
      for (int64_t a = 0; a < B.cols; ++a) out[i * ldo + a] = static_cast<double>(to[i * ldt + a]);
  return ASSAY_OK;
}

int32_t LineReader::sparse_line(int64_t i, assay_line* out) {
  const data::Lines& l = axis_ == ASSAY_ROWS ? x_->csr : *csc_;
  const auto& own = axis_ == ASSAY_ROWS ? x_->row_weights : x_->col_weights;
  const auto& opposite = axis_ == ASSAY_ROWS ? x_->col_weights : x_->row_weights;
  const int64_t at = first_ + i;
  int64_t n = 0;
  for (int64_t p = l.indptr[at]; p < l.indptr[at + 1]; ++p) {
    const int64_t place = l.indices[p];
    double w = l.weights ? static_cast<double>(l.weights[p]) : 1.0;
    // Where unstored entries are zeros, a hidden entry stays in its line with weight 0: left out,
    // it would be one of them.
    if (w == 0 && !x_->unstored_zero) continue;
    if (own) w *= (*own)[at];
    if (opposite) w *= (*opposite)[place];
    places_[n] = place;
    const int64_t column = axis_ == ASSAY_ROWS ? place : at;
    const double scaled = stored_value(l, p) * (x_->scale ? (*x_->scale)[column] : 1.0);
    values_[n] = w == 0 ? 0 : scaled + (x_->shift ? (*x_->shift)[column] : 0.0);
    weights_[n++] = w;
  }
  out->n = n;
  out->idx = places_.data();
  out->x = values_.data();
  out->w = weighted_ ? weights_.data() : nullptr;
  out->zeros = x_->unstored_zero ? 1 : 0;
  return ASSAY_OK;
}

void LineReader::load_panel() {
  for (int64_t r = 0; r < x_->rows; r += kChunk) {
    const int64_t rows = std::min(kChunk, x_->rows - r);
    const auto turn = [&](AlignedArray<double>& to) {
      for (int64_t a = 0; a < rows; ++a)
        for (int64_t c = 0; c < count_; ++c) to[c * x_->rows + r + a] = chunk_[a * count_ + c];
    };
    data::load<double>(*x_, r, rows, first_, count_, chunk_.data(), count_);
    turn(panel_);
    if (!weighted_) continue;
    data::load_weights<double>(*x_, r, rows, first_, count_, chunk_.data(), count_);
    turn(panel_weights_);
  }
  loaded_ = true;
}

int32_t LineReader::dense_line(int64_t i, assay_line* out) {
  const int64_t length = axis_ == ASSAY_ROWS ? x_->cols : x_->rows;
  const double *x = values_.data(), *w = weighted_ ? weights_.data() : nullptr;
  if (axis_ == ASSAY_ROWS) {
    data::load<double>(*x_, first_ + i, 1, 0, length, values_.data(), length);
    if (weighted_)
      data::load_weights<double>(*x_, first_ + i, 1, 0, length, weights_.data(), length);
  } else {
    if (!loaded_) load_panel();
    x = panel_.data() + i * length;
    w = weighted_ ? panel_weights_.data() + i * length : nullptr;
  }
  out->x = x;
  out->w = w;
  out->n = length;
  if (!w || !hides_) return ASSAY_OK;
  // Hidden entries are left out; where nothing is hidden the line stays whole.
  int64_t n = 0;
  for (int64_t j = 0; j < length; ++j) n += w[j] != 0 ? 1 : 0;
  if (n == length) return ASSAY_OK;
  n = 0;
  for (int64_t j = 0; j < length; ++j) {
    if (w[j] == 0) continue;
    places_[n] = j;
    values_[n] = x[j];
    weights_[n++] = w[j];
  }
  *out = {out->struct_size, 0, n, places_.data(), values_.data(), weights_.data(), 0, 0};
  return ASSAY_OK;
}

}  // namespace assay::graph
