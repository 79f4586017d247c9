// SPDX-License-Identifier: Apache-2.0
// Program and Plan: a step as declared, and as run. A plan is made once and run every iteration
// without allocation.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "assay/plugin.h"
#include "core/base/expected.hpp"
#include "core/graph/model.hpp"
#include "core/kernels/kernels.hpp"

namespace assay::graph {

// A checked program: buffers and lines in the order written.
class Program {
 public:
  // Calls build(builder, purpose) and checks the result. `who` names the plugin in messages. An
  // empty program is fine. applies: it is the one that makes W.
  using Build = std::function<int32_t(assay_builder*)>;
  static Expected<std::shared_ptr<const Program>> build(const Model& model,
                                                        const std::string& who,
                                                        void* self,
                                                        const Build& fn,
                                                        bool applies = false);
  bool empty() const;
  ~Program();

  struct Body;
  const Body& body() const { return *body_; }

 private:
  Program() = default;
  std::unique_ptr<Body> body_;
};

// The threads of a runtime: one TBB arena, and nothing of TBB in this header.
// What to do about sums that are not finite.
inline constexpr const char* kOutOfRange =
    "scale the data, `transforms: [{ use: scale, by: ... }]`, so that squares of sums are numbers; or see the solver's options";

class Arena {
 public:
  static Expected<std::shared_ptr<Arena>> create(int threads);
  ~Arena();
  int threads() const;
  struct Body;
  Body& body() { return *body_; }

 private:
  Arena() = default;
  std::unique_ptr<Body> body_;
};

// auto everywhere is the planner's choice; tests and `runtime.plan` force.
struct Force {
  enum class Carry { kAuto, kNever, kAlways } carry = Carry::kAuto;
  enum class Run { kAuto, kSerial, kGraph } run = Run::kAuto;  // kSerial: on the calling thread
  int64_t tile_rows = 0, lanes = 0;                            // 0: auto
  int ranks = 1;                                               // simulated ranks of lanes (kSerial)
  bool fuse = true;                                            // false: every line its own sweep
};

struct PlanOptions {
  std::shared_ptr<Arena> arena;  // null: serial
  kernels::Isa isa = kernels::Isa::kBaseline;
  int32_t compute = ASSAY_NUM;  // NUM: the model's
  Force force;
  const std::atomic<bool>* cancel = nullptr;
  const std::function<bool()>* give_up = nullptr;  // asked at each turn of a loop and each batch
  const plugin::LogSink* log = nullptr;
  bool timing = false;    // keep per-node times for chrome_trace
  bool repeated = false;  // run many times over factors only it changes: sweeps may ride ahead
};

struct StepResult {
  bool has_loss = false;
  double loss = 0;             // at the factors that entered the step (measure = true only)
  bool converged = false;      // the program reported it
  bool diverged = false;       // likewise
  bool has_objective = false;  // the program reported one itself
  double objective = 0;
  std::map<std::string, double> reports;
};

struct Estimate {
  double bytes_of_x = 0, flops = 0, partial_bytes = 0;
  int64_t reads_of_x = 0;
};

class Plan {
 public:
  // Allocates what the program needs; STATE buffers are made in (or found in) model.state. model
  // must outlive the plan.
  static Expected<std::unique_ptr<Plan>> make(std::shared_ptr<const Program> program,
                                              Model& model,
                                              const PlanOptions& options);
  ~Plan();
  // One step. measure: also the loss at the entering factors. step: how many the run has done
  // before; what a program draws is keyed by it. On error factors keep their last finite, feasible
  // values (a block that failed is not committed). Given up (E_CANCELLED): as the last turn left it.
  Expected<StepResult> run(bool measure, int64_t step = 0);
  // LOCAL and SUM buffers flagged OUTPUT, and STATE, after a run: copied out, or not found.
  Expected<Buffer> output(const std::string& name) const;
  // Names of those LOCALs that lie on ROWS: what a program says of each row.
  std::vector<std::string> row_outputs() const;
  bool has_turns() const;         // a loop or batches: it may be given up between them
  bool values_come_free() const;  // the loss falls out of the step's own products (squared)
  Estimate estimate() const;
  int live_partials() const;  // most partials of a sweep that ever lived at a time
  std::string words() const;  // the plan for people
  std::string dot() const;    // for Graphviz
  std::string chrome_trace() const;

 private:
  Plan() = default;
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace assay::graph
