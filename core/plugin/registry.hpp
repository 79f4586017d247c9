// SPDX-License-Identifier: Apache-2.0
// Registry: finds modules in folders, checks and loads them, and answers "which plugin has this
// kind and id".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "assay/plugin.h"
#include "core/base/expected.hpp"

namespace assay::plugin {

struct Descriptor {
  const assay_plugin* plugin = nullptr;  // a copy of ours, as long as this host's struct; so is its
                                         // vtable: absent slots are NULL
  const assay_module* module = nullptr;  // nullptr: registered in process
  std::string kind;  // "loss", "solver" ...: the kind id without "assay." and "/1"
  std::string id;
  std::string version;  // of the module
  std::string file;     // empty: registered in process
  std::string hash;     // XXH3-128 of the file
};

struct SearchOptions {
  std::vector<std::string> explicit_files;  // from the application
  std::vector<std::string> plugin_dirs;     // --plugin-dir
  bool use_environment = true;              // ASSAY_PLUGIN_PATH, ignored when elevated
  bool use_builtin = true;  // assay/plugins beside the real path of this library or tool
};

class Registry {
 public:
  // Scans folders; a bad module is not fatal: it is kept in `refused` with the reason (E04xx) and
  // named when asked for.
  static Expected<std::shared_ptr<Registry>> open(const SearchOptions& options);
  // Adds a descriptor of the application's own (assay_register). Refuses a duplicate id.
  Expected<void> add(const assay_plugin* plugin);
  const Descriptor* find(const std::string& kind, const std::string& id) const;  // nullptr: none
  std::vector<const Descriptor*> all(const std::string& kind = "") const;  // sorted by kind, id
  const std::vector<Error>& refused() const { return refused_; }
  const std::vector<std::string>& folders() const { return folders_; }  // searched, in order
  const std::vector<std::string>& notices() const { return notices_; }  // shadowed duplicates
  ~Registry();

 private:
  struct Body;
  Registry();
  void load(const std::string& file);
  std::unique_ptr<Body> body_;
  std::vector<Error> refused_;
  std::vector<std::string> folders_, notices_;
};

// XXH3-128 of the module's file as hex; empty for in-process plugins.
std::string module_hash(const Descriptor& d);

// The host table handed to every plugin of this process.
const assay_host* host();

// Philox key of a named stream: a hash of (seed, stream name, data id, repeat).
uint64_t stream_key(uint64_t seed,
                    const std::string& name,
                    const std::string& data_id,
                    uint64_t repeat);

}  // namespace assay::plugin
