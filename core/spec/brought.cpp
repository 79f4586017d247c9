// SPDX-License-Identifier: Apache-2.0
// Constraints and transforms that come with a solver.
#include "core/spec/brought.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "core/spec/capabilities.hpp"
#include "core/spec/trial.hpp"

namespace assay::spec {
namespace {

// What a solver brings along must be there.
void report_absent(const Node& root,
                   const plugin::Descriptor& solver,
                   const std::string& does,
                   const std::string& id,
                   Context& context) {
  context.out.push_back(
      Diagnostic("E0101", fmt::format("solver `{}` {} `{}`, which no loaded plugin provides",
                                      solver.id, does, id))
          .at(use_mark(root, "solver"))
          .about("solver")
          .with_note("`assay doctor` shows where plugins are searched"));
}

// A constraint named by the solver for factors that name none; "id:W" for W alone, where none names
// it.
void imply_constraint(const Node& root,
                      const plugin::Descriptor& solver,
                      FactorSpec& factor,
                      const std::string& name,
                      const std::vector<std::string>& named,
                      Context& context) {
  const char* given = static_cast<const assay_solver*>(solver.plugin->vtable)->implies;
  if (!given || factor.constraint) return;
  std::string implied = given;
  if (const size_t colon = implied.find(':'); colon != std::string::npos) {
    const std::string of = implied.substr(colon + 1);
    implied.resize(colon);
    if (of != name || std::find(named.begin(), named.end(), implied) != named.end()) return;
  }
  const plugin::Descriptor* d = context.registry.find("penalty", implied);
  if (!d) return report_absent(root, solver, "keeps the constraint", implied, context);
  factor.constraint = standard_use(*d, "model." + name + ".constraint", root, context);
  factor.constraint_implied = true;
}

// The transforms a solver brings along, where its options want them.
void bring_transforms(const Node& root,
                      const plugin::Descriptor& solver,
                      Trial& trial,
                      Context& context) {
  for (const BroughtTransform& brought : brought_transforms(solver)) {
    const auto wanted = trial.solver.options.values.find(brought.option);
    if (wanted == trial.solver.options.values.end() || wanted->second.number == 0) continue;
    const plugin::Descriptor* d = context.registry.find("transform", brought.id);
    if (!d) return report_absent(root, solver, "brings the transform", brought.id, context);
    auto use = standard_use(*d, "solver." + brought.option, root, context);
    if (!use) return;
    trial.data.transforms.push_back(std::move(*use));
    ++trial.data.of_solver;
  }
}

}  // namespace

void bring_along(const Node& root,
                 const plugin::Descriptor& solver,
                 Trial& trial,
                 Context& context) {
  ModelSpec& m = trial.model;
  std::vector<std::string> named;
  for (const FactorSpec* factor : {&m.W, &m.H, &m.S})
    if (factor->constraint) named.push_back(factor->constraint->id);
  imply_constraint(root, solver, m.W, "W", named, context);
  imply_constraint(root, solver, m.H, "H", named, context);
  if (m.rank.size() == 2) imply_constraint(root, solver, m.S, "S", named, context);
  bring_transforms(root, solver, trial, context);
}

bool is_deterministic(const Trial& t, const plugin::Registry& registry) {
  const auto fixed = [&](const char* kind, const Use& use) {
    const plugin::Descriptor* d = registry.find(kind, use.id);
    return !d || !draws_numbers(*d, use);
  };
  const plugin::Descriptor* solver = registry.find("solver", t.solver.id);
  const bool start = fixed("init", t.init) || (solver && settles(*solver, t.solver));
  const bool transforms = std::all_of(t.data.transforms.begin(), t.data.transforms.end(),
                                      [&](const Use& u) { return fixed("transform", u); });
  const bool split =
      t.split.kind == SplitSpec::Kind::kNone || t.split.kind == SplitSpec::Kind::kFile;
  return split && transforms && fixed("reader", t.data.reader) && start &&
         fixed("solver", t.solver);
}

}  // namespace assay::spec
