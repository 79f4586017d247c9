// SPDX-License-Identifier: Apache-2.0
// transform is a fit with H (and S) frozen: the same solver, its step pruned to W, from the start
// and to the end that core/fit/rows.hpp states.
#include "core/experiment/new_rows.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "core/experiment/going_on.hpp"
#include "core/experiment/trial.hpp"
#include "core/fit/rows.hpp"

namespace assay::experiment {
namespace {

Expected<spec::FactorSpec> factor_from_json(const Json& json, const plugin::Registry& registry) {
  spec::FactorSpec factor;
  if (json.contains("constraint")) {
    auto use = use_from_json(json["constraint"], "penalty", registry);
    if (!use) return std::move(use.error());
    factor.constraint = std::move(*use);
  }
  for (const Json& one : json.value("penalties", Json::array())) {
    auto use = use_from_json(one, "penalty", registry);
    if (!use) return std::move(use.error());
    factor.penalties.push_back(std::move(*use));
  }
  return factor;
}

Expected<void> check_columns(const data::Data& x, const SavedModel& saved) {
  const int64_t d = saved.find("H")->cols;
  if (x.cols == d) return {};
  Error e(ASSAY_E_SHAPE, "E0307",
          fmt::format("the data have {} column{} and the model was fitted on {}", x.cols,
                      x.cols == 1 ? "" : "s", d));
  e.help.push_back("give data with the columns of the training data, without labels");
  return e;
}

// Columns count as much as they did in training, unless the rows bring weights of their own.
std::shared_ptr<const data::Data> weighed(const SavedModel& saved,
                                          std::shared_ptr<const data::Data> x) {
  const kernels::Member* weights = saved.find(kColumnWeights);
  if (!weights || weights->rows * weights->cols != x->cols || x->col_weights) return x;
  AlignedArray<double> values(x->cols);
  kernels::widen(*weights, values.data());
  data::Data out = *x;
  out.col_weights = std::make_shared<const AlignedArray<double>>(std::move(values));
  return std::make_shared<const data::Data>(std::move(out));
}

}  // namespace

Expected<spec::Trial> trial_of(const SavedModel& saved, const plugin::Registry& registry) {
  const Json& m = saved.about["model"];
  spec::Trial trial;
  trial.model.kind = saved.about.value("kind", trial.model.kind);
  trial.model.rank = m.value("rank", std::vector<int64_t>());
  trial.model.layers = m.value("layers", std::vector<int64_t>());
  trial.model.bias =
      !trial.model.layers.empty() && trial.model.rank.front() > trial.model.layers.back();
  trial.data.compute = m.value("compute", "f64");
  const Json& data = saved.about["data"];
  trial.data.missing_nan = data.value("missing_nan", false);
  trial.data.columns = data.value("columns", std::vector<std::string>());
  trial.data.unstored = data.value("unstored", "");
  trial.seed = saved.about.value("seed", uint64_t{0});
  trial.repeat = saved.about.value("repeat", int64_t{0});
  auto loss = use_from_json(m["loss"], "loss", registry);
  if (!loss) return std::move(loss.error());
  trial.model.loss = std::move(*loss);
  if (m.contains("density")) {
    auto density = use_from_json(m["density"], "density", registry);
    if (!density) return std::move(density.error());
    trial.model.density = std::move(*density);
    trial.model.dirichlet = m.value("dirichlet", trial.model.dirichlet);
    if (const kernels::Member* p = saved.find(std::string(kState) + "parameters"))
      trial.model.parameters = p->cols;
    trial.model.most = m.value("column_max", trial.model.most);
  }
  auto W = factor_from_json(m.value("W", Json::object()), registry);
  if (!W) return std::move(W.error());
  trial.model.W = std::move(*W);
  auto H = factor_from_json(m.value("H", Json::object()), registry);
  if (!H) return std::move(H.error());
  trial.model.H = std::move(*H);
  auto S = factor_from_json(m.value("S", Json::object()), registry);
  if (!S) return std::move(S.error());
  trial.model.S = std::move(*S);
  auto solver = use_from_json(m["solver"], "solver", registry);
  if (!solver) return std::move(solver.error());
  trial.solver = std::move(*solver);
  const Json& stop = m["stop"];
  trial.stop.max_iter = stop.value("max_iter", trial.stop.max_iter);
  trial.stop.rel_tol = stop.value("rel_tol", trial.stop.rel_tol);
  trial.stop.kkt_tol = stop.value("kkt_tol", trial.stop.kkt_tol);
  trial.stop.patience = stop.value("patience", trial.stop.patience);
  trial.measure.every = m.value("measure_every", trial.measure.every);
  return trial;
}

Expected<std::vector<Learnt>> transforms_of(const SavedModel& saved,
                                            const plugin::Registry& registry) {
  std::vector<Learnt> out;
  for (const Json& one : saved.about.value("transforms", Json::array())) {
    auto use = use_from_json(one, "transform", registry);
    if (!use) return std::move(use.error());
    Learnt learnt;
    learnt.use = std::move(*use);
    for (const Json& name : one.value("learnt", Json::array())) {
      if (const auto* m = saved.find(name.get<std::string>())) learnt.learnt.push_back(*m);
    }
    out.push_back(std::move(learnt));
  }
  return out;
}

Expected<std::shared_ptr<const data::Data>> load_rows(const SavedModel& saved,
                                                      spec::Trial trial,
                                                      Session& session) {
  trial.data.for_model = true;
  trial.data.model_columns = names_of(saved).cols;
  auto x = session.load(trial);
  if (!x && x.error().key == "data.unstored") {
    trial.data.unstored.clear();
    x = session.load(trial);
  }
  if (x || trial.data.columns.empty()) return x;
  trial.data.columns.clear();
  auto selected = session.load(trial);
  return selected && (*selected)->cols == saved.find("H")->cols ? selected : x;
}

Expected<Prepared> prepare_rows(const SavedModel& saved,
                                std::shared_ptr<const data::Data> raw,
                                const Runtime& runtime) {
  ASSAY_TRY(check_columns(*raw, saved));
  auto learnt = transforms_of(saved, *runtime.registry);
  if (!learnt) return std::move(learnt.error());
  auto x = apply_learnt(*learnt, weighed(saved, raw), runtime);
  if (!x) return std::move(x.error());
  Prepared data;
  data.data_id = data.stream_id = raw->id;
  data.train = std::move(*x);
  data.facts = data::measure(*data.train);
  data.transforms = std::move(*learnt);
  return data;
}

Expected<Rows> transform_rows(const SavedModel& saved,
                              std::shared_ptr<const data::Data> raw,
                              const Runtime& runtime) {
  auto trial = trial_of(saved, *runtime.registry);
  if (!trial) return std::move(trial.error());
  auto prepared = prepare_rows(saved, std::move(raw), runtime);
  if (!prepared) return std::move(prepared.error());
  prepared->new_rows = true;
  const Prepared& data = *prepared;
  auto model = make_model(*trial, data, runtime);
  if (!model) return std::move(model.error());
  (*model)->factor[1] = storage_view(*saved.find("H"), 1);
  (*model)->frozen[1] = true;
  if (const auto* S = saved.find("S")) {
    (*model)->factor[2] = storage_view(*S, 2);
    (*model)->frozen[2] = true;
  }
  // What makes W from X is the solver's state.
  const bool made = solver_makes_w(*trial, runtime);
  if (made || !trial->model.layers.empty()) ASSAY_TRY(set_state(saved, **model));
  if (made) {
    graph::Buffer& W = (*model)->factor[0];
    W = graph::Buffer::make((*model)->compute, data.train->rows, W.width);
    auto task = make_task(*trial, data, **model, runtime);
    if (!task) return std::move(task.error());
    auto rows = fit::make_rows(*task);
    if (!rows) return std::move(rows.error());
    return Rows{user_view(W, 0), std::move(*rows)};
  }
  fit::start_rows(**model, number_from_json(saved.about["data"].value("mean", Json())));
  auto task = make_task(*trial, data, **model, runtime);
  if (!task) return std::move(task.error());
  task->stop = fit::solve_well(task->stop);
  auto result = fit::fit(*task);
  if (!result) return std::move(result.error());
  return Rows{user_view((*model)->factor[0], 0), std::move(*result)};
}

}  // namespace assay::experiment
