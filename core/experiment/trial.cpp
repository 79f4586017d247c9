// SPDX-License-Identifier: Apache-2.0
// Assembly of a trial's model and task.
#include "core/experiment/trial.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/base/number.hpp"
#include "core/data/observe.hpp"
#include "core/experiment/family.hpp"
#include "core/experiment/resolve.hpp"
#include "core/experiment/starts.hpp"
#include "core/plugin/load.hpp"

namespace assay::experiment {
namespace {

const spec::FactorSpec& factor_spec(const spec::ModelSpec& model, int side) {
  return side == 0 ? model.W : side == 1 ? model.H : model.S;
}

Expected<void> check_domain(const spec::Trial& trial,
                            const assay_loss_facts& loss,
                            const data::Data& x,
                            const data::Facts& f) {
  const bool low = f.min < loss.x_lo || ((loss.flags & ASSAY_LOSS_X_LO_OPEN) && f.min <= loss.x_lo);
  const bool high =
      f.max > loss.x_hi || ((loss.flags & ASSAY_LOSS_X_HI_OPEN) && f.max >= loss.x_hi);
  if (!low && !high) return {};
  const std::string& id = trial.model.loss.id;
  Error e(ASSAY_E_DOMAIN, "E0310", "");
  e.key = "data.path";
  e.file = trial.data.path;
  if (low && loss.x_lo == 0 && f.min < 0) {
    e.message = fmt::format("data has negative values, but loss `{}` needs x {} 0", id,
                            loss.flags & ASSAY_LOSS_X_LO_OPEN ? ">" : ">=");
    e.found.push_back(fmt::format("{} of {} entries below 0; smallest {} at {}", f.negative,
                                  f.entries, format_shortest(f.min),
                                  data::place_of(x, f.min_row, f.min_col)));
  } else if (low && loss.x_lo == 0 && f.min == 0) {
    e.message = fmt::format("data has zeros, but loss `{}` needs x > 0", id);
    e.found.push_back(
        fmt::format("the first of them at {}", data::place_of(x, f.min_row, f.min_col)));
    e.help.push_back(
        "hide the zeros with a mask, add a small number with the transform `shift`, or use a loss "
        "that takes zeros: `kl`, `squared`, or `beta` above 0");
    e.note.push_back("its value grows without bound as x falls to 0: no model fits a zero");
    e.note.push_back("nothing was clipped and nothing was run");
    return e;
  } else {
    e.message = fmt::format("data lie outside the domain of loss `{}`", id);
    e.expected.push_back(
        fmt::format("x from {} to {}", format_shortest(loss.x_lo), format_shortest(loss.x_hi)));
    e.found.push_back(
        fmt::format("x from {} to {}", format_shortest(f.min), format_shortest(f.max)));
  }
  if (std::isfinite(loss.x_lo) && std::isfinite(loss.x_hi))
    e.help.push_back(
        "transforms bring data there: `binarise` makes every entry 0 or 1, `scale` multiplies all");
  e.help.push_back("use data in the loss's domain, or a loss that takes these values");
  e.note.push_back("nothing was clipped and nothing was run");
  return e;
}

Expected<std::shared_ptr<plugin::PenaltySet>> make_penalties(const spec::FactorSpec& factor,
                                                             int side,
                                                             const plugin::Registry& registry) {
  std::vector<std::pair<const plugin::Descriptor*, plugin::Options>> items;
  std::vector<const spec::Use*> uses;
  for (const spec::Use& use : factor.penalties) uses.push_back(&use);
  if (factor.constraint) uses.push_back(&*factor.constraint);
  for (const spec::Use* use : uses) {
    auto d = find_plugin(registry, "penalty", *use);
    if (!d) return std::move(d.error());
    items.emplace_back(*d, use->options);
  }
  auto set = plugin::PenaltySet::create(items, side);
  if (set) ASSAY_TRY((*set)->check_signs());
  return set;
}

// The penalties learn the shape of their factor. New rows are taken one by one: what ties the rows
// of W together is left out, and said.
Expected<void> bind_penalties(plugin::PenaltySet& penalties,
                              int side,
                              const Prepared& data,
                              const graph::Model& model,
                              const Runtime& runtime) {
  if (side == 0 && data.new_rows) {
    for (const std::string& id : penalties.relax()) {
      if (runtime.log)
        runtime.log(
            ASSAY_LOG_INFO,
            fmt::format("`{}` ties the training rows together and is left out for new rows", id));
    }
  }
  assay_factor_facts facts{};
  facts.struct_size = sizeof facts;
  facts.side = facts.axis = side;
  facts.rows = model.factor[side].rows;
  facts.width = model.factor[side].width;
  facts.n = data.train->rows;
  facts.d = data.train->cols;
  if (model.frozen[side]) facts.flags |= ASSAY_FACTOR_FROZEN;
  return penalties.bind(facts);
}

// Row and column as users see them, from 1.
std::string place_in(const data::Matrix& m, size_t at) {
  const auto cols = static_cast<size_t>(m.cols);
  return fmt::format("row {}, column {}", at / cols + 1, at % cols + 1);
}

// A fixed factor stays as it is, so it must be usable as it is.
Expected<void> check_fixed(const data::Matrix& m, const std::string& path, bool nonneg) {
  for (size_t at = 0; at < m.values.size(); ++at) {
    const double value = m.values[at];
    if (std::isfinite(value) && !(nonneg && value < 0)) continue;
    Error e(ASSAY_E_DOMAIN, "E0310", "the fixed factor has a negative entry, but is `nonneg`");
    if (!std::isfinite(value))
      e = Error(ASSAY_E_NON_FINITE, "E0305", "the fixed factor has an entry that is not finite");
    e.file = path;
    e.found.push_back(fmt::format("{} at {}", format_shortest(value), place_in(m, at)));
    e.help.push_back(std::isfinite(value) ? "mend the file, or leave the factor's `constraint` out"
                                          : "mend the file");
    e.note.push_back("nothing was clipped and nothing was run");
    return e;
  }
  return {};
}

// Values of a fixed factor, given as users see it: W n x k, H k x d, S k1 x k2.
Expected<void> load_fixed(const std::string& path, int side, bool nonneg, graph::Buffer& buffer) {
  auto m = plugin::load_matrix(path);
  if (!m) return std::move(m.error());
  const bool turned = side == 1;
  const int64_t rows = turned ? m->cols : m->rows, cols = turned ? m->rows : m->cols;
  if (rows != buffer.rows || cols != buffer.width) {
    Error e(ASSAY_E_SHAPE, "E0307", fmt::format("`{}` has another shape than the factor", path));
    e.expected.push_back(turned ? fmt::format("{} x {}", buffer.width, buffer.rows)
                                : fmt::format("{} x {}", buffer.rows, buffer.width));
    e.found.push_back(fmt::format("{} x {}", m->rows, m->cols));
    e.file = path;
    return e;
  }
  ASSAY_TRY(check_fixed(*m, path, nonneg));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t a = 0; a < cols; ++a) {
      buffer.set(i, a, m->values[static_cast<size_t>(turned ? a * rows + i : i * cols + a)]);
    }
  }
  return {};
}

Expected<fit::Chosen> choose(const std::string& kind,
                             const spec::Use& use,
                             const spec::Trial& trial,
                             const Prepared& data,
                             const Runtime& runtime) {
  auto d = find_plugin(*runtime.registry, kind, use);
  if (!d) return std::move(d.error());
  fit::Chosen chosen;
  chosen.descriptor = *d;
  chosen.options = use.options;
  chosen.stream =
      plugin::stream_key(trial.seed, kind, data.stream_id, static_cast<uint64_t>(trial.repeat));
  return chosen;
}

// Zeros that are not stored are entries; a solver that walks stored ones would leave them out.
Expected<void> check_storage(const plugin::Descriptor& solver, const data::Data& x) {
  const auto& table = *static_cast<const assay_solver*>(solver.plugin->vtable);
  if (!x.sparse || !x.unstored_zero || (table.takes_data & ASSAY_TAKES_SPARSE) != 0) return {};
  return Error(ASSAY_E_COMBINATION, "E0206",
               fmt::format("solver `{}` cannot take sparse data whose unstored entries are zeros",
                           solver.id))
      .at("solver")
      .with_help(
          "say `data.unstored: unobserved` when they are unknown, or use a solver that takes "
          "sparse data: `assay list solvers --accepts sparse`");
}

// What validation cannot know: that the file of a split holds out entries.
Expected<void> check_hidden(const plugin::Descriptor& solver,
                            const spec::Trial& trial,
                            const Prepared& data) {
  const auto& table = *static_cast<const assay_solver*>(solver.plugin->vtable);
  if (trial.split.kind != spec::SplitSpec::Kind::kFile || data.heldout_rows ||
      (table.takes_data & ASSAY_TAKES_MASK) != 0)
    return {};
  return Error(ASSAY_E_COMBINATION, "E0206",
               fmt::format("solver `{}` cannot take hidden entries", solver.id))
      .at("split")
      .with_help(
          "hold out whole rows by a file of one column, or use a solver that takes masks: "
          "`assay list solvers --accepts masked`");
}

// Nor that it holds out rows.
Expected<void> check_places(const Prepared& data, const graph::Model& m) {
  const auto id = data.heldout_rows ? m.penalties[0]->by_place() : std::nullopt;
  if (!id) return {};
  return Error(ASSAY_E_COMBINATION, "E0215",
               fmt::format("`{}` of W is about which row is where, and the split takes rows out",
                           *id))
      .at("split")
      .with_help("hold out single entries, or leave it out of W");
}

int64_t largest_rank(const spec::Trial& trial) {
  const auto& rank = trial.model.rank;
  return rank.empty() ? 0 : *std::max_element(rank.begin(), rank.end());
}

// A refusal with its place in the spec.
Error placed(Error e, const std::string& key, const spec::Trial& trial, const data::Data& x) {
  if (e.key.empty()) e.key = key;
  if (e.status == ASSAY_E_SHAPE && e.code.empty() &&
      largest_rank(trial) > std::min(x.rows, x.cols)) {
    e.code = "E0311";
    e.key = "model.rank";
  }
  if (e.status == ASSAY_E_COMBINATION && e.code.empty()) e.code = "E0212";
  return e;
}

// Of a message about "`option: value` ..." the place is the option's.
std::string blamed(const Error& e, const fit::Chosen& chosen) {
  for (const auto& [name, value] : chosen.options.values)
    if (value.given && e.message.rfind("`" + name + ": ", 0) == 0) return "." + name;
  return "";
}

// Names that are columns of every trace already.
bool is_trace_column(const std::string& name) {
  static const std::vector<std::string> columns = {"objective", "loss", "penalty", "kkt"};
  return std::find(columns.begin(), columns.end(), name) != columns.end();
}

}  // namespace

void remark_rank(const spec::Trial& trial, const data::Data& x, const Runtime& runtime) {
  const int64_t k = largest_rank(trial), least = std::min(x.rows, x.cols);
  if (!runtime.log || !trial.model.layers.empty()) return;
  // Clusters may outnumber the columns, not the rows.
  if (trial.model.density || solver_makes_w(trial, runtime)) {
    if (k > x.rows)
      runtime.log(ASSAY_LOG_WARNING,
                  fmt::format("{} components are more than the data have rows, {}: as many as "
                              "there are distinct rows fit as well",
                              k, x.rows));
  } else if (k > least) {
    runtime.log(
        ASSAY_LOG_WARNING,
        fmt::format("rank {} is above the smaller side of the data, {}: without constraints "
                    "or penalties fewer components fit as well",
                    k, least));
  }
}

bool solver_makes_w(const spec::Trial& trial, const Runtime& runtime) {
  const plugin::Descriptor* solver = runtime.registry->find("solver", trial.solver.id);
  return solver && fit::makes_w(*solver);
}

fit::StopRules stop_rules(const spec::StopSpec& stop) {
  fit::StopRules rules;
  rules.max_iter = stop.max_iter;
  rules.max_seconds = stop.max_seconds;
  rules.rel_tol = stop.rel_tol;
  rules.kkt_tol = stop.kkt_tol;
  rules.target = stop.target;
  rules.patience = stop.patience;
  return rules;
}

namespace {

Expected<void> add_density(const spec::Trial& trial,
                           const Prepared& data,
                           const Runtime& runtime,
                           graph::Model& model) {
  auto family = find_plugin(*runtime.registry, "density", *trial.model.density);
  if (!family) return std::move(family.error());
  const auto create = [&](std::vector<double> most) {
    return plugin::Density::create(**family, trial.model.density->options, model.problem(),
                                   trial.model.dirichlet, model.compute, trial.model.parameters,
                                   std::move(most));
  };
  auto density = create(trial.model.most);
  // Held-out rows count: what a column can hold is no estimate, and is the same for every fold.
  if (density && trial.model.most.empty() && trial.model.parameters == 0 &&
      ((*density)->facts().flags & ASSAY_DENSITY_LEVELS) != 0) {
    std::vector<double> most = data::col_max(*data.train);
    if (data.heldout) {
      const std::vector<double> others = data::col_max(*data.heldout);
      for (size_t j = 0; j < most.size(); ++j) most[j] = std::max(most[j], others[j]);
    }
    density = create(std::move(most));
  }
  if (!density) {
    Error& e = density.error();
    const std::string of_prior = "the prior's `";
    if (e.message.rfind(of_prior, 0) == 0)
      e.key =
          "model.prior." +
          e.message.substr(of_prior.size(), e.message.find('`', of_prior.size()) - of_prior.size());
    if (e.status == ASSAY_E_COMBINATION && e.code.empty()) e.code = "E0212";
    return std::move(e);
  }
  model.density = std::move(*density);
  ASSAY_TRY(check_family(trial, *model.density, *model.x, model.facts, runtime));
  if (data.heldout && reads_heldout(trial))
    ASSAY_TRY(
        check_family(trial, *model.density, *data.heldout, data::measure(*data.heldout), runtime));
  return {};
}

}  // namespace

Expected<std::unique_ptr<graph::Model>> make_model(const spec::Trial& trial,
                                                   const Prepared& data,
                                                   const Runtime& runtime) {
  auto model = std::make_unique<graph::Model>();
  model->x = data.train;
  model->facts = data.facts;
  model->compute = plugin::compute_type(*data.train, trial.data.compute);
  auto loss_plugin = find_plugin(*runtime.registry, "loss", trial.model.loss);
  if (!loss_plugin) return std::move(loss_plugin.error());
  auto loss = plugin::Loss::create(**loss_plugin, trial.model.loss.options);
  if (!loss) return std::move(loss.error());
  model->loss = std::move(*loss);
  ASSAY_TRY(check_domain(trial, model->loss->facts(), *model->x, model->facts));
  if (data.heldout && reads_heldout(trial)) {
    auto suits =
        check_domain(trial, model->loss->facts(), *data.heldout, data::measure(*data.heldout));
    if (!suits)
      return std::move(suits.error())
          .with_note("the entry is held out, and the `heldout.` metrics of `measure` read it");
  }
  const auto& rank = trial.model.rank;
  model->n_factors = rank.size() == 2 ? 3 : 2;
  model->layers = trial.model.layers;
  for (int side = 0; side < model->n_factors; ++side) {
    const spec::FactorSpec& factor = factor_spec(trial.model, side);
    auto penalties = make_penalties(factor, side, *runtime.registry);
    if (!penalties) return std::move(penalties.error());
    model->penalties[side] = *penalties;
    const bool made = side == 0 && solver_makes_w(trial, runtime);
    const int64_t rows = made        ? 0
                         : side == 0 ? data.train->rows
                         : side == 1 ? data.train->cols
                                     : rank[0];
    model->factor[side] =
        graph::Buffer::make(model->compute, rows, side == 0 ? rank[0] : rank.back());
    model->frozen[side] = !factor.fixed.empty();
    if (auto bound = bind_penalties(**penalties, side, data, *model, runtime); !bound)
      return std::move(bound.error()).at(fmt::format("model.{}", "WHS"[side]));
    if (factor.fixed.empty()) continue;
    if (auto done =
            load_fixed(factor.fixed, side, model->penalties[side]->nonneg(), model->factor[side]);
        !done) {
      return std::move(done.error()).at(fmt::format("model.{}.fixed", "WHS"[side]));
    }
  }
  if (trial.model.density) ASSAY_TRY(add_density(trial, data, runtime, *model));
  return model;
}

namespace {

// The model over held-out rows: H and S are the fit's, W its own.
Expected<std::shared_ptr<graph::Model>> make_rows_model(const spec::Trial& trial,
                                                        const Prepared& data,
                                                        const graph::Model& fitted,
                                                        const Runtime& runtime) {
  spec::Trial over = trial;
  if (fitted.density) over.model.most = fitted.density->most();
  over.model.W.fixed.clear();  // of training rows
  Prepared rows;
  rows.train = data.heldout;
  rows.facts = data::measure(*data.heldout);
  rows.new_rows = true;
  auto model = make_model(over, rows, runtime);
  if (!model) return std::move(model.error());
  for (int side = 1; side < (*model)->n_factors; ++side) (*model)->frozen[side] = true;
  return std::shared_ptr<graph::Model>(std::move(*model));
}

Expected<void> hold_out(const spec::Trial& trial,
                        const Prepared& data,
                        const Runtime& runtime,
                        fit::Task& task) {
  if (!data.heldout || !reads_heldout(trial)) return {};
  if (!data.heldout_rows) {
    if (solver_makes_w(trial, runtime))
      return Error(
                 ASSAY_E_COMBINATION, "E0206",
                 fmt::format("solver `{}` makes W from whole rows, and single entries are held out",
                             trial.solver.id))
          .at("split")
          .with_help("`split: { use: rows, test: 0.2 }` holds out rows");
    task.heldout.entries = data.heldout;
    return {};
  }
  auto model = make_rows_model(trial, data, *task.model, runtime);
  if (!model) return std::move(model.error());
  fit::HeldoutRows rows;
  rows.solver = task.solver;
  rows.solver.stream = plugin::stream_key(trial.seed, "solver", data.heldout_id,
                                          static_cast<uint64_t>(trial.repeat));
  rows.stop = task.stop;
  rows.measure_every = task.measure_every;
  rows.model = std::move(*model);
  task.heldout.rows = std::move(rows);
  return {};
}

}  // namespace

Expected<fit::Task> make_task(const spec::Trial& trial,
                              const Prepared& data,
                              graph::Model& model,
                              const Runtime& runtime) {
  fit::Task task;
  task.model = &model;
  if (!trial.init.id.empty()) {
    auto init = choose("init", trial.init, trial, data, runtime);
    if (!init) return std::move(init.error());
    task.init = std::move(*init);
  }
  auto solver = choose("solver", trial.solver, trial, data, runtime);
  if (!solver) return std::move(solver.error());
  ASSAY_TRY(check_storage(*solver->descriptor, *data.train));
  ASSAY_TRY(check_hidden(*solver->descriptor, trial, data));
  ASSAY_TRY(check_places(data, model));
  task.solver = std::move(*solver);
  task.stop = stop_rules(trial.stop);
  task.measure_every = trial.measure.every;
  task.plan = runtime.plan_options();
  ASSAY_TRY(hold_out(trial, data, runtime, task));
  for (const spec::Metric& metric : trial.measure.metrics) {
    if (metric.text == metric.id && is_trace_column(metric.id)) continue;
    spec::Use use;
    use.id = metric.id;
    use.key = "measure.metrics";
    auto chosen = choose("metric", use, trial, data, runtime);
    if (!chosen) return std::move(chosen.error());
    auto options =
        plugin::Options::complete(chosen->descriptor->plugin->options, metric.options, metric.id);
    if (!options) return std::move(options.error());
    chosen->options = std::move(*options);
    const int32_t side = metric.factor.empty()  ? -1
                         : metric.factor == "W" ? 0
                         : metric.factor == "H" ? 1
                                                : 2;
    if (metric.text == trial.stop.watch) {
      const auto* table = static_cast<const assay_metric*>(chosen->descriptor->plugin->vtable);
      task.watch =
          fit::Watch{task.metrics.size(), (table->flags & ASSAY_METRIC_LOWER_IS_BETTER) != 0};
    }
    task.metrics.push_back({metric.text, std::move(*chosen), side, metric.heldout});
  }
  return task;
}

Expected<void> check_methods(const spec::Trial& trial,
                             const Prepared& data,
                             graph::Model& model,
                             const Runtime& runtime) {
  auto task = make_task(trial, data, model, runtime);
  if (!task) return std::move(task.error());
  const auto ask = [&](const fit::Chosen& chosen, int32_t side, const std::string& key) {
    auto method = fit::Method::create(chosen, model, side, nullptr);
    if (method) return Expected<void>();
    Error& e = method.error();
    return Expected<void>(placed(std::move(e), key + blamed(e, chosen), trial, *data.train));
  };
  if (task->init) ASSAY_TRY(ask(*task->init, -1, "init"));
  ASSAY_TRY(ask(task->solver, -1, "solver"));
  ASSAY_TRY(check_starts(*task, trial, model, runtime));
  if (const auto& rows = task->heldout.rows) {
    auto method = fit::Method::create(rows->solver, *rows->model, -1, nullptr);
    if (!method)
      return placed(std::move(method.error()), "split", trial, *data.heldout)
          .with_note("held-out rows are scored by W of their own under the fitted H");
  }
  for (const fit::MetricColumn& column : task->metrics) {
    const auto& metrics = trial.measure.metrics;
    const auto named = std::find_if(metrics.begin(), metrics.end(),
                                    [&](const auto& m) { return m.text == column.name; });
    ASSAY_TRY(ask(column.chosen, column.side,
                  fmt::format("measure.metrics[{}]", named - metrics.begin())));
  }
  return {};
}

}  // namespace assay::experiment
