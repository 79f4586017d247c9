// SPDX-License-Identifier: Apache-2.0
// The .npy format, versions 1 to 3 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a magic word, a
// Python dictionary with descr, fortran_order and shape, the elements. Anything else in it is an error, not a guess.
#include "core/kernels/npy.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <string_view>
#include <utility>

#include "core/kernels/zip.hpp"

namespace assay::kernels {
namespace {

using Bytes = std::vector<unsigned char>;

struct Type {
  const char* code;  // without the byte order
  int32_t dtype;
  int64_t size;
};
constexpr Type kTypes[] = {{"f8", ASSAY_F64, 8}, {"f4", ASSAY_F32, 4}, {"f2", ASSAY_F16, 2},
                           {"u1", ASSAY_U8, 1},  {"u2", ASSAY_U16, 2}, {"i4", ASSAY_I32, 4},
                           {"i8", ASSAY_I64, 8}};

constexpr std::string_view kMagic("\x93NUMPY", 6);

Error malformed(const std::string& what, const std::string& help) {
  return Error(ASSAY_E_FORMAT, "E0306", what).with_help(help);
}

Error truncated(const std::string& what) {
  return Error(ASSAY_E_TRUNCATED, "E0302", what).with_help("copy or download the file again");
}

struct Header {
  const Type* type = nullptr;
  bool fortran = false, vector = false;
  int64_t rows = 0, cols = 1;
};

// Reads the dictionary of a header; the keys may stand in any order.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  Expected<Header> parse() {
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
    return malformed("the head of the array is damaged", "write the file again with numpy's `save`");
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
      return malformed("the array holds records, which are not read",
                       "save each field as an array of its own");
    }
    if (!descr.empty() && descr[0] == '>') {
      return malformed("the array is big-endian, which is not read",
                       "convert it with numpy: `a.astype(a.dtype.newbyteorder('<'))`");
    }
    const bool marked = !descr.empty() && (descr[0] == '<' || descr[0] == '|' || descr[0] == '=');
    const std::string_view code = marked ? descr.substr(1) : descr;
    for (const Type& type : kTypes) {
      if (code == type.code) header_.type = &type;
    }
    if (header_.type == nullptr) {
      return malformed("arrays of type `" + std::string(descr.substr(0, 20)) + "` are not read",
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
      return malformed("the array has " + std::to_string(dimensions) + " dimensions, one or two are read",
                       "reshape it to a matrix");
    }
    header_.vector = dimensions == 1;
    header_.rows = sizes[0];
    header_.cols = sizes[1];
    return {};
  }

  std::string_view text_;
  Header header_;
};

// Where the elements begin, and what they are.
Expected<std::pair<Header, size_t>> read_header(const Bytes& file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.substr(0, kMagic.size()) != kMagic.substr(0, std::min(kMagic.size(), text.size()))) {
    return malformed("the file is not an .npy array", "write it with numpy's `save`");
  }
  if (text.size() < 12) return truncated("the array ends within its head");
  const int version = file[6];
  if (version < 1 || version > 3) {
    return malformed("version " + std::to_string(version) + " of the .npy format is not read",
                     "write it with numpy's `save`");
  }
  const size_t start = version == 1 ? 10 : 12;
  size_t length = file[8] | static_cast<size_t>(file[9]) << 8;
  if (version > 1) length |= static_cast<size_t>(file[10]) << 16 | static_cast<size_t>(file[11]) << 24;
  if (length > text.size() - start) return truncated("the array ends within its head");
  auto header = HeaderParser(text.substr(start, length)).parse();
  if (!header) return std::move(header.error());
  return std::make_pair(*header, start + length);
}

// Column-major elements to row-major ones.
Bytes transposed(const unsigned char* from, const Header& h) {
  const auto size = static_cast<size_t>(h.type->size);
  const auto rows = static_cast<size_t>(h.rows), cols = static_cast<size_t>(h.cols);
  Bytes out(rows * cols * size);
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < cols; ++j) {
      std::memcpy(out.data() + (i * cols + j) * size, from + (j * rows + i) * size, size);
    }
  }
  return out;
}

Expected<Member> parse_array(Bytes file) {
  auto head = read_header(file);
  if (!head) return std::move(head.error());
  const Header& h = head->first;
  const auto have = static_cast<int64_t>(file.size() - head->second);
  const int64_t most = std::numeric_limits<int64_t>::max() / h.type->size;
  if (h.cols > 0 && h.rows > most / h.cols) {
    return truncated("the array is shorter than its shape says");
  }
  const int64_t need = h.rows * h.cols * h.type->size;
  if (have < need) {
    return Error(truncated("the array is shorter than its shape says"))
        .with_found(std::to_string(have) + " bytes of " + std::to_string(need));
  }
  if (have > need) {
    return malformed(std::to_string(have - need) + " bytes follow the array",
                     "keep one array to a file, or use .npz");
  }
  Member out;
  out.dtype = h.type->dtype;
  out.rows = h.rows;
  out.cols = h.cols;
  out.vector = h.vector;
  const auto start = static_cast<std::ptrdiff_t>(head->second);
  if (h.fortran && h.rows > 1 && h.cols > 1) {
    out.bytes = transposed(file.data() + start, h);
  } else {
    file.erase(file.begin(), file.begin() + start);
    out.bytes = std::move(file);
  }
  return out;
}

std::string header_of(const Member& m, const char* code) {
  std::string text = "{'descr': '";
  text += m.dtype == ASSAY_U8 ? '|' : '<';
  text += code;
  text += "', 'fortran_order': False, 'shape': (" + std::to_string(m.rows) + ",";
  if (!m.vector) {
    text += ' ';
    text += std::to_string(m.cols);
  }
  text += "), }";
  // Elements begin on a 64-byte border of the file: magic, version and length take 10 bytes, a newline ends the head.
  text.append(63 - (10 + text.size()) % 64, ' ');
  text += '\n';
  std::string out(kMagic);
  out += '\x01';
  out += '\0';
  out += static_cast<char>(text.size() & 0xff);
  out += static_cast<char>(text.size() >> 8);
  return out + text;
}

const Type* type_of(int32_t dtype) {
  for (const Type& type : kTypes) {
    if (type.dtype == dtype) return &type;
  }
  return nullptr;
}

bool ends_with_npy(const std::string& name) {
  return name.size() > 4 && name.compare(name.size() - 4, 4, ".npy") == 0;
}

double half_to_double(uint16_t h) {
  const int exponent = h >> 10 & 31;
  const double fraction = static_cast<double>(h & 1023) / 1024;
  double v = 0;
  if (exponent == 31) {
    v = fraction == 0 ? std::numeric_limits<double>::infinity()
                      : std::numeric_limits<double>::quiet_NaN();
  } else {
    v = exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1 + fraction, exponent - 15);
  }
  return (h >> 15) != 0 ? -v : v;
}

template <class E, class F>
void widen_as(const Member& m, double* out, const F& convert) {
  const auto n = static_cast<size_t>(m.rows * m.cols);
  for (size_t i = 0; i < n; ++i) {
    E v;
    std::memcpy(&v, m.bytes.data() + i * sizeof v, sizeof v);
    out[i] = convert(v);
  }
}

}  // namespace

void widen(const Member& m, double* out) {
  const auto plain = [](auto v) { return static_cast<double>(v); };
  switch (m.dtype) {
    case ASSAY_F64: return widen_as<double>(m, out, plain);
    case ASSAY_F32: return widen_as<float>(m, out, plain);
    case ASSAY_F16: return widen_as<uint16_t>(m, out, half_to_double);
    case ASSAY_U8: return widen_as<uint8_t>(m, out, plain);
    case ASSAY_U16: return widen_as<uint16_t>(m, out, plain);
    case ASSAY_I32: return widen_as<int32_t>(m, out, plain);
    case ASSAY_I64: return widen_as<int64_t>(m, out, plain);
    default: return;
  }
}

Expected<Member> read_npy(const std::string& path) {
  auto file = read_file(path);
  if (!file) return std::move(file.error());
  try {
    auto member = parse_array(std::move(*file));
    if (!member) member.error().file = path;
    return member;
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", "not enough memory to read `" + path + "`");
  }
}

Expected<std::vector<Member>> read_npz(const std::string& path) {
  auto archive = read_zip(path);
  if (!archive) return std::move(archive.error());
  try {
    std::vector<Member> out;
    for (ZipMember& entry : *archive) {
      if (!ends_with_npy(entry.name)) {
        Member text;
        text.name = std::move(entry.name);
        text.bytes = std::move(entry.bytes);
        out.push_back(std::move(text));
        continue;
      }
      auto member = parse_array(std::move(entry.bytes));
      if (!member) {
        member.error().file = path;
        member.error().place = "member `" + entry.name + "`";
        return std::move(member.error());
      }
      member->name = entry.name.substr(0, entry.name.size() - 4);
      out.push_back(std::move(*member));
    }
    return out;
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", "not enough memory to read `" + path + "`");
  }
}

Expected<void> write_npz(const std::string& path, const std::vector<Member>& members, bool sync) {
  try {
    std::vector<ZipPiece> pieces;
    for (const Member& m : members) {
      ZipPiece piece;
      piece.name = m.name;
      piece.data = m.bytes.data();
      piece.size = m.bytes.size();
      if (m.dtype != 0) {
        const Type* type = type_of(m.dtype);
        if (type == nullptr || static_cast<int64_t>(m.bytes.size()) != m.rows * m.cols * type->size) {
          return Error(ASSAY_E_INTERNAL, "", "array `" + m.name + "` does not have its own size");
        }
        piece.name += ".npy";
        piece.head = header_of(m, type->code);
      }
      pieces.push_back(std::move(piece));
    }
    return write_zip(path, pieces, sync);
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", "not enough memory to write `" + path + "`");
  }
}

}  // namespace assay::kernels
