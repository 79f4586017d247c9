// SPDX-License-Identifier: Apache-2.0
// Reader `svmlight`: one row a line, "label index:value index:value # comment" (Joachims 1999),
// plain or gzipped; the label may be missing, `qid:n` is passed over. Unstored entries are zeros.
// The file is read once and kept as CSR.
#include <assay/plugin.h>

#include <algorithm>
#include <assay/gzip.hpp>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace {

using assay::reading::Call;
using assay::reading::Fault;
using assay::reading::Lines;
using assay::reading::Number;

const char* const kBase[] = {"auto", "zero", "one", nullptr};
constexpr assay_option kOptions[] = {
    {"first_index",
     "index of the first column; auto: zero if index 0 occurs, else one; the log says which",
     ASSAY_OPT_ENUM, 0, 0, 0, 0, "auto", kBase},
    {"n_columns", "number of columns; 0: the largest index decides", ASSAY_OPT_INT, 0, 0, 0,
     2147483647, nullptr, nullptr},
    {}};

class Svmlight {
 public:
  Svmlight(const Call& call, const char* path, const assay_options* options) : lines_(path) {
    std::string_view line;
    while (lines_.next(&line)) read_row(line.substr(0, line.find('#')));
    if (indptr_.size() == 1)
      throw Fault{ASSAY_E_EMPTY,
                  "the file is empty",
                  "",
                  "no row",
                  "",
                  "give a file with at least one row"};
    const std::string first_index = call.host->option_text(options, "first_index");
    if (first_index == "auto") call.host->log(call.ctx, ASSAY_LOG_INFO, found_base());
    settle(first_index,
           static_cast<int64_t>(std::llround(call.host->option_number(options, "n_columns"))));
    if (std::all_of(labels_.begin(), labels_.end(),
                    [](const std::string& label) { return label.empty(); }))
      labels_.clear();
  }
  assay_shape shape() const {
    return assay::reading::shape_of(static_cast<int64_t>(indptr_.size()) - 1, cols_,
                                    static_cast<int64_t>(values_.size()), ASSAY_F64,
                                    labels_.empty() ? 0u : uint32_t{ASSAY_SHAPE_LABELS});
  }
  void read(int64_t row0, int64_t rows, const assay_sink& sink) {
    assay::reading::push_rows(sink, row0, rows, cols_, indptr_, indices_, values_);
  }
  const char* name(int32_t axis, int64_t index) const {
    const bool known =
        axis == ASSAY_ONE && index >= 0 && index < static_cast<int64_t>(labels_.size());
    return known ? labels_[static_cast<size_t>(index)].c_str() : nullptr;
  }

 private:
  [[noreturn]] void fault(int32_t status,
                          const char* what,
                          std::string_view found,
                          const char* expected) const {
    throw Fault{
        status,   what, std::to_string(lines_.number()) + ":1", assay::reading::shown(found),
        expected, ""};
  }
  static std::string_view word(std::string_view* rest) {
    *rest = assay::reading::trimmed(*rest);
    const size_t end = std::min(rest->find_first_of(" \t"), rest->size());
    const std::string_view out = rest->substr(0, end);
    rest->remove_prefix(end);
    return out;
  }
  void read_row(std::string_view line) {
    std::string_view text = word(&line);
    if (text.empty()) return;
    std::string label;
    if (text.find(':') == std::string_view::npos) {
      label = text;
      text = word(&line);
    }
    const size_t first = entries_.size();
    for (; !text.empty(); text = word(&line)) read_entry(text);
    std::sort(entries_.begin() + static_cast<int64_t>(first), entries_.end());
    for (const auto& [index, value] : entries_) {
      indices_.push_back(index);
      values_.push_back(value);
    }
    entries_.clear();
    indptr_.push_back(static_cast<int64_t>(values_.size()));
    labels_.push_back(std::move(label));
  }
  void read_entry(std::string_view text) {
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos)
      fault(lines_.unended() ? ASSAY_E_TRUNCATED : ASSAY_E_FORMAT,
            "an entry is not of the form index:value", text, "index:value");
    if (text.substr(0, colon) == "qid") return;
    int64_t index = 0;
    double value = 0;
    if (!assay::reading::parse_index(text.substr(0, colon), &index) || index >= int64_t{1} << 31)
      fault(ASSAY_E_FORMAT, "an index must be a whole number below 2^31", text, "index:value");
    if (assay::reading::parse_number(text.substr(colon + 1), &value) != Number::kOk)
      fault(ASSAY_E_NOT_NUMERIC, "text where a number must stand", text, "index:value");
    smallest_ = std::min(smallest_, index);
    largest_ = std::max(largest_, index);
    entries_.emplace_back(static_cast<int32_t>(index), value);
  }
  // Files that count from 0 and never use their first column look like files that count from 1.
  const char* found_base() const {
    return smallest_ == 0 ? "index 0 occurs: columns are counted from 0"
                          : "index 0 does not occur: columns are counted from 1 "
                            "(`first_index: zero` counts from 0)";
  }
  // Indices from 0, and the number of columns.
  void settle(const std::string& first_index, int64_t n_columns) {
    const int64_t base = first_index == "zero" || (first_index == "auto" && smallest_ == 0) ? 0 : 1;
    if (smallest_ < base)
      throw Fault{ASSAY_E_FORMAT,           "index 0 occurs, but `first_index` is one", "", "", "",
                  "say `first_index: zero`"};
    for (int32_t& index : indices_) index -= static_cast<int32_t>(base);
    cols_ = largest_ < 0 ? 0 : largest_ - base + 1;
    if (n_columns > 0 && n_columns < cols_)
      throw Fault{ASSAY_E_SHAPE,
                  "an index lies beyond `n_columns`",
                  "",
                  std::to_string(cols_) + " columns",
                  std::to_string(n_columns) + " columns",
                  "raise `n_columns`, or leave it out"};
    if (n_columns > 0) cols_ = n_columns;
    if (cols_ == 0)
      throw Fault{ASSAY_E_EMPTY,
                  "the file has no entry",
                  "",
                  "rows without index:value",
                  "",
                  "give at least one entry"};
    if (n_columns == 0 && cols_ > 1000 * static_cast<int64_t>(values_.size()) + 1000000)
      throw Fault{ASSAY_E_FORMAT,
                  "almost all columns would be empty",
                  "",
                  "index " + std::to_string(largest_) + " as the largest",
                  "",
                  "check the indices, or give `n_columns`"};
  }

  Lines lines_;
  std::vector<int64_t> indptr_{0};
  std::vector<int32_t> indices_;
  std::vector<double> values_;
  std::vector<std::string> labels_;
  std::vector<std::pair<int32_t, double>> entries_;  // of the row being read
  int64_t smallest_ = int64_t{1} << 31, largest_ = -1, cols_ = 0;
};

// "label index:value": a weaker claim than that of formats with a head.
int32_t probe(const uint8_t* bytes, int64_t n) {
  int64_t colons = 0;
  for (int64_t i = 0; i + 1 < n && bytes[i] != '\n'; ++i) {
    if (bytes[i] < 9 || bytes[i] == ',') return 0;
    colons += i > 0 && bytes[i] == ':' && bytes[i - 1] >= '0' && bytes[i - 1] <= '9';
  }
  return colons > 0 ? 50 : 0;
}

constexpr assay_reader kReader =
    assay::reading::table<Svmlight>(".svm .svm.gz .svmlight .svmlight.gz .libsvm .libsvm.gz",
                                    probe);
constexpr assay_plugin kPlugin = {sizeof(assay_plugin),
                                  ASSAY_PLUGIN_DETERMINISTIC,
                                  "assay.reader/1",
                                  "svmlight",
                                  "sparse rows as `label index:value ...`",
                                  "Joachims 1999",
                                  nullptr,
                                  kOptions,
                                  &kReader,
                                  nullptr};

}  // namespace

ASSAY_MODULE("org.assay.svmlight", "1.0", kPlugin)
