// SPDX-License-Identifier: Apache-2.0
// Expands a sweep. Excluded combinations are left out; an entry of `exclude` that leaves nothing
// out is warned of.
#include "core/spec/expand.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "core/spec/keys.hpp"
#include "core/spec/nearest.hpp"
#include "core/spec/values.hpp"

namespace assay::spec {
namespace {

struct Choice {
  std::string key;
  Mark mark;
  const Node* value = nullptr;
};
using Choices = std::vector<Choice>;

// Keys a sweep may vary: what a trial is made of, not how and where it is run.
bool can_vary(const std::string& key) {
  static const std::vector<std::string> kFixed = {
      "assay",   "name",    "about",      "matrix",  "cases",
      "exclude", "repeats", "seeds",      "threads", "on_incompatible",
      "keep",    "select",  "checkpoint", "runtime", "writers"};
  const std::string top = key.substr(0, key.find('.'));
  return std::find(kFixed.begin(), kFixed.end(), top) == kFixed.end();
}

bool check_key(const Entry& e, const std::string& where, Context& context) {
  const std::vector<Step> steps = split_path(e.key);
  std::vector<std::string> tops = names_below("");
  Diagnostic d("E0102", fmt::format("unknown key `{}`", e.key));
  d.at(e.mark).about(where);
  if (steps.empty() || std::find(tops.begin(), tops.end(), steps.front().key) == tops.end()) {
    std::vector<std::string> paths;
    for (const Key& key : keys()) paths.emplace_back(key.path);
    if (const std::string near = nearest(e.key, paths); !near.empty())
      d.help.push_back(fmt::format("a key with a similar name exists: `{}`", near));
    d.note.push_back("keys of a sweep are whole dotted paths, such as `model.rank`");
    context.out.push_back(std::move(d));
    return false;
  }
  if (can_vary(e.key)) return true;
  context.out.push_back(
      Diagnostic("E0118", fmt::format("`{}` cannot vary within an experiment", e.key))
          .at(e.mark)
          .about(where));
  return false;
}

// "mu", "8", or the label: what tables call a value.
std::string name_of(const Node& value) {
  if (!value.is_map()) return compact(value);
  const Node* label = value.find("label");
  if (label && label->is_scalar()) return label->text;
  const Node* use = value.find("use");
  if (!use || !use->is_scalar()) return compact(value);
  std::string options;
  for (const Entry& e : value.entries) {
    if (e.key != "use")
      options += fmt::format("{}{}={}", options.empty() ? "" : ", ", e.key, compact(e.value));
  }
  return options.empty() ? use->text : fmt::format("{}({})", use->text, options);
}

class Expander {
 public:
  Expander(const Document& document, Context& context) : document_(document), context_(context) {}

  std::vector<Cell> run() {
    std::vector<Choices> combinations;
    const Node* matrix = document_.root.find("matrix");
    const Node* cases = document_.root.find("cases");
    if (matrix && !product(*matrix, combinations)) return {};
    if (cases && !listed(*cases, combinations)) return {};
    if (!matrix && !cases) combinations.emplace_back();
    if (const Node* exclude = document_.root.find("exclude");
        exclude && !remove(*exclude, combinations))
      return {};
    if (combinations.empty()) {
      const Entry* at = document_.root.entry(matrix ? "matrix" : "cases");
      context_.out.push_back(
          Diagnostic("E0118", "nothing is left to run: every combination is excluded")
              .at(at->mark)
              .about("exclude"));
    }
    std::vector<Cell> cells;
    for (const Choices& choices : combinations) cells.push_back(cell(choices));
    return faulty_ ? std::vector<Cell>{} : cells;
  }

 private:
  bool fail(Diagnostic d, const Mark& mark, const std::string& path) {
    context_.out.push_back(d.at(mark).about(path));
    return false;
  }

  bool product(const Node& matrix, std::vector<Choices>& out) {
    if (!matrix.is_map()) {
      report_kind(matrix, "matrix", "a map of keys to lists of values", context_.out);
      return false;
    }
    out.assign(1, {});
    bool ok = true;
    for (const Entry& e : matrix.entries) {
      if (e.key.rfind("x-", 0) == 0) continue;
      if (!check_key(e, "matrix", context_)) {
        ok = false;
      } else if (!e.value.is_list()) {
        report_kind(e.value, fmt::format("matrix.{}", e.key), "a list of values to try",
                    context_.out);
        ok = false;
      } else if (e.value.items.empty()) {
        ok = fail(Diagnostic("E0118", fmt::format("`matrix` has no values for `{}`", e.key)),
                  e.value.mark, "matrix");
      } else if (out.size() * e.value.items.size() > kMaxTrials) {
        return fail(Diagnostic("E0118", fmt::format("more than {} combinations", kMaxTrials)),
                    e.mark, "matrix");
      } else {
        multiply(e, out);
      }
    }
    return ok;
  }

  static void multiply(const Entry& axis, std::vector<Choices>& out) {
    std::vector<Choices> more;
    more.reserve(out.size() * axis.value.items.size());
    for (const Choices& choices : out) {
      for (const Node& value : axis.value.items) {
        more.push_back(choices);
        more.back().push_back({axis.key, axis.mark, &value});
      }
    }
    out = std::move(more);
  }

  bool listed(const Node& cases, std::vector<Choices>& out) {
    if (!cases.is_list()) {
      report_kind(cases, "cases", "a list of maps", context_.out);
      return false;
    }
    bool ok = true;
    for (size_t i = 0; i < cases.items.size(); ++i) {
      const Node& one = cases.items[i];
      const std::string path = fmt::format("cases[{}]", i);
      if (!one.is_map() || one.entries.empty()) {
        report_kind(one, path, "a map of keys to values", context_.out);
        ok = false;
        continue;
      }
      Choices choices;
      for (const Entry& e : one.entries) {
        ok = check_key(e, path, context_) && ok;
        choices.push_back({e.key, e.mark, &e.value});
      }
      out.push_back(std::move(choices));
    }
    return ok;
  }

  static bool matches(const Entry& wanted, const Choices& choices) {
    return std::any_of(choices.begin(), choices.end(), [&](const Choice& c) {
      if (c.key != wanted.key) return false;
      const Node* use = c.value->is_map() ? c.value->find("use") : nullptr;
      const bool by_name = wanted.value.is_scalar() && ((use && use->text == wanted.value.text) ||
                                                        name_of(*c.value) == wanted.value.text);
      return by_name || same_value(*c.value, wanted.value);
    });
  }

  bool remove(const Node& exclude, std::vector<Choices>& combinations) {
    if (!exclude.is_list()) {
      report_kind(exclude, "exclude", "a list of maps", context_.out);
      return false;
    }
    const std::vector<std::string> swept = swept_keys(document_.root);
    bool ok = true;
    for (size_t i = 0; i < exclude.items.size(); ++i) {
      const Node& one = exclude.items[i];
      const std::string path = fmt::format("exclude[{}]", i);
      if (!one.is_map() || one.entries.empty()) {
        report_kind(one, path, "a map of keys to values", context_.out);
        ok = false;
        continue;
      }
      bool known = true;
      for (const Entry& e : one.entries) known = check_swept(e, swept, path) && known;
      ok = ok && known;
      const size_t before = combinations.size();
      const auto gone = [&](const Choices& choices) {
        return std::all_of(one.entries.begin(), one.entries.end(),
                           [&](const Entry& e) { return matches(e, choices); });
      };
      combinations.erase(std::remove_if(combinations.begin(), combinations.end(), gone),
                         combinations.end());
      if (known && combinations.size() == before) warn_idle(one, path);
    }
    return ok;
  }

  bool check_swept(const Entry& e, const std::vector<std::string>& swept, const std::string& path) {
    if (std::find(swept.begin(), swept.end(), e.key) != swept.end()) return true;
    Diagnostic d("E0118",
                 fmt::format("`{}` does not vary, so nothing can be excluded by it", e.key));
    if (const std::string near = nearest(e.key, swept); !near.empty()) {
      d.help.push_back(fmt::format("a swept key with a similar name exists: `{}`", near));
    } else if (!swept.empty()) {
      d.help.push_back(fmt::format("the swept keys are {}", quoted_list(swept)));
    }
    return fail(std::move(d), e.mark, path);
  }

  void warn_idle(const Node& one, const std::string& path) {
    Diagnostic d("W0118", "this exclusion leaves nothing out");
    d.severity = Severity::kWarning;
    context_.out.push_back(
        d.at(one.mark).about(path).with_help("compare its values with those in `matrix`"));
  }

  Cell cell(const Choices& choices) {
    Cell out;
    out.root = document_.root;
    for (const char* key : {"matrix", "cases", "exclude"}) {
      auto& entries = out.root.entries;
      entries.erase(std::remove_if(entries.begin(), entries.end(),
                                   [&](const Entry& e) { return e.key == key; }),
                    entries.end());
    }
    for (const Choice& c : choices) {
      if (!set_path(out.root, c.key, *c.value, c.mark)) {
        faulty_ = true;
        fail(Diagnostic("E0102", fmt::format("there is no key `{}`", c.key)), c.mark, c.key);
      }
      out.values.emplace_back(c.key, name_of(*c.value));
    }
    return out;
  }

  const Document& document_;
  Context& context_;
  bool faulty_ = false;
};

}  // namespace

std::vector<std::string> swept_keys(const Node& root) {
  std::vector<std::string> out;
  const auto add = [&](const Node& map) {
    for (const Entry& e : map.entries) {
      if (std::find(out.begin(), out.end(), e.key) == out.end()) out.push_back(e.key);
    }
  };
  if (const Node* matrix = root.find("matrix"); matrix && matrix->is_map()) add(*matrix);
  if (const Node* cases = root.find("cases"); cases && cases->is_list()) {
    for (const Node& one : cases->items) {
      if (one.is_map()) add(one);
    }
  }
  return out;
}

std::vector<Cell> expand(const Document& document, Context& context) {
  return Expander(document, context).run();
}

}  // namespace assay::spec
