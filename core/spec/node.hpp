// SPDX-License-Identifier: Apache-2.0
// Node: a YAML value with the place it was written at. Nothing is converted: a scalar is its text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/spec/mark.hpp"

namespace assay::spec {

struct Entry;

struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  Mark mark;
  std::string text;            // kScalar
  bool quoted = false;         // kScalar: in quotes or a block, so never a number or a truth value
  std::vector<Node> items;     // kList
  std::vector<Entry> entries;  // kMap, in the order written, no key twice

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  // Of a map; nullptr: not there.
  const Node* find(std::string_view key) const;
  Node* find(std::string_view key);
  const Entry* entry(std::string_view key) const;
};

struct Entry {
  std::string key;
  Mark mark;
  Node value;
};

// A dotted path such as `model.H.penalties[0].weight`, cut into its steps.
struct Step {
  std::string key;  // or, when empty,
  size_t index = 0;
  size_t begin = 0, end = 0;  // bytes of the path
};
// Empty when the path is malformed.
std::vector<Step> split_path(const std::string& path);

// The node a path leads to; a plugin written as its bare id answers to `.use` as well. nullptr:
// there is none.
const Node* find_path(const Node& root, const std::string& path);

// Puts a value at a path and makes the maps it needs on the way; `id` becomes `{ use: id }` when an
// option of it is set. `place` is the mark of the path's first byte. False when the path runs
// through a list that is too short, or another value.
bool set_path(Node& root, const std::string& path, const Node& value, const Mark& place);

// The value on one line, as flow YAML: for tables and labels.
std::string compact(const Node& node);

// Equal values, wherever they were written and in whatever order of keys.
bool same_value(const Node& a, const Node& b);

}  // namespace assay::spec
