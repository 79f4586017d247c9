// SPDX-License-Identifier: Apache-2.0
// Products of X with a factor, of a factor with a small matrix, and the sums over a tile.
#include "core/graph/tile_lanes.hpp"

namespace assay::graph {

template <class T>
void TypedLanes<T>::run_product(const Op& op, Tile& t) const {
  if (x_.sparse && !op.densify)
    sparse_product(op, t);
  else if (op.axis == ASSAY_ROWS)
    row_product(op, t);
  else
    panel_product(op, t);
}

template <class T>
void TypedLanes<T>::run_small(const Op& op, Tile& t) const {
  switch (op.kind) {
    case OpKind::kSmall:
      return small(op, t);
    case OpKind::kFill:
      return fill(op, t);
    case OpKind::kGram:
      return gram(op, t);
    case OpKind::kColSum:
      return colsum(op, t);
    case OpKind::kDot:
      return dot(op, t);
    case OpKind::kAdd:
      return add(op, t);
    default:
      return subtract(op, t);
  }
}

template <class T>
void TypedLanes<T>::row_product(const Op& op, Tile& t) const {
  load_rows(t, true);
  int64_t ldx = t.ldx;
  const T* x = powered(t, t.x, ldx, t.first, t.count, 0, x_.cols, op.power);
  int64_t ld = 0;
  if (op.carried) {
    const T* a = slice(t, op.right, 0, ld);
    kernels_.cols_product(t.count, x_.cols, x, ldx, a, ld, width(op.right), statistic(t, op.out0),
                          buffer(op.out0).ld);
    return;
  }
  const T* b = whole_operand(*t.stage, op.right, op.right_image, ld);
  int64_t ldo = 0;
  T* out = result(t, op.out0, 0, ldo);
  kernels_.rows_product(t.count, x_.cols, x, ldx, b, ld, width(op.right), out, ldo, false);
  settle(t, op.out0, out, ldo, false);
}

template <class T>
void TypedLanes<T>::panel_product(const Op& op, Tile& t) const {
  const int64_t step = chunk(*t.stage), k = kernels::padded<T>(width(op.right));
  if (!op.carried) zero(t, op.out0);
  const int64_t end = frame_.first_row + frame_.rows;
  for (int64_t r = frame_.first_row; r < end; r += step) {
    const int64_t rows = std::min(step, end - r);
    int64_t ldx = 0, ld = 0;
    const T* x = load_panel(t, r, rows, ldx);
    x = powered(t, x, ldx, r, rows, t.first, t.count, op.power);
    if (!op.carried) {
      const T* a = whole_operand(*t.stage, op.right, op.right_image, ld);
      kernels_.cols_product(rows, t.count, x, ldx, a + r * ld, ld, width(op.right),
                            tile_memory(t, op.out0), buffer(op.out0).ld);
    } else {
      const T* b = slice(t, op.right, 0, ld);
      add_rows(t, op.out0, r, rows, k, [&](T* out, int64_t ldo, bool accumulate) {
        kernels_.rows_product(rows, t.count, x, ldx, b, ld, width(op.right), out, ldo, accumulate);
      });
    }
  }
}

// Lets a kernel that makes T rows add to a double sum on the other axis.
template <class T>
template <class Fn>
void TypedLanes<T>::add_rows(const Tile& t,
                             int b,
                             int64_t first,
                             int64_t rows,
                             int64_t k,
                             const Fn& fn) const {
  double* to = statistic(t, b) + first * buffer(b).ld;
  if constexpr (std::is_same_v<T, double>) {
    fn(to, buffer(b).ld, true);
  } else {
    T* out = reinterpret_cast<T*>(t.w->result[0].data());
    fn(out, k, false);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < k; ++j)
        to[i * buffer(b).ld + j] += static_cast<double>(out[i * k + j]);
  }
}

template <class T>
void TypedLanes<T>::small(const Op& op, Tile& t) const {
  int64_t ldf = 0, ldg = 0, ldo = 0;
  const T* f = slice(t, op.left, 0, ldf);
  const T* g = whole_operand(*t.stage, op.right, op.right_image, ldg);
  const bool in_place =
      std::is_same_v<T, double> && !op.accumulate && op.scale == 1 && op.weight < 0;
  T* out = result(t, op.out0, 0, ldo);
  if (!in_place) {
    out = reinterpret_cast<T*>(t.w->result[0].data());
    ldo = kernels::padded<T>(width(op.out0));
  }
  kernels_.rows_product(t.count, width(op.left), f, ldf, g, ldg, width(op.out0), out, ldo, false);
  if (in_place) return;
  double* to = tile_memory(t, op.out0);
  const double* weights = op.weight >= 0 ? host_weights(op.axis) : nullptr;
  const int64_t ld = buffer(op.out0).ld;
  for (int64_t i = 0; i < t.count; ++i) {
    const double s = op.scale * (weights ? weights[t.first + i] : 1.0);
    for (int64_t j = 0; j < width(op.out0); ++j)
      to[i * ld + j] =
          (op.accumulate ? to[i * ld + j] : 0.0) + s * static_cast<double>(out[i * ldo + j]);
  }
}

template <class T>
void TypedLanes<T>::fill(const Op& op, Tile& t) const {
  const auto* v = static_cast<const double*>(whole(frame_, op.right).data);
  double* to = tile_memory(t, op.out0);
  const double* weights = op.by_shift      ? x_.shift->data()
                          : op.weight >= 0 ? host_weights(op.axis)
                                           : nullptr;
  const int64_t ld = buffer(op.out0).ld;
  for (int64_t i = 0; i < t.count; ++i) {
    const double s = op.scale * (weights ? weights[t.first + i] : 1.0);
    for (int64_t j = 0; j < width(op.out0); ++j)
      to[i * ld + j] = (op.accumulate ? to[i * ld + j] : 0.0) + s * v[j];
  }
}

template <class T>
void TypedLanes<T>::gram(const Op& op, Tile& t) const {
  int64_t lda = 0, ldb = 0;
  const T* a = slice(t, op.left, 0, lda);
  const T* b = op.right == op.left ? a : slice(t, op.right, 1, ldb);
  if (op.right == op.left) ldb = lda;
  if (op.weight >= 0 || op.scale != 1) {
    const double* w = op.weight >= 0 ? host_weights(op.axis) : nullptr;
    T* scaled = reinterpret_cast<T*>(t.w->slice[2].data());
    const int64_t ld = kernels::padded<T>(width(op.left));
    for (int64_t i = 0; i < t.count; ++i)
      for (int64_t j = 0; j < ld; ++j)
        scaled[i * ld + j] =
            j < width(op.left)
                ? a[i * lda + j] * static_cast<T>(op.scale * (w ? w[t.first + i] : 1.0))
                : T(0);
    a = scaled;
    lda = ld;
  }
  kernels_.gram(t.count, a, lda, width(op.left), b, ldb, kernels::padded<T>(width(op.right)),
                statistic(t, op.out0), buffer(op.out0).ld);
}

template <class T>
void TypedLanes<T>::colsum(const Op& op, Tile& t) const {
  int64_t lda = 0;
  const T* a = slice(t, op.left, 0, lda);
  const double* w = op.weight >= 0 ? host_weights(op.axis) : nullptr;
  double* s = statistic(t, op.out0);
  for (int64_t i = 0; i < t.count; ++i)
    for (int64_t j = 0; j < width(op.left); ++j)
      s[j] += static_cast<double>(a[i * lda + j]) * (w ? w[t.first + i] : 1.0);
}

template <class T>
void TypedLanes<T>::dot(const Op& op, Tile& t) const {
  int64_t ldf = 0, ldn = 0, ldd = 0;
  const T* f = slice(t, op.left, 0, ldf);
  const T* n = slice(t, op.right, 1, ldn);
  if (op.line_value) {
    double* to = tile_memory(t, op.value);
    for (int64_t i = 0; i < t.count; ++i)
      to[i * buffer(op.value).ld] =
          op.scale * kernels_.dot(1, width(op.left), f + i * ldf, ldf, n + i * ldn, ldn);
    return;
  }
  double sum = op.scale * kernels_.dot(t.count, width(op.left), f, ldf, n, ldn);
  if (op.extra >= 0) {
    const T* d = slice(t, op.extra, 2, ldd);
    sum += op.scale1 * kernels_.dot(t.count, width(op.left), f, ldf, d, ldd);
  }
  *statistic(t, op.value) += sum;
}

template <class T>
void TypedLanes<T>::subtract(const Op& op, Tile& t) const {
  double *g = tile_memory(t, op.out0), *d = tile_memory(t, op.extra);
  const int64_t ld = buffer(op.out0).ld, ldd = buffer(op.extra).ld;
  for (int64_t i = 0; i < t.count; ++i)
    for (int64_t j = 0; j < width(op.out0); ++j) g[i * ld + j] = d[i * ldd + j] - g[i * ld + j];
}

template <class T>
void TypedLanes<T>::add(const Op& op, Tile& t) const {
  const Whole w = whole(frame_, op.extra);
  const double* from = buffer(op.extra).place == Place::kTile
                           ? tile_memory(t, op.extra)
                           : static_cast<const double*>(w.data) + t.first * w.ld;
  double* to = tile_memory(t, op.out0);
  const int64_t ld = buffer(op.out0).ld, ldf = buffer(op.extra).ld;
  for (int64_t i = 0; i < t.count; ++i)
    for (int64_t j = 0; j < width(op.out0); ++j) to[i * ld + j] += from[i * ldf + j];
}

template <class T>
void TypedLanes<T>::sparse_product(const Op& op, Tile& t) const {
  kernels::SparseTile<T> k = lines(op, t);
  k.line_weights = k.index_weights = nullptr;  // times sees values, not weights
  k.k = width(op.right);
  if (op.carried) {
    k.left = slice(t, op.right, 0, k.ldl);
    k.col0 = statistic(t, op.out0);
    k.ldcol = buffer(op.out0).ld;
    kernels_.sparse_cols_product(k, op.power);
    return;
  }
  k.right = whole_operand(*t.stage, op.right, op.right_image, k.ldr);
  k.row0 = result(t, op.out0, 0, k.ldrow);
  kernels_.sparse_rows_product(k, op.power);
  settle(t, op.out0, k.row0, k.ldrow, false);
}

template void TypedLanes<float>::run_product(const Op&, Tile&) const;
template void TypedLanes<float>::run_small(const Op&, Tile&) const;
template void TypedLanes<double>::run_product(const Op&, Tile&) const;
template void TypedLanes<double>::run_small(const Op&, Tile&) const;

}  // namespace assay::graph
