// SPDX-License-Identifier: Apache-2.0
// Reads scalar keys of one map of a spec by name, with the ranges, words and defaults of the table
// of keys.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/spec/uses.hpp"
#include "core/spec/values.hpp"

namespace assay::spec {

class Section {
 public:
  // The map at `path` below `root`; missing: an empty one. Reports another kind of value, and keys
  // that are unknown or of a later version. `more`: further keys that are fine (options of a
  // reader).
  Section(const Node& root,
          const std::string& path,
          Context& context,
          const std::vector<std::string>& more = {});

  const Node* find(const std::string& key) const { return map_ ? map_->find(key) : nullptr; }
  std::string path(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  const Node* map() const { return map_; }

  // Each leaves `out` alone when the key is missing or wrong. `none` is accepted where off_word
  // says so and sets 0.
  void integer(const std::string& key, int64_t& out) const;
  void number(const std::string& key, double& out) const;
  void flag(const std::string& key, bool& out) const;
  void text(const std::string& key, std::string& out) const;
  void word(const std::string& key, std::string& out) const;
  void file(const std::string& key, std::string& out) const;  // a path, resolved

 private:
  std::string path_;
  const Node* map_ = nullptr;
  Context& context_;
};

// Whether one of these paths gives a value at, above or below `path`.
bool is_supplied(const std::string& path, const std::vector<std::string>& supplied);

// Reports a key that has no default, unless it is supplied.
void report_missing(const Node& root,
                    const std::string& path,
                    const std::string& help,
                    const std::vector<std::string>& supplied,
                    Context& context);

// The section `data`.
void read_data(const Node& root,
               Context& context,
               const std::vector<std::string>& supplied,
               DataSpec& out);

// The section `select`, once the trials are known.
void read_select(const Node& root, Context& context, Experiment& out);

// Reports a feature this version does not have.
void report_later(const Mark& mark,
                  const std::string& path,
                  const std::string& what,
                  Context& context);

}  // namespace assay::spec
