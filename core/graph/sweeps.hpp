// SPDX-License-Identifier: Apache-2.0
// A layout as it grows: where each buffer lives, and which sweep each op joins.
//
// An op joins the open sweep when everything it reads whole was finished before that sweep began
// and everything it makes on the other axis is a sum. A product for the other axis is carried: X_t
// stays in cache between X_t H', the row update and W_t' X_t.
#pragma once

#include <string>
#include <vector>

#include "core/graph/ops.hpp"

namespace assay::graph {

// Buffers an op writes.
std::vector<int> made(const Op& op);

class Sweeps {
 protected:
  Sweeps(const Program::Body& program, Model& model, const PlanOptions& options);
  Sweeps(const Sweeps&) = delete;
  Sweeps& operator=(const Sweeps&) = delete;

  // ---- buffers ----
  PlanBuffer& buffer(int b) { return layout_.buffers[static_cast<size_t>(b)]; }
  int64_t ld_of(int64_t width) const;
  Expected<void> place_buffers();  // those the program declared
  // A LOCAL or a SUM of the planner's own; rows count on ONE only.
  int internal(const std::string& name, int32_t axis, int32_t role, int64_t rows, int64_t width);
  void settle_buffers();  // LOCALs that stay within one sweep become tile memory
  void pack_stored();

  // ---- sweeps ----
  // Into the last sweep of the run that op may join, else into a new one: behind all, or `ahead` of
  // the open sweep where that does without op, so that others can still join it.
  void emit(Op op, bool ahead = false);
  // An op that reads X for `axis`: in a sweep of that axis or, carried, of the other.
  void emit_x(Op op, int32_t axis, bool carried);
  // Whether `results` products of X for `axis` are carried in a sweep of the other axis.
  bool carry(int32_t axis, int64_t width, int results) const;

  // ---- loops and batches: a sweep never reaches over their start or end ----
  void open_control(const Line& line);
  void close_control();
  bool in_control() const { return open_.size() > 1; }
  int64_t batch() const { return batch_; }  // rows of the batches being lowered, 0 outside

  const Program::Body& program_;
  Model& model_;
  const PlanOptions& options_;
  Layout layout_;

 private:
  bool joins(const Op& op, const Stage& stage);
  static bool depends(const Op& op, const Stage& stage);
  int sweep_for(const Op& op, const Control& run);
  void open_sweep(Control& run, int at, int32_t axis);
  std::vector<int> whole_reads(const Op& op);
  void place_sums(const Op& op, int index);

  std::vector<std::vector<Control>*> open_ = {&layout_.control};
  int64_t batch_ = 0;
  bool windowed_ = false;
  int32_t compute_ = ASSAY_F64, main_ = ASSAY_ROWS;  // main: the longer axis
};

}  // namespace assay::graph
