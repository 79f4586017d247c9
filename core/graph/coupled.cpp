// SPDX-License-Identifier: Apache-2.0
// Expansions and projections of whole factors around the sweeps that need them.
#include "core/graph/coupled.hpp"

#include <algorithm>

namespace assay::graph {

bool Coupled::projected(const Model& model, const BufferDecl& buffer) {
  if (buffer.side < 0 || model.frozen[buffer.side]) return false;
  const auto& set = model.penalties[buffer.side];
  return set && set->couples();
}

namespace {
bool reads_factor(const Layout& layout, const Op& op, int side) {
  return std::any_of(op.line.args.begin(), op.line.args.end(), [&](const assay_arg& a) {
    return layout.buffers[static_cast<size_t>(a.buffer)].decl.side == side;
  });
}
}  // namespace

void Coupled::plan(const Layout& layout, Model& model) {
  model_ = &model;
  for (int side = 0; side < 3; ++side) {
    expands_[side].assign(layout.stages.size(), 0);
    projects_[side].assign(layout.stages.size(), 0);
  }
  for (size_t s = 0; s < layout.stages.size(); ++s) {
    for (const Op& op : layout.stages[s].ops) {
      if (op.line.fn == nullptr) continue;
      for (int side = 0; side < model.n_factors; ++side) {
        const auto& set = model.penalties[side];
        // W lives on ROWS, H on COLS, S on ONE: the axes have the sides' numbers. A function on
        // another axis may call the penalties of a factor it reads whole.
        if (set && set->sees_whole() && (op.axis == side || reads_factor(layout, op, side)))
          expands_[side][s] = 1;
      }
      for (const assay_arg& a : op.line.args) {
        const BufferDecl& d = layout.buffers[static_cast<size_t>(a.buffer)].decl;
        if ((a.access & ASSAY_OUT) && projected(model, d)) projects_[d.side][s] = 1;
      }
    }
  }
}

void Coupled::attach(assay_ctx& ctx) const {
  for (int side = 0; side < 3; ++side) {
    const bool any =
        std::find(expands_[side].begin(), expands_[side].end(), 1) != expands_[side].end();
    ctx.whole[side] = any ? &terms_[side] : nullptr;
  }
}

int32_t Coupled::start(int stage, assay_ctx& ctx) {
  for (int side = 0; side < 3; ++side) {
    if (!expands_[side][static_cast<size_t>(stage)]) continue;
    ctx.first = 0;
    ctx.scratch.reset();
    const assay_view F = wide_[side].of(model_->factor[side]);
    const int32_t status = model_->penalties[side]->expand(&ctx, &F, terms_[side]);
    if (status < 0) return status;
  }
  return ASSAY_OK;
}

int32_t Coupled::finish(int stage, assay_ctx& ctx) {
  for (int side = 0; side < 3; ++side) {
    if (!projects_[side][static_cast<size_t>(stage)]) continue;
    ctx.first = 0;
    ctx.scratch.reset();
    assay_view F = wide_[side].of(model_->factor[side]);
    const int32_t status = model_->penalties[side]->project(&ctx, &F);
    if (status < 0) return status;
    wide_[side].put_back(model_->factor[side]);
  }
  return ASSAY_OK;
}

}  // namespace assay::graph
