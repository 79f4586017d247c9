// SPDX-License-Identifier: Apache-2.0
// A solver is asked before data are read: it is created on the problem the spec poses, with a plain
// X in the data's place (all entries 1, more rows and columns than the rank), and what it refuses
// about the combination counts. What depends on the data themselves it says when they are there.
#include "core/spec/stand_in.hpp"

#include <algorithm>
#include <array>

#include "core/plugin/context.hpp"
#include "core/plugin/density.hpp"
#include "core/plugin/guard.hpp"
#include "core/plugin/registry.hpp"
#include "core/spec/capabilities.hpp"

namespace assay::spec {
namespace {

bool entries_differ(const Trial& trial) {
  const DataSpec& x = trial.data;
  return trial.split.kind == SplitSpec::Kind::kEntries || x.unstored == "unobserved" ||
         !x.mask_path.empty() || !x.weights_path.empty() || !x.row_weights_path.empty() ||
         !x.col_weights_path.empty();
}

void describe_factor(const FactorSpec& spec,
                     const plugin::PenaltySet* set,
                     int side,
                     assay_problem& p) {
  uint32_t& flags = p.factor_flags[side];
  if (!spec.fixed.empty()) flags |= ASSAY_FACTOR_FROZEN;
  if (!set) return;
  const auto& items = set->items();
  if (set->nonneg()) flags |= ASSAY_FACTOR_NONNEG;
  if (set->couples()) flags |= ASSAY_FACTOR_COUPLED;
  if (!set->only_nonneg()) flags |= ASSAY_FACTOR_SET;
  if (!set->quadratic()) flags |= ASSAY_FACTOR_NO_QUADRATIC;
  if (std::any_of(items.begin(), items.end(), [](const auto& item) { return !item.set(); }))
    flags |= ASSAY_FACTOR_PENALISED;
  p.mu_power[side] = set->mu_power();
}

}  // namespace

std::optional<Error> solver_refusal(const Trial& trial,
                                    const plugin::Descriptor& solver,
                                    const plugin::Loss& loss,
                                    const std::array<const plugin::PenaltySet*, 3>& penalties,
                                    const plugin::Descriptor* density) {
  const auto& rank = trial.model.rank;
  if (rank.empty() || *std::min_element(rank.begin(), rank.end()) < 1) return {};
  const assay_loss_facts facts = loss.facts();
  assay_problem p{};
  p.struct_size = sizeof p;
  p.flags = entries_differ(trial) ? ASSAY_PROBLEM_UNEQUAL : 0;
  p.n = *std::max_element(rank.begin(), rank.end()) + 1;
  p.d = density ? 1 : p.n;  // a mixture may have any number of columns
  p.nnz = p.n * p.d;
  p.n_factors = rank.size() == 2 ? 3 : 2;
  p.side = -1;
  p.k[0] = rank.front();
  p.k[1] = rank.back();
  p.k[2] = p.n_factors == 3 ? rank.front() : 0;
  p.n_layers = static_cast<int64_t>(trial.model.layers.size());
  p.layers = p.n_layers > 0 ? trial.model.layers.data() : nullptr;
  if (trial.model.bias) p.flags |= ASSAY_PROBLEM_BIAS;
  const FactorSpec* const factors[3] = {&trial.model.W, &trial.model.H, &trial.model.S};
  for (int side = 0; side < p.n_factors; ++side)
    describe_factor(*factors[side], penalties[static_cast<size_t>(side)], side, p);
  p.observed = p.x_sum = p.x_sumsq = static_cast<double>(p.nnz);
  p.x_min = p.x_max = 1;
  p.loss = &facts;
  std::shared_ptr<plugin::Density> family;
  if (density) {
    auto made =
        plugin::Density::create(*density, trial.model.density->options, p, trial.model.dirichlet);
    if (!made) return std::move(made.error());
    family = std::move(*made);
    p.density = &family->facts();
  }
  p.options = trial.solver.options.handle();

  const auto& table = *static_cast<const assay_solver*>(solver.plugin->vtable);
  assay_ctx ctx;
  void* self = nullptr;
  const int32_t status = plugin::guarded(
      &ctx, solver.id, [&] { return table.create(plugin::host(), &ctx, &p, &self); });
  if (status >= 0) {
    if (self && table.destroy)
      (void)plugin::guarded(nullptr, solver.id, [&] {
        table.destroy(self);
        return 0;
      });
    return {};
  }
  if (status != ASSAY_E_COMBINATION) return {};
  return ctx.take_error(status, solver.id);
}

bool minimises(const plugin::Registry& registry,
               const plugin::Descriptor& solver,
               const plugin::Loss& loss) {
  const auto& table = *static_cast<const assay_solver*>(solver.plugin->vtable);
  if (!takes_loss(table, loss)) return false;
  auto options = plugin::Options::complete(solver.plugin->options, {}, solver.id);
  if (!options || takes_mixtures(table) || takes_autoencoders(table)) return true;
  Trial trial;
  trial.model.rank = {2};
  trial.solver.id = solver.id;
  trial.solver.options = std::move(*options);
  const auto refuses = [&](const plugin::Loss& l) {
    return solver_refusal(trial, solver, l, {}).has_value();
  };
  if (!refuses(loss)) return true;
  const auto all = registry.all("loss");
  return std::all_of(all.begin(), all.end(), [&](const plugin::Descriptor* d) {
    auto defaults = plugin::Options::complete(d->plugin->options, {}, d->id);
    if (!defaults) return true;
    const auto other = plugin::Loss::create(*d, *defaults);
    return !other || !takes_loss(table, **other) || refuses(**other);
  });
}

}  // namespace assay::spec
