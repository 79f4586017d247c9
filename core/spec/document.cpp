// SPDX-License-Identifier: Apache-2.0
// The spec's tree with overrides laid over it, places of dotted paths, and errors of later stages
// put at their place.
#include "core/spec/document.hpp"

#include <fmt/core.h>

#include <utility>

namespace assay::spec {
namespace {

// An argument `key=value`, cut at the first `=`.
struct Argument {
  std::string key, value;
  int source = 0;
  Mark key_mark() const { return {source, 1, 1, static_cast<int>(key.size())}; }
  int value_column() const { return static_cast<int>(key.size()) + 1; }
};

std::optional<Argument> cut(const std::string& text,
                            Document& document,
                            std::vector<Diagnostic>& diagnostics) {
  Argument out;
  out.source = static_cast<int>(document.sources.size());
  document.sources.push_back({"command line", text, true});
  const size_t equals = text.find('=');
  const Mark whole{out.source, 1, 1, static_cast<int>(text.size())};
  if (equals == std::string::npos || equals == 0 || split_path(text.substr(0, equals)).empty()) {
    diagnostics.push_back(Diagnostic("E0003", fmt::format("`{}` is not an override", text))
                              .at(whole)
                              .with_expected("`key=value`, such as `model.rank=8`"));
    return std::nullopt;
  }
  out.key = text.substr(0, equals);
  out.value = text.substr(equals + 1);
  return out;
}

void apply_override(const std::string& text,
                    Document& document,
                    std::vector<Diagnostic>& diagnostics) {
  const auto argument = cut(text, document, diagnostics);
  if (!argument) return;
  const auto value =
      read_yaml(argument->value, argument->source, argument->value_column(), diagnostics);
  if (!value) return;
  Node node = *value;
  if (node.is_null()) node.mark = {argument->source, 1, argument->value_column() + 1, 1};
  if (!set_path(document.root, argument->key, node, argument->key_mark())) {
    diagnostics.push_back(
        Diagnostic("E0102", fmt::format("there is no key `{}`", argument->key))
            .at(argument->key_mark(), "the path runs through a value that has no keys"));
  }
}

void apply_grid(const std::string& text, Document& document, std::vector<Diagnostic>& diagnostics) {
  const auto argument = cut(text, document, diagnostics);
  if (!argument) return;
  const auto value = read_yaml("[" + argument->value + "]", argument->source,
                               argument->value_column() - 1, diagnostics);
  if (!value) return;
  Node* matrix = document.root.find("matrix");
  if (!matrix) {
    Node fresh;
    fresh.kind = Node::Kind::kMap;
    fresh.mark = argument->key_mark();
    document.root.entries.push_back({"matrix", fresh.mark, fresh});
    matrix = &document.root.entries.back().value;
  }
  if (!matrix->is_map()) return;
  if (Node* axis = matrix->find(argument->key)) {
    *axis = *value;
  } else {
    matrix->entries.push_back({argument->key, argument->key_mark(), *value});
  }
}

}  // namespace

Mark Document::locate(const std::string& path) const {
  if (path.empty()) return {};
  if (const Node* matrix = root.find("matrix"); matrix && matrix->is_map()) {
    if (const Entry* axis = matrix->entry(path)) return axis->mark;
  }
  std::string above = path;
  while (!above.empty()) {
    if (const Node* node = find_path(root, above)) {
      const Node* use = node->is_map() ? node->find("use") : nullptr;
      return use ? use->mark : node->mark;
    }
    const size_t cut_at = above.find_last_of(".[");
    above.resize(cut_at == std::string::npos ? 0 : cut_at);
  }
  return {};
}

bool read_document(const std::string& file,
                   const std::string& text,
                   const std::vector<std::string>& overrides,
                   const std::vector<std::string>& grid,
                   std::vector<Diagnostic>& diagnostics,
                   Document& out) {
  out.sources.push_back({file, text, false});
  auto root = read_yaml(text, 0, 0, diagnostics);
  if (!root) return false;
  const Mark start{0, 1, 1, 1};
  if (root->is_null()) {
    diagnostics.push_back(Diagnostic("E0104", "the spec is empty")
                              .at(start)
                              .with_help("`assay init` writes a spec to start from"));
    return false;
  }
  if (!root->is_map()) {
    diagnostics.push_back(Diagnostic("E0112", "a spec is a map of keys")
                              .at(root->mark)
                              .with_expected("`key: value` lines, the first of them `assay: 1`"));
    return false;
  }
  out.root = std::move(*root);
  for (const std::string& o : overrides) apply_override(o, out, diagnostics);
  for (const std::string& g : grid) apply_grid(g, out, diagnostics);
  return true;
}

Diagnostic diagnose(const Error& error, const Document& document) {
  Diagnostic out(code_of(error), error.message);
  out.path = error.key;
  out.file = error.file;
  if (!error.place.empty() && !error.file.empty()) {
    const bool position = error.place.find_first_not_of("0123456789:") == std::string::npos;
    out.file += (position ? ":" : ", ") + error.place;
  }
  const Mark mark = document.locate(error.key);
  if (mark.somewhere()) out.labels.push_back({mark, ""});
  out.framed = error.place.empty() && error.found.empty();
  out.expected = error.expected;
  out.found = error.found;
  out.help = error.help;
  out.note = error.note;
  return out;
}

}  // namespace assay::spec
