// SPDX-License-Identifier: Apache-2.0
// The tile loop: every op of a sweep on every tile of a lane. X_t is loaded once (or read where it
// lies) and stays in cache for all ops of the tile.
#include "core/graph/grid.hpp"
#include "core/graph/tile_lanes.hpp"
#include "core/graph/window.hpp"

namespace assay::graph {

template <class T>
TypedLanes<T>::TypedLanes(Frame& frame)
    : frame_(frame), kernels_(kernels::table<T>(frame.isa)), x_(*frame.x) {
  if (frame.model->loss) {
    loss_ = frame.model->loss->template functions<T>();
    wide_ = frame.model->loss->template functions<double>();
    if constexpr (std::is_same_v<T, float>) loss_.wide = &wide_;
    // Functions in double only.
    const auto widened = [&](kernels::LossFunctions<T>& f,
                             const kernels::LossFunctions<double>& wide) {
      if constexpr (std::is_same_v<T, float>) {
        f.m_lo = loss_.m_lo;
        f.m_hi = loss_.m_hi;
        f.wide = &wide;
      } else {
        f = wide;
      }
    };
    if (frame.model->loss->has_log_density()) {
      wide_density_ = frame.model->loss->density();
      widened(density_, wide_density_);
    }
    if (frame.model->loss->has_link()) {
      wide_at_mean_ = frame.model->loss->squared_at_mean();
      widened(at_mean_, wide_at_mean_);
    }
  }
  squared_.tag = ASSAY_TAG_SQUARED;
  weighted_ = x_.weighted() || x_.mask != nullptr;
  longest_ = longest_line();
  plan_images();
}

template <class T>
void TypedLanes<T>::size(Worker& w) const {
  int64_t x = 0, slice = 0, tile_doubles = 0, transposed = 0, scratch = 0;
  int64_t longest_tile = 1;
  int64_t square = 0, line_rows = 0, line_cols = 0,
          normals = 0;  // tiles of what walks X line by line
  bool powers = false, loads = false, every_zero = false;
  const int64_t longest = longest_;
  for (const Stage& stage : frame_.layout->stages) {
    int64_t per_row = 0;
    if (stage.grid && !w.grid) w.grid = std::make_unique<GridReader>(stage.grid->weighted());
    longest_tile = std::max(longest_tile, stage.tile);
    for (size_t b = 0; b < frame_.layout->buffers.size(); ++b) {
      PlanBuffer& p = frame_.layout->buffers[b];
      if (!p.matrices) slice = std::max(slice, stage.tile * kernels::padded<T>(p.decl.width));
      if (p.place != Place::kTile ||
          p.first_stage != static_cast<int>(&stage - frame_.layout->stages.data()))
        continue;
      p.offset = per_row;
      per_row += p.ld;
    }
    tile_doubles = std::max(tile_doubles, per_row * stage.tile);
    for (const Op& op : stage.ops) {
      if (!op.reads_x || op.kind == OpKind::kGrid) continue;
      if (op.kind == OpKind::kNormals || op.kind == OpKind::kEach) {
        const bool rows = stage.axis == ASSAY_ROWS;
        (rows ? line_rows : line_cols) = std::max(rows ? line_rows : line_cols, stage.tile);
        every_zero = every_zero || op.densify;
        if (op.kind == OpKind::kNormals)
          normals = std::max(normals, normals_scratch(width(op.left), normals_length(op)));
        continue;
      }
      if (op.kind == OpKind::kSquare) {
        square = std::max(square, square_elements(op, stage));
        continue;
      }
      powers = powers || op.power != 1;
      const bool sparse = x_.sparse && !op.densify;
      if (!sparse) {
        x = std::max(x, stage.axis == ASSAY_ROWS ? stage.tile * kernels::padded<T>(x_.cols)
                                                 : chunk(stage) * kernels::padded<T>(stage.tile));
        loads = loads || op.densify || op.power != 1 || data::direct<T>(x_, 0, 0) == nullptr;
      }
      slice =
          std::max(slice, (stage.axis == ASSAY_ROWS ? stage.tile : chunk(stage)) * width_pad(op));
      const int64_t k = width(op.kind == OpKind::kTerms ? op.left : op.right);
      if (sparse) scratch = std::max(scratch, kernels::sparse_scratch<T>(k, longest));
      if (op.kind == OpKind::kTerms) {
        transposed = std::max(transposed, k * kernels::padded<T>(stage.tile));
        if (!sparse) scratch = std::max(scratch, kernels::terms_scratch<T>(k));
      }
    }
  }
  const auto bytes = [](int64_t n) {
    return AlignedArray<unsigned char>(n * static_cast<int64_t>(sizeof(T)));
  };
  if (loads) w.x = bytes(x);
  w.square = bytes(square);
  if (weighted_) w.weights = bytes(x);
  if (powers) w.powers = bytes(x);
  for (auto& s : w.slice) s = bytes(slice);
  for (auto& r : w.result) r = bytes(slice);
  w.transposed = bytes(transposed);
  w.scratch = bytes(scratch);
  w.tiles = AlignedArray<double>(tile_doubles);
  w.line_values = AlignedArray<double>(longest_tile);
  w.normals = AlignedArray<unsigned char>(normals);
  if (line_rows > 0 || line_cols > 0)
    w.lines = std::make_unique<LineReader>(x_, frame_.csc, line_rows, line_cols, every_zero,
                                           frame_.isa, dtype_of<T>());
}

template <class T>
void TypedLanes<T>::start(Stage& stage) const {
  for (Image& image : stage.images) {
    const PlanBuffer& b = buffer(image.buffer);
    const Whole from = whole(frame_, image.buffer);
    // In batches of rows only the batch's are read.
    const int64_t first = b.decl.axis == ASSAY_ROWS ? frame_.first_row : 0,
                  rows = b.decl.axis == ASSAY_ROWS ? frame_.rows : b.decl.rows;
    if (image.f64) {
      convert(static_cast<const float*>(from.data) + first * from.ld, from.ld, rows, b.decl.width,
              reinterpret_cast<double*>(image.bytes.data()) + first * image.ld, image.ld);
      continue;
    }
    auto* to = reinterpret_cast<T*>(image.bytes.data());
    if (image.transposed) {
      if (from.dtype == dtype_of<T>()) {
        kernels_.image(b.decl.rows, b.decl.width, static_cast<const T*>(from.data), from.ld, to,
                       image.ld);
      } else {
        for (int64_t i = 0; i < b.decl.rows; ++i)
          for (int64_t a = 0; a < b.decl.width; ++a) to[a * image.ld + i] = element(from, i, a);
      }
    } else if (from.dtype == ASSAY_F32) {
      convert(static_cast<const float*>(from.data) + first * from.ld, from.ld, rows, b.decl.width,
              to + first * image.ld, image.ld);
    } else {
      convert(static_cast<const double*>(from.data) + first * from.ld, from.ld, rows, b.decl.width,
              to + first * image.ld, image.ld);
    }
  }
}

template <class T>
int32_t TypedLanes<T>::run(const Stage& stage, int lane, Worker& w, double* partial) const {
  clear(stage, partial);
  if (stage.grid) return run_grid(frame_, stage, lane, w, partial);
  const bool rows = stage.axis == ASSAY_ROWS;
  const int64_t origin = rows ? frame_.first_row : 0, length = rows ? frame_.rows : stage.length,
                tiles = (length + stage.tile - 1) / stage.tile;
  if (w.lines) w.lines->forget();
  const int64_t begin = tiles * lane / stage.lanes, end = tiles * (lane + 1) / stage.lanes;
  for (int64_t t = begin; t < end; ++t) {
    Tile tile{&stage, &w, partial, origin + t * stage.tile, 0, nullptr, 0, nullptr, 0};
    tile.count = std::min(stage.tile, origin + length - tile.first);
    for (const Op& op : stage.ops) {
      if (frame_.prime && !op.next) continue;
      if (op.only_measured && !measured(op) && op.kind != OpKind::kTerms) continue;
      if (const int32_t status = run_op(op, tile); status != ASSAY_OK) return status;
    }
  }
  return ASSAY_OK;
}

template <class T>
int TypedLanes<T>::add_image(Stage& stage, int b, bool transposed, bool f64) const {
  const PlanBuffer& p = buffer(b);
  if (!transposed && !f64 && p.place != Place::kGiven) {
    const int32_t dtype = p.place == Place::kModel ? p.model->dtype : ASSAY_F64;
    if (dtype == dtype_of<T>() && p.ld % kernels::pad<T>() == 0) return -1;  // read where it lies
  }
  for (size_t i = 0; i < stage.images.size(); ++i)
    if (stage.images[i].buffer == b && stage.images[i].transposed == transposed &&
        stage.images[i].f64 == f64)
      return static_cast<int>(i);
  Image image;
  image.buffer = b;
  image.transposed = transposed;
  image.f64 = f64;
  const int64_t rows = p.decl.rows, w = p.decl.width;
  image.ld = f64          ? kernels::padded<double>(w)
             : transposed ? kernels::padded<T>(rows)
                          : kernels::padded<T>(w);
  image.bytes = AlignedArray<unsigned char>((transposed ? w : rows) * image.ld *
                                            static_cast<int64_t>(f64 ? sizeof(double) : sizeof(T)));
  stage.images.push_back(std::move(image));
  return static_cast<int>(stage.images.size()) - 1;
}

template <class T>
void TypedLanes<T>::plan_images() const {
  for (Stage& stage : frame_.layout->stages) {
    for (Op& op : stage.ops) {
      const auto image = [&](int b) {
        return b >= 0 && buffer(b).decl.axis != op.axis ? add_image(stage, b, false, false) : -1;
      };
      switch (op.kind) {
        case OpKind::kProduct:
          op.right_image = image(op.right);
          break;
        case OpKind::kNormals:
          op.left_image = image(op.left);
          op.right_image = image(op.right);
          break;
        case OpKind::kSmall:
          op.right_image =
              op.transposed ? add_image(stage, op.right, true, false) : image(op.right);
          break;
        case OpKind::kTerms:
          op.left_image = image(op.left);
          op.right_image = image(op.right);
          if ((!x_.sparse || op.densify) && op.axis == ASSAY_ROWS)
            op.transposed_image = add_image(stage, op.right, true, false);
          break;
        case OpKind::kEach:
          for (const assay_arg& a : op.line.args)
            if (buffer(a.buffer).decl.axis != op.axis && buffer(a.buffer).place == Place::kModel &&
                buffer(a.buffer).model->dtype == ASSAY_F32)
              add_image(stage, a.buffer, false, true);
          break;
        default:
          break;
      }
    }
  }
}

template <class T>
int32_t TypedLanes<T>::run_op(const Op& op, Tile& t) const {
  switch (op.kind) {
    case OpKind::kProduct:
      run_product(op, t);
      return ASSAY_OK;
    case OpKind::kSquare:
      run_square(op, t);
      return ASSAY_OK;
    case OpKind::kSquareWhole:
      whole_square(op);
      return ASSAY_OK;
    case OpKind::kLabels:
      add_labels(op, t);
      return ASSAY_OK;
    case OpKind::kTurn:
      turn(op, t);
      return ASSAY_OK;
    case OpKind::kGather:
      gather(op);
      return ASSAY_OK;
    case OpKind::kTerms:
      return run_terms(op, t);
    case OpKind::kNormals:
      return run_normals(op, t);
    case OpKind::kSmall:
    case OpKind::kFill:
    case OpKind::kGram:
    case OpKind::kColSum:
    case OpKind::kDot:
    case OpKind::kSubtract:
    case OpKind::kAdd:
      run_small(op, t);
      return ASSAY_OK;
    case OpKind::kCombine: {
      double sum = op.constant;
      for (const auto& [b, c] : op.inputs)
        sum += c * *static_cast<const double*>(whole(frame_, b).data);
      *static_cast<double*>(const_cast<void*>(whole(frame_, op.out0).data)) = sum;
      return ASSAY_OK;
    }
    case OpKind::kGrid:
      break;  // a stage of its own
    case OpKind::kEach:
      return run_each({&frame_, t.stage, &op, t.w, t.partial, t.first, t.count});
  }
  return ASSAY_E_INTERNAL;
}

Whole whole(const Frame& frame, int b) {
  const PlanBuffer& p = frame.layout->buffers[static_cast<size_t>(b)];
  if (frame.window && frame.window->gathered(b).data) return frame.window->gathered(b);
  switch (p.place) {
    case Place::kModel:
      return {p.model->bytes.data(), p.model->dtype, p.model->ld};
    case Place::kGiven:
      return {frame.given[p.decl.given]->data(), ASSAY_F64, 1};
    case Place::kStat:
      return {frame.layout->stages[static_cast<size_t>(p.stage)].root.data() + p.offset, ASSAY_F64,
              p.ld};
    default:
      return {p.stored.bytes.data(), p.stored.dtype, p.stored.ld};
  }
}

double scalar(const Frame& frame, int b) {
  const Whole w = whole(frame, b);
  switch (w.dtype) {
    case ASSAY_F32:
      return static_cast<double>(*static_cast<const float*>(w.data));
    case ASSAY_I32:
      return static_cast<double>(*static_cast<const int32_t*>(w.data));
    case ASSAY_I64:
      return static_cast<double>(*static_cast<const int64_t*>(w.data));
    default:
      return *static_cast<const double*>(w.data);
  }
}

// Keys of b among those of a.
void merge_smallest(const StatRange& r, double* a, const double* b) {
  const assay_view view = {a, r.size / r.ld, 2, r.ld, 0, ASSAY_F64, 0};
  for (int64_t at = 0; at + 1 < r.size && b[at + 1] >= 0; at += r.ld)
    assay_smallest_add(&view, b[at], static_cast<int64_t>(b[at + 1]));
}

void combine(const Stage& stage, double* left, const double* right) {
  for (const StatRange& r : stage.ranges) {
    double* a = left + r.first;
    const double* b = right + r.first;
    if (r.role == ASSAY_SMALLEST)
      merge_smallest(r, a, b);
    else if (r.role == ASSAY_MIN)
      for (int64_t i = 0; i < r.size; ++i) a[i] = std::min(a[i], b[i]);
    else if (r.role == ASSAY_MAX)
      for (int64_t i = 0; i < r.size; ++i) a[i] = std::max(a[i], b[i]);
    else
      for (int64_t i = 0; i < r.size; ++i) a[i] += b[i];
  }
}

void clear(const Stage& stage, double* partial) {
  for (const StatRange& r : stage.ranges) {
    const double v = r.role == ASSAY_MIN   ? std::numeric_limits<double>::infinity()
                     : r.role == ASSAY_MAX ? -std::numeric_limits<double>::infinity()
                                           : 0.0;
    std::fill_n(partial + r.first, r.size, v);
    if (r.role != ASSAY_SMALLEST) continue;
    for (int64_t at = 0; at + 1 < r.size; at += r.ld) {
      partial[r.first + at] = std::numeric_limits<double>::infinity();
      partial[r.first + at + 1] = -1;
    }
  }
}

std::unique_ptr<Lanes> make_lanes(Frame& frame) {
  if (frame.compute == ASSAY_F32) return std::make_unique<TypedLanes<float>>(frame);
  return std::make_unique<TypedLanes<double>>(frame);
}

}  // namespace assay::graph
