// SPDX-License-Identifier: Apache-2.0
// Reader `mtx`: Matrix Market files (Boisvert, Pozo and Remington 1996), plain or gzipped:
// coordinate and array; real, integer and pattern; general, symmetric and skew-symmetric.
// Coordinates come in any order and are sorted into rows by counting. Unstored entries are zeros.
#include <assay/plugin.h>

#include <algorithm>
#include <assay/gzip.hpp>
#include <string>
#include <vector>

namespace {

using assay::reading::Call;
using assay::reading::Fault;
using assay::reading::Lines;
using assay::reading::Number;

class Mtx {
 public:
  Mtx(const Call&, const char* path, const assay_options*) : lines_(path) {
    read_banner();
    read_sizes();
    if (coordinate_) {
      read_coordinates();
    } else {
      read_array();
    }
    std::string_view line;
    if (next(&line))
      fault(ASSAY_E_FORMAT, "the file has more entries than its head declares", line, "", "");
  }
  assay_shape shape() const {
    return assay::reading::shape_of(
        rows_, cols_, coordinate_ ? static_cast<int64_t>(values_.size()) : -1, ASSAY_F64);
  }
  void read(int64_t row0, int64_t rows, const assay_sink& sink) {
    if (!coordinate_) {
      // By columns in memory, as in the file.
      assay_dense block = assay::reading::block_of(values_.data() + row0, ASSAY_F64, rows, cols_);
      block.row_stride = 1;
      block.col_stride = rows_;
      return assay::reading::push_dense(sink, row0, block);
    }
    assay::reading::push_rows(sink, row0, rows, cols_, indptr_, cols_of_, values_);
  }

 private:
  [[noreturn]] void fault(int32_t status,
                          const char* what,
                          std::string_view found,
                          const char* expected,
                          const char* help) const {
    throw Fault{status,
                what,
                std::to_string(std::max<int64_t>(lines_.number(), 1)) + ":1",
                found.empty() ? "" : assay::reading::shown(found),
                expected,
                help};
  }
  // The next line that is neither empty nor a comment.
  bool next(std::string_view* line) {
    while (lines_.next(line)) {
      *line = assay::reading::trimmed(*line);
      if (!line->empty() && line->front() != '%') return true;
    }
    return false;
  }
  static std::string_view word(std::string_view* rest) {
    *rest = assay::reading::trimmed(*rest);
    const size_t end = std::min(rest->find_first_of(" \t"), rest->size());
    const std::string_view out = rest->substr(0, end);
    rest->remove_prefix(end);
    return out;
  }

  void read_banner() {
    std::string_view line;
    if (!lines_.next(&line))
      fault(ASSAY_E_EMPTY, "the file is empty", "", "a line `%%MatrixMarket matrix ...`", "");
    const std::string_view whole = line;
    const auto is = [](std::string_view w, const char* lower) {
      return assay::reading::same_word(w, lower);
    };
    if (!is(word(&line), "%%matrixmarket") || !is(word(&line), "matrix"))
      fault(ASSAY_E_FORMAT, "this is not a Matrix Market file", whole,
            "a first line `%%MatrixMarket matrix ...`",
            "check the path, or name another reader with `use`");
    const std::string_view layout = word(&line), field = word(&line), symmetry = word(&line);
    coordinate_ = is(layout, "coordinate");
    pattern_ = is(field, "pattern");
    symmetric_ = is(symmetry, "symmetric");
    skew_ = is(symmetry, "skew-symmetric");
    const bool numbers = is(field, "real") || is(field, "integer") || (pattern_ && coordinate_);
    if ((!coordinate_ && !is(layout, "array")) || !numbers ||
        !(symmetric_ || skew_ || is(symmetry, "general")))
      fault(ASSAY_E_FORMAT, "this variant of the format is not read", whole,
            "coordinate or array; real, integer or pattern; general, symmetric or skew-symmetric",
            "");
  }
  void read_sizes() {
    std::string_view line;
    if (!next(&line))
      fault(ASSAY_E_TRUNCATED, "the file ends before the sizes of the matrix", "", "",
            "get the file once more");
    const std::string_view whole = line;
    const bool two = assay::reading::parse_index(word(&line), &rows_) &&
                     assay::reading::parse_index(word(&line), &cols_);
    const bool all = two && (!coordinate_ || assay::reading::parse_index(word(&line), &declared_));
    if (!all || !assay::reading::trimmed(line).empty())
      fault(ASSAY_E_FORMAT, "the sizes of the matrix cannot be read", whole,
            coordinate_ ? "rows, columns, entries" : "rows, columns", "");
    if ((symmetric_ || skew_) && rows_ != cols_)
      fault(ASSAY_E_FORMAT, "a symmetric matrix must be square", whole, "", "");
    if (rows_ >= int64_t{1} << 31 || cols_ >= int64_t{1} << 31)
      fault(ASSAY_E_SHAPE, "the matrix is too large", whole,
            "fewer than 2147483648 rows and columns", "");
    if (rows_ == 0 || cols_ == 0)
      fault(ASSAY_E_EMPTY, "the matrix is empty", whole, "at least one row and one column", "");
    if (!coordinate_)
      declared_ = symmetric_ ? rows_ * (rows_ + 1) / 2
                  : skew_    ? rows_ * (rows_ - 1) / 2
                             : rows_ * cols_;
    // No memory on a head's word alone: entries take at least 2 bytes of text, and gzip packs at
    // most about 1000 to 1.
    const int64_t most = lines_.file().size() * (lines_.file().packed() ? 1100 : 1) / 2 + 1;
    if (declared_ > most)
      fault(ASSAY_E_TRUNCATED, "the file is too short for the entries its head declares", whole, "",
            "get the file once more");
    if (coordinate_ && std::max(rows_, cols_) > 1000 * declared_ + 1000000)
      fault(ASSAY_E_FORMAT, "the head declares a matrix with almost no entries", whole, "",
            "check the sizes of the matrix");
  }
  void ended(int64_t entries) const {
    throw Fault{ASSAY_E_TRUNCATED,
                "the file ends too early",
                std::to_string(lines_.number()) + ":1",
                std::to_string(entries) + " entries",
                std::to_string(declared_) + " entries, as its head declares",
                "get the file once more"};
  }
  double number(std::string_view text, std::string_view whole) const {
    double value = 0;
    if (assay::reading::parse_number(text, &value) != Number::kOk)
      fault(ASSAY_E_NOT_NUMERIC, "text where a number must stand", text.empty() ? whole : text,
            "a number", "");
    return value;
  }

  void read_array() {
    std::string_view line;
    values_.reserve(static_cast<size_t>(std::min<int64_t>(rows_ * cols_, int64_t{1} << 20)));
    std::vector<double> half;
    std::vector<double>& to = symmetric_ || skew_ ? half : values_;
    for (int64_t e = 0; e < declared_; ++e) {
      if (!next(&line)) ended(e);
      to.push_back(number(line, line));
    }
    if (!symmetric_ && !skew_) return;
    values_.assign(static_cast<size_t>(rows_ * cols_), 0.0);
    size_t e = 0;
    for (int64_t j = 0; j < cols_; ++j) {
      for (int64_t i = skew_ ? j + 1 : j; i < rows_; ++i, ++e) {
        values_[static_cast<size_t>(j * rows_ + i)] = half[e];
        values_[static_cast<size_t>(i * rows_ + j)] = skew_ ? -half[e] : half[e];
      }
    }
  }
  void read_coordinates() {
    std::vector<int32_t> is, js;
    std::vector<double> values;
    std::string_view line;
    for (int64_t e = 0; e < declared_; ++e) {
      if (!next(&line)) ended(e);
      const std::string_view whole = line;
      int64_t i = 0, j = 0;
      if (!assay::reading::parse_index(word(&line), &i) ||
          !assay::reading::parse_index(word(&line), &j))
        fault(lines_.unended() ? ASSAY_E_TRUNCATED : ASSAY_E_NOT_NUMERIC,
              "a place must be two whole numbers", whole, "row, column, value", "");
      if (i < 1 || i > rows_ || j < 1 || j > cols_)
        fault(ASSAY_E_FORMAT, "an entry lies outside the matrix", whole,
              "rows and columns counted from 1", "");
      const std::string_view text = word(&line);
      if (text.empty() && !pattern_ && lines_.unended()) ended(e);
      const double value = pattern_ ? 1 : number(text, whole);
      is.push_back(static_cast<int32_t>(i - 1));
      js.push_back(static_cast<int32_t>(j - 1));
      values.push_back(value);
      if (i != j && (symmetric_ || skew_)) {
        is.push_back(static_cast<int32_t>(j - 1));
        js.push_back(static_cast<int32_t>(i - 1));
        values.push_back(skew_ ? -value : value);
      }
    }
    by_rows(is, js, values);
  }
  void by_rows(const std::vector<int32_t>& is,
               const std::vector<int32_t>& js,
               const std::vector<double>& values) {
    indptr_.assign(static_cast<size_t>(rows_) + 1, 0);
    for (const int32_t i : is) ++indptr_[static_cast<size_t>(i) + 1];
    for (size_t i = 0; i < static_cast<size_t>(rows_); ++i) indptr_[i + 1] += indptr_[i];
    std::vector<int64_t> next(indptr_.begin(), indptr_.end() - 1);
    cols_of_.resize(js.size());
    values_.resize(js.size());
    for (size_t e = 0; e < js.size(); ++e) {
      const auto p = static_cast<size_t>(next[static_cast<size_t>(is[e])]++);
      cols_of_[p] = js[e];
      values_[p] = values[e];
    }
  }

  Lines lines_;
  bool coordinate_ = false, pattern_ = false, symmetric_ = false, skew_ = false;
  int64_t rows_ = 0, cols_ = 0, declared_ = 0;
  std::vector<int64_t> indptr_;
  std::vector<int32_t> cols_of_;
  std::vector<double> values_;
};

int32_t probe(const uint8_t* b, int64_t n) {
  return n >= 14 && std::memcmp(b, "%%MatrixMarket", 14) == 0 ? 100 : 0;
}

constexpr assay_reader kReader = assay::reading::table<Mtx>(".mtx .mtx.gz .mm .mm.gz", probe);
constexpr assay_plugin kPlugin = {sizeof(assay_plugin),
                                  ASSAY_PLUGIN_DETERMINISTIC,
                                  "assay.reader/1",
                                  "mtx",
                                  "Matrix Market files, plain or gzipped",
                                  "Boisvert, Pozo and Remington 1996",
                                  nullptr,
                                  nullptr,
                                  &kReader,
                                  nullptr};

}  // namespace

ASSAY_MODULE("org.assay.mtx", "1.0", kPlugin)
