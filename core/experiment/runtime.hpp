// SPDX-License-Identifier: Apache-2.0
// Runtime: what all trials of a process share: plugins, threads, instruction set, forced plan,
// cancel flag, log.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "core/base/expected.hpp"
#include "core/graph/plan.hpp"
#include "core/plugin/context.hpp"
#include "core/plugin/registry.hpp"

namespace assay::experiment {

struct Runtime {
  std::shared_ptr<plugin::Registry> registry;
  std::shared_ptr<graph::Arena> arena;  // null: serial
  kernels::Isa isa = kernels::Isa::kBaseline;
  graph::Force force;
  const std::atomic<bool>* cancel = nullptr;
  plugin::LogSink log;

  // threads 0: the cores this process may use. isa and plan as in `runtime:` of a spec; "auto" for
  // isa asks ASSAY_ISA.
  static Expected<Runtime> create(std::shared_ptr<plugin::Registry> registry,
                                  int threads,
                                  const std::string& isa,
                                  const std::string& plan);
  // Borrows this runtime's log and cancel flag.
  graph::PlanOptions plan_options() const;
};

// Cores the process may use (its affinity), at least 1.
int usable_cores();

}  // namespace assay::experiment
