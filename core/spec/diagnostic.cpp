// SPDX-License-Identifier: Apache-2.0
// Diagnostics: their building blocks, their order, and the code an Error's status stands for.
#include "core/spec/diagnostic.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace assay::spec {

Diagnostic& Diagnostic::at(Mark mark, std::string text) {
  labels.push_back({mark, std::move(text)});
  return *this;
}
Diagnostic& Diagnostic::about(std::string key) {
  path = std::move(key);
  return *this;
}
Diagnostic& Diagnostic::with_expected(std::string text) {
  expected.push_back(std::move(text));
  return *this;
}
Diagnostic& Diagnostic::with_found(std::string text) {
  found.push_back(std::move(text));
  return *this;
}
Diagnostic& Diagnostic::with_help(std::string text) {
  help.push_back(std::move(text));
  return *this;
}
Diagnostic& Diagnostic::with_note(std::string text) {
  note.push_back(std::move(text));
  return *this;
}

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::kError; });
}

void sort_by_place(std::vector<Diagnostic>& diagnostics) {
  const auto place = [](const Diagnostic& d) {
    const Mark mark = d.labels.empty() ? Mark{} : d.labels.front().mark;
    return std::tuple(mark.source, mark.line, mark.col, d.code, d.message);
  };
  std::stable_sort(diagnostics.begin(), diagnostics.end(),
                   [&](const Diagnostic& a, const Diagnostic& b) { return place(a) < place(b); });
  const auto same = [&](const Diagnostic& a, const Diagnostic& b) { return place(a) == place(b); };
  diagnostics.erase(std::unique(diagnostics.begin(), diagnostics.end(), same), diagnostics.end());
}

std::string code_of(const Error& error) {
  if (!error.code.empty()) return error.code;
  if (error.status <= -300 && error.status > -400) return fmt::format("E{:04}", -error.status);
  switch (error.status) {
    case ASSAY_E_SPEC:
      return "E0100";
    case ASSAY_E_COMBINATION:
      return "E0200";
    case ASSAY_E_PLUGIN:
      return "E0400";
    case ASSAY_E_ABI:
      return "E0401";
    case ASSAY_E_NOT_FOUND:
      return "E0101";
    case ASSAY_E_NUMERIC:
    case ASSAY_E_SINGULAR:
      return "E0901";
    case ASSAY_E_MEMORY:
      return "E0902";
    case ASSAY_E_RESOURCE:
      return "E0903";
    case ASSAY_E_IO:
      return "E0500";
    default:
      return "E0900";
  }
}

}  // namespace assay::spec
