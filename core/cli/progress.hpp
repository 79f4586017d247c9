// SPDX-License-Identifier: Apache-2.0
// Progress of a run on stderr: a bar that redraws itself on a terminal, else one plain line per ten
// seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>

#include "core/cli/tool.hpp"
#include "core/experiment/run.hpp"

namespace assay::cli {

class Progress : public experiment::Observer {
 public:
  explicit Progress(const Tool& tool) : tool_(tool) {}

  void planned(const experiment::RunResult& plan) override;
  void trial_started(const experiment::TrialResult& trial, int64_t index, int64_t count) override;
  void stepped(const experiment::TrialResult& trial,
               int64_t iteration,
               int64_t max_iter,
               double seconds) override;
  void row(const experiment::TrialResult& trial,
           const fit::Trace& trace,
           const fit::TraceRow& row) override;
  void trial_done(const experiment::TrialResult& trial) override;
  void log(int32_t level, const std::string& text) override;

 private:
  std::mutex mutex_;  // of notes_
  std::set<std::string> notes_;
  using Clock = std::chrono::steady_clock;

  void line(const std::string& text);
  void clear();

  const Tool& tool_;
  int64_t index_ = 0, count_ = 0;
  double objective_ = fit::kNotMeasured, change_ = fit::kNotMeasured;
  Clock::time_point started_, drawn_;
  bool bar_ = false;  // one is on the screen
};

}  // namespace assay::cli
