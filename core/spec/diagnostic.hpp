// SPDX-License-Identifier: Apache-2.0
// Diagnostic: one message about a spec, with its places; drawn as framed text or as one line of
// JSON.
#pragma once

#include <string>
#include <vector>

#include "core/base/error.hpp"
#include "core/spec/mark.hpp"

namespace assay::spec {

enum class Severity { kError, kWarning };

// A piece of source text under carets (the first label) or dashes (the others), with a remark.
struct Label {
  Mark mark;
  std::string text;
};

struct Diagnostic {
  Severity severity = Severity::kError;
  std::string code;     // "E0204"
  std::string message;  // lower case, no final period
  std::string path;     // dotted key
  std::string file;     // data file the message is about, with the place in it
  bool framed = true;   // false: the place is named, its line is not drawn
  std::vector<Label> labels;
  std::vector<std::string> expected, found, help, note;

  Diagnostic() = default;
  Diagnostic(std::string code_, std::string message_)
      : code(std::move(code_)), message(std::move(message_)) {}

  Diagnostic& at(Mark mark, std::string text = "");
  Diagnostic& about(std::string key);
  Diagnostic& with_expected(std::string text);
  Diagnostic& with_found(std::string text);
  Diagnostic& with_help(std::string text);
  Diagnostic& with_note(std::string text);
};

constexpr size_t kMaxShown = 20;

// Whether there is an error among them (and not only warnings).
bool has_errors(const std::vector<Diagnostic>& diagnostics);

// Sorted by place, errors of the same place once.
void sort_by_place(std::vector<Diagnostic>& diagnostics);

// The framed form. `color`: ANSI colours.
std::string render_text(const Diagnostic& d, const std::vector<Source>& sources, bool color);
// One JSON object on one line, without the line end; positions count characters from 1.
std::string render_json(const Diagnostic& d, const std::vector<Source>& sources);

// The code a user sees: the error's own, or the one its status stands for.
std::string code_of(const Error& error);

}  // namespace assay::spec
