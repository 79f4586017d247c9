// SPDX-License-Identifier: Apache-2.0
// Rotation: a step is run again and again, so its first sweep can ride at the end of the last one
// of the step before, when both run over the same axis. For d > n that makes two reads of X one:
// the sweep over the columns that updates H also carries X H for the next rows. For n >= d it saves
// the sweep for H's Gram matrix. The plan runs the riding ops alone before its first step.
#include <algorithm>

#include "core/graph/coupled.hpp"
#include "core/graph/ops.hpp"

namespace assay::graph {

namespace {

void made_by(const Op& op, std::vector<int>& out) {
  for (const int b : {op.out0, op.out1, op.value})
    if (b >= 0) out.push_back(b);
  for (const assay_arg& a : op.line.args)
    if (a.access & (ASSAY_OUT | ASSAY_ADD)) out.push_back(a.buffer);
}

void read_by(const Op& op, std::vector<int>& out) {
  for (const int b : {op.left, op.right, op.extra})
    if (b >= 0) out.push_back(b);
  for (const auto& in : op.inputs) out.push_back(in.first);
  for (const assay_arg& a : op.line.args)
    if (a.access & ASSAY_IN) out.push_back(a.buffer);
}

bool meet(const std::vector<int>& a, const std::vector<int>& b) {
  return std::any_of(a.begin(), a.end(),
                     [&b](int v) { return std::find(b.begin(), b.end(), v) != b.end(); });
}

}  // namespace

void rotate(Layout& layout, const Model& model) {
  if (layout.stages.size() < 2 || layout.control.size() != 1 ||
      layout.control.front().kind != Control::Kind::kRun)
    return;
  const Stage &first = layout.stages.front(), &last = layout.stages.back();
  if (first.axis != last.axis || first.axis == ASSAY_ONE || (first.reads_x && !last.reads_x))
    return;
  std::vector<int> first_made, last_made, last_reads, first_whole;
  for (const Op& op : first.ops) {
    made_by(op, first_made);
    if (op.kind == OpKind::kEach || op.kind == OpKind::kGrid)
      return;  // a plugin's own line may have state of its own: leave it where it was written
    if (op.kind == OpKind::kSquare) return;  // dear, for a step that may not come
    std::vector<int> reads;
    read_by(op, reads);
    for (const int b : reads) {
      const BufferDecl& d = layout.buffers[static_cast<size_t>(b)].decl;
      if (d.axis != first.axis || Coupled::projected(model, d)) first_whole.push_back(b);
    }
  }
  for (const Op& op : last.ops) {
    made_by(op, last_made);
    read_by(op, last_reads);
  }
  std::vector<int> reported;
  for (const auto& r : layout.reports) reported.push_back(r.second);
  if (meet(first_whole, last_made) || meet(first_made, last_reads) || meet(first_made, last_made) ||
      meet(first_made, reported))
    return;
  for (const int b : first_made)
    if (layout.buffers[static_cast<size_t>(b)].decl.output) return;

  Stage head = std::move(layout.stages.front());
  layout.stages.erase(layout.stages.begin());
  const int target = static_cast<int>(layout.stages.size()) - 1;
  Stage& tail = layout.stages.back();
  const int64_t shift = tail.partial;
  for (StatRange r : head.ranges) {
    r.first += shift;
    tail.ranges.push_back(r);
  }
  tail.partial += head.partial;
  tail.reads_x = tail.reads_x || head.reads_x;
  for (Op& op : head.ops) {
    op.next = true;
    tail.ops.push_back(std::move(op));
  }
  for (PlanBuffer& b : layout.buffers) {
    if (b.stage == 0) {
      b.stage = target;
      b.offset += shift;
    } else if (b.stage > 0) {
      --b.stage;
    }
    // A LOCAL of the head alone moves with it; one that the head shares with later sweeps is stored
    // anyway.
    const bool head_only = b.first_stage == 0 && b.last_stage == 0;
    b.first_stage = head_only ? target : b.first_stage - 1;
    b.last_stage = head_only ? target : b.last_stage - 1;
  }
  for (const int b : head.stats) tail.stats.push_back(b);
  layout.control.front().last = target + 1;
  layout.rotated = target;
}

}  // namespace assay::graph
