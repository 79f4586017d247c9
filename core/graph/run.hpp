// SPDX-License-Identifier: Apache-2.0
// Running stages: what the serial, the rank-simulating and the task-graph executor share.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/graph/coupled.hpp"
#include "core/graph/tile.hpp"
#include "core/graph/window.hpp"

namespace assay::graph {

struct NodeTime {
  std::string name;
  int thread = 0;
  double start = 0, end = 0;  // microseconds since the plan was made
};

// Everything a run of the layout needs, made once.
struct Engine {
  std::shared_ptr<const Program> program;
  Layout layout;
  Frame frame;
  std::unique_ptr<Lanes> lanes;
  std::unique_ptr<Window> window;  // of the layout's windowed sweeps, if any
  Coupled coupled;
  std::vector<std::unique_ptr<Worker>> workers;
  const std::function<bool()>* give_up = nullptr;
  bool timing = false;
  bool spread = false;  // every lane is a node of its own, however short
  std::chrono::steady_clock::time_point born = std::chrono::steady_clock::now();

  // The first failure of a run (the lowest lane's when several fail in one stage).
  std::atomic<bool> failed{false};
  std::mutex mutex;
  int failed_stage = 0, failed_lane = 0;
  Error error;
  std::vector<NodeTime> times;

  // The loss of a step is taken before the ops that ride ahead overwrite its parts.
  std::vector<double> entering;

  void reset();
  Lanes& lanes_of(const Stage& stage) { return stage.windowed ? window->lanes() : *lanes; }
  // False for sweeps that a priming run leaves out.
  bool active(int stage) const { return !frame.prime || stage == layout.rotated; }
  void join(int stage, double* left, const double* right) const {
    if (active(stage)) combine(layout.stages[static_cast<size_t>(stage)], left, right);
  }
  void fail(int stage, int lane, Error e);
  // Runs one lane into partial unless the run has failed already.
  void run_lane(int stage, int lane, int worker, double* partial);
  // Refreshes operands before the first lane; checks that sums are finite after the last.
  void start_stage(int stage);
  void finish_stage(int stage);
  void note_time(const std::string& name, int thread, std::chrono::steady_clock::time_point start);
};

// Partials of one stage that are not the root: a pool that grows to what a run needs and then
// stays.
class PartialPool {
 public:
  explicit PartialPool(int64_t doubles) : doubles_(doubles) {}
  double* take();
  void give(double* p);
  int most() const { return static_cast<int>(all_.size()); }

 private:
  int64_t doubles_;
  std::mutex mutex_;
  std::vector<AlignedArray<double>> all_;
  std::vector<double*> free_;
};

class Executor {
 public:
  virtual ~Executor() = default;
  virtual void run() = 0;
  virtual int live_partials() const = 0;  // most that ever lived at a time, over stages
};

// Of stages first .. last - 1.
std::unique_ptr<Executor> make_serial(Engine& engine, int first, int last, int ranks);
std::unique_ptr<Executor> make_flow(Engine& engine,
                                    Arena& arena,
                                    int first,
                                    int last);  // flow.cpp, the room of TBB

// Of the whole layout: loops and batches are walked on the calling thread, each run of stages
// between them is given to what make_run made for it. control.cpp.
using MakeRun = std::function<std::unique_ptr<Executor>(int first, int last)>;
std::unique_ptr<Executor> make_walk(Engine& engine, const MakeRun& make_run);

}  // namespace assay::graph
