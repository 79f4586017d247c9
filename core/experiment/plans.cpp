// SPDX-License-Identifier: Apache-2.0
// What can be said of a trial without fitting it: its plans, and whether its data suit its model.
#include <fmt/format.h>

#include <utility>

#include "core/experiment/run.hpp"
#include "core/experiment/session.hpp"
#include "core/experiment/trial.hpp"
#include "core/fit/method.hpp"

namespace assay::experiment {
namespace {

struct Opened {
  Runtime runtime;
  std::unique_ptr<Session> session;
  std::shared_ptr<const Prepared> data;
  std::unique_ptr<graph::Model> model;
};

// On the heap: the session points at the runtime.
Expected<std::unique_ptr<Opened>> open(const spec::Experiment& experiment,
                                       int64_t trial,
                                       std::shared_ptr<plugin::Registry> registry) {
  if (trial < 0 || trial >= static_cast<int64_t>(experiment.trials.size())) {
    return Error(ASSAY_E_ARGUMENT, "E0007",
                 fmt::format("there is no trial {}: the experiment has {}", trial,
                             experiment.trials.size()));
  }
  const spec::Trial& t = experiment.trials[static_cast<size_t>(trial)];
  auto runtime =
      Runtime::create(std::move(registry), experiment.threads, experiment.isa, experiment.plan);
  if (!runtime) return std::move(runtime.error());
  auto o = std::make_unique<Opened>();
  o->runtime = std::move(*runtime);
  o->session = std::make_unique<Session>(o->runtime);
  auto data = o->session->prepare(t);
  if (!data) return std::move(data.error());
  o->data = std::move(*data);
  auto model = make_model(t, *o->data, o->runtime);
  if (!model) return std::move(model.error());
  o->model = std::move(*model);
  ASSAY_TRY(check_methods(t, *o->data, *o->model, o->runtime));
  return o;
}

Expected<void> add_plan(const fit::Chosen& chosen,
                        const std::string& name,
                        int32_t purpose,
                        Opened& o,
                        std::vector<PlanText>& out) {
  auto method = fit::Method::create(chosen, *o.model, -1, nullptr);
  if (!method) return std::move(method.error());
  auto plan = (*method)->plan(purpose, *o.model, o.runtime.plan_options());
  if (!plan) return std::move(plan.error());
  if (*plan) out.push_back({name, (*plan)->words(), (*plan)->dot()});
  return {};
}

}  // namespace

Expected<std::vector<PlanText>> plans(const spec::Experiment& experiment,
                                      int64_t trial,
                                      std::shared_ptr<plugin::Registry> registry) {
  auto o = open(experiment, trial, std::move(registry));
  if (!o) return std::move(o.error());
  auto task = make_task(experiment.trials[static_cast<size_t>(trial)], *(*o)->data, *(*o)->model,
                        (*o)->runtime);
  if (!task) return std::move(task.error());
  std::vector<PlanText> out;
  if (task->init) ASSAY_TRY(add_plan(*task->init, "init", ASSAY_INIT, **o, out));
  ASSAY_TRY(add_plan(task->solver, "prepare", ASSAY_PREPARE, **o, out));
  ASSAY_TRY(add_plan(task->solver, "step", ASSAY_STEP, **o, out));
  ASSAY_TRY(add_plan(task->solver, "finish", ASSAY_FINISH, **o, out));
  return out;
}

Expected<std::string> trace_steps(const spec::Experiment& experiment,
                                  int64_t trial,
                                  int steps,
                                  std::shared_ptr<plugin::Registry> registry) {
  auto opened = open(experiment, trial, std::move(registry));
  if (!opened) return std::move(opened.error());
  Opened& o = **opened;
  auto task =
      make_task(experiment.trials[static_cast<size_t>(trial)], *o.data, *o.model, o.runtime);
  if (!task) return std::move(task.error());
  graph::PlanOptions options = o.runtime.plan_options();
  options.timing = true;
  std::string times;
  const auto run = [&](const fit::Chosen& chosen, int32_t purpose, int count) -> Expected<void> {
    auto method = fit::Method::create(chosen, *o.model, -1, nullptr);
    if (!method) return std::move(method.error());
    auto plan = (*method)->plan(purpose, *o.model, options);
    if (!plan) return std::move(plan.error());
    for (int i = 0; *plan && i < count; ++i) {
      if (auto step = (*plan)->run(false); !step) return std::move(step.error());
    }
    if (*plan) times = (*plan)->chrome_trace();
    return {};
  };
  if (task->init) ASSAY_TRY(run(*task->init, ASSAY_INIT, 1));
  ASSAY_TRY(run(task->solver, ASSAY_PREPARE, 1));
  ASSAY_TRY(run(task->solver, ASSAY_STEP, steps));
  return times;
}

Expected<void> check_data(const spec::Experiment& experiment,
                          int64_t trial,
                          std::shared_ptr<plugin::Registry> registry) {
  auto o = open(experiment, trial, std::move(registry));
  if (!o) return std::move(o.error());
  return {};
}

}  // namespace assay::experiment
