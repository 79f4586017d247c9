// SPDX-License-Identifier: Apache-2.0
// The way from text to trials: read, check the keys of the file as it stands, expand, check every
// combination, repeat.
#include "core/spec/parse.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "core/spec/expand.hpp"
#include "core/spec/sections.hpp"
#include "core/spec/trial.hpp"

namespace assay::spec {
namespace {

std::string folder_of(const std::string& file) {
  const size_t slash = file.find_last_of('/');
  if (slash == std::string::npos) return "";
  return slash == 0 ? "/" : file.substr(0, slash);
}

void check_version(const Node& root, Context& context) {
  const Node* version = root.find("assay");
  if (!version) {
    context.out.push_back(Diagnostic("E0119", "the spec does not say its version")
                              .at(root.mark)
                              .about("assay")
                              .with_help("begin with `assay: 1`"));
  } else if (!version->is_scalar() || version->text != "1") {
    context.out.push_back(
        Diagnostic("E0119", fmt::format("this version of assay reads specs of version 1, not `{}`",
                                        compact(*version)))
            .at(version->mark)
            .about("assay")
            .with_expected("`assay: 1`"));
  }
}

// One trial per repeat, or per seed of a list.
struct Repeats {
  int64_t count = 1;
  std::vector<int64_t> seeds;  // when given: one trial each
  int64_t seed = 0;
};

std::optional<Repeats> read_repeats(const Node& root, Context& context) {
  Repeats out;
  const size_t before = context.out.size();
  std::vector<Diagnostic>
      reported;  // Section reports unknown keys once more: the first reading has them
  Context quiet{context.registry, context.folder, context.from_memory, reported};
  const Section top(root, "", quiet);
  top.integer("repeats", out.count);
  top.integer("seed", out.seed);
  const Node* seeds = root.find("seeds");
  if (!seeds) return out;
  if (const Entry* repeats = root.entry("repeats")) {
    context.out.push_back(Diagnostic("E0120", "`repeats` and `seeds` are two ways to say one thing")
                              .at(root.entry("seeds")->mark)
                              .at(repeats->mark, "given here as well")
                              .about("seeds")
                              .with_help("keep one of them"));
  }
  if (!seeds->is_list() || seeds->items.empty()) {
    report_kind(*seeds, "seeds", "a list of integers", context.out);
    return std::nullopt;
  }
  for (size_t i = 0; i < seeds->items.size(); ++i) {
    Wanted wanted;
    wanted.path = fmt::format("seeds[{}]", i);
    wanted.lo = 0;
    if (const auto seed = read_int(seeds->items[i], wanted, context.out))
      out.seeds.push_back(*seed);
  }
  if (context.out.size() != before) return std::nullopt;
  return out;
}

void add_trials(const Trial& trial,
                const Cell& cell,
                const Repeats& repeats,
                int64_t repeat,
                int64_t fold,
                const Document& document,
                Context& context,
                Experiment& out) {
  Trial one = trial;
  one.cell = cell.values;
  one.repeat = repeat;
  one.seed = static_cast<uint64_t>(repeats.seed);
  if (!repeats.seeds.empty()) {
    one.seed = static_cast<uint64_t>(repeats.seeds[static_cast<size_t>(repeat)]);
    one.repeat = 0;
    one.cell.emplace_back("seed", fmt::format("{}", one.seed));
  }
  if (one.split.kind == SplitSpec::Kind::kFolds) {
    one.split.fold = fold;
    one.cell.emplace_back(kFold, fmt::format("{}", fold + 1));
  }
  describe_trial(one, cell.root, document.sources, context);
  out.trials.push_back(std::move(one));
}

// A trial each.
int64_t folds_of(const Trial& trial) {
  return trial.split.kind == SplitSpec::Kind::kFolds ? std::max<int64_t>(1, trial.split.folds) : 1;
}

class Parser {
 public:
  Parser(Document& document, Context& context, Experiment& out)
      : document_(document), context_(context), out_(out) {}

  void run() {
    check_version(document_.root, context_);
    // Keys of another version may mean something else.
    if (document_.root.find("assay") && !context_.out.empty() &&
        context_.out.back().code == "E0119")
      return;
    read_common(document_.root, document_.sources.front().name, out_, context_);
    const bool sweep = !swept_keys(document_.root).empty();
    if (sweep) check_base();
    const std::vector<Cell> cells = expand(document_, context_);
    const auto repeats = read_repeats(document_.root, context_);
    std::vector<std::optional<Trial>> trials;
    for (const Cell& cell : cells) trials.push_back(one_cell(cell, sweep));
    if (sweep) forget_idle();
    if (!repeats || has_errors(context_.out)) return;
    check_count(trials, *repeats);
    // Repeats outside: an interrupted sweep has something of every combination.
    const int64_t rounds =
        repeats->seeds.empty() ? repeats->count : static_cast<int64_t>(repeats->seeds.size());
    for (int64_t r = 0; r < rounds; ++r) {
      for (size_t i = 0; i < cells.size(); ++i) {
        if (!trials[i] || (r > 0 && trials[i]->deterministic)) continue;
        for (int64_t fold = 0; fold < folds_of(*trials[i]); ++fold)
          add_trials(*trials[i], cells[i], *repeats, r, fold, document_, context_, out_);
      }
    }
    read_select(document_.root, context_, out_);
  }

 private:
  // Values that every combination replaces are checked as well; nobody keeps a broken default.
  void check_base() {
    Node base = document_.root;
    const auto sweeping = [](const Entry& e) {
      return e.key == "matrix" || e.key == "cases" || e.key == "exclude";
    };
    base.entries.erase(std::remove_if(base.entries.begin(), base.entries.end(), sweeping),
                       base.entries.end());
    (void)read_trial(base, context_, swept_keys(document_.root));
  }

  std::optional<Trial> one_cell(const Cell& cell, bool sweep) {
    auto trial = read_trial(cell.root, context_);
    if (!trial) return std::nullopt;
    std::vector<Diagnostic> found;
    Context inner{context_.registry, context_.folder, context_.from_memory, found};
    check_combination(*trial, cell.root, inner);
    const auto misfit = std::find_if(found.begin(), found.end(), [](const Diagnostic& d) {
      return d.code.rfind("E02", 0) == 0;
    });
    if (misfit != found.end() && sweep && skip()) {
      const std::string why = misfit->labels.empty() || misfit->labels.front().text.empty()
                                  ? ""
                                  : "; it " + misfit->labels.front().text;
      out_.skipped.push_back({cell.values, misfit->message + why});
      return std::nullopt;
    }
    context_.out.insert(context_.out.end(), found.begin(), found.end());
    return trial;
  }

  // Other combinations may read what one does not.
  void forget_idle() {
    auto& out = context_.out;
    out.erase(std::remove_if(out.begin(), out.end(),
                             [](const Diagnostic& d) { return d.code == "W0111"; }),
              out.end());
  }

  bool skip() const {
    const Node* word = document_.root.find("on_incompatible");
    return word && word->text == "skip";
  }

  void check_count(const std::vector<std::optional<Trial>>& trials, const Repeats& repeats) {
    size_t count = 0;
    for (const auto& t : trials) count += t ? static_cast<size_t>(folds_of(*t)) : 0;
    const Mark start{0, 1, 1, 1};
    if (count == 0) {
      context_.out.push_back(
          Diagnostic("E0210", "every combination is incompatible, so there is nothing to run")
              .at(use_mark(document_.root, "on_incompatible"))
              .with_help("`on_incompatible: error` says why"));
    } else if (count * static_cast<size_t>(repeats.count) > kMaxTrials) {
      context_.out.push_back(
          Diagnostic("E0118", fmt::format("more than {} trials", kMaxTrials)).at(start));
    }
  }

  Document& document_;
  Context& context_;
  Experiment& out_;
};

}  // namespace

ParseResult parse(const std::string& file,
                  const std::string& text,
                  const Overrides& overrides,
                  const plugin::Registry& registry) {
  ParseResult result;
  result.document = std::make_shared<Document>();
  Document& document = *result.document;
  Context context{registry, folder_of(file), overrides.from_memory, result.diagnostics};
  Experiment experiment;
  experiment.file = file;
  experiment.text = text;
  if (read_document(file, text, overrides.values, overrides.grid, result.diagnostics, document)) {
    Parser(document, context, experiment).run();
  }
  sort_by_place(result.diagnostics);
  if (!has_errors(result.diagnostics)) result.experiment = std::move(experiment);
  return result;
}

ParseResult parse_file(const std::string& file,
                       const Overrides& overrides,
                       const plugin::Registry& registry) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text;
  // One byte more than is read tells parse() that the file is too large.
  text.resize(kMaxBytes + 1);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  if (!in.bad() && (in || in.eof()) && !(text.empty() && errno == EISDIR))
    return parse(file, text, overrides, registry);
  ParseResult result;
  result.document = std::make_shared<Document>();
  Diagnostic d("E0002", fmt::format("cannot read the spec `{}`: {}", file,
                                    errno ? std::strerror(errno) : "input error"));
  result.diagnostics.push_back(d.with_help("`assay init` writes a spec to start from"));
  return result;
}

}  // namespace assay::spec
