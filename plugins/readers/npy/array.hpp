// SPDX-License-Identifier: Apache-2.0
// The .npy format: a magic, a head of Python literals (element type, order, shape), then the
// elements.
#pragma once

#include <algorithm>
#include <assay/reader.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace npy {

using assay::reading::Fault;

// An array as it lies in a file; `data` has been checked to hold all of it.
struct Array {
  const unsigned char* data = nullptr;
  char kind = 0;  // f, i, u, b, S, U
  int64_t size = 0;
  bool swapped = false;  // big-endian
  bool fortran = false;
  std::vector<int64_t> axes;
  int64_t rows() const { return axes.empty() ? 1 : axes[0]; }
  int64_t cols() const {
    int64_t n = 1;
    for (size_t a = 1; a < axes.size(); ++a) n *= axes[a];
    return n;
  }
  int64_t count() const { return rows() * cols(); }
  // The type the host can take as the bytes lie, or 0.
  int32_t native() const {
    if (swapped) return 0;
    if (kind == 'f')
      return size == 8 ? ASSAY_F64 : size == 4 ? ASSAY_F32 : size == 2 ? ASSAY_F16 : 0;
    if (size == 1 && (kind == 'u' || kind == 'b')) return ASSAY_U8;
    if (kind == 'u') return size == 2 ? ASSAY_U16 : 0;
    if (kind == 'i') return size == 4 ? ASSAY_I32 : size == 8 ? ASSAY_I64 : 0;
    return 0;
  }
  bool aligned() const {
    return reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(size) == 0;
  }
};

[[noreturn]] inline void bad_head(const std::string& what, const std::string& found = "") {
  throw Fault{ASSAY_E_FORMAT, what, "", found, "", ""};
}

// The text after 'key': in the head, or empty.
inline std::string_view value_of(std::string_view head, const std::string& key) {
  for (const char quote : {'\'', '"'}) {
    const size_t at = head.find(quote + key + quote);
    if (at == std::string_view::npos) continue;
    size_t p = at + key.size() + 2;
    while (p < head.size() && (head[p] == ' ' || head[p] == ':')) ++p;
    return head.substr(p);
  }
  return {};
}

inline void read_descr(std::string_view text, Array& a) {
  if (text.size() < 5 || (text[0] != '\'' && text[0] != '"'))
    bad_head("arrays of records are not read",
             assay::reading::shown(text.substr(0, text.find(','))));
  const std::string_view type = text.substr(1, text.find(text[0], 1) - 1);
  int64_t size = 0;
  const bool known = type.size() >= 3 &&
                     std::string_view("<>|=").find(type[0]) != std::string_view::npos &&
                     std::string_view("fiubSU").find(type[1]) != std::string_view::npos &&
                     assay::reading::parse_index(type.substr(2), &size) && size > 0 && size <= 4096;
  const bool number = known && std::string_view("fiub").find(type[1]) != std::string_view::npos;
  if (!known || (number && size != 1 && size != 2 && size != 4 && size != 8) ||
      (type[1] == 'f' && size == 1))
    throw Fault{ASSAY_E_FORMAT,
                "arrays of this element type are not read",
                "",
                assay::reading::shown(type),
                "float16, float32, float64, integers or bool",
                "convert the array with `astype` before it is saved"};
  a.kind = type[1];
  a.size = type[1] == 'U' ? size * 4 : size;
  a.swapped = type[0] == '>' && size > 1;
}

inline void read_shape(std::string_view text, Array& a) {
  if (text.empty() || text[0] != '(') bad_head("the head of the array has no shape");
  text = text.substr(1, text.find(')') - 1);
  int64_t elements = 1;
  while (!assay::reading::trimmed(text).empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    int64_t axis = 0;
    if (!assay::reading::parse_index(text.substr(0, comma), &axis))
      bad_head("the shape of the array cannot be read", assay::reading::shown(text));
    a.axes.push_back(axis);
    if (axis > 0 && elements > (int64_t{1} << 56) / axis)
      bad_head("the array is too large", assay::reading::shown(text));
    elements *= std::max<int64_t>(axis, 1);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  if (a.axes.size() <= 2) return;
  std::string found;
  for (const int64_t axis : a.axes) found += (found.empty() ? "" : " x ") + std::to_string(axis);
  throw Fault{ASSAY_E_FORMAT,
              "the array has " + std::to_string(a.axes.size()) + " axes, and a matrix has two",
              "",
              found,
              "",
              "save `a.reshape(a.shape[0], -1)`, a row for each entry of the first axis, or what "
              "else the rows and columns of X are to be"};
}

// The array in bytes 0 .. n - 1.
inline Array read_array(const unsigned char* bytes, int64_t n) {
  if (n < 10 || std::memcmp(bytes, "\x93NUMPY", 6) != 0) {
    const bool cut = n < 10 && std::memcmp(bytes, "\x93NUMPY",
                                           static_cast<size_t>(std::min<int64_t>(n, 6))) == 0;
    throw Fault{
        cut ? ASSAY_E_TRUNCATED : ASSAY_E_FORMAT,
        cut ? "the file ends too early" : "this is not a .npy array",
        "",
        "",
        "",
        cut ? "get the file once more" : "check the path, or name another reader with `use`"};
  }
  const bool wide = bytes[6] >= 2;
  const int64_t start = wide ? 12 : 10;
  int64_t length = bytes[8] | bytes[9] << 8;
  if (wide && n >= 12) length |= int64_t{bytes[10]} << 16 | int64_t{bytes[11]} << 24;
  if (n < start || n - start < length)
    throw Fault{ASSAY_E_TRUNCATED,
                "the file ends inside the head of the array",
                "",
                std::to_string(n) + " bytes",
                "",
                "get the file once more"};
  const std::string_view head(reinterpret_cast<const char*>(bytes) + start,
                              static_cast<size_t>(length));
  Array a;
  read_descr(value_of(head, "descr"), a);
  read_shape(value_of(head, "shape"), a);
  a.fortran = value_of(head, "fortran_order").substr(0, 4) == "True" && a.axes.size() > 1;
  a.data = bytes + start + length;
  const int64_t held = n - start - length;
  if (a.size > 0 && held / a.size < a.count())
    throw Fault{ASSAY_E_TRUNCATED,
                "the file ends too early",
                "",
                std::to_string(held) + " bytes of elements",
                std::to_string(a.count()) + " elements of " + std::to_string(a.size) +
                    " bytes, as its head declares",
                "get the file once more"};
  return a;
}

template <class T>
T element(const unsigned char* p, bool swapped) {
  unsigned char b[sizeof(T)];
  std::memcpy(b, p, sizeof(T));
  if (swapped) std::reverse(b, b + sizeof(T));
  T out;
  std::memcpy(&out, b, sizeof(T));
  return out;
}

// Number `index` in memory order, widened.
inline double number(const Array& a, int64_t index) {
  const unsigned char* p = a.data + index * a.size;
  if (a.kind == 'f')
    return a.size == 8 ? element<double>(p, a.swapped)
                       : static_cast<double>(element<float>(p, a.swapped));
  if (a.kind == 'i') {
    if (a.size == 1) return static_cast<signed char>(*p);
    if (a.size == 2) return element<int16_t>(p, a.swapped);
    return a.size == 4 ? element<int32_t>(p, a.swapped)
                       : static_cast<double>(element<int64_t>(p, a.swapped));
  }
  if (a.size == 1) return *p;
  if (a.size == 2) return element<uint16_t>(p, a.swapped);
  return a.size == 4 ? element<uint32_t>(p, a.swapped)
                     : static_cast<double>(element<uint64_t>(p, a.swapped));
}

}  // namespace npy
