// SPDX-License-Identifier: Apache-2.0
// X B and X' A for lines of a compressed X. Hidden entries (weight 0) are left out.
#include "core/kernels/isa/gather.hpp"
#include "core/kernels/isa/scratch.hpp"

namespace assay::kernels::ASSAY_ISA_NS {
namespace {

// The observed entries of a run: x to the power in c, their indices, their number, and how many
// indices may be looked at.
template <class T>
struct Observed {
  const int32_t* indices;
  const T* c;
  int64_t n, known;
};

template <class T>
ASSAY_INLINE Observed<T> observed(const SparseTile<T>& t,
                                  int power,
                                  int64_t line,
                                  int64_t begin,
                                  int64_t n,
                                  const SparseScratch<T>& s) {
  viewed(t, line, begin, n, s.x);
  if (power == 2) {
    for (int64_t e = 0; e < n; ++e) s.x[e] *= s.x[e];
  } else if (power == 0) {
    for (int64_t e = 0; e < n; ++e) s.x[e] = 1;
  } else if (power == kAbsolute) {
    for (int64_t e = 0; e < n; ++e) s.x[e] = s.x[e] < 0 ? -s.x[e] : s.x[e];
  }
  if (t.weights == nullptr) {
    return {t.indices + begin, s.x, n, t.indptr[t.first + t.lines] - begin};
  }
  int32_t* index = reinterpret_cast<int32_t*>(s.index);
  int64_t kept = 0;
  for (int64_t e = 0; e < n; ++e) {
    s.x[kept] = s.x[e];
    index[kept] = t.indices[begin + e];
    kept += t.weights[begin + e] != 0.0f ? 1 : 0;
  }
  return {index, s.x, kept, kept};
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
      const Observed<T> x = observed(t, power, line, e, end - e < kRun ? end - e : kRun, s);
      gathered_sum<T, false, true>(x.n, x.known, x.indices, x.c, t.right, t.ldr, kp, out);
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
      const Observed<T> x = observed(t, power, line, e, end - e < kRun ? end - e : kRun, s);
      scattered_sum<T>(x.n, x.known, x.indices, x.c, left, kp, t.col0, t.ldcol);
    }
  }
}

#define ASSAY_SPARSE_PRODUCTS(T)                                   \
  template void sparse_rows_product<T>(const SparseTile<T>&, int); \
  template void sparse_cols_product<T>(const SparseTile<T>&, int);
ASSAY_SPARSE_PRODUCTS(double)
ASSAY_SPARSE_PRODUCTS(float)

}  // namespace assay::kernels::ASSAY_ISA_NS
