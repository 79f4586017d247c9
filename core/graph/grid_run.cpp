// SPDX-License-Identifier: Apache-2.0
// Running a grid: slices of the arguments as float64 copies, the block's entries a chunk at a time,
// the finite check, then the slices go back. What a block may not keep is never seen outside it.
#include <algorithm>

#include "assay/steps.h"
#include "core/graph/call.hpp"
#include "core/graph/grid.hpp"
#include "core/plugin/services.hpp"

namespace assay::graph {

namespace {

constexpr int64_t kChunk = 32768;  // entries of one call: 1 MiB with their places and weights

// A slice of an argument on an axis: `rows` rows of the buffer from `first` on, copied to float64.
struct Slice {
  Whole whole;
  int64_t first = 0, rows = 0, width = 0, stride = 0;
  double* copy = nullptr;
  bool commits = false;
};

template <class T>
T* rows_of(const Slice& s) {
  return static_cast<T*>(const_cast<void*>(s.whole.data)) + s.first * s.whole.ld;
}

template <class T>
void copy_in(const Slice& s) {
  const T* from = rows_of<T>(s);
  for (int64_t i = 0; i < s.rows; ++i)
    for (int64_t a = 0; a < s.width; ++a)
      s.copy[i * s.stride + a] = static_cast<double>(from[i * s.whole.ld + a]);
}

template <class T>
void copy_out(const Slice& s) {
  T* to = rows_of<T>(s);
  for (int64_t i = 0; i < s.rows; ++i)
    for (int64_t a = 0; a < s.width; ++a)
      to[i * s.whole.ld + a] = static_cast<T>(s.copy[i * s.stride + a]);
}

bool finite(const Slice& s) {
  return all_finite({s.copy, s.rows, s.width, s.stride, 0, ASSAY_F64, 0}, s.whole.dtype);
}

// Runs one block of one round.
class Block {
 public:
  Block(const Frame& frame,
        const Stage& stage,
        const Op& op,
        Worker& worker,
        double* partial,
        int64_t b)
      : frame_(frame),
        line_(op.line),
        grid_(*stage.grid),
        worker_(worker),
        partial_(partial),
        row_run_(b),
        col_run_((b + stage.round) % stage.grid->blocks()) {}

  int32_t run() {
    const int64_t places = grid_.places(row_run_, col_run_);
    if (places == 0) return ASSAY_OK;
    worker_.copies.reset();
    for (size_t i = 0; i < line_.args.size(); ++i)
      if (!view(line_.args[i], views_[i])) return ASSAY_E_MEMORY;
    const assay_rng& rng = *plugin::rng_service();
    const uint64_t epoch = rng.split(line_.stream, static_cast<uint64_t>(frame_.step));
    const Shuffle order(
        static_cast<uint64_t>(places),
        rng.split(epoch, static_cast<uint64_t>(row_run_ * grid_.blocks() + col_run_)));
    auto& reader = static_cast<GridReader&>(*worker_.grid);
    for (reader.start(); reader.next(grid_, row_run_, col_run_, order) > 0;)
      if (const int32_t status = call(reader); status != ASSAY_OK) return status;
    return commit();
  }

 private:
  bool view(const assay_arg& a, assay_view& v) {
    const PlanBuffer& b = frame_.layout->buffers[static_cast<size_t>(a.buffer)];
    v = {};
    v.cols = b.decl.width;
    v.dtype = b.decl.dtype;
    if (a.access == ASSAY_ADD) {
      v.data = partial_ + b.offset;
      v.rows = b.decl.rows;
      v.stride = b.ld;
      return true;
    }
    Slice s;
    s.whole = whole(frame_, a.buffer);
    const bool rows = b.decl.axis == ASSAY_ROWS, one = b.decl.axis == ASSAY_ONE;
    s.first = one ? 0 : rows ? grid_.row(row_run_) : grid_.col(col_run_);
    s.rows = one    ? b.decl.rows
             : rows ? grid_.row(row_run_ + 1) - s.first
                    : grid_.col(col_run_ + 1) - s.first;
    s.width = b.decl.width;
    v.rows = s.rows;
    v.flags = a.access & ASSAY_OUT ? 0u : static_cast<uint32_t>(ASSAY_READ_ONLY);
    if (s.whole.dtype == ASSAY_I32 || s.whole.dtype == ASSAY_I64) {  // as they are
      v.stride = s.whole.ld;
      v.data = s.whole.dtype == ASSAY_I32 ? static_cast<void*>(rows_of<int32_t>(s))
                                          : static_cast<void*>(rows_of<int64_t>(s));
      return true;
    }
    v.dtype = ASSAY_F64;
    if (s.whole.dtype == ASSAY_F64 && !(a.access & ASSAY_OUT)) {
      v.stride = s.whole.ld;
      v.data = rows_of<double>(s);
      return true;
    }
    s.stride = (s.width + 7) / 8 * 8;
    s.copy = static_cast<double*>(worker_.copies.take(std::max<int64_t>(1, s.rows) * s.stride * 8));
    if (!s.copy) return false;
    s.whole.dtype == ASSAY_F32 ? copy_in<float>(s) : copy_in<double>(s);
    const bool frozen = b.decl.side >= 0 && frame_.model->frozen[b.decl.side];
    s.commits = (a.access & ASSAY_OUT) && !frozen;
    v.data = s.copy;
    v.stride = s.stride;
    slices_[n_slices_++] = s;
    return true;
  }

  int32_t call(GridReader& reader) {
    worker_.ctx.scratch.reset();
    worker_.ctx.tile = &reader;
    worker_.ctx.first = grid_.row(row_run_);
    worker_.ctx.first_column = grid_.col(col_run_);
    assay_block block = block_of(frame_, line_, worker_, views_);
    block.axis = ASSAY_ROWS;
    block.first = grid_.row(row_run_);
    block.count = grid_.row(row_run_ + 1) - block.first;
    block.part0 = static_cast<int32_t>(grid_.col(col_run_));
    block.part1 = static_cast<int32_t>(grid_.col(col_run_ + 1));
    const int32_t status = call_function(frame_, line_, worker_, block);
    worker_.ctx.tile = nullptr;
    worker_.ctx.first = 0;
    worker_.ctx.first_column = -1;
    return status;
  }

  int32_t commit() {
    for (int s = 0; s < n_slices_; ++s)
      if (slices_[s].commits && !finite(slices_[s])) return not_finite(frame_, line_, worker_);
    for (int s = 0; s < n_slices_; ++s)
      if (slices_[s].commits)
        slices_[s].whole.dtype == ASSAY_F32 ? copy_out<float>(slices_[s])
                                            : copy_out<double>(slices_[s]);
    return ASSAY_OK;
  }

  const Frame& frame_;
  const Line& line_;
  const Grid& grid_;
  Worker& worker_;
  double* partial_;
  int64_t row_run_, col_run_;
  assay_view views_[64];
  Slice slices_[64];
  int n_slices_ = 0;
};

}  // namespace

GridReader::GridReader(bool weighted)
    : weighted_(weighted), rows_(kChunk), cols_(kChunk), x_(kChunk), w_(weighted ? kChunk : 0) {}

int64_t GridReader::next(const Grid& grid, int64_t row_run, int64_t col_run, const Shuffle& order) {
  const int64_t places = grid.places(row_run, col_run);
  leaves_zeros_ = grid.leaves_zeros();
  for (n_ = 0; n_ == 0 && from_ < places;) {
    const int64_t count = std::min(kChunk, places - from_);
    n_ = grid.read(row_run, col_run, order, from_, count, rows_.data(), cols_.data(), x_.data(),
                   w_.data());
    from_ += count;
  }
  return n_;
}

int32_t GridReader::line(int64_t, assay_line*) { return ASSAY_E_ARGUMENT; }

int32_t GridReader::entries(assay_entries* out) {
  *out = {sizeof(assay_entries),
          leaves_zeros_ ? uint32_t{ASSAY_ENTRIES_WITHOUT_ZEROS} : 0u,
          n_,
          rows_.data(),
          cols_.data(),
          x_.data(),
          weighted_ ? w_.data() : nullptr};
  return ASSAY_OK;
}

int32_t run_grid(const Frame& frame, const Stage& stage, int lane, Worker& w, double* partial) {
  if (stage.round > 0 && lane == 0 && stage.partial > 0)
    std::copy_n((&stage - 1)->root.data(), stage.partial, partial);
  const int64_t blocks = stage.grid->blocks();
  const int64_t last = blocks * (lane + 1) / stage.lanes;
  for (int64_t b = blocks * lane / stage.lanes; b < last; ++b) {
    Block block(frame, stage, stage.ops.front(), w, partial, b);
    if (const int32_t status = block.run(); status != ASSAY_OK) return status;
  }
  return ASSAY_OK;
}

}  // namespace assay::graph
