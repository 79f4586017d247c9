// SPDX-License-Identifier: Apache-2.0
// Scalars of a spec as numbers, truth values, words and texts, each fault reported at its place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/spec/diagnostic.hpp"
#include "core/spec/keys.hpp"
#include "core/spec/node.hpp"

namespace assay::spec {

// What a value must be: its dotted path, its range, and its default for the message.
struct Wanted {
  std::string path;
  double lo = -kInfinity, hi = kInfinity;
  bool lo_open = false, hi_open = false;
  std::string standard;
};

// "at least 1", "above 0 and at most 1", or "" for any.
std::string range_text(const Wanted& wanted);

// Each returns nothing after reporting why.
std::optional<int64_t> read_int(const Node& node,
                                const Wanted& wanted,
                                std::vector<Diagnostic>& out);
std::optional<double> read_number(const Node& node,
                                  const Wanted& wanted,
                                  std::vector<Diagnostic>& out);
std::optional<bool> read_bool(const Node& node,
                              const std::string& path,
                              std::vector<Diagnostic>& out);
std::optional<std::string> read_text(const Node& node,
                                     const std::string& path,
                                     std::vector<Diagnostic>& out);
std::optional<std::string> read_word(const Node& node,
                                     const std::string& path,
                                     const std::vector<std::string>& words,
                                     std::vector<Diagnostic>& out);
// A list of texts; one text stands for a list of one.
std::optional<std::vector<std::string>> read_texts(const Node& node,
                                                   const std::string& path,
                                                   std::vector<Diagnostic>& out);

// True for `none`, which switches off what has no number for it.
bool is_none(const Node& node);

// Reports that a node is of the wrong kind: "`stop` must be a map, found a list".
void report_kind(const Node& node,
                 const std::string& path,
                 const std::string& expected,
                 std::vector<Diagnostic>& out);

// Reports keys of a map that are not among `known`; those that begin with `x-` are left alone.
void check_keys(const Node& map,
                const std::string& path,
                const std::vector<std::string>& known,
                std::vector<Diagnostic>& out);

}  // namespace assay::spec
