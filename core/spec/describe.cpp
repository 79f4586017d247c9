// SPDX-License-Identifier: Apache-2.0
// A trial's resolved configuration as canonical JSON, its name for tables, and where each value
// came from.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/base/number.hpp"
#include "core/spec/trial.hpp"

namespace assay::spec {
namespace {

using nlohmann::json;

// As written in the spec, so that the configuration does not depend on the folder a run was started
// from.
json as_written(const std::string& path, const Context& context) {
  if (path.empty()) return nullptr;
  const std::string prefix = context.folder.empty() ? "" : context.folder + "/";
  return !prefix.empty() && path.rfind(prefix, 0) == 0 ? path.substr(prefix.size()) : path;
}

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

json option(const plugin::OptionValue& v, const Context& context) {
  switch (v.type) {
    case ASSAY_OPT_INT:
      return static_cast<int64_t>(v.number);
    case ASSAY_OPT_FLOAT:
      return v.number;
    case ASSAY_OPT_BOOL:
      return v.number != 0;
    case ASSAY_OPT_LIST:
      return v.list;
    case ASSAY_OPT_PATH:
      return v.has_text ? as_written(v.text, context) : json(nullptr);
    default:
      return v.has_text ? json(v.text) : json(nullptr);
  }
}

json use(const Use& u, const Context& context) {
  if (u.id.empty()) return nullptr;
  json out = {{"use", u.id}};
  for (const auto& [name, value] : u.options.values) out[name] = option(value, context);
  return out;
}

json uses(const std::vector<Use>& list, const Context& context) {
  json out = json::array();
  for (const Use& u : list) out.push_back(use(u, context));
  return out;
}

json data(const DataSpec& d, const Context& context) {
  json out = d.from_memory ? json{{"from_memory", true}} : use(d.reader, context);
  if (out.is_null()) out = json::object();
  if (!d.path.empty()) out["path"] = as_written(d.path, context);
  if (!d.label_column.empty()) out["label_column"] = d.label_column;
  if (!d.columns.empty()) out["columns"] = d.columns;
  if (!d.rows.empty()) out["rows"] = d.rows;
  out["transforms"] = uses(d.transforms, context);
  out["mask"] = {{"path", as_written(d.mask_path, context)}};
  out["weights"] = {{"path", as_written(d.weights_path, context)},
                    {"row_path", as_written(d.row_weights_path, context)},
                    {"column_path", as_written(d.col_weights_path, context)}};
  out["unstored"] = text_or_null(d.unstored);
  out["missing"] = d.missing_nan ? "nan" : "error";
  out["compute"] = text_or_null(d.compute);
  return out;
}

json split(const SplitSpec& s, const Context& context) {
  switch (s.kind) {
    case SplitSpec::Kind::kNone:
      return nullptr;
    case SplitSpec::Kind::kEntries:
      return {{"use", "entries"}, {"test", s.test}, {"keep_per_row", s.keep_per_row}};
    case SplitSpec::Kind::kRows:
      return {{"use", "rows"}, {"test", s.test}};
    case SplitSpec::Kind::kFolds:
      return {{"use", "folds"}, {"count", s.folds}, {"fold", s.fold}};
    case SplitSpec::Kind::kFile:
      return {{"use", "file"}, {"path", as_written(s.path, context)}};
  }
  return nullptr;
}

json factor(const FactorSpec& f, const Context& context) {
  return {{"constraint", f.constraint ? use(*f.constraint, context) : json(nullptr)},
          {"penalties", uses(f.penalties, context)},
          {"fixed", as_written(f.fixed, context)}};
}

// 8, or [8, 12] of three factors.
json rank(const Trial& t) {
  const auto& ranks = t.model.rank;
  return ranks.empty() ? json(nullptr) : ranks.size() == 1 ? json(ranks.front()) : json(ranks);
}

// Its name where no option is given, so that ids of trials do not hang on what stands for the rest.
json metric(const Metric& m, const Context& context) {
  const std::string name = fmt::format("{}{}{}{}", m.heldout ? "heldout." : "", m.id,
                                       m.factor.empty() ? "" : ".", m.factor);
  json out = {{"use", name}};
  for (const auto& [key, value] : m.options.values)
    if (value.given) out[key] = option(value, context);
  if (out.size() == 1 && m.text == name) return name;
  out["label"] = m.text;
  return out;
}

json configuration(const Trial& t, const Context& context) {
  json metrics = json::array();
  for (const Metric& m : t.measure.metrics) metrics.push_back(metric(m, context));
  json out = {{"assay", 1},
              {"data", data(t.data, context)},
              {"split", split(t.split, context)},
              {"model",
               {{"kind", t.model.kind},
                {"rank", rank(t)},
                {"loss", use(t.model.loss, context)},
                {"W", factor(t.model.W, context)},
                {"H", factor(t.model.H, context)}}},
              {"init", use(t.init, context)},
              {"solver", use(t.solver, context)},
              {"stop",
               {{"max_iter", t.stop.max_iter},
                {"max_seconds", t.stop.max_seconds},
                {"rel_tol", t.stop.rel_tol},
                {"kkt_tol", t.stop.kkt_tol},
                {"target", t.stop.target ? json(*t.stop.target) : json(nullptr)},
                {"patience", t.stop.patience}}},
              {"measure", {{"every", t.measure.every}, {"metrics", metrics}}},
              {"seed", t.seed},
              {"repeat", t.repeat}};
  if (!t.stop.watch.empty()) out["stop"]["watch"] = t.stop.watch;
  if (t.model.rank.size() == 2) out["model"]["S"] = factor(t.model.S, context);
  if (t.model.density) {
    out["model"]["density"] = use(*t.model.density, context);
    out["model"]["dirichlet"] = t.model.dirichlet;
  }
  if (!t.model.layers.empty()) {
    out["model"]["layers"] = t.model.layers;
    out["model"]["bias"] = t.model.bias;
  }
  return out;
}

class Origins {
 public:
  Origins(Trial& trial, const Node& root, const std::vector<Source>& sources)
      : trial_(trial), root_(root), sources_(sources) {}

  void walk(const json& value, const std::string& path) {
    if (value.is_object()) {
      for (const auto& [key, child] : value.items())
        walk(child, path.empty() ? key : path + "." + key);
    } else if (value.is_array() && !value.empty() && value.front().is_object()) {
      for (size_t i = 0; i < value.size(); ++i) walk(value[i], fmt::format("{}[{}]", path, i));
    } else {
      trial_.origins.emplace_back(path, origin(path));
    }
  }

 private:
  std::string origin(const std::string& path) const {
    if (const Node* node = find_path(root_, path)) {
      const auto source = static_cast<size_t>(node->mark.source);
      if (!node->mark.somewhere() || source >= sources_.size()) return "default";
      const Source& s = sources_[source];
      if (s.command_line) return fmt::format("command line: {}", s.text);
      return fmt::format("{}:{}:{}", s.name, node->mark.line, node->mark.col);
    }
    if (path.find(".constraint.") != std::string::npos && implied(path))
      return fmt::format("implied by solver {}", trial_.solver.id);
    if (brought(path)) return fmt::format("brought by solver {}", trial_.solver.id);
    return "default";
  }

  // Of a transform behind the data's own.
  bool brought(const std::string& path) const {
    const size_t all = trial_.data.transforms.size();
    for (size_t i = all - trial_.data.of_solver; i < all; ++i)
      if (path.rfind(fmt::format("data.transforms[{}].", i), 0) == 0) return true;
    return false;
  }

  bool implied(const std::string& path) const {
    return (path.rfind("model.W.", 0) == 0 && trial_.model.W.constraint_implied) ||
           (path.rfind("model.H.", 0) == 0 && trial_.model.H.constraint_implied) ||
           (path.rfind("model.S.", 0) == 0 && trial_.model.S.constraint_implied);
  }

  Trial& trial_;
  const Node& root_;
  const std::vector<Source>& sources_;
};

// "rank" of `model.rank`: what a table's head says.
std::string last_word(const std::string& key) { return key.substr(key.find_last_of('.') + 1); }

}  // namespace

void describe_trial(Trial& trial,
                    const Node& root,
                    const std::vector<Source>& sources,
                    const Context& context) {
  const json config = configuration(trial, context);
  trial.config_json = config.dump(-1, ' ', false, json::error_handler_t::replace);
  trial.origins.clear();
  Origins(trial, root, sources).walk(config, "");
  trial.label = trial.solver.label.empty() ? trial.solver.id : trial.solver.label;
  for (const auto& [key, value] : trial.cell) {
    if (key != "solver") trial.label += fmt::format(", {} {}", last_word(key), value);
  }
  const ModelSpec& m = trial.model;
  if (!trial.cell.empty()) return;
  if (!m.layers.empty())
    trial.label += fmt::format(", layers {}", fmt::join(m.layers, "-"));
  else if (m.density)
    trial.label += fmt::format(", {} x {}", fmt::join(m.rank, ""), m.density->id);
  else if (!m.rank.empty())
    trial.label += fmt::format(", rank {}", fmt::join(m.rank, " x "));
}

}  // namespace assay::spec
