// SPDX-License-Identifier: Apache-2.0
// The plan's inside: buffers with a place, ops (what a tile does) and stages (sweeps over one
// axis). Filled by sweeps.cpp and stages.cpp, run by tile.cpp.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/graph/program.hpp"
#include "core/kernels/kernels.hpp"

namespace assay::graph {

class Grid;

// Axis of a round of a grid: its lanes are runs of blocks.
constexpr int32_t kBlocks = 3;

// Behind the read-only buffers a program may ask for: the shift of each column.
constexpr int32_t kGivenShift = 4;

// Where a buffer of the plan lives.
enum class Place {
  kModel,   // model.factor or model.state
  kGiven,   // one of the host's arrays
  kTile,    // a LOCAL that lives within one sweep: worker memory, count x ld
  kStored,  // a LOCAL that crosses sweeps, or lives on ONE: plan memory
  kStat     // a sum: the root partial of the stage that makes it
};

struct PlanBuffer {
  BufferDecl decl;
  Place place = Place::kStored;
  int64_t ld = 0;           // elements; float64 unless place is kModel
  Buffer* model = nullptr;  // kModel
  const double* given = nullptr;
  Buffer stored;       // kStored
  int64_t offset = 0;  // kTile: elements into a worker's tile memory per row; kStat: elements into
                       // the stage's partial
  int stage = -1;      // kStat: which stage makes it
  int first_stage = -1, last_stage = -1;  // of ops that touch it
  int shared = -1;  // a gram of normals that is one matrix for all rows: which buffer holds it
  bool matrices = false;  // a gram of normals: rows are k x k, k the width of buffer `like`
  int like = -1;
};

enum class OpKind {
  kProduct,      // out = X right (own axis) or, carried, stat = X' left
  kSquare,       // stat: the lower half of X'X (rows) or X X' (columns)
  kLabels,       // stat (clusters x d): each row of X in the sums of the clusters it is in
  kTurn,         // out = extra', a matrix on ONE
  kGather,       // ONE: rows of X whose indices are in left
  kSquareWhole,  // ONE: both halves of it, with the view where entries were taken as stored
  kSmall,        // out (+)= scale * left G (or G'), G on ONE
  kFill,      // out (+)= scale * row weight * vector (1 x k on ONE): the zero term of a linear loss
  kGram,      // stat = left' right (weighted by a host array when `weight` >= 0)
  kColSum,    // stat (1 x k) = column sums of left, weighted likewise
  kTerms,     // the loss at M contracted: own or carried
  kNormals,   // normal equations of each line by itself: out0 = right sides, out1 = matrices
  kDot,       // stat (1 x 1) = scale * <left, right> + scale1 * <left, extra>
  kCombine,   // ONE: out = sum of inputs + constant
  kSubtract,  // out = extra - out: gradient from the two halves
  kAdd,       // out += extra
  kEach,
  kGrid  // a round of a grid, alone in its stage
};

struct Op {
  OpKind kind = OpKind::kEach;
  int32_t axis = ASSAY_ONE;  // of the sweep it runs in
  bool reads_x = false;
  bool next = false;           // rides at the end of a step for the next one (rotate.cpp)
  bool carried = false;        // results are sums on the other axis
  bool only_measured = false;  // run when the step is measured
  bool densify = false;        // kTerms on sparse X: tiles are made dense
  bool as_stored = false;      // kSquare: of the entries before the view, and their column sums
  bool by_shift = false;       // kFill: times the shift of the column
  int left = -1, right = -1, extra = -1;
  int out0 = -1, out1 = -1, value = -1;
  int32_t what = ASSAY_MU;
  int power = 1;  // kProduct: of X's entries (2: squares, 0: pattern, or kAbsolute)
  bool squared_loss = false, log_density = false;  // kTerms: in place of the model's loss
  bool at_mean = false;  // kTerms of the squared loss: of x and the mean that the loss links to m
  int32_t zero_term = ASSAY_ZERO_NONE;
  double zero_a = 0;
  double scale = 1, scale1 = 0, constant = 0;
  bool accumulate = false;
  bool line_value = false;        // value is a LOCAL: a number per row (column), not a sum
  bool accumulate_value = false;  // line_value: onto what the zero term left there
  int weight = -1;                // host array on the sweep's axis that weighs rows, or -1
  bool transposed = false;        // kSmall: G'
  std::vector<std::pair<int, double>> inputs;  // kCombine
  Line line;                                   // kEach
  std::string name;
  // Images of operands this op reads whole, made when its stage starts: index into the stage's
  // images, or -1.
  int left_image = -1, right_image = -1, transposed_image = -1;
  double flops = 0;
};

// A copy of a whole operand in the run's element type (or transposed), refreshed when its stage
// starts.
struct Image {
  int buffer = -1;
  bool transposed = false;
  bool f64 = false;  // for each: whole arguments are float64
  int64_t ld = 0;
  AlignedArray<unsigned char> bytes;
};

struct StatRange {
  int64_t first, size;
  int32_t role;    // SUM, MIN, MAX, SMALLEST
  int64_t ld = 1;  // of its lines
};

// One sweep over an axis (or one call on ONE): tiles cut into lanes, a partial of statistics per
// lane, one tree.
struct Stage {
  int32_t axis = ASSAY_ONE;
  bool reads_x = false;
  std::vector<Op> ops;
  std::vector<Image> images;
  int64_t length = 1, tile = 1, tiles = 1;
  int lanes = 1;
  int64_t partial = 0;  // doubles
  std::vector<StatRange> ranges;
  std::vector<int> stats;  // buffers it makes
  AlignedArray<double> root;
  double flops = 0, x_bytes = 0;
  double seconds = 0;     // estimate
  int64_t batch = 0;      // rows of X it sees at a time; 0: all
  bool windowed = false;  // these are shuffled rows, gathered in a Window
  int64_t blocks = 0;     // a round of a grid: how many a side
  int64_t round = 0;
  std::shared_ptr<const Grid> grid;
  double times = 1;  // that it runs in a step: once a batch; a loop's turns count once
};

// The order sweeps run in: a run of them, or a body that runs more than once.
struct Control {
  enum class Kind { kRun, kLoop, kBatches } kind = Kind::kRun;
  int first = 0, last = 0;  // kRun: stages first .. last - 1
  int until = -1;           // kLoop: 1 x 1 buffer, or -1
  int64_t count = 0;        // kLoop: most turns; kBatches: rows of a batch
  bool shuffled = false;    // kBatches: runs of rows
  bool windowed = false;    // kBatches: single rows
  uint64_t stream = 0;
  std::vector<Control> body;
};

struct Layout {
  std::vector<PlanBuffer> buffers;
  std::vector<Stage> stages;
  std::vector<Control> control;  // of all stages, in order
  std::vector<std::pair<std::string, int>> reports;
  // The loss at the entering factors: sum of scalars, on measured steps; empty when the program has
  // no such terms.
  std::vector<std::pair<int, double>> entering;
  double entering_constant = 0;
  bool entering_free = false;  // out of the step's own products
  int rotated = -1;            // the sweep that carries the next step's first one, or -1
  bool needs_csc = false;
  std::vector<std::string> remarks;  // said once in the log
};

// Program -> ops -> stages -> tiles and lanes. A function of shapes, storage, program, budgets and
// `force`, never of threads.
Expected<Layout> make_layout(const Program::Body& program,
                             Model& model,
                             const PlanOptions& options);

// Lets the first sweep ride at the end of the last, for a program that is run again and again.
void rotate(Layout& layout, const Model& model);

// Sizes the sweeps: tile rows, lanes, estimates.
void size_stages(Layout& layout,
                 const Model& model,
                 const PlanOptions& options,
                 int64_t element_bytes);

}  // namespace assay::graph
