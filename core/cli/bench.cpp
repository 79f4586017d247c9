// SPDX-License-Identifier: Apache-2.0
// assay bench: the machine's limits, then each solver's step on a built-in problem as a fraction of
// them. A step that reads b bytes of X and makes f floating-point operations cannot be faster than
// max(b / bandwidth, f / peak). Every pair of solver and loss runs on a few rows first; where all
// rows would not fit its share of the solver's time, these few are what is measured.
#include <fmt/core.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/cli/machine.hpp"
#include "core/cli/verbs.hpp"
#include "core/data/memory.hpp"
#include "core/fit/method.hpp"
#include "core/graph/plan.hpp"
#include "core/spec/capabilities.hpp"

namespace assay::cli {
namespace {

using Clock = std::chrono::steady_clock;
using plugin::Descriptor;

constexpr int64_t kRows = 20000, kFewRows = 400, kCols = 784, kRank = 16;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

// A fixed sequence in (0, 1): the problem is the same on every machine.
double next(uint64_t& state) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (static_cast<double>(state >> 11) + 0.5) * 0x1.0p-53;
}

struct Problem {
  std::shared_ptr<const data::Data> x;
  data::Facts facts;
};

Expected<Problem> problem(int64_t rows) {
  auto values = std::make_shared<std::vector<double>>(static_cast<size_t>(rows * kCols));
  uint64_t state = 1;
  for (double& v : *values) v = next(state);
  assay_dense view{};
  view.data = values->data();
  view.dtype = ASSAY_F64;
  view.rows = rows;
  view.cols = kCols;
  view.row_stride = kCols;
  view.col_stride = 1;
  auto x = data::from_dense(view, values);
  if (!x) return std::move(x.error());
  const auto facts = data::measure(*x);
  return Problem{std::make_shared<const data::Data>(std::move(*x)), facts};
}

struct Timing {
  double step = 0;  // median seconds
  int64_t rows = 0;
  graph::Estimate estimate;
};

class Bench {
 public:
  Bench(const Tool& tool, const plugin::Registry& registry, const BenchFlags& flags)
      : tool_(tool), registry_(registry), flags_(flags) {}

  int run() {
    const auto isa = kernels::isa_from_environment();
    if (!isa) return tool_.show(isa.error());
    isa_ = *isa;
    threads_ = flags_.threads > 0 ? flags_.threads : cores();
    auto arena = graph::Arena::create(threads_);
    if (!arena) return tool_.show(arena.error());
    arena_ = *arena;
    auto all = problem(kRows), few = problem(kFewRows);
    if (!all) return tool_.show(all.error());
    if (!few) return tool_.show(few.error());
    all_ = std::move(*all);
    few_ = std::move(*few);
    budget_ = flags_.budget > 0       ? flags_.budget
              : flags_.solver.empty() ? kBenchBudget
                                      : std::numeric_limits<double>::infinity();
    machine_ = measure_machine(isa_, threads_, flags_.seconds);
    if (tool_.json) {
      tool_.out(nlohmann::ordered_json{{"isa", kernels::isa_name(isa_)},
                                       {"threads", threads_},
                                       {"bytes_per_second", machine_.bytes_per_second},
                                       {"flops_per_second", machine_.flops_per_second}}
                    .dump() +
                "\n");
    } else {
      tool_.out(
          fmt::format("machine: {} threads, {}, {:.1f} GB/s from memory, {:.1f} GFLOP/s of "
                      "multiply-adds\nproblem: {} x {}, rank {}, float64, dense\n\n",
                      threads_, kernels::isa_name(isa_), machine_.bytes_per_second * 1e-9,
                      machine_.flops_per_second * 1e-9, kRows, kCols, kRank));
    }
    return solvers();
  }

 private:
  int solvers() {
    int code = kOk;
    bool any = false;
    std::vector<std::vector<std::string>> rows;
    for (const Descriptor* solver : registry_.all("solver")) {
      if (!flags_.solver.empty() && solver->id != flags_.solver) continue;
      any = true;
      code = std::max(code, losses(*solver, rows));
    }
    if (!any) {
      Error e =
          usage("E0101", flags_.solver.empty() ? "no solver is loaded"
                                               : fmt::format("unknown solver `{}`", flags_.solver));
      e.help.emplace_back(
          "`assay list solvers` shows them; `assay doctor` shows where plugins are searched");
      return tool_.show(e);
    }
    if (!tool_.json)
      tool_.out(table({"solver", "loss", "rows", "ms per step", "GB/s", "GFLOP/s", "limit ms",
                       "of the limit", "bound by"},
                      rows, tool_.color_out));
    return code;
  }

  // A row for each loss the solver takes; they share its time.
  int losses(const Descriptor& solver, std::vector<std::vector<std::string>>& rows) {
    const auto& vtable = *static_cast<const assay_solver*>(solver.plugin->vtable);
    std::vector<std::shared_ptr<plugin::Loss>> taken;
    for (const Descriptor* d : registry_.all("loss")) {
      auto options = plugin::Options::complete(d->plugin->options, {}, d->id);
      if (!options) continue;
      auto loss = plugin::Loss::create(*d, *options);
      if (!loss) return tool_.show(loss.error());
      if (spec::takes_loss(vtable, **loss)) taken.push_back(std::move(*loss));
    }
    const auto start = Clock::now();
    for (size_t i = 0; i < taken.size(); ++i) {
      say(fmt::format("{}, {}", solver.id, taken[i]->id()));
      const double left = budget_ - since(start);
      auto timing = measure(solver, taken[i], left / static_cast<double>(taken.size() - i));
      say("");
      if (timing) {
        show_row(solver.id, taken[i]->id(), *timing, rows);
        continue;
      }
      const Error& e = timing.error();
      if (e.status != ASSAY_E_SHAPE && e.status != ASSAY_E_COMBINATION) return tool_.show(e);
      if (!tool_.quiet) tool_.err(fmt::format("not measured: {}\n", e.message));
      return kOk;
    }
    return kOk;
  }

  // What is being measured, on one line of a terminal.
  void say(const std::string& what) const {
    if (tool_.tty_err && !tool_.quiet) tool_.err("\r\x1b[K" + what);
  }

  // Few rows first: all of them where a warming step and another fit the share.
  Expected<Timing> measure(const Descriptor& solver,
                           const std::shared_ptr<plugin::Loss>& loss,
                           double share) {
    const auto start = Clock::now();
    auto few = time(solver, loss, few_, 0);
    if (!few) return few;
    share -= since(start);
    const double all = 2 * few->step * static_cast<double>(kRows) / static_cast<double>(kFewRows);
    if (all <= share) return time(solver, loss, all_, share);
    return 3 * few->step < share ? time(solver, loss, few_, share) : few;
  }

  void show_row(const std::string& solver,
                const std::string& loss,
                const Timing& timing,
                std::vector<std::vector<std::string>>& rows) {
    const double by_memory = timing.estimate.bytes_of_x / machine_.bytes_per_second;
    const double by_compute = timing.estimate.flops / machine_.flops_per_second;
    const double limit = std::max(by_memory, by_compute), share = limit / timing.step;
    const char* bound = by_memory > by_compute ? "memory" : "arithmetic";
    if (tool_.json) {
      tool_.out(nlohmann::ordered_json{{"solver", solver},
                                       {"loss", loss},
                                       {"rows", timing.rows},
                                       {"seconds", timing.step},
                                       {"limit_seconds", limit},
                                       {"fraction", share},
                                       {"bound", bound},
                                       {"bytes", timing.estimate.bytes_of_x},
                                       {"flops", timing.estimate.flops}}
                    .dump() +
                "\n");
      return;
    }
    rows.push_back({solver, loss, fmt::format("{}", timing.rows),
                    fmt::format("{:.3f}", timing.step * 1e3),
                    fmt::format("{:.1f}", timing.estimate.bytes_of_x / timing.step * 1e-9),
                    fmt::format("{:.1f}", timing.estimate.flops / timing.step * 1e-9),
                    fmt::format("{:.3f}", limit * 1e3), fmt::format("{:.2f}", share), bound});
  }

  // The median of at least three steps, or of as many as `most` seconds have room for.
  Expected<Timing> time(const Descriptor& solver,
                        const std::shared_ptr<plugin::Loss>& loss,
                        const Problem& problem,
                        double most) {
    graph::Model model;
    model.x = problem.x;
    model.facts = problem.facts;
    model.loss = loss;
    ASSAY_TRY(fill(solver, model));
    fit::Chosen chosen;
    chosen.descriptor = &solver;
    auto options = plugin::Options::complete(solver.plugin->options, {}, solver.id);
    if (!options) return std::move(options.error());
    chosen.options = std::move(*options);
    auto method = fit::Method::create(chosen, model, -1, nullptr);
    if (!method) return std::move(method.error());
    graph::PlanOptions plan_options;
    plan_options.arena = arena_;
    plan_options.isa = isa_;
    auto plan = (*method)->plan(ASSAY_STEP, model, plan_options);
    if (!plan) return std::move(plan.error());
    if (!*plan)
      return Error(ASSAY_E_COMBINATION, "E0200", "solver `" + solver.id + "` has no step");
    Timing out;
    out.rows = model.n();
    out.estimate = (*plan)->estimate();
    std::vector<double> times;
    const auto start = Clock::now();
    ASSAY_TRY(step(**plan));
    do {
      const auto begin = Clock::now();
      ASSAY_TRY(step(**plan));
      times.push_back(since(begin));
    } while ((times.size() < 3 || since(start) < flags_.seconds) &&
             since(start) + times.back() < most);
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                     times.end());
    out.step = times[times.size() / 2];
    return out;
  }

  static Expected<void> step(graph::Plan& plan) {
    auto done = plan.run(false);
    if (!done) return std::move(done.error());
    return {};
  }

  // Positive factors of the data's scale, and the constraint the solver keeps.
  Expected<void> fill(const Descriptor& solver, graph::Model& model) const {
    const auto& table = *static_cast<const assay_solver*>(solver.plugin->vtable);
    const Descriptor* constraint = registry_.find("penalty", spec::implied_constraint(table));
    const std::string only = spec::implied_factor(table);
    static constexpr const char* kNames[] = {"W", "H", "S"};
    uint64_t state = 2;
    model.n_factors = spec::takes_factors(table, 2) ? 2 : 3;
    if (spec::takes_autoencoders(table)) {
      model.n_factors = 2;
      model.layers = {kRank};
    }
    const int64_t lengths[3] = {model.n(), model.d(), kRank};
    for (int side = 0; side < model.n_factors; ++side) {
      graph::Buffer& f = model.factor[side];
      f = graph::Buffer::make(ASSAY_F64, lengths[side], kRank);
      for (int64_t i = 0; i < f.rows; ++i) {
        for (int64_t a = 0; a < kRank; ++a)
          f.set(i, a, next(state) * std::sqrt(0.5 / static_cast<double>(kRank)) * 2);
      }
      if (!constraint || (!only.empty() && only != kNames[side])) continue;
      auto options = plugin::Options::complete(constraint->plugin->options, {}, constraint->id);
      if (!options) return std::move(options.error());
      auto set = plugin::PenaltySet::create({{constraint, *options}});
      if (!set) return std::move(set.error());
      model.penalties[side] = *set;
    }
    return {};
  }

  const Tool& tool_;
  const plugin::Registry& registry_;
  const BenchFlags& flags_;
  kernels::Isa isa_ = kernels::Isa::kBaseline;
  int threads_ = 1;
  std::shared_ptr<graph::Arena> arena_;
  Problem all_, few_;
  double budget_ = 0;
  Machine machine_;
};

}  // namespace

int bench(const Tool& tool, const BenchFlags& flags) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  return Bench(tool, *registry, flags).run();
}

}  // namespace assay::cli
