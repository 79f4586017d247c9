// SPDX-License-Identifier: Apache-2.0
// A sparse matrix written entry by entry: Matrix Market, or CSV with the names of rows and columns.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "core/data/data.hpp"
#include "core/experiment/residual.hpp"

namespace assay::report {

// Under a temporary name until finish(); without it nothing is left.
class EntryFile {
 public:
  // E0008 for an ending that is neither .mtx nor .csv. `names` must outlive it.
  static Expected<std::unique_ptr<EntryFile>> create(const std::string& path,
                                                     int64_t rows,
                                                     int64_t cols,
                                                     const data::Names& names);
  EntryFile(const EntryFile&) = delete;
  EntryFile& operator=(const EntryFile&) = delete;
  ~EntryFile();

  Expected<void> add(const std::vector<experiment::Entry>& entries);
  Expected<void> finish();
  int64_t count() const { return count_; }

 private:
  EntryFile(std::string path, bool csv, const data::Names& names);
  std::string name_of(const std::vector<std::string>& names, int64_t at) const;
  Expected<void> write(const std::string& text);

  std::string path_, temporary_;
  bool csv_;
  const data::Names& names_;
  std::FILE* file_ = nullptr;
  long count_at_ = 0;  // where Matrix Market's number of entries goes
  int64_t count_ = 0;
};

}  // namespace assay::report
