// SPDX-License-Identifier: Apache-2.0
// Batches of shuffled rows: their rows of X, of factors, of STATE and of the host's arrays are
// gathered side by side before the sweeps of a batch, and what was written goes back behind them.
#pragma once

#include <memory>
#include <vector>

#include "core/data/window.hpp"
#include "core/graph/tile.hpp"

namespace assay::graph {

class Window {
 public:
  // For batches of `size` rows of the layout's windowed sweeps; frame: the plan's.
  Window(const Frame& frame, int64_t size);
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  void enter(const Frame& outer, const int64_t* rows, int64_t count);
  void leave();

  Frame& frame() { return frame_; }
  Lanes& lanes() const { return *lanes_; }
  const int64_t* rows() const { return rows_; }
  // Of a buffer on ROWS that outlives the batch; data is null for others.
  const Whole& gathered(int buffer) const { return wholes_[static_cast<size_t>(buffer)]; }

 private:
  struct Kept {
    int buffer;
    Buffer rows;
    bool written;
  };
  const Buffer& home(const Kept& kept) const;

  data::RowWindow x_;
  Frame frame_;
  std::unique_ptr<Lanes> lanes_;
  std::vector<Kept> kept_;                                        // factors and STATE
  std::vector<std::pair<int32_t, AlignedArray<double>>> givens_;  // which, its rows
  std::vector<Whole> wholes_;
  const int64_t* rows_ = nullptr;
};

}  // namespace assay::graph
