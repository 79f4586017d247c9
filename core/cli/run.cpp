// SPDX-License-Identifier: Apache-2.0
// assay run: check a spec, run what is missing, and show a table, why each fit stopped, a curve,
// and what to type next.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/number.hpp"
#include "core/cli/curve.hpp"
#include "core/cli/progress.hpp"
#include "core/cli/verbs.hpp"
#include "core/report/folds.hpp"
#include "core/report/results.hpp"
#include "core/report/select.hpp"

namespace assay::cli {
namespace {

using experiment::Action;
using experiment::GroupResult;
using experiment::RunResult;
using experiment::Status;
using experiment::TrialResult;
using nlohmann::ordered_json;

const char* action_name(Action action) {
  switch (action) {
    case Action::kRun:
      return "run";
    case Action::kResume:
      return "resume";
    case Action::kKeep:
      return "keep";
    case Action::kSkip:
      return "skip";
  }
  return "";
}

// Six digits are enough for people; --json has them all.
std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{:.6g}", value) : "-";
}

ordered_json json_number(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

std::string steps_text(int64_t steps) {
  return fmt::format("{} step{}", steps, steps == 1 ? "" : "s");
}

class Report {
 public:
  Report(const Tool& tool,
         const RunResult& result,
         const std::optional<report::Selected>& selected,
         bool why)
      : tool_(tool), result_(result), selected_(selected), why_(why) {}

  void json() const {
    for (const TrialResult& t : result_.trials)
      tool_.out(trial_json(t).dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
    for (const GroupResult& g : result_.groups)
      tool_.out(group_json(g).dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
    if (selected_)
      tool_.out(selected_json().dump(-1, ' ', false, ordered_json::error_handler_t::replace) +
                "\n");
  }

  void plan() const {
    std::vector<std::vector<std::string>> rows;
    for (const TrialResult& t : result_.trials)
      rows.push_back({t.id.empty() ? "-" : t.id.substr(0, 8), t.label, repeat(t),
                      action_name(t.action), t.why});
    tool_.out(table({"trial", "what", "repeat", "action", "why"}, rows, tool_.color_out));
  }

  void text() const {
    trials();
    folds();
    groups();
    choice();
    reasons();
    pictures();
    curve();
  }

 private:
  static std::string repeat(const TrialResult& t) {
    return t.deterministic ? "deterministic" : fmt::format("{}", t.repeat);
  }

  ordered_json trial_json(const TrialResult& t) const {
    ordered_json out = {{"trial", t.id},
                        {"label", t.label},
                        {"repeat", t.repeat},
                        {"deterministic", t.deterministic},
                        {"action", action_name(t.action)},
                        {"why", t.why},
                        {"status", experiment::status_name(t.status)}};
    for (const auto& [key, value] : t.cell) out["cell"][key] = value;
    if (t.stop != fit::Stop::kNone) out["stop"] = fit::stop_name(t.stop);
    out["iterations"] = t.iterations;
    out["seconds"] = t.seconds;
    if (!t.trace.rows.empty()) {
      const fit::TraceRow& last = t.trace.rows.back();
      out["F"] = json_number(last.objective);
      out["kkt"] = json_number(last.kkt);
      for (size_t i = 0; i < std::min(last.metrics.size(), t.trace.columns.size()); ++i)
        out["metrics"][t.trace.columns[i]] = json_number(last.metrics[i]);
    }
    for (const Error& e : t.errors)
      out["errors"].push_back({{"code", spec::code_of(e)}, {"message", e.message}});
    if (!t.warnings.empty()) out["warnings"] = t.warnings;
    out["folder"] = t.folder;
    out["files"] = t.files;
    return out;
  }

  static ordered_json group_json(const GroupResult& g) {
    ordered_json out = {{"label", g.label}, {"repeats", g.trials}};
    for (const auto& [key, value] : g.cell) out["cell"][key] = value;
    for (const auto& [metric, value] : g.numbers) out["metrics"][metric] = json_number(value);
    out["folder"] = g.folder;
    return out;
  }

  ordered_json selected_json() const {
    ordered_json out = {{"selected", selected_->trial ? selected_->trial->id : ""},
                        {"label", selected_->label},
                        {"by", selected_->by},
                        {"value", json_number(selected_->value)},
                        {"compared", selected_->of},
                        {"files", selected_->files}};
    for (const auto& [key, value] : selected_->cell) out["cell"][key] = value;
    return out;
  }

  void choice() const {
    if (!selected_) return;
    const std::string which =
        selected_->trial ? fmt::format(", trial {}", selected_->trial->id.substr(0, 8)) : "";
    tool_.out(fmt::format("\nbest by {}: {} ({} {}, {} of {}){}\n", selected_->by,
                          report::selected_name(*selected_), selected_->by,
                          number(selected_->value), selected_->lower ? "least" : "most",
                          selected_->of, which));
  }

  // Means over the folds of each combination.
  void folds() const {
    const auto all = report::over_folds(result_);
    if (all.empty()) return;
    std::vector<std::string> head = {"mean over folds of", "repeat", "folds"};
    const std::vector<std::string> left_out = {"loss", "penalty", "iterations", "seconds"};
    const auto shown = [&](const std::string& metric) {
      return std::find(left_out.begin(), left_out.end(), metric) == left_out.end();
    };
    for (const auto& m : all.front().numbers)
      if (shown(m.metric)) head.push_back(m.metric == "objective" ? "F" : m.metric);
    std::vector<std::vector<std::string>> rows;
    for (const report::Folds& f : all) {
      rows.push_back({f.label, fmt::format("{}", f.repeat), fmt::format("{}", f.count)});
      for (const auto& m : f.numbers)
        if (shown(m.metric)) rows.back().push_back(number(m.mean));
      rows.back().resize(head.size(), "-");
    }
    tool_.out("\n" + table(head, rows, tool_.color_out));
  }

  // What the repeats of each cell say together.
  void groups() const {
    if (result_.groups.empty()) return;
    std::vector<std::string> head = {"all repeats of", "repeats"};
    for (const auto& [metric, value] : result_.groups.front().numbers) head.push_back(metric);
    std::vector<std::vector<std::string>> rows;
    for (const GroupResult& g : result_.groups) {
      rows.push_back({g.label, fmt::format("{}", g.trials.size())});
      for (const auto& [metric, value] : g.numbers) rows.back().push_back(number(value));
    }
    tool_.out("\n" + table(head, rows, tool_.color_out));
  }

  void trials() const {
    std::vector<std::string> head = {"trial", "what",    "repeat", "status", "stop",
                                     "steps", "seconds", "F",      "kkt"};
    std::vector<std::string> metrics;
    for (const TrialResult& t : result_.trials) {
      for (const std::string& column : t.trace.columns) {
        if (std::find(metrics.begin(), metrics.end(), column) == metrics.end())
          metrics.push_back(column);
      }
    }
    head.insert(head.end(), metrics.begin(), metrics.end());
    std::vector<std::vector<std::string>> rows;
    for (const TrialResult& t : result_.trials) rows.push_back(row(t, metrics));
    tool_.out(table(head, rows, tool_.color_out));
  }

  static std::vector<std::string> row(const TrialResult& t,
                                      const std::vector<std::string>& metrics) {
    const bool measured = !t.trace.rows.empty();
    std::vector<std::string> cells = {t.id.empty() ? "-" : t.id.substr(0, 8),
                                      t.label,
                                      repeat(t),
                                      experiment::status_name(t.status),
                                      t.stop == fit::Stop::kNone ? "-" : fit::stop_name(t.stop),
                                      fmt::format("{}", t.iterations),
                                      fmt::format("{:.3g}", t.seconds),
                                      measured ? number(t.trace.rows.back().objective) : "-",
                                      measured ? number(t.trace.rows.back().kkt) : "-"};
    for (const std::string& name : metrics) {
      const auto found = std::find(t.trace.columns.begin(), t.trace.columns.end(), name);
      const auto at = static_cast<size_t>(found - t.trace.columns.begin());
      const bool there =
          measured && found != t.trace.columns.end() && at < t.trace.rows.back().metrics.size();
      cells.push_back(there ? number(t.trace.rows.back().metrics[at]) : "-");
    }
    return cells;
  }

  void reasons() const {
    for (const TrialResult& t : result_.trials) {
      if (t.status == Status::kSkipped)
        tool_.out(fmt::format("left out: {}\n", t.why.empty() ? t.label : t.why));
    }
    for (const TrialResult& t : result_.trials) {
      const bool few = result_.trials.size() <= 3;
      if (few && t.stop != fit::Stop::kNone)
        tool_.out(
            fmt::format("{} stopped after {}: {}\n", t.label, steps_text(t.iterations), reason(t)));
      if (why_ && !t.why.empty())
        tool_.out(fmt::format("{} {}: {}\n", t.id.substr(0, 8), action_name(t.action), t.why));
    }
  }

  // Whether every measured row has an objective.
  static bool finite(const fit::Trace& trace) {
    return std::all_of(trace.rows.begin(), trace.rows.end(),
                       [](const fit::TraceRow& r) { return std::isfinite(r.objective); });
  }

  static std::string reason(const TrialResult& t) {
    switch (t.stop) {
      case fit::Stop::kConverged:
        return "converged (a tolerance of `stop` was met)";
      case fit::Stop::kMaxIter:
        return "max_iter (raise `stop.max_iter`, or loosen `stop.rel_tol`, for convergence)";
      case fit::Stop::kMaxSeconds:
        return "max_seconds";
      case fit::Stop::kTarget:
        return "target (the objective asked for was reached)";
      case fit::Stop::kStalled:
        return "stalled (no new best for `stop.patience` measured rows)";
      case fit::Stop::kDiverged:
        return finite(t.trace) ? "diverged (the objective rose for `stop.patience` measured rows)"
                               : "diverged (the objective was not finite)";
      case fit::Stop::kInterrupted:
        return "interrupted";
      case fit::Stop::kNonFinite:
        return "non_finite (the last finite factors were kept)";
      case fit::Stop::kNone:
        break;
    }
    return "";
  }

  void pictures() const {
    if (selected_ && !selected_->files.empty()) {
      for (const std::string& file : selected_->files) tool_.out(fmt::format("wrote {}\n", file));
      return;
    }
    for (const TrialResult& t : result_.trials) {
      for (const std::string& file : t.files)
        tool_.out(fmt::format("wrote {}/{}\n", t.folder, file));
      if (!t.files.empty() && result_.trials.size() > 3) return;
    }
  }

  void curve() const {
    const auto has_curve = [this](const TrialResult& t) {
      return t.trace.rows.size() > 1 && (!selected_ || !selected_->trial || selected_->trial == &t);
    };
    const auto shown = std::find_if(result_.trials.begin(), result_.trials.end(), has_curve);
    if (shown == result_.trials.end()) return;
    Curve c;
    for (const fit::TraceRow& r : shown->trace.rows) {
      c.x.push_back(static_cast<double>(r.iteration));
      c.y.push_back(r.objective);
    }
    c.title = fmt::format("\nF of {}", shown->label);
    c.x_name = c.x.back() == 1 ? "step" : "steps";
    c.width = std::clamp(tool_.width - 16, 20, 72);
    c.utf8 = tool_.utf8;
    tool_.out(draw(c));
  }

  const Tool& tool_;
  const RunResult& result_;
  const std::optional<report::Selected>& selected_;
  bool why_;
};

int exit_code(const RunResult& r) {
  if (const int signal = caught_signal(); signal != 0 && r.interrupted > 0) return 128 + signal;
  const bool unmeasured = std::any_of(r.groups.begin(), r.groups.end(),
                                      [](const auto& g) { return !g.errors.empty(); });
  return r.failed > 0 || r.interrupted > 0 || unmeasured ? kTrialsFailed : kOk;
}

// What to type next.
std::string next_line(const Tool& tool,
                      const RunFlags& flags,
                      const RunResult& r,
                      const TrialResult* best) {
  const auto failed = std::find_if(r.trials.begin(), r.trials.end(), [](const TrialResult& t) {
    return t.status == Status::kFailed || t.status == Status::kDiverged;
  });
  const auto good = std::find_if(r.trials.begin(), r.trials.end(),
                                 [](const TrialResult& t) { return t.status == Status::kOk; });
  if (flags.dry_run) return "nothing was run; leave out `--dry-run` to run it";
  if (r.interrupted > 0) return fmt::format("go on with: {}", tool.command);
  if (failed != r.trials.end())
    return fmt::format("after mending it: {}{}", tool.command,
                       flags.only.empty() ? " --only failed" : "");
  if (good == r.trials.end()) return "nothing was run";
  if (r.trials.size() > 1)
    return fmt::format("next: {}/results.csv has every number; assay explain {} --trial {}",
                       r.folder, quoted(r.folder), (best ? best->id : good->id).substr(0, 8));
  return fmt::format("next: assay transform {}/model.npz NEW_DATA", quoted(good->folder));
}

// Why nothing was run.
std::string idle_line(const RunFlags& flags, const RunResult& r) {
  if (flags.only.empty()) {
    const std::string what =
        r.kept == 1 ? fmt::format("the trial of {} is finished", r.folder)
                    : fmt::format("all {} trials of {} are finished", r.kept, r.folder);
    return fmt::format("nothing to do: {}; `--rerun ID` runs one again", what);
  }
  const auto pending = std::count_if(r.trials.begin(), r.trials.end(), [](const TrialResult& t) {
    return t.status == Status::kPending;
  });
  if (pending == 0) return fmt::format("nothing failed in {}", r.folder);
  return fmt::format("nothing failed in {}; {} trial{} not run yet: leave out `--only failed`",
                     r.folder, pending, pending == 1 ? " is" : "s are");
}

void show_failures(const Tool& tool, const spec::ParseResult& parsed, const RunResult& r) {
  for (const TrialResult& t : r.trials) {
    if (t.status != Status::kFailed && t.status != Status::kDiverged) continue;
    for (const Error& e : t.errors) (void)tool.show(e, parsed);
  }
  for (const GroupResult& g : r.groups) {
    for (const Error& e : g.errors) (void)tool.show(e, parsed);
  }
}

// Modules in folders named on the command line that are not used: what runs may be another plugin.
void warn_of_refused(const Tool& tool, const plugin::Registry& registry) {
  for (const Error& refused : registry.refused()) {
    const auto folder = std::filesystem::path(refused.file).parent_path();
    const auto holds = [&](const std::string& dir) {
      std::error_code ignored;
      return std::filesystem::equivalent(folder, dir, ignored);
    };
    if (std::any_of(tool.plugin_dirs.begin(), tool.plugin_dirs.end(), holds))
      tool.err(
          fmt::format("warning: {}; it is not used, `assay doctor` says more\n", refused.message));
  }
}

}  // namespace

int run(const Tool& tool, const RunFlags& flags) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  warn_of_refused(tool, *registry);
  const auto parsed = spec::parse_file(flags.spec, {flags.overrides, flags.grid, false}, *registry);
  if (const int code = tool.show(parsed); !parsed.ok()) return code;
  catch_signals();
  experiment::RunOptions options;
  options.folder = flags.folder;
  options.dry_run = flags.dry_run;
  options.only_failed = !flags.only.empty();
  options.rerun = flags.rerun;
  options.fail_fast = flags.fail_fast;
  options.cancel = &cancelled();
  Progress progress(tool);
  const auto result = experiment::run(*parsed.experiment, registry, options, progress);
  if (!result) return tool.show(result.error(), parsed);
  show_failures(tool, parsed, *result);
  auto selected = report::select(*result, parsed.experiment->select);
  if (!flags.dry_run) {
    if (selected) {
      if (const auto written = report::write_selected(*result, *selected); !written)
        return tool.show(written.error(), parsed);
    }
    if (const auto written = report::write_results(*result); !written)
      return tool.show(written.error(), parsed);
  }
  const Report report(tool, *result, selected, flags.why);
  if (tool.json) {
    report.json();
    return exit_code(*result);
  }
  if (flags.dry_run) {
    report.plan();
  } else {
    report.text();
  }
  if (result->nothing_to_do && !flags.dry_run) tool.out("\n" + idle_line(flags, *result) + "\n");
  tool.out((flags.dry_run ? "" : "\n") +
           next_line(tool, flags, *result, selected ? selected->trial : nullptr) + "\n");
  return exit_code(*result);
}

}  // namespace assay::cli
