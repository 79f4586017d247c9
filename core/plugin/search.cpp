// SPDX-License-Identifier: Apache-2.0
// Folders of modules.
#include "core/plugin/search.hpp"

#include <fmt/format.h>
#include <link.h>
#include <sys/stat.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>

namespace assay::plugin {

namespace fs = std::filesystem;

namespace {

Error refusal(const char* code,
              const std::string& path,
              const std::string& what,
              const std::string& help) {
  Error e(ASSAY_E_PLUGIN, code, what);
  e.file = path;
  e.help.push_back(help);
  return e;
}

// File of the object that holds this function: a shared library, or the program itself.
std::string own_file() {
  struct Search {
    uintptr_t address;
    std::string file;
  } search{reinterpret_cast<uintptr_t>(&own_file), ""};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto* s = static_cast<Search*>(data);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& h = info->dlpi_phdr[i];
          const uintptr_t begin = info->dlpi_addr + h.p_vaddr;
          if (h.p_type != PT_LOAD || s->address < begin || s->address >= begin + h.p_memsz)
            continue;
          s->file = info->dlpi_name && *info->dlpi_name ? info->dlpi_name : "/proc/self/exe";
          return 1;
        }
        return 0;
      },
      &search);
  return search.file;
}

Expected<void> not_world_writable(const std::string& path, const char* what) {
  struct stat s {};
  if (stat(path.c_str(), &s) != 0 || !(s.st_mode & S_IWOTH)) return {};
  return refusal(
      "E0405", path,
      fmt::format("{} `{}` can be written by anybody, so nothing is loaded from it", what, path),
      fmt::format("`chmod o-w {}`", path));
}

}  // namespace

std::vector<std::string> folders_of_environment() {
  std::vector<std::string> out;
  const char* value = secure_getenv("ASSAY_PLUGIN_PATH");
  if (value == nullptr) return out;
  const std::string text = value;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(':', begin), text.size());
    if (end > begin && text[begin] == '/') out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::string builtin_folder() {
  std::error_code ec;
  fs::path at = fs::canonical(own_file(), ec).parent_path();
  // The library sits in lib or lib/<triplet>, the tool in bin: the prefix is one or two folders up.
  for (int up = 0; up < 2 && !ec && at.has_relative_path(); ++up) {
    at = at.parent_path();
    const fs::path folder = at / ASSAY_PLUGIN_SUBDIR;
    std::error_code none;
    if (fs::is_directory(folder, none)) return folder.string();
  }
  return "";
}

Expected<std::string> checked_folder(const std::string& path) {
  std::error_code ec;
  const fs::path real = fs::canonical(path, ec);
  if (ec || !fs::is_directory(real, ec))
    return refusal("E0415", path, fmt::format("plugin folder `{}` does not exist", path),
                   "create it, or name another");
  ASSAY_TRY(not_world_writable(real.string(), "plugin folder"));
  return real.string();
}

Expected<std::string> checked_file(const std::string& path) {
  std::error_code ec;
  const fs::path real = fs::canonical(path, ec);
  if (ec || !fs::is_regular_file(real, ec))
    return refusal("E0401", path, fmt::format("module `{}` does not exist", path),
                   "check the path");
  ASSAY_TRY(not_world_writable(real.parent_path().string(), "plugin folder"));
  ASSAY_TRY(not_world_writable(real.string(), "module"));
  return (fs::canonical(fs::path(path).parent_path(), ec) / fs::path(path).filename()).string();
}

}  // namespace assay::plugin
