// SPDX-License-Identifier: Apache-2.0
// The call of an each: arguments are host copies in float64, committed after status 0 and a finite
// check, so that a factor is always finite and feasible whatever a plugin does.
#include <cstring>
#include <exception>
#include <string>

#include "core/graph/tile.hpp"

namespace assay::graph {

namespace {

struct Copied {
  int arg;
  double* copy;
  bool by_component;
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

// x - x is 0 for finite x and NaN else. Eight running sums, so that the loop is not one chain of
// dependent additions.
bool all_finite(const assay_view& v) {
  double sums[8] = {};
  for (int64_t i = 0; i < v.rows; ++i) {
    const double* row = static_cast<const double*>(v.data) + i * v.stride;
    int64_t j = 0;
    for (; j + 8 <= v.cols; j += 8)
      for (int64_t l = 0; l < 8; ++l) sums[l] += row[j + l] - row[j + l];
    for (; j < v.cols; ++j) sums[0] += row[j] - row[j];
  }
  double total = 0;
  for (const double s : sums) total += s;
  return total == 0;
}

}  // namespace

int32_t run_each(const EachCall& call) {
  const Frame& frame = *call.frame;
  const Line& line = call.op->line;
  Worker& worker = *call.worker;
  worker.copies.reset();
  worker.ctx.scratch.reset();
  worker.ctx.first = call.op->axis == ASSAY_ONE ? 0 : call.first;
  assay_view views[64];
  Copied copied[64];
  int n_copied = 0;
  int n_args = static_cast<int>(line.args.size());
  const bool one = call.op->axis == ASSAY_ONE;
  for (int i = 0; i < n_args; ++i) {
    const assay_arg& a = line.args[static_cast<size_t>(i)];
    const PlanBuffer& b = frame.layout->buffers[static_cast<size_t>(a.buffer)];
    assay_view& v = views[i];
    v = assay_view{};
    v.dtype = b.decl.dtype;
    if (a.access & ASSAY_ADD) {
      v.data = call.partial + b.offset;
      v.rows = b.decl.rows;
      v.cols = b.decl.width;
      v.stride = b.ld;
      continue;
    }
    if (b.shared >= 0) {  // one matrix for all rows
      const PlanBuffer& g = frame.layout->buffers[static_cast<size_t>(b.shared)];
      const Whole w = whole(frame, b.shared);
      v = {const_cast<void*>(w.data),
           g.decl.rows,
           g.decl.width,
           w.ld,
           0,
           ASSAY_F64,
           ASSAY_READ_ONLY};
      continue;
    }
    if (b.decl.axis != call.op->axis) {  // whole, read-only
      Whole w = whole(frame, a.buffer);
      if (w.dtype == ASSAY_F32)
        for (const Image& image : call.stage->images)
          if (image.buffer == a.buffer && image.f64) w = {image.bytes.data(), ASSAY_F64, image.ld};
      // In batches of rows these are the batch's.
      const bool rows = b.decl.axis == ASSAY_ROWS;
      const int64_t size = w.dtype == ASSAY_F32 || w.dtype == ASSAY_I32 ? 4 : 8;
      v.data = const_cast<unsigned char*>(static_cast<const unsigned char*>(w.data)) +
               (rows ? frame.first_row * w.ld * size : 0);
      v.rows = rows ? frame.rows : b.decl.rows;
      v.cols = b.decl.width;
      v.stride = w.ld;
      v.flags = ASSAY_READ_ONLY;
      continue;
    }
    int32_t dtype = ASSAY_F64;
    int64_t ld = 0;
    unsigned char* at = slice_of(call, b, a.buffer, dtype, ld);
    v.rows = one ? b.decl.rows : call.count;
    v.cols = b.decl.width;
    v.stride = ld;
    v.data = at;
    if (b.matrices) {
      v.rows = v.cols = v.stride = frame.layout->buffers[static_cast<size_t>(b.like)].decl.width;
      v.step = ld;
      v.flags = ASSAY_READ_ONLY;
      continue;
    }
    const bool lives = b.place == Place::kModel && (a.access & ASSAY_OUT);
    const bool by_component = (a.access & ASSAY_BY_COMPONENT) != 0;
    if (dtype != ASSAY_F64 && dtype != ASSAY_F32) continue;  // integers: as they are
    if (!lives && !by_component && dtype == ASSAY_F64) continue;
    const int64_t stride = by_component ? (v.rows + 7) / 8 * 8 : (v.cols + 7) / 8 * 8;
    auto* copy =
        static_cast<double*>(worker.copies.take((by_component ? v.cols : v.rows) * stride * 8));
    if (!copy) return ASSAY_E_MEMORY;
    if (one_run(dtype, ld, stride, by_component))
      std::memcpy(copy, at, static_cast<size_t>(v.rows * ld) * sizeof(double));
    else if (dtype == ASSAY_F32)
      copy_in(reinterpret_cast<const float*>(at), ld, v.rows, v.cols, by_component, copy, stride);
    else
      copy_in(reinterpret_cast<const double*>(at), ld, v.rows, v.cols, by_component, copy, stride);
    copied[n_copied++] = {i, copy, by_component};
    if (by_component) {
      std::swap(v.rows, v.cols);
      v.flags |= ASSAY_BY_COMPONENT;
    }
    v.data = copy;
    v.stride = stride;
    v.dtype = ASSAY_F64;
  }
  assay_block block{};
  block.struct_size = sizeof block;
  block.first = one ? 0 : call.first;
  block.count = one ? 1 : call.count;
  block.axis = call.op->axis;
  block.tag = line.tag;
  block.part1 = 1;
  block.n_args = n_args;
  block.arg = views;
  block.ctx = &worker.ctx;
  block.step = frame.step;
  block.turn = frame.turn;
  if (line.flags & ASSAY_EACH_X) {
    worker.lines->start(call.op->axis, call.first, call.count, call.op->densify);
    worker.ctx.tile = worker.lines.get();
  } else {
    worker.ctx.tile = nullptr;
  }
  int32_t status = ASSAY_OK;
  try {
    status = line.fn(frame.program->self, &block);
  } catch (const std::exception& e) {
    worker.ctx.failed = true;
    worker.ctx.error =
        Error(ASSAY_E_PLUGIN, "E0412",
              "plugin `" + frame.program->who + "` threw in `" + line.name + "`: " + e.what());
    return ASSAY_E_PLUGIN;
  } catch (...) {
    worker.ctx.failed = true;
    worker.ctx.error = Error(ASSAY_E_PLUGIN, "E0412",
                             "plugin `" + frame.program->who + "` threw in `" + line.name + "`");
    return ASSAY_E_PLUGIN;
  }
  if (status != ASSAY_OK) return status;
  for (int c = 0; c < n_copied; ++c) {
    const assay_arg& a = line.args[static_cast<size_t>(copied[c].arg)];
    if ((a.access & ASSAY_OUT) && !all_finite(views[copied[c].arg])) {
      worker.ctx.failed = true;
      worker.ctx.error = Error(
          ASSAY_E_NUMERIC, "E0901",
          "`" + line.name + "` of `" + frame.program->who + "` gave a value that is not finite");
      return ASSAY_E_NUMERIC;
    }
  }
  for (int c = 0; c < n_copied; ++c) {
    const assay_arg& a = line.args[static_cast<size_t>(copied[c].arg)];
    if (!(a.access & ASSAY_OUT)) continue;
    const PlanBuffer& b = frame.layout->buffers[static_cast<size_t>(a.buffer)];
    // A line that lives for something else it writes must not touch a factor that is fixed.
    if (b.decl.side >= 0 && frame.model->frozen[b.decl.side]) continue;
    int32_t dtype = ASSAY_F64;
    int64_t ld = 0;
    unsigned char* at = slice_of(call, b, a.buffer, dtype, ld);
    const assay_view& v = views[copied[c].arg];
    const int64_t rows = copied[c].by_component ? v.cols : v.rows,
                  width = copied[c].by_component ? v.rows : v.cols;
    if (one_run(dtype, ld, v.stride, copied[c].by_component))
      std::memcpy(at, copied[c].copy, static_cast<size_t>(rows * ld) * sizeof(double));
    else if (dtype == ASSAY_F32)
      copy_out(copied[c].copy, v.stride, rows, width, copied[c].by_component,
               reinterpret_cast<float*>(at), ld);
    else
      copy_out(copied[c].copy, v.stride, rows, width, copied[c].by_component,
               reinterpret_cast<double*>(at), ld);
  }
  return ASSAY_OK;
}

}  // namespace assay::graph
