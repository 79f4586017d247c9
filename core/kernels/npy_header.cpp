// SPDX-License-Identifier: Apache-2.0
// Reads and writes the head of a .npy file.
#include "core/kernels/npy_header.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>

namespace assay::kernels {
namespace {

constexpr NpyType kTypes[] = {{"f8", ASSAY_F64, 8}, {"f4", ASSAY_F32, 4}, {"f2", ASSAY_F16, 2},
                              {"u1", ASSAY_U8, 1},  {"u2", ASSAY_U16, 2}, {"i4", ASSAY_I32, 4},
                              {"i8", ASSAY_I64, 8}};

constexpr std::string_view kMagic("\x93NUMPY", 6);

// Reads the dictionary of a header; the keys may stand in any order.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  Expected<NpyHeader> parse() {
    bool descr = false, order = false, shape = false;
    if (!take('{')) return damaged();
    while (!take('}')) {
      std::string_view key;
      if (!quoted(key) || !take(':')) return damaged();
      if (key == "descr" && !descr) {
        descr = true;
        if (auto error = read_type(); !error) return std::move(error.error());
      } else if (key == "fortran_order" && !order) {
        order = true;
        if (word("True")) {
          header_.fortran = true;
        } else if (!word("False")) {
          return damaged();
        }
      } else if (key == "shape" && !shape) {
        shape = true;
        if (auto error = read_shape(); !error) return std::move(error.error());
      } else {
        return damaged();
      }
      if (!take(',') && !peek('}')) return damaged();
    }
    if (!descr || !order || !shape) return damaged();
    return header_;
  }

 private:
  static Error damaged() {
    return npy_malformed("the head of the array is damaged",
                         "write the file again with numpy's `save`");
  }

  void skip() {
    while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\n')) text_.remove_prefix(1);
  }
  bool peek(char c) {
    skip();
    return !text_.empty() && text_[0] == c;
  }
  bool take(char c) {
    if (!peek(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool word(std::string_view w) {
    skip();
    if (text_.substr(0, w.size()) != w) return false;
    text_.remove_prefix(w.size());
    return true;
  }
  bool quoted(std::string_view& out) {
    skip();
    if (text_.empty() || (text_[0] != '\'' && text_[0] != '"')) return false;
    const size_t end = text_.find(text_[0], 1);
    if (end == std::string_view::npos) return false;
    out = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return true;
  }

  Expected<void> read_type() {
    std::string_view descr;
    if (!quoted(descr)) {
      return npy_malformed("the array holds records, which are not read",
                           "save each field as an array of its own");
    }
    if (!descr.empty() && descr[0] == '>') {
      return npy_malformed("the array is big-endian, which is not read",
                           "convert it with numpy: `a.astype(a.dtype.newbyteorder('<'))`");
    }
    const bool marked = !descr.empty() && (descr[0] == '<' || descr[0] == '|' || descr[0] == '=');
    const std::string_view code = marked ? descr.substr(1) : descr;
    for (const NpyType& type : kTypes) {
      if (code == type.code) header_.type = &type;
    }
    if (header_.type == nullptr) {
      return npy_malformed("arrays of type `" + std::string(descr.substr(0, 20)) + "` are not read",
                           "convert it to f8, f4, f2, u1, u2, i4 or i8");
    }
    return {};
  }

  Expected<void> read_shape() {
    if (!take('(')) return damaged();
    int64_t sizes[2] = {0, 1};
    int dimensions = 0;
    while (!take(')')) {
      skip();
      int64_t size = -1;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), size);
      if (error != std::errc() || size < 0) return damaged();
      text_.remove_prefix(static_cast<size_t>(end - text_.data()));
      if (dimensions < 2) sizes[dimensions] = size;
      ++dimensions;
      if (!take(',') && !peek(')')) return damaged();
    }
    if (dimensions != 1 && dimensions != 2) {
      return npy_malformed(
          "the array has " + std::to_string(dimensions) + " dimensions, one or two are read",
          "reshape it to a matrix");
    }
    header_.vector = dimensions == 1;
    header_.rows = sizes[0];
    header_.cols = sizes[1];
    return {};
  }

  std::string_view text_;
  NpyHeader header_;
};

}  // namespace

Error npy_malformed(const std::string& what, const std::string& help) {
  return Error(ASSAY_E_FORMAT, "E0306", what).with_help(help);
}

Error npy_truncated(const std::string& what) {
  return Error(ASSAY_E_TRUNCATED, "E0302", what).with_help("copy or download the file again");
}

const NpyType* npy_type(int32_t dtype) {
  for (const NpyType& type : kTypes) {
    if (type.dtype == dtype) return &type;
  }
  return nullptr;
}

Expected<std::pair<NpyHeader, size_t>> read_npy_header(const std::vector<unsigned char>& file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.substr(0, kMagic.size()) != kMagic.substr(0, std::min(kMagic.size(), text.size()))) {
    return npy_malformed("the file is not an .npy array", "write it with numpy's `save`");
  }
  if (text.size() < 12) return npy_truncated("the array ends within its head");
  const int version = file[6];
  if (version < 1 || version > 3) {
    return npy_malformed("version " + std::to_string(version) + " of the .npy format is not read",
                         "write it with numpy's `save`");
  }
  const size_t start = version == 1 ? 10 : 12;
  size_t length = file[8] | static_cast<size_t>(file[9]) << 8;
  if (version > 1)
    length |= static_cast<size_t>(file[10]) << 16 | static_cast<size_t>(file[11]) << 24;
  if (length > text.size() - start) return npy_truncated("the array ends within its head");
  auto header = HeaderParser(text.substr(start, length)).parse();
  if (!header) return std::move(header.error());
  return std::make_pair(*header, start + length);
}

std::string npy_header(const Member& m) {
  std::string text = "{'descr': '";
  text += m.dtype == ASSAY_U8 ? '|' : '<';
  text += npy_type(m.dtype)->code;
  text += "', 'fortran_order': False, 'shape': (" + std::to_string(m.rows) + ",";
  if (!m.vector) {
    text += ' ';
    text += std::to_string(m.cols);
  }
  text += "), }";
  // Elements begin on a 64-byte border of the file: magic, version and length take 10 bytes, a
  // newline ends the head.
  text.append(63 - (10 + text.size()) % 64, ' ');
  text += '\n';
  std::string out(kMagic);
  out += '\x01';
  out += '\0';
  out += static_cast<char>(text.size() & 0xff);
  out += static_cast<char>(text.size() >> 8);
  return out + text;
}

}  // namespace assay::kernels
