// SPDX-License-Identifier: Apache-2.0
// The small relatives of the products: Gram matrices, inner products and the transposed image of a
// factor.
#include "core/kernels/isa/isa.hpp"

namespace assay::kernels::ASSAY_ISA_NS {

template <class T>
void gram(int64_t rows,
          const T* a,
          int64_t lda,
          int64_t ka,
          const T* b,
          int64_t ldb,
          int64_t kb,
          double* q,
          int64_t ldq) {
  constexpr int64_t L = kLanes<T>;
  const int64_t whole = kb / L * L;
  if (whole > 0) cols_product(rows, ka, a, lda, b, ldb, whole, q, ldq);
  if (whole == kb) return;
  // The last vector holds fewer than L components: rows of b are padded, those of q need not be.
  constexpr int64_t kGroup = 8;
  for (int64_t p = 0; p < ka; p += kGroup) {
    const int64_t n = ka - p < kGroup ? ka - p : kGroup;
    double part[kGroup * L] = {};
    cols_product(rows, n, a + p, lda, b + whole, ldb, L, part, L);
    for (int64_t r = 0; r < n; ++r) {
      for (int64_t c = whole; c < kb; ++c) q[(p + r) * ldq + c] += part[r * L + c - whole];
    }
  }
}

template <class T>
double dot(int64_t rows, int64_t k, const T* a, int64_t lda, const T* b, int64_t ldb) {
  constexpr int64_t L = kLanes<T>;
  double lanes[L] = {};
  double rest = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const T* ai = a + i * lda;
    const T* bi = b + i * ldb;
    int64_t p = 0;
    for (; p + L <= k; p += L) {
      for (int64_t l = 0; l < L; ++l) {
        lanes[l] += static_cast<double>(ai[p + l]) * static_cast<double>(bi[p + l]);
      }
    }
    for (; p < k; ++p) rest += static_cast<double>(ai[p]) * static_cast<double>(bi[p]);
  }
  double sum = rest;
  for (int64_t l = 0; l < L; ++l) sum += lanes[l];
  return sum;
}

template <class T>
void image(int64_t cols, int64_t k, const T* b, int64_t ldb, T* out, int64_t ldo) {
  constexpr int64_t kBlock = 16;
  for (int64_t j = 0; j < cols; j += kBlock) {
    const int64_t end = cols - j < kBlock ? cols : j + kBlock;
    for (int64_t p = 0; p < k; ++p) {
      for (int64_t c = j; c < end; ++c) out[p * ldo + c] = b[c * ldb + p];
    }
  }
}

template <class T>
void add_row(int64_t cols, const T* x, double w, double* sum) {
  for (int64_t j = 0; j < cols; ++j) sum[j] += w * static_cast<double>(x[j]);
}

#define ASSAY_ALGEBRA(T)                                                                          \
  template void gram<T>(int64_t, const T*, int64_t, int64_t, const T*, int64_t, int64_t, double*, \
                        int64_t);                                                                 \
  template void add_row<T>(int64_t, const T*, double, double*);                                   \
  template double dot<T>(int64_t, int64_t, const T*, int64_t, const T*, int64_t);                 \
  template void image<T>(int64_t, int64_t, const T*, int64_t, T*, int64_t);
ASSAY_ALGEBRA(double)
ASSAY_ALGEBRA(float)

}  // namespace assay::kernels::ASSAY_ISA_NS
