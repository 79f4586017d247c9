// SPDX-License-Identifier: Apache-2.0
// The model block: M = left right' as broadcast entries of left times vectors along the columns of the image of right, R rows
// by 2 vectors of accumulators; a built-in loss is evaluated while they are in registers.
#include "core/kernels/isa/isa.hpp"

namespace assay::kernels::ASSAY_ISA_NS {
namespace {

template <class T, ModelForm kForm, int R, int C>
ASSAY_INLINE void model_lines(const ModelBlock<T>& b, int64_t i, int64_t j) {
  constexpr int L = kLanes<T>;
  const T* left = b.left + i * b.ldl;
  const T* right = b.right_t + j;
  const int64_t ldl = b.ldl, ldrt = b.ldrt, k = b.k;
  Vec<T> sum[R][C] = {};
  for (int64_t p = 0; p < k; ++p) {
    Vec<T> line[C];
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) line[c] = load(right + p * ldrt + c * L);
    ASSAY_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<T> entry = splat(left[r * ldl + p]);
      ASSAY_UNROLL
      for (int c = 0; c < C; ++c) sum[r][c] += entry * line[c];
    }
  }
  const Vec<T> lo = splat(b.lo), hi = splat(b.hi);
  ASSAY_UNROLL
  for (int r = 0; r < R; ++r) {
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) {
      Vec<T> m = smaller(larger(sum[r][c], lo), hi);
      if constexpr (kForm != kModel) {
        const Vec<T> x = load(b.x + (i + r) * b.ldx + j + c * L);
        if constexpr (kForm == kRatio) m = x / m;
        if constexpr (kForm == kOneLessRatio) m = splat(T(1)) - x / m;
        if constexpr (kForm == kDifference) m = m - x;
      }
      store(b.out + (i + r) * b.ldo + j + c * L, m);
    }
  }
}

template <class T, ModelForm kForm, int R>
void model_rows(const ModelBlock<T>& b, int64_t i) {
  constexpr int64_t L = kLanes<T>;
  int64_t j = 0;
  for (; j + 2 * L <= b.cols; j += 2 * L) model_lines<T, kForm, R, 2>(b, i, j);
  if (j < b.cols) model_lines<T, kForm, R, 1>(b, i, j);
}

template <class T, ModelForm kForm>
void model_form(const ModelBlock<T>& b) {
  for (int64_t i = 0; i < b.rows;) {
    const int lines = lines_of(b.rows - i);
    switch (lines) {
      case kLines: model_rows<T, kForm, kLines>(b, i); break;
      case 4: model_rows<T, kForm, 4>(b, i); break;
      case 2: model_rows<T, kForm, 2>(b, i); break;
      default: model_rows<T, kForm, 1>(b, i); break;
    }
    i += lines;
  }
}

}  // namespace

template <class T>
void model_block(ModelForm form, const ModelBlock<T>& b) {
  switch (form) {
    case kModel: return model_form<T, kModel>(b);
    case kRatio: return model_form<T, kRatio>(b);
    case kOneLessRatio: return model_form<T, kOneLessRatio>(b);
    case kDifference: return model_form<T, kDifference>(b);
  }
}

template void model_block<double>(ModelForm, const ModelBlock<double>&);
template void model_block<float>(ModelForm, const ModelBlock<float>&);

}  // namespace assay::kernels::ASSAY_ISA_NS
