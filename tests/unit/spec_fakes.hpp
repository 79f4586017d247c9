// SPDX-License-Identifier: Apache-2.0
// A registry of plugins made for the tests of core/spec: descriptors and bits without any
// arithmetic.
#pragma once

#include <cmath>
#include <memory>
#include <string>

#include "core/plugin/registry.hpp"
#include "core/spec/parse.hpp"

namespace fakes {

// Registered once: losses near (squared) and far (with a split), penalties ridge and pos, solvers
// gentle (squared only, keeps pos) and wild (any split), reader table, transform twice, inits dice
// and file, metrics fit and share, writer paper.
std::shared_ptr<assay::plugin::Registry> registry();

// A spec that is right, as lines; tests change one thing.
inline const char* kGood =
    "assay: 1\n"
    "name: small\n"
    "data: { use: table, path: x.tab }\n"
    "model: { rank: 4, loss: near }\n"
    "solver: gentle\n";

inline assay::spec::ParseResult parse(const std::string& text,
                                      const assay::spec::Overrides& overrides = {}) {
  return assay::spec::parse("specs/small.yaml", text, overrides, *registry());
}

// All diagnostics as the tool draws them.
inline std::string drawn(const assay::spec::ParseResult& result) {
  std::string out;
  for (const auto& d : result.diagnostics) {
    out += assay::spec::render_text(d, result.document->sources, false);
  }
  return out;
}

// The codes of all diagnostics, in order.
inline std::string codes(const assay::spec::ParseResult& result) {
  std::string out;
  for (const auto& d : result.diagnostics) out += (out.empty() ? "" : " ") + d.code;
  return out;
}

}  // namespace fakes
