// SPDX-License-Identifier: Apache-2.0
// Draws a Diagnostic: source lines under their numbers, carets and dashes, then what was expected,
// found and helps.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/spec/diagnostic.hpp"

namespace assay::spec {
namespace {

// Characters of UTF-8 text: bytes that do not continue one.
size_t characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  }));
}

// Columns count bytes inside and characters outside.
size_t character_column(const std::string& line, int byte_column) {
  const auto bytes = static_cast<size_t>(std::max(byte_column - 1, 0));
  return characters(std::string_view(line).substr(0, std::min(bytes, line.size())));
}

size_t character_length(const std::string& line, const Mark& mark) {
  const auto first = static_cast<size_t>(std::max(mark.col - 1, 0));
  if (first >= line.size()) return 1;
  const auto length = static_cast<size_t>(std::max(mark.length, 1));
  return std::max<size_t>(characters(std::string_view(line).substr(first, length)), 1);
}

struct Paint {
  bool on = false;
  std::string operator()(const char* code, const std::string& text) const {
    return on && !text.empty() ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
  }
  std::string bold(const std::string& text) const { return (*this)("1", text); }
  std::string blue(const std::string& text) const { return (*this)("1;34", text); }
  std::string alert(Severity severity, const std::string& text) const {
    return (*this)(severity == Severity::kError ? "1;31" : "1;33", text);
  }
};

// Bytes of the UTF-8 character at text[i], or 0 when there is none.
size_t character_bytes(std::string_view text, size_t i) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[k]); };
  const size_t length = byte(i) < 0x80u    ? 1
                        : byte(i) >= 0xF0u ? 4
                        : byte(i) >= 0xE0u ? 3
                        : byte(i) >= 0xC2u ? 2
                                           : 0;
  if (length == 0 || byte(i) > 0xF4u || i + length > text.size()) return 0;
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xC0u) != 0x80u) return 0;
  }
  return length;
}

// Text as shown: tabs and control characters are blanks and broken bytes question marks, so that no
// data file can write to somebody's terminal.
std::string printable(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t length = character_bytes(text, i);
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool control = byte < 0x20u || byte == 0x7fu;
    out += length == 0 ? "?" : control ? " " : text.substr(i, length);
    i += std::max<size_t>(length, 1);
  }
  return out;
}

class Frame {
 public:
  Frame(const Diagnostic& d, const std::vector<Source>& sources, const Paint& paint)
      : d_(d), sources_(sources), paint_(paint) {
    int last = 0;
    for (const Label& label : d.labels) last = std::max(last, label.mark.line);
    width_ = std::max<size_t>(fmt::format("{}", last).size(), 2);
  }

  std::string draw() const {
    std::string out = paint_.alert(d_.severity, fmt::format("{}[{}]", name(), d_.code)) +
                      paint_.bold(": " + printable(d_.message)) + "\n";
    if (has_place()) {
      out += std::string(width_, ' ') + paint_.blue("--> ") + printable(place()) + "\n";
      if (d_.framed) out += lines();
    } else if (!d_.file.empty()) {
      out += std::string(width_, ' ') + paint_.blue("--> ") + printable(d_.file) + "\n";
    }
    details(out, "expected", d_.expected);
    details(out, "found", d_.found);
    details(out, "help", d_.help);
    details(out, "note", d_.note);
    return out;
  }

 private:
  const char* name() const { return d_.severity == Severity::kError ? "error" : "warning"; }

  bool has_place() const {
    return !d_.labels.empty() && d_.labels.front().mark.somewhere() &&
           static_cast<size_t>(d_.labels.front().mark.source) < sources_.size();
  }

  const Source& source(const Mark& mark) const {
    return sources_[static_cast<size_t>(mark.source)];
  }

  std::string place() const {
    const Mark& mark = d_.labels.front().mark;
    const Source& s = source(mark);
    std::string out = s.command_line
                          ? s.name
                          : fmt::format("{}:{}:{}", s.name, mark.line,
                                        character_column(s.line(mark.line), mark.col) + 1);
    return d_.file.empty() ? out : fmt::format("{} ({})", out, d_.file);
  }

  std::string gutter(const std::string& number) const {
    return paint_.blue(fmt::format("{:>{}} |", number, width_));
  }

  // Labels by line, from top to bottom; two of one line go under it one after the other.
  std::string lines() const {
    std::map<std::pair<int, int>, std::vector<const Label*>> by_line;
    for (const Label& label : d_.labels) {
      if (label.mark.somewhere()) by_line[{label.mark.source, label.mark.line}].push_back(&label);
    }
    std::string out = gutter("") + "\n";
    for (const auto& [key, labels] : by_line) {
      const Source& s = sources_[static_cast<size_t>(key.first)];
      const std::string line = s.line(key.second);
      const std::string number = s.command_line ? "" : fmt::format("{}", key.second);
      out += gutter(number) + " " + printable(line) + "\n";
      for (const Label* label : labels) out += underline(line, *label);
    }
    return out;
  }

  std::string underline(const std::string& line, const Label& label) const {
    const bool primary = &label == &d_.labels.front();
    const std::string strokes(character_length(line, label.mark), primary ? '^' : '-');
    std::string text = label.text.empty() ? strokes : strokes + " " + label.text;
    text = primary ? paint_.alert(d_.severity, text) : paint_.blue(text);
    return gutter("") + " " + std::string(character_column(line, label.mark.col), ' ') + text +
           "\n";
  }

  void details(std::string& out, const char* word, const std::vector<std::string>& texts) const {
    for (const std::string& text : texts) {
      out += std::string(width_ + 1, ' ') + paint_.blue("=") + " " +
             paint_.bold(fmt::format("{}:", word)) + " " + printable(text) + "\n";
    }
  }

  const Diagnostic& d_;
  const std::vector<Source>& sources_;
  const Paint& paint_;
  size_t width_ = 2;
};

}  // namespace

std::string Source::line(int number) const {
  size_t begin = 0;
  for (int i = 1; i < number; ++i) {
    begin = text.find('\n', begin);
    if (begin == std::string::npos) return "";
    ++begin;
  }
  std::string out = text.substr(begin, text.find('\n', begin) - begin);
  if (!out.empty() && out.back() == '\r') out.pop_back();
  return out;
}

std::string render_text(const Diagnostic& d, const std::vector<Source>& sources, bool color) {
  const Paint paint{color};
  return Frame(d, sources, paint).draw();
}

std::string render_json(const Diagnostic& d, const std::vector<Source>& sources) {
  nlohmann::ordered_json out;
  out["code"] = d.code;
  out["severity"] = d.severity == Severity::kError ? "error" : "warning";
  const Mark mark = d.labels.empty() ? Mark{} : d.labels.front().mark;
  if (mark.somewhere() && static_cast<size_t>(mark.source) < sources.size()) {
    const Source& s = sources[static_cast<size_t>(mark.source)];
    const std::string line = s.line(mark.line);
    const size_t col = character_column(line, mark.col) + 1;
    out["file"] = s.name;
    out["line"] = mark.line;
    out["col"] = col;
    out["end_col"] = col + character_length(line, mark);
  }
  if (!d.path.empty()) out["path"] = d.path;
  if (!d.file.empty()) out["data_file"] = d.file;
  out["message"] = d.message;
  if (!d.expected.empty()) out["expected"] = d.expected;
  if (!d.found.empty()) out["found"] = d.found;
  out["help"] = d.help;
  out["note"] = d.note;
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace assay::spec
