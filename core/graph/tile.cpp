// SPDX-License-Identifier: Apache-2.0
// The tile loop: every op of a sweep on every tile of a lane. X_t is loaded once (or read where it
// lies) and stays in cache for all ops of the tile.
#include "core/graph/tile.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace assay::graph {

namespace {

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
  explicit TypedLanes(Frame& frame)
      : frame_(frame), kernels_(kernels::table<T>(frame.isa)), x_(*frame.model->x) {
    if (frame.model->loss) {
      loss_ = frame.model->loss->template functions<T>();
      if constexpr (std::is_same_v<T, float>) {
        wide_ = frame.model->loss->template functions<double>();
        loss_.wide = &wide_;
      }
    }
    squared_.tag = ASSAY_TAG_SQUARED;
    weighted_ = x_.weighted() || x_.mask != nullptr;
    plan_images();
  }

  void size(Worker& w) const override {
    int64_t x = 0, slice = 0, tile_doubles = 0, transposed = 0, scratch = 0;
    bool powers = false, loads = false;
    const int64_t longest = longest_line();
    for (const Stage& stage : frame_.layout->stages) {
      int64_t per_row = 0;
      for (size_t b = 0; b < frame_.layout->buffers.size(); ++b) {
        PlanBuffer& p = frame_.layout->buffers[b];
        slice = std::max(slice, stage.tile * kernels::padded<T>(p.decl.width));
        if (p.place != Place::kTile ||
            p.first_stage != static_cast<int>(&stage - frame_.layout->stages.data()))
          continue;
        p.offset = per_row;
        per_row += p.ld;
      }
      tile_doubles = std::max(tile_doubles, per_row * stage.tile);
      for (const Op& op : stage.ops) {
        if (!op.reads_x) continue;
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
    if (weighted_ && !x_.sparse) w.weights = bytes(x);
    if (powers) w.powers = bytes(x);
    for (auto& s : w.slice) s = bytes(slice);
    for (auto& r : w.result) r = bytes(slice);
    w.transposed = bytes(transposed);
    w.scratch = bytes(scratch);
    w.tiles = AlignedArray<double>(tile_doubles);
  }

  void start(Stage& stage) const override {
    for (Image& image : stage.images) {
      const PlanBuffer& b = buffer(image.buffer);
      const Whole from = whole(frame_, image.buffer);
      if (image.f64) {
        convert(static_cast<const float*>(from.data), from.ld, b.decl.rows, b.decl.width,
                reinterpret_cast<double*>(image.bytes.data()), image.ld);
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
        convert(static_cast<const float*>(from.data), from.ld, b.decl.rows, b.decl.width, to,
                image.ld);
      } else {
        convert(static_cast<const double*>(from.data), from.ld, b.decl.rows, b.decl.width, to,
                image.ld);
      }
    }
  }

  int32_t run(const Stage& stage, int lane, Worker& w, double* partial) const override {
    clear(stage, partial);
    const int64_t begin = stage.tiles * lane / stage.lanes,
                  end = stage.tiles * (lane + 1) / stage.lanes;
    for (int64_t t = begin; t < end; ++t) {
      Tile tile{&stage, &w, partial, t * stage.tile, 0, nullptr, 0, nullptr, 0};
      tile.count = std::min(stage.tile, stage.length - tile.first);
      for (const Op& op : stage.ops) {
        if (frame_.prime && !op.next) continue;
        if (op.only_measured && !measured(op) && op.kind != OpKind::kTerms) continue;
        if (const int32_t status = run_op(op, tile); status != ASSAY_OK) return status;
      }
    }
    return ASSAY_OK;
  }

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
    for (const data::Lines* l : {&x_.csr, frame_.csc})
      if (l)
        for (int64_t i = 0; i < l->lines; ++i)
          longest = std::max(longest, l->indptr[i + 1] - l->indptr[i]);
    return longest;
  }

  // ---- images ----

  int add_image(Stage& stage, int b, bool transposed, bool f64) const {
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
    image.bytes =
        AlignedArray<unsigned char>((transposed ? w : rows) * image.ld *
                                    static_cast<int64_t>(f64 ? sizeof(double) : sizeof(T)));
    stage.images.push_back(std::move(image));
    return static_cast<int>(stage.images.size()) - 1;
  }

  void plan_images() const {
    for (Stage& stage : frame_.layout->stages) {
      for (Op& op : stage.ops) {
        const auto image = [&](int b) {
          return b >= 0 && buffer(b).decl.axis != op.axis ? add_image(stage, b, false, false) : -1;
        };
        switch (op.kind) {
          case OpKind::kProduct:
          case OpKind::kSmall:
            op.right_image = image(op.right);
            break;
          case OpKind::kTerms:
            op.left_image = image(op.left);
            op.right_image = image(op.right);
            if ((!x_.sparse || op.densify) && op.axis == ASSAY_ROWS)
              op.transposed_image = add_image(stage, op.right, true, false);
            break;
          case OpKind::kEach:
            for (const assay_arg& a : op.line.args)
              if (buffer(a.buffer).decl.axis != op.axis &&
                  buffer(a.buffer).place == Place::kModel &&
                  buffer(a.buffer).model->dtype == ASSAY_F32)
                add_image(stage, a.buffer, false, true);
            break;
          default:
            break;
        }
      }
    }
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
    if (t.weights || !weighted_ || x_.sparse) return;
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

  // ---- ops ----

  int32_t run_op(const Op& op, Tile& t) const {
    switch (op.kind) {
      case OpKind::kProduct:
        if (x_.sparse && !op.densify)
          sparse_product(op, t);
        else if (op.axis == ASSAY_ROWS)
          row_product(op, t);
        else
          panel_product(op, t);
        return ASSAY_OK;
      case OpKind::kTerms:
        if (x_.sparse && !op.densify) return sparse_terms(op, t);
        return op.axis == ASSAY_ROWS ? row_terms(op, t) : panel_terms(op, t);
      case OpKind::kSmall:
        small(op, t);
        return ASSAY_OK;
      case OpKind::kFill:
        fill(op, t);
        return ASSAY_OK;
      case OpKind::kGram:
        gram(op, t);
        return ASSAY_OK;
      case OpKind::kColSum:
        colsum(op, t);
        return ASSAY_OK;
      case OpKind::kDot:
        dot(op, t);
        return ASSAY_OK;
      case OpKind::kSubtract:
        subtract(op, t);
        return ASSAY_OK;
      case OpKind::kCombine: {
        double sum = op.constant;
        for (const auto& [b, c] : op.inputs)
          sum += c * *static_cast<const double*>(whole(frame_, b).data);
        *static_cast<double*>(const_cast<void*>(whole(frame_, op.out0).data)) = sum;
        return ASSAY_OK;
      }
      case OpKind::kEach:
        return run_each({&frame_, t.stage, &op, t.w, t.partial, t.first, t.count});
    }
    return ASSAY_E_INTERNAL;
  }

  void row_product(const Op& op, Tile& t) const {
    load_rows(t, true);
    int64_t ldx = t.ldx;
    const T* x = powered(t, t.x, ldx, t.first, t.count, 0, x_.cols, op.power);
    int64_t ld = 0;
    if (op.carried) {
      const T* a = slice(t, op.right, 0, ld);
      kernels_.cols_product(t.count, x_.cols, x, ldx, a, ld, kernels::padded<T>(width(op.right)),
                            statistic(t, op.out0), buffer(op.out0).ld);
      return;
    }
    const T* b = whole_operand(*t.stage, op.right, op.right_image, ld);
    int64_t ldo = 0;
    T* out = result(t, op.out0, 0, ldo);
    kernels_.rows_product(t.count, x_.cols, x, ldx, b, ld, kernels::padded<T>(width(op.right)), out,
                          ldo, false);
    settle(t, op.out0, out, ldo, false);
  }

  void panel_product(const Op& op, Tile& t) const {
    const int64_t step = chunk(*t.stage), k = kernels::padded<T>(width(op.right));
    if (!op.carried) zero(t, op.out0);
    for (int64_t r = 0; r < x_.rows; r += step) {
      const int64_t rows = std::min(step, x_.rows - r);
      int64_t ldx = 0, ld = 0;
      const T* x = load_panel(t, r, rows, ldx);
      x = powered(t, x, ldx, r, rows, t.first, t.count, op.power);
      if (!op.carried) {
        const T* a = whole_operand(*t.stage, op.right, op.right_image, ld);
        kernels_.cols_product(rows, t.count, x, ldx, a + r * ld, ld, k, tile_memory(t, op.out0),
                              buffer(op.out0).ld);
      } else {
        const T* b = slice(t, op.right, 0, ld);
        add_rows(t, op.out0, r, rows, k, [&](T* out, int64_t ldo, bool accumulate) {
          kernels_.rows_product(rows, t.count, x, ldx, b, ld, k, out, ldo, accumulate);
        });
      }
    }
  }

  // Lets a kernel that makes T rows add to a double sum on the other axis.
  template <class Fn>
  void add_rows(const Tile& t, int b, int64_t first, int64_t rows, int64_t k, const Fn& fn) const {
    double* to = statistic(t, b) + first * buffer(b).ld;
    if constexpr (std::is_same_v<T, double>) {
      fn(to, buffer(b).ld, true);
    } else {
      T* out = reinterpret_cast<T*>(t.w->result[0].data());
      fn(out, k, false);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < k; ++j)
          to[i * buffer(b).ld + j] += static_cast<double>(out[i * k + j]);
    }
  }

  void zero(const Tile& t, int b) const {
    std::memset(tile_memory(t, b), 0, static_cast<size_t>(t.count * buffer(b).ld) * sizeof(double));
  }

  void small(const Op& op, Tile& t) const {
    int64_t ldf = 0, ldg = 0, ldo = 0;
    const T* f = slice(t, op.left, 0, ldf);
    const T* g = whole_operand(*t.stage, op.right, op.right_image, ldg);
    const bool in_place =
        std::is_same_v<T, double> && !op.accumulate && op.scale == 1 && op.weight < 0;
    T* out = result(t, op.out0, 0, ldo);
    if (!in_place) {
      out = reinterpret_cast<T*>(t.w->result[0].data());
      ldo = kernels::padded<T>(width(op.out0));
    }
    kernels_.rows_product(t.count, width(op.left), f, ldf, g, ldg,
                          kernels::padded<T>(width(op.out0)), out, ldo, false);
    if (in_place) return;
    double* to = tile_memory(t, op.out0);
    const double* weights = op.weight >= 0 ? host_weights(op.axis) : nullptr;
    const int64_t ld = buffer(op.out0).ld;
    for (int64_t i = 0; i < t.count; ++i) {
      const double s = op.scale * (weights ? weights[t.first + i] : 1.0);
      for (int64_t j = 0; j < width(op.out0); ++j)
        to[i * ld + j] =
            (op.accumulate ? to[i * ld + j] : 0.0) + s * static_cast<double>(out[i * ldo + j]);
    }
  }

  void fill(const Op& op, Tile& t) const {
    const auto* v = static_cast<const double*>(whole(frame_, op.right).data);
    double* to = tile_memory(t, op.out0);
    const double* weights = op.weight >= 0 ? host_weights(op.axis) : nullptr;
    const int64_t ld = buffer(op.out0).ld;
    for (int64_t i = 0; i < t.count; ++i) {
      const double s = op.scale * (weights ? weights[t.first + i] : 1.0);
      for (int64_t j = 0; j < width(op.out0); ++j)
        to[i * ld + j] = (op.accumulate ? to[i * ld + j] : 0.0) + s * v[j];
    }
  }

  void gram(const Op& op, Tile& t) const {
    int64_t lda = 0, ldb = 0;
    const T* a = slice(t, op.left, 0, lda);
    const T* b = op.right == op.left ? a : slice(t, op.right, 1, ldb);
    if (op.right == op.left) ldb = lda;
    if (op.weight >= 0) {
      const double* w = host_weights(op.axis);
      T* scaled = reinterpret_cast<T*>(t.w->slice[2].data());
      const int64_t ld = kernels::padded<T>(width(op.left));
      for (int64_t i = 0; i < t.count; ++i)
        for (int64_t j = 0; j < ld; ++j)
          scaled[i * ld + j] =
              j < width(op.left) ? a[i * lda + j] * static_cast<T>(w[t.first + i]) : T(0);
      a = scaled;
      lda = ld;
    }
    kernels_.gram(t.count, a, lda, width(op.left), b, ldb, kernels::padded<T>(width(op.right)),
                  statistic(t, op.out0), buffer(op.out0).ld);
  }

  void colsum(const Op& op, Tile& t) const {
    int64_t lda = 0;
    const T* a = slice(t, op.left, 0, lda);
    const double* w = op.weight >= 0 ? host_weights(op.axis) : nullptr;
    double* s = statistic(t, op.out0);
    for (int64_t i = 0; i < t.count; ++i)
      for (int64_t j = 0; j < width(op.left); ++j)
        s[j] += static_cast<double>(a[i * lda + j]) * (w ? w[t.first + i] : 1.0);
  }

  void dot(const Op& op, Tile& t) const {
    int64_t ldf = 0, ldn = 0, ldd = 0;
    const T* f = slice(t, op.left, 0, ldf);
    const T* n = slice(t, op.right, 1, ldn);
    double sum = op.scale * kernels_.dot(t.count, width(op.left), f, ldf, n, ldn);
    if (op.extra >= 0) {
      const T* d = slice(t, op.extra, 2, ldd);
      sum += op.scale1 * kernels_.dot(t.count, width(op.left), f, ldf, d, ldd);
    }
    *statistic(t, op.value) += sum;
  }

  void subtract(const Op& op, Tile& t) const {
    double *g = tile_memory(t, op.out0), *d = tile_memory(t, op.extra);
    const int64_t ld = buffer(op.out0).ld, ldd = buffer(op.extra).ld;
    for (int64_t i = 0; i < t.count; ++i)
      for (int64_t j = 0; j < width(op.out0); ++j) g[i * ld + j] = d[i * ldd + j] - g[i * ld + j];
  }

  // ---- terms ----

  void common(const Op& op, const Tile& t, kernels::TermsTile<T>& k) const {
    k.what = op.what;
    k.with_value = op.value >= 0 && (!op.only_measured || measured(op));
    k.loss = op.squared_loss ? &squared_ : &loss_;
    k.ctx = &t.w->ctx;
    k.k = width(op.left);
    if (k.with_value) k.value = statistic(t, op.value);
  }

  // Results of an own-axis terms op start at zero, or at the zero term already there.
  void clear_results(const Op& op, const Tile& t) const {
    const int zero_target = op.accumulate ? (op.what == ASSAY_MU ? op.out1 : op.out0) : -1;
    if (op.out0 >= 0 && op.out0 != zero_target) zero(t, op.out0);
    if (op.out1 >= 0 && op.out1 != zero_target) zero(t, op.out1);
  }

  void own_rows(const Op& op, const Tile& t, kernels::TermsTile<T>& k) const {
    clear_results(op, t);
    if (op.out0 >= 0) k.row0 = result(t, op.out0, 0, k.ldrow);
    if (op.out1 >= 0) k.row1 = result(t, op.out1, 1, k.ldrow);
    if constexpr (!std::is_same_v<T, double>) {
      for (T* r : {k.row0, k.row1})
        if (r) std::fill_n(r, t.count * k.ldrow, T(0));
    }
  }
  void settle_rows(const Op& op, const Tile& t, const kernels::TermsTile<T>& k) const {
    if (op.out0 >= 0) settle(t, op.out0, k.row0, k.ldrow, true);
    if (op.out1 >= 0) settle(t, op.out1, k.row1, k.ldrow, true);
  }

  int32_t row_terms(const Op& op, Tile& t) const {
    load_rows(t, true);
    load_weights(t);
    kernels::DenseTile<T> k;
    common(op, t, k);
    k.rows = t.count;
    k.cols = x_.cols;
    k.x = t.x;
    k.ldx = t.ldx;
    k.weights = t.weights;
    k.ldw = t.ldw;
    k.left = slice(t, op.left, 0, k.ldl);
    k.right = whole_operand(*t.stage, op.right, op.right_image, k.ldr);
    k.right_t = whole_operand(*t.stage, op.right, op.transposed_image, k.ldrt);
    k.scratch = reinterpret_cast<T*>(t.w->scratch.data());
    if (op.carried) {
      if (op.out0 >= 0) k.col0 = statistic(t, op.out0), k.ldcol = buffer(op.out0).ld;
      if (op.out1 >= 0) k.col1 = statistic(t, op.out1), k.ldcol = buffer(op.out1).ld;
      return kernels_.terms_dense(k);
    }
    own_rows(op, t, k);
    const int32_t status = kernels_.terms_dense(k);
    settle_rows(op, t, k);
    return status;
  }

  int32_t panel_terms(const Op& op, Tile& t) const {
    const int64_t step = chunk(*t.stage);
    int64_t ldr = 0, ldl = 0;
    const T* right = slice(t, op.right, 0, ldr);
    const T* left = whole_operand(*t.stage, op.left, op.left_image, ldl);
    T* image = reinterpret_cast<T*>(t.w->transposed.data());
    const int64_t ldrt = kernels::padded<T>(t.stage->tile);
    kernels_.image(t.count, width(op.left), right, ldr, image, ldrt);
    if (!op.carried) clear_results(op, t);
    for (int64_t r = 0; r < x_.rows; r += step) {
      kernels::DenseTile<T> k;
      common(op, t, k);
      k.rows = std::min(step, x_.rows - r);
      k.cols = t.count;
      k.x = load_panel(t, r, k.rows, k.ldx);
      if (weighted_ && !x_.sparse) {
        k.ldw = kernels::padded<T>(t.count);
        T* to = reinterpret_cast<T*>(t.w->weights.data());
        data::load_weights<T>(x_, r, k.rows, t.first, t.count, to, k.ldw);
        k.weights = to;
      }
      k.left = left + r * ldl;
      k.ldl = ldl;
      k.right = right;
      k.ldr = ldr;
      k.right_t = image;
      k.ldrt = ldrt;
      k.scratch = reinterpret_cast<T*>(t.w->scratch.data());
      if (op.carried) {
        const int outs[2] = {op.out0, op.out1};
        T** rows[2] = {&k.row0, &k.row1};
        for (int i = 0; i < 2; ++i) {
          if (outs[i] < 0) continue;
          if constexpr (std::is_same_v<T, double>) {
            *rows[i] = statistic(t, outs[i]) + r * buffer(outs[i]).ld;
            k.ldrow = buffer(outs[i]).ld;
          } else {
            *rows[i] = reinterpret_cast<T*>(t.w->result[i].data());
            k.ldrow = kernels::padded<T>(k.k);
            std::fill_n(*rows[i], k.rows * k.ldrow, T(0));
          }
        }
        if (const int32_t status = kernels_.terms_dense(k); status != ASSAY_OK) return status;
        if constexpr (!std::is_same_v<T, double>) {
          for (int i = 0; i < 2; ++i) {
            if (outs[i] < 0) continue;
            double* to = statistic(t, outs[i]) + r * buffer(outs[i]).ld;
            for (int64_t a = 0; a < k.rows; ++a)
              for (int64_t j = 0; j < k.ldrow; ++j)
                to[a * buffer(outs[i]).ld + j] += static_cast<double>((*rows[i])[a * k.ldrow + j]);
          }
        }
        continue;
      }
      if (op.out0 >= 0) k.col0 = tile_memory(t, op.out0), k.ldcol = buffer(op.out0).ld;
      if (op.out1 >= 0) k.col1 = tile_memory(t, op.out1), k.ldcol = buffer(op.out1).ld;
      if (const int32_t status = kernels_.terms_dense(k); status != ASSAY_OK) return status;
    }
    return ASSAY_OK;
  }

  // ---- sparse: "rows" are the lines of the sweep's axis ----

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

  void sparse_product(const Op& op, Tile& t) const {
    kernels::SparseTile<T> k = lines(op, t);
    k.line_weights = k.index_weights = nullptr;  // times sees values, not weights
    k.k = width(op.right);
    if (op.carried) {
      k.left = slice(t, op.right, 0, k.ldl);
      k.col0 = statistic(t, op.out0);
      k.ldcol = buffer(op.out0).ld;
      kernels_.sparse_cols_product(k, op.power);
      return;
    }
    k.right = whole_operand(*t.stage, op.right, op.right_image, k.ldr);
    k.row0 = result(t, op.out0, 0, k.ldrow);
    kernels_.sparse_rows_product(k, op.power);
    settle(t, op.out0, k.row0, k.ldrow, false);
  }

  int32_t sparse_terms(const Op& op, Tile& t) const {
    kernels::SparseTile<T> k = lines(op, t);
    common(op, t, k);
    const bool rows = op.axis == ASSAY_ROWS;
    const int own = rows ? op.left : op.right, opposite = rows ? op.right : op.left;
    k.left = slice(t, own, 0, k.ldl);
    k.right = whole_operand(*t.stage, opposite, rows ? op.right_image : op.left_image, k.ldr);
    if (op.carried) {
      if (op.out0 >= 0) k.col0 = statistic(t, op.out0), k.ldcol = buffer(op.out0).ld;
      if (op.out1 >= 0) k.col1 = statistic(t, op.out1), k.ldcol = buffer(op.out1).ld;
      return kernels_.terms_sparse(k);
    }
    own_rows(op, t, k);
    const int32_t status = kernels_.terms_sparse(k);
    settle_rows(op, t, k);
    return status;
  }

  Frame& frame_;
  const kernels::Kernels<T>& kernels_;
  const data::Data& x_;
  kernels::LossFunctions<T> loss_, squared_;
  kernels::LossFunctions<double> wide_;  // what float kernels fall back to
  bool weighted_ = false;
};

}  // namespace

Whole whole(const Frame& frame, int b) {
  const PlanBuffer& p = frame.layout->buffers[static_cast<size_t>(b)];
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

void combine(const Stage& stage, double* left, const double* right) {
  for (const StatRange& r : stage.ranges) {
    double* a = left + r.first;
    const double* b = right + r.first;
    if (r.role == ASSAY_MIN)
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
  }
}

std::unique_ptr<Lanes> make_lanes(Frame& frame) {
  if (frame.compute == ASSAY_F32) return std::make_unique<TypedLanes<float>>(frame);
  return std::make_unique<TypedLanes<double>>(frame);
}

}  // namespace assay::graph
