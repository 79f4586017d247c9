// SPDX-License-Identifier: Apache-2.0
// Service "assay.files/1": named arrays of numbers from .npy, .npz, .csv and .mtx files.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string_view>

#include "core/base/number.hpp"
#include "core/kernels/npy.hpp"
#include "core/plugin/guard.hpp"
#include "core/plugin/registry.hpp"
#include "core/plugin/services.hpp"

namespace assay::plugin {

namespace {

struct Array {
  int64_t rows = 0, cols = 0;
  std::vector<double> values;  // row-major
};

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

Error file_error(int32_t status, const std::string& path, const std::string& what) {
  Error e(status, "", what);
  e.file = path;
  return e;
}

template <class T>
void widen(const kernels::Member& m, std::vector<double>& out) {
  const T* p = reinterpret_cast<const T*>(m.bytes.data());
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<double>(p[i]);
}

Expected<Array> array_of(const kernels::Member& m, const std::string& path) {
  Array a;
  a.rows = m.rows;
  a.cols = m.vector ? 1 : m.cols;
  a.values.resize(static_cast<size_t>(a.rows * a.cols));
  switch (m.dtype) {
    case ASSAY_F64:
      widen<double>(m, a.values);
      break;
    case ASSAY_F32:
      widen<float>(m, a.values);
      break;
    case ASSAY_U8:
      widen<uint8_t>(m, a.values);
      break;
    case ASSAY_U16:
      widen<uint16_t>(m, a.values);
      break;
    case ASSAY_I32:
      widen<int32_t>(m, a.values);
      break;
    case ASSAY_I64:
      widen<int64_t>(m, a.values);
      break;
    default:
      return file_error(ASSAY_E_FORMAT, path,
                        fmt::format("array `{}` of `{}` does not hold numbers", m.name, path));
  }
  return a;
}

Expected<Array> load_npz(const std::string& path, const char* name) {
  auto members = kernels::read_npz(path);
  if (!members) return std::move(members.error());
  std::string names;
  for (const kernels::Member& m : *members) {
    if (m.dtype == 0) continue;
    if (name == nullptr || m.name == name) return array_of(m, path);
    names += (names.empty() ? "`" : ", `") + m.name + "`";
  }
  return file_error(ASSAY_E_NOT_FOUND, path,
                    fmt::format("`{}` has no array `{}`", path, name ? name : ""))
      .with_note("its arrays: " + (names.empty() ? "none" : names));
}

Expected<std::string> text_of(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> f(std::fopen(path.c_str(), "rb"),
                                                          &std::fclose);
  if (!f)
    return file_error(ASSAY_E_NO_FILE, path, fmt::format("cannot open `{}`", path))
        .with_help("check the path");
  std::string text;
  char part[1 << 14];
  for (size_t n = 0; (n = std::fread(part, 1, sizeof part, f.get())) > 0;) text.append(part, n);
  return text;
}

// Comma-separated numbers, one row a line; a first line that is not all numbers is a header.
Expected<Array> load_csv(const std::string& path) {
  const auto text = text_of(path);
  if (!text) return text.error();
  Array a;
  std::string_view rest = *text;
  for (int64_t line_number = 1; !rest.empty(); ++line_number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) continue;
    std::vector<double> row;
    bool numeric = true;
    for (size_t at = 0; at <= line.size() && numeric;) {
      const size_t comma = std::min(line.find(',', at), line.size());
      const auto v = parse_double(line.substr(at, comma - at));
      numeric = v.has_value();
      if (numeric) row.push_back(*v);
      at = comma + 1;
    }
    const auto fault = [&](int32_t status, const std::string& what) {
      Error e = file_error(status, path, what);
      e.place = fmt::format("line {}", line_number);
      return e;
    };
    if (!numeric && line_number == 1) continue;
    if (!numeric)
      return fault(ASSAY_E_NOT_NUMERIC,
                   fmt::format("`{}` has an entry that is not a number", path));
    const auto width = static_cast<int64_t>(row.size());
    if (a.rows > 0 && width != a.cols)
      return fault(ASSAY_E_SHAPE,
                   fmt::format("a line of `{}` has {} entries, others {}", path, width, a.cols));
    a.cols = width;
    a.values.insert(a.values.end(), row.begin(), row.end());
    ++a.rows;
  }
  return a;
}

// MatrixMarket coordinates as a list: an entry's row and column, from 0, and its value (a pattern's
// is 1). The size line, which comes first, is checked against the entries and left out.
Expected<Array> load_mtx(const std::string& path) {
  const auto text = text_of(path);
  if (!text) return text.error();
  Array a;
  a.cols = 3;
  std::string_view rest = *text;
  int64_t entries = -1;
  if (rest.rfind("%%MatrixMarket matrix coordinate", 0) != 0)
    return file_error(ASSAY_E_FORMAT, path,
                      fmt::format("`{}` is not a MatrixMarket file of coordinates", path));
  for (int64_t line_number = 1; !rest.empty(); ++line_number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    std::vector<double> row;
    bool numeric = line.empty() || line[0] != '%';
    for (size_t at = 0; numeric && at < line.size();) {
      const size_t first = line.find_first_not_of(" \t\r", at);
      if (first == std::string_view::npos) break;
      at = std::min(line.find_first_of(" \t\r", first), line.size());
      const auto v = parse_double(line.substr(first, at - first));
      numeric = v.has_value();
      if (numeric) row.push_back(*v);
    }
    if (row.empty() && (line.empty() || line[0] == '%')) continue;
    if (!numeric || row.size() < 2 || row.size() > 3 || (entries < 0 && row.size() != 3)) {
      Error e = file_error(ASSAY_E_NOT_NUMERIC, path,
                           fmt::format("`{}` has a line that is not an entry", path));
      e.place = fmt::format("line {}", line_number);
      return e;
    }
    if (entries < 0) {
      entries = static_cast<int64_t>(row[2]);
      continue;
    }
    a.values.insert(a.values.end(), {row[0] - 1, row[1] - 1, row.size() == 3 ? row[2] : 1.0});
    ++a.rows;
  }
  if (a.rows != entries)
    return file_error(ASSAY_E_TRUNCATED, path,
                      fmt::format("`{}` has {} entries and promises {}", path, a.rows, entries));
  return a;
}

Expected<Array> load_any(const char* path, const char* name) {
  const std::string p = path ? path : "";
  if (ends_with(p, ".npz")) return load_npz(p, name);
  if (ends_with(p, ".csv")) return load_csv(p);
  if (ends_with(p, ".mtx")) return load_mtx(p);
  if (!ends_with(p, ".npy"))
    return file_error(ASSAY_E_FORMAT, p,
                      fmt::format("`{}` is not a .npy, .npz, .csv or .mtx file", p));
  auto m = kernels::read_npy(p);
  if (!m) return std::move(m.error());
  return array_of(*m, p);
}

int32_t fail(assay_ctx* ctx, Error error) {
  const int32_t status = error.status;
  if (ctx) {
    ctx->error = std::move(error);
    ctx->failed = true;
  }
  return status;
}

int32_t shape(assay_ctx* ctx, const char* path, const char* name, int64_t* rows, int64_t* cols) {
  return guarded(ctx, "assay.files", [&] {
    auto a = load_any(path, name);
    if (!a) return fail(ctx, std::move(a.error()));
    *rows = a->rows;
    *cols = a->cols;
    return static_cast<int32_t>(ASSAY_OK);
  });
}

int32_t load(assay_ctx* ctx,
             const char* path,
             const char* name,
             int64_t rows,
             int64_t cols,
             double* out) {
  return guarded(ctx, "assay.files", [&] {
    auto a = load_any(path, name);
    if (!a) return fail(ctx, std::move(a.error()));
    if (a->rows != rows || a->cols != cols)
      return fail(ctx, file_error(ASSAY_E_SHAPE, path,
                                  fmt::format("`{}` holds {} x {} numbers, not {} x {}", path,
                                              a->rows, a->cols, rows, cols)));
    std::copy(a->values.begin(), a->values.end(), out);
    return static_cast<int32_t>(ASSAY_OK);
  });
}

}  // namespace

const assay_files* files_service() {
  static const assay_files table = {sizeof(assay_files), 0, shape, load};
  return &table;
}

}  // namespace assay::plugin
