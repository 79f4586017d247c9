// SPDX-License-Identifier: Apache-2.0
// How a sweep is cut: tile rows, lanes, and the estimate that decides between inline and the task
// graph. Constants of the release, never of the machine, so that bits depend on shapes only.
#include <algorithm>
#include <bit>
#include <cmath>

#include "core/graph/lines.hpp"
#include "core/graph/ops.hpp"

namespace assay::graph {

namespace {

constexpr int64_t kTileBytes =
    416 * 1024;  // X_t stays in a second-level cache between two products
constexpr int64_t kSparseTileBytes = 256 * 1024;
constexpr int64_t kMostTile = 256;  // rows; tile memory of LOCALs stays small
constexpr int kMostLanes = 256;
constexpr double kLaneBytes = 32.0 * 1024 * 1024;   // all partials of one sweep together
constexpr double kBandwidth = 40e9, kPeak = 100e9;  // bytes/s and flop/s of the estimate

constexpr int64_t kMostGridLanes = 64;
constexpr double kGridSlowness = 20;

int64_t round8(int64_t v) { return std::max<int64_t>(8, v / 8 * 8); }

constexpr int64_t kSquareBytes =
    1024 * 1024;  // of a tile of X'X: more rows, fewer visits of the sums
constexpr int64_t kMatrixBytes = 1024 * 1024;  // Gram matrices of a tile's lines together

// Rows of a tile: X_t within the cache, at least 16 tiles where the axis is long enough.
int64_t tile_length(const Layout& layout,
                    const Stage& stage,
                    const data::Data& x,
                    int64_t element_bytes,
                    bool zeros_closed) {
  int64_t tile = kMostTile;
  if (stage.reads_x) {
    if (x.sparse) {
      const double per_line =
          static_cast<double>(x.csr.nnz) / static_cast<double>(std::max<int64_t>(1, stage.length));
      tile = static_cast<int64_t>(static_cast<double>(kSparseTileBytes) /
                                  std::max(1.0, per_line * 12.0));
    } else if (stage.axis == ASSAY_ROWS) {
      tile = kTileBytes / std::max<int64_t>(1, x.cols * element_bytes);
    } else {
      tile = 64;  // a strided panel: whole cache lines of each row
    }
  }
  for (const Op& op : stage.ops) {
    const bool lines = op.reads_x && (op.kind == OpKind::kNormals || op.kind == OpKind::kEach);
    if (lines && stage.axis == ASSAY_COLS && (!x.sparse || op.densify))
      tile = std::min(tile, LineReader::most_columns(x));
    // A function that walks lines of sparse X may have to keep something for each of its zeros.
    if (op.kind == OpKind::kEach && op.reads_x && x.sparse && x.unstored_zero && !zeros_closed)
      tile = std::min(tile, LineReader::most_lines(stage.axis == ASSAY_ROWS ? x.cols : x.rows));
    if (op.kind == OpKind::kSquare)
      tile = std::max(tile, std::min(kMostTile, kSquareBytes / std::max<int64_t>(1, 8 * x.cols)));
    if (op.kind == OpKind::kNormals)
      tile = std::min(tile, kMatrixBytes / (8 * layout.buffers[static_cast<size_t>(op.out1)].ld));
  }
  // Of a batch fewer tiles: each adds to the sums once.
  const int64_t most =
      (stage.length / (stage.batch > 0 && stage.axis == ASSAY_ROWS ? 4 : 16) + 7) / 8 * 8;
  return round8(std::min({tile, kMostTile, std::max<int64_t>(8, most)}));
}

int lane_count(const Stage& stage, double x_bytes) {
  const double partial = 8.0 * static_cast<double>(stage.partial);
  const int64_t half = std::max<int64_t>(1, stage.batch > 0 ? stage.tiles : stage.tiles / 2);
  auto lanes =
      static_cast<int>(std::bit_floor(static_cast<uint64_t>(std::min<int64_t>(half, kMostLanes))));
  const double budget = stage.reads_x ? std::min(kLaneBytes, x_bytes / 16) : kLaneBytes / 8;
  while (lanes > 4 && lanes * partial > budget) lanes /= 2;
  while (lanes > 1 && lanes * partial > kLaneBytes) lanes /= 2;
  return lanes;
}

// A round of a grid visits one entry in `blocks`, a place at a time: far from peak.
void size_round(Stage& stage, const data::Data& x) {
  stage.length = stage.tiles = stage.blocks;
  stage.lanes = static_cast<int>(
      std::bit_floor(static_cast<uint64_t>(std::min(stage.blocks, kMostGridLanes))));
  stage.x_bytes = static_cast<double>(x.bytes()) / static_cast<double>(stage.blocks);
  for (const Op& op : stage.ops) stage.flops += op.flops;
  stage.seconds = kGridSlowness * stage.flops / kPeak;
}

}  // namespace

void size_stages(Layout& layout,
                 const Model& model,
                 const PlanOptions& options,
                 int64_t element_bytes) {
  const data::Data& x = *model.x;
  const bool zeros_closed = model.loss && model.loss->facts().zero_term != ASSAY_ZERO_NONE;
  for (Stage& stage : layout.stages) {
    if (stage.blocks > 0) {
      size_round(stage, x);
      continue;
    }
    if (stage.axis != ASSAY_ONE) {
      stage.length = stage.axis == ASSAY_ROWS ? x.rows : x.cols;
      if (stage.batch > 0 && stage.axis == ASSAY_ROWS) stage.length = std::min(stage.batch, x.rows);
      stage.tile = tile_length(layout, stage, x, element_bytes, zeros_closed);
      if (options.force.tile_rows > 0) stage.tile = options.force.tile_rows;
      stage.tiles = (stage.length + stage.tile - 1) / stage.tile;
    }
    stage.x_bytes = stage.reads_x ? static_cast<double>(x.bytes()) : 0;
    for (const Op& op : stage.ops) stage.flops += op.flops;
    if (stage.batch > 0) {  // its share of a step's work
      stage.times = std::ceil(static_cast<double>(x.rows) / static_cast<double>(stage.batch));
      stage.x_bytes /= stage.times;
      if (stage.reads_x || stage.axis == ASSAY_ROWS) stage.flops /= stage.times;
    }
    stage.lanes = lane_count(stage, stage.x_bytes);
    if (options.force.lanes > 0)
      stage.lanes = static_cast<int>(
          std::bit_floor(static_cast<uint64_t>(std::min(stage.tiles, options.force.lanes))));
    stage.seconds = std::max(stage.x_bytes / kBandwidth, stage.flops / kPeak);
  }
}

}  // namespace assay::graph
