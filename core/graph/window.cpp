// SPDX-License-Identifier: Apache-2.0
// Gathering and scattering the rows of a batch.
#include "core/graph/window.hpp"

#include <algorithm>
#include <cstring>

namespace assay::graph {
namespace {

bool writes(const Layout& layout, int buffer) {
  for (const Stage& stage : layout.stages) {
    if (!stage.windowed) continue;
    for (const Op& op : stage.ops) {
      if (op.out0 == buffer || op.out1 == buffer || op.value == buffer) return true;
      for (const assay_arg& a : op.line.args)
        if (a.buffer == buffer && (a.access & ASSAY_OUT)) return true;
    }
  }
  return false;
}

int64_t row_bytes(const Buffer& b) {
  return b.ld * (b.dtype == ASSAY_F32 || b.dtype == ASSAY_I32 ? 4 : 8);
}

}  // namespace

Window::Window(const Frame& frame, int64_t size)
    : x_(*frame.model->x, size), frame_(frame), wholes_(frame.layout->buffers.size()) {
  frame_.x = &x_.data();
  frame_.window = this;
  frame_.first_row = 0;
  for (size_t i = 0; i < frame.layout->buffers.size(); ++i) {
    const PlanBuffer& p = frame.layout->buffers[i];
    if (p.decl.axis != ASSAY_ROWS) continue;
    const auto b = static_cast<int>(i);
    if (p.place == Place::kModel) {
      const bool frozen = p.decl.side >= 0 && frame.model->frozen[p.decl.side];
      const auto make = p.decl.side >= 0 ? &Buffer::make : &Buffer::packed;
      kept_.push_back(
          {b, make(p.model->dtype, size, p.model->width), writes(*frame.layout, b) && !frozen});
      const Buffer& rows = kept_.back().rows;
      wholes_[i] = {rows.bytes.data(), rows.dtype, rows.ld};
    } else if (p.place == Place::kGiven) {
      givens_.emplace_back(p.decl.given, AlignedArray<double>(size));
      wholes_[i] = {givens_.back().second.data(), ASSAY_F64, 1};
    }
  }
  lanes_ = make_lanes(frame_);
}

const Buffer& Window::home(const Kept& kept) const {
  return *frame_.layout->buffers[static_cast<size_t>(kept.buffer)].model;
}

void Window::enter(const Frame& outer, const int64_t* rows, int64_t count) {
  rows_ = rows;
  frame_.rows = count;
  frame_.measure = outer.measure;
  frame_.step = outer.step;
  frame_.turn = outer.turn;
  x_.load(rows, count);
  for (Kept& kept : kept_) {
    const Buffer& from = home(kept);
    const int64_t bytes = row_bytes(from);
    for (int64_t r = 0; r < count; ++r)
      std::memcpy(kept.rows.bytes.data() + r * bytes, from.bytes.data() + rows[r] * bytes,
                  static_cast<size_t>(bytes));
  }
  for (auto& [which, values] : givens_)
    for (int64_t r = 0; r < count; ++r) values[r] = (*frame_.given[which])[rows[r]];
}

void Window::leave() {
  for (Kept& kept : kept_) {
    if (!kept.written) continue;
    PlanBuffer& p = frame_.layout->buffers[static_cast<size_t>(kept.buffer)];
    const int64_t bytes = row_bytes(*p.model);
    for (int64_t r = 0; r < frame_.rows; ++r)
      std::memcpy(p.model->bytes.data() + rows_[r] * bytes, kept.rows.bytes.data() + r * bytes,
                  static_cast<size_t>(bytes));
  }
}

}  // namespace assay::graph
