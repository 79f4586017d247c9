// SPDX-License-Identifier: Apache-2.0
// Plugins named in a spec: `id` or `{ use: id, option: value, label: text }`, checked against the
// registry and the tables.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/plugin/registry.hpp"
#include "core/spec/diagnostic.hpp"
#include "core/spec/experiment.hpp"
#include "core/spec/node.hpp"

namespace assay::spec {

// What reading a spec needs besides its text.
struct Context {
  const plugin::Registry& registry;
  std::string folder;        // of the spec file; paths are relative to it
  bool from_memory = false;  // an application hands X in
  std::vector<Diagnostic>& out;
};

// "losses" of "loss".
std::string plural(const std::string& kind);
// "a loss", "an init".
std::string with_article(const std::string& noun);

// A path of the spec as the process opens it.
std::string resolve(const std::string& folder, const std::string& path);

// The plugin of an id; reports an unknown one with the nearest name.
const plugin::Descriptor* find_plugin(const Node& id,
                                      const std::string& kind,
                                      const std::string& path,
                                      Context& context);

// The plugin that stands in where the spec names none of its kind; nullptr: there is none.
const plugin::Descriptor* standard_plugin(const plugin::Registry& registry,
                                          const std::string& kind);

// A plugin with its options. Keys in `others` belong to somebody else and are passed over.
std::optional<Use> read_use(const Node& node,
                            const std::string& kind,
                            const std::string& path,
                            Context& context,
                            const std::vector<std::string>& others = {});
std::vector<Use> read_uses(const Node& node,
                           const std::string& kind,
                           const std::string& path,
                           Context& context);

// A plugin the spec does not name, with the defaults of its options.
std::optional<Use> standard_use(const plugin::Descriptor& d,
                                const std::string& path,
                                const Node& root,
                                Context& context);

// Whether random numbers matter to a plugin with these options, by its flags and its table's.
bool draws_numbers(const plugin::Descriptor& d, const Use& use);
// Whether the start does not matter to a solver with these options.
bool settles(const plugin::Descriptor& d, const Use& use);

// Names of a plugin's options.
std::vector<std::string> option_names(const plugin::Descriptor& d);

// The mark of the plugin's id at a path, of the whole value otherwise; nowhere when it is a
// default.
Mark use_mark(const Node& root, const std::string& path);

}  // namespace assay::spec
