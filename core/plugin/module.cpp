// SPDX-License-Identifier: Apache-2.0
// Opens a shared library, checks that it speaks this ABI and that it left the floating-point mode
// alone.
#include "core/plugin/module.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cfenv>
#include <cstdio>
#include <map>
#include <mutex>

#include "core/base/hash.hpp"
#include "core/plugin/guard.hpp"

namespace assay::plugin {

namespace {

Error refusal(const char* code,
              const std::string& file,
              const std::string& what,
              const std::string& help) {
  Error e(ASSAY_E_PLUGIN, code, what);
  e.file = file;
  e.help.push_back(help);
  return e;
}

// The control bits of the floating-point unit: rounding, denormals, masks; without the sticky
// exception flags.
struct FloatMode {
  std::fenv_t env{};
  uint64_t control = 0;

  static FloatMode now() {
    FloatMode m;
    std::fegetenv(&m.env);
#if defined(__x86_64__)
    constexpr uint32_t kFlags = 0x3f;
    m.control = static_cast<uint64_t>(m.env.__control_word) << 32 | (m.env.__mxcsr & ~kFlags);
#elif defined(__aarch64__)
    m.control = m.env.__fpcr;
#endif
    return m;
  }
  void restore() const { std::fesetenv(&env); }
};

Error changed_mode(const std::string& file, const FloatMode& before, const FloatMode& after) {
  Error e =
      refusal("E0406", file,
              fmt::format("module `{}` changes the floating-point mode of the process", file),
              "build and link it without -ffast-math, -Ofast and -funsafe-math-optimizations");
  e.status = ASSAY_E_ABI;
  e.found.push_back(
      fmt::format("control word {:#x} before loading, {:#x} after", before.control, after.control));
  e.note.emplace_back("denormals or rounding would differ in every plugin; the mode was restored");
  return e;
}

Expected<void> check_abi(const assay_module& m, const std::string& file) {
  constexpr uint32_t kPrefix = offsetof(assay_module, build);
  if (m.struct_size < kPrefix)
    return refusal("E0404", file,
                   fmt::format("module `{}` has a descriptor of {} bytes", file, m.struct_size),
                   "set struct_size to sizeof(assay_module)");
  if (m.abi_major == ASSAY_ABI_MAJOR && m.abi_minor == ASSAY_ABI_MINOR) return {};
  const bool newer = m.abi_major > ASSAY_ABI_MAJOR ||
                     (m.abi_major == ASSAY_ABI_MAJOR && m.abi_minor > ASSAY_ABI_MINOR);
  Error e =
      refusal("E0403", file,
              fmt::format("module `{}` is built for ABI {}.{}, this assay speaks ABI {}.{}", file,
                          m.abi_major, m.abi_minor, ASSAY_ABI_MAJOR, ASSAY_ABI_MINOR),
              newer ? "install a newer assay, or build the module with the headers of this one"
                    : "build the module again with the headers of this assay");
  e.status = ASSAY_E_ABI;
  return e;
}

Expected<std::string> hash_of_file(const std::string& file) {
  std::FILE* f = std::fopen(file.c_str(), "rb");
  if (f == nullptr)
    return refusal("E0401", file, fmt::format("cannot read module `{}`", file),
                   "check the path and its permissions");
  Hasher hasher;
  std::vector<char> bytes(size_t{1} << 16);
  for (size_t n = 0; (n = std::fread(bytes.data(), 1, bytes.size(), f)) > 0;)
    hasher.update(bytes.data(), n);
  std::fclose(f);
  return hasher.hex();
}

// Modules of this process by use: a library opened twice is one module, started once.
struct Started {
  std::mutex mutex;
  std::map<const assay_module*, int> uses;
};
Started& started() {
  static Started s;
  return s;
}

Expected<void> start(const assay_module& m, const std::string& file) {
  const std::lock_guard lock(started().mutex);
  int& uses = started().uses[&m];
  if (uses == 0 && ASSAY_HAS(&m, init) && m.init) {
    const int32_t status = guarded(nullptr, file, [&] { return m.init(host()); });
    if (status < 0)
      return refusal("E0408", file,
                     fmt::format("module `{}` failed to start with status {}", file, status),
                     "see the module's own documentation");
  }
  ++uses;
  return {};
}

void stop(const assay_module& m) {
  const std::lock_guard lock(started().mutex);
  if (--started().uses[&m] > 0 || !ASSAY_HAS(&m, shutdown) || !m.shutdown) return;
  guarded(nullptr, m.id, [&] {
    m.shutdown();
    return ASSAY_OK;
  });
}

std::string file_name(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

Expected<std::vector<std::unique_ptr<OwnedDescriptor>>> plugins_of(const assay_module& m,
                                                                   const std::string& file) {
  if (!ASSAY_HAS(&m, plugins) || m.plugins == nullptr || m.n_plugins < 1)
    return refusal("E0404", file, fmt::format("module `{}` holds no plugin", file),
                   "list the plugin descriptors in the module's");
  const Expected<std::string> hash = hash_of_file(file);
  if (!hash) return hash.error();
  std::vector<std::unique_ptr<OwnedDescriptor>> out;
  bool named = false;
  for (int64_t i = 0; i < m.n_plugins; ++i) {
    auto d = adopt(m.plugins[i], file);
    if (!d) return std::move(d.error());
    (*d)->module = &m;
    (*d)->version = m.version ? m.version : "";
    (*d)->hash = *hash;
    named = named || file_name(file) == (*d)->kind + "-" + (*d)->id + ".so";
    for (const auto& other : out) {
      if (other->kind != (*d)->kind || other->id != (*d)->id) continue;
      return refusal(
          "E0409", file,
          fmt::format("module `{}` holds two plugins {} `{}`", file, other->kind, other->id),
          "give each plugin an id of its own");
    }
    out.push_back(std::move(*d));
  }
  if (!named)
    return refusal("E0407", file,
                   fmt::format("module `{}` does not carry the name of its plugin", file),
                   fmt::format("rename the file to `{}-{}.so`", out[0]->kind, out[0]->id));
  return out;
}

}  // namespace

Expected<std::shared_ptr<Module>> Module::load(const std::string& file) {
  const FloatMode before = FloatMode::now();
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  const char* why = library ? nullptr : dlerror();
  const auto entry = library ? reinterpret_cast<decltype(&assay_plugin_main_v1)>(
                                   dlsym(library, "assay_plugin_main_v1"))
                             : nullptr;
  const assay_module* m = nullptr;
  if (entry) guarded(nullptr, file, [&] { return m = entry(), ASSAY_OK; });
  const FloatMode after = FloatMode::now();
  before.restore();
  if (!library)
    return refusal("E0401", file,
                   fmt::format("cannot load module `{}`: {}", file, why ? why : "unknown reason"),
                   "it must be a shared library for this machine with all it needs; `ldd -r` names "
                   "what is missing");
  if (after.control != before.control) return changed_mode(file, before, after);
  if (!entry)
    return refusal("E0402", file,
                   fmt::format("module `{}` has no function `assay_plugin_main_v1`", file),
                   "export it with default visibility, as ASSAY_MODULE of assay/plugin.h does");
  if (!m)
    return refusal("E0404", file, fmt::format("module `{}` gives no descriptor", file),
                   "return one from the entry");
  ASSAY_TRY(check_abi(*m, file));
  auto plugins = plugins_of(*m, file);
  if (!plugins) return std::move(plugins.error());
  ASSAY_TRY(start(*m, file));
  std::shared_ptr<Module> module(new Module);
  module->module_ = m;
  module->plugins_ = std::move(*plugins);
  const FloatMode started_mode = FloatMode::now();
  if (started_mode.control == before.control) return module;
  before.restore();
  return changed_mode(file, before, started_mode);
}

Module::~Module() {
  if (module_) stop(*module_);
}

}  // namespace assay::plugin
