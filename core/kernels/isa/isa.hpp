// SPDX-License-Identifier: Apache-2.0
// What the per-ISA sources offer each other, and the tables they offer kernels.cpp.
#pragma once

#include "core/kernels/isa/vector.hpp"

namespace assay::kernels::ASSAY_ISA_NS {

extern const Kernels<double> kernels_f64;
extern const Kernels<float> kernels_f32;
extern const assay_math math;

// Lines (rows, or columns of X) of the register shapes, and the most vectors a line has.
#if ASSAY_VECTOR_BYTES == 64
constexpr int kLines = 8;
constexpr int kMaxVectors = 3;
#else
constexpr int kLines = 6;
constexpr int kMaxVectors = 2;
#endif

// How many of `left` lines the next call takes; it is a template for each.
ASSAY_INLINE int lines_of(int64_t left) {
  return left >= kLines ? kLines : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

// products.cpp; see Kernels<T>.
template <class T>
void rows_product(int64_t rows,
                  int64_t cols,
                  const T* x,
                  int64_t ldx,
                  const T* b,
                  int64_t ldb,
                  int64_t k,
                  T* out,
                  int64_t ldo,
                  bool accumulate);
template <class T>
void cols_product(int64_t rows,
                  int64_t cols,
                  const T* x,
                  int64_t ldx,
                  const T* a,
                  int64_t lda,
                  int64_t k,
                  double* s,
                  int64_t lds);

template <class T>
void square(int64_t rows, int64_t cols, const T* x, int64_t ldx, double* q, int64_t ldq);

template <class T>
void add_row(int64_t cols, const T* x, double w, double* sum);

// square_bytes.cpp
void square_bytes(int64_t rows,
                  int64_t cols,
                  const uint8_t* x,
                  int64_t ldx,
                  int32_t* words,
                  double* q,
                  int64_t ldq);

// algebra.cpp
template <class T>
void gram(int64_t rows,
          const T* a,
          int64_t lda,
          int64_t ka,
          const T* b,
          int64_t ldb,
          int64_t kb,
          double* q,
          int64_t ldq);
template <class T>
double dot(int64_t rows, int64_t k, const T* a, int64_t lda, const T* b, int64_t ldb);
template <class T>
void image(int64_t cols, int64_t k, const T* b, int64_t ldb, T* out, int64_t ldo);

// model.cpp: M = left right' over a block whose cols are whole vectors, in the form the built-in
// losses want.
//   kModel: out = M kept in [lo, hi].  All fetch x; the others also read it.
//   kDifference: M - x.  With M kept in [lo, inf): kRatio: x / M.  kOneLessRatio: 1 - x / M.
//   kScaled: (M - x) / M^2.  kInverse: x / M^2, and 1 / M into out1.
enum ModelForm { kModel, kRatio, kOneLessRatio, kDifference, kScaled, kInverse };
template <class T>
struct ModelBlock {
  int64_t rows, cols, k;
  const T* left;
  int64_t ldl;
  const T* right_t;
  int64_t ldrt;
  const T* x;
  int64_t ldx;
  int64_t ahead;  // elements from an entry of x to the one to fetch into the cache
  T lo, hi;
  T* lines;  // room for k x kLines
  T* out;
  T* out1;  // kInverse, like out
  int64_t ldo;
};
template <class T>
void model_block(ModelForm form, const ModelBlock<T>& b);

// terms_dense.cpp
template <class T>
int32_t terms_dense(const DenseTile<T>& t);
template <class T>
int64_t dense_scratch(int64_t k);

// terms_sparse.cpp
template <class T>
int32_t terms_sparse(const SparseTile<T>& t);
template <class T>
int64_t sparse_scratch(int64_t k);

// sparse_products.cpp
template <class T>
void sparse_rows_product(const SparseTile<T>& t, int power);
template <class T>
void sparse_cols_product(const SparseTile<T>& t, int power);

// spans.cpp: the loss at a run of observed entries, n <= kLongestSpan: built in for SQUARED, KL and
// IS, else the loss's functions, for T = float those of `wide` where there is no twin. value is
// null unless wanted. `spare` holds span_scratch<T>() elements.
constexpr int64_t kLongestSpan = 1024;

template <class T>
constexpr int64_t kSpanScratch = 5 * kLongestSpan*(sizeof(T) == sizeof(float) ? 2 : 1);

template <class T>
int32_t evaluate_span(const LossFunctions<T>& loss,
                      assay_ctx* ctx,
                      int32_t what,
                      int64_t n,
                      const T* x,
                      const T* m,
                      T* e0,
                      T* e1,
                      T* value,
                      T* spare);
template <class T>
bool built_in(const LossFunctions<T>& loss);

// Sum of v[0 .. n) in double.
template <class T>
double sum_span(int64_t n, const T* v);

}  // namespace assay::kernels::ASSAY_ISA_NS
