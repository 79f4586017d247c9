// SPDX-License-Identifier: Apache-2.0
// The model block: M = left right' as broadcast entries of left times vectors along the columns of
// the image of right, R rows by 2 vectors of accumulators; a built-in loss is evaluated while they
// are in registers. The R rows of left are interleaved first: one address for all, where R of them
// would not fit the registers.
#include "core/kernels/isa/isa.hpp"

namespace assay::kernels::ASSAY_ISA_NS {
namespace {

// p += n as one addition: the compiler would keep a pointer for each of the unrolled rows, and
// spill them all.
template <class T>
ASSAY_INLINE void advance(T*& p, int64_t n) {
  p += n;
  asm("" : "+r"(p));
}

// b is a copy of the caller's: a store could change the original, which would then be read again
// and again.
template <class T, ModelForm kForm, int R, int C>
ASSAY_INLINE void model_lines(const ModelBlock<T> b, int64_t j) {
  constexpr int L = kLanes<T>;
  const T* fetch = b.x + b.ahead + j;
  ASSAY_UNROLL
  for (int r = 0; r < R; ++r, advance(fetch, b.ldx)) {
    ASSAY_UNROLL
    for (int c = 0; c < C * L * static_cast<int>(sizeof(T)); c += 64) {
      __builtin_prefetch(reinterpret_cast<const char*>(fetch) + c);
    }
  }
  Vec<T> sum[R][C] = {};
  const T* left = b.lines;
  const T* right = b.right_t + j;
  for (int64_t p = 0; p < b.k; ++p, left += R, right += b.ldrt) {
    Vec<T> line[C];
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) line[c] = load(right + c * L);
    ASSAY_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<T> entry = splat(left[r]);
      ASSAY_UNROLL
      for (int c = 0; c < C; ++c) sum[r][c] += entry * line[c];
    }
  }
  const Vec<T> lo = splat(b.lo), hi = splat(b.hi);
  const T* x = b.x + j;
  T* out = b.out + j;
  T* out1 = kForm == kInverse ? b.out1 + j : nullptr;
  ASSAY_UNROLL
  for (int r = 0; r < R; ++r, advance(x, b.ldx), advance(out, b.ldo)) {
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) {
      Vec<T> m = smaller(larger(sum[r][c], lo), hi);
      if constexpr (kForm == kRatio) m = load(x + c * L) / m;
      if constexpr (kForm == kOneLessRatio) m = splat(T(1)) - load(x + c * L) / m;
      if constexpr (kForm == kDifference) m = m - load(x + c * L);
      if constexpr (kForm == kScaled || kForm == kInverse) {
        const Vec<T> inverse = splat(T(1)) / m;
        if constexpr (kForm == kInverse) store(out1 + c * L, inverse);
        m = (kForm == kInverse ? load(x + c * L) : m - load(x + c * L)) * inverse * inverse;
      }
      store(out + c * L, m);
    }
    if constexpr (kForm == kInverse) advance(out1, b.ldo);
  }
}

template <class T, ModelForm kForm, int R>
void model_rows(ModelBlock<T> b, int64_t i) {
  constexpr int64_t L = kLanes<T>;
  b.x += i * b.ldx;
  b.out += i * b.ldo;
  if (kForm == kInverse) b.out1 += i * b.ldo;
  const T* left = b.left + i * b.ldl;
  for (int64_t r = 0; r < R; ++r, left += b.ldl) {
    for (int64_t p = 0; p < b.k; ++p) b.lines[p * R + r] = left[p];
  }
  int64_t j = 0;
  for (; j + 2 * L <= b.cols; j += 2 * L) model_lines<T, kForm, R, 2>(b, j);
  if (j < b.cols) model_lines<T, kForm, R, 1>(b, j);
}

template <class T, ModelForm kForm>
void model_form(const ModelBlock<T>& b) {
  for (int64_t i = 0; i < b.rows;) {
    const int lines = lines_of(b.rows - i);
    switch (lines) {
      case kLines:
        model_rows<T, kForm, kLines>(b, i);
        break;
      case 4:
        model_rows<T, kForm, 4>(b, i);
        break;
      case 2:
        model_rows<T, kForm, 2>(b, i);
        break;
      default:
        model_rows<T, kForm, 1>(b, i);
        break;
    }
    i += lines;
  }
}

}  // namespace

template <class T>
void model_block(ModelForm form, const ModelBlock<T>& b) {
  switch (form) {
    case kModel:
      return model_form<T, kModel>(b);
    case kRatio:
      return model_form<T, kRatio>(b);
    case kOneLessRatio:
      return model_form<T, kOneLessRatio>(b);
    case kDifference:
      return model_form<T, kDifference>(b);
    case kScaled:
      return model_form<T, kScaled>(b);
    case kInverse:
      return model_form<T, kInverse>(b);
  }
}

template void model_block<double>(ModelForm, const ModelBlock<double>&);
template void model_block<float>(ModelForm, const ModelBlock<float>&);

}  // namespace assay::kernels::ASSAY_ISA_NS
