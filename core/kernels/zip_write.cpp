// SPDX-License-Identifier: Apache-2.0
// Writes zip archives of stored members: equal members give equal bytes, and a reader never sees
// half a file.
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/kernels/zip.hpp"

namespace assay::kernels {
namespace {

constexpr uint64_t kMost32 = 0xffffffff;
constexpr uint64_t kDate = 0x0021;  // 1 January 1980, the earliest the format knows

void put(std::string& out, uint64_t value, int bytes) {
  for (int b = 0; b < bytes; ++b) out.push_back(static_cast<char>(value >> (8 * b) & 0xff));
}

struct Placed {
  uint64_t size = 0, offset = 0, crc = 0;
};

// The fields local headers and directory entries share, from the version needed to the length of
// the name.
void put_common(std::string& out, const ZipPiece& piece, const Placed& at, bool wide) {
  put(out, wide ? 45 : 20, 2);
  put(out, 0x0800, 2);  // names are UTF-8
  put(out, 0, 2);       // stored
  put(out, 0, 2);
  put(out, kDate, 2);
  put(out, at.crc, 4);
  put(out, wide ? kMost32 : at.size, 4);
  put(out, wide ? kMost32 : at.size, 4);
  put(out, piece.name.size(), 2);
}

std::string local_header(const ZipPiece& piece, const Placed& at) {
  const bool wide = at.size >= kMost32;
  std::string out;
  put(out, 0x04034b50, 4);
  put_common(out, piece, at, wide);
  put(out, wide ? 20 : 0, 2);
  out += piece.name;
  if (wide) {
    put(out, 1, 2);
    put(out, 16, 2);
    put(out, at.size, 8);
    put(out, at.size, 8);
  }
  return out;
}

std::string directory_entry(const ZipPiece& piece, const Placed& at) {
  const bool wide = at.size >= kMost32 || at.offset >= kMost32;
  std::string out;
  put(out, 0x02014b50, 4);
  put(out, wide ? 45 : 20, 2);
  put_common(out, piece, at, wide);
  put(out, wide ? 28 : 0, 2);
  put(out, 0, 2);  // comment
  put(out, 0, 2);  // disk
  put(out, 0, 2);
  put(out, 0, 4);
  put(out, wide ? kMost32 : at.offset, 4);
  out += piece.name;
  if (wide) {
    put(out, 1, 2);
    put(out, 24, 2);
    put(out, at.size, 8);
    put(out, at.size, 8);
    put(out, at.offset, 8);
  }
  return out;
}

std::string end_records(uint64_t entries, uint64_t start, uint64_t size) {
  const bool wide = entries >= 0xffff || start >= kMost32 || size >= kMost32;
  std::string out;
  if (wide) {
    put(out, 0x06064b50, 4);
    put(out, 44, 8);
    put(out, 45, 2);
    put(out, 45, 2);
    put(out, 0, 8);  // disks
    put(out, entries, 8);
    put(out, entries, 8);
    put(out, size, 8);
    put(out, start, 8);
    put(out, 0x07064b50, 4);
    put(out, 0, 4);
    put(out, start + size, 8);
    put(out, 1, 4);
  }
  put(out, 0x06054b50, 4);
  put(out, 0, 4);  // disks
  put(out, wide ? 0xffff : entries, 2);
  put(out, wide ? 0xffff : entries, 2);
  put(out, wide ? kMost32 : size, 4);
  put(out, wide ? kMost32 : start, 4);
  put(out, 0, 2);
  return out;
}

Error failed(const std::string& path, const char* verb) {
  const int number = errno;
  const bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
  const bool refused = number == EACCES || number == EROFS || number == EPERM || number == ENOENT;
  Error error(ASSAY_E_IO,
              full      ? "E0502"
              : refused ? "E0501"
                        : "E0505",
              std::string("cannot ") + verb + " the file: " + std::strerror(number));
  error.file = path;
  error.help.push_back("see that the folder exists, may be written and has room");
  return error;
}

// A file that is removed again unless it was renamed into place.
class Replacement {
 public:
  explicit Replacement(const std::string& path) : path_(path), temporary_(path + ".tmp") {
    file_ = std::fopen(temporary_.c_str(), "wb");
  }
  ~Replacement() {
    if (file_ != nullptr) {
      std::fclose(file_);
      std::remove(temporary_.c_str());
    }
  }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  bool open() const { return file_ != nullptr; }
  bool write(const void* data, uint64_t n) {
    written_ += n;
    return n == 0 || std::fwrite(data, 1, n, file_) == n;
  }
  bool write(const std::string& text) { return write(text.data(), text.size()); }
  uint64_t written() const { return written_; }

  bool commit(bool sync) {
    bool ok = std::fflush(file_) == 0 && (!sync || fsync(fileno(file_)) == 0);
    ok = std::fclose(std::exchange(file_, nullptr)) == 0 && ok;
    ok = ok && std::rename(temporary_.c_str(), path_.c_str()) == 0;
    if (!ok) {
      const int reason = errno;
      std::remove(temporary_.c_str());
      errno = reason;
    }
    if (ok && sync) sync_folder();
    return ok;
  }

 private:
  // Makes the new name itself survive a power failure; a file system that cannot is no reason to
  // fail.
  void sync_folder() const {
    const size_t slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    const int fd = open_folder(folder);
    if (fd < 0) return;
    static_cast<void>(fsync(fd));
    close(fd);
  }
  static int open_folder(const std::string& folder) {
    return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }

  std::string path_, temporary_;
  std::FILE* file_ = nullptr;
  uint64_t written_ = 0;
};

}  // namespace

Expected<void> write_zip(const std::string& path, const std::vector<ZipPiece>& pieces, bool sync) {
  Replacement file(path);
  if (!file.open()) return failed(path, "create");
  std::string directory;
  for (const ZipPiece& piece : pieces) {
    const auto* head = reinterpret_cast<const unsigned char*>(piece.head.data());
    Placed at;
    at.size = piece.head.size() + piece.size;
    at.offset = file.written();
    at.crc = crc32_z(0, head, piece.head.size());
    if (piece.size > 0) at.crc = crc32_z(at.crc, piece.data, piece.size);  // null starts it anew
    if (!file.write(local_header(piece, at)) || !file.write(piece.head) ||
        !file.write(piece.data, piece.size)) {
      return failed(path, "write");
    }
    directory += directory_entry(piece, at);
  }
  const uint64_t start = file.written();
  if (!file.write(directory) || !file.write(end_records(pieces.size(), start, directory.size())) ||
      !file.commit(sync)) {
    return failed(path, "write");
  }
  return {};
}

}  // namespace assay::kernels
