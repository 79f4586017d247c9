// SPDX-License-Identifier: Apache-2.0
// Widening of stored entries, compiled once per instruction set. Plain loops that gcc and clang
// vectorise.
#include "core/kernels/widen.hpp"

#include "assay/types.h"

namespace assay::kernels::ASSAY_ISA_NS {
namespace {

template <class S, class T>
void same_view(int64_t n, const S* __restrict x, T scale, T shift, T* __restrict out) {
  for (int64_t j = 0; j < n; ++j) out[j] = static_cast<T>(x[j]) * scale + shift;
}

template <class S, class T>
void column_view(int64_t n,
                 const S* __restrict x,
                 const double* __restrict scale,
                 const double* __restrict shift,
                 T* __restrict out) {
  if (!shift) {
    for (int64_t j = 0; j < n; ++j) out[j] = static_cast<T>(x[j]) * static_cast<T>(scale[j]);
  } else if (!scale) {
    for (int64_t j = 0; j < n; ++j) out[j] = static_cast<T>(x[j]) + static_cast<T>(shift[j]);
  } else {
    for (int64_t j = 0; j < n; ++j)
      out[j] = static_cast<T>(x[j]) * static_cast<T>(scale[j]) + static_cast<T>(shift[j]);
  }
}

template <class S, class T>
void widened(int64_t n, const S* __restrict x, const EntryView& view, T* __restrict out) {
  if (!view.scale && !view.shift) {
    for (int64_t j = 0; j < n; ++j) out[j] = static_cast<T>(x[j]);
  } else if (view.same) {
    same_view(n, x, static_cast<T>(view.scale ? *view.scale : 1),
              static_cast<T>(view.shift ? *view.shift : 0), out);
  } else {
    column_view(n, x, view.scale, view.shift, out);
  }
}

// Through the table in runs that stay in L1, then through the affine view.
template <class T>
void looked_up(int64_t n, const uint8_t* x, const EntryView& view, T* out) {
  constexpr int64_t kRun = 256;
  T run[kRun];
  for (int64_t j0 = 0; j0 < n; j0 += kRun) {
    const int64_t count = n - j0 < kRun ? n - j0 : kRun;
    for (int64_t j = 0; j < count; ++j) {
      run[j] = static_cast<T>(view.table[x[j0 + j]]);
      __asm__ volatile(
          "");  // one by one: vector gathers from a table in L1 take nearly twice as long
    }
    const int64_t skip = view.same ? 0 : j0;
    const EntryView affine{nullptr, view.scale ? view.scale + skip : nullptr,
                           view.shift ? view.shift + skip : nullptr, view.same};
    widened(count, run, affine, out + j0);
  }
}

template <class T>
void entries(int32_t dtype, int64_t n, const void* x, const EntryView& view, T* out) {
  switch (dtype) {
    case ASSAY_U8:
      if (view.table) return looked_up(n, static_cast<const uint8_t*>(x), view, out);
      return widened(n, static_cast<const uint8_t*>(x), view, out);
    case ASSAY_U16:
      return widened(n, static_cast<const uint16_t*>(x), view, out);
    case ASSAY_F32:
      return widened(n, static_cast<const float*>(x), view, out);
    default:
      return widened(n, static_cast<const double*>(x), view, out);
  }
}

template <class T>
void hide(int64_t n, const uint64_t* words, int64_t first, T* out) {
  int64_t j = 0;
  while (j < n) {
    const int64_t bit = (first + j) % 64;
    const int64_t count = n - j < 64 - bit ? n - j : 64 - bit;
    const uint64_t word = words[(first + j) / 64] >> bit;
    if (word != (~uint64_t{0} >> bit)) {
      for (int64_t b = 0; b < count; ++b) out[j + b] = (word >> b) & 1u ? out[j + b] : T{0};
    }
    j += count;
  }
}

}  // namespace

extern const Widen<double> widen_f64;
extern const Widen<float> widen_f32;
const Widen<double> widen_f64 = {entries<double>, hide<double>};
const Widen<float> widen_f32 = {entries<float>, hide<float>};

}  // namespace assay::kernels::ASSAY_ISA_NS
