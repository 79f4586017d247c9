// SPDX-License-Identifier: Apache-2.0
// Making a runtime from words of a spec.
#include "core/experiment/runtime.hpp"

#include <sched.h>

#include <algorithm>
#include <utility>

namespace assay::experiment {
namespace {

// `runtime.plan`: auto, serial, graph, unfused.
Expected<graph::Force> force_from(const std::string& plan) {
  graph::Force force;
  if (plan == "serial") {
    force.run = graph::Force::Run::kSerial;
  } else if (plan == "graph") {
    force.run = graph::Force::Run::kGraph;
  } else if (plan == "unfused") {
    force.fuse = false;
  } else if (plan != "auto" && !plan.empty()) {
    return Error(ASSAY_E_SPEC, "E0114", "there is no plan `" + plan + "`")
        .at("runtime.plan")
        .with_help("`auto`, `serial`, `graph` or `unfused`");
  }
  return force;
}

}  // namespace

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

Expected<Runtime> Runtime::create(std::shared_ptr<plugin::Registry> registry,
                                  int threads,
                                  const std::string& isa,
                                  const std::string& plan) {
  Runtime r;
  r.registry = std::move(registry);
  auto chosen =
      isa == "auto" || isa.empty() ? kernels::isa_from_environment() : kernels::isa_from_name(isa);
  if (!chosen) return std::move(chosen.error());
  r.isa = *chosen;
  auto force = force_from(plan);
  if (!force) return std::move(force.error());
  r.force = *force;
  auto arena = graph::Arena::create(threads > 0 ? threads : usable_cores());
  if (!arena) return std::move(arena.error());
  r.arena = std::move(*arena);
  return r;
}

graph::PlanOptions Runtime::plan_options() const {
  graph::PlanOptions o;
  o.arena = arena;
  o.isa = isa;
  o.force = force;
  o.cancel = cancel;
  o.log = log ? &log : nullptr;
  return o;
}

}  // namespace assay::experiment
