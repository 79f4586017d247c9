// SPDX-License-Identifier: Apache-2.0
// The grid: rows and columns of X are cut into B runs each; B rounds of B blocks (b, (b + r) mod B)
// share no row and no column within a round, so a block function may write both factors. Entries
// of a block come in an order that is a function of (stream, step, block): bits are fixed by B and
// never depend on threads.
//
// Dense X is visited where it lies, through a keyed bijection of the block's indices; sparse X
// through one copy whose entries lie block by block.
#pragma once

#include <memory>

#include "core/base/aligned.hpp"
#include "core/data/data.hpp"
#include "core/graph/tile.hpp"

namespace assay::graph {

// A bijection of 0 .. n - 1 by a Feistel network over the next power of two, walked until inside.
class Shuffle {
 public:
  Shuffle(uint64_t n, uint64_t key);
  uint64_t operator()(uint64_t i) const;

 private:
  uint64_t n_, low_mask_, high_mask_;
  int low_bits_;
  uint64_t keys_[6];
};

// The entries of X by blocks. Immutable; shared by all workers.
class Grid {
 public:
  // every_zero: sparse X is visited as if dense, unstored zeros too.
  Grid(const data::Data& x, int64_t blocks, bool every_zero);
  int64_t blocks() const { return blocks_; }
  // First row (column) of run b.
  int64_t row(int64_t b) const { return x_.rows * b / blocks_; }
  int64_t col(int64_t b) const { return x_.cols * b / blocks_; }
  // Places a block's order runs over; dense X: hidden ones among them.
  int64_t places(int64_t row_run, int64_t col_run) const;
  // The observed entries at places order(from) .. order(from + count - 1); returns how many. w is
  // written where the data are weighted.
  int64_t read(int64_t row_run,
               int64_t col_run,
               const Shuffle& order,
               int64_t from,
               int64_t count,
               int32_t* rows,
               int32_t* cols,
               double* x,
               double* w) const;
  bool weighted() const { return weighted_; }
  // Entries that are zeros because nothing is stored are not visited; hidden ones are, with weight
  // 0.
  bool leaves_zeros() const { return stored_ && x_.unstored_zero; }
  int64_t copied_bytes() const;  // of the copy of sparse X

 private:
  void sort_sparse();
  double weigh(double w, int64_t i, int64_t j) const;
  double shown(double value, int64_t j) const;  // as the view shows it

  const data::Data& x_;
  int64_t blocks_;
  bool weighted_, stored_;  // stored: stored entries of sparse X, from the copy
  // Sparse X: entries of block (b, c) from start_[b * blocks + c] on.
  AlignedArray<int64_t> start_;
  AlignedArray<int32_t> rows_, cols_;
  AlignedArray<unsigned char> values_;  // as stored
  AlignedArray<float> weights_;
};

// How many blocks a side X is cut into where the program leaves it to the host: more blocks, more
// parallelism, but no block of a few entries.
int64_t grid_blocks(const data::Data& x);

// One worker's window on the entries of the block in progress.
class GridReader final : public plugin::TileSource {
 public:
  explicit GridReader(bool weighted);
  // The next entries of the block; 0 when it is done.
  int64_t next(const Grid& grid, int64_t row_run, int64_t col_run, const Shuffle& order);
  void start() { from_ = 0; }
  int32_t line(int64_t i, assay_line* out) override;
  int32_t entries(assay_entries* out) override;

 private:
  int64_t from_ = 0, n_ = 0;
  bool weighted_, leaves_zeros_ = false;
  AlignedArray<int32_t> rows_, cols_;
  AlignedArray<double> x_, w_;
};

// Blocks of a lane of a round, one after another.
int32_t run_grid(const Frame& frame, const Stage& stage, int lane, Worker& worker, double* partial);

}  // namespace assay::graph
