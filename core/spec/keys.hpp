// SPDX-License-Identifier: Apache-2.0
// The keys of a spec: one table that parsing, messages, suggestions and the JSON Schema are made
// from.
#pragma once

#include <limits>
#include <string>
#include <vector>

namespace assay::spec {

enum class Type {
  kMap,
  kText,
  kPath,
  kInt,
  kNumber,
  kBool,
  kWord,     // one of `words`
  kUse,      // a plugin of kind `words`
  kUseList,  // a list of them
  kTextList,
  kMetrics,  // names of them, or plugins with options
  kIntOrList,
  kIntList,
  kAny  // checked by hand: matrix, cases, exclude, threads
};

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Key {
  const char* path;  // dotted; `model.F` stands for the keys of W, H and S
  Type type;
  const char* words;     // kWord: the words; kUse, kUseList: the plugin kind; else ""
  double lo, hi;         // kInt, kNumber
  const char* standard;  // the default in words, or ""
  const char* doc;       // one line
  const char* later;     // what this version lacks, or nullptr
};

const std::vector<Key>& keys();

// By path with model.W, model.H and model.S folded; nullptr: unknown.
const Key* find_key(const std::string& path);

// The names of the keys right below a path ("" for the top).
std::vector<std::string> names_below(const std::string& path);

// The words of a kWord key; those of them that this version can do.
std::vector<std::string> words_of(const Key& key);
std::vector<std::string> words_taken(const Key& key);

}  // namespace assay::spec
