// SPDX-License-Identifier: Apache-2.0
// What a path holds, as options and the path itself say, and the check that it is text.
#pragma once

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "documents.hpp"
#include "words.hpp"

namespace text {

// Names of columns with commas between.
inline std::vector<std::string> parts_of(const std::string& list) {
  std::vector<std::string> out;
  for (size_t from = 0; !list.empty() && from <= list.size();) {
    const size_t to = std::min(list.find(',', from), list.size());
    out.emplace_back(assay::reading::trimmed(std::string_view(list).substr(from, to - from)));
    from = to + 1;
  }
  return out;
}

// The columns of a table that rows for a model have: names and labels may be missing, and without
// any of the texts it is no table. Where columns are numbers and no tab is in the first line,
// commas are taken for delimiters in files that are called .csv only.
inline Columns those_present(Columns columns, const std::string& path) {
  assay::reading::Lines lines(path.c_str());
  std::string_view first, field;
  lines.next(&first);
  const Format format = Table::format_of(first, columns);
  std::vector<std::string> found;
  for (Fields fields(first, format); fields.next(&field);)
    found.emplace_back(assay::reading::trimmed(field));
  const bool cut = columns.delimiter != "auto" || format.delimiter == '\t' ||
                   path.find(".csv") != std::string::npos;
  const auto missing = [&](const std::string& column) {
    int64_t index = 0;
    if (assay::reading::parse_index(column, &index))
      return !cut || index >= static_cast<int64_t>(found.size());
    return std::find(found.begin(), found.end(), column) == found.end();
  };
  if (missing(columns.name)) columns.name.clear();
  if (missing(columns.label)) columns.label.clear();
  columns.text.erase(std::remove_if(columns.text.begin(), columns.text.end(), missing),
                     columns.text.end());
  return columns;
}

// A folder, a table, or lines. Rows for a model may be lines or a folder though training data were
// a table.
inline std::unique_ptr<Documents> open_documents(const std::string& path,
                                                 Columns columns,
                                                 bool for_model) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return std::make_unique<Folder>(path.c_str());
  if (columns.text.empty() && !(columns.name.empty() && columns.label.empty()))
    throw Fault{ASSAY_E_SPEC, "columns are named, but not the one with the text", "", "",
                "",           "add `column`, by name or by number from 0"};
  if (for_model && !columns.text.empty()) columns = those_present(std::move(columns), path);
  if (columns.text.empty()) return std::make_unique<LineDocuments>(path.c_str());
  return std::make_unique<Table>(path.c_str(), std::move(columns));
}

// A fault with its place unless the document is UTF-8.
inline void check_text(const Document& document) {
  if (document.text.size() > size_t{1} << 30)
    throw Fault{ASSAY_E_FORMAT,       "a document is larger than 1 GiB", "", "", "",
                "cut it into several"};
  const size_t bad = first_bad_byte(document.text);
  if (bad == std::string_view::npos) return;
  const std::string_view before = document.text.substr(0, bad);
  const auto breaks = std::count(before.begin(), before.end(), '\n');
  const size_t start = before.rfind('\n') + 1;  // npos + 1 is 0
  char byte[16];
  std::snprintf(byte, sizeof byte, "byte 0x%02x", static_cast<unsigned char>(document.text[bad]));
  throw Fault{ASSAY_E_FORMAT,
              document.file.empty() ? "the text is not UTF-8"
                                    : "the text is not UTF-8 (`" + document.file + "`)",
              std::to_string(document.line + (document.in_line ? 0 : breaks)) + ":" +
                  std::to_string(bad - start + 1),
              byte,
              "UTF-8",
              "convert the text, for example with `iconv -f latin1 -t utf-8`"};
}

}  // namespace text
