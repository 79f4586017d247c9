// SPDX-License-Identifier: Apache-2.0
// X B and X' A for lines of a compressed X. Hidden entries (weight 0) are left out, their values never read.
#include "core/kernels/isa/gather.hpp"
#include "core/kernels/isa/scratch.hpp"

namespace assay::kernels::ASSAY_ISA_NS {
namespace {

// Observed entries of a run: coefficients into s.x, indices into s.index (or where they lie). Their number.
template <class T>
ASSAY_INLINE int64_t coefficients(const SparseTile<T>& t,
                                  int power,
                                  int64_t line,
                                  int64_t begin,
                                  int64_t n,
                                  const SparseScratch<T>& s,
                                  const int32_t*& indices) {
  int32_t* index = reinterpret_cast<int32_t*>(s.index);
  indices = t.weights != nullptr ? index : t.indices + begin;
  int64_t kept = 0;
  for (int64_t e = begin; e < begin + n; ++e) {
    if (t.weights != nullptr && t.weights[e] == 0.0f) continue;
    T c = 1;
    if (power != 0) c = viewed(t, line, e);
    if (power == 2) c *= c;
    if (t.weights != nullptr) index[kept] = t.indices[e];
    s.x[kept++] = c;
  }
  return kept;
}

}  // namespace

template <class T>
void sparse_rows_product(const SparseTile<T>& t, int power) {
  const SparseScratch<T> s = cut_sparse(t.scratch, t.k);
  const int64_t kp = padded_to_line<T>(t.k);
  for (int64_t line = 0; line < t.lines; ++line) {
    T* out = t.row0 + line * t.ldrow;
    for (int64_t p = 0; p < kp; ++p) out[p] = 0;
    const int64_t end = t.indptr[t.first + line + 1];
    for (int64_t e = t.indptr[t.first + line]; e < end; e += kRun) {
      const int32_t* indices = nullptr;
      const int64_t n = coefficients(t, power, line, e, end - e < kRun ? end - e : kRun, s, indices);
      gathered_sum<T, false>(n, indices, static_cast<const T*>(s.x), t.right, t.ldr, kp, out);
    }
  }
}

template <class T>
void sparse_cols_product(const SparseTile<T>& t, int power) {
  const SparseScratch<T> s = cut_sparse(t.scratch, t.k);
  const int64_t kp = padded_to_line<T>(t.k);
  double* left = reinterpret_cast<double*>(s.wide_left);
  for (int64_t line = 0; line < t.lines; ++line) {
    for (int64_t p = 0; p < kp; ++p) left[p] = static_cast<double>(t.left[line * t.ldl + p]);
    const int64_t end = t.indptr[t.first + line + 1];
    for (int64_t e = t.indptr[t.first + line]; e < end; e += kRun) {
      const int32_t* indices = nullptr;
      const int64_t n = coefficients(t, power, line, e, end - e < kRun ? end - e : kRun, s, indices);
      scattered_sum<T>(n, indices, s.x, left, kp, t.col0, t.ldcol);
    }
  }
}

#define ASSAY_SPARSE_PRODUCTS(T)                                      \
  template void sparse_rows_product<T>(const SparseTile<T>&, int); \
  template void sparse_cols_product<T>(const SparseTile<T>&, int);
ASSAY_SPARSE_PRODUCTS(double)
ASSAY_SPARSE_PRODUCTS(float)

}  // namespace assay::kernels::ASSAY_ISA_NS
