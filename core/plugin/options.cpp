// SPDX-License-Identifier: Apache-2.0
// Checks given options against a plugin's table and fills in the defaults.
#include "core/plugin/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>

namespace assay::plugin {

namespace {

// Edits (insert, delete, replace, swap of neighbours) from a to b.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> t(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        t[i][j] = i + j;
        continue;
      }
      t[i][j] = std::min(
          {t[i - 1][j] + 1, t[i][j - 1] + 1, t[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        t[i][j] = std::min(t[i][j], t[i - 2][j - 2] + 1);
    }
  }
  return t[a.size()][b.size()];
}

std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& w : words) out += (out.empty() ? "`" : ", `") + w + "`";
  return out;
}

const assay_option* find(const assay_option* table, const std::string& name) {
  for (const assay_option* o = table; o && o->name; ++o)
    if (name == o->name) return o;
  return nullptr;
}

std::string words_of(const assay_option& o) {
  switch (o.type) {
    case ASSAY_OPT_INT:
      return "an integer";
    case ASSAY_OPT_FLOAT:
      return "a number";
    case ASSAY_OPT_BOOL:
      return "`true` or `false`";
    case ASSAY_OPT_LIST:
      return "a list of numbers";
    case ASSAY_OPT_PATH:
      return "a path";
    default:
      return "a text";
  }
}

std::string words_of(const OptionValue& v) {
  switch (v.type) {
    case ASSAY_OPT_INT:
    case ASSAY_OPT_FLOAT:
      return fmt::format("the number {}", v.number);
    case ASSAY_OPT_BOOL:
      return v.number != 0 ? "`true`" : "`false`";
    case ASSAY_OPT_LIST:
      return fmt::format("a list of {}", v.list.size());
    default:
      return fmt::format("the text `{}`", v.text);
  }
}

// "> 0", ">= 1 and <= 8", "any".
std::string range_of(const assay_option& o) {
  std::string out;
  if (std::isfinite(o.lo))
    out = fmt::format("{} {}", o.flags & ASSAY_OPT_LO_OPEN ? ">" : ">=", o.lo);
  if (std::isfinite(o.hi))
    out += fmt::format("{}{} {}", out.empty() ? "" : " and ",
                       o.flags & ASSAY_OPT_HI_OPEN ? "<" : "<=", o.hi);
  return out;
}

bool in_range(const assay_option& o, double v) {
  const bool above = o.flags & ASSAY_OPT_LO_OPEN ? v > o.lo : v >= o.lo;
  const bool below = o.flags & ASSAY_OPT_HI_OPEN ? v < o.hi : v <= o.hi;
  return above && below && std::isfinite(v);
}

Error unknown(const assay_option* table, const std::string& name, const std::string& plugin_id) {
  std::vector<std::string> known;
  for (const assay_option* o = table; o && o->name; ++o) known.emplace_back(o->name);
  Error e(ASSAY_E_SPEC, "E0110", fmt::format("`{}` has no option `{}`", plugin_id, name));
  e.at(name);
  const std::string near = nearest(name, known);
  if (!near.empty()) e.help.push_back(fmt::format("did you mean `{}`?", near));
  e.note.push_back(known.empty() ? fmt::format("`{}` takes no options", plugin_id)
                                 : fmt::format("options of `{}`: {}", plugin_id, listed(known)));
  return e;
}

Error wrong_type(const assay_option& o, const OptionValue& v, const std::string& plugin_id) {
  return Error(ASSAY_E_SPEC, "E0112",
               fmt::format("option `{}` of `{}` must be {}", o.name, plugin_id, words_of(o)))
      .at(o.name)
      .with_expected(words_of(o))
      .with_found(words_of(v));
}

Error out_of_range(const assay_option& o, double v, const std::string& plugin_id) {
  const std::string range = range_of(o);
  return Error(ASSAY_E_SPEC, "E0113",
               fmt::format("option `{}` of `{}` must be {}", o.name, plugin_id,
                           range.empty() ? "finite" : range))
      .at(o.name)
      .with_expected(range.empty() ? "a finite number" : "a number " + range)
      .with_found(fmt::format("{}", v));
}

bool is_number(const OptionValue& v) {
  return v.type == ASSAY_OPT_INT || v.type == ASSAY_OPT_FLOAT;
}

bool is_text(const OptionValue& v) {
  return v.type == ASSAY_OPT_STRING || v.type == ASSAY_OPT_ENUM || v.type == ASSAY_OPT_PATH;
}

// Checks one given value and gives it the type of its option.
Expected<void> check(const assay_option& o, OptionValue& v, const std::string& plugin_id) {
  switch (o.type) {
    case ASSAY_OPT_INT:
      if (!is_number(v) || v.number != std::floor(v.number)) return wrong_type(o, v, plugin_id);
      if (!in_range(o, v.number)) return out_of_range(o, v.number, plugin_id);
      break;
    case ASSAY_OPT_FLOAT:
      if (!is_number(v)) return wrong_type(o, v, plugin_id);
      if (!in_range(o, v.number)) return out_of_range(o, v.number, plugin_id);
      break;
    case ASSAY_OPT_BOOL:
      if (v.type != ASSAY_OPT_BOOL) return wrong_type(o, v, plugin_id);
      break;
    case ASSAY_OPT_LIST:
      if (v.type != ASSAY_OPT_LIST) return wrong_type(o, v, plugin_id);
      for (const double entry : v.list)
        if (!in_range(o, entry)) return out_of_range(o, entry, plugin_id);
      break;
    case ASSAY_OPT_ENUM: {
      if (!is_text(v)) return wrong_type(o, v, plugin_id);
      std::vector<std::string> words;
      for (const char* const* w = o.values; w && *w; ++w) words.emplace_back(*w);
      if (std::find(words.begin(), words.end(), v.text) == words.end()) {
        Error e(ASSAY_E_SPEC, "E0114",
                fmt::format("option `{}` of `{}` cannot be `{}`", o.name, plugin_id, v.text));
        e.at(o.name);
        e.expected.push_back(listed(words));
        const std::string near = nearest(v.text, words);
        if (!near.empty()) e.help.push_back(fmt::format("did you mean `{}`?", near));
        return e;
      }
      break;
    }
    default:
      if (!is_text(v)) return wrong_type(o, v, plugin_id);
  }
  v.type = o.type;
  v.has_text = v.has_text || is_text(v);
  return {};
}

OptionValue default_of(const assay_option& o) {
  OptionValue v;
  v.type = o.type;
  v.number = o.def;
  v.has_text = is_text(v) && o.def_text != nullptr;
  if (v.has_text) v.text = o.def_text;
  return v;
}

bool is_default(const assay_option& o, const OptionValue& v) {
  const OptionValue d = default_of(o);
  const bool same_number = v.number == d.number || (std::isnan(v.number) && std::isnan(d.number));
  return v.type == d.type && same_number && v.has_text == d.has_text && v.text == d.text &&
         v.list.empty();
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  size_t least = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& k : known) {
    const size_t edits = distance(word, k);
    if (edits < least) {
      least = edits;
      best = k;
    }
  }
  return best;
}

Expected<Options> Options::complete(const assay_option* table,
                                    Options given,
                                    const std::string& plugin_id) {
  for (auto& [name, value] : given.values) {
    const assay_option* o = find(table, name);
    if (o == nullptr) return unknown(table, name, plugin_id);
    if (!value.given && is_default(*o, value)) continue;  // of an earlier call
    value.given = true;
    ASSAY_TRY(check(*o, value, plugin_id));
  }
  for (const assay_option* o = table; o && o->name; ++o) {
    if (given.values.count(o->name) != 0) continue;
    if (o->flags & ASSAY_OPT_REQUIRED)
      return Error(ASSAY_E_SPEC, "E0111", fmt::format("`{}` needs option `{}`", plugin_id, o->name))
          .at(o->name)
          .with_expected(words_of(*o))
          .with_help(fmt::format("write `{{ use: {}, {}: ... }}`: {}", plugin_id, o->name,
                                 o->doc ? o->doc : ""));
    given.values.emplace(o->name, default_of(*o));
  }
  return given;
}

}  // namespace assay::plugin
