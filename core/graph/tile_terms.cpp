// SPDX-License-Identifier: Apache-2.0
// The loss at the model over a tile, contracted with the other factor: dense rows, dense panels,
// lines of sparse X.
#include "core/graph/tile_lanes.hpp"

namespace assay::graph {

template <class T>
int32_t TypedLanes<T>::run_terms(const Op& op, Tile& t) const {
  if (x_.sparse && !op.densify) return sparse_terms(op, t);
  return op.axis == ASSAY_ROWS ? row_terms(op, t) : panel_terms(op, t);
}

template <class T>
void TypedLanes<T>::common(const Op& op, const Tile& t, kernels::TermsTile<T>& k) const {
  k.what = op.what;
  k.with_value = op.value >= 0 && (!op.only_measured || measured(op));
  k.loss = op.at_mean        ? &at_mean_
           : op.squared_loss ? &squared_
           : op.log_density  ? &density_
                             : &loss_;
  k.ctx = &t.w->ctx;
  k.k = width(op.left);
  if (k.with_value && !op.line_value) k.value = statistic(t, op.value);
}

// Values of the tile's rows (columns) are summed in worker memory and put where they belong.
template <class T>
double* TypedLanes<T>::start_lines(const Op& op, const Tile& t) const {
  if (!op.line_value) return nullptr;
  double* lines = t.w->line_values.data();
  std::fill_n(lines, t.count, 0.0);
  return lines;
}
template <class T>
void TypedLanes<T>::settle_lines(const Op& op, const Tile& t) const {
  if (!op.line_value) return;
  double* to = tile_memory(t, op.value);
  const int64_t ld = buffer(op.value).ld;
  for (int64_t i = 0; i < t.count; ++i)
    to[i * ld] = (op.accumulate_value ? to[i * ld] : 0.0) + t.w->line_values[i];
}

// Results of an own-axis terms op start at zero, or at the zero term already there.
template <class T>
void TypedLanes<T>::clear_results(const Op& op, const Tile& t) const {
  const int zero_target = op.accumulate ? (op.what == ASSAY_MU ? op.out1 : op.out0) : -1;
  if (op.out0 >= 0 && op.out0 != zero_target) zero(t, op.out0);
  if (op.out1 >= 0 && op.out1 != zero_target) zero(t, op.out1);
}

template <class T>
void TypedLanes<T>::own_rows(const Op& op, const Tile& t, kernels::TermsTile<T>& k) const {
  clear_results(op, t);
  if (op.out0 >= 0) k.row0 = result(t, op.out0, 0, k.ldrow);
  if (op.out1 >= 0) k.row1 = result(t, op.out1, 1, k.ldrow);
  if constexpr (!std::is_same_v<T, double>) {
    for (T* r : {k.row0, k.row1})
      if (r) std::fill_n(r, t.count * k.ldrow, T(0));
  }
}

template <class T>
void TypedLanes<T>::settle_rows(const Op& op, const Tile& t, const kernels::TermsTile<T>& k) const {
  if (op.out0 >= 0) settle(t, op.out0, k.row0, k.ldrow, true);
  if (op.out1 >= 0) settle(t, op.out1, k.row1, k.ldrow, true);
}

template <class T>
int32_t TypedLanes<T>::row_terms(const Op& op, Tile& t) const {
  load_rows(t, true);
  load_weights(t);
  kernels::DenseTile<T> k;
  common(op, t, k);
  k.rows = t.count;
  k.cols = x_.cols;
  k.x = t.x;
  k.ldx = t.ldx;
  k.weights = t.weights;
  k.ldw = t.ldw;
  k.left = slice(t, op.left, 0, k.ldl);
  k.right = whole_operand(*t.stage, op.right, op.right_image, k.ldr);
  k.right_t = whole_operand(*t.stage, op.right, op.transposed_image, k.ldrt);
  k.scratch = reinterpret_cast<T*>(t.w->scratch.data());
  if (op.carried) {
    if (op.out0 >= 0) k.col0 = statistic(t, op.out0), k.ldcol = buffer(op.out0).ld;
    if (op.out1 >= 0) k.col1 = statistic(t, op.out1), k.ldcol = buffer(op.out1).ld;
    return kernels_.terms_dense(k);
  }
  own_rows(op, t, k);
  k.row_value = start_lines(op, t);
  const int32_t status = kernels_.terms_dense(k);
  settle_rows(op, t, k);
  settle_lines(op, t);
  return status;
}

template <class T>
int32_t TypedLanes<T>::panel_terms(const Op& op, Tile& t) const {
  const int64_t step = chunk(*t.stage);
  int64_t ldr = 0, ldl = 0;
  const T* right = slice(t, op.right, 0, ldr);
  const T* left = whole_operand(*t.stage, op.left, op.left_image, ldl);
  T* image = reinterpret_cast<T*>(t.w->transposed.data());
  const int64_t ldrt = kernels::padded<T>(t.stage->tile);
  kernels_.image(t.count, width(op.left), right, ldr, image, ldrt);
  if (!op.carried) clear_results(op, t);
  double* line_values = start_lines(op, t);
  const int64_t end = frame_.first_row + frame_.rows;
  for (int64_t r = frame_.first_row; r < end; r += step) {
    kernels::DenseTile<T> k;
    common(op, t, k);
    k.col_value = line_values;
    k.rows = std::min(step, end - r);
    k.cols = t.count;
    k.x = load_panel(t, r, k.rows, k.ldx);
    if (weighted_) {
      k.ldw = kernels::padded<T>(t.count);
      T* to = reinterpret_cast<T*>(t.w->weights.data());
      data::load_weights<T>(x_, r, k.rows, t.first, t.count, to, k.ldw);
      k.weights = to;
    }
    k.left = left + r * ldl;
    k.ldl = ldl;
    k.right = right;
    k.ldr = ldr;
    k.right_t = image;
    k.ldrt = ldrt;
    k.scratch = reinterpret_cast<T*>(t.w->scratch.data());
    if (op.carried) {
      const int outs[2] = {op.out0, op.out1};
      T** rows[2] = {&k.row0, &k.row1};
      for (int i = 0; i < 2; ++i) {
        if (outs[i] < 0) continue;
        if constexpr (std::is_same_v<T, double>) {
          *rows[i] = statistic(t, outs[i]) + r * buffer(outs[i]).ld;
          k.ldrow = buffer(outs[i]).ld;
        } else {
          *rows[i] = reinterpret_cast<T*>(t.w->result[i].data());
          k.ldrow = kernels::padded<T>(k.k);
          std::fill_n(*rows[i], k.rows * k.ldrow, T(0));
        }
      }
      if (const int32_t status = kernels_.terms_dense(k); status != ASSAY_OK) return status;
      if constexpr (!std::is_same_v<T, double>) {
        for (int i = 0; i < 2; ++i) {
          if (outs[i] < 0) continue;
          double* to = statistic(t, outs[i]) + r * buffer(outs[i]).ld;
          for (int64_t a = 0; a < k.rows; ++a)
            for (int64_t j = 0; j < k.ldrow; ++j)
              to[a * buffer(outs[i]).ld + j] += static_cast<double>((*rows[i])[a * k.ldrow + j]);
        }
      }
      continue;
    }
    if (op.out0 >= 0) k.col0 = tile_memory(t, op.out0), k.ldcol = buffer(op.out0).ld;
    if (op.out1 >= 0) k.col1 = tile_memory(t, op.out1), k.ldcol = buffer(op.out1).ld;
    if (const int32_t status = kernels_.terms_dense(k); status != ASSAY_OK) return status;
  }
  settle_lines(op, t);
  return ASSAY_OK;
}

template <class T>
int32_t TypedLanes<T>::sparse_terms(const Op& op, Tile& t) const {
  kernels::SparseTile<T> k = lines(op, t);
  common(op, t, k);
  const bool rows = op.axis == ASSAY_ROWS;
  const int own = rows ? op.left : op.right, opposite = rows ? op.right : op.left;
  k.left = slice(t, own, 0, k.ldl);
  k.right = whole_operand(*t.stage, opposite, rows ? op.right_image : op.left_image, k.ldr);
  if (op.carried) {
    if (op.out0 >= 0) k.col0 = statistic(t, op.out0), k.ldcol = buffer(op.out0).ld;
    if (op.out1 >= 0) k.col1 = statistic(t, op.out1), k.ldcol = buffer(op.out1).ld;
    return kernels_.terms_sparse(k);
  }
  own_rows(op, t, k);
  k.row_value = start_lines(op, t);
  const int32_t status = kernels_.terms_sparse(k);
  settle_rows(op, t, k);
  settle_lines(op, t);
  return status;
}

template int32_t TypedLanes<float>::run_terms(const Op&, Tile&) const;
template int32_t TypedLanes<double>::run_terms(const Op&, Tile&) const;

}  // namespace assay::graph
