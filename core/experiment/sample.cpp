// SPDX-License-Identifier: Apache-2.0
// Ancestral sampling: a component for each row, then the row from the density of its component.
#include "core/experiment/sample.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/experiment/going_on.hpp"
#include "core/experiment/new_rows.hpp"
#include "core/experiment/open_model.hpp"
#include "core/experiment/resolve.hpp"
#include "core/plugin/guard.hpp"

namespace assay::experiment {
namespace {

// A density with the parameters it was saved with.
struct Fitted {
  std::shared_ptr<plugin::Density> density;
  graph::Buffer params, shared, derived, weights;
  assay_density_model model{};
  assay_ctx ctx;

  Error failed(int32_t status) { return ctx.take_error(status, density->id()); }
};

assay_view view_of(graph::Buffer& b) {
  return {b.bytes.data(), b.rows, b.width, b.ld, 0, ASSAY_F64, 0};
}

Error no_mixture() {
  return Error(ASSAY_E_COMBINATION, "E0212", "the model is no mixture to draw rows from")
      .with_help("fit one: `model: { kind: mixture, components: 3, density: gaussian }`");
}

Expected<std::unique_ptr<Fitted>> fitted(const SavedModel& saved, const Runtime& runtime) {
  auto trial = trial_of(saved, *runtime.registry);
  if (!trial) return std::move(trial.error());
  if (!trial->model.density) return no_mixture();
  auto family = find_plugin(*runtime.registry, "density", *trial->model.density);
  if (!family) return std::move(family.error());
  auto out = std::make_unique<Fitted>();
  graph::Model model;
  ASSAY_TRY(set_state(saved, model));
  assay_problem problem{};
  problem.struct_size = sizeof problem;
  problem.n = 1;
  problem.d = saved.find("H")->cols;
  problem.k[0] = problem.k[1] = saved.find("H")->rows;
  problem.n_factors = 2;
  auto density = plugin::Density::create(**family, trial->model.density->options, problem,
                                         trial->model.dirichlet, ASSAY_F64, trial->model.parameters,
                                         trial->model.most);
  if (!density) return std::move(density.error());
  out->density = std::move(*density);
  for (auto& [name, to] : {std::pair("parameters", &out->params), std::pair("shared", &out->shared),
                           std::pair("weights", &out->weights)}) {
    const auto found = model.state.find(name);
    if (found == model.state.end()) return no_mixture();
    *to = std::move(found->second);
  }
  const assay_density_facts& facts = out->density->facts();
  if (out->params.rows != problem.k[0] || out->params.width != facts.params ||
      (facts.shared > 0 && out->shared.width != facts.shared) || out->weights.width != problem.k[0])
    return no_mixture();
  out->derived = graph::Buffer::make(ASSAY_F64, problem.k[0], std::max<int64_t>(1, facts.derived));
  assay_density_model& m = out->model;
  m.struct_size = sizeof m;
  m.d = problem.d;
  m.k = problem.k[0];
  m.params = view_of(out->params);
  m.shared = view_of(out->shared);
  m.derived = view_of(out->derived);
  const assay_density& table = out->density->table();
  if (!table.sample)
    return Error(ASSAY_E_COMBINATION, "E0212",
                 "density `" + out->density->id() + "` draws no samples")
        .with_help("`assay explain` of a density says what it offers");
  if (table.prepare) {
    const int32_t status = plugin::guarded(&out->ctx, out->density->id(), [&] {
      return table.prepare(out->density->self(), &out->ctx, 0, m.k, &m);
    });
    if (status < 0) return out->failed(status);
  }
  return out;
}

// The component in whose share of (0, 1) u lies.
int64_t component_at(const graph::Buffer& weights, double u) {
  double below = 0;
  int64_t last = 0;
  for (int64_t c = 0; c < weights.width; ++c) {
    if (!(weights.get(0, c) > 0)) continue;
    below += weights.get(0, c);
    last = c;
    if (u < below) break;
  }
  return last;
}

}  // namespace

Expected<Applied> sample(const std::string& model_path,
                         const std::string& out_path,
                         int64_t count,
                         uint64_t seed,
                         std::shared_ptr<plugin::Registry> registry) {
  auto alive = open_model(model_path, std::move(registry), ApplyOptions());
  if (!alive) return std::move(alive.error());
  const auto& [saved, runtime] = *alive;
  auto made = fitted(saved, runtime);
  if (!made) return std::move(made.error());
  Fitted& f = **made;
  const int64_t d = f.model.d;
  const auto& rng = *static_cast<const assay_rng*>(plugin::host()->service("assay.rng/1"));
  const uint64_t stream = plugin::stream_key(seed, "sample", "", 0);
  std::vector<double> X(static_cast<size_t>(count * d)), labels(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    double u = 0;
    rng.uniform(rng.split(stream, 0), static_cast<uint64_t>(i), 1, &u);
    const int64_t c = component_at(f.weights, u);
    assay_view row = {X.data() + i * d, 1, d, d, 0, ASSAY_F64, 0};
    f.ctx.scratch.reset();
    const int32_t status = plugin::guarded(&f.ctx, f.density->id(), [&] {
      return f.density->table().sample(f.density->self(), &f.ctx, &f.model, c, rng.split(stream, 1),
                                       i, 1, &row);
    });
    if (status < 0) return f.failed(status);
    labels[static_cast<size_t>(i)] = static_cast<double>(c);
  }
  auto learnt = transforms_of(saved, *runtime.registry);
  if (!learnt) return std::move(learnt.error());
  auto units = undo_learnt(*learnt, X.data(), count, d, runtime);
  if (!units) return std::move(units.error());
  kernels::Member out;
  out.name = "X";
  out.dtype = ASSAY_F64;
  out.rows = count;
  out.cols = d + 1;
  out.bytes.resize(static_cast<size_t>(count * (d + 1)) * sizeof(double));
  auto* to = reinterpret_cast<double*>(out.bytes.data());
  for (int64_t i = 0; i < count; ++i) {
    to = std::copy_n(X.data() + i * d, d, to);
    *to++ = labels[static_cast<size_t>(i)];
  }
  std::vector<std::string> names = names_of(saved).cols;
  if (!names.empty()) names.emplace_back("component");
  ASSAY_TRY(write_array(out_path, out, names));
  Applied done;
  done.rows = count;
  done.cols = d + 1;
  done.file = out_path;
  done.units = std::move(*units);
  return done;
}

}  // namespace assay::experiment
