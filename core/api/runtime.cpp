// SPDX-License-Identifier: Apache-2.0
// Runtimes: threads and plugins of assay.h. Nothing is loaded before a folder is allowed.
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "assay/plugin.h"
#include "core/api/handles.hpp"

using assay::Error;
using assay::Expected;
using assay::api::bad_argument;
using assay::api::walled;

namespace {

// Searches again with what is allowed now and puts the application's own plugins back.
Expected<int32_t> reload(assay_runtime& r, const assay::plugin::SearchOptions& search) {
  auto registry = assay::plugin::Registry::open(search);
  if (!registry) return std::move(registry.error());
  for (const assay_plugin* plugin : r.registered) {
    auto added = (*registry)->add(plugin);
    if (!added) return std::move(added.error());
  }
  for (const Error& refused : (*registry)->refused()) {
    if (r.runtime.log) r.runtime.log(ASSAY_LOG_WARNING, refused.message);
  }
  r.search = search;
  r.runtime.registry = std::move(*registry);
  return ASSAY_OK;
}

// The caller's struct, as far as it goes, over defaults.
assay_runtime_options complete(const assay_runtime_options* given) {
  assay_runtime_options options{};
  if (given) {
    std::memcpy(&options, given, std::min<size_t>(given->struct_size, sizeof options));
  }
  return options;
}

}  // namespace

extern "C" {

int32_t assay_runtime_create(const assay_runtime_options* options,
                             assay_runtime** out,
                             assay_error** error) {
  return walled(error, [&]() -> Expected<int32_t> {
    if (!out) return bad_argument("`out` is NULL");
    const assay_runtime_options o = complete(options);
    if (o.threads < 0) return bad_argument("`threads` is negative");
    auto r = std::make_unique<assay_runtime>();
    r->search.use_environment = false;
    r->search.use_builtin = false;
    auto registry = assay::plugin::Registry::open(r->search);
    if (!registry) return std::move(registry.error());
    auto runtime = assay::experiment::Runtime::create(std::move(*registry), o.threads,
                                                      o.isa ? o.isa : "auto", "auto");
    if (!runtime) return std::move(runtime.error());
    r->runtime = std::move(*runtime);
    if (o.log) {
      r->runtime.log = [log = o.log, user = o.log_user](int32_t level, const std::string& text) {
        log(user, level, text.c_str());
      };
    }
    *out = r.release();
    return ASSAY_OK;
  });
}

void assay_runtime_destroy(assay_runtime** runtime) {
  if (!runtime) return;
  delete *runtime;
  *runtime = nullptr;
}

int32_t assay_runtime_allow_builtin(assay_runtime* runtime, assay_error** error) {
  return walled(error, [&]() -> Expected<int32_t> {
    if (!runtime) return bad_argument("`runtime` is NULL");
    auto search = runtime->search;
    search.use_builtin = true;
    return reload(*runtime, search);
  });
}

int32_t assay_runtime_allow_folder(assay_runtime* runtime,
                                   const char* folder,
                                   assay_error** error) {
  return walled(error, [&]() -> Expected<int32_t> {
    if (!runtime || !folder) return bad_argument("`runtime` or `folder` is NULL");
    struct stat info {};
    if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode)) {
      return Error(ASSAY_E_NO_FILE, "E0415", std::string("there is no folder `") + folder + "`");
    }
    if (info.st_mode & S_IWOTH) {
      return Error(ASSAY_E_PLUGIN, "E0405",
                   std::string("folder `") + folder + "` is writable by every user")
          .with_help("take the right away: `chmod o-w`");
    }
    auto search = runtime->search;
    search.plugin_dirs.emplace_back(folder);
    return reload(*runtime, search);
  });
}

int32_t assay_register(assay_runtime* runtime, const assay_plugin* plugin, assay_error** error) {
  return walled(error, [&]() -> Expected<int32_t> {
    if (!runtime || !plugin) return bad_argument("`runtime` or `plugin` is NULL");
    auto added = runtime->runtime.registry->add(plugin);
    if (!added) return std::move(added.error());
    runtime->registered.push_back(plugin);
    return ASSAY_OK;
  });
}

int32_t assay_runtime_has_plugin(const assay_runtime* runtime, const char* kind, const char* id) {
  return walled(nullptr, [&]() -> Expected<int32_t> {
    if (!runtime || !kind || !id) return bad_argument("an argument is NULL");
    return runtime->runtime.registry->find(kind, id) ? ASSAY_OK : ASSAY_E_NOT_FOUND;
  });
}

}  // extern "C"
