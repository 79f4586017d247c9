// SPDX-License-Identifier: Apache-2.0
// Records and fields of delimited text: quotes, line ends inside quotes, runs of blanks as a
// delimiter. For readers of tables; like gzip.hpp it needs zlib.
#ifndef ASSAY_RECORDS_HPP
#define ASSAY_RECORDS_HPP

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "gzip.hpp"

namespace assay::reading {

struct Format {
  char delimiter = ',';  // ' ': any run of blanks
  char quote = '"';      // 0: quotes are letters like all others
};

// Records one after another; lines without a visible character are passed over.
class Records {
 public:
  Records(const char *path, Format format) : lines_(path), format_(format) {}

  // The next record, valid until the next call.
  bool next(std::string_view *record) {
    std::string_view line;
    do {
      if (!lines_.next(&line)) return false;
      first_line_ = lines_.number();
    } while (trimmed(line).empty());
    if (!open_quote(line)) {
      *record = line;
      return true;
    }
    whole_.assign(line);
    do {
      if (!lines_.next(&line))
        throw Fault{ASSAY_E_TRUNCATED,
                    "the file ends inside quotes",
                    std::to_string(first_line_) + ":1",
                    "",
                    "",
                    "close the quotes, or say `quote: none`"};
      whole_ += '\n';
      whole_ += line;
    } while (open_quote(whole_));
    *record = whole_;
    return true;
  }
  int64_t line() const { return first_line_; }
  // True when the record ended with the file and not with a line end.
  bool unended() const { return lines_.unended(); }
  void rewind() { lines_.rewind(); }
  void set_format(Format format) { format_ = format; }

 private:
  bool open_quote(std::string_view text) const {
    if (!format_.quote || text.find(format_.quote) == std::string_view::npos) return false;
    return std::count(text.begin(), text.end(), format_.quote) % 2 != 0;
  }

  Lines lines_;
  Format format_;
  int64_t first_line_ = 0;
  std::string whole_;
};

// The fields of a record, one after another.
class Fields {
 public:
  Fields(std::string_view record, Format format) : rest_(record), format_(format) { skip_blanks(); }

  bool next(std::string_view *field) {
    if (done_) return false;
    if (format_.quote && !rest_.empty() && rest_.front() == format_.quote) {
      quoted(field);
      return true;
    }
    const size_t end = rest_.find(format_.delimiter == ' ' ? blank() : format_.delimiter);
    *field = rest_.substr(0, end);
    advance(end == std::string_view::npos ? rest_.size() : end);
    return true;
  }

 private:
  char blank() const {
    for (const char c : rest_)
      if (c == ' ' || c == '\t') return c;
    return ' ';
  }
  void skip_blanks() {
    if (format_.delimiter != ' ') return;
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t'))
      rest_.remove_prefix(1);
    while (!rest_.empty() && (rest_.back() == ' ' || rest_.back() == '\t')) rest_.remove_suffix(1);
  }
  // Past the field that ends at `end` and its delimiter.
  void advance(size_t end) {
    done_ = end >= rest_.size();
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    if (!done_) skip_blanks();
  }
  void quoted(std::string_view *field) {
    text_.clear();
    size_t i = 1;
    for (; i < rest_.size(); ++i) {
      if (rest_[i] == format_.quote) {
        if (i + 1 >= rest_.size() || rest_[i + 1] != format_.quote) break;
        ++i;
      }
      text_ += rest_[i];
    }
    size_t end = std::min(i + 1, rest_.size());
    while (end < rest_.size() && rest_[end] != format_.delimiter &&
           !(format_.delimiter == ' ' && rest_[end] == '\t'))
      ++end;
    advance(end);
    *field = text_;
  }

  std::string_view rest_;
  Format format_;
  std::string text_;
  bool done_ = false;
};

// The column that an option names: by a name of the header, where there is one, or by number from 0.
// `first` are the fields of the first line.
inline size_t find_column(const std::vector<std::string> &first, bool header,
                          const std::string &column, const char *option, int64_t line) {
  const auto named = std::find(first.begin(), first.end(), column);
  if (header && named != first.end()) return static_cast<size_t>(named - first.begin());
  int64_t index = -1;
  if (parse_index(column, &index) && index < static_cast<int64_t>(first.size()))
    return static_cast<size_t>(index);
  std::string found = std::to_string(first.size()) + " columns without names";
  if (header) {
    found.clear();
    for (size_t f = 0; f < first.size() && f < 8; ++f) found += (f ? ", " : "") + shown(first[f]);
    if (first.size() > 8) found += " ...";
  }
  throw Fault{ASSAY_E_SHAPE,
              "there is no column " + shown(column) + " for `" + option + "`",
              std::to_string(line) + ":1",
              found,
              "",
              header ? "name a column of the header, or give its number, counted from 0"
                     : "give a column's number, counted from 0: the file has no header"};
}

}  // namespace assay::reading

#endif
