// SPDX-License-Identifier: Apache-2.0
// Draws progress. Looking at the clock is all a step pays for.
#include "core/cli/progress.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "assay/plugin.h"

namespace assay::cli {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kPlainLine = std::chrono::seconds(10);

std::string time_text(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(seconds);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string bar_text(double share, bool utf8) {
  constexpr int kWidth = 20;
  const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * kWidth);
  std::string out;
  for (int i = 0; i < kWidth; ++i)
    out += i < full ? (utf8 ? "\xE2\x96\x88" : "#") : (utf8 ? "\xE2\x96\x91" : ".");
  return out;
}

}  // namespace

void Progress::line(const std::string& text) {
  clear();
  if (!tool_.quiet) tool_.err(text + "\n");
}

void Progress::clear() {
  if (bar_) tool_.err("\r\x1b[K");
  bar_ = false;
}

void Progress::planned(const experiment::RunResult& plan) {
  using experiment::Action;
  const auto count = [&](Action a) {
    return std::count_if(plan.trials.begin(), plan.trials.end(),
                         [&](const auto& t) { return t.action == a; });
  };
  const auto fresh = count(Action::kRun), resumed = count(Action::kResume),
             kept = count(Action::kKeep), skipped = count(Action::kSkip);
  if (fresh + resumed == 0) return;
  std::string text = fmt::format("{}: {} trial{} to run", plan.folder, fresh + resumed,
                                 fresh + resumed == 1 ? "" : "s");
  if (resumed > 0) text += fmt::format(", {} from a checkpoint", resumed);
  if (kept > 0) text += fmt::format(", {} finished already", kept);
  if (skipped > 0) text += fmt::format(", {} left out", skipped);
  line(text);
}

void Progress::trial_started(const experiment::TrialResult&, int64_t index, int64_t count) {
  index_ = index;
  count_ = count;
  objective_ = change_ = fit::kNotMeasured;
  started_ = drawn_ = Clock::now();
}

void Progress::stepped(const experiment::TrialResult& trial,
                       int64_t iteration,
                       int64_t max_iter,
                       double) {
  if (tool_.quiet) return;
  const auto now = Clock::now();
  if (now - drawn_ < (tool_.tty_err ? Clock::duration(kRedraw) : Clock::duration(kPlainLine)))
    return;
  drawn_ = now;
  const double elapsed = std::chrono::duration<double>(now - started_).count();
  const double share =
      max_iter > 0 ? static_cast<double>(iteration) / static_cast<double>(max_iter) : 0;
  std::string text = count_ > 1 ? fmt::format("[{}/{}] ", index_ + 1, count_) : "";
  text += trial.label;
  if (tool_.tty_err) text += " " + bar_text(share, tool_.utf8);
  text += max_iter > 0 ? fmt::format(" {}/{}", iteration, max_iter) : fmt::format(" {}", iteration);
  text += "  " + time_text(elapsed);
  if (share > 0) text += fmt::format(", at most {} left", time_text(elapsed * (1 - share) / share));
  if (std::isfinite(objective_)) text += fmt::format("  F {:.6g}", objective_);
  if (std::isfinite(change_)) text += fmt::format("  change {:.1e}", change_);
  if (!tool_.tty_err) {
    line(text);
    return;
  }
  bar_ = true;
  tool_.err("\r\x1b[K" + text);
}

void Progress::row(const experiment::TrialResult&, const fit::Trace&, const fit::TraceRow& row) {
  if (std::isfinite(row.objective)) objective_ = row.objective;
  if (std::isfinite(row.rel_change)) change_ = row.rel_change;
}

void Progress::trial_done(const experiment::TrialResult& trial) {
  std::string text = count_ > 1 ? fmt::format("[{}/{}] ", index_ + 1, count_) : "";
  text += fmt::format("{}: {}", trial.label, experiment::status_name(trial.status));
  if (trial.stop != fit::Stop::kNone) {
    const std::string stop = fit::stop_name(trial.stop);
    if (stop != experiment::status_name(trial.status)) text += ", " + stop;
    text += fmt::format(" after {} step{}, {}", trial.iterations, trial.iterations == 1 ? "" : "s",
                        time_text(trial.seconds));
  }
  line(text);
}

void Progress::log(int32_t level, const std::string& text) {
  if (level == ASSAY_LOG_DEBUG) return;
  if (level == ASSAY_LOG_INFO) {  // many trials say the same of the same data
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!notes_.insert(text).second) return;
  }
  line(fmt::format("{}: {}", level == ASSAY_LOG_WARNING ? "warning" : "note", text));
}

}  // namespace assay::cli
