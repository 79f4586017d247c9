// SPDX-License-Identifier: Apache-2.0
// Comfort for authors of readers in C++20: a class with plain methods becomes an assay_reader, a thrown Fault a recorded
// error, and no exception leaves. Header-only; nothing but plugin.h and the standard library.
//
//   class MyReader {
//    public:
//     MyReader(const assay::reading::Call& call, const char* path, const assay_options* options);
//     assay_shape shape();
//     void read(int64_t row0, int64_t rows, const assay_sink& sink);   // pushes with push_dense, push_sparse
//     bool map(assay_dense* out);                      // false: not mapped, use read
//     const char* name(int32_t axis, int64_t index);   // NULL: none
//     int64_t factor(int32_t side, double* out);       // optional: rank; writes the factor the data were made from
//   };
//   static constexpr assay_reader kTable = assay::reading::table<MyReader>(".my .my.gz", probe);
#ifndef ASSAY_READER_HPP
#define ASSAY_READER_HPP

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "plugin.h"

namespace assay::reading {

/* Why a file cannot be read. An empty message: somebody else has recorded the error already. */
struct Fault {
  int32_t status = ASSAY_E_FORMAT;
  std::string message, place, found, expected, help;
};

/* The host and the call in progress. */
struct Call {
  const assay_host *host = nullptr;
  assay_ctx *ctx = nullptr;
};

inline int32_t record(const Call &call, const Fault &fault) {
  if (fault.message.empty()) return fault.status;
  call.host->set_error(call.ctx, fault.status, fault.message.c_str());
  const auto detail = [&](int32_t kind, const std::string &text) {
    if (!text.empty()) call.host->add_detail(call.ctx, kind, text.c_str());
  };
  detail(ASSAY_DETAIL_PLACE, fault.place);
  detail(ASSAY_DETAIL_FOUND, fault.found);
  detail(ASSAY_DETAIL_EXPECTED, fault.expected);
  detail(ASSAY_DETAIL_HELP, fault.help);
  return fault.status;
}

/* Runs body() and turns what it throws into a status. */
template <class Body>
int32_t guarded(const Call &call, Body &&body) noexcept {
  try {
    try {
      body();
      return ASSAY_OK;
    } catch (const Fault &fault) {
      return record(call, fault);
    } catch (const std::bad_alloc &) {
      return call.host->set_error(call.ctx, ASSAY_E_MEMORY, "not enough memory to read the data");
    } catch (const std::exception &e) {
      return call.host->set_error(call.ctx, ASSAY_E_PLUGIN, e.what());
    }
  } catch (...) {
    return ASSAY_E_PLUGIN;
  }
}

/* Hands a block to the host; a refusal ends the read. */
inline void push_dense(const assay_sink &sink, int64_t row0, const assay_dense &block) {
  if (const int32_t status = sink.dense(sink.self, row0, &block); status < 0) throw Fault{status, "", "", "", "", ""};
}
inline void push_sparse(const assay_sink &sink, int64_t row0, const assay_sparse &block) {
  if (const int32_t status = sink.sparse(sink.self, row0, &block); status < 0) throw Fault{status, "", "", "", "", ""};
}

/* Rows row0 .. row0 + rows - 1 of a matrix that is held as a whole, in CSR. */
inline void push_rows(const assay_sink &sink, int64_t row0, int64_t rows, int64_t cols, const std::vector<int64_t> &indptr,
                      const std::vector<int32_t> &indices, std::vector<double> &values) {
  std::vector<int64_t> starts(indptr.begin() + row0, indptr.begin() + row0 + rows + 1);
  const int64_t first = starts.front();
  for (int64_t &start : starts) start -= first;
  std::vector<int64_t> wide(indices.begin() + first, indices.begin() + first + starts.back());
  assay_sparse block{};
  block.values = values.data() + first;
  block.indices = wide.data();
  block.indptr = starts.data();
  block.dtype = ASSAY_F64;
  block.index_dtype = ASSAY_I64;
  block.rows = rows;
  block.cols = cols;
  block.nnz = starts.back();
  push_sparse(sink, row0, block);
}

/* ---- Numbers as text, whatever the locale ---- */

enum class Number { kOk, kMissing, kBad };

inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

inline bool same_word(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
    if (c != lower[i]) return false;
  }
  return true;
}

/* Up to 15 digits with a point and no exponent are a ratio of two exact doubles; everything else is from_chars' business. */
inline bool plain_decimal(std::string_view text, double *out) {
  static constexpr double kPowers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() > 16) return false;
  int64_t digits = 0;
  int count = 0, decimals = -1;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      digits = digits * 10 + (c - '0');
      ++count;
      decimals += decimals >= 0;
    } else if (c == '.' && decimals < 0) {
      decimals = 0;
    } else {
      return false;
    }
  }
  if (count == 0 || count > 15) return false;
  const double value = static_cast<double>(digits) / kPowers[decimals > 0 ? decimals : 0];
  *out = negative ? -value : value;
  return true;
}

/* "-1.5e3", "inf", "Infinity", "nan"; kMissing (and NaN) for an empty text and "NA". What is too large is infinite, what is
   too small 0. */
inline Number parse_number(std::string_view text, double *out) {
  text = trimmed(text);
  if (plain_decimal(text, out)) return Number::kOk;
  *out = std::numeric_limits<double>::quiet_NaN();
  if (text.empty() || same_word(text, "na")) return Number::kMissing;
  if (text.front() == '+') {
    text.remove_prefix(1);
    if (text.empty() || text.front() == '-' || text.front() == '+') return Number::kBad;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || error == std::errc::invalid_argument) return Number::kBad;
  if (error == std::errc::result_out_of_range) {
    const size_t e = text.find_first_of("eE");
    const bool small = e != std::string_view::npos ? text.find('-', e) != std::string_view::npos
                                                   : text.find_first_of("123456789") > text.find('.');
    value = small ? 0 : std::numeric_limits<double>::infinity();
    if (text.front() == '-') value = -value;
  }
  *out = value;
  return Number::kOk;
}

/* A whole non-negative decimal number below 2^62. */
inline bool parse_index(std::string_view text, int64_t *out) {
  text = trimmed(text);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size() && *out >= 0 && *out < (int64_t{1} << 62);
}

/* Text as it may stand in a message: short, and printable. */
inline std::string shown(std::string_view text) {
  std::string out = "`";
  for (const char c : text.substr(0, 40)) out += static_cast<unsigned char>(c) < 32 || c == 127 ? '?' : c;
  return out + (text.size() > 40 ? "...`" : "`");
}

/* ---- Files ---- */

[[noreturn]] inline void cannot_open(const char *path, int error) {
  const bool absent = error == ENOENT || error == ENOTDIR;
  throw Fault{ASSAY_E_NO_FILE, std::string("file ") + shown(path) + (absent ? " does not exist" : " cannot be opened"), "",
              absent ? "" : std::generic_category().message(error), "",
              absent ? "give the path of an existing file; paths are relative to the spec's folder" : ""};
}

/* A whole file in memory, read-only. */
class MappedFile {
 public:
  explicit MappedFile(const char *path) {
    const int file = ::open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) cannot_open(path, errno);
    struct stat info;
    if (::fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
      const int error = S_ISDIR(info.st_mode) ? EISDIR : errno ? errno : EINVAL;
      ::close(file);
      cannot_open(path, error);
    }
    size_ = static_cast<int64_t>(info.st_size);
    if (size_ > 0) {
      void *memory = ::mmap(nullptr, static_cast<size_t>(size_), PROT_READ, MAP_PRIVATE, file, 0);
      const int error = errno;
      ::close(file);
      if (memory == MAP_FAILED) cannot_open(path, error);
      bytes_ = static_cast<const unsigned char *>(memory);
    } else {
      ::close(file);
    }
  }
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;
  ~MappedFile() {
    if (bytes_) ::munmap(const_cast<unsigned char *>(bytes_), static_cast<size_t>(size_));
  }
  const unsigned char *bytes() const { return bytes_; }
  int64_t size() const { return size_; }

 private:
  const unsigned char *bytes_ = nullptr;
  int64_t size_ = 0;
};

/* ---- The table of a class ---- */

template <class R>
struct Instance {
  const assay_host *host;
  R reader;
};

template <class R>
constexpr assay_reader table(const char *suffixes, int32_t (*probe)(const uint8_t *, int64_t), uint32_t flags = 0) {
  using I = Instance<R>;
  assay_reader t{};
  t.struct_size = static_cast<uint32_t>(sizeof t);
  t.flags = flags;
  t.suffixes = suffixes;
  t.probe = probe;
  t.open = [](const assay_host *host, assay_ctx *ctx, const char *path, const assay_options *options, void **self) -> int32_t {
    return guarded({host, ctx}, [&] { *self = new I{host, R(Call{host, ctx}, path, options)}; });
  };
  t.shape = [](void *self, assay_ctx *ctx, assay_shape *out) -> int32_t {
    I *i = static_cast<I *>(self);
    return guarded({i->host, ctx}, [&] {
      const uint32_t size = out->struct_size;
      *out = i->reader.shape();
      out->struct_size = size;
    });
  };
  t.read = [](void *self, assay_ctx *ctx, int64_t row0, int64_t rows, const assay_sink *sink) -> int32_t {
    I *i = static_cast<I *>(self);
    return guarded({i->host, ctx}, [&] { i->reader.read(row0, rows, *sink); });
  };
  if constexpr (requires(R r, assay_dense d) { r.map(&d); }) {
    t.map = [](void *self, assay_ctx *ctx, assay_dense *out) -> int32_t {
      I *i = static_cast<I *>(self);
      bool mapped = false;
      const int32_t status = guarded({i->host, ctx}, [&] { mapped = i->reader.map(out); });
      return status < 0 || mapped ? status : ASSAY_E_NOT_FOUND;
    };
  }
  if constexpr (requires(R r, double *out) { r.factor(0, out); }) {
    t.factor = [](void *self, assay_ctx *ctx, int32_t side, int64_t *rank, double *out) -> int32_t {
      I *i = static_cast<I *>(self);
      return guarded({i->host, ctx}, [&] { *rank = i->reader.factor(side, out); });
    };
  }
  if constexpr (requires(R r) { r.name(0, 0); }) {
    t.name = [](void *self, int32_t axis, int64_t index, const char **out) -> int32_t {
      *out = static_cast<I *>(self)->reader.name(axis, index);
      return *out ? ASSAY_OK : ASSAY_E_NOT_FOUND;
    };
  }
  if constexpr (requires(R r, const char *const *names) { r.columns(int64_t{0}, names); }) {
    t.columns = [](void *self, assay_ctx *ctx, int64_t n, const char *const *names) -> int32_t {
      I *i = static_cast<I *>(self);
      return guarded({i->host, ctx}, [&] { i->reader.columns(n, names); });
    };
  }
  t.close = [](void *self) { delete static_cast<I *>(self); };
  return t;
}

inline assay_shape shape_of(int64_t rows, int64_t cols, int64_t nnz, int32_t dtype, uint32_t flags = 0) {
  return {static_cast<uint32_t>(sizeof(assay_shape)), flags, rows, cols, nnz, dtype, 0};
}

/* A row-major block of contiguous rows. */
inline assay_dense block_of(const void *data, int32_t dtype, int64_t rows, int64_t cols) {
  return {const_cast<void *>(data), dtype, ASSAY_READ_ONLY | ASSAY_CONTIGUOUS, rows, cols, cols, 1, 0, 0};
}

}  // namespace assay::reading

#endif
