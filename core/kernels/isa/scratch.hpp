// SPDX-License-Identifier: Apache-2.0
// How the terms kernels cut up the scratch they are given: on 64-byte borders, sizes the same for
// every instruction set.
#pragma once

#include "core/kernels/isa/isa.hpp"

namespace assay::kernels::ASSAY_ISA_NS {

// A dense block: its model and its results stay near, in L1 for a block that gives row sums only,
// in L2 beside the tile for one that gives column sums, which want many rows. Rows of both are a
// line longer than the block, lest they all fall into the same sets of the cache.
constexpr int64_t kTallRows = 64, kTallCols = 128;
constexpr int64_t kFlatRows = kLines, kFlatCols = 256;
constexpr int64_t kBlockRows = kTallRows;
constexpr int64_t kBlockCols = kFlatCols;
template <class T>
constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(T));
template <class T>
constexpr int64_t kBlockSize = kTallRows*(kTallCols + kLine<T>);
static_assert(8 * (kFlatCols + 16) <= kTallRows * kTallCols, "the larger block sets the size");

template <class T>
ASSAY_INLINE int64_t padded_to_line(int64_t n) {
  return (n + kLine<T> - 1) / kLine<T> * kLine<T>;
}

// Pieces of one allocation, or with a null base only their total.
template <class T>
class Cutter {
 public:
  explicit __attribute__((always_inline)) Cutter(T* base) : base_(base) {}
  __attribute__((always_inline)) T* take(int64_t n) {
    T* piece = base_ != nullptr ? base_ + used_ : nullptr;
    used_ += padded_to_line<T>(n);
    return piece;
  }
  __attribute__((always_inline)) int64_t used() const { return used_; }

 private:
  T* base_;
  int64_t used_ = 0;
};

template <class T>
struct DenseScratch {
  T *model, *e0, *e1;            // kBlockSize
  T* image;                      // k x kBlockCols
  T* lines;                      // k x 8
  T* right_squares;              // kBlockCols x kp
  T* left_squares;               // kBlockRows x kp
  T* tail;                       // kBlockRows x kBlockCols
  T *packed[4], *value, *index;  // kBlockCols
  T* spare;                      // kSpanScratch
  int64_t size;
};

template <class T>
ASSAY_INLINE DenseScratch<T> cut_dense(T* base, int64_t k) {
  Cutter<T> cutter(base);
  DenseScratch<T> s;
  const int64_t kp = padded_to_line<T>(k);
  s.model = cutter.take(kBlockSize<T>);
  s.e0 = cutter.take(kBlockSize<T>);
  s.e1 = cutter.take(kBlockSize<T>);
  s.image = cutter.take(k * kBlockCols);
  s.lines = cutter.take(k * 8);
  s.right_squares = cutter.take(kBlockCols * kp);
  s.left_squares = cutter.take(kBlockRows * kp);
  s.tail = cutter.take(kBlockRows * kBlockCols);
  for (int p = 0; p < 4; ++p) s.packed[p] = cutter.take(kBlockCols);
  s.value = cutter.take(kBlockCols);
  s.index = cutter.take(kBlockCols);
  s.spare = cutter.take(kSpanScratch<T>);
  s.size = cutter.used();
  return s;
}

// A run of entries of a sparse line: the gathered rows are read twice.
constexpr int64_t kRun = 256;
static_assert(kRun <= kLongestSpan, "a run is one span");

template <class T>
struct SparseScratch {
  T *x, *model, *e0, *e1, *value;  // kRun
  T *packed[4], *index;            // kRun
  T* wide_left;                    // 2 kp doubles: left row and its squares
  T* spare;                        // kSpanScratch
  int64_t size;
};

template <class T>
ASSAY_INLINE SparseScratch<T> cut_sparse(T* base, int64_t k) {
  Cutter<T> cutter(base);
  SparseScratch<T> s;
  s.x = cutter.take(kRun);
  s.model = cutter.take(kRun);
  s.e0 = cutter.take(kRun);
  s.e1 = cutter.take(kRun);
  s.value = cutter.take(kRun);
  for (int p = 0; p < 4; ++p) s.packed[p] = cutter.take(kRun);
  s.index = cutter.take(kRun);
  s.wide_left = cutter.take(4 * padded_to_line<T>(k));
  s.spare = cutter.take(kSpanScratch<T>);
  s.size = cutter.used();
  return s;
}

}  // namespace assay::kernels::ASSAY_ISA_NS
