// SPDX-License-Identifier: Apache-2.0
// A fitted model to and from model.npz.
#include "core/experiment/model_file.hpp"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "core/base/version.hpp"
#include "core/graph/ops.hpp"

namespace assay::experiment {
namespace {

constexpr int kFormat = 1;
constexpr const char* kAbout = "model.json";
constexpr const char* kNames[] = {"W", "H", "S"};

Json factor_json(const spec::FactorSpec& factor) {
  Json j = Json::object();
  if (factor.constraint) j["constraint"] = to_saved(*factor.constraint);
  Json penalties = Json::array();
  for (const spec::Use& use : factor.penalties) penalties.push_back(to_saved(use));
  if (!penalties.empty()) j["penalties"] = std::move(penalties);
  return j;
}

Json plugins_json(const spec::Trial& trial, const plugin::Registry& registry) {
  Json list = Json::array();
  for (const auto& [kind, use] : plugins_of(trial)) {
    const plugin::Descriptor* d = registry.find(kind, use->id);
    if (!d) continue;
    list.push_back({{"kind", kind},
                    {"id", d->id},
                    {"version", d->version},
                    {"hash", plugin::module_hash(*d)}});
  }
  return list;
}

Json stop_json(const spec::StopSpec& stop) {
  Json j = {{"max_iter", stop.max_iter},
            {"rel_tol", stop.rel_tol},
            {"kkt_tol", stop.kkt_tol},
            {"patience", stop.patience}};
  return j;
}

kernels::Member text_member(const std::string& name, const std::string& text) {
  kernels::Member m;
  m.name = name;
  m.bytes.assign(text.begin(), text.end());
  return m;
}

template <class T>
void transpose(const unsigned char* from, int64_t rows, int64_t cols, unsigned char* to) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      std::memcpy(to + static_cast<size_t>(j * rows + i) * sizeof(T),
                  from + static_cast<size_t>(i * cols + j) * sizeof(T), sizeof(T));
    }
  }
}

kernels::Member transposed(const kernels::Member& m) {
  kernels::Member t = m;
  t.rows = m.cols;
  t.cols = m.rows;
  if (m.dtype == ASSAY_F64) {
    transpose<double>(m.bytes.data(), m.rows, m.cols, t.bytes.data());
  } else {
    transpose<float>(m.bytes.data(), m.rows, m.cols, t.bytes.data());
  }
  return t;
}

kernels::Member weights_member(const AlignedArray<double>& weights) {
  kernels::Member m;
  m.name = kColumnWeights;
  m.dtype = ASSAY_F64;
  m.rows = weights.size();
  m.cols = 1;
  m.bytes.resize(static_cast<size_t>(m.rows) * sizeof(double));
  std::memcpy(m.bytes.data(), weights.data(), m.bytes.size());
  return m;
}

Error not_a_model(const std::string& path, const std::string& why) {
  Error e(ASSAY_E_FORMAT, "E0306",
          fmt::format("`{}` is not a model of this program: {}", path, why));
  e.file = path;
  e.help.push_back("give the `model.npz` of a trial");
  return e;
}

std::vector<std::string> strings(const Json& about, const char* key) {
  std::vector<std::string> out;
  const auto names = about.find("names");
  if (names == about.end() || !names->contains(key)) return out;
  for (const Json& name : (*names)[key]) out.push_back(name.get<std::string>());
  return out;
}

}  // namespace

const kernels::Member* SavedModel::find(const std::string& name) const {
  for (const auto& m : arrays) {
    if (m.name == name) return &m;
  }
  return nullptr;
}

kernels::Member user_view(const graph::Buffer& factor, int side) {
  kernels::Member m = fit::to_member(kNames[side], factor);
  return side == 1 ? transposed(m) : m;
}

graph::Buffer storage_view(const kernels::Member& member, int side) {
  const kernels::Member m = side == 1 ? transposed(member) : member;
  graph::Buffer buffer = graph::Buffer::make(m.dtype, m.rows, m.cols);
  for (int64_t i = 0; i < m.rows; ++i) {
    for (int64_t j = 0; j < m.cols; ++j) {
      const size_t at = static_cast<size_t>(i * m.cols + j);
      if (m.dtype == ASSAY_F64) {
        double v;
        std::memcpy(&v, m.bytes.data() + at * sizeof v, sizeof v);
        buffer.set(i, j, v);
      } else {
        float v;
        std::memcpy(&v, m.bytes.data() + at * sizeof v, sizeof v);
        buffer.set(i, j, static_cast<double>(v));
      }
    }
  }
  return buffer;
}

SavedModel save(const spec::Trial& trial,
                const std::string& trial_id,
                const graph::Model& model,
                const Prepared& data,
                const fit::Result& result,
                const plugin::Registry& registry) {
  SavedModel saved;
  Json& j = saved.about;
  j["format"] = kFormat;
  j["build"] = build_id();
  j["kind"] = trial.model.kind;
  if (!trial_id.empty()) j["trial"] = trial_id;
  const Json config = Json::parse(trial.config_json, nullptr, false);
  j["config"] = config.is_discarded() ? Json() : config;
  j["plugins"] = plugins_json(trial, registry);
  j["data"] = {
      {"hash", data.data_id},
      {"rows", model.n()},
      {"cols", model.d()},
      {"mean", number_json(model.facts.observed > 0 ? model.facts.sum / model.facts.observed : 0)},
      {"missing_nan", trial.data.missing_nan}};
  if (!trial.data.reader.id.empty()) j["data"]["reader"] = to_saved(trial.data.reader);
  if (!trial.data.label_column.empty()) j["data"]["label_column"] = trial.data.label_column;
  if (!trial.data.columns.empty()) j["data"]["columns"] = trial.data.columns;
  if (!trial.data.unstored.empty()) j["data"]["unstored"] = trial.data.unstored;
  if (model.x->col_weights) saved.arrays.push_back(weights_member(*model.x->col_weights));
  Json transforms = Json::array();
  for (const auto& t : data.transforms) {
    Json one = to_saved(t.use);
    Json learnt = Json::array();
    for (const auto& member : t.learnt) {
      learnt.push_back(member.name);
      saved.arrays.push_back(member);
    }
    one["learnt"] = std::move(learnt);
    transforms.push_back(std::move(one));
  }
  j["transforms"] = std::move(transforms);
  // State that is part of the result is there under its own name.
  for (const auto& [name, state] : model.state)
    if (name.rfind(graph::kRowsState, 0) != 0 && model.results.count(name) == 0)
      saved.arrays.push_back(fit::to_member(kState + name, state));
  j["model"] = {
      {"rank", trial.model.rank},           {"compute", model.compute == ASSAY_F32 ? "f32" : "f64"},
      {"loss", to_saved(trial.model.loss)}, {"W", factor_json(trial.model.W)},
      {"H", factor_json(trial.model.H)},    {"solver", to_saved(trial.solver)},
      {"stop", stop_json(trial.stop)},      {"measure_every", trial.measure.every}};
  if (model.n_factors == 3) j["model"]["S"] = factor_json(trial.model.S);
  if (trial.model.density) {
    j["model"]["density"] = to_saved(*trial.model.density);
    j["model"]["dirichlet"] = trial.model.dirichlet;
    if (model.density && !model.density->most().empty())
      j["model"]["column_max"] = model.density->most();
  }
  if (!model.layers.empty()) j["model"]["layers"] = model.layers;
  j["seed"] = trial.seed;
  j["repeat"] = trial.repeat;
  j["result"] = {{"stop", fit::stop_name(result.stop)},
                 {"iterations", result.iterations},
                 {"objective", number_json(result.trace.rows.back().objective)},
                 {"loss", number_json(result.certificate.loss)},
                 {"kkt", number_json(result.certificate.kkt)}};
  if (model.x->names) {
    const data::Names& names = *model.x->names;
    Json& n = j["names"] = Json::object();
    if (!names.rows.empty()) n["rows"] = names.rows;
    if (!names.cols.empty()) n["cols"] = names.cols;
    if (!names.labels.empty()) n["labels"] = names.labels;
  }
  Json of_rows = Json::array(), of_state = Json::array();
  for (const auto& [name, key] : model.results) {
    saved.arrays.push_back(fit::to_member(name, model.state.at(key)));
    (key.rfind(graph::kRowsState, 0) == 0 ? of_rows : of_state).push_back(name);
  }
  if (!of_rows.empty()) j[kRowArrays] = std::move(of_rows);
  if (!of_state.empty()) j[kStateArrays] = std::move(of_state);
  for (int side = model.n_factors - 1; side >= 0; --side) {
    if (model.factor[side].rows > 0)
      saved.arrays.insert(saved.arrays.begin(), user_view(model.factor[side], side));
  }
  return saved;
}

Expected<void> write_model(const std::string& path, const SavedModel& model) {
  std::vector<kernels::Member> members = model.arrays;
  members.push_back(text_member(kAbout, model.about.dump(1) + "\n"));
  return kernels::write_npz(path, members, true);
}

Expected<SavedModel> read_model(const std::string& path) {
  auto members = kernels::read_npz(path);
  if (!members) return std::move(members.error());
  SavedModel model;
  bool found = false;
  for (auto& m : *members) {
    if (m.name == kAbout) {
      model.about = Json::parse(m.bytes.begin(), m.bytes.end(), nullptr, false);
      found = true;
    } else {
      model.arrays.push_back(std::move(m));
    }
  }
  if (!found || !model.about.is_object()) return not_a_model(path, "it has no `model.json`");
  if (model.about.value("format", 0) != kFormat) {
    return not_a_model(path,
                       fmt::format("format {} is not {}", model.about.value("format", 0), kFormat));
  }
  const auto *W = model.find("W"), *H = model.find("H"), *S = model.find("S");
  // W may be made from the rows.
  const bool fit = H && (!W || (S ? W->cols == S->rows && S->cols == H->rows : W->cols == H->rows));
  if (!fit) return not_a_model(path, "its factors do not fit together");
  return model;
}

assay_dense view_of(const kernels::Member& m) {
  assay_dense v{};
  v.data = const_cast<unsigned char*>(m.bytes.data());
  v.dtype = m.dtype;
  v.flags = ASSAY_READ_ONLY | ASSAY_CONTIGUOUS;
  v.rows = m.rows;
  v.cols = m.vector ? 1 : m.cols;
  v.row_stride = v.cols;
  v.col_stride = 1;
  return v;
}

data::Names names_of(const SavedModel& model) {
  return {strings(model.about, "rows"), strings(model.about, "cols"),
          strings(model.about, "labels")};
}

}  // namespace assay::experiment
