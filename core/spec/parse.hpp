// SPDX-License-Identifier: Apache-2.0
// parse(): the text of a spec to an Experiment, or to messages about what is wrong with it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/plugin/registry.hpp"
#include "core/spec/diagnostic.hpp"
#include "core/spec/document.hpp"
#include "core/spec/experiment.hpp"

namespace assay::spec {

// What the command line or an application adds to the file.
struct Overrides {
  std::vector<std::string> values;  // "model.rank=8"
  std::vector<std::string> grid;    // "model.rank=8,16"
  bool from_memory = false;         // X is handed in; `data` may be left out
};

struct ParseResult {
  std::optional<Experiment> experiment;  // nothing when there is an error
  std::vector<Diagnostic> diagnostics;   // errors and warnings, sorted by place
  std::shared_ptr<Document> document;    // for drawing, and for diagnose() of later errors

  bool ok() const { return experiment.has_value(); }
};

// `file` is the path as given: it is named in messages, and paths in the spec are relative to its
// folder.
ParseResult parse(const std::string& file,
                  const std::string& text,
                  const Overrides& overrides,
                  const plugin::Registry& registry);

// Reads the file first.
ParseResult parse_file(const std::string& file,
                       const Overrides& overrides,
                       const plugin::Registry& registry);

}  // namespace assay::spec
