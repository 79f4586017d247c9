// SPDX-License-Identifier: Apache-2.0
// Whether a trial's plugins can work together, from capability bits alone: no data are read and
// nothing is run.
#include <fmt/core.h>

#include <algorithm>
#include <memory>

#include "core/plugin/instance.hpp"
#include "core/spec/capabilities.hpp"
#include "core/spec/nearest.hpp"
#include "core/spec/stand_in.hpp"
#include "core/spec/trial.hpp"

namespace assay::spec {
namespace {

using plugin::Descriptor;

const assay_solver& solver_of(const Descriptor& d) {
  return *static_cast<const assay_solver*>(d.plugin->vtable);
}
template <class Fits>
std::string solvers_that(const plugin::Registry& registry, const std::string& what, Fits fits) {
  std::vector<std::string> ids;
  for (const Descriptor* d : registry.all("solver")) {
    if (fits(*d)) ids.push_back(d->id);
  }
  return ids.empty() ? fmt::format("no loaded solver takes {}", what)
                     : fmt::format("solvers that take {}: {}", what, quoted_list(ids));
}

constexpr const char* kFactorNames[] = {"W", "H", "S"};
constexpr const char* kSkipNote =
    "in a sweep, `on_incompatible: skip` leaves such pairs out and lists them";

class Combination {
 public:
  Combination(const Trial& trial, const Node& root, Context& context)
      : trial_(trial),
        root_(root),
        context_(context),
        solver_(*context.registry.find("solver", trial.solver.id)) {}

  void check() {
    const size_t before = context_.out.size();
    factors();
    fixed_w();
    loss();
    factor("W", trial_.model.W, 0);
    factor("H", trial_.model.H, 1);
    if (trial_.model.rank.size() == 2) factor("S", trial_.model.S, 2);
    data();
    transforms();
    places();
    if (context_.out.size() == before) domain();
    if (context_.out.size() == before) ask_solver();
    metrics();
  }

 private:
  void refuse(Diagnostic d,
              const Mark& other,
              const std::string& remark,
              const std::string& needs) {
    d.at(use_mark(root_, "solver"), needs).about("solver");
    if (other.somewhere()) d.labels.push_back({other, remark});
    d.note.push_back(kSkipNote);
    context_.out.push_back(std::move(d));
  }

  // Which models it fits.
  void factors() {
    if (!trial_.model.layers.empty()) return layers();
    if (trial_.model.density) return mixture();
    const auto n = static_cast<int>(trial_.model.rank.size()) + 1;
    if (takes_factors(solver_of(solver_), n)) return;
    const char* what = n == 3 ? "three factors" : "two factors";
    const char* fits = takes_autoencoders(solver_of(solver_))
                           ? "fits autoencoders: `kind: autoencoder` with `layers`"
                       : takes_mixtures(solver_of(solver_))
                           ? "fits mixtures: `kind: mixture` with `components` and a `density`"
                       : n == 3 ? "fits W H: one rank"
                                : "fits W S H: `rank: [k1, k2]`";
    refuse(Diagnostic("E0211", fmt::format("solver `{}` does not fit {}", solver_.id, what))
               .with_help(solvers_that(
                   context_.registry, what,
                   [n](const Descriptor& s) { return takes_factors(solver_of(s), n); })),
           use_mark(root_, "model.rank"), n == 3 ? "a rank per side: W S H" : "one rank: W H",
           fits);
  }

  // A W that is made from the rows cannot be given.
  void fixed_w() {
    if (trial_.model.W.fixed.empty() || (solver_of(solver_).flags & ASSAY_SOLVER_MAKES_W) == 0)
      return;
    refuse(Diagnostic("E0212",
                      fmt::format("solver `{}` makes W from the rows, and W is fixed", solver_.id))
               .with_help("fix `H`, whose rows are the centres, or leave `model.W.fixed` out"),
           use_mark(root_, "model.W.fixed"), "given here", "makes W");
  }

  void layers() {
    if (takes_autoencoders(solver_of(solver_))) return;
    refuse(Diagnostic("E0211", fmt::format("solver `{}` does not fit autoencoders", solver_.id))
               .with_help(solvers_that(
                   context_.registry, "autoencoders",
                   [](const Descriptor& s) { return takes_autoencoders(solver_of(s)); })),
           use_mark(root_, "model.layers"), "layers", "fits factors");
  }

  void mixture() {
    if (takes_mixtures(solver_of(solver_))) return;
    refuse(Diagnostic("E0211", fmt::format("solver `{}` does not fit mixtures", solver_.id))
               .with_help(
                   solvers_that(context_.registry, "mixtures",
                                [](const Descriptor& s) { return takes_mixtures(solver_of(s)); })),
           use_mark(root_, "model.density"), "a mixture", "fits factors");
  }

  // What bits cannot say: which signs, ranks or penalties go together.
  void ask_solver() {
    const auto& family = trial_.model.density;
    const auto refusal = solver_refusal(
        trial_, solver_, *loss_, {penalties_[0].get(), penalties_[1].get(), penalties_[2].get()},
        family ? context_.registry.find("density", family->id) : nullptr);
    if (!refusal) return;
    Diagnostic d("E0212", refusal->message);
    d.help = refusal->help;
    const std::string blamed = blamed_constraint();
    if (blamed.empty()) {
      d.at(use_mark(root_, "solver"), "says no to this model").about("solver");
    } else {
      d.at(use_mark(root_, blamed), "chosen here").about(blamed);
      d.labels.push_back({use_mark(root_, "solver"), "says no to it"});
    }
    d.note = refusal->note;
    d.note.push_back(kSkipNote);
    context_.out.push_back(std::move(d));
  }

  // The one constraint without which the solver would take the model, or nothing.
  std::string blamed_constraint() const {
    const FactorSpec* const factors[] = {&trial_.model.W, &trial_.model.H, &trial_.model.S};
    std::string key;
    for (size_t side = 0; side < 3; ++side) {
      if (!factors[side]->constraint || !factors[side]->penalties.empty()) continue;
      std::array<const plugin::PenaltySet*, 3> others = {penalties_[0].get(), penalties_[1].get(),
                                                         penalties_[2].get()};
      others[side] = nullptr;
      if (solver_refusal(trial_, solver_, *loss_, others)) continue;
      if (!key.empty()) return "";  // either would do
      key = factors[side]->constraint->key;
    }
    return key;
  }

  // An option of the loss that stands in the solver's way at the value it was given.
  std::string option_in_the_way() const {
    const Descriptor& d = *context_.registry.find("loss", trial_.model.loss.id);
    for (const assay_option* o = d.plugin->options; o && o->name; ++o) {
      plugin::Options others = trial_.model.loss.options;
      const auto at = others.values.find(o->name);
      if (at == others.values.end() || !at->second.given) continue;
      others.values.erase(at);
      const auto other = plugin::Loss::create(d, others);
      if (other && takes_loss(solver_of(solver_), **other))
        return fmt::format("leave `{}` out: `{}` takes `{}` with its default", o->name, solver_.id,
                           d.id);
    }
    return "";
  }

  void loss() {
    const auto instance = plugin::Loss::create(
        *context_.registry.find("loss", trial_.model.loss.id), trial_.model.loss.options);
    if (!instance) {
      report(instance.error(), "model.loss");
      return;
    }
    loss_ = *instance;
    if (trial_.model.density || takes_mixtures(solver_of(solver_))) return;  // see factors()
    if (takes_loss(solver_of(solver_), *loss_)) return;
    const std::string& id = trial_.model.loss.id;
    Diagnostic d("E0204", fmt::format("solver `{}` cannot minimise loss `{}`", solver_.id, id));
    if (std::string option = option_in_the_way(); !option.empty()) d.help.push_back(option);
    refuse(d.with_help(solvers_that(
               context_.registry, fmt::format("`{}`", id),
               [&](const Descriptor& s) { return minimises(context_.registry, s, **instance); })),
           use_mark(root_, "model.loss"), "chosen here", loss_needs(solver_of(solver_)));
  }

  void factor(const std::string& name, const FactorSpec& spec, size_t side) {
    const std::string path = "model." + name;
    std::vector<std::pair<const Descriptor*, plugin::Options>> items;
    std::vector<std::string> keys;  // of the items
    const auto add = [&](const Use& use, bool constraint) {
      penalty(use, name, constraint, items);
      keys.resize(items.size(), use.key);
    };
    for (const Use& use : spec.penalties) add(use, false);
    if (spec.constraint) add(*spec.constraint, true);
    if (items.empty()) return;
    const auto set = plugin::PenaltySet::create(items, name == "H");
    const std::string where = spec.penalties.empty() ? path + ".constraint" : path + ".penalties";
    if (!set) {
      Error error = set.error();
      error.code = "E0208";
      error.help = {"keep one of each kind"};
      // The first that does not go with those before it.
      while (items.size() > 1 && !plugin::PenaltySet::create(items, name == "H")) {
        items.pop_back();
      }
      report(error, keys[std::min(items.size(), keys.size() - 1)]);
      return;
    }
    penalties_[side] = *set;
    if (const auto signs = (*set)->check_signs(); !signs) report(signs.error(), where);
    signed_l1(**set, name, where);
  }

  // A loss of m >= 0 is not defined where factors of both signs meet.
  void domain() {
    if (!loss_ || !(loss_->facts().m_lo >= 0)) return;
    const FactorSpec* const specs[3] = {&trial_.model.W, &trial_.model.H, &trial_.model.S};
    for (size_t side = 0; side < trial_.model.rank.size() + 1; ++side) {
      const char* const name = kFactorNames[side];
      if (!specs[side]->fixed.empty() || (penalties_[side] && penalties_[side]->nonneg())) continue;
      const std::string path = fmt::format("model.{}", name);
      context_.out.push_back(
          Diagnostic("E0213",
                     fmt::format("loss `{}` needs a model W H >= 0, and {} may be negative",
                                 trial_.model.loss.id, name))
              .at(use_mark(root_, specs[side]->constraint ? path + ".constraint" : "model.loss"))
              .about(path)
              .with_help(fmt::format("`{}: {{ constraint: nonneg }}`", path))
              .with_note(kSkipNote));
    }
  }

  // |f| has a multiplicative and a quadratic form on f >= 0 only.
  void signed_l1(const plugin::PenaltySet& set,
                 const std::string& factor,
                 const std::string& path) {
    const uint32_t needs = solver_of(solver_).needs_penalty;
    if (set.nonneg() || needs == 0 || (needs & (ASSAY_NEEDS_PROX | ASSAY_NEEDS_GRAD_ADD)) != 0)
      return;
    for (const auto& item : set.items()) {
      if (item.set() || !item.has(ASSAY_PENALTY_L1)) continue;
      refuse(Diagnostic("E0205", fmt::format("solver `{}` takes the penalty `{}` on a non-negative "
                                             "factor only, and {} may be negative",
                                             solver_.id, item.id, factor))
                 .with_help(fmt::format("`model.{}.constraint: nonneg`, or a solver that works "
                                        "with a prox",
                                        factor)),
             use_mark(root_, path), "chosen here", penalty_needs(solver_of(solver_)));
    }
  }

  void penalty(const Use& use,
               const std::string& factor,
               bool constraint,
               std::vector<std::pair<const Descriptor*, plugin::Options>>& items) {
    const Descriptor& d = *context_.registry.find("penalty", use.id);
    const auto alone = plugin::PenaltySet::create({{&d, use.options}}, factor == "H");
    if (!alone) {
      report(alone.error(), use.key);
      return;
    }
    const bool is_set = (*alone)->items().front().facts.kind == ASSAY_PENALTY_SET;
    if (is_set != constraint) {
      const char* right = is_set ? "constraint" : "penalties";
      context_.out.push_back(
          Diagnostic("E0207", fmt::format("`{}` is a {}, not a {}", use.id,
                                          is_set ? "constraint" : "penalty",
                                          constraint ? "constraint" : "penalty"))
              .at(use_mark(root_, use.key))
              .about(use.key)
              .with_help(fmt::format("put it under `model.{}.{}`", factor, right)));
      return;
    }
    items.emplace_back(&d, use.options);
    const auto& item = (*alone)->items().front();
    if (takes_penalty(solver_of(solver_), item, factor)) return;
    const char* word = constraint ? "constraint" : "penalty";
    refuse(Diagnostic("E0205", fmt::format("solver `{}` cannot take the {} `{}` on {}", solver_.id,
                                           word, use.id, factor))
               .with_help(solvers_that(
                   context_.registry, fmt::format("`{}`", use.id),
                   [&](const Descriptor& s) { return takes_penalty(solver_of(s), item); })),
           use_mark(root_, use.key), "chosen here", penalty_needs(solver_of(solver_)));
  }

  void data() {
    const DataSpec& x = trial_.data;
    // Whether a file holds out entries or rows is seen when it is read.
    if (trial_.split.kind == SplitSpec::Kind::kEntries)
      need(ASSAY_TAKES_MASK, "hidden entries", "split");
    if (!x.mask_path.empty()) need(ASSAY_TAKES_MASK, "hidden entries", "data.mask");
    if (x.missing_nan) need(ASSAY_TAKES_MASK, "hidden entries", "data.missing");
    if (!x.weights_path.empty()) need(ASSAY_TAKES_WEIGHTS, "weights of entries", "data.weights");
    if (!x.row_weights_path.empty() || !x.col_weights_path.empty())
      need(ASSAY_TAKES_WEIGHTS | ASSAY_TAKES_LINE_WEIGHTS, "weights", "data.weights");
    if (trial_.model.density && !x.col_weights_path.empty()) column_weights();
    if (x.unstored == "unobserved")
      need(ASSAY_TAKES_UNOBSERVED, "unobserved entries that are not stored", "data.unstored");
  }

  void need(uint32_t bit, const char* what, const std::string& path) {
    if ((solver_of(solver_).takes_data & bit) != 0) return;
    refuse(Diagnostic("E0206", fmt::format("solver `{}` cannot take {}", solver_.id, what))
               .with_help(solvers_that(
                   context_.registry, what,
                   [&](const Descriptor& s) { return (solver_of(s).takes_data & bit) != 0; })),
           use_mark(root_, path), "asked for here", "every entry must count the same");
  }

  void column_weights() {
    context_.out.push_back(
        Diagnostic("E0206", "a mixture takes weights of rows, not of columns")
            .at(use_mark(root_, "data.weights.column_path"), "a likelihood is of whole rows")
            .about("data.weights.column_path")
            .with_help("scale the columns themselves with a transform, or leave the weights out"));
  }

  // What is held out of a row one entry at a time has no row of its own to be measured by.
  void transforms() {
    const auto& metrics = trial_.measure.metrics;
    const bool heldout =
        std::any_of(metrics.begin(), metrics.end(), [](const Metric& m) { return m.heldout; });
    if (!heldout || trial_.split.kind != SplitSpec::Kind::kEntries) return;
    for (const Use& use : trial_.data.transforms) {
      const Descriptor* d = context_.registry.find("transform", use.id);
      if (!d || static_cast<const assay_transform*>(d->plugin->vtable)->form != ASSAY_TRANSFORM_ROW)
        continue;
      Diagnostic fault("E0214", fmt::format("transform `{}` takes whole rows, and single entries "
                                            "are held out",
                                            use.id));
      fault.at(use_mark(root_, use.key), "would scale held-out entries by themselves")
          .about(use.key)
          .with_help("hold out `rows`, or leave out the `heldout.` metrics or the transform");
      if (const Mark split = use_mark(root_, "split"); split.somewhere())
        fault.labels.push_back({split, "entries held out here"});
      context_.out.push_back(std::move(fault));
    }
  }

  // Neighbours of rows that were taken out would be joined.
  void places() {
    const auto kind = trial_.split.kind;
    if (kind != SplitSpec::Kind::kRows && kind != SplitSpec::Kind::kFolds) return;
    const auto id = penalties_[0] ? penalties_[0]->by_place() : std::nullopt;
    if (!id) return;
    const FactorSpec& W = trial_.model.W;
    const auto named = std::find_if(W.penalties.begin(), W.penalties.end(),
                                    [&](const Use& use) { return use.id == *id; });
    const std::string key = named != W.penalties.end() ? named->key : W.constraint->key;
    Diagnostic fault("E0215", fmt::format("`{}` of W is about which row is where, and the split "
                                          "takes rows out",
                                          *id));
    fault.at(use_mark(root_, key), "knows rows by their place")
        .about(key)
        .with_help("hold out `entries`, or leave it out of W");
    if (const Mark split = use_mark(root_, "split"); split.somewhere())
      fault.labels.push_back({split, "rows taken out here"});
    context_.out.push_back(std::move(fault));
  }

  void metrics() {
    if (trial_.split.kind != SplitSpec::Kind::kNone) return;
    for (size_t i = 0; i < trial_.measure.metrics.size(); ++i) {
      const Metric& m = trial_.measure.metrics[i];
      if (!m.heldout) continue;
      const std::string path = fmt::format("measure.metrics[{}]", i);
      context_.out.push_back(
          Diagnostic(
              "E0209",
              fmt::format("`{}` needs held-out entries or rows, and nothing is held out", m.text))
              .at(use_mark(root_, path))
              .about(path)
              .with_help("`split: { use: entries, test: 0.1 }` holds out a tenth of the entries, "
                         "`rows` of "
                         "the rows"));
    }
  }

  void report(const Error& error, const std::string& path) {
    Diagnostic d(code_of(error), error.message);
    d.expected = error.expected;
    d.found = error.found;
    d.help = error.help;
    d.note = error.note;
    context_.out.push_back(d.at(use_mark(root_, path)).about(path));
  }

  const Trial& trial_;
  const Node& root_;
  Context& context_;
  const Descriptor& solver_;
  std::shared_ptr<plugin::Loss> loss_;
  std::shared_ptr<plugin::PenaltySet> penalties_[3];
};

}  // namespace

void check_combination(const Trial& trial, const Node& root, Context& context) {
  if (trial.solver.id.empty() || trial.model.loss.id.empty()) return;
  Combination(trial, root, context).check();
}

}  // namespace assay::spec
