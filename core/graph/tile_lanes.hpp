// SPDX-License-Identifier: Apache-2.0
// The lanes for one element type: what every op of a tile needs to reach its operands and X.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/graph/tile.hpp"

namespace assay::graph {

constexpr int64_t kPanelBytes = 256 * 1024;  // a chunk of rows of a strided panel

template <class T>
constexpr int32_t dtype_of() {
  return std::is_same_v<T, float> ? ASSAY_F32 : ASSAY_F64;
}

template <class To, class From>
void convert(const From* from, int64_t ld, int64_t rows, int64_t width, To* to, int64_t ldt) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < width; ++j) to[i * ldt + j] = static_cast<To>(from[i * ld + j]);
    for (int64_t j = width; j < ldt; ++j) to[i * ldt + j] = To(0);
  }
}

template <class T>
class TypedLanes final : public Lanes {
 public:
  explicit TypedLanes(Frame& frame);
  void size(Worker& w) const override;
  void start(Stage& stage) const override;
  int32_t run(const Stage& stage, int lane, Worker& w, double* partial) const override;

 private:
  struct Tile {
    const Stage* stage;
    Worker* w;
    double* partial;
    int64_t first, count;
    const T* x;  // rows of X, once loaded
    int64_t ldx;
    const T* weights;
    int64_t ldw;
  };

  // What rides ahead is measured only when it is run for a step that is.
  bool measured(const Op& op) const { return frame_.measure && (!op.next || frame_.prime); }
  const PlanBuffer& buffer(int b) const { return frame_.layout->buffers[static_cast<size_t>(b)]; }
  int64_t width(int b) const { return buffer(b).decl.width; }
  int64_t width_pad(const Op& op) const {
    const int b = op.left >= 0 ? op.left : op.right;
    return kernels::padded<T>(width(b));
  }
  static T element(const Whole& w, int64_t i, int64_t j) {
    return w.dtype == ASSAY_F32 ? static_cast<T>(static_cast<const float*>(w.data)[i * w.ld + j])
                                : static_cast<T>(static_cast<const double*>(w.data)[i * w.ld + j]);
  }
  int64_t chunk(const Stage& stage) const {
    return std::clamp<int64_t>(kPanelBytes / (stage.tile * static_cast<int64_t>(sizeof(T))) / 8 * 8,
                               8, 1024);
  }
  int64_t longest_line() const {
    int64_t longest = 0;
    for (const data::Lines* l : {&frame_.model->x->csr, frame_.csc})
      if (l)
        for (int64_t i = 0; i < l->lines; ++i)
          longest = std::max(longest, l->indptr[i + 1] - l->indptr[i]);
    return longest;
  }

  // ---- operands ----

  const T* whole_operand(const Stage& stage, int b, int image, int64_t& ld) const {
    if (image >= 0) {
      ld = stage.images[static_cast<size_t>(image)].ld;
      return reinterpret_cast<const T*>(stage.images[static_cast<size_t>(image)].bytes.data());
    }
    const Whole w = whole(frame_, b);
    ld = w.ld;
    return static_cast<const T*>(w.data);
  }

  double* tile_memory(const Tile& t, int b) const {
    const PlanBuffer& p = buffer(b);
    if (p.place == Place::kTile) return t.w->tiles.data() + p.offset * t.stage->tile;
    const Whole w = whole(frame_, b);
    return static_cast<double*>(const_cast<void*>(w.data)) + t.first * w.ld;
  }

  // The tile's slice of an own-axis operand in T; converted into worker memory `slot` where it is
  // stored otherwise.
  const T* slice(const Tile& t, int b, int slot, int64_t& ld) const {
    const PlanBuffer& p = buffer(b);
    Whole w =
        p.place == Place::kTile ? Whole{tile_memory(t, b), ASSAY_F64, p.ld} : whole(frame_, b);
    const int64_t first = p.place == Place::kTile ? 0 : t.first;
    if (w.dtype == dtype_of<T>() && w.ld % kernels::pad<T>() == 0) {
      ld = w.ld;
      return static_cast<const T*>(w.data) + first * w.ld;
    }
    ld = kernels::padded<T>(p.decl.width);
    T* to = reinterpret_cast<T*>(t.w->slice[slot].data());
    if (w.dtype == ASSAY_F32)
      convert(static_cast<const float*>(w.data) + first * w.ld, w.ld, t.count, p.decl.width, to,
              ld);
    else
      convert(static_cast<const double*>(w.data) + first * w.ld, w.ld, t.count, p.decl.width, to,
              ld);
    return to;
  }

  // Where a kernel writes T rows for an own-axis result: the result itself for double, else worker
  // memory to be widened.
  T* result(const Tile& t, int b, int slot, int64_t& ld) const {
    const PlanBuffer& p = buffer(b);
    if constexpr (std::is_same_v<T, double>) {
      ld = p.ld;
      return tile_memory(t, b);
    } else {
      ld = kernels::padded<T>(p.decl.width);
      return reinterpret_cast<T*>(t.w->result[slot].data());
    }
  }
  void settle(const Tile& t, int b, const T* from, int64_t ld, bool accumulate) const {
    if constexpr (!std::is_same_v<T, double>) {
      double* to = tile_memory(t, b);
      const PlanBuffer& p = buffer(b);
      for (int64_t i = 0; i < t.count; ++i)
        for (int64_t j = 0; j < p.decl.width; ++j)
          to[i * p.ld + j] =
              (accumulate ? to[i * p.ld + j] : 0.0) + static_cast<double>(from[i * ld + j]);
    } else {
      (void)t, (void)b, (void)from, (void)ld, (void)accumulate;
    }
  }

  double* statistic(const Tile& t, int b) const { return t.partial + buffer(b).offset; }

  const double* host_weights(int32_t axis) const {
    const auto& w = axis == ASSAY_ROWS ? x_.row_weights : x_.col_weights;
    return w ? w->data() : nullptr;
  }

  // ---- X ----

  void load_rows(Tile& t,
                 bool direct) const {  // ROWS sweep: rows first .. first + count, all columns
    if (t.x) return;
    if (direct) {
      if (const T* p = data::direct<T>(x_, t.first, 0)) {
        t.x = p;
        t.ldx = x_.dense.stride;
        return;
      }
    }
    t.ldx = kernels::padded<T>(x_.cols);
    T* to = reinterpret_cast<T*>(t.w->x.data());
    data::load<T>(x_, t.first, t.count, 0, x_.cols, to, t.ldx);
    t.x = to;
  }
  void load_weights(Tile& t) const {
    if (t.weights || !weighted_) return;
    t.ldw = kernels::padded<T>(x_.cols);
    T* to = reinterpret_cast<T*>(t.w->weights.data());
    data::load_weights<T>(x_, t.first, t.count, 0, x_.cols, to, t.ldw);
    t.weights = to;
  }
  const T* powered(const Tile& t,
                   const T* x,
                   int64_t& ldx,
                   int64_t r0,
                   int64_t rows,
                   int64_t c0,
                   int64_t cols,
                   int power) const {
    if (power == 1) return x;
    T* to = reinterpret_cast<T*>(t.w->powers.data());
    const int64_t ld = kernels::padded<T>(cols);
    if (power == 2) {
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) to[i * ld + j] = x[i * ldx + j] * x[i * ldx + j];
    } else if (power == kernels::kAbsolute) {
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) to[i * ld + j] = std::abs(x[i * ldx + j]);
    } else {
      data::load_weights<T>(x_, r0, rows, c0, cols, to, ld);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) to[i * ld + j] = to[i * ld + j] > T(0) ? T(1) : T(0);
    }
    ldx = ld;
    return to;
  }

  // A chunk of rows of a COLS sweep's panel.
  const T* load_panel(const Tile& t, int64_t r0, int64_t rows, int64_t& ldx) const {
    if (const T* p = data::direct<T>(x_, r0, t.first)) {
      ldx = x_.dense.stride;
      return p;
    }
    ldx = kernels::padded<T>(t.count);
    T* to = reinterpret_cast<T*>(t.w->x.data());
    data::load<T>(x_, r0, rows, t.first, t.count, to, ldx);
    return to;
  }
  void zero(const Tile& t, int b) const {
    std::memset(tile_memory(t, b), 0, static_cast<size_t>(t.count * buffer(b).ld) * sizeof(double));
  }

  kernels::SparseTile<T> lines(const Op& op, const Tile& t) const {
    const bool rows = op.axis == ASSAY_ROWS;
    const data::Lines& l = rows ? x_.csr : *frame_.csc;
    kernels::SparseTile<T> k;
    k.first = t.first;
    k.lines = t.count;
    k.indptr = l.indptr;
    k.indices = l.indices;
    k.values = l.values;
    k.dtype = l.dtype;
    k.weights = l.weights;
    const double *wr = host_weights(ASSAY_ROWS), *wc = host_weights(ASSAY_COLS);
    const double *own = rows ? wr : wc, *opposite = rows ? wc : wr;
    k.line_weights = own ? own + t.first : nullptr;
    k.index_weights = opposite;
    const double* scale = x_.scale ? x_.scale->data() : nullptr;
    k.line_scale = !rows && scale ? scale + t.first : nullptr;
    k.index_scale = rows ? scale : nullptr;
    k.zero_term = op.zero_term;
    k.zero_a = op.zero_a;
    k.scratch = reinterpret_cast<T*>(t.w->scratch.data());
    return k;
  }

  // ---- tile.cpp ----

  int add_image(Stage& stage, int b, bool transposed, bool f64) const;
  void plan_images() const;
  int32_t run_op(const Op& op, Tile& t) const;

  // ---- tile_products.cpp: products of X and of small operands, sums ----

  void run_product(const Op& op, Tile& t) const;
  void run_small(const Op& op, Tile& t) const;
  void row_product(const Op& op, Tile& t) const;
  void panel_product(const Op& op, Tile& t) const;
  template <class Fn>
  void add_rows(const Tile& t, int b, int64_t first, int64_t rows, int64_t k, const Fn& fn) const;
  void small(const Op& op, Tile& t) const;
  void fill(const Op& op, Tile& t) const;
  void gram(const Op& op, Tile& t) const;
  void colsum(const Op& op, Tile& t) const;
  void dot(const Op& op, Tile& t) const;
  void subtract(const Op& op, Tile& t) const;
  void add(const Op& op, Tile& t) const;
  void sparse_product(const Op& op, Tile& t) const;

  // ---- tile_square.cpp: X'X and X X' ----

  // Elements a worker needs for a tile of either.
  int64_t square_elements(const Op& op, const Stage& stage) const;
  void run_square(const Op& op, Tile& t) const;
  void square_of_lines(const Op& op, const Tile& t) const;
  void whole_square(const Op& op) const;

  // ---- tile_labels.cpp: sums of clusters, rows of X by index ----

  void add_labels(const Op& op, Tile& t) const;
  void turn(const Op& op, const Tile& t) const;
  void gather(const Op& op) const;
  void add_stored_row(int64_t row, double w, double* line) const;
  static int64_t index_of(const Whole& w, int64_t i, int64_t j);

  // ---- tile_normals.cpp: normal equations line by line ----

  // Most entries of a line.
  int64_t normals_length(const Op& op) const {
    if (x_.sparse && !op.densify) return std::max<int64_t>(1, longest_);
    return op.axis == ASSAY_ROWS ? x_.cols : x_.rows;
  }
  // Bytes a worker needs for lines of at most `length` entries.
  static int64_t normals_scratch(int64_t k, int64_t length);
  int32_t run_normals(const Op& op, Tile& t) const;

  // ---- tile_terms.cpp: the loss at the model, contracted ----

  int32_t run_terms(const Op& op, Tile& t) const;
  void common(const Op& op, const Tile& t, kernels::TermsTile<T>& k) const;
  void clear_results(const Op& op, const Tile& t) const;
  void own_rows(const Op& op, const Tile& t, kernels::TermsTile<T>& k) const;
  double* start_lines(const Op& op, const Tile& t) const;
  void settle_lines(const Op& op, const Tile& t) const;
  void settle_rows(const Op& op, const Tile& t, const kernels::TermsTile<T>& k) const;
  int32_t row_terms(const Op& op, Tile& t) const;
  int32_t panel_terms(const Op& op, Tile& t) const;
  int32_t sparse_terms(const Op& op, Tile& t) const;

  Frame& frame_;
  const kernels::Kernels<T>& kernels_;
  const data::Data& x_;
  kernels::LossFunctions<T> loss_, squared_, density_, at_mean_;
  // What float kernels fall back to; the first is also what normals call.
  kernels::LossFunctions<double> wide_, wide_density_, wide_at_mean_;
  bool weighted_ = false;
  int64_t longest_ = 0;  // line of sparse X
};

}  // namespace assay::graph
