// SPDX-License-Identifier: Apache-2.0
// Rows or columns of X one by one, in float64, as the view shows them: what block functions flagged
// ASSAY_EACH_X and normal equations with weights walk over. One per worker.
#pragma once

#include <vector>

#include "core/base/aligned.hpp"
#include "core/data/data.hpp"
#include "core/kernels/kernels.hpp"
#include "core/plugin/context.hpp"

namespace assay::graph {

class LineReader final : public plugin::TileSource {
 public:
  // Memory for blocks of at most `rows` rows and `cols` columns (0: never asked for); csc: where
  // columns of sparse X are read. dense: blocks may ask for every zero of sparse X. compute: the
  // element type of products, F64 or F32.
  LineReader(const data::Data& x,
             const data::Lines* csc,
             int64_t rows,
             int64_t cols,
             bool dense,
             kernels::Isa isa,
             int32_t compute);
  // Turns to a block of lines of x (the one it was made for, or some rows of that). every_zero:
  // unstored zeros of sparse X are entries too.
  void start(const data::Data& x, int32_t axis, int64_t first, int64_t count, bool every_zero);
  // Line i of the block: observed entries only. Valid until the next call.
  int32_t line(int64_t i, assay_line* out) override;
  int32_t entries(assay_entries* out) override;
  int32_t dense(int64_t first, int64_t count, assay_view* out) override;
  int32_t times(int64_t n,
                const int64_t* rows,
                const assay_view& B,
                double* out,
                int64_t ldo) override;
  int32_t distances(int64_t n,
                    const int64_t* rows,
                    const int32_t* lines,
                    const assay_view& P,
                    const double* squares,
                    double* out) override;
  // What products were given may change from here on.
  void forget() { operands_.clear(); }

  // Lines of a block that are kept whole, each of `length` entries.
  static int64_t most_lines(int64_t length);
  // Columns of a block of columns of dense X that fit in the reader's memory budget.
  static int64_t most_columns(const data::Data& x);

 private:
  void load_panel();
  template <class T>
  const T* block_rows(int64_t& ldx);
  const float* narrowed(const assay_view& B, int64_t ldb);
  template <class T>
  void dense_distances(int64_t n,
                       const int64_t* rows,
                       const int32_t* lines,
                       const assay_view& P,
                       double* out);
  int32_t line_distances(int64_t n,
                         const int64_t* rows,
                         const int32_t* lines,
                         const assay_view& P,
                         double* out);
  double stored_distance(int64_t row, const double* p, double all) const;
  static double stored_value(const data::Lines& l, int64_t p) {
    return l.dtype == ASSAY_F32 ? static_cast<double>(static_cast<const float*>(l.values)[p])
                                : static_cast<const double*>(l.values)[p];
  }
  int32_t sparse_line(int64_t i, assay_line* out);
  int32_t dense_line(int64_t i, assay_line* out);
  template <class T>
  int32_t times_in(const kernels::Kernels<T>& table,
                   int64_t n,
                   const int64_t* rows,
                   const assay_view& B,
                   double* out,
                   int64_t ldo);

  const data::Data* x_;
  const data::Lines* csc_;
  int32_t axis_ = ASSAY_ROWS;
  int64_t first_ = 0, count_ = 0;
  bool every_zero_ = false, loaded_ = false, weighted_ = false, hides_ = false;
  AlignedArray<double> values_, weights_;  // one line
  AlignedArray<int64_t> places_;
  AlignedArray<double> panel_, panel_weights_, chunk_;  // columns of dense X, one after another
  const kernels::Kernels<double>& kernels_;
  const kernels::Kernels<float>& narrow_;
  kernels::Isa isa_;
  int32_t compute_;
  AlignedArray<double> block_;  // rows of X asked for together; these grow to what a run needs
  // The block's rows and the result of products in their element type; operands of this lane.
  AlignedArray<unsigned char> rows_, result_;
  bool rows_loaded_ = false;
  struct Operand {
    const void* of;
    int64_t cols;
    AlignedArray<float> values;
  };
  std::vector<Operand> operands_;
};

}  // namespace assay::graph
