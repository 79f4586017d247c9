// SPDX-License-Identifier: Apache-2.0
// Reads plugin references; every option is checked against the plugin's own table, at the place it
// was written.
#include "core/spec/uses.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "core/base/number.hpp"
#include "core/spec/nearest.hpp"
#include "core/spec/values.hpp"

namespace assay::spec {
namespace {

using plugin::OptionValue;

std::string basename(const std::string& file) { return file.substr(file.find_last_of('/') + 1); }

bool asks_for(const Error& refused, const std::string& name) {
  return refused.code == "E0407" &&
         std::any_of(refused.help.begin(), refused.help.end(), [&](const std::string& help) {
           return help.find("`" + name + "`") != std::string::npos;
         });
}

void report_unknown(const Node& id,
                    const std::string& kind,
                    const std::string& path,
                    Context& context) {
  Diagnostic d("E0101", fmt::format("unknown {} `{}`", kind, id.text));
  d.at(id.mark, "no loaded plugin provides this id").about(path);
  std::vector<std::string> ids;
  for (const plugin::Descriptor* p : context.registry.all(kind)) ids.push_back(p->id);
  if (const std::string near = nearest(id.text, ids); !near.empty()) {
    d.help.push_back(fmt::format("{} with a similar name exists: `{}`", with_article(kind), near));
  }
  for (const plugin::Descriptor* p : context.registry.all()) {
    if (p->id == id.text)
      d.help.push_back(
          fmt::format("`{}` is {}, not {}", p->id, with_article(p->kind), with_article(kind)));
  }
  for (const Error& refused : context.registry.refused()) {
    const std::string name = fmt::format("{}-{}.so", kind, id.text);
    // By its file's name, or by the id inside, which its name ought to carry.
    if (basename(refused.file) == name || asks_for(refused, name)) {
      d.note.push_back(
          fmt::format("its module was refused: {} ({})", refused.message, refused.file));
    } else if (refused.code == "E0405" || refused.code == "E0415") {
      d.note.push_back(refused.message);  // a whole folder, which may hold it
    }
  }
  d.note.push_back(fmt::format(
      "{} {} loaded; `assay list {}` shows them, `assay doctor` shows where plugins are searched",
      ids.size(), ids.size() == 1 ? kind + " is" : plural(kind) + " are", plural(kind)));
  context.out.push_back(std::move(d));
}

Wanted wanted_of(const assay_option& option, const std::string& path) {
  Wanted w;
  w.path = path;
  w.lo = option.lo;
  w.hi = option.hi;
  w.lo_open = (option.flags & ASSAY_OPT_LO_OPEN) != 0;
  w.hi_open = (option.flags & ASSAY_OPT_HI_OPEN) != 0;
  if ((option.flags & ASSAY_OPT_REQUIRED) == 0) {
    w.standard = option.type == ASSAY_OPT_INT ? fmt::format("{:.0f}", option.def)
                                              : fmt::format("{}", option.def);
  }
  return w;
}

std::optional<OptionValue> read_list(const Node& node,
                                     const assay_option& option,
                                     const std::string& path,
                                     Context& context) {
  OptionValue value;
  if (!node.is_list()) {
    report_kind(node, path, "a list of numbers", context.out);
    if (node.is_scalar() && !node.quoted && parse_double(node.text))
      context.out.back().help.push_back(fmt::format("a list of one number: `[{}]`", node.text));
    return std::nullopt;
  }
  for (size_t i = 0; i < node.items.size(); ++i) {
    Wanted w = wanted_of(option, fmt::format("{}[{}]", path, i));
    w.standard.clear();
    const auto number = read_number(node.items[i], w, context.out);
    if (!number) return std::nullopt;
    value.list.push_back(*number);
  }
  return value;
}

std::optional<OptionValue> read_option_text(const Node& node,
                                            const assay_option& option,
                                            const std::string& path,
                                            Context& context) {
  OptionValue value;
  value.has_text = true;
  if (option.type == ASSAY_OPT_ENUM) {
    std::vector<std::string> words;
    for (const char* const* w = option.values; w && *w; ++w) words.emplace_back(*w);
    const auto word = read_word(node, path, words, context.out);
    if (!word) return std::nullopt;
    value.text = *word;
    return value;
  }
  const auto text = read_text(node, path, context.out);
  if (!text) return std::nullopt;
  value.text = option.type == ASSAY_OPT_PATH ? resolve(context.folder, *text) : *text;
  return value;
}

std::optional<OptionValue> read_option(const Node& node,
                                       const assay_option& option,
                                       const std::string& path,
                                       Context& context) {
  OptionValue value;
  switch (option.type) {
    case ASSAY_OPT_INT: {
      const auto number = read_int(node, wanted_of(option, path), context.out);
      if (!number) return std::nullopt;
      value.number = static_cast<double>(*number);
      break;
    }
    case ASSAY_OPT_FLOAT: {
      const auto number = read_number(node, wanted_of(option, path), context.out);
      if (!number) return std::nullopt;
      value.number = *number;
      break;
    }
    case ASSAY_OPT_BOOL: {
      const auto truth = read_bool(node, path, context.out);
      if (!truth) return std::nullopt;
      value.number = *truth ? 1 : 0;
      break;
    }
    case ASSAY_OPT_LIST: {
      const auto list = read_list(node, option, path, context);
      if (!list) return std::nullopt;
      value = *list;
      break;
    }
    default: {
      const auto text = read_option_text(node, option, path, context);
      if (!text) return std::nullopt;
      value = *text;
    }
  }
  value.type = option.type;
  value.given = true;
  return value;
}

const assay_option* option_named(const plugin::Descriptor& d, const std::string& name) {
  for (const assay_option* o = d.plugin->options; o && o->name; ++o) {
    if (name == o->name) return o;
  }
  return nullptr;
}

void report_unknown_option(const Entry& e,
                           const plugin::Descriptor& d,
                           const std::string& path,
                           Context& context) {
  const std::vector<std::string> names = option_names(d);
  Diagnostic out("E0110", fmt::format("{} `{}` has no option `{}`", d.kind, d.id, e.key));
  out.at(e.mark).about(path + "." + e.key);
  if (const std::string near = nearest(e.key, names); !near.empty()) {
    out.help.push_back(fmt::format("an option with a similar name exists: `{}`", near));
  } else if (names.empty()) {
    out.help.push_back(fmt::format("`{}` takes no options", d.id));
  } else {
    out.help.push_back(fmt::format("its options are {}; `assay explain {}` describes them",
                                   quoted_list(names), d.id));
  }
  context.out.push_back(std::move(out));
}

// The choices without which an option is not read, by its text: "a, b: ...". Empty where there are
// none, or where what stands before the colon is something else.
struct Readers {
  std::vector<std::string> words;  // "method: power", "variational: true"
  std::string instead;             // "method: lapack"
  bool in_force = false;
};

Readers readers_of(const plugin::Descriptor& d, const assay_option& option, const Use& use) {
  Readers out;
  const std::string doc = option.doc ? option.doc : "", list = doc.substr(0, doc.find(": "));
  if (list.size() == doc.size()) return out;
  for (size_t at = 0; at < list.size();) {
    const std::string word = list.substr(at, list.find(", ", at) - at);
    at += word.size() + 2;
    bool known = false;
    for (const assay_option* o = d.plugin->options; o->name && !known; ++o) {
      const plugin::OptionValue& value = use.options.values.at(o->name);
      if (o == &option) continue;
      if (o->type == ASSAY_OPT_BOOL && word == o->name) {
        known = true;
        out.in_force = out.in_force || value.number != 0;
        out.words.push_back(word + ": true");
        out.instead = word + ": false";
      }
      for (const char* const* v = o->type == ASSAY_OPT_ENUM ? o->values : nullptr; v && *v; ++v) {
        if (word != *v) continue;
        known = true;
        out.in_force = out.in_force || value.text == word || value.text == "auto";
        out.words.push_back(fmt::format("{}: {}", o->name, word));
        out.instead = fmt::format("{}: {}", o->name, value.text);
      }
    }
    if (!known) return {};
  }
  return out;
}

// Options that were given and that nothing reads.
void report_idle(const Node& node, const plugin::Descriptor& d, const Use& use, Context& context) {
  for (const Entry& e : node.entries) {
    const assay_option* option = option_named(d, e.key);
    if (!option || e.key == "use") continue;
    const Readers readers = readers_of(d, *option, use);
    if (readers.words.empty() || readers.in_force) continue;
    Diagnostic idle("W0111", fmt::format("the option `{}` of `{}` is not read with `{}`", e.key,
                                         d.id, readers.instead));
    idle.severity = Severity::kWarning;
    context.out.push_back(
        idle.at(e.mark)
            .about(use.key + "." + e.key)
            .with_help(fmt::format("leave it out; what reads it: {}", quoted_list(readers.words))));
  }
}

// Reads the options in `node` (a map) and fills in the rest. `where`: where to point when a
// required one is missing.
bool read_options(const Node* node,
                  const plugin::Descriptor& d,
                  const Mark& where,
                  const std::vector<std::string>& others,
                  Use& use,
                  Context& context) {
  bool ok = true;
  static const std::vector<Entry> kNone;
  for (const Entry& e : node ? node->entries : kNone) {
    const assay_option* option = option_named(d, e.key);
    const bool elsewhere = e.key == "use" || e.key.rfind("x-", 0) == 0 ||
                           std::find(others.begin(), others.end(), e.key) != others.end();
    if (option && e.key != "use") {
      const auto value = read_option(e.value, *option, use.key + "." + e.key, context);
      if (value) use.options.values[e.key] = *value;
      ok = ok && value.has_value();
    } else if (e.key == "label" && !elsewhere) {
      const auto label = read_text(e.value, use.key + ".label", context.out);
      if (label) use.label = *label;
    } else if (!elsewhere) {
      report_unknown_option(e, d, use.key, context);
      ok = false;
    }
  }
  for (const assay_option* o = d.plugin->options; o && o->name; ++o) {
    const bool missing = (o->flags & ASSAY_OPT_REQUIRED) != 0 && (!node || !node->find(o->name));
    if (!missing) continue;
    ok = false;
    context.out.push_back(
        Diagnostic("E0111", fmt::format("{} `{}` needs the option `{}`", d.kind, d.id, o->name))
            .at(where)
            .about(use.key)
            .with_help(fmt::format("`{}`: {}", o->name, o->doc ? o->doc : "")));
  }
  if (!ok) return false;
  auto complete = plugin::Options::complete(d.plugin->options, use.options, d.id);
  if (!complete) {
    Diagnostic wrong(complete.error().code.empty() ? "E0113" : complete.error().code,
                     complete.error().message);
    wrong.help = complete.error().help;
    context.out.push_back(wrong.at(where).about(use.key));
    return false;
  }
  use.options = std::move(*complete);
  if (node) report_idle(*node, d, use, context);
  return true;
}

// Whether a value in force has a flag of ASSAY_OPT_DRAWS or ASSAY_OPT_SETTLES.
bool any_value(const plugin::Descriptor& d, const Use& use, uint32_t (*flag)(uint32_t)) {
  for (const assay_option* o = d.plugin->options; o && o->name; ++o) {
    const auto found = use.options.values.find(o->name);
    if (found == use.options.values.end()) continue;
    uint32_t at = found->second.number != 0 ? 1 : 0;
    if (o->type == ASSAY_OPT_ENUM)
      for (at = 0; o->values[at] && found->second.text != o->values[at];) ++at;
    const bool choice = o->type == ASSAY_OPT_ENUM || o->type == ASSAY_OPT_BOOL;
    if (choice && at < 12 && (o->flags & flag(at)) != 0) return true;
  }
  return false;
}

}  // namespace

bool settles(const plugin::Descriptor& d, const Use& use) {
  return any_value(d, use, [](uint32_t value) { return ASSAY_OPT_SETTLES(value); });
}

bool draws_numbers(const plugin::Descriptor& d, const Use& use) {
  const bool fixed = (d.plugin->flags & ASSAY_PLUGIN_DETERMINISTIC) != 0 || settles(d, use);
  return !fixed || any_value(d, use, [](uint32_t value) { return ASSAY_OPT_DRAWS(value); });
}

std::string plural(const std::string& kind) {
  if (kind == "penalty" || kind == "density") return kind.substr(0, kind.size() - 1) + "ies";
  return kind + (kind == "loss" ? "es" : "s");
}

std::string with_article(const std::string& noun) {
  const bool vowel = !noun.empty() && std::string("aeiou").find(noun[0]) != std::string::npos;
  return (vowel ? "an " : "a ") + noun;
}

std::string resolve(const std::string& folder, const std::string& path) {
  if (path.empty() || path[0] == '/' || folder.empty()) return path;
  return folder + "/" + path;
}

const plugin::Descriptor* find_plugin(const Node& id,
                                      const std::string& kind,
                                      const std::string& path,
                                      Context& context) {
  if (!id.is_scalar() || id.text.empty()) {
    report_kind(id, path, fmt::format("the id of {}", with_article(kind)), context.out);
    return nullptr;
  }
  const plugin::Descriptor* d = context.registry.find(kind, id.text);
  if (!d) report_unknown(id, kind, path, context);
  return d;
}

const plugin::Descriptor* standard_plugin(const plugin::Registry& registry,
                                          const std::string& kind) {
  for (const plugin::Descriptor* d : registry.all(kind)) {
    if ((d->plugin->flags & ASSAY_PLUGIN_DEFAULT) != 0) return d;
  }
  return nullptr;
}

std::optional<Use> read_use(const Node& node,
                            const std::string& kind,
                            const std::string& path,
                            Context& context,
                            const std::vector<std::string>& others) {
  const Node* id = node.is_map() ? node.find("use") : &node;
  if (!id) {
    context.out.push_back(
        Diagnostic("E0104", fmt::format("`{}` names no plugin", path))
            .at(node.mark)
            .about(path)
            .with_help(
                fmt::format("`use: id` says which; `assay list {}` shows them", plural(kind))));
    return std::nullopt;
  }
  const plugin::Descriptor* d = find_plugin(*id, kind, path, context);
  if (!d) return std::nullopt;
  Use use;
  use.id = d->id;
  use.key = path;
  if (!read_options(node.is_map() ? &node : nullptr, *d, id->mark, others, use, context))
    return std::nullopt;
  return use;
}

std::vector<Use> read_uses(const Node& node,
                           const std::string& kind,
                           const std::string& path,
                           Context& context) {
  std::vector<Use> out;
  if (!node.is_list()) {
    report_kind(node, path, fmt::format("a list of {}", plural(kind)), context.out);
    return out;
  }
  for (size_t i = 0; i < node.items.size(); ++i) {
    if (auto use = read_use(node.items[i], kind, fmt::format("{}[{}]", path, i), context))
      out.push_back(std::move(*use));
  }
  return out;
}

std::optional<Use> standard_use(const plugin::Descriptor& d,
                                const std::string& path,
                                const Node& root,
                                Context& context) {
  Use use;
  use.id = d.id;
  use.key = path;
  if (!read_options(nullptr, d, root.mark, {}, use, context)) return std::nullopt;
  return use;
}

std::vector<std::string> option_names(const plugin::Descriptor& d) {
  std::vector<std::string> names;
  for (const assay_option* o = d.plugin->options; o && o->name; ++o) names.emplace_back(o->name);
  return names;
}

Mark use_mark(const Node& root, const std::string& path) {
  const Node* node = find_path(root, path);
  if (!node) return {};
  const Node* use = node->is_map() ? node->find("use") : nullptr;
  return use ? use->mark : node->mark;
}

}  // namespace assay::spec
