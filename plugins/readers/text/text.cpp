// SPDX-License-Identifier: Apache-2.0
// Reader `text`: documents as counts of their terms. Documents are the files of a folder, the lines
// of a file or columns of a table; terms are words (ICU) and runs of up to `ngrams` of them. The
// documents are read twice, first for the vocabulary, then for the counts: memory is the vocabulary
// and one document, whatever the size of the text.
#include <assay/plugin.h>

#include <cmath>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "counts.hpp"
#include "source.hpp"
#include "stop_words.hpp"
#include "vocabulary.hpp"
#include "words.hpp"

namespace {

using assay::reading::Call;
using assay::reading::Fault;
using text::Document;

constexpr const char* kStopWords[] = {"none", "english", nullptr};
constexpr const char* kDelimiters[] = {"auto", "tab", "comma", "semicolon", nullptr};
constexpr const char* kQuotes[] = {"auto", "double", "none", nullptr};
constexpr const char* kHeaders[] = {"auto", "yes", "no", nullptr};
constexpr assay_option word(const char* name, const char* doc) {
  return {name, doc, ASSAY_OPT_STRING, 0, 0, 0, 0, nullptr, nullptr};
}
constexpr assay_option choice(const char* name, const char* doc, const char* const* values) {
  return {name, doc, ASSAY_OPT_ENUM, 0, 0, 0, 0, values[0], values};
}
constexpr assay_option kOptions[] = {
    word("column",
         "of a table: the column with the text, by name or number from 0; several, with commas "
         "between, are joined. Without it each line of a file is a document"),
    word("name_column", "of a table: column of the documents' names, by name or number from 0"),
    word("label_column", "of a table: column of labels, by name or number from 0"),
    choice("delimiter",
           "between a table's columns; auto: a tab if the first line has one",
           kDelimiters),
    choice("quote", "around fields of a table; auto: double quotes unless tabs delimit", kQuotes),
    choice("header",
           "whether a table's first line holds names; auto: if a column is named",
           kHeaders),
    {"lower_case", "fold case, by Unicode's rules", ASSAY_OPT_BOOL, 0, 1, 0, 1, nullptr, nullptr},
    {"numbers", "words without a letter, such as 1984, are terms", ASSAY_OPT_BOOL, 0, 0, 0, 1,
     nullptr, nullptr},
    {"min_length", "shorter words are left out", ASSAY_OPT_INT, 0, 2, 1, 1000, nullptr, nullptr},
    choice("stop_words", "words to leave out", kStopWords),
    {"stop_words_path", "file with further words to leave out, one a line", ASSAY_OPT_PATH, 0, 0, 0,
     0, nullptr, nullptr},
    {"ngrams", "terms are runs of up to so many words", ASSAY_OPT_INT, 0, 1, 1, 10, nullptr,
     nullptr},
    {"min_documents", "a term is in so many documents at least; below 1: in this fraction of them",
     ASSAY_OPT_FLOAT, 0, 1, 0, 1e15, nullptr, nullptr},
    {"max_documents", "a term is in so many documents at most; up to 1: in this fraction of them",
     ASSAY_OPT_FLOAT, ASSAY_OPT_LO_OPEN, 1, 0, 1e15, nullptr, nullptr},
    {"max_terms", "only the most frequent terms; 0: all", ASSAY_OPT_INT, 0, 0, 0, 2147483647,
     nullptr, nullptr},
    {"vocabulary", "file with the terms to count, one a line, in the order of the columns",
     ASSAY_OPT_PATH, 0, 0, 0, 0, nullptr, nullptr},
    {}};

class Text {
 public:
  Text(const Call& call, const char* path, const assay_options* options)
      : call_(call),
        path_(path),
        options_(options),
        words_(number("lower_case") != 0, number("numbers") != 0, integer("min_length")),
        ngrams_(static_cast<size_t>(integer("ngrams"))) {
    if (text("stop_words") == "english") stop(text::kEnglish);
    if (const std::string file = text("stop_words_path"); !file.empty())
      for (const std::string& line : lines_of(file, "stop_words_path")) stop(line);
  }

  // Data for a model: its terms and no others.
  void columns(int64_t n, const char* const* names) {
    for_model_ = true;
    vocabulary_.fix(std::vector<std::string>(names, names + n));
  }

  assay_shape shape() {
    documents_ = text::open_documents(path_, table(), for_model_);
    if (const std::string file = text("vocabulary"); !file.empty() && !for_model_)
      vocabulary_.fix(folded_lines(file, "vocabulary"));
    Document document;
    for (; next(&document); ++rows_) {
      if (documents_->named()) names_.push_back(document.name);
      if (documents_->labelled()) labels_.push_back(document.label);
      each_term(document.text, [&](std::string_view term) { vocabulary_.count(term, rows_); });
    }
    if (rows_ == 0)
      throw Fault{ASSAY_E_EMPTY, "there is no document", "", "", "", "give at least one document"};
    const text::Limits limits{number("min_documents"), number("max_documents"),
                              integer("max_terms")};
    const int64_t entries = vocabulary_.choose(limits, rows_);
    say();
    return assay::reading::shape_of(rows_, vocabulary_.count(), entries, ASSAY_F64,
                                    ASSAY_SHAPE_COL_NAMES |
                                        (names_.empty() ? 0u : uint32_t{ASSAY_SHAPE_ROW_NAMES}) |
                                        (labels_.empty() ? 0u : uint32_t{ASSAY_SHAPE_LABELS}));
  }

  void read(int64_t row0, int64_t rows, const assay_sink& sink) {
    documents_->rewind();
    Document document;
    text::Counts counts(row0, vocabulary_.count());
    std::vector<int32_t> found;
    for (int64_t i = 0; i < row0 + rows; ++i) {
      if (!next(&document))
        throw Fault{ASSAY_E_TRUNCATED, "documents have gone while they were read", "", "", "", ""};
      if (i < row0) continue;
      found.clear();
      each_term(document.text, [&](std::string_view term) {
        if (const int64_t column = vocabulary_.column(term); column >= 0)
          found.push_back(static_cast<int32_t>(column));
      });
      counts.add(found);
      if (counts.full() || i + 1 == row0 + rows) counts.push(sink);
    }
  }

  const char* name(int32_t axis, int64_t index) const {
    const auto& list = axis == ASSAY_COLS   ? vocabulary_.terms()
                       : axis == ASSAY_ROWS ? names_
                                            : labels_;
    return index >= 0 && index < static_cast<int64_t>(list.size())
               ? list[static_cast<size_t>(index)].c_str()
               : nullptr;
  }

 private:
  double number(const char* option) const { return call_.host->option_number(options_, option); }
  int64_t integer(const char* option) const {
    return static_cast<int64_t>(std::llround(number(option)));
  }
  std::string text(const char* option) const {
    const char* given = call_.host->option_text(options_, option);
    return given ? given : "";
  }
  void log(int32_t level, const std::string& line) const {
    call_.host->log(call_.ctx, level, line.c_str());
  }

  // Words of a line, separated by blanks.
  void stop(const std::string& line) {
    for (size_t from = 0; from < line.size();) {
      const size_t to = std::min(line.find(' ', from), line.size());
      if (to > from) stop_words_.insert(words_.folded(line.substr(from, to - from)));
      from = to + 1;
    }
  }

  // The lines of a file of words.
  // As words of documents are written, so that they can meet.
  std::vector<std::string> folded_lines(const std::string& path, const char* option) const {
    std::vector<std::string> out = lines_of(path, option);
    for (std::string& term : out) term = words_.folded(term);
    return out;
  }

  static std::vector<std::string> lines_of(const std::string& path, const char* option) {
    try {
      return lines_of_file(path, option);
    } catch (Fault& fault) {
      if (fault.status != ASSAY_E_NOT_FOUND) throw;
      fault.message = std::string("the file of `") + option + "` is not there";
      fault.place = path;
      fault.help = std::string("name a file with one term a line, or leave `") + option + "` out";
      throw;
    }
  }
  static std::vector<std::string> lines_of_file(const std::string& path, const char* option) {
    std::vector<std::string> out;
    assay::reading::Lines lines(path.c_str());
    for (std::string_view line; lines.next(&line);) {
      const std::string_view term = assay::reading::trimmed(line);
      if (term.size() > size_t{1} << 20 || text::first_bad_byte(term) != std::string_view::npos)
        throw Fault{ASSAY_E_FORMAT,
                    std::string("the file of `") + option + "` is no list of words",
                    "",
                    path + ", line " + std::to_string(lines.number()),
                    "UTF-8, one term a line",
                    ""};
      if (!term.empty()) out.emplace_back(term);
    }
    if (out.empty())
      throw Fault{ASSAY_E_EMPTY,
                  std::string("the file of `") + option + "` has no words",
                  "",
                  path,
                  "",
                  "give one term a line"};
    return out;
  }

  text::Columns table() const {
    return {text::parts_of(text("column")),
            text("name_column"),
            text("label_column"),
            text("delimiter"),
            text("quote"),
            text("header")};
  }
  // The next document, which is text.
  bool next(Document* document) {
    if (call_.host->cancelled(call_.ctx))
      throw Fault{ASSAY_E_CANCELLED, "cancelled", "", "", "", ""};
    if (!documents_->next(document)) return false;
    text::check_text(*document);
    return true;
  }

  template <class F>
  void each_term(std::string_view text, F&& f) {
    if (ngrams_ == 1) {
      words_.each(text, [&](std::string_view word) {
        if (!stop_words_.count(std::string(word))) f(word);
      });
      return;
    }
    // A window over the last words; each new one ends runs of every length.
    std::vector<std::string> window;
    std::string run;
    words_.each(text, [&](std::string_view word) {
      if (stop_words_.count(std::string(word))) return;
      if (window.size() == ngrams_) window.erase(window.begin());
      window.emplace_back(word);
      run.clear();
      for (size_t w = window.size(); w-- > 0;) {
        if (!run.empty()) run.insert(0, 1, ' ');
        run.insert(0, window[w]);
        f(std::string_view(run));
      }
    });
  }

  void say() const {
    const std::string terms = std::to_string(vocabulary_.left_out()) + " of " +
                              std::to_string(vocabulary_.occurrences()) +
                              (ngrams_ > 1 ? " terms" : " words");
    if (!vocabulary_.fixed())
      log(ASSAY_LOG_INFO, std::to_string(rows_) + " documents, " +
                              std::to_string(vocabulary_.occurrences()) + " words, " +
                              std::to_string(vocabulary_.count()) + " terms are columns");
    if (vocabulary_.left_out() > 0)
      log(for_model_ ? ASSAY_LOG_WARNING : ASSAY_LOG_INFO,
          terms + (for_model_ ? " are unknown to the model and are left out"
                              : " are not in the vocabulary and are left out"));
  }

  Call call_;
  std::string path_;
  const assay_options* options_;
  text::Words words_;
  size_t ngrams_;
  bool for_model_ = false;
  std::unordered_set<std::string> stop_words_;
  std::unique_ptr<text::Documents> documents_;
  text::Vocabulary vocabulary_;
  int64_t rows_ = 0;
  std::vector<std::string> names_, labels_;
};

// Text without control characters; whoever knows more about a file goes before.
int32_t probe(const uint8_t* bytes, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    if (bytes[i] < 9 || (bytes[i] > 13 && bytes[i] < 32)) return 0;
  return n > 0 ? 5 : 0;
}

constexpr assay_reader kReader =
    assay::reading::table<Text>(".txt .txt.gz .tsv .tsv.gz .csv .csv.gz /", probe);
constexpr assay_plugin kPlugin = {
    sizeof(assay_plugin),
    ASSAY_PLUGIN_DETERMINISTIC,
    "assay.reader/1",
    "text",
    "documents as counts of their words: a folder, lines, or a column of a table",
    "Unicode Standard Annex 29 (words); Unicode 3.13 (case)",
    "x_ij = how often document i has term j",
    kOptions,
    &kReader,
    nullptr};

}  // namespace

ASSAY_MODULE("org.assay.text", "1.0", kPlugin)
