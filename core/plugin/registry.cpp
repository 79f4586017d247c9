// SPDX-License-Identifier: Apache-2.0
// The search: explicit files, --plugin-dir, ASSAY_PLUGIN_PATH, then the plugins beside this
// library. First match wins.
#include "core/plugin/registry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "core/base/hash.hpp"
#include "core/plugin/module.hpp"
#include "core/plugin/search.hpp"

namespace assay::plugin {

namespace fs = std::filesystem;

namespace {

// *.so of a folder, sorted by name so that the order of a directory never matters.
std::vector<std::string> modules_in(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code ec;
  for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec))
    if (it->path().extension() == ".so") files.push_back(it->path().string());
  std::sort(files.begin(), files.end());
  return files;
}

auto key(const Descriptor& d) { return std::tie(d.kind, d.id); }

bool ours(const Descriptor& d) {
  return d.module && d.module->id && std::string(d.module->id).rfind("org.assay.", 0) == 0;
}

}  // namespace

struct Registry::Body {
  std::vector<std::shared_ptr<Module>> modules;
  std::vector<std::unique_ptr<OwnedDescriptor>> plugins;
};

Registry::Registry() : body_(std::make_unique<Body>()) {}
Registry::~Registry() = default;

Expected<std::shared_ptr<Registry>> Registry::open(const SearchOptions& options) {
  std::shared_ptr<Registry> r(new Registry);
  for (const std::string& file : options.explicit_files) r->load(file);
  std::vector<std::string> folders = options.plugin_dirs;
  if (options.use_environment)
    for (const std::string& f : folders_of_environment()) folders.push_back(f);
  if (options.use_builtin)
    if (const std::string f = builtin_folder(); !f.empty()) folders.push_back(f);
  for (const std::string& given : folders) {
    const Expected<std::string> folder = checked_folder(given);
    if (!folder) {
      r->refused_.push_back(folder.error());
      continue;
    }
    if (std::find(r->folders_.begin(), r->folders_.end(), *folder) != r->folders_.end()) continue;
    r->folders_.push_back(*folder);
    for (const std::string& file : modules_in(*folder)) r->load(file);
  }
  std::sort(r->body_->plugins.begin(), r->body_->plugins.end(),
            [](const auto& a, const auto& b) { return key(*a) < key(*b); });
  return r;
}

void Registry::load(const std::string& given) {
  const Expected<std::string> file = checked_file(given);
  auto module = file ? Module::load(*file) : Expected<std::shared_ptr<Module>>(file.error());
  if (!module) {
    refused_.push_back(module.error());
    return;
  }
  for (auto& d : (*module)->take_plugins()) {
    const auto first = std::find_if(body_->plugins.begin(), body_->plugins.end(),
                                    [&](const auto& p) { return key(*p) == key(*d); });
    if (first == body_->plugins.end()) {
      body_->plugins.push_back(std::move(d));
    } else {
      notices_.push_back(fmt::format("{} `{}` of `{}` is hidden by the one of `{}`{}", d->kind,
                                     d->id, d->file, (*first)->file,
                                     ours(*d) && !ours(**first) ? ", a stranger's" : ""));
    }
  }
  body_->modules.push_back(std::move(*module));
}

Expected<void> Registry::add(const assay_plugin* plugin) {
  auto d = adopt(plugin, "");
  if (!d) return std::move(d.error());
  if (find((*d)->kind, (*d)->id))
    return Error(ASSAY_E_PLUGIN, "E0409",
                 fmt::format("there is a {} `{}` already", (*d)->kind, (*d)->id))
        .with_help("give the plugin an id of its own, with a dot: `mine." + (*d)->id + "`");
  auto& all = body_->plugins;
  all.insert(std::upper_bound(all.begin(), all.end(), *d,
                              [](const auto& a, const auto& b) { return key(*a) < key(*b); }),
             std::move(*d));
  return {};
}

const Descriptor* Registry::find(const std::string& kind, const std::string& id) const {
  for (const auto& d : body_->plugins)
    if (d->kind == kind && d->id == id) return d.get();
  return nullptr;
}

std::vector<const Descriptor*> Registry::all(const std::string& kind) const {
  std::vector<const Descriptor*> out;
  for (const auto& d : body_->plugins)
    if (kind.empty() || d->kind == kind) out.push_back(d.get());
  return out;
}

std::string module_hash(const Descriptor& d) { return d.hash; }

uint64_t stream_key(uint64_t seed,
                    const std::string& name,
                    const std::string& data_id,
                    uint64_t repeat) {
  return xxh3_64(fmt::format("{}\n{}\n{}\n{}", seed, name, data_id, repeat));
}

}  // namespace assay::plugin
