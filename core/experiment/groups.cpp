// SPDX-License-Identifier: Apache-2.0
// A group is the trials of one cell that ended well. Its folder holds group.json (who is in it, the
// numbers) and one .npz per metric that keeps arrays.
#include "core/experiment/groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "core/base/hash.hpp"
#include "core/experiment/files.hpp"
#include "core/experiment/model_file.hpp"
#include "core/experiment/resolve.hpp"
#include "core/experiment/store.hpp"
#include "core/plugin/guard.hpp"

namespace assay::experiment {
namespace {

constexpr size_t kIdDigits = 12;

struct Group {
  GroupResult* result = nullptr;
  const spec::Trial* trial = nullptr;  // any of them: they name the same metrics
  std::vector<double> objectives;
};

// The fitted models of a group as plugins see them; views point into `models`.
struct Models {
  std::vector<SavedModel> models;
  std::vector<std::vector<assay_named>> arrays;
  std::vector<assay_results> results;
  std::vector<const assay_results*> pointers;
};

Expected<Models> load(const Group& group, const std::string& run_folder) {
  Models m;
  for (const std::string& id : group.result->trials) {
    auto model = read_model(trial_folder(run_folder, id) + "/model.npz");
    if (!model) return std::move(model.error());
    m.models.push_back(std::move(*model));
  }
  m.arrays.resize(m.models.size());
  for (size_t t = 0; t < m.models.size(); ++t) {
    for (const kernels::Member& member : m.models[t].arrays)
      m.arrays[t].push_back({member.name.c_str(), view_of(member)});
    assay_results results{};
    results.struct_size = sizeof results;
    results.model_kind = group.trial->model.kind.c_str();
    results.n_arrays = static_cast<int64_t>(m.arrays[t].size());
    results.arrays = m.arrays[t].data();
    m.results.push_back(results);
  }
  for (const assay_results& results : m.results) m.pointers.push_back(&results);
  return m;
}

// Arrays a metric wants kept, copied as float64.
int32_t keep_array(void* self, const char* name, const assay_dense* view) {
  if (!name || !view || view->dtype != ASSAY_F64 || view->rows < 1 || view->cols < 1)
    return ASSAY_E_ARGUMENT;
  try {
    kernels::Member m;
    m.name = name;
    m.dtype = ASSAY_F64;
    m.rows = view->rows;
    m.cols = view->cols;
    m.bytes.resize(static_cast<size_t>(m.rows * m.cols) * sizeof(double));
    const auto* from = static_cast<const double*>(view->data);
    for (int64_t i = 0; i < m.rows; ++i) {
      for (int64_t j = 0; j < m.cols; ++j) {
        std::memcpy(m.bytes.data() + static_cast<size_t>(i * m.cols + j) * sizeof(double),
                    from + i * view->row_stride + j * view->col_stride, sizeof(double));
      }
    }
    static_cast<std::vector<kernels::Member>*>(self)->push_back(std::move(m));
    return ASSAY_OK;
  } catch (const std::bad_alloc&) {
    return ASSAY_E_MEMORY;
  }
}

class Measuring {
 public:
  Measuring(const Group& group, const Models& models, const Runtime& runtime)
      : group_(group), models_(models), runtime_(runtime) {}

  Expected<void> metric(const spec::Metric& metric) {
    spec::Use use;
    use.id = metric.id;
    use.key = "measure.metrics";
    double value = std::numeric_limits<double>::quiet_NaN();
    std::vector<kernels::Member> kept;
    auto d = find_plugin(*runtime_.registry, "metric", use);
    if (!d) {
      group_.result->errors.push_back(std::move(d.error()));
    } else if (auto done = call(**d, metric, value, kept); !done) {
      group_.result->errors.push_back(std::move(done.error()).at(use.key));
    }
    group_.result->numbers.emplace_back(metric.text, value);
    if (kept.empty()) return {};
    ASSAY_TRY(make_folder(group_.result->folder));
    return kernels::write_npz(group_.result->folder + "/" + metric.text + ".npz", kept, false);
  }

 private:
  Expected<void> call(const plugin::Descriptor& d,
                      const spec::Metric& metric,
                      double& value,
                      std::vector<kernels::Member>& kept) {
    const auto& table = *static_cast<const assay_metric*>(d.plugin->vtable);
    assay_trials trials{};
    trials.struct_size = sizeof trials;
    trials.n_trials = static_cast<int64_t>(models_.pointers.size());
    trials.results = models_.pointers.data();
    trials.objectives = group_.objectives.data();
    trials.side = metric.factor == "W" ? 0 : metric.factor == "H" ? 1 : -1;
    const assay_keep keep{sizeof(assay_keep), 0, &kept, keep_array};
    assay_ctx ctx;
    ctx.log = &runtime_.log;
    ctx.cancel = runtime_.cancel;
    const int32_t status = plugin::guarded(
        &ctx, d.id, [&] { return table.trials(plugin::host(), &ctx, &trials, &value, &keep); });
    if (status < 0) return ctx.take_error(status, d.id);
    return {};
  }

  const Group& group_;
  const Models& models_;
  const Runtime& runtime_;
};

Json group_json(const GroupResult& g) {
  Json j = {{"label", g.label}, {"cell", Json::object()}, {"trials", g.trials}};
  for (const auto& [key, value] : g.cell) j["cell"][key] = value;
  for (const auto& [name, value] : g.numbers) j["metrics"][name] = number_json(value);
  return j;
}

// Cells in the order of the spec, each with its finished trials.
std::vector<Group> groups_of(const spec::Experiment& experiment, RunResult& result) {
  std::vector<std::vector<size_t>> members;
  for (size_t i = 0; i < experiment.trials.size(); ++i) {
    const TrialResult& t = result.trials[i];
    if (t.status != Status::kOk || experiment.trials[i].measure.across.empty()) continue;
    const auto same = std::find_if(members.begin(), members.end(), [&](const auto& m) {
      return result.trials[m.front()].cell == t.cell;
    });
    if (same == members.end()) {
      members.push_back({i});
    } else {
      same->push_back(i);
    }
  }
  result.groups.clear();
  result.groups.reserve(members.size());  // groups point into it
  std::vector<Group> groups;
  for (const auto& m : members) {
    GroupResult g;
    Group group;
    group.trial = &experiment.trials[m.front()];
    for (const size_t i : m) {
      g.trials.push_back(result.trials[i].id);
      group.objectives.push_back(result.trials[i].trace.rows.empty()
                                     ? std::numeric_limits<double>::quiet_NaN()
                                     : result.trials[i].trace.rows.back().objective);
    }
    g.cell = result.trials[m.front()].cell;
    g.label = result.trials[m.front()].label;
    Json cell = Json::object();
    for (const auto& [key, value] : g.cell) cell[key] = value;
    g.folder = result.folder + "/groups/" + xxh3_128_hex(cell.dump()).substr(0, kIdDigits);
    result.groups.push_back(std::move(g));
    group.result = &result.groups.back();
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace

Expected<void> measure_groups(const spec::Experiment& experiment,
                              const Runtime& runtime,
                              RunResult& result) {
  for (Group& group : groups_of(experiment, result)) {
    if (group.result->trials.size() < 2) {
      for (const spec::Metric& metric : group.trial->measure.across) {
        group.result->numbers.emplace_back(metric.text, std::numeric_limits<double>::quiet_NaN());
        runtime.log(ASSAY_LOG_WARNING, fmt::format("`{}` compares repeats, and {} has one finished",
                                                   metric.text, group.result->label));
      }
      continue;
    }
    auto models = load(group, result.folder);
    if (!models) {
      group.result->errors.push_back(std::move(models.error()));
      continue;
    }
    Measuring measuring(group, *models, runtime);
    for (const spec::Metric& metric : group.trial->measure.across)
      ASSAY_TRY(measuring.metric(metric));
    ASSAY_TRY(make_folder(group.result->folder));
    ASSAY_TRY(write_if_changed(group.result->folder + "/group.json",
                               group_json(*group.result).dump(1) + "\n"));
  }
  return {};
}

}  // namespace assay::experiment
