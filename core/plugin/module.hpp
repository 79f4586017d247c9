// SPDX-License-Identifier: Apache-2.0
// Loading one module: what is refused, and the host's own full-size copies of its descriptors.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/plugin/registry.hpp"

namespace assay::plugin {

// A descriptor with the copies its pointers lead to.
struct OwnedDescriptor : Descriptor {
  assay_plugin copy{};
  std::vector<uint64_t> table;  // the vtable, zero-filled to this host's size
};

// Copies and checks one descriptor: kind, id, option table, vtable and its mandatory functions.
Expected<std::unique_ptr<OwnedDescriptor>> adopt(const assay_plugin* plugin,
                                                 const std::string& file);

// A loaded module; init was called. The library stays mapped for ever, shutdown is called once per
// init.
class Module {
 public:
  static Expected<std::shared_ptr<Module>> load(const std::string& file);
  ~Module();
  const assay_module& descriptor() const { return *module_; }
  std::vector<std::unique_ptr<OwnedDescriptor>> take_plugins() { return std::move(plugins_); }

 private:
  Module() = default;
  const assay_module* module_ = nullptr;
  std::vector<std::unique_ptr<OwnedDescriptor>> plugins_;
};

}  // namespace assay::plugin
