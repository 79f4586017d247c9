// SPDX-License-Identifier: Apache-2.0
// The task graph: one node per lane, one per pair of siblings in the tree, one at the start and the
// end of each sweep. The only file that knows oneTBB. Built once; run every step.
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <new>

#include "core/graph/run.hpp"
#include "core/graph/sanitizer.hpp"

namespace assay::graph {

namespace flow = oneapi::tbb::flow;

// oneTBB obeys the smallest limit anybody sets and says so on stderr; one limit for all arenas
// alive, the largest any of them asked for, keeps a second runtime from being cut to the first
// one's threads.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads) : threads_(std::max(threads, 1)) { change(threads_, 1); }
  ~ThreadLimit() { change(threads_, -1); }
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  struct Shared {
    std::mutex mutex;
    std::map<int, int> asked;  // threads -> arenas that asked for them
    std::unique_ptr<oneapi::tbb::global_control> control;
    int limit = 0;
  };
  static Shared& shared() {
    static auto* const s = new Shared;  // outlives every arena, also one destroyed at exit
    return *s;
  }
  static void change(int threads, int by) {
    Shared& s = shared();
    const std::lock_guard<std::mutex> guard(s.mutex);
    if ((s.asked[threads] += by) == 0) s.asked.erase(threads);
    const int limit = s.asked.empty() ? 0 : s.asked.rbegin()->first;
    if (limit == s.limit) return;
    s.control.reset();
    if (limit > 0)
      s.control = std::make_unique<oneapi::tbb::global_control>(
          oneapi::tbb::global_control::max_allowed_parallelism, static_cast<size_t>(limit));
    s.limit = limit;
  }
  int threads_;
};

struct Arena::Body {
  explicit Body(int threads) : limit(threads), arena(threads, 1), n(threads) {}
  ThreadLimit limit;
  oneapi::tbb::task_arena arena;
  int n;
};

Expected<std::shared_ptr<Arena>> Arena::create(int threads) {
  if (threads < 1 || threads > 1024)
    return Error(ASSAY_E_ARGUMENT, "E0002", "the number of threads must be between 1 and 1024")
        .with_found(std::to_string(threads));
  try {
    std::shared_ptr<Arena> arena(new Arena());
    arena->body_ = std::make_unique<Body>(threads);
    arena->body_->arena.initialize();
    return arena;
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "E0902", "out of memory");
  } catch (const std::exception& e) {
    return Error(ASSAY_E_RESOURCE, "E0903", std::string("cannot start threads: ") + e.what());
  }
}
Arena::~Arena() = default;
int Arena::threads() const { return body_->n; }

namespace {

// A sweep this short is not worth handing out.
constexpr double kOneNodeSeconds = 20e-6;

// What every node of a run comes after: all that the control thread did before it. An address,
// nothing more.
char run_begins;

class Flow final : public Executor {
 public:
  Flow(Engine& engine, Arena& arena, int first, int last)
      : engine_(engine), arena_(arena.body().arena), first_(first), stages_(last - first) {
    arena_.execute([this] {
      graph_ = std::make_unique<flow::graph>();
      build();
    });
  }
  ~Flow() override {
    arena_.execute([this] {
      nodes_.clear();
      graph_.reset();
    });
  }

  void run() override {
    announce_release(&run_begins);
    announce_release(this);
    arena_.execute([this] {
      nodes_.front().node->try_put(flow::continue_msg());
      graph_->wait_for_all();
    });
    announce_acquire(last_);
  }

  int live_partials() const override {
    int most = 0;
    for (const auto& p : pools_) most = std::max(most, p->most() + 1);
    return most;
  }

 private:
  using Node = flow::continue_node<flow::continue_msg>;
  struct Entry {
    std::unique_ptr<Node> node;
    std::vector<void*> before;  // edges in
  };

  // A node that runs fn after all of `before`. The entry's address is the token of its outgoing
  // edges.
  template <class Fn>
  Entry* add(std::vector<Entry*> before, std::string name, Fn fn) {
    nodes_.emplace_back();
    Entry* e = &nodes_.back();
    for (Entry* b : before) e->before.push_back(b);
    if (before.empty()) e->before.push_back(this);
    e->node = std::make_unique<Node>(*graph_, [this, e, fn, name](const flow::continue_msg&) {
      announce_acquire(&run_begins);  // orders the node itself, which the control thread made
      for (void* edge : e->before) announce_acquire(edge);
      if (engine_.timing) {
        const auto start = std::chrono::steady_clock::now();
        fn();
        engine_.note_time(name, worker(), start);
      } else {
        fn();
      }
      announce_release(e);
      return flow::continue_msg();
    });
    for (Entry* b : before) flow::make_edge(*b->node, *e->node);
    return e;
  }

  size_t at(int stage) const { return static_cast<size_t>(stage - first_); }

  int worker() const {
    const int i = oneapi::tbb::this_task_arena::current_thread_index();
    return i < 0 || static_cast<size_t>(i) >= engine_.workers.size() ? 0 : i;
  }

  void build() {
    Entry* last = nullptr;
    for (int index = first_; index < first_ + stages_; ++index) {
      Stage& stage = engine_.layout.stages[static_cast<size_t>(index)];
      pools_.push_back(std::make_unique<PartialPool>(stage.partial));
      partials_.emplace_back(static_cast<size_t>(stage.lanes), nullptr);
      const std::string name = "stage " + std::to_string(index);
      std::vector<Entry*> after;
      if (last) after.push_back(last);
      if (stage.lanes == 1 || (!engine_.spread && stage.seconds < kOneNodeSeconds)) {
        last = add(after, name, [this, index] { run_whole(index); });
        continue;
      }
      Entry* start = add(after, name + " start", [this, index] { engine_.start_stage(index); });
      std::vector<Entry*> level;
      for (int lane = 0; lane < stage.lanes; ++lane)
        level.push_back(add({start}, name + " lane " + std::to_string(lane),
                            [this, index, lane] { run_lane(index, lane); }));
      for (int span = 1; span < stage.lanes; span *= 2) {
        std::vector<Entry*> up;
        for (int lane = 0; lane < stage.lanes; lane += 2 * span) {
          const auto i = static_cast<size_t>(lane / span);
          up.push_back(add({level[i], level[i + 1]}, name + " join",
                           [this, index, lane, span] { join(index, lane, lane + span); }));
        }
        level = up;
      }
      last = add({level[0]}, name + " end", [this, index] { engine_.finish_stage(index); });
    }
    last_ = last;
  }

  void run_lane(int s, int lane) {
    Stage& stage = engine_.layout.stages[static_cast<size_t>(s)];
    double* partial = lane == 0 ? stage.root.data() : pools_[at(s)]->take();
    partials_[at(s)][static_cast<size_t>(lane)] = partial;
    engine_.run_lane(s, lane, worker(), partial);
  }

  void join(int s, int left, int right) {
    auto& partials = partials_[at(s)];
    double* r = partials[static_cast<size_t>(right)];
    engine_.join(s, partials[static_cast<size_t>(left)], r);
    pools_[at(s)]->give(r);
  }

  void run_whole(int s) {
    Stage& stage = engine_.layout.stages[static_cast<size_t>(s)];
    engine_.start_stage(s);
    subtree(s, 0, stage.lanes, stage.root.data());
    engine_.finish_stage(s);
  }
  void subtree(int s, int first, int size, double* partial) {
    if (size == 1) return engine_.run_lane(s, first, worker(), partial);
    subtree(s, first, size / 2, partial);
    double* right = pools_[at(s)]->take();
    subtree(s, first + size / 2, size / 2, right);
    engine_.join(s, partial, right);
    pools_[at(s)]->give(right);
  }

  Engine& engine_;
  oneapi::tbb::task_arena& arena_;
  int first_, stages_;
  std::unique_ptr<flow::graph> graph_;
  std::deque<Entry> nodes_;
  Entry* last_ = nullptr;
  std::vector<std::unique_ptr<PartialPool>> pools_;
  std::vector<std::vector<double*>> partials_;
};

}  // namespace

std::unique_ptr<Executor> make_flow(Engine& engine, Arena& arena, int first, int last) {
  return std::make_unique<Flow>(engine, arena, first, last);
}

}  // namespace assay::graph
