// SPDX-License-Identifier: Apache-2.0
// Arrays from and to .npy files and the members of .npz archives.
#include "core/kernels/npy.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "core/kernels/npy_header.hpp"
#include "core/kernels/zip.hpp"

namespace assay::kernels {
namespace {

using Bytes = std::vector<unsigned char>;

// Column-major elements to row-major ones.
Bytes transposed(const unsigned char* from, const NpyHeader& h) {
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
  auto head = read_npy_header(file);
  if (!head) return std::move(head.error());
  const NpyHeader& h = head->first;
  const auto have = static_cast<int64_t>(file.size() - head->second);
  const int64_t most = std::numeric_limits<int64_t>::max() / h.type->size;
  if (h.cols > 0 && h.rows > most / h.cols) {
    return npy_truncated("the array is shorter than its shape says");
  }
  const int64_t need = h.rows * h.cols * h.type->size;
  if (have < need) {
    return Error(npy_truncated("the array is shorter than its shape says"))
        .with_found(std::to_string(have) + " bytes of " + std::to_string(need));
  }
  if (have > need) {
    return npy_malformed(std::to_string(have - need) + " bytes follow the array",
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
    case ASSAY_F64:
      return widen_as<double>(m, out, plain);
    case ASSAY_F32:
      return widen_as<float>(m, out, plain);
    case ASSAY_F16:
      return widen_as<uint16_t>(m, out, half_to_double);
    case ASSAY_U8:
      return widen_as<uint8_t>(m, out, plain);
    case ASSAY_U16:
      return widen_as<uint16_t>(m, out, plain);
    case ASSAY_I32:
      return widen_as<int32_t>(m, out, plain);
    case ASSAY_I64:
      return widen_as<int64_t>(m, out, plain);
    default:
      return;
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
        const NpyType* type = npy_type(m.dtype);
        if (type == nullptr ||
            static_cast<int64_t>(m.bytes.size()) != m.rows * m.cols * type->size) {
          return Error(ASSAY_E_INTERNAL, "", "array `" + m.name + "` does not have its own size");
        }
        piece.name += ".npy";
        piece.head = npy_header(m);
      }
      pieces.push_back(std::move(piece));
    }
    return write_zip(path, pieces, sync);
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", "not enough memory to write `" + path + "`");
  }
}

}  // namespace assay::kernels
