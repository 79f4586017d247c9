// SPDX-License-Identifier: Apache-2.0
// Entries of X by blocks, and the order they are visited in.
#include "core/graph/grid.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace assay::graph {

namespace {

constexpr int64_t kMostBlocks = 32;
constexpr int64_t kFewestEntries = 512;  // of a block, on average
constexpr int64_t kFewestLines = 4;      // rows and columns of a block

uint64_t mix(uint64_t v) {
  v ^= v >> 32;
  v *= 0xd6e8feb86659fd93u;
  v ^= v >> 32;
  v *= 0xd6e8feb86659fd93u;
  return v ^ (v >> 32);
}

// Run of n lines cut into `blocks` that line i is in.
int64_t run_of(int64_t i, int64_t n, int64_t blocks) {
  int64_t b = i * blocks / n;
  while (n * (b + 1) / blocks <= i) ++b;
  return b;
}

}  // namespace

Shuffle::Shuffle(uint64_t n, uint64_t key) : n_(n) {
  const int bits = std::max(2, static_cast<int>(std::bit_width(n - 1)));
  low_bits_ = bits / 2;
  low_mask_ = (uint64_t{1} << low_bits_) - 1;
  high_mask_ = (uint64_t{1} << (bits - low_bits_)) - 1;
  for (uint64_t& k : keys_) k = key = mix(key + 0x9e3779b97f4a7c15u);
}

uint64_t Shuffle::operator()(uint64_t i) const {
  do {
    uint64_t low = i & low_mask_, high = i >> low_bits_;
    for (int round = 0; round < 6; round += 2) {
      low ^= mix(high ^ keys_[round]) & low_mask_;
      high ^= mix(low ^ keys_[round + 1]) & high_mask_;
    }
    i = high << low_bits_ | low;
  } while (i >= n_);
  return i;
}

int64_t grid_blocks(const data::Data& x) {
  const double entries = x.sparse ? static_cast<double>(x.csr.nnz)
                                  : static_cast<double>(x.rows) * static_cast<double>(x.cols);
  const int64_t shorter = std::min(x.rows, x.cols);
  int64_t b = 1;
  while (b < kMostBlocks && 2 * b * kFewestLines <= shorter &&
         4.0 * static_cast<double>(b * b * kFewestEntries) <= entries)
    b *= 2;
  return b;
}

Grid::Grid(const data::Data& x, int64_t blocks, bool every_zero)
    : x_(x), blocks_(blocks), weighted_(x.weighted()), stored_(x.sparse && !every_zero) {
  if (stored_) sort_sparse();
}

int64_t Grid::copied_bytes() const {
  return rows_.size() * 8 + values_.size() + weights_.size() * 4;
}

// Counting sort of the stored entries that are observed, of all where a hidden one left out would
// be a zero; within a block they keep CSR's order.
void Grid::sort_sparse() {
  const data::Lines& csr = x_.csr;
  const int64_t size = data::dtype_size(csr.dtype);
  std::vector<int32_t> run(static_cast<size_t>(x_.cols));
  for (int64_t j = 0; j < x_.cols; ++j)
    run[static_cast<size_t>(j)] = static_cast<int32_t>(run_of(j, x_.cols, blocks_));
  const auto each = [&](auto visit) {
    for (int64_t b = 0; b < blocks_; ++b)
      for (int64_t i = row(b); i < row(b + 1); ++i)
        for (int64_t p = csr.indptr[i]; p < csr.indptr[i + 1]; ++p)
          if (!csr.weights || csr.weights[p] > 0 || x_.unstored_zero)
            visit(b * blocks_ + run[static_cast<size_t>(csr.indices[p])], i, p);
  };
  start_ = AlignedArray<int64_t>(blocks_ * blocks_ + 1);
  each([&](int64_t block, int64_t, int64_t) { ++start_[block + 1]; });
  for (int64_t b = 0; b < blocks_ * blocks_; ++b) start_[b + 1] += start_[b];
  const int64_t total = start_[blocks_ * blocks_];
  rows_ = AlignedArray<int32_t>(total);
  cols_ = AlignedArray<int32_t>(total);
  values_ = AlignedArray<unsigned char>(total * size);
  if (csr.weights) weights_ = AlignedArray<float>(total);
  std::vector<int64_t> next(start_.begin(), start_.end() - 1);
  each([&](int64_t block, int64_t i, int64_t p) {
    const int64_t at = next[static_cast<size_t>(block)]++;
    rows_[at] = static_cast<int32_t>(i);
    cols_[at] = csr.indices[p];
    std::memcpy(values_.data() + at * size,
                static_cast<const unsigned char*>(csr.values) + p * size,
                static_cast<size_t>(size));
    if (csr.weights) weights_[at] = csr.weights[p];
  });
}

int64_t Grid::places(int64_t row_run, int64_t col_run) const {
  if (stored_) {
    const int64_t block = row_run * blocks_ + col_run;
    return start_[block + 1] - start_[block];
  }
  return (row(row_run + 1) - row(row_run)) * (col(col_run + 1) - col(col_run));
}

double Grid::weigh(double w, int64_t i, int64_t j) const {
  if (x_.row_weights) w *= (*x_.row_weights)[i];
  if (x_.col_weights) w *= (*x_.col_weights)[j];
  return w;
}

double Grid::shown(double value, int64_t j) const {
  return value * (x_.scale ? (*x_.scale)[j] : 1.0) + (x_.shift ? (*x_.shift)[j] : 0.0);
}

int64_t Grid::read(int64_t row_run,
                   int64_t col_run,
                   const Shuffle& order,
                   int64_t from,
                   int64_t count,
                   int32_t* rows,
                   int32_t* cols,
                   double* x,
                   double* w) const {
  const int64_t row0 = row(row_run), col0 = col(col_run);
  const int64_t width = col(col_run + 1) - col0;
  const int64_t first = stored_ ? start_[row_run * blocks_ + col_run] : 0;
  int64_t n = 0;
  for (int64_t e = from; e < from + count; ++e) {
    const auto place = static_cast<int64_t>(order(static_cast<uint64_t>(e)));
    int64_t i = 0, j = 0;
    double value = 0, weight = 1;
    if (stored_) {
      const int64_t at = first + place;
      i = rows_[at];
      j = cols_[at];
      value = x_.csr.dtype == ASSAY_F32
                  ? static_cast<double>(reinterpret_cast<const float*>(values_.data())[at])
                  : reinterpret_cast<const double*>(values_.data())[at];
      if (weights_.size() > 0) weight = static_cast<double>(weights_[at]);
      value = weight == 0 ? 0 : shown(value, j);
    } else if (x_.sparse) {
      i = row0 + place / width;
      j = col0 + place % width;
      weight = x_.weight(i, j);
      if (!(weight > 0)) continue;
      value = x_.value(i, j);
      if (weighted_) w[n] = weight;
    } else {
      i = row0 + place / width;
      j = col0 + place % width;
      if (x_.mask && !x_.mask->observed(i, j)) continue;
      if (x_.entry_weights) weight = static_cast<double>((*x_.entry_weights)[i * x_.cols + j]);
      if (x_.dense.dtype == ASSAY_F64 && !x_.table) {
        value = shown(static_cast<const double*>(x_.dense.data)[i * x_.dense.stride + j], j);
      } else if (x_.dense.dtype == ASSAY_F32 && !x_.table) {
        const float narrow = static_cast<const float*>(x_.dense.data)[i * x_.dense.stride + j];
        value = shown(static_cast<double>(narrow), j);
      } else {
        value = x_.value(i, j);
      }
    }
    if (weighted_ && (stored_ || !x_.sparse)) {
      weight = weigh(weight, i, j);
      if (!(weight > 0) && !leaves_zeros()) continue;
      w[n] = weight;
    }
    rows[n] = static_cast<int32_t>(i - row0);
    cols[n] = static_cast<int32_t>(j - col0);
    x[n++] = value;
  }
  return n;
}

}  // namespace assay::graph
