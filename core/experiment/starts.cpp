// SPDX-License-Identifier: Apache-2.0
// Starts that are all the same would cost as many fits and be one.
#include "core/experiment/starts.hpp"

#include <fmt/format.h>

#include "core/fit/method.hpp"
#include "core/spec/uses.hpp"

namespace assay::experiment {

Expected<void> check_starts(const fit::Task& task,
                            const spec::Trial& trial,
                            graph::Model& model,
                            const Runtime& runtime) {
  const plugin::Descriptor* init = runtime.registry->find("init", trial.init.id);
  const bool fixed = model.frozen[1];
  if (!task.init || !init || (!fixed && spec::draws_numbers(*init, trial.init))) return {};
  auto solver = fit::Method::create(task.solver, model, -1, nullptr);
  if (!solver) return std::move(solver.error());
  const int64_t starts = (*solver)->starts();
  if (starts < 2) return {};
  return Error(ASSAY_E_COMBINATION, "E0212",
               fixed ? fmt::format("solver `{}` asks for {} starts, and `H` is fixed",
                                   trial.solver.id, starts)
                     : fmt::format("solver `{}` asks for {} starts, and init `{}` makes the same "
                                   "each time",
                                   trial.solver.id, starts, trial.init.id))
      .at("solver")
      .with_help(fixed ? "ask for one start"
                       : "ask for one start, or choose an init that draws random numbers");
}

}  // namespace assay::experiment
