// SPDX-License-Identifier: Apache-2.0
// Plan: a program made ready (layout, memory, executor) and run step by step.
#include "core/graph/plan.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <new>

#include "core/graph/grid.hpp"
#include "core/graph/run.hpp"
#include "core/graph/words.hpp"

namespace assay::graph {

namespace {
constexpr double kInlineSeconds = 50e-6;  // a step shorter than this is run on the calling thread
}

void Engine::reset() {
  failed = false;
  failed_stage = failed_lane = 0;
  error = Error();
}

void Engine::fail(int stage, int lane, Error e) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (failed && (stage > failed_stage || (stage == failed_stage && lane > failed_lane))) return;
  failed_stage = stage;
  failed_lane = lane;
  error = std::move(e);
  failed = true;
}

void Engine::run_lane(int stage, int lane, int worker, double* partial) {
  if (failed || !active(stage)) return;
  Worker& w = *workers[static_cast<size_t>(worker)];
  const int32_t status = lanes_of(layout.stages[static_cast<size_t>(stage)])
                             .run(layout.stages[static_cast<size_t>(stage)], lane, w, partial);
  if (status != ASSAY_OK) fail(stage, lane, w.ctx.take_error(status, program->body().who));
}

void Engine::start_stage(int stage) {
  if (failed || !active(stage)) return;
  if (stage == layout.rotated && !frame.prime && frame.measure)
    for (size_t i = 0; i < layout.entering.size(); ++i)
      entering[i] = *static_cast<const double*>(whole(frame, layout.entering[i].first).data);
  assay_ctx& ctx = workers.front()->ctx;
  const int32_t status = coupled.start(stage, ctx);
  if (status < 0) return fail(stage, 0, ctx.take_error(status, program->body().who));
  Stage& at = layout.stages[static_cast<size_t>(stage)];
  lanes_of(at).start(at);
}

void Engine::finish_stage(int s) {
  if (!active(s)) return;
  // Also after a failure: the blocks that were committed belong to a feasible factor.
  assay_ctx& ctx = workers.front()->ctx;
  const int32_t status = coupled.finish(s, ctx);
  if (failed) return;
  if (status < 0) return fail(s, 0, ctx.take_error(status, program->body().who));
  const Stage& stage = layout.stages[static_cast<size_t>(s)];
  for (const StatRange& r : stage.ranges) {
    if (r.role != ASSAY_SUM) continue;
    int64_t bad = 0;
    if (r.role == ASSAY_SMALLEST) continue;  // infinity: a place that is free
    for (int64_t i = 0; i < r.size; ++i) bad += std::isfinite(stage.root[r.first + i]) ? 0 : 1;
    if (bad > 0)
      return fail(
          s, 0,
          Error(ASSAY_E_NUMERIC, "E0901", "a sum of `" + program->body().who + "` is not finite")
              .with_help(kOutOfRange));
  }
}

void Engine::note_time(const std::string& name,
                       int thread,
                       std::chrono::steady_clock::time_point start) {
  const auto us = [this](std::chrono::steady_clock::time_point t) {
    return std::chrono::duration<double, std::micro>(t - born).count();
  };
  const auto end = std::chrono::steady_clock::now();
  const std::lock_guard<std::mutex> lock(mutex);
  times.push_back({name, thread, us(start), us(end)});
}

namespace {
// Whether a sum is made by an op that runs for the next step.
bool rides_ahead(const Layout& layout, int buffer) {
  for (const Op& op : layout.stages[static_cast<size_t>(layout.rotated)].ops)
    if (op.next && op.value == buffer) return true;
  return false;
}
}  // namespace

namespace {
// Rounds of equal cut share one grid.
void make_grids(Layout& layout, const data::Data& x) {
  std::map<int64_t, std::shared_ptr<const Grid>> made;
  for (Stage& stage : layout.stages) {
    if (stage.blocks == 0) continue;
    auto& grid = made[stage.blocks];
    if (!grid) {
      grid = std::make_shared<const Grid>(x, stage.blocks, stage.ops.front().densify);
      if (grid->copied_bytes() > 0)
        layout.remarks.push_back("copied the stored entries of sparse X block by block, " +
                                 std::to_string(grid->copied_bytes() >> 20) + " MiB");
    }
    stage.grid = grid;
  }
}
}  // namespace

struct Plan::Body {
  Engine engine;
  data::Lines csc;
  AlignedArray<double> given[5];
  std::shared_ptr<Arena> arena;
  std::unique_ptr<Executor> executor;
  bool primed = false;  // what rides ahead is there
};

Plan::~Plan() = default;

Expected<std::unique_ptr<Plan>> Plan::make(std::shared_ptr<const Program> program,
                                           Model& model,
                                           const PlanOptions& options) {
  try {
    std::unique_ptr<Plan> plan(new Plan());
    plan->body_ = std::make_unique<Body>();
    Body& body = *plan->body_;
    Engine& e = body.engine;
    e.program = std::move(program);
    auto layout = make_layout(e.program->body(), model, options);
    if (!layout) return layout.error();
    e.layout = std::move(*layout);
    if (options.repeated && options.force.fuse) rotate(e.layout, model);
    e.entering.assign(e.layout.entering.size(), 0.0);
    e.timing = options.timing;
    e.give_up = options.give_up;
    e.spread = options.force.run == Force::Run::kGraph;
    e.frame.program = &e.program->body();
    e.frame.layout = &e.layout;
    e.frame.model = &model;
    e.frame.x = model.x.get();
    e.frame.rows = model.n();
    e.frame.isa = options.isa;
    e.frame.compute = options.compute == ASSAY_NUM ? model.compute : options.compute;
    size_stages(e.layout, model, options, e.frame.compute == ASSAY_F32 ? 4 : 8);
    if (e.layout.needs_csc) {
      auto csc = data::transpose(*model.x);
      if (!csc) return csc.error();
      body.csc = std::move(*csc);
      e.frame.csc = &body.csc;
      e.layout.remarks.push_back("built the column index of sparse X (CSC), " +
                                 std::to_string(model.x->csr.nnz * 12 / (1 << 20)) + " MiB");
    }
    make_grids(e.layout, *model.x);
    for (PlanBuffer& b : e.layout.buffers) {
      if (b.place == Place::kGiven && b.decl.given >= 0 && body.given[b.decl.given].size() == 0) {
        const data::Data& x = *model.x;
        const auto ones = [](int64_t n) {
          AlignedArray<double> a(n);
          std::fill(a.begin(), a.end(), 1.0);
          return a;
        };
        switch (b.decl.given) {
          case ASSAY_ROW_WEIGHTS:
            body.given[0] = x.row_weights ? *x.row_weights : ones(x.rows);
            break;
          case ASSAY_COL_WEIGHTS:
            body.given[1] = x.col_weights ? *x.col_weights : ones(x.cols);
            break;
          case ASSAY_ROW_COUNTS:
            body.given[2] = data::row_counts(x);
            break;
          case ASSAY_COL_COUNTS:
            body.given[3] = data::col_counts(x);
            break;
          default:
            body.given[kGivenShift] = *x.shift;
        }
        e.frame.given[b.decl.given] = &body.given[b.decl.given];
      }
      if (b.place == Place::kStored) {
        b.stored.dtype = b.decl.dtype;
        b.stored.rows = b.decl.rows;
        b.stored.width = b.decl.width;
        b.stored.ld = b.ld;
        b.stored.bytes = AlignedArray<unsigned char>(b.decl.rows * b.ld * 8);
      }
    }
    for (Stage& s : e.layout.stages) s.root = AlignedArray<double>(std::max<int64_t>(s.partial, 8));
    e.lanes = make_lanes(e.frame);
    for (const Stage& s : e.layout.stages)
      if (s.windowed && !e.window) e.window = std::make_unique<Window>(e.frame, s.batch);
    e.coupled.plan(e.layout, model);
    const int threads = options.arena ? options.arena->threads() : 1;
    const auto parallel = [&](int first, int last) {
      if (!options.arena || options.force.ranks > 1) return false;
      double seconds = 0;
      for (int s = first; s < last; ++s) seconds += e.layout.stages[static_cast<size_t>(s)].seconds;
      return options.force.run == Force::Run::kGraph ||
             (options.force.run == Force::Run::kAuto && threads > 1 && seconds >= kInlineSeconds);
    };
    const bool any = parallel(0, static_cast<int>(e.layout.stages.size()));
    for (int i = 0; i < (any ? threads : 1); ++i) {
      auto w = std::make_unique<Worker>();
      for (int side = 0; side < 3; ++side) w->ctx.penalties[side] = model.penalties[side].get();
      w->ctx.loss = model.loss.get();
      w->ctx.density = model.density.get();
      w->ctx.cancel = options.cancel;
      w->ctx.log = options.log;
      e.coupled.attach(w->ctx);
      e.lanes->size(*w);
      e.workers.push_back(std::move(w));
    }
    if (options.log)
      for (const std::string& remark : e.layout.remarks) (*options.log)(ASSAY_LOG_INFO, remark);
    if (!e.layout.stages.empty()) {
      body.arena = options.arena;
      body.executor = make_walk(e, [&](int first, int last) {
        return parallel(first, last) ? make_flow(e, *options.arena, first, last)
                                     : make_serial(e, first, last, options.force.ranks);
      });
    }
    return plan;
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "E0902", "out of memory");
  } catch (const std::exception& error) {
    return Error(ASSAY_E_INTERNAL, "E0900", std::string("the planner failed: ") + error.what());
  }
}

Expected<StepResult> Plan::run(bool measure, int64_t step) {
  Engine& e = body_->engine;
  e.reset();
  e.frame.measure = measure;
  e.frame.step = step;
  e.frame.turn = e.frame.first_row = 0;
  e.frame.rows = e.frame.model->n();
  if (e.layout.rotated >= 0) {
    // Before the first step, and when a riding op owes a value it was not asked for.
    bool owes = false;
    for (const Op& op : e.layout.stages[static_cast<size_t>(e.layout.rotated)].ops)
      owes = owes || (op.next && op.only_measured);
    if (!body_->primed || (measure && owes)) {
      e.frame.prime = true;
      body_->executor->run();
      e.frame.prime = false;
      if (e.failed) return e.error;
    }
  }
  body_->primed = false;
  if (body_->executor) body_->executor->run();
  if (e.failed) return e.error;
  body_->primed = true;
  StepResult r;
  if (measure && !e.layout.entering.empty()) {
    r.has_loss = true;
    r.loss = e.layout.entering_constant;
    for (size_t i = 0; i < e.layout.entering.size(); ++i) {
      const auto& [b, c] = e.layout.entering[i];
      const bool rides = e.layout.rotated >= 0 &&
                         e.layout.buffers[static_cast<size_t>(b)].stage == e.layout.rotated &&
                         rides_ahead(e.layout, b);
      r.loss += c * (rides ? e.entering[i] : scalar(e.frame, b));
    }
    if (!std::isfinite(r.loss))
      return Error(ASSAY_E_NUMERIC, "E0901", "the loss is not finite").with_help(kOutOfRange);
  }
  for (const auto& [name, b] : e.layout.reports) {
    const double v = scalar(e.frame, b);
    if (name == "converged") {
      r.converged = v != 0;
    } else if (name == "diverged") {
      r.diverged = r.diverged || v != 0;
    } else if (name == "objective") {
      r.has_objective = true;
      r.objective = v;
    } else {
      r.reports[name] = v;
    }
  }
  return r;
}

std::vector<std::string> Plan::row_outputs() const {
  std::vector<std::string> names;
  for (const PlanBuffer& b : body_->engine.layout.buffers)
    if (b.decl.output && b.decl.role == ASSAY_LOCAL && b.decl.axis == ASSAY_ROWS)
      names.push_back(b.decl.name);
  return names;
}

Expected<Buffer> Plan::output(const std::string& name) const {
  const Engine& e = body_->engine;
  for (size_t i = 0; i < e.layout.buffers.size(); ++i) {
    const PlanBuffer& b = e.layout.buffers[i];
    if (b.decl.name != name || b.place == Place::kTile) continue;
    const Whole w = whole(e.frame, static_cast<int>(i));
    Buffer out = Buffer::packed(w.dtype, b.decl.rows, b.decl.width);
    for (int64_t r = 0; r < out.rows; ++r)
      for (int64_t c = 0; c < out.width; ++c) {
        const int64_t at = r * w.ld + c;
        switch (w.dtype) {
          case ASSAY_F32:
            out.as<float>()[r * out.ld + c] = static_cast<const float*>(w.data)[at];
            break;
          case ASSAY_I32:
            out.as<int32_t>()[r * out.ld + c] = static_cast<const int32_t*>(w.data)[at];
            break;
          case ASSAY_I64:
            out.as<int64_t>()[r * out.ld + c] = static_cast<const int64_t*>(w.data)[at];
            break;
          default:
            out.as<double>()[r * out.ld + c] = static_cast<const double*>(w.data)[at];
        }
      }
    return out;
  }
  return Error(ASSAY_E_NOT_FOUND, "E0413", "the program has no result `" + name + "`");
}

bool Plan::has_turns() const {
  const auto& control = body_->engine.layout.control;
  return std::any_of(control.begin(), control.end(),
                     [](const Control& c) { return c.kind != Control::Kind::kRun; });
}

bool Plan::values_come_free() const { return body_->engine.layout.entering_free; }

Estimate Plan::estimate() const {
  Estimate est;
  for (const Stage& s : body_->engine.layout.stages) {
    est.bytes_of_x += s.x_bytes * s.times;
    est.flops += s.flops * s.times;
    est.partial_bytes += 8.0 * static_cast<double>(s.partial);
    est.reads_of_x += s.reads_x ? 1 : 0;
  }
  return est;
}

int Plan::live_partials() const { return body_->executor ? body_->executor->live_partials() : 0; }

std::string Plan::words() const {
  return describe(body_->engine.layout, *body_->engine.frame.model);
}
std::string Plan::dot() const { return draw(body_->engine.layout); }
std::string Plan::chrome_trace() const { return trace_json(body_->engine.times); }

}  // namespace assay::graph
