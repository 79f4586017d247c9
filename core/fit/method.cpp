// SPDX-License-Identifier: Apache-2.0
// Creation of solvers, inits and metrics: three vtables with the same three functions.
#include "core/fit/method.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/graph/ops.hpp"
#include "core/graph/program.hpp"
#include "core/plugin/context.hpp"
#include "core/plugin/guard.hpp"

namespace assay::fit {
namespace {

struct Functions {
  int32_t (*create)(const assay_host*, assay_ctx*, const assay_problem*, void**) = nullptr;
  int32_t (*build)(void*, assay_builder*, int32_t) = nullptr;
  void (*destroy)(void*) = nullptr;
};

template <class Table>
Functions functions_of(const assay_plugin* plugin) {
  const auto* table = static_cast<const Table*>(plugin->vtable);
  return {table->create, table->build, table->destroy};
}

}  // namespace

Expected<std::unique_ptr<Method>> Method::create(const Chosen& chosen,
                                                 const graph::Model& model,
                                                 int32_t side,
                                                 const plugin::LogSink* log) {
  const plugin::Descriptor& d = *chosen.descriptor;
  const Functions f = d.kind == "solver" ? functions_of<assay_solver>(d.plugin)
                      : d.kind == "init" ? functions_of<assay_init>(d.plugin)
                                         : functions_of<assay_metric>(d.plugin);
  std::unique_ptr<Method> method(new Method);
  method->chosen_ = chosen;
  method->build_ = f.build;

  assay_problem problem = model.problem();
  if (problem.loss) {
    method->facts_ = *problem.loss;
    problem.loss = &method->facts_;
  }
  problem.side = side;
  problem.stream = chosen.stream;
  problem.options = method->chosen_.options.handle();

  assay_ctx ctx;
  ctx.log = log;
  const int32_t status = plugin::guarded(
      &ctx, d.id, [&] { return f.create(plugin::host(), &ctx, &problem, &method->self_); });
  if (status < 0) return ctx.take_error(status, d.id);
  method->destroy_ = f.destroy;
  return method;
}

bool makes_w(const plugin::Descriptor& solver) {
  return solver.kind == "solver" &&
         (static_cast<const assay_solver*>(solver.plugin->vtable)->flags & ASSAY_SOLVER_MAKES_W) !=
             0;
}

graph::Apply Method::apply() const {
  if (!makes_w(*chosen_.descriptor)) return {};
  return {[this](assay_builder* b) { return build_(self_, b, ASSAY_APPLY); }, self_};
}

Expected<std::shared_ptr<const graph::Program>> Method::program(int32_t purpose,
                                                                graph::Model& model) const {
  const graph::Apply before = std::exchange(model.apply, apply());
  auto program = graph::Program::build(
      model, chosen_.descriptor->id, self_,
      [this, purpose](assay_builder* b) { return build_(self_, b, purpose); },
      purpose == ASSAY_APPLY);
  model.apply = before;
  return program;
}

Expected<std::vector<std::string>> Method::reports(int32_t purpose, graph::Model& model) const {
  auto program = this->program(purpose, model);
  if (!program) return std::move(program.error());
  static const std::set<std::string> kOwn = {"objective", "penalty", "converged", "diverged",
                                             "kkt"};
  std::vector<std::string> names;
  for (const graph::Line& line : (*program)->body().lines) {
    if (line.kind != graph::LineKind::kReport) continue;
    const std::string name = line.name;
    if (kOwn.count(name) == 0) names.push_back(name);
  }
  return names;
}

Expected<std::set<std::string>> Method::states(int32_t purpose, graph::Model& model) const {
  auto program = this->program(purpose, model);
  if (!program) return std::move(program.error());
  std::set<std::string> names;
  for (const graph::BufferDecl& d : (*program)->body().buffers)
    if (d.role == ASSAY_STATE && d.side < 0 && d.given < 0 && !d.output)
      names.insert((d.axis == ASSAY_ROWS ? graph::kRowsState : "") + d.name);
  return names;
}

int64_t Method::starts() const {
  const auto* table = static_cast<const assay_solver*>(chosen_.descriptor->plugin->vtable);
  if (!ASSAY_HAS(table, starts) || !table->starts) return 1;
  int64_t starts = 1;
  (void)plugin::guarded(nullptr, chosen_.descriptor->id, [&] {
    starts = table->starts(self_);
    return 0;
  });
  return std::max<int64_t>(starts, 1);
}

Method::~Method() {
  if (!destroy_ || !self_) return;
  (void)plugin::guarded(nullptr, chosen_.descriptor->id, [this] {
    destroy_(self_);
    return 0;
  });
}

Expected<std::unique_ptr<graph::Plan>> Method::plan(int32_t purpose,
                                                    graph::Model& model,
                                                    const graph::PlanOptions& options) const {
  auto program = graph::Program::build(
      model, chosen_.descriptor->id, self_,
      [this, purpose](assay_builder* b) { return build_(self_, b, purpose); },
      purpose == ASSAY_APPLY);
  if (!program) return std::move(program.error());
  if ((*program)->empty()) return std::unique_ptr<graph::Plan>();
  graph::PlanOptions made = options;
  made.repeated = purpose == ASSAY_STEP;  // only this plan changes the factors while it runs
  return graph::Plan::make(*program, model, made);
}

}  // namespace assay::fit
