// SPDX-License-Identifier: Apache-2.0
// Reading scalars strictly: 1e-3 is a number, 010 is not, true and false only, quotes make a text.
#include "core/spec/values.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/base/number.hpp"
#include "core/spec/nearest.hpp"

namespace assay::spec {
namespace {

// "the text `5OO`", "a list", "nothing".
std::string found_text(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
    case Node::Kind::kScalar:
      break;
  }
  const bool number = !node.quoted && parse_double(node.text);
  const bool truth = !node.quoted && (node.text == "true" || node.text == "false");
  constexpr size_t kLongest = 60;
  const std::string text =
      node.text.size() > kLongest ? node.text.substr(0, kLongest) + "..." : node.text;
  return fmt::format("{} `{}`",
                     number  ? "the number"
                     : truth ? "the truth value"
                             : "the text",
                     text);
}

bool digits(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// 010, -007: a number to some readers and another one to others.
bool has_leading_zero(const Node& node) {
  const std::string body = !node.text.empty() && (node.text[0] == '-' || node.text[0] == '+')
                               ? node.text.substr(1)
                               : node.text;
  return !node.quoted && body.size() > 1 && body[0] == '0' && digits(body);
}

// What is probably wrong with a text that was meant as a number.
std::string slip(const Node& node) {
  if (node.quoted) return "in quotes, so a text";
  std::string fixed = node.text;
  for (const auto& [wrong, right, text] :
       {std::tuple('O', '0', "letter O, not the digit 0"),
        std::tuple('o', '0', "letter o, not the digit 0"),
        std::tuple('l', '1', "letter l, not the digit 1"),
        std::tuple(',', '.', "a comma, where the decimal sign is a point"),
        std::tuple('_', '0', "digits are not grouped")}) {
    std::string candidate = fixed;
    std::replace(candidate.begin(), candidate.end(), wrong, right);
    if (candidate != fixed && parse_double(candidate)) return text;
  }
  if (fixed.rfind("0x", 0) == 0) return "numbers are decimal";
  return "";
}

std::string expected_number(const char* what, const Wanted& wanted) {
  std::string out = what;
  if (const std::string range = range_text(wanted); !range.empty()) out += ", " + range;
  if (!wanted.standard.empty()) out += fmt::format(" (default {})", wanted.standard);
  return out;
}

void report_leading_zero(const Node& node, const Wanted& wanted, std::vector<Diagnostic>& out) {
  const size_t sign = node.text.find_first_of("+-") == 0 ? 1 : 0;
  const size_t first = std::min(node.text.find_first_not_of('0', sign), node.text.size() - 1);
  out.push_back(Diagnostic("E0115", fmt::format("`{}` is `{}`, a number with a leading zero",
                                                wanted.path, node.text))
                    .at(node.mark, "octal to some readers, decimal to others")
                    .about(wanted.path)
                    .with_help(fmt::format("write `{}{}`", node.text.substr(0, sign),
                                           node.text.substr(first))));
}

bool in_range(double value, const Wanted& w) {
  const bool above = w.lo_open ? value > w.lo : value >= w.lo;
  const bool below = w.hi_open ? value < w.hi : value <= w.hi;
  return above && below;
}

bool check_range(const Node& node,
                 double value,
                 const char* what,
                 const Wanted& wanted,
                 std::vector<Diagnostic>& out) {
  if (in_range(value, wanted)) return true;
  out.push_back(Diagnostic("E0113", fmt::format("`{}` is `{}`, which is out of range", wanted.path,
                                                node.text))
                    .at(node.mark)
                    .about(wanted.path)
                    .with_expected(expected_number(what, wanted)));
  return false;
}

std::optional<double> number_of(const Node& node,
                                const char* what,
                                const Wanted& wanted,
                                std::vector<Diagnostic>& out) {
  if (has_leading_zero(node)) {
    report_leading_zero(node, wanted, out);
    return std::nullopt;
  }
  const auto value = node.is_scalar() && !node.quoted ? parse_double(node.text) : std::nullopt;
  if (value && std::isfinite(*value)) return value;
  out.push_back(
      Diagnostic("E0112", fmt::format("`{}` must be {} {}, found {}", wanted.path,
                                      what[0] == 'i' ? "an" : "a", what, found_text(node)))
          .at(node.mark, node.is_scalar() ? slip(node) : "")
          .about(wanted.path)
          .with_expected(expected_number(what, wanted)));
  return std::nullopt;
}

}  // namespace

std::string range_text(const Wanted& w) {
  const auto end = [](bool open, const char* open_word, const char* closed_word, double v) {
    return fmt::format("{} {}", open ? open_word : closed_word, format_shortest(v));
  };
  constexpr double kUnbounded = 9007199254740992.0;
  const bool low = w.lo > -kUnbounded, high = w.hi < kUnbounded;
  if (low && high && w.lo == w.hi) return format_shortest(w.lo);
  if (low && high && !w.lo_open && !w.hi_open)
    return fmt::format("between {} and {}", format_shortest(w.lo), format_shortest(w.hi));
  std::string out;
  if (low) out = end(w.lo_open, "above", "at least", w.lo);
  if (high) out += (out.empty() ? "" : " and ") + end(w.hi_open, "below", "at most", w.hi);
  return out;
}

std::optional<int64_t> read_int(const Node& node,
                                const Wanted& wanted,
                                std::vector<Diagnostic>& out) {
  const auto value = number_of(node, "integer", wanted, out);
  if (!value) return std::nullopt;
  constexpr double kExact = 9007199254740992.0;
  if (*value != std::floor(*value)) {
    out.push_back(Diagnostic("E0112", fmt::format("`{}` must be an integer, found the number `{}`",
                                                  wanted.path, node.text))
                      .at(node.mark)
                      .about(wanted.path)
                      .with_expected(expected_number("integer", wanted)));
    return std::nullopt;
  }
  Wanted exact = wanted;
  exact.lo = std::max(exact.lo, -kExact);
  exact.hi = std::min(exact.hi, kExact);
  if (!check_range(node, *value, "integer", exact, out)) return std::nullopt;
  return static_cast<int64_t>(*value);
}

std::optional<double> read_number(const Node& node,
                                  const Wanted& wanted,
                                  std::vector<Diagnostic>& out) {
  const auto value = number_of(node, "number", wanted, out);
  if (!value || !check_range(node, *value, "number", wanted, out)) return std::nullopt;
  return value;
}

std::optional<bool> read_bool(const Node& node,
                              const std::string& path,
                              std::vector<Diagnostic>& out) {
  if (node.is_scalar() && !node.quoted && (node.text == "true" || node.text == "false"))
    return node.text == "true";
  out.push_back(Diagnostic("E0112", fmt::format("`{}` must be true or false, found {}", path,
                                                found_text(node)))
                    .at(node.mark)
                    .about(path)
                    .with_expected("`true` or `false`"));
  return std::nullopt;
}

std::optional<std::string> read_text(const Node& node,
                                     const std::string& path,
                                     std::vector<Diagnostic>& out) {
  if (node.is_scalar() && !node.text.empty()) return node.text;
  if (node.is_scalar()) {
    out.push_back(
        Diagnostic("E0112", fmt::format("`{}` is an empty text", path)).at(node.mark).about(path));
  } else {
    report_kind(node, path, "a text", out);
  }
  return std::nullopt;
}

std::optional<std::string> read_word(const Node& node,
                                     const std::string& path,
                                     const std::vector<std::string>& words,
                                     std::vector<Diagnostic>& out) {
  if (node.is_scalar() && std::find(words.begin(), words.end(), node.text) != words.end())
    return node.text;
  Diagnostic d("E0114", fmt::format("`{}` cannot be {}", path, found_text(node)));
  d.at(node.mark).about(path).with_expected("one of " + quoted_list(words));
  if (const std::string near = nearest(node.text, words); !near.empty())
    d.help.push_back(fmt::format("a word with a similar spelling exists: `{}`", near));
  out.push_back(std::move(d));
  return std::nullopt;
}

std::optional<std::vector<std::string>> read_texts(const Node& node,
                                                   const std::string& path,
                                                   std::vector<Diagnostic>& out) {
  std::vector<std::string> texts;
  if (!node.is_list()) {
    const auto one = read_text(node, path, out);
    return one ? std::optional(std::vector{*one}) : std::nullopt;
  }
  for (size_t i = 0; i < node.items.size(); ++i) {
    const auto text = read_text(node.items[i], fmt::format("{}[{}]", path, i), out);
    if (!text) return std::nullopt;
    texts.push_back(*text);
  }
  return texts;
}

bool is_none(const Node& node) { return node.is_scalar() && !node.quoted && node.text == "none"; }

void report_kind(const Node& node,
                 const std::string& path,
                 const std::string& expected,
                 std::vector<Diagnostic>& out) {
  Diagnostic d("E0112", fmt::format("`{}` must be {}, found {}", path, expected, found_text(node)));
  d.at(node.mark).about(path);
  if (node.is_null()) d.help.push_back("give a value, or delete the key to take the default");
  out.push_back(std::move(d));
}

void check_keys(const Node& map,
                const std::string& path,
                const std::vector<std::string>& known,
                std::vector<Diagnostic>& out) {
  for (const Entry& e : map.entries) {
    const bool fine =
        e.key.rfind("x-", 0) == 0 || std::find(known.begin(), known.end(), e.key) != known.end();
    if (fine) continue;
    const std::string full = path.empty() ? e.key : path + "." + e.key;
    Diagnostic d("E0102", fmt::format("unknown key `{}`", full));
    d = std::move(d)
            .at(e.mark, path.empty() ? "no key of a spec" : fmt::format("no key of `{}`", path))
            .about(full);
    if (const std::string near = nearest(e.key, known); !near.empty()) {
      d.help.push_back(fmt::format("a key with a similar name exists: `{}`", near));
    } else {
      d.help.push_back(fmt::format("keys here are {}", quoted_list(known, 30)));
    }
    out.push_back(std::move(d));
  }
}

}  // namespace assay::spec
