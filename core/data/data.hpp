// SPDX-License-Identifier: Apache-2.0
// Data: X as stored plus what its entries mean (mask, weights, affine view). Immutable once built and cheap to copy: all
// parts are shared. There is never a second copy of X: views change the meaning, not the storage.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "assay/types.h"
#include "core/base/aligned.hpp"
#include "core/base/expected.hpp"

namespace assay::data {

// Dense storage, row-major: element (i, j) at data[i * stride + j] (col stride 1). dtype F64, F32, U8 or U16.
struct Dense {
  std::shared_ptr<const void> owner;  // keeps data alive: an array, a mapped file, an application's reference
  const void* data = nullptr;
  int32_t dtype = ASSAY_F64;
  int64_t stride = 0;
};

// One compressed orientation: lines are rows (CSR) or columns (CSC); indices rise within a line. values F64 or F32.
struct Lines {
  std::shared_ptr<const void> owner;
  const void* values = nullptr;
  const int64_t* indptr = nullptr;   // lines + 1
  const int32_t* indices = nullptr;  // narrow: both sides of X stay below 2^31
  const float* weights = nullptr;    // per stored entry, 0 = hidden (never read); nullptr: all 1
  int64_t lines = 0, nnz = 0;
  int32_t dtype = ASSAY_F64;
};

// Which entries of a dense X are observed. Bit j % 64 of word j / 64 of a row.
struct Bitmap {
  int64_t rows = 0, cols = 0, words = 0;  // words per row
  AlignedArray<uint64_t> bits;
  bool observed(int64_t i, int64_t j) const { return (bits[i * words + j / 64] >> (j % 64)) & 1u; }
};

struct Names {
  std::vector<std::string> rows, cols, labels;  // each empty when there are none
};

// The factors that data were made from: W rows x rank and H cols x rank, row-major.
struct Truth {
  int64_t rank = 0;
  std::vector<double> W, H;
};

// Sums over observed entries with weights, as the view shows them.
struct Facts {
  double observed = 0;   // sum of weights
  int64_t entries = 0;   // number of observed entries
  double sum = 0, sumsq = 0, min = 0, max = 0;
  int64_t negative = 0;  // entries below 0
  int64_t min_row = 0, min_col = 0;
};

struct Data {
  int64_t rows = 0, cols = 0;
  bool sparse = false;
  bool unstored_zero = true;  // sparse: entries not stored are zeros (else unobserved)
  Dense dense;                // when !sparse
  Lines csr;                  // when sparse
  std::shared_ptr<const Bitmap> mask;                        // dense only; null: all observed
  std::shared_ptr<const AlignedArray<float>> entry_weights;  // dense only, rows x cols; null: 1
  std::shared_ptr<const AlignedArray<double>> row_weights, col_weights;  // null: 1
  // The view: x' = table[x] for U8 with a table, then scale_j x + shift_j.
  std::shared_ptr<const AlignedArray<double>> table;         // 256 entries
  std::shared_ptr<const AlignedArray<double>> scale, shift;  // cols entries each; null: identity
  bool same_view = false;  // scale and shift are the same in every column
  std::shared_ptr<const std::vector<int64_t>> source_rows;  // of rows taken from more: which; null: all
  std::shared_ptr<const Names> names;
  std::shared_ptr<const Truth> truth;  // null: unknown; of X as stored, before the view
  std::string id;  // XXH3-128 of storage and meaning, 32 hex digits

  bool weighted() const { return entry_weights || row_weights || col_weights || csr.weights; }
  bool hidden() const { return mask != nullptr || (sparse && (csr.weights || !unstored_zero)); }
  // Bytes of X as stored.
  int64_t bytes() const;
  // One entry, for messages and tests: its value as the view shows it and its weight (0: hidden).
  double value(int64_t i, int64_t j) const;
  double weight(int64_t i, int64_t j) const;
};

// Bytes of an element of dtype; 0 for none we know. And its name: "float64".
int64_t dtype_size(int32_t dtype);
const char* dtype_name(int32_t dtype);

// XXH3-128 of storage and meaning (shape, entries, what is observed, weights), hidden entries taken as 0, names left out.
std::string identify(const Data& x);

// Facts of the data as the view shows it (one pass; deterministic: blocks in order, float64).
Facts measure(const Data& x);

// CSC twin of data.csr (weights travel). Built once when a plan asks; costs nnz (4 + values) bytes.
Expected<Lines> transpose(const Data& x);
// The same of lines whose indices are below `width`.
Expected<Lines> transpose(const Lines& lines, int64_t width);

// Weighted counts of observed entries per row and per column (given buffers of programs).
AlignedArray<double> row_counts(const Data& x);
AlignedArray<double> col_counts(const Data& x);
// The largest observed entry of each column, 0 at least.
std::vector<double> col_max(const Data& x);

}  // namespace assay::data
