// SPDX-License-Identifier: Apache-2.0
// The model block: M = left right' as broadcast entries of left times vectors along the columns of
// the image of right, R rows by 2 vectors of accumulators; a built-in loss is evaluated as they
// leave the registers, its divisions during the next products. The R rows of left are interleaved
// first: one address for all, where R of them would not fit the registers.
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

// sum[r][c] += entry p of each left row times the C vectors at line p of the image.
template <class T, int R, int C>
ASSAY_INLINE void add_product(const T* left, const T* right, Vec<T> (&sum)[R][C]) {
  Vec<T> line[C];
  ASSAY_UNROLL
  for (int c = 0; c < C; ++c) line[c] = load(right + c * kLanes<T>);
  ASSAY_UNROLL
  for (int r = 0; r < R; ++r) {
    const Vec<T> entry = splat(left[r]);
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) sum[r][c] += entry * line[c];
  }
}

// The forms that divide: m, in [lo, inf), lies in out.
constexpr bool divides(ModelForm form) {
  return form == kRatio || form == kOneLessRatio || form == kScaled || form == kInverse;
}
template <class T, ModelForm kForm>
ASSAY_INLINE void finish(const T* x, T* out, T* out1) {
  const Vec<T> m = load(static_cast<const T*>(out));
  if constexpr (kForm == kRatio) store(out, load(x) / m);
  if constexpr (kForm == kOneLessRatio) store(out, splat(T(1)) - load(x) / m);
  if constexpr (kForm == kScaled || kForm == kInverse) {
    const Vec<T> inverse = splat(T(1)) / m;
    if constexpr (kForm == kInverse) store(out1, inverse);
    store(out, (kForm == kInverse ? load(x) : m - load(x)) * inverse * inverse);
  }
}

// Columns j .. j + C L - 1. What would wait in a row at the end is spread between the products,
// where it costs little: the fetches of x, and with kFinish the divisions of the C vectors before
// these. b is a copy of the caller's: a store could change the original, which would then be read
// again and again.
template <class T, ModelForm kForm, int R, int C, bool kFinish>
ASSAY_INLINE void model_lines(const ModelBlock<T> b, int64_t j) {
  constexpr int L = kLanes<T>;
  Vec<T> sum[R][C] = {};
  const T* left = b.lines;
  const T* right = b.right_t + j;
  const T* fetch = b.x + b.ahead + j;
  const int64_t before = kFinish ? j - C * L : j;
  const T* x0 = b.x + before;
  T* m = b.out + before;
  T* m1 = kForm == kInverse ? b.out1 + before : nullptr;
  int64_t p = 0;
  for (int r = 0; r < R; ++r) {
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) {
      if (p < b.k) {
        add_product<T, R, C>(left, right, sum);
        left += R;
        right += b.ldrt;
        ++p;
      }
      if (c * L * static_cast<int>(sizeof(T)) % 64 == 0) __builtin_prefetch(fetch + c * L);
      if constexpr (kFinish)
        finish<T, kForm>(x0 + c * L, m + c * L, kForm == kInverse ? m1 + c * L : nullptr);
    }
    fetch += b.ldx;
    x0 += b.ldx;
    m += b.ldo;
    if constexpr (kForm == kInverse) m1 += b.ldo;
  }
  for (; p < b.k; ++p, left += R, right += b.ldrt) add_product<T, R, C>(left, right, sum);
  const Vec<T> lo = splat(b.lo), hi = splat(b.hi);
  const T* x = b.x + j;
  T* out = b.out + j;
  ASSAY_UNROLL
  for (int r = 0; r < R; ++r, advance(x, b.ldx), advance(out, b.ldo)) {
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) {
      Vec<T> v = sum[r][c];
      if constexpr (kForm == kDifference) v = v - load(x + c * L);
      if constexpr (kForm != kDifference) v = larger(v, lo);
      if constexpr (kForm == kModel) v = smaller(v, hi);
      store(out + c * L, v);
    }
  }
}

// What is left to divide behind the last vectors.
template <class T, ModelForm kForm, int R, int C>
ASSAY_INLINE void finish_lines(const ModelBlock<T> b, int64_t j) {
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) {
      const int64_t at = j + c * kLanes<T>;
      finish<T, kForm>(b.x + r * b.ldx + at, b.out + r * b.ldo + at,
                       kForm == kInverse ? b.out1 + r * b.ldo + at : nullptr);
    }
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
  constexpr bool kFinish = divides(kForm);
  int64_t j = 0;
  if (b.cols >= 2 * L) {
    model_lines<T, kForm, R, 2, false>(b, j);
    for (j = 2 * L; j + 2 * L <= b.cols; j += 2 * L) model_lines<T, kForm, R, 2, kFinish>(b, j);
    if constexpr (kFinish) finish_lines<T, kForm, R, 2>(b, j - 2 * L);
  }
  if (j < b.cols) {
    model_lines<T, kForm, R, 1, false>(b, j);
    if constexpr (kFinish) finish_lines<T, kForm, R, 1>(b, j);
  }
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
