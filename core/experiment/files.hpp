// SPDX-License-Identifier: Apache-2.0
// Files of a run: written whole under a temporary name and renamed, so that a kill leaves the old
// or the new one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/expected.hpp"

namespace assay::experiment {

// E0501 (folder), E0502 (full), E0505 (any other fault of writing).
Expected<void> write_file(const std::string& path, std::string_view text);
// Leaves a file of equal content alone.
Expected<void> write_if_changed(const std::string& path, std::string_view text);
std::optional<std::string> read_file(const std::string& path);
Expected<void> make_folder(const std::string& path);
bool exists(const std::string& path);
void remove_file(const std::string& path);

// The error of a failed call on `path`, from errno; `doing`: "write", "create".
Error store_error(int number, const std::string& doing, const std::string& path);

// While it lives a file-size limit is an error of write(), not a signal that ends the process. Of
// this thread only.
class FileLimitGuard {
 public:
  FileLimitGuard();
  ~FileLimitGuard();
  FileLimitGuard(const FileLimitGuard&) = delete;
  FileLimitGuard& operator=(const FileLimitGuard&) = delete;

 private:
  bool blocked_ = false;
};

// One process per run folder. The kernel drops a dead owner's lock; its pid and host in the file
// are for messages.
class Lock {
 public:
  // E0503 names the process that holds it. `took_over`: who had it and died.
  static Expected<Lock> acquire(const std::string& folder, std::string* took_over);
  Lock(Lock&& other) noexcept;
  Lock& operator=(Lock&& other) noexcept;
  ~Lock();

 private:
  Lock() = default;
  int fd_ = -1;
};

}  // namespace assay::experiment
