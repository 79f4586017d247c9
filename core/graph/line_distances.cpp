// SPDX-License-Identifier: Apache-2.0
// Squared distances of rows of X from points, by differences.
#include "core/graph/lines.hpp"
#include "core/kernels/distances.hpp"

namespace assay::graph {

int32_t LineReader::distances(int64_t n,
                              const int64_t* rows,
                              const int32_t* lines,
                              const assay_view& P,
                              const double* squares,
                              double* out) {
  const bool stored = x_->sparse && !every_zero_;
  if (axis_ != ASSAY_ROWS || n < 0 || P.cols != x_->cols ||
      (P.dtype != ASSAY_F64 && P.dtype != ASSAY_F32) || (stored && x_->unstored_zero && !squares))
    return ASSAY_E_ARGUMENT;
  for (int64_t e = 0; e < n; ++e)
    if ((rows ? rows[e] : e) < 0 || (rows ? rows[e] : e) >= count_ || lines[e] < 0 ||
        lines[e] >= P.rows)
      return ASSAY_E_ARGUMENT;
  const bool narrow = P.dtype == ASSAY_F32;
  if (narrow && (stored || hides_ || x_->col_weights || compute_ != ASSAY_F32))
    return ASSAY_E_ARGUMENT;
  const auto* points = static_cast<const double*>(P.data);
  if (stored) {
    for (int64_t e = 0; e < n; ++e)
      out[e] = stored_distance(first_ + (rows ? rows[e] : e), points + lines[e] * P.stride,
                               x_->unstored_zero ? squares[lines[e]] : 0);
  } else if (hides_) {
    return line_distances(n, rows, lines, P, out);
  } else if (narrow) {
    int64_t ldx = 0;
    const auto* x = block_rows<float>(ldx);
    kernels::narrow_distances(isa_)(n, rows, lines, x_->cols, x, ldx,
                                    static_cast<const float*>(P.data), P.stride, out);
  } else if (compute_ == ASSAY_F32) {
    dense_distances<float>(n, rows, lines, P, out);
  } else {
    dense_distances<double>(n, rows, lines, P, out);
  }
  return ASSAY_OK;
}

template <class T>
void LineReader::dense_distances(int64_t n,
                                 const int64_t* rows,
                                 const int32_t* lines,
                                 const assay_view& P,
                                 double* out) {
  int64_t ldx = 0;
  const T* x = block_rows<T>(ldx);
  kernels::distances<T>(isa_)(n, rows, lines, x_->cols, x, ldx, static_cast<const double*>(P.data),
                              P.stride, x_->col_weights ? x_->col_weights->data() : nullptr, out);
}

// all: what a row of zeros is apart.
double LineReader::stored_distance(int64_t row, const double* p, double all) const {
  const data::Lines& l = x_->csr;
  double sum = all;
  for (int64_t s = l.indptr[row]; s < l.indptr[row + 1]; ++s) {
    const int64_t j = l.indices[s];
    const double v = x_->col_weights ? (*x_->col_weights)[j] : 1.0,
                 zero = x_->unstored_zero ? p[j] * p[j] : 0;
    if (l.weights && !(l.weights[s] > 0)) {
      sum -= v * zero;
      continue;
    }
    const double x = stored_value(l, s) * (x_->scale ? (*x_->scale)[j] : 1.0) +
                     (x_->shift ? (*x_->shift)[j] : 0.0);
    sum += v * ((x - p[j]) * (x - p[j]) - zero);
  }
  return sum > 0 ? sum : 0;
}

// Where entries are hidden: line by line.
int32_t LineReader::line_distances(int64_t n,
                                   const int64_t* rows,
                                   const int32_t* lines,
                                   const assay_view& P,
                                   double* out) {
  int64_t read = -1;
  assay_line x{};
  for (int64_t e = 0; e < n; ++e) {
    const int64_t row = rows ? rows[e] : e;
    if (row != read)
      if (const int32_t status = line(row, &x); status != ASSAY_OK) return status;
    read = row;
    const double* p = static_cast<const double*>(P.data) + lines[e] * P.stride;
    out[e] = 0;
    for (int64_t q = 0; q < x.n; ++q) {
      const int64_t j = x.idx ? x.idx[q] : q;
      const double from = x.x[q] - p[j];
      if (x.w && !(x.w[q] > 0)) continue;
      out[e] += (x_->col_weights ? (*x_->col_weights)[j] : 1.0) * from * from;
    }
  }
  return ASSAY_OK;
}

}  // namespace assay::graph
