// SPDX-License-Identifier: Apache-2.0
// Tool: what every verb shares: the flags, the terminal, the registry, and how messages reach
// people.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.hpp"
#include "core/plugin/registry.hpp"
#include "core/spec/parse.hpp"

namespace assay::cli {

// Exit codes, as the manual page has them.
enum Exit { kOk = 0, kTrialsFailed = 1, kUsage = 2, kUnusable = 3, kFault = 4 };

// By the family of an error code: E00, E01, E02 usage; E03, E04, E05 unusable; E09 ours.
int exit_of(const std::string& code);

struct Tool {
  bool json = false, quiet = false;
  std::vector<std::string> plugin_dirs;
  std::string command;          // as typed, for messages that say how to go on
  std::function<int()> action;  // what the chosen verb does

  bool color_out = false, color_err = false;  // on a terminal and without NO_COLOR
  bool tty_err = false, utf8 = false;
  int width = 80;

  // Looks at the terminal and the environment.
  void look();

  void out(const std::string& text) const;  // the answer
  void err(const std::string& text) const;  // progress and diagnostics

  // nullptr after saying why.
  std::shared_ptr<plugin::Registry> open_registry() const;

  // Draws diagnostics (JSON: on stdout, one per line), 20 at most, and the closing line. Returns
  // the exit code.
  int show(const spec::ParseResult& result) const;
  int show(const Error& error) const;
  int show(const Error& error, const spec::ParseResult& result) const;
  int show(const std::vector<spec::Diagnostic>& list,
           const std::vector<spec::Source>& sources) const;

  // "\x1b[...m" around text when `on`.
  static std::string paint(bool on, const char* code, const std::string& text);
};

// An error of the command line itself.
Error usage(std::string code, std::string message);

// Columns with two spaces between; numbers to the right when all of a column are numbers.
std::string table(const std::vector<std::string>& head,
                  const std::vector<std::vector<std::string>>& rows,
                  bool color);

// Wraps at `width`, every line after the first indented.
std::string wrap(const std::string& text, size_t width, size_t indent);

// One word of a command line, quoted when the shell would take it apart.
std::string quoted(const std::string& word);

// Set by Ctrl-C and SIGTERM; a second signal ends the process.
const std::atomic<bool>& cancelled();
void catch_signals();
int caught_signal();  // 0: none

}  // namespace assay::cli
