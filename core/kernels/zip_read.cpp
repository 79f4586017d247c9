// SPDX-License-Identifier: Apache-2.0
// Reads zip archives: the directory at the end says where members are and how long; each is checked
// by its CRC.
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <utility>

#include "core/kernels/zip.hpp"

namespace assay::kernels {
namespace {

constexpr uint32_t kEndMark = 0x06054b50, kEnd64Mark = 0x06064b50, kLocator64Mark = 0x07064b50;
constexpr uint32_t kEntryMark = 0x02014b50, kLocalMark = 0x04034b50;
constexpr uint64_t kEndSize = 22, kLocator64Size = 20, kEnd64Size = 56;
constexpr uint64_t kEntrySize = 46, kLocalSize = 30;
constexpr uint16_t kStored = 0, kDeflated = 8;
constexpr uint64_t kMost32 = 0xffffffff;

using Bytes = std::vector<unsigned char>;

uint64_t little(const unsigned char* p, int bytes) {
  uint64_t v = 0;
  for (int b = bytes - 1; b >= 0; --b) v = v << 8 | p[b];
  return v;
}

Error malformed(const std::string& path, const std::string& what) {
  Error error(ASSAY_E_FORMAT, "E0306", "the archive is not a readable zip file: " + what);
  error.file = path;
  error.help.push_back("write it again, for instance with numpy's `savez`");
  return error;
}

Error truncated(const std::string& path, const std::string& what) {
  Error error(ASSAY_E_TRUNCATED, "E0302", "the archive ends too early: " + what);
  error.file = path;
  error.help.push_back("copy or download the file again");
  return error;
}

struct Entry {
  std::string name;
  uint16_t method = 0, flags = 0;
  uint32_t crc = 0;
  uint64_t packed = 0, size = 0, offset = 0;
};

class Archive {
 public:
  Archive(const std::string& path, const Bytes& file) : path_(path), file_(file) {}

  Expected<std::vector<ZipMember>> members() {
    auto at = directory();
    if (!at) return std::move(at.error());
    std::vector<ZipMember> out;
    uint64_t offset = at->offset;
    for (uint64_t e = 0; e < at->entries; ++e) {
      auto entry = read_entry(offset);
      if (!entry) return std::move(entry.error());
      auto bytes = content(*entry);
      if (!bytes) return std::move(bytes.error());
      out.push_back({entry->name, std::move(*bytes)});
    }
    return out;
  }

 private:
  struct Directory {
    uint64_t entries = 0, offset = 0;
  };

  bool inside(uint64_t offset, uint64_t n) const {
    return offset <= file_.size() && n <= file_.size() - offset;
  }
  uint64_t number(uint64_t offset, int bytes) const { return little(file_.data() + offset, bytes); }

  Expected<Directory> directory() const {
    if (!inside(0, 4) || (number(0, 4) != kLocalMark && number(0, 4) != kEndMark)) {
      return malformed(path_, "it does not begin like one");
    }
    if (file_.size() < kEndSize) return truncated(path_, "the directory at its end is missing");
    // The end record may be followed by a comment of at most 65535 bytes.
    const uint64_t last = file_.size() - kEndSize;
    const uint64_t first = last > 65535 ? last - 65535 : 0;
    uint64_t end = last;
    while (number(end, 4) != kEndMark) {
      if (end == first) return truncated(path_, "the directory at its end is missing");
      --end;
    }
    Directory d{number(end + 10, 2), number(end + 16, 4)};
    if (end >= kLocator64Size && number(end - kLocator64Size, 4) == kLocator64Mark) {
      const uint64_t end64 = number(end - kLocator64Size + 8, 8);
      if (!inside(end64, kEnd64Size) || number(end64, 4) != kEnd64Mark) {
        return malformed(path_, "its zip64 end record is not where it should be");
      }
      d = {number(end64 + 32, 8), number(end64 + 48, 8)};
    }
    return d;
  }

  // Reads the directory's entry at `offset` and moves on behind it.
  Expected<Entry> read_entry(uint64_t& offset) const {
    if (!inside(offset, kEntrySize) || number(offset, 4) != kEntryMark) {
      return malformed(path_, "its directory is damaged");
    }
    Entry e;
    e.flags = static_cast<uint16_t>(number(offset + 8, 2));
    e.method = static_cast<uint16_t>(number(offset + 10, 2));
    e.crc = static_cast<uint32_t>(number(offset + 16, 4));
    e.packed = number(offset + 20, 4);
    e.size = number(offset + 24, 4);
    const uint64_t name = number(offset + 28, 2), extra = number(offset + 30, 2);
    const uint64_t comment = number(offset + 32, 2);
    e.offset = number(offset + 42, 4);
    if (!inside(offset + kEntrySize, name + extra + comment)) {
      return malformed(path_, "its directory is damaged");
    }
    const auto* text = reinterpret_cast<const char*>(file_.data() + offset + kEntrySize);
    e.name.assign(text, name);
    read_zip64(offset + kEntrySize + name, extra, e);
    offset += kEntrySize + name + extra + comment;
    if ((e.flags & 1) != 0) return malformed(path_, "member `" + e.name + "` is encrypted");
    return e;
  }

  // Fields that did not fit 32 bits, in the order of the format.
  void read_zip64(uint64_t at, uint64_t n, Entry& e) const {
    const uint64_t end = at + n;
    while (at + 4 <= end) {
      const uint64_t id = number(at, 2), size = number(at + 2, 2);
      at += 4;
      if (size > end - at) return;
      if (id == 1) {
        uint64_t field = at;
        for (uint64_t* value : {&e.size, &e.packed, &e.offset}) {
          if (*value != kMost32 || field + 8 > at + size) continue;
          *value = number(field, 8);
          field += 8;
        }
      }
      at += size;
    }
  }

  Expected<Bytes> content(const Entry& e) const {
    const std::string name = "member `" + e.name + "`";
    if (!inside(e.offset, kLocalSize) || number(e.offset, 4) != kLocalMark) {
      return malformed(path_, name + " is not where the directory says");
    }
    const uint64_t start =
        e.offset + kLocalSize + number(e.offset + 26, 2) + number(e.offset + 28, 2);
    if (!inside(start, e.packed)) return truncated(path_, name + " is cut off");
    const unsigned char* packed = file_.data() + start;
    Bytes bytes;
    if (e.method == kStored) {
      if (e.packed != e.size) return malformed(path_, name + " has two sizes");
      bytes.assign(packed, packed + e.size);
    } else if (e.method == kDeflated) {
      // Deflate makes nothing more than 1032 times longer.
      if (e.size / 1032 > e.packed + 1) return malformed(path_, name + " has an impossible size");
      bytes.resize(e.size);
      if (!inflate_into(packed, e.packed, bytes)) {
        return malformed(path_, name + " cannot be decompressed");
      }
    } else {
      return malformed(path_, name + " is compressed in a way that is not read");
    }
    if ((bytes.empty() ? 0 : crc32_z(0, bytes.data(), bytes.size())) != e.crc) {
      return malformed(path_, name + " does not match its checksum");
    }
    return bytes;
  }

  static bool inflate_into(const unsigned char* packed, uint64_t n, Bytes& out) {
    z_stream stream = {};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return false;
    constexpr uint64_t kMost = std::numeric_limits<uInt>::max();
    uint64_t taken = 0, made = 0;
    int status = Z_OK;
    unsigned char none = 0;
    while (status == Z_OK) {
      stream.next_in = const_cast<unsigned char*>(packed + taken);
      stream.avail_in = static_cast<uInt>(std::min(n - taken, kMost));
      stream.next_out = out.empty() ? &none : out.data() + made;
      stream.avail_out = static_cast<uInt>(std::min(out.size() - made, kMost));
      const uInt in = stream.avail_in, room = stream.avail_out;
      status = inflate(&stream, Z_NO_FLUSH);
      taken += in - stream.avail_in;
      made += room - stream.avail_out;
    }
    inflateEnd(&stream);
    return status == Z_STREAM_END && made == out.size();
  }

  const std::string& path_;
  const Bytes& file_;
};

}  // namespace

Expected<std::vector<unsigned char>> read_file(const std::string& path) {
  const auto close = [](std::FILE* f) { std::fclose(f); };
  const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "rb"), close);
  const auto unreadable = [&](const char* what) {
    Error error(ASSAY_E_NO_FILE, "E0301", what);
    error.file = path;
    error.help.push_back("give the path of a file that exists and may be read");
    return error;
  };
  if (file == nullptr) {
    const std::string what = std::string("cannot open the file: ") + std::strerror(errno);
    return unreadable(what.c_str());
  }
  try {
    Bytes bytes;
    constexpr size_t kPiece = size_t{1} << 20;
    for (;;) {
      const size_t have = bytes.size();
      bytes.resize(have + kPiece);
      const size_t got = std::fread(bytes.data() + have, 1, kPiece, file.get());
      bytes.resize(have + got);
      if (got < kPiece) break;
    }
    if (std::ferror(file.get()) != 0) return unreadable("cannot read the file");
    return bytes;
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", "not enough memory to read `" + path + "`");
  }
}

Expected<std::vector<ZipMember>> read_zip(const std::string& path) {
  auto file = read_file(path);
  if (!file) return std::move(file.error());
  try {
    return Archive(path, *file).members();
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", "not enough memory to read `" + path + "`");
  }
}

}  // namespace assay::kernels
