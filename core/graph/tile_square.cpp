// SPDX-License-Identifier: Apache-2.0
// X'X over the rows of a tile, X X' over its columns: the lower half, in the lane's sums.
#include "core/graph/tile_lanes.hpp"

namespace assay::graph {

template <class T>
int64_t TypedLanes<T>::square_elements(const Op& op, const Stage& stage) const {
  if (x_.sparse && !op.densify) return 0;
  if (op.as_stored)
    return kernels::square_bytes_words(stage.tile, x_.cols) * 4 / static_cast<int64_t>(sizeof(T)) +
           1;
  if (stage.axis == ASSAY_ROWS) return stage.tile * kernels::padded<T>(x_.cols);
  return stage.tile * kernels::padded<T>(x_.rows) + chunk(stage) * kernels::padded<T>(stage.tile);
}

template <class T>
void TypedLanes<T>::run_square(const Op& op, Tile& t) const {
  if (x_.sparse && !op.densify) return square_of_lines(op, t);
  double* q = statistic(t, op.out0);
  const int64_t ldq = buffer(op.out0).ld;
  if (op.as_stored) {
    const int64_t stride = x_.dense.stride;
    const auto* x = static_cast<const uint8_t*>(x_.dense.data) + t.first * stride;
    kernels_.square_bytes(t.count, x_.cols, x, stride,
                          reinterpret_cast<int32_t*>(t.w->square.data()), q, ldq);
    double* sums = q + x_.cols * ldq;
    for (int64_t i = 0; i < t.count; ++i)
      for (int64_t j = 0; j < x_.cols; ++j) sums[j] += static_cast<double>(x[i * stride + j]);
    return;
  }
  T* x = reinterpret_cast<T*>(t.w->square.data());
  if (op.axis == ASSAY_ROWS) {
    const int64_t ld = kernels::padded<T>(x_.cols);
    std::fill_n(x, t.count * ld, T(0));
    data::load<T>(x_, t.first, t.count, 0, x_.cols, x, ld);
    kernels_.square(t.count, x_.cols, x, ld, q, ldq);
    return;
  }
  // The panel turned: its columns are what is summed over.
  const int64_t ld = kernels::padded<T>(x_.rows), step = chunk(*t.stage),
                ldp = kernels::padded<T>(t.stage->tile);
  T* panel = x + t.stage->tile * ld;
  std::fill_n(x, t.count * ld, T(0));
  for (int64_t r = 0; r < x_.rows; r += step) {
    const int64_t rows = std::min(step, x_.rows - r);
    data::load<T>(x_, r, rows, t.first, t.count, panel, ldp);
    kernels_.image(rows, t.count, panel, ldp, x + r, ld);
  }
  kernels_.square(t.count, x_.rows, x, ld, q, ldq);
}

// Pairs of stored entries of each line.
template <class T>
void TypedLanes<T>::square_of_lines(const Op& op, const Tile& t) const {
  const bool rows = op.axis == ASSAY_ROWS;
  const data::Lines& l = rows ? x_.csr : *frame_.csc;
  double* q = statistic(t, op.out0);
  const int64_t ldq = buffer(op.out0).ld;
  const auto value = [&](int64_t line, int64_t p) {
    if (l.weights && !(l.weights[p] > 0)) return 0.0;
    const double v = l.dtype == ASSAY_F64
                         ? static_cast<const double*>(l.values)[p]
                         : static_cast<double>(static_cast<const float*>(l.values)[p]);
    return x_.scale ? v * (*x_.scale)[rows ? l.indices[p] : line] : v;
  };
  for (int64_t i = t.first; i < t.first + t.count; ++i)
    for (int64_t p = l.indptr[i]; p < l.indptr[i + 1]; ++p) {
      const double v = value(i, p);
      double* to = q + l.indices[p] * ldq;
      for (int64_t o = l.indptr[i]; o <= p; ++o) to[l.indices[o]] += v * value(i, o);
    }
}

// Sums q of entries as stored become those of the view c x + s, which with the means m of what is
// stored are c_i c_j (q_ij - n m_i m_j) + n (c_i m_i + s_i) (c_j m_j + s_j).
template <class T>
void TypedLanes<T>::whole_square(const Op& op) const {
  const Whole half = whole(frame_, op.left), out = whole(frame_, op.out0);
  const auto* q = static_cast<const double*>(half.data);
  auto* to = static_cast<double*>(const_cast<void*>(out.data));
  const int64_t size = buffer(op.out0).decl.rows;
  const double* sums = q + size * half.ld;
  const auto n = static_cast<double>(x_.rows);
  const auto scale = [&](int64_t j) { return x_.scale ? (*x_.scale)[j] : 1.0; };
  const auto shift = [&](int64_t j) { return x_.shift ? (*x_.shift)[j] : 0.0; };
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = 0; j <= i; ++j) {
      double v = q[i * half.ld + j];
      if (op.as_stored) {
        // About the means first: integers, so that nothing is lost where they are large.
        const double mean_i = sums[i] / n, mean_j = sums[j] / n;
        const double centred = (n * v - sums[i] * sums[j]) / n;
        v = scale(i) * scale(j) * centred +
            n * (scale(i) * mean_i + shift(i)) * (scale(j) * mean_j + shift(j));
      }
      to[i * out.ld + j] = to[j * out.ld + i] = v;
    }
}

template int64_t TypedLanes<float>::square_elements(const Op&, const Stage&) const;
template int64_t TypedLanes<double>::square_elements(const Op&, const Stage&) const;
template void TypedLanes<float>::run_square(const Op&, Tile&) const;
template void TypedLanes<double>::run_square(const Op&, Tile&) const;
template void TypedLanes<float>::whole_square(const Op&) const;
template void TypedLanes<double>::whole_square(const Op&) const;

}  // namespace assay::graph
