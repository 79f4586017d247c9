// SPDX-License-Identifier: Apache-2.0
// The loop:
//
//   start:   INIT, then PREPARE; or a checkpoint
//   repeat:  measure the iterate that enters the step (every few steps)
//            STEP                                     the only part on the clock; cut short, it
//                                                     did not happen
//            test the row, then the limits; checkpoint when due
//   end:     FINISH, the certificate, the closing row
//
// For losses whose value falls out of the step's own products (squared) a measured row costs
// nothing, until fewer than six digits survive the cancellation |x|^2 - 2<x,m> + |m|^2; from then
// on residuals are summed.
#include "core/fit/fit.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "core/fit/feasible.hpp"

namespace assay::fit {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kStarts = "restarts";  // the state that holds several starts side by side

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool is_numeric(const Error& e) {
  return e.status == ASSAY_E_NUMERIC || e.status == ASSAY_E_SINGULAR;
}

// Factors and state as a step found them.
class Entering {
 public:
  void take(const graph::Model& model) {
    each(model, [this](size_t at, const AlignedArray<unsigned char>& bytes) {
      if (at == copies_.size()) copies_.emplace_back(bytes.size());
      std::copy_n(bytes.data(), bytes.size(), copies_[at].data());
    });
  }
  void give_back(graph::Model& model) const {
    each(model, [this](size_t at, AlignedArray<unsigned char>& bytes) {
      std::copy_n(copies_[at].data(), bytes.size(), bytes.data());
    });
  }

 private:
  template <class Model, class Fn>
  static void each(Model& model, const Fn& fn) {
    size_t at = 0;
    for (auto& factor : model.factor) fn(at++, factor.bytes);
    for (auto& [name, state] : model.state) fn(at++, state.bytes);
  }

  std::vector<AlignedArray<unsigned char>> copies_;
};

class Loop {
 public:
  explicit Loop(const Task& task) : task_(task), model_(*task.model), options_(task.plan) {
    options_.cancel = nullptr;  // for the step alone, and between its turns
    for (const auto& column : task.metrics) p_.trace.columns.push_back(column.name);
  }

  Expected<Result> run() {
    ASSAY_TRY(start());
    while (stop_ == Stop::kNone) {
      if (cancelled()) {
        stop_ = Stop::kInterrupted;
        break;
      }
      TraceRow row;
      const bool due = measure_due();
      if (due) ASSAY_TRY(measure_entering(row));
      if (stop_ == Stop::kNonFinite) break;
      ASSAY_TRY(step(due, row));
      if (stop_ != Stop::kNone) break;
      if (due) test(row);
      if (step_diverged_) stop_ = Stop::kDiverged;
      if (stop_ == Stop::kNone && step_converged_) stop_ = Stop::kConverged;
      if (stop_ == Stop::kNone) stop_ = test_limits(task_.stop, p_.iteration, p_.seconds);
      if (stop_ == Stop::kNone && checkpoint_due()) ASSAY_TRY(save());
    }
    if (stop_ == Stop::kInterrupted) {
      ASSAY_TRY(save());
    } else if (task_.watch) {
      ASSAY_TRY(return_to_best());
    }
    ASSAY_TRY(finish());
    auto result = certify();
    if (stop_ != Stop::kInterrupted) model_.state.erase(kStarts);  // only steps read them
    return result;
  }
  ~Loop() { model_.apply = {}; }  // the solver's, which ends here
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

 private:
  Expected<void> start() {
    auto certificate = Certificate::create(model_, options_);
    if (!certificate) return std::move(certificate.error());
    certificate_ = std::move(*certificate);
    auto solver = Method::create(task_.solver, model_, -1, options_.log);
    if (!solver) return std::move(solver.error());
    solver_ = std::move(*solver);
    auto reports = solver_->reports(ASSAY_STEP, model_);
    if (!reports) return std::move(reports.error());
    reports_ = std::move(*reports);
    last_reports_.assign(reports_.size(), kNotMeasured);
    p_.trace.columns.insert(p_.trace.columns.end(), reports_.begin(), reports_.end());
    if (task_.resume) {
      ASSAY_TRY(restore(*task_.resume, model_, p_));
    } else if (task_.init) {
      auto init = Method::create(*task_.init, model_, -1, options_.log);
      if (!init) return std::move(init.error());
      ASSAY_TRY(run_once(**init, ASSAY_INIT));
    }
    if (!task_.resume && stop_ == Stop::kNone) ASSAY_TRY(make_feasible(model_));
    if (!task_.resume && stop_ == Stop::kNone) ASSAY_TRY(more_starts());
    model_.apply = solver_->apply();
    if (!task_.resume && stop_ == Stop::kNone) {
      ASSAY_TRY(run_once(*solver_, ASSAY_PREPARE));
      ASSAY_TRY(drop_start());
    }
    graph::PlanOptions options = options_;
    if (task_.plan.cancel || task_.stop.max_seconds > 0) options.give_up = &give_up_;
    auto plan = solver_->plan(ASSAY_STEP, model_, options);
    if (!plan) return std::move(plan.error());
    if (!*plan) {
      return Error(ASSAY_E_PLUGIN, "E0410",
                   "solver `" + task_.solver.descriptor->id + "` states no step");
    }
    step_ = std::move(*plan);
    can_be_cut_ = options.give_up && step_->has_turns();
    auto measurer = Measurer::create(model_, task_.heldout, task_.metrics, options_);
    if (!measurer) return std::move(measurer.error());
    measurer_ = std::move(*measurer);
    ASSAY_TRY(own_measure());
    last_save_ = Clock::now();
    return {};
  }

  // Some solvers' results are stationary for other sets than the factors': see the solver's flags.
  // Such a solver may state the residual itself, for the purpose MEASURE.
  bool host_residual() const {
    const auto* solver = static_cast<const assay_solver*>(task_.solver.descriptor->plugin->vtable);
    return (solver->flags & ASSAY_SOLVER_NO_RESIDUAL) == 0;
  }
  Expected<void> own_measure() {
    if (host_residual() && !makes_w()) return {};
    graph::PlanOptions options = options_;
    if (!makes_rows()) options.compute = ASSAY_F64;
    auto plan = solver_->plan(ASSAY_MEASURE, model_, options);
    if (!plan) return std::move(plan.error());
    own_ = std::move(*plan);
    return {};
  }
  // W is stored nowhere: the solver alone knows the objective.
  bool makes_w() const { return fit::makes_w(*task_.solver.descriptor); }
  // W is made from X: the solver's MEASURE brings it up to date, and may know the objective.
  bool makes_rows() const {
    const auto* solver = static_cast<const assay_solver*>(task_.solver.descriptor->plugin->vtable);
    return (solver->flags & ASSAY_FITS_AUTOENCODER) != 0;
  }
  Expected<void> make_rows(TraceRow& row) {
    if (!makes_rows() || !own_) return {};
    auto made = own_->run(false);
    if (!made) return not_finite(std::move(made.error()));
    if (made->has_objective) row.objective = made->objective;
    return {};
  }

  // Numerical trouble ends the fit, with the factors as they are; other errors are the fit's.
  Expected<void> not_finite(Error error) {
    if (!is_numeric(error)) return error;
    if (!numeric_) numeric_ = std::move(error);
    if (stop_ != Stop::kInterrupted && stop_ != Stop::kDiverged) stop_ = Stop::kNonFinite;
    return {};
  }

  // What a solver tried before it chose a start is not the fit's: the host's `restarts` and state
  // named `start.`, where only PREPARE asks for it.
  Expected<void> drop_start() {
    auto prepared = solver_->states(ASSAY_PREPARE, model_);
    if (!prepared) return std::move(prepared.error());
    std::erase_if(*prepared, [](const std::string& name) {
      return name != kStarts && name.rfind("start.", 0) != 0;
    });
    for (const int32_t purpose : {ASSAY_STEP, ASSAY_FINISH, ASSAY_MEASURE, ASSAY_APPLY}) {
      if (prepared->empty()) return {};
      auto used = solver_->states(purpose, model_);
      if (!used) return std::move(used.error());
      for (const std::string& name : *used) prepared->erase(name);
    }
    for (const std::string& name : *prepared) model_.state.erase(name);
    return {};
  }

  // Where the solver wants several starts: the init again and again, each in its own stream.
  Expected<void> more_starts() {
    const int64_t starts = solver_->starts();
    if (starts < 2 || !task_.init) return {};
    graph::Buffer &H = model_.factor[1], first = H;
    const auto* rng = static_cast<const assay_rng*>(plugin::host()->service("assay.rng/1"));
    graph::Buffer all = graph::Buffer::make(ASSAY_F64, H.rows, H.width * starts);
    for (int64_t s = 0; s < starts; ++s) {
      if (s > 0) {
        Chosen chosen = *task_.init;
        chosen.stream = rng->split(chosen.stream, static_cast<uint64_t>(s));
        auto init = Method::create(chosen, model_, -1, options_.log);
        if (!init) return std::move(init.error());
        ASSAY_TRY(run_once(**init, ASSAY_INIT));
      }
      for (int64_t j = 0; j < H.rows; ++j)
        for (int64_t a = 0; a < H.width; ++a) all.set(j, s * H.width + a, H.get(j, a));
    }
    H = std::move(first);
    model_.state[kStarts] = std::move(all);
    return {};
  }

  Expected<void> run_once(const Method& method, int32_t purpose) {
    auto plan = method.plan(purpose, model_, options_);
    if (!plan) return std::move(plan.error());
    if (!*plan) return {};
    auto result = (*plan)->run(false);
    if (!result) return not_finite(std::move(result.error()));
    return {};
  }

  bool cancelled() const { return task_.plan.cancel && task_.plan.cancel->load(); }

  bool measure_due() const {
    return p_.iteration == 0 ||
           (task_.measure_every > 0 && p_.iteration % task_.measure_every == 0);
  }

  bool checkpoint_due() const {
    if (!task_.save) return false;
    const int64_t every = task_.checkpoint_iterations;
    if (every > 0 && p_.iteration % every == 0) return true;
    return task_.checkpoint_seconds > 0 && seconds_since(last_save_) >= task_.checkpoint_seconds;
  }

  // All but a loss that the step will bring.
  Expected<void> measure_entering(TraceRow& row) {
    row.iteration = p_.iteration;
    row.seconds = p_.seconds;
    ASSAY_TRY(make_rows(row));
    if (stop_ == Stop::kNonFinite) return {};
    if (makes_w()) {
      if (task_.stop.kkt_tol > 0) ASSAY_TRY(measure_made(row));
    } else if (task_.stop.kkt_tol > 0) {
      auto e = certificate_->evaluate();
      if (!e) return not_finite(std::move(e.error()));
      row.loss = e->loss;
      auto kkt = residual(*e);
      if (!kkt) return not_finite(std::move(kkt.error()));
      row.kkt = *kkt;
    } else if (p_.exact || p_.iteration == 0) {
      auto loss = certificate_->loss();
      if (!loss) return not_finite(std::move(loss.error()));
      row.loss = *loss;
    }
    ASSAY_TRY(measure_factors(row));
    if (task_.watch) keep_best(row);
    return {};
  }

  // The objective and the residual of a solver that makes W, at the model as it is.
  Expected<void> measure_made(TraceRow& row) {
    if (!own_) return {};
    auto made = own_->run(false);
    if (!made) return not_finite(std::move(made.error()));
    if (made->has_objective) row.loss = row.objective = made->objective;
    take_reports(*made);
    take_penalty(*made, row);
    const auto found = made->reports.find("kkt");
    if (found != made->reports.end()) row.kkt = found->second;
    return {};
  }

  // What MEASURE says of the model as it is, in place of what the last step said of the one before.
  void take_reports(const graph::StepResult& made) {
    for (size_t i = 0; i < reports_.size(); ++i)
      if (const auto found = made.reports.find(reports_[i]); found != made.reports.end())
        last_reports_[i] = found->second;
  }
  Expected<void> close_reports() {
    if (reports_.empty() || own_) return {};  // else said with the residual
    auto plan = solver_->plan(ASSAY_MEASURE, model_, options_);
    if (!plan) return std::move(plan.error());
    if (!*plan) return {};
    auto made = (*plan)->run(false);
    if (!made) return not_finite(std::move(made.error()));
    take_reports(*made);
    return {};
  }

  // A solver that knows the objective may part it: what it calls the penalty, and the rest.
  static void take_penalty(const graph::StepResult& result, TraceRow& row) {
    const auto found = result.reports.find("penalty");
    if (found == result.reports.end() || !result.has_objective) return;
    row.penalty = found->second;
    row.loss = result.objective - row.penalty;
  }

  void keep_best(const TraceRow& row) {
    const double value = row.metrics[task_.watch->column];
    Best& best = p_.best;
    if (best.iteration == row.iteration) return;  // measured before a step that was cut short
    const bool first = best.iteration < 0;
    if (!std::isnan(value) &&
        (first || (task_.watch->lower ? value < best.value : value > best.value)))
      best = {value, row.iteration, 0, capture_arrays(model_)};
    else
      ++best.rows_since;
  }

  // The last iterate was not measured yet. No plan of the step is alive that could write on.
  Expected<void> return_to_best() {
    if (p_.best.iteration < 0) return {};
    TraceRow last;
    last.iteration = p_.iteration;
    ASSAY_TRY(make_rows(last));
    ASSAY_TRY(measure_factors(last));
    keep_best(last);
    if (p_.best.iteration == p_.iteration) return {};
    if (options_.log && *options_.log)
      (*options_.log)(ASSAY_LOG_INFO, "the model is that of iteration " +
                                          std::to_string(p_.best.iteration) + ", where `" +
                                          task_.metrics[task_.watch->column].name + "` was best");
    return restore_arrays(p_.best.arrays, model_);
  }

  // The iterate the model is left with.
  int64_t kept_iteration() const {
    const bool best = task_.watch && stop_ != Stop::kInterrupted && p_.best.iteration >= 0;
    return best ? p_.best.iteration : p_.iteration;
  }

  Expected<double> residual(const Evaluation& e) {
    if (host_residual()) return e.kkt;
    if (!own_ || makes_rows()) return kNotMeasured;
    auto step = own_->run(false);
    if (!step) return std::move(step.error());
    take_reports(*step);
    const auto found = step->reports.find("kkt");
    return found == step->reports.end() ? kNotMeasured : found->second;
  }

  Expected<void> measure_factors(TraceRow& row, bool closing = false) {
    auto penalty = penalty_value(model_);
    if (!penalty) return std::move(penalty.error());
    if (std::isnan(row.penalty)) row.penalty = *penalty;
    auto metrics = measurer_->measure(closing);
    if (!metrics) return std::move(metrics.error());
    row.metrics = std::move(*metrics);
    return {};
  }

  Expected<void> step(bool due, TraceRow& row) {
    // The first step also shows whether this program brings a loss at all.
    const bool wants_loss = due && !makes_w() && (std::isnan(row.loss) || p_.iteration == 0);
    if (can_be_cut_) entering_.take(model_);
    begin_ = Clock::now();
    auto result = step_->run(wants_loss, p_.iteration);
    p_.seconds += seconds_since(begin_);
    if (!result && can_be_cut_ && result.error().status == ASSAY_E_CANCELLED) return undo_step(due);
    if (!result) return not_finite(std::move(result.error()));
    ++p_.iteration;
    step_converged_ = result->converged;
    step_diverged_ = result->diverged;
    if (wants_loss && !result->has_loss) p_.exact = true;
    if (result->has_loss && std::isnan(row.loss)) row.loss = result->loss;
    if (result->has_objective) row.objective = result->objective;
    take_penalty(*result, row);
    for (size_t i = 0; i < reports_.size(); ++i) last_reports_[i] = result->reports[reports_[i]];
    if (due) row.metrics.insert(row.metrics.end(), last_reports_.begin(), last_reports_.end());
    if (task_.on_step) task_.on_step(p_.iteration, p_.seconds);
    return {};
  }

  // What noticed before its end that the fit is to stop did not happen.
  Expected<void> undo_step(bool measured) {
    entering_.give_back(model_);
    if (measured && task_.watch && p_.best.iteration != p_.iteration) --p_.best.rows_since;
    stop_ = cancelled() ? Stop::kInterrupted : Stop::kMaxSeconds;
    if (options_.log && *options_.log)
      (*options_.log)(ASSAY_LOG_INFO, "step " + std::to_string(p_.iteration + 1) +
                                          " was cut short: the model is what it began with");
    return {};
  }

  void test(TraceRow& row) {
    if (std::isnan(row.objective)) row.objective = row.loss + row.penalty;
    if (makes_w() && std::isnan(row.loss)) row.loss = row.objective;
    row.rel_change = relative_change(p_.memory, row.objective);
    watch_digits(row.loss);
    StopRules rules = task_.stop;
    if (task_.watch) rules.patience = 0;  // is about the watched metric
    stop_ = test_row(rules, row, p_.memory);
    const int64_t patience = task_.stop.patience;
    if (stop_ == Stop::kNone && task_.watch && patience > 0 && p_.best.rows_since >= patience)
      stop_ = Stop::kStalled;
    push(std::move(row));
  }

  // The products carry an error of about eps |x|^2; six digits of the loss need |loss| above 1e6
  // times that.
  void watch_digits(double loss) {
    if (p_.exact || !step_->values_come_free()) return;
    const double eps = model_.compute == ASSAY_F32 ? std::numeric_limits<float>::epsilon()
                                                   : std::numeric_limits<double>::epsilon();
    if (loss >= 1e6 * eps * model_.facts.sumsq) return;
    p_.exact = true;
    if (options_.log && *options_.log) {
      (*options_.log)(ASSAY_LOG_INFO,
                      "the loss is summed from residuals from iteration " +
                          std::to_string(p_.iteration) +
                          " on: fewer than six digits would survive in the products");
    }
  }

  void push(TraceRow row) {
    p_.trace.rows.push_back(std::move(row));
    if (task_.on_row) task_.on_row(p_.trace, p_.trace.rows.back());
  }

  Expected<void> save() {
    if (!task_.save) return {};
    last_save_ = Clock::now();
    return task_.save(capture(model_, p_));
  }

  Expected<void> finish() {
    step_.reset();
    return run_once(*solver_, ASSAY_FINISH);
  }

  // Where the norms of the gradients overflow the loss alone may still be a number.
  Expected<Evaluation> evaluate_end() {
    auto e = certificate_->evaluate();
    if (e) return e;
    ASSAY_TRY(not_finite(std::move(e.error())));
    Evaluation rest{kNotMeasured, kNotMeasured};
    auto loss = certificate_->loss();
    if (loss) {
      rest.loss = *loss;
    } else if (!is_numeric(loss.error())) {
      return std::move(loss.error());
    }
    return rest;
  }

  Expected<Result> certify() {
    TraceRow row;
    ASSAY_TRY(make_rows(row));
    if (makes_w()) return certify_made(std::move(row));
    auto e = evaluate_end();
    if (!e) return std::move(e.error());
    row.iteration = kept_iteration();
    row.seconds = p_.seconds;
    row.loss = e->loss;
    auto kkt = residual(*e);
    if (!kkt) ASSAY_TRY(not_finite(std::move(kkt.error())));
    row.kkt = e->kkt = kkt ? *kkt : kNotMeasured;
    ASSAY_TRY(close_reports());
    ASSAY_TRY(measure_factors(row, stop_ != Stop::kInterrupted));
    row.metrics.insert(row.metrics.end(), last_reports_.begin(), last_reports_.end());
    if (std::isnan(row.objective)) row.objective = row.loss + row.penalty;
    row.rel_change = relative_change(p_.memory, row.objective);
    push(std::move(row));
    return Result{stop_, p_.iteration, p_.seconds, *e, std::move(p_.trace), std::move(numeric_),
                  {}};
  }

  Expected<Result> certify_made(TraceRow row) {
    row.iteration = kept_iteration();
    row.seconds = p_.seconds;
    ASSAY_TRY(measure_made(row));
    ASSAY_TRY(measure_factors(row, stop_ != Stop::kInterrupted));
    row.metrics.insert(row.metrics.end(), last_reports_.begin(), last_reports_.end());
    row.rel_change = relative_change(p_.memory, row.objective);
    const Evaluation e{row.loss, row.kkt};
    push(std::move(row));
    return Result{stop_, p_.iteration, p_.seconds, e, std::move(p_.trace), std::move(numeric_), {}};
  }

  const Task& task_;
  graph::Model& model_;
  graph::PlanOptions options_;
  Progress p_;
  Stop stop_ = Stop::kNone;
  bool step_converged_ = false, step_diverged_ = false;
  std::vector<std::string> reports_;  // what the step reports beside the host's own columns,
  std::vector<double> last_reports_;  // and said last
  std::optional<Error> numeric_;
  std::unique_ptr<Certificate> certificate_;
  std::unique_ptr<Method> solver_;
  std::unique_ptr<graph::Plan> step_, own_;  // own_: what the solver measures itself, or none
  std::unique_ptr<Measurer> measurer_;
  Clock::time_point last_save_, begin_;  // begin_: of the step
  bool can_be_cut_ = false;
  Entering entering_;
  const std::function<bool()> give_up_ = [this] {
    return cancelled() || (task_.stop.max_seconds > 0 &&
                           p_.seconds + seconds_since(begin_) >= task_.stop.max_seconds);
  };
};

}  // namespace

Expected<Result> fit(const Task& task) { return Loop(task).run(); }

}  // namespace assay::fit
