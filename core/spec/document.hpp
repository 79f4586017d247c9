// SPDX-License-Identifier: Apache-2.0
// Document: the text of a spec as a tree of Nodes, with overrides laid over it, and the sources all
// marks point into.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/spec/diagnostic.hpp"
#include "core/spec/node.hpp"

namespace assay::spec {

struct Document {
  std::vector<Source> sources;  // [0]: the spec file
  Node root;

  // The place a dotted path was written at; of the nearest key above it when it was not written.
  Mark locate(const std::string& path) const;
};

// Limits of what is read: nobody writes such a spec by hand.
constexpr size_t kMaxBytes = 1 << 20;
constexpr int kMaxDepth = 32;
constexpr size_t kMaxAliases = 100;
constexpr size_t kMaxNodes = 100000;

// Reads YAML into nodes whose marks say `source`, and shifts columns of its first line by `shift`.
// Nothing when it cannot be read at all; faults that leave a tree (a key twice) are reported and
// the tree is returned.
std::optional<Node> read_yaml(const std::string& text,
                              int source,
                              int shift,
                              std::vector<Diagnostic>& diagnostics);

// Reads the spec and lays `key=value` and `--grid key=a,b` arguments over it. False when there is
// no tree to go on with; out.sources is filled in all the same, so that diagnostics can be drawn.
bool read_document(const std::string& file,
                   const std::string& text,
                   const std::vector<std::string>& overrides,
                   const std::vector<std::string>& grid,
                   std::vector<Diagnostic>& diagnostics,
                   Document& out);

// A later stage's error as a diagnostic of the document: framed at the key it names.
Diagnostic diagnose(const Error& error, const Document& document);

}  // namespace assay::spec
