// SPDX-License-Identifier: Apache-2.0
// run(): an experiment's trials, one after another, into its run folder; what is finished stays,
// what is not goes on.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/expected.hpp"
#include "core/fit/trace.hpp"
#include "core/plugin/registry.hpp"
#include "core/spec/experiment.hpp"

namespace assay::experiment {

enum class Status { kPending, kOk, kSkipped, kFailed, kDiverged, kInterrupted };
// "ok", "skipped" ...
const char* status_name(Status status);

// What a run does with a trial, and why.
enum class Action { kRun, kResume, kKeep, kSkip };

// One trial as the caller sees it, before and after it ran.
struct TrialResult {
  std::string id;     // 32 hex digits; empty for pairs the spec skips
  std::string label;  // "mu, rank 16"
  std::vector<std::pair<std::string, std::string>> cell;  // matrix key -> value
  int64_t repeat = 0;
  bool deterministic = false;  // nothing random differs between repeats: it ran once
  Action action = Action::kRun;
  std::string why;  // "new", "interrupted at iteration 120", "ok" ...
  Status status = Status::kPending;
  fit::Stop stop = fit::Stop::kNone;
  std::vector<Error> errors;          // kFailed: one; kSkipped: its message is the reason
  std::vector<std::string> warnings;  // what the log warned of
  int64_t iterations = 0;
  double seconds = 0;              // inside steps
  fit::Trace trace;                // last row: the certificate's objective and KKT residual
  std::string folder;              // trials/<id>, absolute or as -o was given
  std::vector<std::string> files;  // what writers left there
};

// What the repeats of one cell say together.
struct GroupResult {
  std::vector<std::pair<std::string, std::string>> cell;
  std::string label;                                    // as of its trials
  std::vector<std::string> trials;                      // ids of those that counted
  std::vector<std::pair<std::string, double>> numbers;  // metric -> value; NaN where it failed
  std::vector<Error> errors;
  std::string folder;  // groups/<id>
};

struct RunResult {
  std::string folder;
  std::vector<TrialResult> trials;  // in the order of the spec, skipped pairs last
  std::vector<GroupResult> groups;  // where the spec names metrics of trials
  int64_t ran = 0, kept = 0, skipped = 0, failed = 0, interrupted = 0;  // failed: with diverged
  bool nothing_to_do = false;  // every trial was finished already
};

// What happens, in order, on the calling thread. core/cli draws it; nothing in here prints.
class Observer {
 public:
  virtual ~Observer() = default;
  // After data are loaded and ids are known: every trial with its action.
  virtual void planned(const RunResult&) {}
  virtual void trial_started(const TrialResult&, int64_t /*index*/, int64_t /*count*/) {}
  // After each step: for progress bars. Must be quick.
  virtual void stepped(const TrialResult&,
                       int64_t /*iteration*/,
                       int64_t /*max_iter*/,
                       double /*seconds*/) {}
  virtual void row(const TrialResult&, const fit::Trace&, const fit::TraceRow&) {}
  virtual void trial_done(const TrialResult&) {}
  virtual void file_written(const std::string& /*path*/) {}
  virtual void log(int32_t /*level*/, const std::string& /*text*/) {}
};

struct RunOptions {
  std::string folder;              // -o: the run folder itself; empty: runs/<name>
  bool dry_run = false;            // decide only: `planned` is called, nothing is written
  bool only_failed = false;        // --only failed: failed and diverged ones, nothing else
  std::vector<std::string> rerun;  // --rerun: ids, or beginnings of at least 6 digits
  bool fail_fast = false;
  const std::atomic<bool>* cancel =
      nullptr;  // set by a signal handler; honoured between steps or turns
};

// Errors: of the spec against the data (E03xx), of the store (E05xx). A trial that fails is not an
// error of the run.
Expected<RunResult> run(const spec::Experiment& experiment,
                        std::shared_ptr<plugin::Registry> registry,
                        const RunOptions& options,
                        Observer& observer);

// The plans of a trial's programs, for `assay graph`.
struct PlanText {
  std::string program;  // "step", "init" ...
  std::string words, dot;
};
Expected<std::vector<PlanText>> plans(const spec::Experiment& experiment,
                                      int64_t trial,
                                      std::shared_ptr<plugin::Registry> registry);

// Runs a few steps of a trial from its start and returns when each node ran on which thread, as
// Chrome's trace format.
Expected<std::string> trace_steps(const spec::Experiment& experiment,
                                  int64_t trial,
                                  int steps,
                                  std::shared_ptr<plugin::Registry> registry);

// Opens a trial's data and checks it against the model (`assay validate --data`): shapes, domains,
// ranks.
Expected<void> check_data(const spec::Experiment& experiment,
                          int64_t trial,
                          std::shared_ptr<plugin::Registry> registry);

}  // namespace assay::experiment
