// SPDX-License-Identifier: Apache-2.0
// Members of a zip archive (.npz): found through the central directory, inflated when they are
// packed, checked by CRC.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <assay/reader.hpp>
#include <string>
#include <vector>

namespace npy {

using assay::reading::Fault;

class Archive {
 public:
  struct Member {
    std::string name;
    int64_t method = 0, packed = 0, size = 0, header = 0;
    uint32_t crc = 0;
  };
  struct Bytes {
    const unsigned char* data = nullptr;
    int64_t size = 0;
    std::vector<unsigned char> inflated;  // data points here, or into the file
  };

  Archive(const unsigned char* bytes, int64_t size) : bytes_(bytes), size_(size) {
    const int64_t end = find_end();
    int64_t count = number(end + 10, 2), at = number(end + 16, 4);
    if ((count == 0xFFFF || at == 0xFFFFFFFF) && end >= 20 && number(end - 20, 4) == 0x07064b50) {
      const int64_t wide = number(end - 20 + 8, 8);
      count = number(wide + 32, 8);
      at = number(wide + 48, 8);
    }
    for (int64_t m = 0; m < count; ++m) at = read_entry(at);
  }

  const std::vector<Member>& members() const { return members_; }
  const Member* find(const std::string& name) const {
    for (const Member& m : members_)
      if (m.name == name || m.name == name + ".npy") return &m;
    return nullptr;
  }
  Bytes open(const Member& m) const {
    if (number(m.header, 4) != 0x04034b50) damaged();
    const int64_t start = m.header + 30 + number(m.header + 26, 2) + number(m.header + 28, 2);
    if (m.packed < 0 || start > size_ || m.packed > size_ - start) damaged();
    Bytes out;
    out.size = m.size;
    if (m.method == 0) {
      if (m.size != m.packed) damaged();
      out.data = bytes_ + start;
    } else if (m.method == 8) {
      out.inflated = inflated(bytes_ + start, m);
      out.data = out.inflated.data();
    } else {
      throw Fault{ASSAY_E_FORMAT,
                  "the archive is packed in a way that is not read",
                  "",
                  "method " + std::to_string(m.method),
                  "stored or deflated members, as `numpy.savez` writes them",
                  ""};
    }
    if (crc_of(out.data, out.size) != m.crc) damaged();
    return out;
  }

 private:
  [[noreturn]] static void damaged() {
    throw Fault{ASSAY_E_FORMAT, "the archive is damaged", "", "", "", "get the file once more"};
  }
  // A little-endian number of `width` bytes at `at`.
  int64_t number(int64_t at, int width) const {
    if (at < 0 || at > size_ - width) damaged();
    uint64_t out = 0;
    for (int b = width - 1; b >= 0; --b) out = out << 8 | bytes_[at + b];
    return out >> 62 ? -1 : static_cast<int64_t>(out);
  }
  int64_t find_end() const {
    for (int64_t at = size_ - 22; at >= 0 && at >= size_ - 22 - 65535; --at)
      if (number(at, 4) == 0x06054b50) return at;
    throw Fault{
        ASSAY_E_TRUNCATED,       "the archive has no directory: it ends too early", "", "", "",
        "get the file once more"};
  }
  // Reads the directory's entry at `at`; returns where the next one is.
  int64_t read_entry(int64_t at) {
    if (number(at, 4) != 0x02014b50) damaged();
    Member m;
    m.method = number(at + 10, 2);
    m.crc = static_cast<uint32_t>(number(at + 16, 4));
    m.packed = number(at + 20, 4);
    m.size = number(at + 24, 4);
    m.header = number(at + 42, 4);
    const int64_t name = number(at + 28, 2), extra = number(at + 30, 2),
                  comment = number(at + 32, 2);
    if (at + 46 + name + extra + comment > size_) damaged();
    m.name.assign(reinterpret_cast<const char*>(bytes_) + at + 46, static_cast<size_t>(name));
    int64_t field = at + 46 + name;
    const int64_t end = field + extra;
    while (field + 4 <= end) {
      if (number(field, 2) == 1) {
        int64_t p = field + 4;
        for (int64_t* value : {&m.size, &m.packed, &m.header}) {
          if (*value != 0xFFFFFFFF) continue;
          *value = number(p, 8);
          p += 8;
        }
      }
      field += 4 + number(field + 2, 2);
    }
    members_.push_back(std::move(m));
    return end + comment;
  }
  static std::vector<unsigned char> inflated(const unsigned char* from, const Member& m) {
    // Deflate packs at most about 1032 to 1: a larger size is a lie and gets no memory.
    if (m.size < 0 || m.size / 1100 > m.packed) damaged();
    std::vector<unsigned char> out(static_cast<size_t>(m.size));
    z_stream z{};
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
    int64_t in = 0, done = 0;
    int status = Z_OK;
    while (status == Z_OK && done < m.size) {
      const auto in_now = static_cast<uInt>(std::min<int64_t>(m.packed - in, 1 << 30));
      const auto out_now = static_cast<uInt>(std::min<int64_t>(m.size - done, 1 << 30));
      z.next_in = const_cast<unsigned char*>(from + in);
      z.avail_in = in_now;
      z.next_out = out.data() + done;
      z.avail_out = out_now;
      status = inflate(&z, Z_NO_FLUSH);
      in += in_now - z.avail_in;
      done += out_now - z.avail_out;
      if (in_now == z.avail_in && out_now == z.avail_out) break;
    }
    inflateEnd(&z);
    if (done != m.size) damaged();
    return out;
  }
  static uint32_t crc_of(const unsigned char* data, int64_t n) {
    uLong crc = crc32(0, nullptr, 0);
    for (int64_t at = 0; at < n; at += 1 << 30)
      crc = crc32(crc, data + at, static_cast<uInt>(std::min<int64_t>(n - at, 1 << 30)));
    return static_cast<uint32_t>(crc);
  }

  const unsigned char* bytes_;
  int64_t size_;
  std::vector<Member> members_;
};

}  // namespace npy
