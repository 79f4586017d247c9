// SPDX-License-Identifier: Apache-2.0
// Reader `csv`: a matrix as delimited text, plain or gzipped; a header, a column of labels, a
// column of row names. The file is read twice, first for its shape, then number by number into
// blocks: memory is one block, whatever its size.
#include <assay/plugin.h>

#include <algorithm>
#include <assay/records.hpp>
#include <string>
#include <vector>

namespace {

using assay::reading::Call;
using assay::reading::Fault;
using assay::reading::Fields;
using assay::reading::Format;
using assay::reading::Number;
using assay::reading::Records;

const char* const kHeader[] = {"auto", "yes", "no", nullptr};
constexpr assay_option kOptions[] = {
    {"header", "whether the first line holds names", ASSAY_OPT_ENUM, 0, 0, 0, 0, "auto", kHeader},
    {"delimiter", "one character, `tab`, `space` (any run of blanks) or `auto`", ASSAY_OPT_STRING,
     0, 0, 0, 0, "auto", nullptr},
    {"quote", "the quote character, or `none`", ASSAY_OPT_STRING, 0, 0, 0, 0, "\"", nullptr},
    {"label_column", "column of labels, by name or number from 0: kept, but not part of X",
     ASSAY_OPT_STRING, 0, 0, 0, 0, nullptr, nullptr},
    {"row_names", "column of row names, by name or number from 0", ASSAY_OPT_STRING, 0, 0, 0, 0,
     nullptr, nullptr},
    {"use_columns",
     "columns to read, by name, number from 0 or range, separated by commas or line ends; the "
     "others may hold text",
     ASSAY_OPT_STRING, 0, 0, 0, 0, nullptr, nullptr},
    {"missing_marker", "a text that stands for a missing number, beside nothing, NA and nan",
     ASSAY_OPT_STRING, 0, 0, 0, 0, nullptr, nullptr},
    {}};

constexpr int64_t kBlockEntries = int64_t{1} << 16;

enum Role : char { kNumber, kLabel, kRowName, kIgnored };

class Csv {
 public:
  Csv(const Call& call, const char* path, const assay_options* options)
      : host_(call.host), options_(options), records_(path, Format{}) {
    if (const char* marker = text("missing_marker")) marker_ = marker;
    find_format();
    find_columns();
    scan();
  }

  assay_shape shape() const {
    uint32_t flags = 0;
    if (!names_.empty()) flags |= ASSAY_SHAPE_COL_NAMES;
    if (!labels_.empty()) flags |= ASSAY_SHAPE_LABELS;
    if (!row_names_.empty()) flags |= ASSAY_SHAPE_ROW_NAMES;
    return assay::reading::shape_of(rows_, cols_, -1, ASSAY_F64, flags);
  }

  void read(int64_t row0, int64_t rows, const assay_sink& sink) {
    const int64_t block = std::max<int64_t>(1, kBlockEntries / cols_);
    std::vector<double> values(static_cast<size_t>(std::min(block, rows) * cols_));
    std::string_view record;
    begin();
    for (int64_t i = 0; i < row0; ++i) records_.next(&record);
    for (int64_t done = 0; done < rows;) {
      const int64_t count = std::min(block, rows - done);
      for (int64_t i = 0; i < count; ++i) {
        if (!records_.next(&record))
          throw Fault{
              ASSAY_E_TRUNCATED, "the file has become shorter while it was read", "", "", "", ""};
        numbers(record, values.data() + i * cols_);
      }
      assay::reading::push_dense(sink, row0 + done,
                                 assay::reading::block_of(values.data(), ASSAY_F64, count, cols_));
      done += count;
    }
  }

  const char* name(int32_t axis, int64_t index) const {
    const auto& list = axis == ASSAY_COLS ? names_ : axis == ASSAY_ROWS ? row_names_ : labels_;
    return index >= 0 && index < static_cast<int64_t>(list.size())
               ? list[static_cast<size_t>(index)].c_str()
               : nullptr;
  }

 private:
  const char* text(const char* option) const { return host_->option_text(options_, option); }
  // "line:column" of a field, both from 1; quoted fields are shown by their line.
  std::string place(std::string_view record, std::string_view field) const {
    const bool inside =
        field.data() >= record.data() && field.data() <= record.data() + record.size();
    return std::to_string(records_.line()) + ":" +
           std::to_string(inside ? field.data() - record.data() + 1 : 1);
  }
  bool missing(std::string_view field) const {
    return !marker_.empty() && assay::reading::trimmed(field) == marker_;
  }

  // Delimiter and quote, from the options or the first line.
  void find_format() {
    const std::string quote = text("quote"), delimiter = text("delimiter");
    format_.quote = quote == "none" ? '\0' : quote[0];
    if (quote.size() != 1 && quote != "none")
      bad_option("quote", quote, "one character, or `none`");
    records_.set_format(format_);
    std::string_view first;
    if (!records_.next(&first))
      throw Fault{ASSAY_E_EMPTY,
                  "the file is empty",
                  "",
                  "no line with text",
                  "",
                  "give a file with at least one row of numbers"};
    if (delimiter == "auto") {
      format_.delimiter = guessed(first);
    } else if (delimiter == "tab" || delimiter == "space") {
      format_.delimiter = delimiter == "tab" ? '\t' : ' ';
    } else if (delimiter.size() == 1) {
      format_.delimiter = delimiter[0];
    } else {
      bad_option("delimiter", delimiter, "one character, `tab`, `space` or `auto`");
    }
    records_.set_format(format_);
    width_ = split(first, &first_fields_);
  }
  [[noreturn]] static void bad_option(const char* name,
                                      const std::string& found,
                                      const char* expected) {
    throw Fault{ASSAY_E_SPEC, std::string("`") + name + "` is not usable",
                "",           assay::reading::shown(found),
                expected,     ""};
  }
  // The most frequent of the usual delimiters outside quotes; blanks only where there is no other.
  char guessed(std::string_view line) const {
    constexpr std::string_view kUsual = ",;\t|";
    int64_t count[kUsual.size()] = {};
    bool inside = false, blanks = false;
    for (const char c : assay::reading::trimmed(line)) {
      if (format_.quote && c == format_.quote) inside = !inside;
      if (inside) continue;
      blanks = blanks || c == ' ';
      if (const size_t u = kUsual.find(c); u != std::string_view::npos) ++count[u];
    }
    const auto best = std::max_element(std::begin(count), std::end(count));
    if (*best > 0) return kUsual[static_cast<size_t>(best - count)];
    return blanks ? ' ' : ',';
  }
  size_t split(std::string_view record, std::vector<std::string>* out) const {
    Fields fields(record, format_);
    std::string_view field;
    out->clear();
    while (fields.next(&field)) out->emplace_back(assay::reading::trimmed(field));
    return out->size();
  }

  // The header and what each field is.
  void find_columns() {
    roles_.assign(width_, kNumber);
    header_ = is_header();
    mark("label_column", kLabel);
    mark("row_names", kRowName);
    if (const char* wanted = text("use_columns")) use_only(wanted);
    cols_ = std::count(roles_.begin(), roles_.end(), kNumber);
    if (cols_ == 0)
      throw Fault{ASSAY_E_EMPTY,
                  "no column is left to be read",
                  "",
                  std::to_string(width_) + " fields in a line",
                  "",
                  "give at least one column of numbers"};
    for (size_t f = 0; header_ && f < width_; ++f)
      if (roles_[f] == kNumber) names_.push_back(first_fields_[f]);
  }
  // A word that cannot be a number makes the first line a header, unless that field is one of
  // labels or names of rows.
  bool is_header() const {
    const std::string choice = text("header");
    if (choice != "auto") return choice == "yes";
    const char* named[] = {text("label_column"), text("row_names")};
    for (size_t f = 0; f < width_; ++f) {
      double value = 0;
      if (missing(first_fields_[f]) ||
          assay::reading::parse_number(first_fields_[f], &value) != Number::kBad)
        continue;
      const std::string number = std::to_string(f);
      bool text_column = false;
      for (const char* name : named) text_column = text_column || (name && number == name);
      if (!text_column) return true;
    }
    return false;
  }
  size_t find(const std::string& column, const char* option) const {
    return assay::reading::find_column(first_fields_, header_, column, option, records_.line());
  }
  void mark(const char* option, Role role) {
    if (const char* column = text(option)) roles_[find(column, option)] = role;
  }
  void use_only(const std::string& wanted) {
    const char cut = wanted.find('\n') != std::string::npos ? '\n' : ',';
    std::vector<char> chosen(width_);
    for (size_t from = 0; from <= wanted.size();) {
      const size_t to = std::min(wanted.find(cut, from), wanted.size());
      const std::string column(
          assay::reading::trimmed(std::string_view(wanted).substr(from, to - from)));
      if (!column.empty()) choose(column, chosen);
      from = to + 1;
    }
    for (size_t f = 0; f < width_; ++f)
      if (!chosen[f] && roles_[f] == kNumber) roles_[f] = kIgnored;
  }

  // A column by name or number, or a range of numbers such as 0:10 (its end left out).
  void choose(const std::string& column, std::vector<char>& chosen) const {
    const size_t colon = column.find(':');
    int64_t first = 0, last = 0;
    const bool range = colon != std::string::npos &&
                       assay::reading::parse_index(column.substr(0, colon), &first) &&
                       assay::reading::parse_index(column.substr(colon + 1), &last);
    if (!range) {
      chosen[find(column, "use_columns")] = 1;
      return;
    }
    if (last > static_cast<int64_t>(width_) || first >= last) find(column, "use_columns");
    for (int64_t f = first; f < last; ++f) chosen[static_cast<size_t>(f)] = 1;
  }

  // Counts the rows and keeps labels and names.
  void scan() {
    const bool words = std::any_of(roles_.begin(), roles_.end(),
                                   [](char r) { return r == kLabel || r == kRowName; });
    std::string_view record, field;
    begin();
    for (; records_.next(&record); ++rows_) {
      if (!words) continue;
      Fields fields(record, format_);
      for (size_t f = 0; fields.next(&field) && f < width_; ++f) {
        if (roles_[f] == kLabel) labels_.emplace_back(assay::reading::trimmed(field));
        if (roles_[f] == kRowName) row_names_.emplace_back(assay::reading::trimmed(field));
      }
    }
    if (rows_ == 0)
      throw Fault{ASSAY_E_EMPTY,
                  "the file has a header and no rows",
                  "",
                  "",
                  "",
                  "say `header: no` when the first line is data"};
  }
  // Before the first row of numbers.
  void begin() {
    std::string_view record;
    records_.rewind();
    if (header_) records_.next(&record);
  }

  void numbers(std::string_view record, double* to) const {
    Fields fields(record, format_);
    std::string_view field;
    size_t f = 0;
    for (; fields.next(&field); ++f) {
      if (f >= width_) {
        if (assay::reading::trimmed(field).empty()) continue;  // blanks behind a last delimiter
        ragged(record);
      }
      if (roles_[f] != kNumber) continue;
      if (assay::reading::parse_number(field, to) == Number::kBad)
        not_a_number(record, field, f, to);
      ++to;
    }
    if (f < width_) ragged(record);
  }
  void not_a_number(std::string_view record, std::string_view field, size_t f, double* to) const {
    if (missing(field)) {
      *to = std::numeric_limits<double>::quiet_NaN();
      return;
    }
    const std::string column =
        header_ ? " in column " + assay::reading::shown(first_fields_[f]) : "";
    throw Fault{ASSAY_E_NOT_NUMERIC,
                "text where a number must stand" + column,
                place(record, field),
                assay::reading::shown(field),
                "a number",
                "leave columns of text out with `columns`, name a column of labels with "
                "`label_column`, or say `missing_marker`"};
  }
  [[noreturn]] void ragged(std::string_view record) const {
    std::vector<std::string> fields;
    const size_t count = split(record, &fields);
    const bool cut = records_.unended() && count < width_;
    throw Fault{cut ? ASSAY_E_TRUNCATED : ASSAY_E_FORMAT,
                cut ? "the file ends inside a line" : "lines have different numbers of fields",
                place(record, record.substr(record.size())),
                std::to_string(count) + " fields",
                std::to_string(width_) + " fields, as in the first line",
                cut ? "get the file once more, or end its last line"
                    : "give each line as many fields; check `delimiter` and `quote`"};
  }

  const assay_host* host_;
  const assay_options* options_;
  std::string marker_;
  Records records_;
  Format format_;
  size_t width_ = 0;  // fields in a line
  bool header_ = false;
  std::vector<std::string> first_fields_, names_, labels_, row_names_;
  std::vector<char> roles_;
  int64_t rows_ = 0, cols_ = 0;
};

// Text of digits and delimiters looks like csv; it is the weakest of all claims.
int32_t probe(const uint8_t* bytes, int64_t n) {
  int64_t delimiters = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (bytes[i] < 9 || (bytes[i] > 13 && bytes[i] < 32)) return 0;
    delimiters += bytes[i] == ',' || bytes[i] == ';' || bytes[i] == '\t';
  }
  return n == 0 ? 0 : delimiters > 0 ? 30 : 10;
}

constexpr assay_reader kReader =
    assay::reading::table<Csv>(".csv .csv.gz .tsv .tsv.gz .txt", probe);
constexpr assay_plugin kPlugin = {sizeof(assay_plugin),
                                  ASSAY_PLUGIN_DETERMINISTIC,
                                  "assay.reader/1",
                                  "csv",
                                  "delimited text, plain or gzipped, with names and labels",
                                  nullptr,
                                  nullptr,
                                  kOptions,
                                  &kReader,
                                  nullptr};

}  // namespace

ASSAY_MODULE("org.assay.csv", "1.0", kPlugin)
