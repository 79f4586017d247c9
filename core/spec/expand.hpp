// SPDX-License-Identifier: Apache-2.0
// Combinations of a sweep: `matrix`, `cases`, `exclude` to a list of trees with one value each.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/spec/document.hpp"
#include "core/spec/uses.hpp"

namespace assay::spec {

// One combination: the tree without `matrix`, and what was put into it.
struct Cell {
  Node root;
  std::vector<std::pair<std::string, std::string>> values;  // key -> value as text
};

constexpr size_t kMaxTrials = 100000;

// All cells in order, the first key slowest. Without `matrix` and `cases`: one cell. Empty after
// faults.
std::vector<Cell> expand(const Document& document, Context& context);

// The keys `matrix` and `cases` give values to.
std::vector<std::string> swept_keys(const Node& root);

}  // namespace assay::spec
