// SPDX-License-Identifier: Apache-2.0
// Reads split, model, init, solver, stop, measure and writers of one trial.
#include "core/spec/trial.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "core/spec/brought.hpp"
#include "core/spec/capabilities.hpp"
#include "core/spec/metric.hpp"
#include "core/spec/metric.hpp"
#include "core/spec/nearest.hpp"
#include "core/spec/sections.hpp"

namespace assay::spec {
namespace {

constexpr const char* kAutoencoder = "autoencoder";
constexpr const char* kMixture = "mixture";

class TrialReader {
 public:
  TrialReader(const Node& root, Context& context, const std::vector<std::string>& supplied)
      : root_(root), context_(context), supplied_(supplied) {}

  Trial read() {
    Section top(root_, "", context_);
    read_data(root_, context_, supplied_, trial_.data);
    split();
    model();
    plugins();
    stop();
    measure();
    watch();
    return std::move(trial_);
  }

 private:
  void missing(const std::string& path, const std::string& help) {
    report_missing(root_, path, help, supplied_, context_);
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
    const size_t before = context_.out.size();
    split.number("test", out.test);
    split.integer("keep_per_row", out.keep_per_row);
    split.integer("count", out.folds);
    split.file("path", out.path);
    if (context_.out.size() > before) return;  // a value that cannot be read is not missing too
    const auto nothing = [&](const char* help) {
      const Node* test = split.find("test");
      if (!test) return missing("split.test", help);
      context_.out.push_back(Diagnostic("E0113", "`split.test` is 0, which holds out nothing")
                                 .at(test->mark)
                                 .about("split.test")
                                 .with_help(help));
    };
    if (use == "entries" && out.test == 0 && out.keep_per_row == 0)
      nothing("`test: 0.1` holds out a tenth of the entries");
    if (use == "rows" && out.test == 0) nothing("`test: 0.2` holds out a fifth of the rows");
    if (use == "folds" && out.folds == 0)
      missing("split.count", "`count: 5` holds out each fifth of the rows in turn");
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
    if (out.kind != "factorization" && out.kind != kAutoencoder && out.kind != kMixture) {
      report_later(model.find("kind")->mark, "model.kind",
                   fmt::format("models of kind `{}`", out.kind), context_);
      return;
    }
    if (out.kind == kMixture) return mixture(model);
    for (const char* key : {"model.components", "model.density", "model.prior"})
      foreign(*model.map(), key, "`kind: mixture` has components");
    if (out.kind == kAutoencoder)
      layers(model);
    else
      ranks(model);
    if (const Node* loss = model.find("loss")) {
      if (auto use = read_use(*loss, "loss", "model.loss", context_)) out.loss = std::move(*use);
    } else {
      standard("loss", "model.loss", out.loss);
    }
    if (out.kind == kAutoencoder) return;
    factor("W", out.W);
    factor("H", out.H);
    if (out.rank.size() == 2) {
      factor("S", out.S);
    } else if (const Node* node = model.find("S")) {
      context_.out.push_back(
          Diagnostic("E0120", "`model.S` belongs to a model of three factors, W S H")
              .at(node->mark)
              .about("model.S")
              .with_help("`rank: [8, 12]` gives W 8 components and H 12"));
    }
  }

  // A key that only models of another kind have.
  void foreign(const Node& map, const std::string& path, const std::string& help) {
    const Entry* entry = map.entry(path.substr(path.find_last_of('.') + 1));
    if (!entry) return;
    context_.out.push_back(
        Diagnostic("E0120", fmt::format("`{}` does not belong to a model of kind `{}`", path,
                                        trial_.model.kind))
            .at(entry->mark)
            .about(path)
            .with_help(help));
  }

  // A mixture: W are responsibilities, H the components' means; the loss is that of W H beside X.
  void mixture(const Section& model) {
    ModelSpec& out = trial_.model;
    const char* const help = "a mixture has `components`, a `density` and perhaps a `prior`";
    for (const char* key : {"model.rank", "model.loss", "model.W", "model.H", "model.S",
                            "model.layers", "model.bias"})
      foreign(*model.map(), key, help);
    standard("loss", "model.loss", out.loss);
    if (model.find("components")) {
      int64_t components = 0;
      model.integer("components", components);
      if (components > 0) out.rank = {components};
    } else {
      missing("model.components", "`components: 3` fits a mixture of three");
    }
    const Node* density = model.find("density");
    if (!density) {
      missing("model.density", "`density: gaussian` is a family; `assay list densities` shows all");
      return;
    }
    const Node both = with_prior(*density, model);
    out.density = read_use(both, "density", "model.density", context_);
  }

  // The density with what `model.prior` says of its parameters; that of the weights is the model's.
  Node with_prior(const Node& density, const Section& model) {
    const Node* prior = model.find("prior");
    if (!prior || is_none(*prior)) return density;
    if (!prior->is_map()) {
      report_kind(*prior, "model.prior", "a map", context_.out);
      return density;
    }
    Node both = density;
    if (!density.is_map()) {
      both = Node();
      both.kind = Node::Kind::kMap;
      both.mark = density.mark;
      both.entries.push_back({"use", density.mark, density});
    }
    for (const Entry& e : prior->entries) {
      if (const Node* again = density.is_map() ? density.find("prior_" + e.key) : nullptr) {
        Diagnostic d("E0120", fmt::format("`{}` of the prior is given twice", e.key));
        d.at(e.mark, "given here").about("model.prior." + e.key);
        d.labels.push_back({again->mark, "and here"});
        context_.out.push_back(d.with_help(
            fmt::format("keep `prior: {{ {} }}`, or `prior_{}` of the density", e.key, e.key)));
        continue;
      }
      if (e.key != "weights") {
        both.entries.push_back(
            {e.key.rfind("x-", 0) == 0 ? e.key : "prior_" + e.key, e.mark, e.value});
        continue;
      }
      Wanted wanted;
      wanted.path = "model.prior.weights";
      wanted.lo = 1;
      if (const auto a = read_number(e.value, wanted, context_.out)) trial_.model.dirichlet = *a;
    }
    return both;
  }

  // An autoencoder: M = W H, W the last layer before X's model.
  void layers(const Section& model) {
    ModelSpec& out = trial_.model;
    for (const char* key : {"model.rank", "model.W", "model.H", "model.S"})
      foreign(*model.map(), key, "`layers` says how wide W and H are, and the solver trains both");
    foreign(root_, "init", "the solver draws its weights: its option `init`");
    out.bias = true;
    model.flag("bias", out.bias);
    const Node* node = model.find("layers");
    if (!node) {
      missing("model.layers",
              "`layers: [128, 16, 128]` has a code of 16 between two layers of 128");
      return;
    }
    if (!node->is_list()) {
      report_kind(*node, "model.layers", "a list of widths", context_.out);
      return;
    }
    if (node->items.empty()) {
      context_.out.push_back(
          Diagnostic("E0113", "`model.layers` is empty, and an autoencoder has one layer at least")
              .at(node->mark)
              .about("model.layers")
              .with_help("`layers: [16]` is a code of 16 and nothing else"));
      return;
    }
    Wanted wanted;
    wanted.path = "model.layers";
    wanted.lo = find_key("model.layers")->lo;
    wanted.hi = find_key("model.layers")->hi;
    for (const Node& one : node->items)
      if (const auto width = read_int(one, wanted, context_.out)) out.layers.push_back(*width);
    if (out.layers.size() == node->items.size())
      out.rank = {out.layers.back() + (out.bias ? 1 : 0)};
  }

  void ranks(const Section& model) {
    for (const char* key : {"model.layers", "model.bias"})
      foreign(*model.map(), key, "`kind: autoencoder` has layers");
    const Node* node = model.find("rank");
    if (!node) {
      missing("model.rank", "`rank: 16` fits 16 components");
      return;
    }
    Wanted wanted;
    wanted.path = "model.rank";
    wanted.lo = find_key("model.rank")->lo;
    wanted.hi = find_key("model.rank")->hi;
    if (!node->is_list() || node->items.empty() || node->items.size() > 2) {
      if (const auto value = read_int(*node, wanted, context_.out)) trial_.model.rank = {*value};
      return;
    }
    for (const Node& one : node->items) {
      if (const auto value = read_int(one, wanted, context_.out))
        trial_.model.rank.push_back(*value);
    }
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
    if (is_supplied(path, supplied_)) return;
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

  // The init that the solver names as its own, where it is loaded.
  const plugin::Descriptor* own_start() const {
    const plugin::Descriptor* solver = context_.registry.find("solver", trial_.solver.id);
    if (!solver || is_supplied("init", supplied_)) return nullptr;
    const auto* table = static_cast<const assay_solver*>(solver->plugin->vtable);
    if (!ASSAY_HAS(table, start) || !table->start) return nullptr;
    return context_.registry.find("init", table->start);
  }

  void plugins() {
    if (const Node* node = find_path(root_, "solver")) {
      if (auto use = read_use(*node, "solver", "solver", context_)) trial_.solver = std::move(*use);
    } else {
      missing("solver", "`solver: id` names the algorithm; `assay list solvers` shows them");
    }
    if (const Node* node = find_path(root_, "init")) {
      if (auto use = read_use(*node, "init", "init", context_)) trial_.init = std::move(*use);
    } else if (const plugin::Descriptor* d = own_start()) {
      if (auto use = standard_use(*d, "init", root_, context_)) trial_.init = std::move(*use);
    } else if (trial_.model.kind != kAutoencoder) {
      standard("init", "init", trial_.init);
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
    for (size_t i = 0; i < node->items.size(); ++i) {
      const std::string path = fmt::format("measure.metrics[{}]", i);
      if (auto found = read_metric(node->items[i], path, trial_.model, context_))
        add_metric(node->items[i], path, *found);
    }
  }

  // Two columns of one name would be the same, were it not for options and labels.
  void add_metric(const Node& node, const std::string& path, const Metric& m) {
    const auto same = [&](const Metric& other) {
      return other.text == m.text && (other.id != m.id || node.is_map());
    };
    auto& list = is_across(m, context_) ? trial_.measure.across : trial_.measure.metrics;
    if (std::any_of(list.begin(), list.end(), same)) {
      context_.out.push_back(Diagnostic("E0117", fmt::format("two metrics are called `{}`", m.text))
                                 .at(node.mark)
                                 .about(path)
                                 .with_help("give one of them a `label` of its own"));
    } else {
      list.push_back(m);
    }
  }

  // A metric that is watched is measured; one with options or a label goes by its column's name.
  void watch() {
    const Node* node = find_path(root_, "stop.watch");
    if (!node || is_none(*node)) return;
    if (!read_text(*node, "stop.watch", context_.out)) return;
    auto& metrics = trial_.measure.metrics;
    const auto measured = [&](const std::string& name) {
      const auto is = [&](const Metric& m) { return m.text == name; };
      return std::find_if(metrics.begin(), metrics.end(), is);
    };
    if (measured(node->text) == metrics.end()) {
      const auto found = read_metric(*node, "stop.watch", trial_.model, context_);
      if (!found) return;
      if (is_across(*found, context_)) return not_watched(*node, "is about all repeats together");
      metrics.push_back(*found);
    }
    const Metric& watched = *measured(node->text);
    if (!watched.heldout && watched.id == "objective")
      return not_watched(*node, "is what `rel_tol` and `patience` test without a watch");
    trial_.stop.watch = watched.text;
  }

  void not_watched(const Node& node, const std::string& why) {
    context_.out.push_back(Diagnostic("E0117", fmt::format("`{}` {}", node.text, why))
                               .at(node.mark)
                               .about("stop.watch")
                               .with_help("watch a metric of held-out data: `heldout.rmse`"));
  }

  const Node& root_;
  Context& context_;
  const std::vector<std::string>& supplied_;
  Trial trial_;
};

}  // namespace

std::optional<Trial> read_trial(const Node& root,
                                Context& context,
                                const std::vector<std::string>& supplied) {
  const size_t before = context.out.size();
  Trial trial = TrialReader(root, context, supplied).read();
  if (const plugin::Descriptor* solver = context.registry.find("solver", trial.solver.id))
    bring_along(root, *solver, trial, context);
  trial.deterministic = is_deterministic(trial, context.registry);
  const bool ok =
      std::none_of(context.out.begin() + static_cast<std::ptrdiff_t>(before), context.out.end(),
                   [](const Diagnostic& d) { return d.severity == Severity::kError; });
  return ok ? std::optional(std::move(trial)) : std::nullopt;
}

}  // namespace assay::spec
