// SPDX-License-Identifier: Apache-2.0
// One lane of one sweep: its tiles in order, every op on each, sums into the lane's partial. Runs
// on any worker.
#pragma once

#include <memory>
#include <mutex>

#include "core/data/tile.hpp"
#include "core/graph/lines.hpp"
#include "core/graph/ops.hpp"
#include "core/plugin/context.hpp"

namespace assay::graph {

class Window;

// What a step is run with; shared by all lanes.
struct Frame {
  const Program::Body* program = nullptr;
  Layout* layout = nullptr;
  Model* model = nullptr;
  const data::Data* x = nullptr;   // the model's, or a window's
  const Window* window = nullptr;  // where rows are a window's
  const data::Lines* csc = nullptr;
  kernels::Isa isa = kernels::Isa::kBaseline;
  int32_t compute = ASSAY_F64;
  const AlignedArray<double>* given[5] = {};
  bool measure = false;
  bool prime = false;               // only the ops that ride ahead
  int64_t step = 0, turn = 0;       // as blocks see them
  int64_t first_row = 0, rows = 0;  // the rows of X that sweeps see: all, or a batch
};

// Memory of one worker: a tile of X, of weights, of LOCALs, and a call context. Sized once.
struct Worker {
  assay_ctx ctx;
  plugin::Scratch copies;  // arguments of each
  AlignedArray<unsigned char> x, weights, powers, square, slice[3], result[2], transposed, scratch,
      normals;
  std::unique_ptr<plugin::TileSource> grid;  // a GridReader, where the plan has a grid
  AlignedArray<double> tiles, line_values;
  std::unique_ptr<LineReader> lines;  // where an op walks X line by line
};

class Lanes {
 public:
  virtual ~Lanes() = default;
  // Plans the images and the workers' memory.
  virtual void size(Worker& worker) const = 0;
  // Refreshes the images of whole operands.
  virtual void start(Stage& stage) const = 0;
  // Zeroes partial and runs the lane into it. 0 or the status of what failed; the reason is in
  // worker.ctx.
  virtual int32_t run(const Stage& stage, int lane, Worker& worker, double* partial) const = 0;
};

// For the element type of frame.compute. The frame must outlive it.
std::unique_ptr<Lanes> make_lanes(Frame& frame);

// left += right, as each range's role says; the tree's only operation.
void combine(const Stage& stage, double* left, const double* right);
void clear(const Stage& stage, double* partial);

// Base address, element type and row length of a buffer that is not tile memory.
struct Whole {
  const void* data = nullptr;
  int32_t dtype = ASSAY_F64;
  int64_t ld = 0;
};
Whole whole(const Frame& frame, int buffer);
// Of a 1 x 1 buffer on ONE.
double scalar(const Frame& frame, int buffer);

// Calls an each's function on a block: copies in, call, finite check, commit.
struct EachCall {
  const Frame* frame;
  const Stage* stage;
  const Op* op;
  Worker* worker;
  double* partial;
  int64_t first, count;
};
int32_t run_each(const EachCall& call);

}  // namespace assay::graph
