// SPDX-License-Identifier: Apache-2.0
// One map of a spec: its keys checked against the table, its scalars read with the table's ranges
// and words.
#include "core/spec/sections.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace assay::spec {
namespace {

Wanted wanted_of(const Key& key, const std::string& path) {
  Wanted w;
  w.path = path;
  w.lo = key.lo;
  w.hi = key.hi;
  w.standard = key.standard;
  return w;
}

}  // namespace

bool is_supplied(const std::string& path, const std::vector<std::string>& supplied) {
  return std::any_of(supplied.begin(), supplied.end(), [&](const std::string& s) {
    return s == path || path.rfind(s + ".", 0) == 0 || s.rfind(path + ".", 0) == 0;
  });
}

void report_missing(const Node& root,
                    const std::string& path,
                    const std::string& help,
                    const std::vector<std::string>& supplied,
                    Context& context) {
  if (is_supplied(path, supplied)) return;
  const size_t dot = path.find_last_of('.');
  const Node* parent = dot == std::string::npos ? nullptr : find_path(root, path.substr(0, dot));
  context.out.push_back(Diagnostic("E0104", fmt::format("`{}` is missing", path))
                            .at(parent ? parent->mark : root.mark)
                            .about(path)
                            .with_help(help));
}

void report_later(const Mark& mark,
                  const std::string& path,
                  const std::string& what,
                  Context& context) {
  context.out.push_back(
      Diagnostic("E0116", fmt::format("this version of assay does not have {}", what))
          .at(mark)
          .about(path)
          .with_help("delete the key; `assay schema` lists what this version takes"));
}

Section::Section(const Node& root,
                 const std::string& path,
                 Context& context,
                 const std::vector<std::string>& more)
    : path_(path), context_(context) {
  const Node* node = path.empty() ? &root : find_path(root, path);
  if (!node) return;
  if (!node->is_map()) {
    report_kind(*node, path, "a map", context.out);
    return;
  }
  map_ = node;
  std::vector<std::string> known = names_below(path);
  for (const std::string& key : more)
    if (std::find(known.begin(), known.end(), key) == known.end()) known.push_back(key);
  check_keys(*node, path, known, context.out);
  for (const Entry& e : node->entries) {
    const Key* key = find_key(this->path(e.key));
    const bool foreign = std::find(more.begin(), more.end(), e.key) != more.end();
    if (key && key->later && !foreign) report_later(e.mark, this->path(e.key), key->later, context);
  }
}

void Section::integer(const std::string& key, int64_t& out) const {
  const Node* node = find(key);
  if (!node) return;
  if (const auto value = read_int(*node, wanted_of(*find_key(path(key)), path(key)), context_.out))
    out = *value;
}

void Section::number(const std::string& key, double& out) const {
  const Node* node = find(key);
  if (!node) return;
  const Key& known = *find_key(path(key));
  if (std::string(known.standard) == "none" && is_none(*node)) {
    out = 0;
    return;
  }
  if (const auto value = read_number(*node, wanted_of(known, path(key)), context_.out))
    out = *value;
}

void Section::flag(const std::string& key, bool& out) const {
  const Node* node = find(key);
  if (!node) return;
  if (const auto value = read_bool(*node, path(key), context_.out)) out = *value;
}

void Section::text(const std::string& key, std::string& out) const {
  const Node* node = find(key);
  if (!node) return;
  if (const auto value = read_text(*node, path(key), context_.out)) out = *value;
}

void Section::word(const std::string& key, std::string& out) const {
  const Node* node = find(key);
  if (!node) return;
  if (const auto value = read_word(*node, path(key), words_of(*find_key(path(key))), context_.out))
    out = *value;
}

void Section::file(const std::string& key, std::string& out) const {
  text(key, out);
  if (find(key)) out = resolve(context_.folder, out);
}

}  // namespace assay::spec
