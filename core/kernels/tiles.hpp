// SPDX-License-Identifier: Apache-2.0
// The plain structs a kernel takes and the table of kernels. The per-ISA sources include this and no standard header: an
// inline function shared with other code could be kept by the linker in its AVX-512 form for everyone.
#pragma once

#include <stdint.h>

#include "assay/plugin.h"

namespace assay::kernels {

// A loss's span functions as kernels call them; null where the loss has none. T = float: where a twin is missing the
// kernels widen and call the function of `wide`.
template <class T>
struct LossFunctions {
  using Unary = int32_t (*)(void*, assay_ctx*, int64_t, const T*, const T*, T*);
  using Split = int32_t (*)(void*, assay_ctx*, int64_t, const T*, const T*, T*, T*);
  void* self = nullptr;
  Unary value = nullptr, grad = nullptr, curvature = nullptr;
  Split mu_split = nullptr;
  int32_t tag = ASSAY_TAG_NONE;  // SQUARED, KL and IS have built-in forms, used instead of the functions
  T m_lo = static_cast<T>(-__builtin_huge_val());  // closed bounds the model is kept in
  T m_hi = static_cast<T>(__builtin_huge_val());   // before a span is called
  const LossFunctions<double>* wide = nullptr;     // T = float only
};

// What a terms kernel evaluates at the entries of a block.
//   MU: e0 = num, e1 = den.  GRAD: e0 = derivative.  NEWTON: e0 derivative, e1 curvature.  VALUE: nothing but the value.
template <class T>
struct TermsTile {
  int32_t what = ASSAY_MU;
  bool with_value = false;
  const LossFunctions<T>* loss = nullptr;
  assay_ctx* ctx = nullptr;
  int64_t k = 0;                             // components; operands are padded to kp = padded<T>(k)
  const T* left = nullptr;  int64_t ldl = 0;   // rows x kp
  const T* right = nullptr; int64_t ldr = 0;   // cols x kp (dense: of this block; sparse: of the whole other axis)
  // Outputs, each may be null: += sum over the block's columns of e * right row (NEWTON's e1: right row squared), and
  // += sum over its rows of e * left row.
  T* row0 = nullptr; T* row1 = nullptr; int64_t ldrow = 0;            // rows x kp
  double* col0 = nullptr; double* col1 = nullptr; int64_t ldcol = 0;  // cols x kp
  double* value = nullptr;      // += weighted loss over the block
  double* row_value = nullptr;  // per row, or null
  double* col_value = nullptr;  // per column, or null; dense only
};

template <class T>
struct DenseTile : TermsTile<T> {
  int64_t rows = 0, cols = 0;
  const T* x = nullptr; int64_t ldx = 0;
  const T* weights = nullptr; int64_t ldw = 0;  // null: all 1. 0 = hidden: the loss never sees that entry
  const T* right_t = nullptr; int64_t ldrt = 0; // k x cols image of right (right_t[a * ldrt + j] = right[j * ldr + a]);
                                                // null: the kernel makes one, block by block
  T* scratch = nullptr;                         // terms_scratch<T>(k) elements, 64-byte aligned
};

constexpr int kAbsolute = -1;  // in place of a power of X's entries

// A run of lines of a compressed X. "Rows" are the lines, "columns" the indices.
template <class T>
struct SparseTile : TermsTile<T> {
  int64_t first = 0, lines = 0;  // left, row0, row1, row_value, line_weights, line_scale point at line `first`
  const int64_t* indptr = nullptr;
  const int32_t* indices = nullptr;
  const void* values = nullptr; int32_t dtype = ASSAY_F64;  // F64 or F32
  const float* weights = nullptr;       // per stored entry; 0 = hidden: it may be anything
  const double* line_weights = nullptr, *index_weights = nullptr;  // null: 1
  const double* line_scale = nullptr, *index_scale = nullptr;      // view: x' = scale * x; null: 1
  // Unstored zeros are summed outside by the loss's zero term z(m) (LINEAR a m, QUADRATIC a m^2); then stored entries
  // contribute e - z's share (in den, derivative, curvature and value) times line and index weights. NONE: nothing subtracted.
  int32_t zero_term = ASSAY_ZERO_NONE; double zero_a = 0;
  T* scratch = nullptr;  // sparse_scratch elements
};

constexpr int64_t kMostByteRows = 32768;  // sums of products of bytes stay below 2^31
constexpr int64_t square_bytes_words(int64_t rows, int64_t cols) { return (rows + 1) / 2 * (cols + 48); }

template <class T>
struct Kernels {
  // out[i, 0..k) = (accumulate ? out : 0) + sum_j x[i, j] b[j, 0..k).  x rows x cols, b cols x k. Lines of b and out are
  // padded to whole vectors, of b with zeros; of out the padding is set to zeros.
  void (*rows_product)(int64_t rows, int64_t cols, const T* x, int64_t ldx, const T* b, int64_t ldb, int64_t k, T* out,
                       int64_t ldo, bool accumulate);
  // s[j, 0..k) += sum_i x[i, j] a[i, 0..k): T in registers over the tile's rows, then added to the double sums. Lines of a
  // and s are padded to whole vectors, of a with zeros.
  void (*cols_product)(int64_t rows, int64_t cols, const T* x, int64_t ldx, const T* a, int64_t lda, int64_t k, double* s,
                       int64_t lds);
  // q[p, 0..kb) += sum_i a[i, p] b[i, 0..kb), double sums, for p < ka.
  void (*gram)(int64_t rows, const T* a, int64_t lda, int64_t ka, const T* b, int64_t ldb, int64_t kb, double* q, int64_t ldq);
  // q[p, b) += sum_i x[i, p] x[i, b) for b <= p < cols, double sums: the lower half; some entries above it are touched. Lines of
  // x and q are padded to whole vectors, of x with zeros.
  void (*square)(int64_t rows, int64_t cols, const T* x, int64_t ldx, double* q, int64_t ldq);
  // The same of bytes, exactly: at most kMostByteRows rows. words: aligned to 64 bytes,
  // square_bytes_words(rows, cols) of them.
  void (*square_bytes)(int64_t rows, int64_t cols, const uint8_t* x, int64_t ldx, int32_t* words, double* q, int64_t ldq);
  // sum[j] += w x[j], in double.
  void (*add_row)(int64_t cols, const T* x, double w, double* sum);
  // Sum over i, p < k of a[i, p] b[i, p], in double.
  double (*dot)(int64_t rows, int64_t k, const T* a, int64_t lda, const T* b, int64_t ldb);
  // out[a * ldo + j] = b[j * ldb + a]: the image the model block wants.
  void (*image)(int64_t cols, int64_t k, const T* b, int64_t ldb, T* out, int64_t ldo);
  // The model, the loss and the contractions over one dense block (any rows, cols; blocks itself in cache). 0 or the status
  // of the loss's function.
  int32_t (*terms_dense)(const DenseTile<T>& t);
  // The same over lines of a compressed X.
  int32_t (*terms_sparse)(const SparseTile<T>& t);
  // row0 = (assigned) sum over observed stored entries of x * right[index]; with power 2: x squared, 0: 1 per entry, kAbsolute: |x|. Products
  // see values: weights hide entries and do nothing else.
  void (*sparse_rows_product)(const SparseTile<T>& t, int power);
  // col0[index] += x * left row, likewise.
  void (*sparse_cols_product)(const SparseTile<T>& t, int power);
};

}  // namespace assay::kernels
