// SPDX-License-Identifier: Apache-2.0
// Warm start and partial fit: factors and a solver's state out of a saved model into a task.
#include "core/experiment/going_on.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/experiment/trial.hpp"
#include "core/graph/ops.hpp"

namespace assay::experiment {
namespace {

Expected<void> set_factor(const SavedModel& saved, int side, graph::Model& model) {
  static const char* const kNames[] = {"W", "H", "S"};
  const kernels::Member* member = saved.find(kNames[side]);
  if (model.factor[side].rows == 0) return {};  // W that is made from the rows
  if (!member)
    return Error(ASSAY_E_SHAPE, "E0307",
                 fmt::format("the model to start from has no `{}`", kNames[side]))
        .with_help("start from a model of as many factors");
  graph::Buffer& to = model.factor[side];
  const graph::Buffer from = storage_view(*member, side);
  if (from.rows != to.rows || from.width != to.width)
    return Error(
               ASSAY_E_SHAPE, "E0307",
               fmt::format("`{}` of the model to start from is {} x {}, and this fit's is {} x {}",
                           kNames[side], member->rows, member->cols, side == 1 ? to.width : to.rows,
                           side == 1 ? to.rows : to.width))
        .with_help("start from a model of the same rank and of data of the same shape");
  for (int64_t i = 0; i < to.rows; ++i)
    for (int64_t a = 0; a < to.width; ++a) to.set(i, a, from.get(i, a));
  return {};
}

// A solver that sees more rows may know better what a transform it brought along had learnt: its
// STATE `TRANSFORM.ARRAY` says how far that array of the last such transform moved, in the units of
// X behind all transforms. It is added, and the state starts anew. True where something moved.
Expected<bool> move_learnt(graph::Model& model,
                           std::vector<Learnt>& transforms,
                           const Runtime& runtime) {
  bool moved = false;
  for (auto& [name, state] : model.state) {
    for (size_t t = transforms.size(); t-- > 0;) {
      auto& learnt = transforms[t].learnt;
      const std::string suffix = "." + name;
      const auto found = std::find_if(learnt.begin(), learnt.end(), [&](const auto& m) {
        return m.name == fmt::format("transforms.{}{}", t, suffix) && m.dtype == ASSAY_F64 &&
               m.rows == state.rows;
      });
      if (found == learnt.end()) continue;
      // Back through what follows: where 0 and the move come from.
      const int64_t d = state.rows;
      std::vector<double> ends(static_cast<size_t>(2 * d), 0.0);
      for (int64_t j = 0; j < d; ++j) ends[static_cast<size_t>(d + j)] = state.get(j, 0);
      const std::vector<Learnt> later(transforms.begin() + static_cast<std::ptrdiff_t>(t) + 1,
                                      transforms.end());
      auto stuck = undo_learnt(later, ends.data(), 2, d, runtime);
      if (!stuck) return std::move(stuck.error());
      if (!stuck->empty())
        return Error(ASSAY_E_COMBINATION, "E0209",
                     fmt::format("transform `{}` stands behind `{}` and has no inverse", *stuck,
                                 transforms[t].use.id));
      auto* values = reinterpret_cast<double*>(found->bytes.data());
      for (int64_t j = 0; j < d; ++j) {
        const auto at = static_cast<size_t>(j);
        values[j] += ends[static_cast<size_t>(d) + at] - ends[at];
        state.set(j, 0, 0);
      }
      moved = true;
      break;
    }
  }
  return moved;
}

}  // namespace

Expected<void> set_state(const SavedModel& saved, graph::Model& model) {
  const std::string prefix = kState;
  const auto put = [&model](const kernels::Member& member,
                            const std::string& key) -> Expected<void> {
    graph::Buffer state =
        graph::Buffer::state(key, member.dtype, member.rows, member.vector ? 1 : member.cols);
    ASSAY_TRY(fit::from_member(member, state));
    model.state[key] = std::move(state);
    return {};
  };
  for (const kernels::Member& member : saved.arrays)
    if (member.name.rfind(prefix, 0) == 0)
      ASSAY_TRY(put(member, member.name.substr(prefix.size())));
  for (const Json& name : saved.about.value(kStateArrays, Json::array()))
    if (const kernels::Member* member = saved.find(name.get<std::string>()))
      ASSAY_TRY(put(*member, member->name));
  for (const Json& name : saved.about.value(kRowArrays, Json::array())) {
    const kernels::Member* member = saved.find(name.get<std::string>());
    if (!member || member->rows != model.n()) continue;
    ASSAY_TRY(put(*member, graph::kRowsState + member->name));
  }
  return {};
}

Expected<void> start_from(const SavedModel& saved, fit::Task& task) {
  for (int side = 0; side < task.model->n_factors; ++side)
    ASSAY_TRY(set_factor(saved, side, *task.model));
  task.init.reset();
  const Json& solver = saved.about["model"]["solver"];
  if (solver.value("use", "") == task.solver.descriptor->id) return set_state(saved, *task.model);
  return {};
}

Expected<Continued> partial_fit(const SavedModel& saved,
                                std::shared_ptr<const data::Data> raw,
                                int64_t steps,
                                const Runtime& runtime) {
  auto trial = trial_of(saved, *runtime.registry);
  if (!trial) return std::move(trial.error());
  auto rows = transform_rows(saved, raw, runtime);
  if (!rows) return std::move(rows.error());
  auto data = prepare_rows(saved, raw, runtime);
  if (!data) return std::move(data.error());
  if (steps > 0) trial->stop.max_iter = steps;
  trial->config_json = saved.about.value("config", Json()).dump();
  auto model = make_model(*trial, *data, runtime);
  if (!model) return std::move(model.error());
  (*model)->goes_on = true;
  auto task = make_task(*trial, *data, **model, runtime);
  if (!task) return std::move(task.error());
  SavedModel start = saved;
  for (kernels::Member& member : start.arrays)
    if (member.name == "W") member = rows->W;
  start.about.erase(kRowArrays);  // of other rows
  ASSAY_TRY(start_from(start, *task));
  auto result = fit::fit(*task);
  if (!result) return std::move(result.error());
  auto moved = move_learnt(**model, data->transforms, runtime);
  if (!moved) return std::move(moved.error());
  SavedModel made = save(*trial, "", **model, *data, *result, *runtime.registry);
  if (*moved) {  // the rows and their measure are of X as it was
    rows = transform_rows(made, std::move(raw), runtime);
    if (!rows) return std::move(rows.error());
    (*model)->factor[0] = storage_view(rows->W, 0);
    result->certificate = rows->fitted.certificate;
    result->trace.rows.back().objective = rows->fitted.trace.rows.back().objective;
    made = save(*trial, "", **model, *data, *result, *runtime.registry);
  }
  // How files with such rows are read is not what a trial in memory knows.
  for (const char* key : {"reader", "label_column"})
    if (saved.about["data"].contains(key)) made.about["data"][key] = saved.about["data"][key];
  return Continued{std::move(made), std::move(*result)};
}

}  // namespace assay::experiment
