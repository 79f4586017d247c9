// SPDX-License-Identifier: Apache-2.0
// A run:
//   1. identify  read data, name every trial by what it is
//   2. decide    what is finished stays; what is not goes on; the rest is new
//   3. check     data against every model that will be fitted, before anything is
//   4. execute   one trial after another, each into its own folder
//   5. compare   what the repeats of a cell say together, where the spec asks for it
#include "core/experiment/run.hpp"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/experiment/execute.hpp"
#include "core/experiment/files.hpp"
#include "core/experiment/groups.hpp"
#include "core/experiment/resolve.hpp"
#include "core/experiment/session.hpp"
#include "core/experiment/store.hpp"
#include "core/experiment/trial.hpp"

namespace assay::experiment {
namespace {

constexpr size_t kShortestPrefix = 6;

class Run {
 public:
  Run(const spec::Experiment& experiment,
      const RunOptions& options,
      Runtime runtime,
      Observer& observer)
      : experiment_(experiment),
        options_(options),
        observer_(observer),
        runtime_(std::move(runtime)),
        session_(runtime_) {
    runtime_.cancel = options.cancel;
    runtime_.log = [this](int32_t level, const std::string& text) { observer_.log(level, text); };
    result_.folder = options.folder.empty() ? "runs/" + experiment.name : options.folder;
  }

  Expected<RunResult> go() {
    const FileLimitGuard limit;
    ASSAY_TRY(identify());
    ASSAY_TRY(decide());
    ASSAY_TRY(check());
    if (!options_.dry_run) {
      ASSAY_TRY(take_folder());
      ASSAY_TRY(decide());  // again, now that nobody else writes
    }
    if (!options_.dry_run) {
      ASSAY_TRY(write_run_files(experiment_, result_, session_.data_ids(), runtime_));
    }
    observer_.planned(result_);
    if (!options_.dry_run) {
      ASSAY_TRY(execute_all());
      ASSAY_TRY(measure_groups(experiment_, runtime_, result_));
    }
    count();
    return std::move(result_);
  }

 private:
  Expected<void> identify() {
    for (const spec::Trial& trial : experiment_.trials) {
      auto raw = session_.load(trial);
      if (!raw) return std::move(raw.error());
      TrialResult r;
      r.id = trial_id(trial, (*raw)->id, *runtime_.registry);
      r.label = trial.label;
      r.cell = trial.cell;
      r.repeat = trial.repeat;
      r.deterministic = trial.deterministic;
      r.folder = trial_folder(result_.folder, r.id);
      result_.trials.push_back(std::move(r));
    }
    for (const spec::Skipped& s : experiment_.skipped) {
      TrialResult r;
      r.cell = s.cell;
      r.action = Action::kSkip;
      r.status = Status::kSkipped;
      r.why = s.reason;
      result_.trials.push_back(std::move(r));
    }
    return {};
  }

  Expected<void> take_folder() {
    ASSAY_TRY(make_folder(result_.folder));
    std::string before;
    auto lock = Lock::acquire(result_.folder, &before);
    if (!lock) return std::move(lock.error());
    lock_.emplace(std::move(*lock));
    if (!before.empty()) {
      observer_.log(ASSAY_LOG_INFO,
                    fmt::format("the run was left by {}, which has ended; it goes on", before));
    }
    return {};
  }

  Expected<void> decide() {
    std::set<std::string> asked, seen;
    for (const std::string& prefix : options_.rerun) {
      const size_t before = asked.size();
      for (const TrialResult& t : result_.trials) {
        if (prefix.size() >= kShortestPrefix && t.id.rfind(prefix, 0) == 0) asked.insert(t.id);
      }
      if (asked.size() == before) {
        return Error(ASSAY_E_NOT_FOUND, "E0506",
                     fmt::format("no trial of this run has the id `{}`", prefix))
            .with_help("`assay run SPEC --dry-run` shows the ids; the first 6 digits do");
      }
    }
    result_.nothing_to_do = true;
    for (TrialResult& t : result_.trials) {
      if (t.id.empty()) continue;  // skipped by the spec
      forget(t);
      if (!seen.insert(t.id).second) {
        t.action = Action::kSkip;
        t.status = Status::kSkipped;
        t.why = "the same trial as one before";
        continue;
      }
      const bool stored = read_status(t.folder, t);
      decide(t, stored, asked.count(t.id) > 0);
      if (t.action != Action::kKeep) {
        result_.nothing_to_do = false;
        forget(t);
      }
    }
    return {};
  }

  void decide(TrialResult& t, bool stored, bool asked) const {
    const bool bad = t.status == Status::kFailed || t.status == Status::kDiverged;
    if (asked) {
      t.action = Action::kRun;
      t.why = "asked for";
    } else if (options_.only_failed) {
      t.action = stored && bad ? Action::kRun : Action::kKeep;
      t.why = stored ? status_name(t.status) : "not run yet";
    } else if (!stored) {
      const bool begun = exists(t.folder + "/checkpoint.npz");
      t.action = begun ? Action::kResume : Action::kRun;
      t.why = begun ? "unfinished" : exists(t.folder) ? "unfinished, without a checkpoint" : "new";
    } else if (t.status == Status::kInterrupted) {
      t.action = Action::kResume;
      t.why = fmt::format("interrupted at iteration {}", t.iterations);
    } else {
      t.action = Action::kKeep;
      t.why = status_name(t.status);
      if (bad) t.why += "; `--only failed` runs it again";
    }
  }

  static void forget(TrialResult& t) {
    t.status = Status::kPending;
    t.stop = fit::Stop::kNone;
    t.errors.clear();
    t.files.clear();
    t.trace = {};
    t.iterations = 0;
    t.seconds = 0;
  }

  // What is checked of a trial: all of it but what only draws and stops.
  static std::string checked_text(const spec::Trial& trial) {
    Json config = Json::parse(trial.config_json, nullptr, false);
    for (const char* apart : {"seed", "repeat", "stop"}) config.erase(apart);
    return config.dump();
  }

  // Trials of one data, split, model, init, solver and metrics are checked once. A sweep goes on
  // without the trials that init, solver or metrics refuse, unless they refuse all of it.
  Expected<void> check() {
    std::map<std::string, bool> done;  // and whether it was refused
    std::optional<Error> refused;
    bool any_suits = false;
    for (size_t i = 0; i < experiment_.trials.size(); ++i) {
      const TrialResult& t = result_.trials[i];
      if (t.action != Action::kRun && t.action != Action::kResume) continue;
      const spec::Trial& trial = experiment_.trials[i];
      auto data = session_.prepare(trial);
      if (!data) return std::move(data.error());
      const auto [at, is_new] =
          done.emplace((*data)->data_id + (*data)->stream_id + checked_text(trial), false);
      if (is_new) {
        remark_rank(trial, *(*data)->train, runtime_);
        auto model = make_model(trial, **data, runtime_);
        if (!model) return std::move(model.error());
        auto suits = check_methods(trial, **data, **model, runtime_);
        at->second = !suits.ok();
        if (!suits && !refused) refused = std::move(suits.error());
      }
      any_suits = any_suits || !at->second;
    }
    if (refused && !any_suits) return std::move(*refused);
    return {};
  }

  bool cancelled() const { return options_.cancel && options_.cancel->load(); }

  Expected<void> execute_all() {
    CheckpointRule rule;
    rule.seconds = experiment_.checkpoint_seconds;
    rule.iterations = experiment_.checkpoint_iterations;
    for (const std::string& what : experiment_.keep) rule.keep = rule.keep || what == "checkpoint";
    int64_t index = 0, total = 0;
    for (const TrialResult& t : result_.trials) total += will_run(t);
    for (size_t i = 0; i < experiment_.trials.size(); ++i) {
      TrialResult& t = result_.trials[i];
      if (!will_run(t)) continue;
      if (cancelled()) break;
      auto data = session_.prepare(experiment_.trials[i]);
      if (!data) return std::move(data.error());
      observer_.trial_started(t, index++, total);
      ASSAY_TRY(execute(experiment_.trials[i], **data, runtime_, rule, observer_, t));
      observer_.trial_done(t);
      ++result_.ran;
      if (options_.fail_fast && t.status != Status::kOk) break;
    }
    return {};
  }

  static bool will_run(const TrialResult& t) {
    return t.action == Action::kRun || t.action == Action::kResume;
  }

  void count() {
    for (const TrialResult& t : result_.trials) {
      result_.kept += t.action == Action::kKeep;
      result_.skipped += t.status == Status::kSkipped;
      result_.failed += t.status == Status::kFailed || t.status == Status::kDiverged;
      result_.interrupted += t.status == Status::kInterrupted;
    }
  }

  const spec::Experiment& experiment_;
  const RunOptions& options_;
  Observer& observer_;
  Runtime runtime_;
  Session session_;
  RunResult result_;
  std::optional<Lock> lock_;
};

}  // namespace

Expected<RunResult> run(const spec::Experiment& experiment,
                        std::shared_ptr<plugin::Registry> registry,
                        const RunOptions& options,
                        Observer& observer) {
  auto runtime =
      Runtime::create(std::move(registry), experiment.threads, experiment.isa, experiment.plan);
  if (!runtime) return std::move(runtime.error());
  return Run(experiment, options, std::move(*runtime), observer).go();
}

}  // namespace assay::experiment
