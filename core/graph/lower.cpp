// SPDX-License-Identifier: Apache-2.0
// The lines of a program, one by one, and the ops that several kinds of lines share.
#include "core/graph/lower.hpp"

#include <algorithm>

#include "core/graph/grid.hpp"

namespace assay::graph {

Lowering::Lowering(const Program::Body& program, Model& model, const PlanOptions& options)
    : Sweeps(program, model, options) {
  const data::Data& x = *model.x;
  weighted_ = x.weighted() || x.mask != nullptr;
  zeros_ = x.sparse && x.unstored_zero;
}

Expected<Layout> Lowering::run() {
  ASSAY_TRY(place_buffers());
  const std::vector<Line> lines = live_lines(program_, model_.frozen);
  for (const Line& line : lines) lower(line);
  if (refused_) return std::move(*refused_);
  settle_buffers();
  for (const int b : x_shaped_)
    if (options_.force.fuse && buffer(b).place != Place::kTile)
      refuse("`" + buffer(b).decl.name + "` stands in X's place and would be stored whole");
  if (refused_) return std::move(*refused_);
  return std::move(layout_);
}

void Lowering::lower(const Line& line) {
  switch (line.kind) {
    case LineKind::kTimes:
      return lower_times(line);
    case LineKind::kGram:
      emit_gram(line.name, line.left, line.right, line.out, -1);
      return;
    case LineKind::kTerms:
      return lower_terms(line);
    case LineKind::kEach:
      return lower_each(line);
    case LineKind::kReport:
      layout_.reports.emplace_back(line.name, line.left);
      return;
    case LineKind::kNormals:
      return lower_normals(line);
    case LineKind::kLoop:
    case LineKind::kBatches:
      if (line.flags == ASSAY_SHUFFLED_ROWS && rows_have_places())
        return refuse(
            "batches of shuffled rows, where a penalty of W depends on the place of a row");
      return open_control(line);
    case LineKind::kEnd:
      return close_control();
    case LineKind::kGrid:
      return lower_grid(line);
    case LineKind::kGather:
      return lower_gather(line);
  }
}

// Whether a penalty of W sees more than rows by themselves.
bool Lowering::rows_have_places() const {
  const auto& set = model_.penalties[0];
  return set && (set->sees_whole() || set->couples() ||
                 std::any_of(set->items().begin(), set->items().end(), [](const auto& item) {
                   return (item.facts.flags & ASSAY_PENALTY_BY_PLACE) != 0;
                 }));
}

void Lowering::refuse(const std::string& what) {
  if (!refused_)
    refused_ = Error(ASSAY_E_PLUGIN, "E0410",
                     "plugin `" + program_.who + "` declared what no plan does: " + what);
}

// ---- lines ----

void Lowering::lower_each(const Line& line) {
  if (batch() > 0 && line.axis == ASSAY_COLS && (line.flags & ASSAY_EACH_X) != 0)
    return refuse("`" + line.name + "` asks for columns of X inside batches of rows");
  Op op;
  op.kind = OpKind::kEach;
  op.name = line.name;
  op.axis = line.axis;
  op.line = line;
  op.reads_x = (line.flags & ASSAY_EACH_X) != 0;
  op.densify = op.reads_x && model_.x->sparse && shifted_zeros();
  if (op.reads_x && model_.x->sparse && !op.densify && op.axis == ASSAY_COLS)
    layout_.needs_csc = true;
  for (const assay_arg& a : line.args)
    if (buffer(a.buffer).shared >= 0) op.inputs.emplace_back(buffer(a.buffer).shared, 0.0);
  emit(std::move(op));
}

// A stage per round. Sums go on from round to round: they have the same places in the partials
// of all rounds, and the last one has the result.
void Lowering::lower_grid(const Line& line) {
  if (batch() > 0) {
    refused_ = Error(ASSAY_E_PLUGIN, "E0410",
                     "`" + line.name + "`: a grid has its own order and cannot be in batches");
    return;
  }
  const data::Data& x = *model_.x;
  const int64_t asked = line.count > 0 ? line.count : grid_blocks(x);
  const int64_t blocks = std::min({asked, x.rows, x.cols});
  for (int64_t r = 0; r < blocks; ++r) {
    Op op;
    op.kind = OpKind::kGrid;
    op.name = line.name;
    op.axis = kBlocks;
    op.line = line;
    op.reads_x = true;
    // Zeros that the loss has no closed form for are entries like others.
    op.densify =
        zeros_ && (x.shift || !model_.loss || model_.loss->facts().zero_term == ASSAY_ZERO_NONE);
    op.flops = 4 * product_flops(buffer(line.args.front().buffer).decl.width) /
               static_cast<double>(blocks);
    emit(std::move(op));
    Stage& stage = layout_.stages.back();
    stage.blocks = blocks;
    stage.round = r;
    if (r == 0 && layout_.stages.back().ops.front().densify)
      layout_.remarks.push_back("`" + line.name +
                                "` visits every zero of sparse X: the loss has no term for them");
    if (r == 0) continue;
    const Stage& before = layout_.stages[layout_.stages.size() - 2];
    stage.partial = before.partial;
    stage.ranges = before.ranges;
    stage.stats = before.stats;
    for (const int b : stage.stats) ++buffer(b).stage;
  }
}

// ---- shared ----

bool Lowering::shifted_zeros() const { return model_.x->shift != nullptr && zeros_; }

double Lowering::product_flops(int64_t width, bool densify) const {
  const data::Data& x = *model_.x;
  const double entries = x.sparse && !densify
                             ? static_cast<double>(x.csr.nnz)
                             : static_cast<double>(x.rows) * static_cast<double>(x.cols);
  return 2.0 * entries * static_cast<double>(ld_of(width));
}

int Lowering::row_weight(int32_t axis) const {
  const data::Data& x = *model_.x;
  return (axis == ASSAY_ROWS ? x.row_weights : x.col_weights) ? axis : -1;
}

int Lowering::emit_gram(const std::string& name,
                        int left,
                        int right,
                        int out,
                        int weight,
                        double scale) {
  const int64_t kl = buffer(left).decl.width, kr = buffer(right).decl.width;
  Op op;
  op.kind = OpKind::kGram;
  op.name = name;
  op.axis = buffer(left).decl.axis;
  op.left = left;
  op.right = right;
  op.weight = weight;
  op.scale = scale;
  op.out0 = out >= 0 ? out : internal("gram", ASSAY_ONE, ASSAY_SUM, kl, kr);
  op.flops = 2.0 * static_cast<double>(buffer(left).decl.rows * kl * kr);
  const int result = op.out0;
  emit(std::move(op), out < 0);
  return result;
}

int Lowering::gram_of(int factor, int weight, double scale) {
  return emit_gram("gram of " + buffer(factor).decl.name, factor, factor, -1, weight, scale);
}

int Lowering::emit_colsum(int left, int weight) {
  Op op;
  op.kind = OpKind::kColSum;
  op.name = "column sums of " + buffer(left).decl.name;
  op.axis = buffer(left).decl.axis;
  op.left = left;
  op.weight = weight;
  op.out0 = internal("colsum", ASSAY_ONE, ASSAY_SUM, 1, buffer(left).decl.width);
  const int result = op.out0;
  emit(std::move(op), true);
  return result;
}

void Lowering::emit_times_gram(int32_t axis, int own, int gram, int out, bool only_measured) {
  const BufferDecl& d = buffer(own).decl;
  Op op;
  op.kind = OpKind::kSmall;
  op.name = d.name + " times gram";
  op.axis = axis;
  op.left = own;
  op.right = gram;
  op.only_measured = only_measured;
  op.out0 = out;
  op.flops = 2.0 * static_cast<double>(d.rows * d.width * d.width);
  emit(std::move(op));
}

void Lowering::emit_subtract(const std::string& name, int32_t axis, int out, int extra) {
  Op op;
  op.kind = OpKind::kSubtract;
  op.name = name;
  op.axis = axis;
  op.out0 = out;
  op.extra = extra;
  emit(std::move(op));
}

Expected<Layout> make_layout(const Program::Body& program,
                             Model& model,
                             const PlanOptions& options) {
  return Lowering(program, model, options).run();
}

}  // namespace assay::graph
