// SPDX-License-Identifier: Apache-2.0
// The terminal, the messages and the exit codes of every verb.
#include "core/cli/tool.hpp"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/base/number.hpp"

namespace assay::cli {
namespace {

bool says_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (!value || !*value) continue;
    const std::string text = value;
    return text.find("UTF-8") != std::string::npos || text.find("utf8") != std::string::npos;
  }
  return false;
}

size_t characters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  }));
}

}  // namespace

int exit_of(const std::string& code) {
  const std::string family = code.substr(0, 3);
  if (family == "E03" || family == "E04" || family == "E05") return kUnusable;
  return family == "E09" ? kFault : kUsage;
}

void Tool::look() {
  const char* no_color = std::getenv("NO_COLOR");
  const bool color = !(no_color && *no_color);
  tty_err = isatty(STDERR_FILENO) != 0;
  color_err = color && tty_err;
  color_out = color && isatty(STDOUT_FILENO) != 0;
  utf8 = says_utf8();
  winsize size{};
  const int fd = tty_err ? STDERR_FILENO : STDOUT_FILENO;
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) width = size.ws_col;
}

void Tool::out(const std::string& text) const { std::fwrite(text.data(), 1, text.size(), stdout); }

void Tool::err(const std::string& text) const {
  std::fflush(stdout);
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

std::string Tool::paint(bool on, const char* code, const std::string& text) {
  return on ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

std::shared_ptr<plugin::Registry> Tool::open_registry() const {
  plugin::SearchOptions options;
  options.plugin_dirs = plugin_dirs;
  auto registry = plugin::Registry::open(options);
  if (!registry) {
    show(registry.error());
    return nullptr;
  }
  // A folder of the command line that is not there is a mistake; one of the environment may come
  // and go.
  for (const Error& refused : (*registry)->refused()) {
    if (refused.code == "E0415" &&
        std::find(plugin_dirs.begin(), plugin_dirs.end(), refused.file) != plugin_dirs.end()) {
      show(refused);
      return nullptr;
    }
  }
  return *registry;
}

int Tool::show(const std::vector<spec::Diagnostic>& list,
               const std::vector<spec::Source>& sources) const {
  size_t errors = 0, warnings = 0;
  int code = kOk;
  for (const spec::Diagnostic& d : list) {
    const bool error = d.severity == spec::Severity::kError;
    (error ? errors : warnings)++;
    if (error) code = std::max(code, exit_of(d.code));
    if (errors + warnings > spec::kMaxShown) continue;
    if (json) {
      out(render_json(d, sources) + "\n");
    } else {
      err(render_text(d, sources, color_err) + "\n");
    }
  }
  if (errors + warnings > spec::kMaxShown && !json)
    err(fmt::format("and {} more\n", errors + warnings - spec::kMaxShown));
  return code;
}

int Tool::show(const spec::ParseResult& result) const {
  const auto& sources = result.document->sources;
  const int code = show(result.diagnostics, sources);
  const auto errors =
      std::count_if(result.diagnostics.begin(), result.diagnostics.end(),
                    [](const auto& d) { return d.severity == spec::Severity::kError; });
  if (errors > 0 && !json && !sources.empty()) {
    err(fmt::format("{}: {} error{}, nothing was run\n", sources.front().name, errors,
                    errors == 1 ? "" : "s"));
  }
  return code;
}

int Tool::show(const Error& error, const spec::ParseResult& result) const {
  return show({diagnose(error, *result.document)}, result.document->sources);
}

int Tool::show(const Error& error) const { return show({diagnose(error, spec::Document{})}, {}); }

Error usage(std::string code, std::string message) {
  return Error(ASSAY_E_ARGUMENT, std::move(code), std::move(message));
}

std::string table(const std::vector<std::string>& head,
                  const std::vector<std::vector<std::string>>& rows,
                  bool color) {
  std::vector<size_t> widths;
  std::vector<bool> numeric(head.size(), !rows.empty());
  for (const std::string& h : head) widths.push_back(characters(h));
  for (const auto& row : rows) {
    for (size_t j = 0; j < head.size(); ++j) {
      widths[j] = std::max(widths[j], characters(row[j]));
      if (!row[j].empty() && row[j] != "-" && !parse_double(row[j])) numeric[j] = false;
    }
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t j = 0; j < cells.size(); ++j) {
      const std::string pad(widths[j] - characters(cells[j]), ' ');
      text += (j == 0 ? "" : "  ") + (numeric[j] ? pad + cells[j] : cells[j] + pad);
    }
    return text.substr(0, text.find_last_not_of(' ') + 1);
  };
  std::string text = Tool::paint(color, "1", line(head)) + "\n";
  for (const auto& row : rows) text += line(row) + "\n";
  return text;
}

std::string wrap(const std::string& text, size_t width, size_t indent) {
  std::string out, line;
  const auto flush = [&] {
    out += (out.empty() ? "" : "\n" + std::string(indent, ' ')) + line;
    line.clear();
  };
  for (size_t i = 0; i < text.size();) {
    const size_t end = std::min(text.find(' ', i), text.size());
    const std::string word = text.substr(i, end - i);
    if (!line.empty() && line.size() + 1 + word.size() + (out.empty() ? 0 : indent) > width)
      flush();
    line += (line.empty() ? "" : " ") + word;
    i = end + 1;
  }
  flush();
  return out;
}

std::string quoted(const std::string& word) {
  const bool plain =
      !word.empty() &&
      word.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%") ==
          std::string::npos;
  if (plain) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace assay::cli
