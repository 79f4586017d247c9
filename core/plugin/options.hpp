// SPDX-License-Identifier: Apache-2.0
// Options: a plugin's option values after parsing, with defaults filled in from its table; behind
// assay_options of plugin.h.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "assay/plugin.h"
#include "core/base/expected.hpp"

namespace assay::plugin {

struct OptionValue {
  int32_t type = ASSAY_OPT_FLOAT;
  double number = 0;
  std::string text;
  bool has_text = false;
  std::vector<double> list;
  bool given = false;
};

// Options by name. Made by core/spec (from YAML) or from code; `complete` adds defaults and checks
// ranges.
struct Options {
  std::map<std::string, OptionValue> values;
  const assay_options* handle() const { return reinterpret_cast<const assay_options*>(this); }
  // Checks names, types, ranges and required ones against the table and fills in defaults.
  static Expected<Options> complete(const assay_option* table,
                                    Options given,
                                    const std::string& plugin_id);
};

// The known word nearest to `word`, or empty when none is near; for "did you mean".
std::string nearest(const std::string& word, const std::vector<std::string>& known);

}  // namespace assay::plugin
