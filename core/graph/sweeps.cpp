// SPDX-License-Identifier: Apache-2.0
// Ops into sweeps, and the places of buffers.
#include "core/graph/sweeps.hpp"

#include <algorithm>
#include <set>

#include "core/graph/coupled.hpp"

namespace assay::graph {

namespace {

// A carried sum may be this large: dense X, or sparse X where a lane's scatter must stay in cache.
constexpr int64_t kRowsForCarry = 8;  // of a batch, for each column of a carried sum
constexpr double kDenseCarryBytes = 8.0 * 1024 * 1024, kSparseCarryBytes = 512.0 * 1024;

int32_t other(int32_t axis) { return axis == ASSAY_ROWS ? ASSAY_COLS : ASSAY_ROWS; }

std::vector<int> touched(const Op& op) {
  std::vector<int> all = {op.left, op.right, op.extra, op.out0, op.out1, op.value};
  for (const auto& in : op.inputs) all.push_back(in.first);
  for (const assay_arg& a : op.line.args) all.push_back(a.buffer);
  std::erase_if(all, [](int b) { return b < 0; });
  return all;
}

bool makes(const Stage& stage, int b) {
  for (const Op& op : stage.ops)
    for (const int m : made(op))
      if (m == b) return true;
  return false;
}

}  // namespace

std::vector<int> made(const Op& op) {
  std::vector<int> out = {op.out0, op.out1, op.value};
  for (const assay_arg& a : op.line.args)
    if (a.access & (ASSAY_OUT | ASSAY_ADD)) out.push_back(a.buffer);
  std::erase_if(out, [](int b) { return b < 0; });
  return out;
}

Sweeps::Sweeps(const Program::Body& program, Model& model, const PlanOptions& options)
    : program_(program), model_(model), options_(options) {
  compute_ = options.compute == ASSAY_NUM ? model.compute : options.compute;
  main_ = model.x->rows >= model.x->cols ? ASSAY_ROWS : ASSAY_COLS;
}

int64_t Sweeps::ld_of(int64_t width) const {
  return compute_ == ASSAY_F32 ? kernels::padded<float>(width) : kernels::padded<double>(width);
}

Expected<void> Sweeps::place_buffers() {
  for (const BufferDecl& d : program_.buffers) {
    PlanBuffer b;
    b.decl = d;
    b.ld = ld_of(d.width);
    if (d.side >= 0) {
      b.place = Place::kModel;
      b.model = &model_.factor[d.side];
    } else if (d.given >= 0) {
      b.place = Place::kGiven;
      b.ld = 1;
    } else if (d.role == ASSAY_STATE) {
      // What is on the rows belongs to these rows; the rest may go on with others.
      const std::string key = (d.axis == ASSAY_ROWS ? kRowsState : "") + d.name;
      auto found = model_.state.find(key);
      if (found == model_.state.end())
        found = model_.state.emplace(key, Buffer::state(key, d.dtype, d.rows, d.width)).first;
      else if (found->second.rows != d.rows || found->second.width != d.width ||
               found->second.dtype != d.dtype)
        return Error(ASSAY_E_PLUGIN, "E0410",
                     "plugin `" + program_.who + "` declares state `" + d.name +
                         "` with two different shapes");
      b.place = Place::kModel;
      b.model = &found->second;
      if (d.output) model_.results[d.name] = key;
    } else if (d.role >= ASSAY_SUM) {
      b.place = Place::kStat;
    }
    if (b.place == Place::kModel) b.ld = b.model->ld;
    layout_.buffers.push_back(std::move(b));
  }
  return {};
}

int Sweeps::internal(const std::string& name,
                     int32_t axis,
                     int32_t role,
                     int64_t rows,
                     int64_t width) {
  PlanBuffer b;
  b.decl.name = name + "#" + std::to_string(layout_.buffers.size());
  b.decl.axis = axis;
  b.decl.role = role;
  b.decl.rows = axis == ASSAY_ONE ? rows : axis == ASSAY_ROWS ? model_.n() : model_.d();
  b.decl.width = width;
  b.ld = ld_of(width);
  b.place = role == ASSAY_SUM ? Place::kStat : Place::kStored;
  layout_.buffers.push_back(std::move(b));
  return static_cast<int>(layout_.buffers.size()) - 1;
}

void Sweeps::settle_buffers() {
  for (PlanBuffer& b : layout_.buffers) {
    if (b.place != Place::kStored || b.decl.role != ASSAY_LOCAL) continue;
    const bool no_memory = b.shared >= 0;
    const bool one_sweep = b.first_stage >= 0 && b.first_stage == b.last_stage &&
                           b.decl.axis != ASSAY_ONE && !b.decl.output;
    if (no_memory || one_sweep) b.place = Place::kTile;
  }
  pack_stored();
}

// LOCALs kept for every row of X are packed where no kernel writes their rows.
void Sweeps::pack_stored() {
  std::set<int> padded;
  for (const Stage& stage : layout_.stages)
    for (const Op& op : stage.ops) padded.insert({op.out0, op.out1, op.extra});
  for (size_t i = 0; i < layout_.buffers.size(); ++i) {
    PlanBuffer& b = layout_.buffers[i];
    if (b.place != Place::kStored || b.decl.axis != ASSAY_ROWS || b.matrices || b.shared >= 0 ||
        padded.count(static_cast<int>(i)))
      continue;
    b.ld = Buffer::packed_ld(b.decl.dtype, b.decl.width);
  }
}

// Buffers an op reads whole (not as the slice of its sweep's tile).
std::vector<int> Sweeps::whole_reads(const Op& op) {
  std::vector<int> whole;
  const auto add = [&](int b) {
    if (b >= 0 && buffer(b).decl.axis != op.axis) whole.push_back(b);
  };
  add(op.left);
  add(op.right);
  add(op.extra);
  for (const auto& in : op.inputs) add(in.first);
  for (const assay_arg& a : op.line.args)
    if (a.access & ASSAY_IN) add(a.buffer);
  return whole;
}

// True when everything op reads whole was finished before the sweep began.
bool Sweeps::joins(const Op& op, const Stage& stage) {
  if (stage.axis != op.axis || op.axis == ASSAY_ONE || op.axis == kBlocks || !options_.force.fuse)
    return false;
  for (const int b : whole_reads(op))
    if (makes(stage, b)) return false;
  // A factor with a set of the whole is projected between sweeps.
  for (const int b : touched(op))
    if (Coupled::projected(model_, buffer(b).decl) && makes(stage, b)) return false;
  return true;
}

// Whether op and a sweep may not change places: one writes what the other touches.
bool Sweeps::depends(const Op& op, const Stage& stage) {
  const std::vector<int> mine = touched(op), writes = made(op);
  const auto has = [](const std::vector<int>& all, int b) {
    return std::find(all.begin(), all.end(), b) != all.end();
  };
  for (const Op& other : stage.ops) {
    for (const int b : made(other))
      if (has(mine, b)) return true;
    for (const int b : touched(other))
      if (has(writes, b)) return true;
  }
  return false;
}

// The last sweep of the run that op may join, with nothing behind it that op depends on; -1: none.
int Sweeps::sweep_for(const Op& op, const Control& run) {
  for (int s = run.last - 1; s >= run.first; --s) {
    const Stage& stage = layout_.stages[static_cast<size_t>(s)];
    if (joins(op, stage)) return s;
    if (!options_.force.fuse || depends(op, stage)) return -1;
  }
  return -1;
}

// A new sweep of the open run, before all that is at `at` and behind.
void Sweeps::open_sweep(Control& run, int at, int32_t axis) {
  Stage stage;
  stage.axis = axis;
  stage.batch = batch_;
  stage.windowed = windowed_;
  layout_.stages.insert(layout_.stages.begin() + at, std::move(stage));
  ++run.last;
  for (PlanBuffer& b : layout_.buffers)
    for (int* place : {&b.stage, &b.first_stage, &b.last_stage})
      if (*place >= at) ++*place;
}

void Sweeps::emit(Op op, bool ahead) {
  std::vector<Control>& control = *open_.back();
  if (control.empty() || control.back().kind != Control::Kind::kRun) {
    control.emplace_back();
    control.back().first = control.back().last = static_cast<int>(layout_.stages.size());
  }
  Control& run = control.back();
  int index = sweep_for(op, run);
  if (index < 0) {
    const bool before = ahead && options_.force.fuse && run.last > run.first &&
                        layout_.stages.back().axis != ASSAY_ONE &&
                        !depends(op, layout_.stages.back());
    index = before ? run.last - 1 : run.last;
    open_sweep(run, index, op.axis);
  }
  Stage& stage = layout_.stages[static_cast<size_t>(index)];
  stage.reads_x = stage.reads_x || op.reads_x;
  for (const int b : touched(op)) {
    PlanBuffer& p = buffer(b);
    p.first_stage = p.first_stage < 0 ? index : std::min(p.first_stage, index);
    p.last_stage = std::max(p.last_stage, index);
  }
  place_sums(op, index);
  stage.ops.push_back(std::move(op));
}

// A sum lies in the partials of the sweep that makes it.
void Sweeps::place_sums(const Op& op, int index) {
  Stage& stage = layout_.stages[static_cast<size_t>(index)];
  for (const int b : made(op)) {
    PlanBuffer& p = buffer(b);
    if (p.place != Place::kStat || p.stage >= 0) continue;
    p.stage = index;
    p.offset = stage.partial;
    const int64_t size = p.decl.rows * p.ld;
    stage.partial += (size + 7) / 8 * 8;
    stage.ranges.push_back({p.offset, size, p.decl.role, p.ld});
    stage.stats.push_back(b);
  }
}

void Sweeps::emit_x(Op op, int32_t axis, bool carried) {
  op.reads_x = true;
  op.carried = carried;
  op.axis = carried ? other(axis) : axis;
  if (carried)
    for (const int b : {op.out0, op.out1})
      if (b >= 0) buffer(b).place = Place::kStat;
  if (model_.x->sparse && !op.densify && op.axis == ASSAY_COLS) layout_.needs_csc = true;
  emit(std::move(op));
}

bool Sweeps::carry(int32_t axis, int64_t width, int results) const {
  // Batches are runs of rows: their sums over rows are carried, for sparse X always (its column
  // index knows no batches).
  if (batch_ > 0 && model_.x->sparse) return axis == ASSAY_COLS;
  if (options_.force.carry == Force::Carry::kNever) return false;
  // The sums of a batch are cleared and added once for each lane; where it has few rows, reading
  // them once more by columns is cheaper.
  if (batch_ > 0)
    return axis == ASSAY_COLS &&
           (options_.force.carry == Force::Carry::kAlways || batch_ >= kRowsForCarry * width);
  const int64_t length = axis == ASSAY_ROWS ? model_.n() : model_.d();
  const double bytes = 8.0 * static_cast<double>(length * ld_of(width) * results);
  if (options_.force.carry == Force::Carry::kAlways) return bytes <= 4 * kDenseCarryBytes;
  const double most = model_.x->sparse ? kSparseCarryBytes : kDenseCarryBytes;
  return axis != main_ && bytes <= most;
}

void Sweeps::open_control(const Line& line) {
  Control c;
  c.kind = line.kind == LineKind::kLoop ? Control::Kind::kLoop : Control::Kind::kBatches;
  c.until = line.left;
  c.count = line.count;
  c.shuffled = line.flags == ASSAY_SHUFFLED;
  c.stream = line.stream;
  c.windowed = line.kind == LineKind::kBatches && line.flags == ASSAY_SHUFFLED_ROWS;
  if (c.kind == Control::Kind::kBatches) {
    batch_ = line.count;
    windowed_ = c.windowed;
  }
  open_.back()->push_back(std::move(c));
  open_.push_back(&open_.back()->back().body);
}

void Sweeps::close_control() {
  open_.pop_back();
  if (open_.size() > 1) return;
  batch_ = 0;
  windowed_ = false;
}

}  // namespace assay::graph
