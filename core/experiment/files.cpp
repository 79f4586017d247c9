// SPDX-License-Identifier: Apache-2.0
// Writing, reading and locking with POSIX calls, whose errors say what went wrong.
#include "core/experiment/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

namespace assay::experiment {
namespace {

std::string host_name() {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0) return "unknown";
  return name;
}

int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

}  // namespace

Error store_error(int number, const std::string& doing, const std::string& path) {
  const std::string reason = std::generic_category().message(number);
  if (number == ENOSPC || number == EDQUOT || number == EFBIG) {
    Error e(ASSAY_E_IO, "E0502", fmt::format("no room to {} `{}`", doing, path));
    e.found.push_back(reason);
    e.help.push_back("make room and type the same command again: it goes on where it stopped");
    e.note.push_back("what was finished before is kept");
    return e;
  }
  if (number == EACCES || number == EROFS || number == EPERM || number == ENOTDIR ||
      number == EEXIST) {
    Error e(ASSAY_E_IO, "E0501", fmt::format("cannot {} `{}`", doing, path));
    e.found.push_back(reason);
    e.help.push_back("choose a folder you may write to with `-o DIR`");
    return e;
  }
  if (number == ENOENT) {
    Error e(ASSAY_E_IO, "E0505", fmt::format("cannot {} `{}`", doing, path));
    e.found.push_back("its folder does not exist");
    e.help.push_back("make the folder first, or choose another with `-o`");
    return e;
  }
  Error e(ASSAY_E_IO, "E0505", fmt::format("cannot {} `{}`", doing, path));
  e.found.push_back(reason);
  e.help.push_back("type the same command again: it goes on where it stopped");
  return e;
}

Expected<void> write_file(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".tmp";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return store_error(errno, "write", path);
  int number = write_all(fd, text);
  if (::close(fd) != 0 && number == 0) number = errno;
  if (number == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) number = errno;
  if (number == 0) return {};
  ::unlink(temporary.c_str());
  return store_error(number, "write", path);
}

Expected<void> write_if_changed(const std::string& path, std::string_view text) {
  const auto old = read_file(path);
  if (old && *old == text) return {};
  return write_file(path, text);
}

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad()) return std::nullopt;
  return text;
}

Expected<void> make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return store_error(error.value(), "create folder", path);
  if (!std::filesystem::is_directory(path, error)) {
    return store_error(ENOTDIR, "create folder", path);
  }
  return {};
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

void remove_file(const std::string& path) { ::unlink(path.c_str()); }

FileLimitGuard::FileLimitGuard() {
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGXFSZ);
  blocked_ = pthread_sigmask(SIG_BLOCK, &set, &old) == 0 && !sigismember(&old, SIGXFSZ);
}

FileLimitGuard::~FileLimitGuard() {
  if (!blocked_) return;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGXFSZ);
  const timespec now = {0, 0};
  while (sigtimedwait(&set, nullptr, &now) > 0) {
  }
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

Expected<Lock> Lock::acquire(const std::string& folder, std::string* took_over) {
  const std::string path = folder + "/lock";
  Lock lock;
  lock.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock.fd_ < 0) return store_error(errno, "write", path);
  const int failed = ::flock(lock.fd_, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  const std::string owner = read_file(path).value_or("");
  if (failed == EWOULDBLOCK) {
    Error e(ASSAY_E_IO, "E0503",
            fmt::format("run folder `{}` is in use by another process", folder));
    if (!owner.empty()) e.found.push_back(owner.substr(0, owner.find('\n')));
    e.help.push_back("wait for it to end, or choose another folder with `-o DIR`");
    return e;
  }
  if (failed) return store_error(failed, "lock", path);
  if (took_over) *took_over = owner.substr(0, owner.find('\n'));
  const std::string mine = fmt::format("pid {} on host {}\n", ::getpid(), host_name());
  int number = ::ftruncate(lock.fd_, 0) == 0 ? 0 : errno;
  if (number == 0) number = write_all(lock.fd_, mine);
  if (number) return store_error(number, "write", path);
  return lock;
}

Lock::Lock(Lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Lock& Lock::operator=(Lock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Lock::~Lock() {
  if (fd_ < 0) return;
  // An empty file says that the owner left in peace; the file stays, because removing it races with
  // the next owner.
  [[maybe_unused]] const int ignored = ::ftruncate(fd_, 0);
  ::close(fd_);
}

}  // namespace assay::experiment
