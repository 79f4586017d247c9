// SPDX-License-Identifier: Apache-2.0
// Reads data, split, model, init, solver, stop, measure and writers of one trial.
#include "core/spec/trial.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "core/base/number.hpp"
#include "core/spec/nearest.hpp"
#include "core/spec/sections.hpp"

namespace assay::spec {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// The reader whose suffixes claim the file, longest first (".csv.gz" before ".gz").
const plugin::Descriptor* reader_by_suffix(const std::string& path,
                                           const plugin::Registry& registry) {
  const plugin::Descriptor* best = nullptr;
  size_t longest = 0;
  for (const plugin::Descriptor* d : registry.all("reader")) {
    const auto* reader = static_cast<const assay_reader*>(d->plugin->vtable);
    std::string suffixes = reader->suffixes ? reader->suffixes : "";
    for (size_t i = 0; i < suffixes.size();) {
      const size_t end = std::min(suffixes.find(' ', i), suffixes.size());
      if (end > i && end - i > longest && ends_with(path, suffixes.substr(i, end - i))) {
        best = d;
        longest = end - i;
      }
      i = end + 1;
    }
  }
  return best;
}

class TrialReader {
 public:
  TrialReader(const Node& root, Context& context, const std::vector<std::string>& supplied)
      : root_(root), context_(context), supplied_(supplied) {}

  Trial read() {
    Section top(root_, "", context_);
    data();
    split();
    model();
    plugins();
    stop();
    measure();
    return std::move(trial_);
  }

 private:
  bool is_supplied(const std::string& path) const {
    return std::any_of(supplied_.begin(), supplied_.end(), [&](const std::string& s) {
      return s == path || path.rfind(s + ".", 0) == 0 || s.rfind(path + ".", 0) == 0;
    });
  }

  void missing(const std::string& path, const std::string& help) {
    if (is_supplied(path)) return;
    const size_t dot = path.find_last_of('.');
    const Node* parent = dot == std::string::npos ? nullptr : find_path(root_, path.substr(0, dot));
    Diagnostic d("E0104", fmt::format("`{}` is missing", path));
    context_.out.push_back(d.at(parent ? parent->mark : root_.mark).about(path).with_help(help));
  }

  // The reader, named or by suffix; its options join the keys of `data`.
  const plugin::Descriptor* reader() {
    const Node* data = find_path(root_, "data");
    const Node* path = data && data->is_map() ? data->find("path") : nullptr;
    if (data && data->is_map() && data->find("use"))
      return find_plugin(*data->find("use"), "reader", "data.use", context_);
    if (context_.from_memory) return nullptr;
    if (!data || !data->is_map()) {
      if (!data)
        missing("data",
                "`data: { use: id, path: file }` says where X comes from; `assay list readers` "
                "shows the ids");
      return nullptr;
    }
    const plugin::Descriptor* d = path ? reader_by_suffix(path->text, context_.registry) : nullptr;
    if (!d)
      missing("data.use",
              path ? "no reader claims files of this suffix; `assay list readers` shows them"
                   : "`assay list readers` shows what can be named");
    return d;
  }

  void data() {
    DataSpec& out = trial_.data;
    out.from_memory = context_.from_memory;
    const plugin::Descriptor* d = reader();
    const std::vector<std::string> options = d ? option_names(*d) : std::vector<std::string>{};
    const Node* node = find_path(root_, "data");
    if (!node) return;
    std::vector<std::string> more = options;
    more.emplace_back("label");
    Section data(root_, "data", context_, more);
    if (!data.map()) return;
    if (d) read_reader(*d, options, data);
    data.file("path", out.path);
    // A reader's own option of the same name goes before the runtime's key.
    const auto ours = [&](const char* key) {
      return std::find(options.begin(), options.end(), key) == options.end();
    };
    if (const Node* label = data.find("label_column")) read_label(*label, d, out);
    if (ours("columns") && data.find("columns")) {
      if (auto names = read_texts(*data.find("columns"), "data.columns", context_.out))
        out.columns = *names;
    }
    if (ours("rows") && data.find("rows")) rows(*data.find("rows"));
    if (const Node* list = data.find("transforms"))
      out.transforms = read_uses(*list, "transform", "data.transforms", context_);
    if (data.find("mask")) Section(root_, "data.mask", context_).file("path", out.mask_path);
    if (data.find("weights")) {
      Section weights(root_, "data.weights", context_);
      weights.file("path", out.weights_path);
      weights.file("row_path", out.row_weights_path);
      weights.file("column_path", out.col_weights_path);
    }
    if (data.find("names")) {
      Section names(root_, "data.names", context_);
      names.file("rows", out.row_names_path);
      names.file("columns", out.col_names_path);
    }
    data.word("unstored", out.unstored);
    data.word("compute", out.compute);
    std::string on_missing;
    data.word("missing", on_missing);
    out.missing_nan = on_missing == "nan";
  }

  void read_reader(const plugin::Descriptor& d,
                   const std::vector<std::string>& options,
                   const Section& data) {
    std::vector<std::string> others = names_below("data");
    const auto theirs = [&](const std::string& key) {
      return std::find(options.begin(), options.end(), key) != options.end();
    };
    others.erase(std::remove_if(others.begin(), others.end(), theirs), others.end());
    Node node = *data.map();
    if (!node.find("use")) {
      Node id;
      id.kind = Node::Kind::kScalar;
      id.text = d.id;
      id.mark = node.mark;
      node.entries.push_back({"use", id.mark, id});
    }
    if (auto use = read_use(node, "reader", "data", context_, others))
      trial_.data.reader = std::move(*use);
    const bool needs_path =
        (static_cast<const assay_reader*>(d.plugin->vtable)->flags & ASSAY_READER_NO_PATH) == 0;
    if (needs_path && !data.find("path"))
      missing("data.path", fmt::format("reader `{}` needs a file", d.id));
    if (!needs_path && data.find("path") && !theirs("path")) {
      context_.out.push_back(Diagnostic("E0120", fmt::format("reader `{}` reads no file", d.id))
                                 .at(data.map()->entry("path")->mark)
                                 .about("data.path")
                                 .with_help("delete `path`"));
    }
  }

  // Labels are the reader's work: it leaves the column out of X.
  void read_label(const Node& node, const plugin::Descriptor* d, DataSpec& out) {
    if (const auto label = read_text(node, "data.label_column", context_.out))
      out.label_column = *label;
    const std::vector<std::string> options = d ? option_names(*d) : std::vector<std::string>{};
    if (d && std::find(options.begin(), options.end(), "label_column") == options.end()) {
      context_.out.push_back(
          Diagnostic("E0110", fmt::format("reader `{}` has no option `label_column`", d->id))
              .at(node.mark)
              .about("data.label_column")
              .with_help("labels come with readers of tables"));
    }
  }

  // "first:end", either may be left out.
  void rows(const Node& node) {
    const auto text = read_text(node, "data.rows", context_.out);
    if (!text) return;
    const size_t colon = text->find(':');
    const auto part = [&](const std::string& s) {
      return s.empty() ? std::optional<int64_t>(0) : parse_int(s);
    };
    const auto first = colon == std::string::npos ? std::nullopt : part(text->substr(0, colon));
    const auto end = colon == std::string::npos ? std::nullopt : part(text->substr(colon + 1));
    const bool open = colon != std::string::npos && colon + 1 == text->size();
    if (first && end && *first >= 0 && (open || *first < *end)) {
      trial_.data.rows = *text;
      return;
    }
    context_.out.push_back(
        Diagnostic("E0113", fmt::format("`data.rows` is `{}`, which is no range of rows", *text))
            .at(node.mark)
            .about("data.rows")
            .with_expected("`first:end`, counted from 0, without the end, such as `0:1000`"));
  }

  void split() {
    if (!find_path(root_, "split")) return;
    Section split(root_, "split", context_);
    if (!split.map()) return;
    if (!split.find("use")) {
      missing("split.use", "`split: { use: entries, test: 0.1 }` holds out single entries");
      return;
    }
    std::string use;
    split.word("use", use);
    SplitSpec& out = trial_.split;
    std::vector<std::string> keys;
    if (use == "entries") out.kind = SplitSpec::Kind::kEntries, keys = {"test", "keep_per_row"};
    if (use == "rows") out.kind = SplitSpec::Kind::kRows, keys = {"test"};
    if (use == "folds") out.kind = SplitSpec::Kind::kFolds, keys = {"count"};
    if (use == "file") out.kind = SplitSpec::Kind::kFile, keys = {"path"};
    if (use.empty()) return;
    if (use == "folds")
      report_later(split.find("use")->mark, "split.use", "cross-validation by folds", context_);
    if (use == "rows")
      report_later(split.find("use")->mark, "split.use", "splits of whole rows", context_);
    for (const Entry& e : split.map()->entries) {
      const bool known = find_key("split." + e.key) != nullptr && e.key != "use";
      if (!known || std::find(keys.begin(), keys.end(), e.key) != keys.end()) continue;
      context_.out.push_back(
          Diagnostic("E0120",
                     fmt::format("`split.{}` does not belong to a split of {}", e.key, use))
              .at(e.mark)
              .about("split." + e.key)
              .with_help(fmt::format("its keys are {}", quoted_list(keys))));
    }
    split.number("test", out.test);
    split.integer("keep_per_row", out.keep_per_row);
    split.integer("count", out.folds);
    split.file("path", out.path);
    if (use == "entries" && out.test == 0 && out.keep_per_row == 0) {
      missing("split.test", "`test: 0.1` holds out a tenth of the entries");
    }
    if (use == "file" && out.path.empty()) missing("split.path", "name the file");
  }

  void model() {
    if (!find_path(root_, "model")) {
      missing("model", "`model: { rank: 16 }` is the least a model needs");
      return;
    }
    Section model(root_, "model", context_);
    if (!model.map()) return;
    ModelSpec& out = trial_.model;
    model.word("kind", out.kind);
    if (out.kind != "factorization") {
      report_later(model.find("kind")->mark, "model.kind",
                   fmt::format("models of kind `{}`", out.kind), context_);
      return;
    }
    rank(model);
    if (const Node* loss = model.find("loss")) {
      if (auto use = read_use(*loss, "loss", "model.loss", context_)) out.loss = std::move(*use);
    } else {
      standard("loss", "model.loss", out.loss);
    }
    factor("W", out.W);
    factor("H", out.H);
  }

  void rank(const Section& model) {
    const Node* node = model.find("rank");
    if (!node) {
      missing("model.rank", "`rank: 16` fits 16 components");
      return;
    }
    Wanted wanted;
    wanted.path = "model.rank";
    wanted.lo = find_key("model.rank")->lo;
    wanted.hi = find_key("model.rank")->hi;
    if (node->is_list() && node->items.size() > 1) {
      report_later(node->mark, "model.rank", "three factors (a rank per side)", context_);
      return;
    }
    const Node& one = node->is_list() && node->items.size() == 1 ? node->items[0] : *node;
    if (const auto value = read_int(one, wanted, context_.out)) trial_.model.rank = {*value};
  }

  void factor(const std::string& name, FactorSpec& out) {
    const std::string path = "model." + name;
    if (!find_path(root_, path)) return;
    Section factor(root_, path, context_);
    if (!factor.map()) return;
    if (const Node* node = factor.find("constraint"); node && !is_none(*node)) {
      out.constraint = read_use(*node, "penalty", path + ".constraint", context_);
    }
    if (const Node* node = factor.find("penalties"))
      out.penalties = read_uses(*node, "penalty", path + ".penalties", context_);
    factor.file("fixed", out.fixed);
  }

  void standard(const std::string& kind, const std::string& path, Use& out) {
    if (is_supplied(path)) return;
    const plugin::Descriptor* d = standard_plugin(context_.registry, kind);
    if (!d) {
      missing(
          path,
          fmt::format("no loaded plugin is the default {}; `assay list {}` shows what can be named",
                      kind, plural(kind)));
      return;
    }
    if (auto use = standard_use(*d, path, root_, context_)) out = std::move(*use);
  }

  void plugins() {
    if (const Node* node = find_path(root_, "init")) {
      if (auto use = read_use(*node, "init", "init", context_)) trial_.init = std::move(*use);
    } else {
      standard("init", "init", trial_.init);
    }
    if (const Node* node = find_path(root_, "solver")) {
      if (auto use = read_use(*node, "solver", "solver", context_)) trial_.solver = std::move(*use);
    } else {
      missing("solver", "`solver: id` names the algorithm; `assay list solvers` shows them");
    }
    if (const Node* node = find_path(root_, "writers"))
      trial_.writers = read_uses(*node, "writer", "writers", context_);
  }

  void stop() {
    if (!find_path(root_, "stop")) return;
    Section stop(root_, "stop", context_);
    StopSpec& out = trial_.stop;
    stop.integer("max_iter", out.max_iter);
    stop.number("max_seconds", out.max_seconds);
    stop.number("rel_tol", out.rel_tol);
    stop.number("kkt_tol", out.kkt_tol);
    stop.integer("patience", out.patience);
    if (const Node* node = stop.find("target"); node && !is_none(*node)) {
      double target = 0;
      stop.number("target", target);
      out.target = target;
    }
    if (stop.map() && out.max_iter == 0 && out.max_seconds == 0) {
      const Node* node = stop.find("max_iter");
      context_.out.push_back(
          Diagnostic("E0113", "a fit without a limit on steps or seconds may never end")
              .at(node ? node->mark : stop.map()->mark)
              .about("stop.max_iter")
              .with_help("give `max_iter` or `max_seconds` above 0"));
    }
  }

  void measure() {
    Section measure(root_, "measure", context_);
    measure.integer("every", trial_.measure.every);
    const Node* node = measure.find("metrics");
    if (!node) {
      for (const plugin::Descriptor* d : context_.registry.all("metric")) {
        if ((d->plugin->flags & ASSAY_PLUGIN_DEFAULT) != 0)
          trial_.measure.metrics.push_back({d->id, d->id, "", false});
      }
      return;
    }
    if (!node->is_list()) {
      report_kind(*node, "measure.metrics", "a list of metrics", context_.out);
      return;
    }
    for (size_t i = 0; i < node->items.size(); ++i)
      metric(node->items[i], fmt::format("measure.metrics[{}]", i));
  }

  // `[heldout.]id[.FACTOR]`; a stranger's id may hold dots itself.
  void metric(const Node& node, const std::string& path) {
    const auto text = read_text(node, path, context_.out);
    if (!text) return;
    Metric out;
    out.text = *text;
    std::string rest = *text;
    const std::string prefix = "heldout.";
    out.heldout = rest.rfind(prefix, 0) == 0;
    if (out.heldout) rest = rest.substr(prefix.size());
    const plugin::Descriptor* d = context_.registry.find("metric", rest);
    const size_t dot = rest.find_last_of('.');
    if (!d && dot != std::string::npos) {
      out.factor = rest.substr(dot + 1);
      rest.resize(dot);
    }
    Node id = node;
    id.text = rest;
    if (!d) d = find_plugin(id, "metric", path, context_);
    if (!d) return;
    out.id = d->id;
    const bool per_factor =
        (static_cast<const assay_metric*>(d->plugin->vtable)->flags & ASSAY_METRIC_PER_FACTOR) != 0;
    if (check_factor(node, path, out, per_factor)) trial_.measure.metrics.push_back(out);
  }

  bool check_factor(const Node& node, const std::string& path, const Metric& m, bool per_factor) {
    const bool known = m.factor.empty() || m.factor == "W" || m.factor == "H";
    if (known && per_factor == !m.factor.empty()) return true;
    std::string message =
        fmt::format("metric `{}` is about a factor, and `{}` names none", m.id, m.text);
    std::string help = fmt::format("write `{0}.W` or `{0}.H`", m.id);
    if (!per_factor) {
      message = fmt::format("metric `{}` is not about a factor, but `{}` names `{}`", m.id, m.text,
                            m.factor);
      help = fmt::format("write `{}`", m.id);
    } else if (!known) {
      message = fmt::format("`{}` names the factor `{}`, which this model does not have", m.text,
                            m.factor);
    }
    context_.out.push_back(Diagnostic("E0117", message).at(node.mark).about(path).with_help(help));
    return false;
  }

  const Node& root_;
  Context& context_;
  const std::vector<std::string>& supplied_;
  Trial trial_;
};

// A constraint named by the solver for factors that name none.
void imply_constraint(const Node& root,
                      const plugin::Descriptor& solver,
                      FactorSpec& factor,
                      const std::string& path,
                      Context& context) {
  const char* implied = static_cast<const assay_solver*>(solver.plugin->vtable)->implies;
  if (!implied || factor.constraint) return;
  const plugin::Descriptor* d = context.registry.find("penalty", implied);
  if (!d) {
    context.out.push_back(
        Diagnostic(
            "E0101",
            fmt::format("solver `{}` keeps the constraint `{}`, which no loaded plugin provides",
                        solver.id, implied))
            .at(use_mark(root, "solver"))
            .about("solver")
            .with_note("`assay doctor` shows where plugins are searched"));
    return;
  }
  factor.constraint = standard_use(*d, path + ".constraint", root, context);
  factor.constraint_implied = true;
}

bool is_deterministic(const Trial& t, const plugin::Registry& registry) {
  const auto fixed = [&](const char* kind, const Use& use) {
    const plugin::Descriptor* d = registry.find(kind, use.id);
    return !d || (d->plugin->flags & ASSAY_PLUGIN_DETERMINISTIC) != 0;
  };
  const bool transforms = std::all_of(t.data.transforms.begin(), t.data.transforms.end(),
                                      [&](const Use& u) { return fixed("transform", u); });
  const bool split =
      t.split.kind == SplitSpec::Kind::kNone || t.split.kind == SplitSpec::Kind::kFile;
  return split && transforms && fixed("reader", t.data.reader) && fixed("init", t.init) &&
         fixed("solver", t.solver);
}

}  // namespace

std::optional<Trial> read_trial(const Node& root,
                                Context& context,
                                const std::vector<std::string>& supplied) {
  const size_t before = context.out.size();
  Trial trial = TrialReader(root, context, supplied).read();
  if (const plugin::Descriptor* solver = context.registry.find("solver", trial.solver.id)) {
    imply_constraint(root, *solver, trial.model.W, "model.W", context);
    imply_constraint(root, *solver, trial.model.H, "model.H", context);
  }
  trial.deterministic = is_deterministic(trial, context.registry);
  const bool ok =
      std::none_of(context.out.begin() + static_cast<std::ptrdiff_t>(before), context.out.end(),
                   [](const Diagnostic& d) { return d.severity == Severity::kError; });
  return ok ? std::optional(std::move(trial)) : std::nullopt;
}

}  // namespace assay::spec
