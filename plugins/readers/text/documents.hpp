// SPDX-License-Identifier: Apache-2.0
// Where documents come from: the files of a folder, the lines of a file, or columns of a table. One
// document is in memory at a time.
#pragma once

#include <algorithm>
#include <assay/records.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace text {

using assay::reading::Fault;
using assay::reading::Fields;
using assay::reading::Format;

struct Document {
  std::string_view text;    // until the next one
  std::string name, label;  // empty: none
  std::string file;         // of a folder: which of them
  int64_t line = 1;         // where the text begins
  bool in_line = false;     // it does not end before its line does
};

class Documents {
 public:
  virtual ~Documents() = default;
  virtual bool next(Document* out) = 0;
  virtual void rewind() = 0;
  virtual bool named() const = 0;
  virtual bool labelled() const = 0;
};

// Files of a folder and of the folders in it, by name; what is hidden is left out. A file's first
// folder is its label.
class Folder : public Documents {
 public:
  explicit Folder(const char* path) : root_(path) {
    namespace fs = std::filesystem;
    try {
      for (fs::recursive_directory_iterator it(root_), end; it != end; ++it) {
        const bool hidden = it->path().filename().string().front() == '.';
        if (hidden && it->is_directory()) it.disable_recursion_pending();
        if (!hidden && it->is_regular_file())
          names_.push_back(it->path().lexically_relative(root_).generic_string());
      }
    } catch (const fs::filesystem_error& e) {
      throw Fault{ASSAY_E_NO_FILE,
                  "the folder cannot be read",
                  "",
                  e.code().message(),
                  "",
                  "give a folder you may read"};
    }
    if (names_.empty())
      throw Fault{ASSAY_E_EMPTY,
                  "the folder holds no file",
                  "",
                  "",
                  "",
                  "give a folder with a text file per document"};
    std::sort(names_.begin(), names_.end());
    folders_ = std::any_of(names_.begin(), names_.end(), [](const std::string& name) {
      return name.find('/') != std::string::npos;
    });
  }
  bool next(Document* out) override {
    if (at_ == names_.size()) return false;
    const std::string& name = names_[at_++];
    read((root_ / name).string(), name);
    *out = Document{};
    out->text = bytes_;
    if (out->text.substr(0, 3) == "\xef\xbb\xbf") out->text.remove_prefix(3);
    out->name = out->file = name;
    if (const size_t slash = name.find('/'); slash != std::string::npos)
      out->label = name.substr(0, slash);
    return true;
  }
  void rewind() override { at_ = 0; }
  bool named() const override { return true; }
  bool labelled() const override { return folders_; }

 private:
  void read(const std::string& path, const std::string& name) {
    try {
      assay::reading::GzipFile file(path.c_str());
      bytes_.clear();
      constexpr size_t kPiece = size_t{1} << 20, kMost = size_t{1} << 30;
      for (int64_t got = 1; got > 0;) {
        const size_t had = bytes_.size();
        if (had > kMost)
          throw Fault{ASSAY_E_FORMAT,
                      "a document is larger than 1 GiB",
                      "",
                      "",
                      "",
                      "one file is one document; give a file of lines as `path`"};
        bytes_.resize(had + kPiece);
        got = file.read(bytes_.data() + had, static_cast<int64_t>(kPiece));
        bytes_.resize(had + static_cast<size_t>(got));
      }
    } catch (Fault& fault) {
      if (fault.message.find(name) == std::string::npos) fault.message += " (`" + name + "`)";
      throw;
    }
  }

  std::filesystem::path root_;
  std::vector<std::string> names_;
  std::string bytes_;
  size_t at_ = 0;
  bool folders_ = false;
};

// Each line a document, blank ones too.
class LineDocuments : public Documents {
 public:
  explicit LineDocuments(const char* path) : lines_(path) {}
  bool next(Document* out) override {
    *out = Document{};
    if (!lines_.next(&out->text)) return false;
    out->line = lines_.number();
    out->in_line = true;
    return true;
  }
  void rewind() override { lines_.rewind(); }
  bool named() const override { return false; }
  bool labelled() const override { return false; }

 private:
  assay::reading::Lines lines_;
};

// Columns of a table by name (the first line is a header then) or by number from 0.
struct Columns {
  std::vector<std::string> text;
  std::string name, label;  // empty: none
  std::string delimiter, quote, header;
};

class Table : public Documents {
 public:
  Table(const char* path, Columns columns) : columns_(std::move(columns)), records_(path, {}) {
    find_format();
    for (const std::string& column : columns_.text) text_.push_back(find(column, "column"));
    if (!columns_.name.empty()) name_ = static_cast<int64_t>(find(columns_.name, "name_column"));
    if (!columns_.label.empty())
      label_ = static_cast<int64_t>(find(columns_.label, "label_column"));
    rewind();
  }
  // What the first line is cut at.
  static Format format_of(std::string_view first, const Columns& columns) {
    Format format;
    const std::string& delimiter = columns.delimiter;
    if (delimiter == "tab" || delimiter == "comma" || delimiter == "semicolon")
      format.delimiter = delimiter == "tab" ? '\t' : delimiter == "comma" ? ',' : ';';
    else
      format.delimiter =
          first.find('\t') != std::string_view::npos ? '\t'
          : first.find(';') != std::string_view::npos && first.find(',') == std::string_view::npos
              ? ';'
              : ',';
    const bool quoted =
        columns.quote == "double" || (columns.quote == "auto" && format.delimiter != '\t');
    format.quote = quoted ? '"' : '\0';
    return format;
  }
  bool next(Document* out) override {
    std::string_view record, field;
    *out = Document{};
    if (!records_.next(&record)) return false;
    Fields fields(record, format_);
    int64_t count = 0;
    text_of_.assign(text_.size(), "");
    for (; fields.next(&field); ++count) {
      if (count == name_) out->name = assay::reading::trimmed(field);
      if (count == label_) out->label = assay::reading::trimmed(field);
      for (size_t t = 0; t < text_.size(); ++t)
        if (count == static_cast<int64_t>(text_[t])) text_of_[t] = field;
    }
    if (count != static_cast<int64_t>(width_))
      throw Fault{ASSAY_E_FORMAT,
                  "lines have different numbers of fields",
                  std::to_string(records_.line()) + ":1",
                  std::to_string(count) + " fields",
                  std::to_string(width_) + " fields, as in the first line",
                  "give each line as many fields; check `delimiter` and `quote`"};
    whole_.clear();
    for (const std::string& part : text_of_) (whole_.empty() ? whole_ : whole_ += '\n') += part;
    out->text = whole_;
    out->line = records_.line();
    out->in_line = true;
    return true;
  }
  void rewind() override {
    records_.rewind();
    std::string_view header;
    if (header_) records_.next(&header);
  }
  bool named() const override { return name_ >= 0; }
  bool labelled() const override { return label_ >= 0; }

 private:
  void find_format() {
    std::string_view first, field;
    records_.set_format({',', '\0'});
    if (!records_.next(&first))
      throw Fault{ASSAY_E_EMPTY,
                  "the file is empty",
                  "",
                  "no line with text",
                  "",
                  "give a table with a document a line"};
    format_ = format_of(first, columns_);
    records_.set_format(format_);
    records_.rewind();
    records_.next(&first);
    for (Fields fields(first, format_); fields.next(&field); ++width_)
      first_fields_.emplace_back(assay::reading::trimmed(field));
    const auto by_name = [](const std::string& column) {
      int64_t index = 0;
      return !column.empty() && !assay::reading::parse_index(column, &index);
    };
    header_ = columns_.header == "yes" ||
              (columns_.header == "auto" &&
               (by_name(columns_.name) || by_name(columns_.label) ||
                std::any_of(columns_.text.begin(), columns_.text.end(), by_name)));
  }
  size_t find(const std::string& column, const char* option) const {
    return assay::reading::find_column(first_fields_, header_, column, option, 1);
  }

  Columns columns_;
  assay::reading::Records records_;
  Format format_;
  size_t width_ = 0;
  bool header_ = false;
  std::vector<std::string> first_fields_, text_of_;
  std::vector<size_t> text_;
  int64_t name_ = -1, label_ = -1;
  std::string whole_;
};

}  // namespace text
