// SPDX-License-Identifier: Apache-2.0
// Entries to a file. Matrix Market announces how many there are before the first: room is left for
// the number, and it is filled in at the end.
#include "core/report/entry_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "core/base/number.hpp"
#include "core/experiment/files.hpp"
#include "core/report/results.hpp"

namespace assay::report {
namespace {

bool ends(const std::string& text, const std::string& with) {
  return text.size() > with.size() &&
         text.compare(text.size() - with.size(), with.size(), with) == 0;
}

constexpr int kCountWidth = 19;  // digits of the largest int64

}  // namespace

EntryFile::EntryFile(std::string path, bool csv, const data::Names& names)
    : path_(std::move(path)), temporary_(path_ + ".tmp"), csv_(csv), names_(names) {}

EntryFile::~EntryFile() {
  if (!file_) return;
  std::fclose(file_);
  experiment::remove_file(temporary_);
}

Expected<std::unique_ptr<EntryFile>> EntryFile::create(const std::string& path,
                                                       int64_t rows,
                                                       int64_t cols,
                                                       const data::Names& names) {
  const bool csv = ends(path, ".csv");
  if (!csv && !ends(path, ".mtx"))
    return Error(ASSAY_E_ARGUMENT, "E0008", fmt::format("cannot tell the format of `{}`", path))
        .with_help("end the name with `.mtx` or `.csv`");
  std::unique_ptr<EntryFile> out(new EntryFile(path, csv, names));
  out->file_ = std::fopen(out->temporary_.c_str(), "wbe");
  if (!out->file_) return experiment::store_error(errno, "write", path);
  if (csv) {
    ASSAY_TRY(out->write("row,column,value\n"));
    return out;
  }
  const std::string head =
      fmt::format("%%MatrixMarket matrix coordinate real general\n{} {} ", rows, cols);
  out->count_at_ = static_cast<long>(head.size());
  ASSAY_TRY(out->write(head + std::string(kCountWidth, ' ') + "\n"));
  return out;
}

std::string EntryFile::name_of(const std::vector<std::string>& names, int64_t at) const {
  const auto i = static_cast<size_t>(at);
  return i < names.size() && !names[i].empty() ? csv_field(names[i]) : std::to_string(at + 1);
}

Expected<void> EntryFile::write(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), file_) == text.size()) return {};
  return experiment::store_error(errno, "write", path_);
}

Expected<void> EntryFile::add(const std::vector<experiment::Entry>& entries) {
  std::string text;
  for (const experiment::Entry& e : entries) {
    const std::string value = format_shortest(e.value);
    text += csv_ ? fmt::format("{},{},{}\n", name_of(names_.rows, e.row),
                               name_of(names_.cols, e.col), value)
                 : fmt::format("{} {} {}\n", e.row + 1, e.col + 1, value);
  }
  count_ += static_cast<int64_t>(entries.size());
  return write(text);
}

Expected<void> EntryFile::finish() {
  if (!csv_) {
    if (std::fseek(file_, count_at_, SEEK_SET) != 0)
      return experiment::store_error(errno, "write", path_);
    ASSAY_TRY(write(fmt::format("{:>{}}", count_, kCountWidth)));
  }
  const bool closed = std::fclose(std::exchange(file_, nullptr)) == 0;
  if (closed && std::rename(temporary_.c_str(), path_.c_str()) == 0) return {};
  const int number = errno;
  experiment::remove_file(temporary_);
  return experiment::store_error(number, "write", path_);
}

}  // namespace assay::report
