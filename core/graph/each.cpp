// SPDX-License-Identifier: Apache-2.0
// The call of an each: arguments are host copies in float64, committed after status 0 and a finite
// check, so that a factor is always finite and feasible whatever a plugin does.
#include <cstring>

#include "core/graph/call.hpp"
#include "core/graph/window.hpp"

namespace assay::graph {

namespace {

// A copy the function works on and that is put back after; or, in place, what to put back should it
// fail.
struct Copied {
  int arg;
  double* copy;
  bool by_component;
  unsigned char* kept_of = nullptr;  // in place: the block itself, `bytes` long
  size_t bytes = 0;
};

// Where the slice of an own-axis argument starts; tile memory counts from the block.
unsigned char* slice_of(const EachCall& call,
                        const PlanBuffer& b,
                        int buffer,
                        int32_t& dtype,
                        int64_t& ld) {
  if (b.place == Place::kTile) {
    dtype = b.decl.dtype;
    ld = b.ld;
    return reinterpret_cast<unsigned char*>(call.worker->tiles.data() +
                                            b.offset * call.stage->tile);
  }
  const Whole w = whole(*call.frame, buffer);
  dtype = w.dtype;
  ld = w.ld;
  const int64_t size = dtype == ASSAY_F32 || dtype == ASSAY_I32 ? 4 : 8;
  // Stage axis ONE has one block, the whole buffer.
  const int64_t first = call.op->axis == ASSAY_ONE ? 0 : call.first;
  return const_cast<unsigned char*>(static_cast<const unsigned char*>(w.data)) + first * ld * size;
}

// A float64 block of equal row lengths is one run.
bool one_run(int32_t dtype, int64_t ld, int64_t stride, bool by_component) {
  return dtype == ASSAY_F64 && ld == stride && !by_component;
}

template <class From>
void copy_in(const From* from,
             int64_t ld,
             int64_t rows,
             int64_t width,
             bool by_component,
             double* to,
             int64_t stride) {
  if (by_component) {
    for (int64_t j = 0; j < width; ++j)
      for (int64_t i = 0; i < rows; ++i) to[j * stride + i] = static_cast<double>(from[i * ld + j]);
  } else {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < width; ++j)
        to[i * stride + j] = static_cast<double>(from[i * ld + j]);
  }
}

template <class To>
void copy_out(const double* from,
              int64_t stride,
              int64_t rows,
              int64_t width,
              bool by_component,
              To* to,
              int64_t ld) {
  if (by_component) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < width; ++j) to[i * ld + j] = static_cast<To>(from[j * stride + i]);
  } else {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < width; ++j) to[i * ld + j] = static_cast<To>(from[i * stride + j]);
  }
}

// One call on one block.
class Block {
 public:
  explicit Block(const EachCall& call)
      : call_(call),
        frame_(*call.frame),
        line_(call.op->line),
        worker_(*call.worker),
        one_(call.op->axis == ASSAY_ONE) {}

  int32_t run() {
    worker_.copies.reset();
    worker_.ctx.scratch.reset();
    worker_.ctx.first = one_ ? 0 : call_.first;
    for (size_t i = 0; i < line_.args.size(); ++i)
      if (!view(static_cast<int>(i))) return ASSAY_E_MEMORY;
    assay_block block = block_of(frame_, line_, worker_, views_);
    block.first = one_ ? 0 : call_.first;
    block.count = one_ ? 1 : call_.count;
    block.part1 = 1;
    if (frame_.window && call_.op->axis == ASSAY_ROWS)
      block.row = frame_.window->rows() + call_.first;
    if (line_.flags & ASSAY_EACH_X) {
      worker_.lines->start(*frame_.x, call_.op->axis, call_.first, call_.count, call_.op->densify);
      worker_.ctx.tile = worker_.lines.get();
    } else {
      worker_.ctx.tile = nullptr;
    }
    int32_t status = call_function(frame_, line_, worker_, block);
    if (status == ASSAY_OK) status = commit();
    if (status != ASSAY_OK) take_back();
    return status;
  }

 private:
  const PlanBuffer& buffer(int b) const { return frame_.layout->buffers[static_cast<size_t>(b)]; }
  const assay_arg& arg(int i) const { return line_.args[static_cast<size_t>(i)]; }

  bool view(int i) {
    const assay_arg& a = arg(i);
    const PlanBuffer& b = buffer(a.buffer);
    views_[i] = {};
    views_[i].dtype = b.decl.dtype;
    if (a.access & ASSAY_ADD)
      view_sum(b, views_[i]);
    else if (b.shared >= 0)
      view_shared(b.shared, views_[i]);
    else if (b.decl.axis != call_.op->axis)
      view_whole(a.buffer, views_[i]);
    else
      return view_slice(i);
    return true;
  }

  void view_sum(const PlanBuffer& b, assay_view& v) {
    v.data = call_.partial + b.offset;
    v.rows = b.decl.rows;
    v.cols = b.decl.width;
    v.stride = b.ld;
  }

  // One matrix for all rows.
  void view_shared(int shared, assay_view& v) {
    const PlanBuffer& g = buffer(shared);
    const Whole w = whole(frame_, shared);
    v = {const_cast<void*>(w.data), g.decl.rows, g.decl.width, w.ld, 0, ASSAY_F64, ASSAY_READ_ONLY};
  }

  void view_whole(int index, assay_view& v) {
    const PlanBuffer& b = buffer(index);
    Whole w = whole(frame_, index);
    if (w.dtype == ASSAY_F32)
      for (const Image& image : call_.stage->images)
        if (image.buffer == index && image.f64) w = {image.bytes.data(), ASSAY_F64, image.ld};
    // In batches of rows these are the batch's.
    const bool rows = b.decl.axis == ASSAY_ROWS;
    const int64_t size = w.dtype == ASSAY_F32 || w.dtype == ASSAY_I32 ? 4 : 8;
    v.data = const_cast<unsigned char*>(static_cast<const unsigned char*>(w.data)) +
             (rows ? frame_.first_row * w.ld * size : 0);
    v.rows = rows ? frame_.rows : b.decl.rows;
    v.cols = b.decl.width;
    v.stride = w.ld;
    v.flags = ASSAY_READ_ONLY;
  }

  // The block's own rows: in place, what outlives the step with a copy to go back to; or as a copy
  // where they are turned or narrow.
  bool view_slice(int i) {
    const assay_arg& a = arg(i);
    const PlanBuffer& b = buffer(a.buffer);
    assay_view& v = views_[i];
    int32_t dtype = ASSAY_F64;
    int64_t ld = 0;
    unsigned char* at = slice_of(call_, b, a.buffer, dtype, ld);
    v.rows = one_ ? b.decl.rows : call_.count;
    v.cols = b.decl.width;
    v.stride = ld;
    v.data = at;
    if (b.matrices) {
      v.rows = v.cols = v.stride = buffer(b.like).decl.width;
      v.step = ld;
      v.flags = ASSAY_READ_ONLY;
      return true;
    }
    const bool lives = b.place == Place::kModel && (a.access & ASSAY_OUT);
    const bool by_component = (a.access & ASSAY_BY_COMPONENT) != 0;
    if (b.decl.dtype != ASSAY_F64) return true;  // integers and what was asked for in float32

    if (!lives && !by_component && dtype == ASSAY_F64) return true;
    const int64_t stride = by_component         ? (v.rows + 7) / 8 * 8
                           : dtype == ASSAY_F64 ? ld
                                                : (v.cols + 7) / 8 * 8;
    auto* copy =
        static_cast<double*>(worker_.copies.take((by_component ? v.cols : v.rows) * stride * 8));
    if (!copy) return false;
    if (one_run(dtype, ld, stride, by_component)) {
      const size_t bytes = static_cast<size_t>(v.rows * ld) * sizeof(double);
      std::memcpy(copy, at, bytes);
      copied_[n_copied_++] = {i, copy, false, at, bytes};
      return true;
    }
    if (dtype == ASSAY_F32)
      copy_in(reinterpret_cast<const float*>(at), ld, v.rows, v.cols, by_component, copy, stride);
    else
      copy_in(reinterpret_cast<const double*>(at), ld, v.rows, v.cols, by_component, copy, stride);
    copied_[n_copied_++] = {i, copy, by_component};
    if (by_component) {
      std::swap(v.rows, v.cols);
      v.flags |= ASSAY_BY_COMPONENT;
    }
    v.data = copy;
    v.stride = stride;
    v.dtype = ASSAY_F64;
    return true;
  }

  int32_t commit() {
    for (int c = 0; c < n_copied_; ++c)
      if ((arg(copied_[c].arg).access & ASSAY_OUT) &&
          !all_finite(views_[copied_[c].arg], dtype_of(copied_[c].arg)))
        return not_finite(frame_, line_, worker_);
    for (int c = 0; c < n_copied_; ++c) {
      const assay_arg& a = arg(copied_[c].arg);
      const PlanBuffer& b = buffer(a.buffer);
      // A line that lives for something else it writes must not touch a factor that is fixed.
      const bool fixed = b.decl.side >= 0 && frame_.model->frozen[b.decl.side];
      if (copied_[c].kept_of && fixed)
        std::memcpy(copied_[c].kept_of, copied_[c].copy, copied_[c].bytes);
      if (!copied_[c].kept_of && (a.access & ASSAY_OUT) && !fixed) put_back(copied_[c], a.buffer);
    }
    return ASSAY_OK;
  }

  // What was written in place is as it was.
  void take_back() {
    for (int c = 0; c < n_copied_; ++c)
      if (copied_[c].kept_of) std::memcpy(copied_[c].kept_of, copied_[c].copy, copied_[c].bytes);
  }

  int32_t dtype_of(int index) const {
    int32_t dtype = ASSAY_F64;
    int64_t ld = 0;
    const int b = arg(index).buffer;
    slice_of(call_, buffer(b), b, dtype, ld);
    return dtype;
  }

  void put_back(const Copied& copied, int index) {
    int32_t dtype = ASSAY_F64;
    int64_t ld = 0;
    unsigned char* at = slice_of(call_, buffer(index), index, dtype, ld);
    const assay_view& v = views_[copied.arg];
    const int64_t rows = copied.by_component ? v.cols : v.rows,
                  width = copied.by_component ? v.rows : v.cols;
    if (dtype == ASSAY_F32)
      copy_out(copied.copy, v.stride, rows, width, copied.by_component,
               reinterpret_cast<float*>(at), ld);
    else
      copy_out(copied.copy, v.stride, rows, width, copied.by_component,
               reinterpret_cast<double*>(at), ld);
  }

  const EachCall& call_;
  const Frame& frame_;
  const Line& line_;
  Worker& worker_;
  const bool one_;
  assay_view views_[64];
  Copied copied_[64];
  int n_copied_ = 0;
};

}  // namespace

int32_t run_each(const EachCall& call) { return Block(call).run(); }

}  // namespace assay::graph
