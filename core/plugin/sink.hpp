// SPDX-License-Identifier: Apache-2.0
// Where a reader pushes blocks of rows: storage made once from the shape it declares, every block
// checked against it.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "assay/plugin.h"
#include "core/base/expected.hpp"
#include "core/data/data.hpp"
#include "core/data/lines.hpp"
#include "core/data/memory.hpp"

namespace assay::plugin {

class Sink {
 public:
  // For rows row0 .. row0 + rows - 1 of a reader's matrix; dense entries are kept as `dtype`.
  static Expected<std::unique_ptr<Sink>> make(const assay_shape& shape,
                                              int64_t row0,
                                              int64_t rows,
                                              int32_t dtype);

  const assay_sink* table() const { return &table_; }
  // What went wrong in a push; nullptr: nothing.
  const Error* error() const { return failed_ ? &error_ : nullptr; }
  // The rows pushed, all of them (E0302 otherwise).
  Expected<data::Data> finish();

 private:
  Sink() = default;
  static int32_t push_dense(void* self, int64_t row0, const assay_dense* block);
  static int32_t push_sparse(void* self, int64_t row0, const assay_sparse* block);
  Expected<void> take(int64_t row0, const assay_dense& block);
  Expected<void> take(int64_t row0, const assay_sparse& block);
  Expected<void> claim(int64_t row0, int64_t rows, int64_t cols);
  int32_t status_of(const Expected<void>& taken);

  assay_sink table_{};
  bool sparse_ = false, unobserved_ = false, failed_ = false;
  int64_t row0_ = 0, rows_ = 0, cols_ = 0, taken_ = 0;
  std::vector<bool> seen_;
  data::DenseStore dense_;
  // Sparse rows row0 .. row0 + in_order - 1, as they came; what came out of order by first row.
  std::shared_ptr<data::LineStore> store_;
  int32_t store_dtype_ = 0;
  int64_t in_order_ = 0, all_rows_ = 0, declared_ = 0;  // declared: entries of the whole
  std::map<int64_t, data::Lines> pieces_;
  Error error_;
};

}  // namespace assay::plugin
