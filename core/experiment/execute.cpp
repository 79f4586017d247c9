// SPDX-License-Identifier: Apache-2.0
// A trial from start (or checkpoint) to status.json.
#include "core/experiment/execute.hpp"

#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "core/experiment/files.hpp"
#include "core/experiment/model_file.hpp"
#include "core/experiment/resolve.hpp"
#include "core/experiment/store.hpp"
#include "core/experiment/trial.hpp"
#include "core/experiment/writers.hpp"
#include "core/fit/components.hpp"

namespace assay::experiment {
namespace {

// log.txt of a trial, its warnings, and the observer. What several plans of the trial say is told
// once.
plugin::LogSink log_into(TrialResult& result, Observer& observer) {
  struct Told {
    std::mutex mutex;  // plugins may log from every thread
    std::set<std::string> remarks;
  };
  return [path = result.folder + "/log.txt", told = std::make_shared<Told>(), &result, &observer](
             int32_t level, const std::string& text) {
    static constexpr const char* kLevels[] = {"debug", "info", "warning"};
    const std::lock_guard<std::mutex> lock(told->mutex);
    if (level >= ASSAY_LOG_INFO && !told->remarks.insert(text).second) return;
    if (level > ASSAY_LOG_INFO) result.warnings.push_back(text);
    std::ofstream(path, std::ios::app)
        << kLevels[level < 0 || level > 2 ? 2 : level] << ": " << text << '\n';
    observer.log(level, text);
  };
}

// Faults of the store end the run; all others end the trial.
bool of_the_store(const Error& e) { return e.status == ASSAY_E_IO; }

Status status_of(fit::Stop stop) {
  if (stop == fit::Stop::kInterrupted) return Status::kInterrupted;
  if (stop == fit::Stop::kDiverged || stop == fit::Stop::kNonFinite) return Status::kDiverged;
  return Status::kOk;
}

class Execution {
 public:
  Execution(const spec::Trial& trial,
            const Prepared& data,
            const Runtime& runtime,
            const CheckpointRule& rule,
            Observer& observer,
            TrialResult& result)
      : trial_(trial),
        data_(data),
        runtime_(runtime),
        rule_(rule),
        observer_(observer),
        result_(result) {
    runtime_.log = log_into(result, observer);
  }

  Expected<void> run() {
    ASSAY_TRY(open_folder());
    auto fitted = fit();
    if (!fitted) {
      if (of_the_store(fitted.error())) return std::move(fitted.error());
      result_.status = Status::kFailed;
      result_.errors.push_back(std::move(fitted.error()));
      return write_status(result_.folder, result_);
    }
    take(std::move(*fitted));
    ASSAY_TRY(write_trace(result_.folder, result_.trace));
    if (result_.status == Status::kInterrupted) return write_status(result_.folder, result_);
    ASSAY_TRY(write_outputs());
    ASSAY_TRY(write_status(result_.folder, result_));
    if (!rule_.keep) remove_file(checkpoint_path());
    return {};
  }

 private:
  std::string checkpoint_path() const { return result_.folder + "/checkpoint.npz"; }

  Expected<void> open_folder() {
    ASSAY_TRY(make_folder(result_.folder));
    ASSAY_TRY(write_if_changed(result_.folder + "/config.json", trial_.config_json + "\n"));
    Json origins = Json::object();
    for (const auto& [path, where] : trial_.origins) origins[path] = where;
    ASSAY_TRY(write_if_changed(result_.folder + "/origins.json", origins.dump(1) + "\n"));
    remove_file(result_.folder + "/status.json");
    if (result_.action == Action::kResume) return {};
    for (const char* old : {"/checkpoint.npz", "/model.npz", "/trace.csv", "/log.txt"}) {
      remove_file(result_.folder + old);
    }
    return {};
  }

  Expected<fit::Result> fit() {
    auto model = make_model(trial_, data_, runtime_);
    if (!model) return std::move(model.error());
    model_ = std::move(*model);
    ASSAY_TRY(check_methods(trial_, data_, *model_, runtime_));
    auto task = make_task(trial_, data_, *model_, runtime_);
    if (!task) return std::move(task.error());
    if (result_.action == Action::kResume && exists(checkpoint_path())) {
      auto members = kernels::read_npz(checkpoint_path());
      if (!members) return std::move(members.error());
      checkpoint_ = std::move(*members);
      task->resume = &checkpoint_;
    }
    task->checkpoint_seconds = rule_.seconds;
    task->checkpoint_iterations = rule_.iterations;
    task->save = [this](const fit::Checkpoint& c) {
      return kernels::write_npz(checkpoint_path(), c, true);
    };
    for (const auto& metric : task->metrics) result_.trace.columns.push_back(metric.name);
    task->on_row = [this](const fit::Trace& trace, const fit::TraceRow& row) {
      observer_.row(result_, trace, row);
    };
    task->on_step = [this](int64_t iteration, double seconds) {
      observer_.stepped(result_, iteration, trial_.stop.max_iter, seconds);
    };
    solver_ = task->solver;
    return fit::fit(*task);
  }

  void take(fit::Result fitted) {
    result_.status = status_of(fitted.stop);
    result_.stop = fitted.stop;
    result_.iterations = fitted.iterations;
    result_.seconds = fitted.seconds;
    result_.trace = fitted.trace;
    if (fitted.numeric) result_.errors.push_back(*fitted.numeric);
    fitted_ = std::move(fitted);
  }

  Expected<void> write_outputs() {
    const SavedModel saved = save(trial_, result_.id, *model_, data_, fitted_, *runtime_.registry);
    ASSAY_TRY(write_model(result_.folder + "/model.npz", saved));
    observer_.file_written(result_.folder + "/model.npz");
    const Behind behind{*data_.train, [this] {
                          return fit::components_of_rows(*model_, solver_, runtime_.plan_options());
                        }};
    auto files = run_writers(trial_, saved, behind, result_.folder, runtime_);
    if (!files) {
      if (of_the_store(files.error())) return std::move(files.error());
      // The model is good and kept; only a picture of it is missing.
      runtime_.log(ASSAY_LOG_WARNING, "no file was written by a writer: " + files.error().message);
      result_.errors.push_back(std::move(files.error()));
      return {};
    }
    result_.files = std::move(*files);
    for (const std::string& file : result_.files)
      observer_.file_written(result_.folder + "/" + file);
    return {};
  }

  const spec::Trial& trial_;
  const Prepared& data_;
  Runtime runtime_;
  const CheckpointRule& rule_;
  Observer& observer_;
  TrialResult& result_;
  std::unique_ptr<graph::Model> model_;
  fit::Chosen solver_;
  fit::Checkpoint checkpoint_;
  fit::Result fitted_;
};

}  // namespace

Expected<void> execute(const spec::Trial& trial,
                       const Prepared& data,
                       const Runtime& runtime,
                       const CheckpointRule& rule,
                       Observer& observer,
                       TrialResult& result) {
  return Execution(trial, data, runtime, rule, observer, result).run();
}

}  // namespace assay::experiment
