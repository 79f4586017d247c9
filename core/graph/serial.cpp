// SPDX-License-Identifier: Apache-2.0
// The executor of the calling thread: the same lanes and the same tree as the task graph, one after
// another. With ranks > 1 it plays MPI: each rank sums the largest whole subtrees of its lanes, and
// the tree goes on over what ranks hold.
#include <map>

#include "core/graph/run.hpp"

namespace assay::graph {

namespace {

class Serial final : public Executor {
 public:
  Serial(Engine& engine, int first, int last, int ranks)
      : engine_(engine), first_(first), last_(last), ranks_(ranks) {
    for (int s = first; s < last; ++s)
      pools_.push_back(
          std::make_unique<PartialPool>(engine.layout.stages[static_cast<size_t>(s)].partial));
  }

  void run() override {
    for (int s = first_; s < last_ && !engine_.failed; ++s) {
      stage_ = s;
      Stage& stage = engine_.layout.stages[static_cast<size_t>(s)];
      const auto start = std::chrono::steady_clock::now();
      engine_.start_stage(stage_);
      if (ranks_ > 1 && stage.lanes > 1)
        run_ranks(stage);
      else
        subtree(0, stage.lanes, stage.root.data());
      engine_.finish_stage(stage_);
      if (engine_.timing) engine_.note_time("stage " + std::to_string(s), 0, start);
    }
  }

  int live_partials() const override {
    int most = 0;
    for (const auto& p : pools_) most = std::max(most, p->most() + 1);
    return most;
  }

 private:
  void subtree(int first, int size, double* partial) {
    if (size == 1) {
      engine_.run_lane(stage_, first, 0, partial);
      return;
    }
    subtree(first, size / 2, partial);
    PartialPool& pool = this->pool();
    double* right = pool.take();
    subtree(first + size / 2, size / 2, right);
    engine_.join(stage_, partial, right);
    pool.give(right);
  }

  void run_ranks(Stage& stage) {
    std::map<std::pair<int, int>, double*> held;  // (first lane, lanes) -> partial
    PartialPool& pool = this->pool();
    for (int r = 0; r < ranks_; ++r) {
      int first = stage.lanes * r / ranks_;
      const int end = stage.lanes * (r + 1) / ranks_;
      while (first < end) {
        int size = 1;
        while (first % (size * 2) == 0 && first + size * 2 <= end) size *= 2;
        double* partial = first == 0 ? stage.root.data() : pool.take();
        subtree(first, size, partial);
        held[{first, size}] = partial;
        first += size;
      }
    }
    collect(stage, held, 0, stage.lanes);
  }

  double* collect(Stage& stage, std::map<std::pair<int, int>, double*>& held, int first, int size) {
    const auto found = held.find({first, size});
    if (found != held.end()) return found->second;
    double* left = collect(stage, held, first, size / 2);
    double* right = collect(stage, held, first + size / 2, size / 2);
    engine_.join(stage_, left, right);
    pool().give(right);
    return left;
  }

  PartialPool& pool() { return *pools_[static_cast<size_t>(stage_ - first_)]; }

  Engine& engine_;
  int first_, last_, ranks_, stage_ = 0;
  std::vector<std::unique_ptr<PartialPool>> pools_;
};

}  // namespace

double* PartialPool::take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (free_.empty()) {
    all_.emplace_back(doubles_);
    free_.reserve(all_.size());
    return all_.back().data();
  }
  double* p = free_.back();
  free_.pop_back();
  return p;
}

void PartialPool::give(double* p) {
  const std::lock_guard<std::mutex> lock(mutex_);
  free_.push_back(p);
}

std::unique_ptr<Executor> make_serial(Engine& engine, int first, int last, int ranks) {
  return std::make_unique<Serial>(engine, first, last, ranks);
}

}  // namespace assay::graph
