// SPDX-License-Identifier: Apache-2.0
// Method: a live solver, init or metric: the plugin, its options and its self; it turns purposes
// into plans.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/graph/plan.hpp"
#include "core/plugin/options.hpp"
#include "core/plugin/registry.hpp"

namespace assay::fit {

// Whether a solver makes W from the rows, so that no model stores it.
bool makes_w(const plugin::Descriptor& solver);

// A plugin as chosen, before it lives.
struct Chosen {
  const plugin::Descriptor* descriptor = nullptr;
  plugin::Options options;  // complete
  uint64_t stream = 0;      // random stream of its role
};

class Method {
 public:
  // Solver, init or metric by the descriptor's kind; side: the factor a metric is about, else -1.
  static Expected<std::unique_ptr<Method>> create(const Chosen& chosen,
                                                  const graph::Model& model,
                                                  int32_t side,
                                                  const plugin::LogSink* log);
  // The lines of a solver that makes W, for the model it makes it for; they live as long as this.
  graph::Apply apply() const;
  // Names of the numbers that a purpose's program reports, but for those with a meaning to the
  // host.
  Expected<std::vector<std::string>> reports(int32_t purpose, graph::Model& model) const;
  // Keys of the model's state that a purpose's program asks for, but for results.
  Expected<std::set<std::string>> states(int32_t purpose, graph::Model& model) const;
  // How many starts a solver wants.
  int64_t starts() const;
  ~Method();
  Method(const Method&) = delete;
  Method& operator=(const Method&) = delete;

  // The plan of a purpose, or null where the plugin has nothing to do for it. The method must
  // outlive it.
  Expected<std::unique_ptr<graph::Plan>> plan(int32_t purpose,
                                              graph::Model& model,
                                              const graph::PlanOptions& options) const;

 private:
  Method() = default;
  Expected<std::shared_ptr<const graph::Program>> program(int32_t purpose,
                                                          graph::Model& model) const;
  Chosen chosen_;
  assay_loss_facts facts_{};
  void* self_ = nullptr;
  int32_t (*build_)(void*, assay_builder*, int32_t) = nullptr;
  void (*destroy_)(void*) = nullptr;
};

}  // namespace assay::fit
