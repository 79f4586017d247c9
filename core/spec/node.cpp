// SPDX-License-Identifier: Apache-2.0
// Paths into a Node tree, setting values in it, comparing and printing them.
#include "core/spec/node.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "core/base/number.hpp"

namespace assay::spec {

const Entry* Node::entry(std::string_view key) const {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

const Node* Node::find(std::string_view key) const {
  const Entry* e = entry(key);
  return e ? &e->value : nullptr;
}

Node* Node::find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

std::vector<Step> split_path(const std::string& path) {
  std::vector<Step> steps;
  size_t i = 0;
  while (i < path.size()) {
    Step step;
    step.begin = i;
    if (path[i] == '[') {
      const size_t close = path.find(']', i);
      if (close == std::string::npos) return {};
      const auto index = parse_int(std::string_view(path).substr(i + 1, close - i - 1));
      if (!index || *index < 0 || steps.empty()) return {};
      step.index = static_cast<size_t>(*index);
      i = close + 1;
    } else {
      const size_t stop = std::min(path.find_first_of(".[", i), path.size());
      step.key = path.substr(i, stop - i);
      if (step.key.empty()) return {};
      i = stop;
    }
    step.end = i;
    steps.push_back(step);
    if (i < path.size() && path[i] == '.') {
      if (++i == path.size()) return {};
    } else if (i < path.size() && path[i] != '[') {
      return {};
    }
  }
  return steps;
}

const Node* find_path(const Node& root, const std::string& path) {
  const Node* node = &root;
  for (const Step& step : split_path(path)) {
    if (step.key.empty()) {
      if (!node->is_list() || step.index >= node->items.size()) return nullptr;
      node = &node->items[step.index];
    } else if (node->is_scalar() && step.key == "use") {
      continue;
    } else {
      const Node* next = node->is_map() ? node->find(step.key) : nullptr;
      if (!next) return nullptr;
      node = next;
    }
  }
  return node;
}

namespace {

void use_as_map(Node& node) {
  Node use = node;
  node = Node{};
  node.kind = Node::Kind::kMap;
  node.mark = use.mark;
  node.entries.push_back({"use", use.mark, std::move(use)});
}

Mark mark_of(const Step& step, const Mark& place) {
  Mark mark = place;
  mark.col += static_cast<int>(step.begin);
  mark.length = static_cast<int>(step.end - step.begin);
  return mark;
}

}  // namespace

bool set_path(Node& root, const std::string& path, const Node& value, const Mark& place) {
  Node* node = &root;
  for (const Step& step : split_path(path)) {
    if (step.key.empty()) {
      if (!node->is_list() || step.index >= node->items.size()) return false;
      node = &node->items[step.index];
      continue;
    }
    if (node->is_scalar()) use_as_map(*node);
    if (node->is_null()) node->kind = Node::Kind::kMap;
    if (!node->is_map()) return false;
    if (Node* next = node->find(step.key)) {
      node = next;
    } else {
      const Mark mark = mark_of(step, place);
      Node fresh;
      fresh.mark = mark;
      node->entries.push_back({step.key, mark, std::move(fresh)});
      node = &node->entries.back().value;
    }
  }
  *node = value;
  return true;
}

std::string compact(const Node& node) {
  std::string out;
  switch (node.kind) {
    case Node::Kind::kNull:
      return "null";
    case Node::Kind::kScalar:
      return node.text;
    case Node::Kind::kList:
      for (const Node& item : node.items) out += (out.empty() ? "" : ", ") + compact(item);
      return "[" + out + "]";
    case Node::Kind::kMap:
      break;
  }
  for (const Entry& e : node.entries) {
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", e.key, compact(e.value));
  }
  return "{" + out + "}";
}

bool same_value(const Node& a, const Node& b) {
  if (a.kind != b.kind) return false;
  if (a.is_scalar()) {
    const auto x = parse_double(a.text), y = parse_double(b.text);
    return a.text == b.text || (!a.quoted && !b.quoted && x && y && *x == *y);
  }
  if (a.is_list()) {
    return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), same_value);
  }
  return a.entries.size() == b.entries.size() &&
         std::all_of(a.entries.begin(), a.entries.end(), [&](const Entry& e) {
           const Node* other = b.find(e.key);
           return other && same_value(e.value, *other);
         });
}

}  // namespace assay::spec
