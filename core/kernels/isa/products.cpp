// SPDX-License-Identifier: Apache-2.0
// The two register shapes behind all dense products: broadcast one entry of X, vectors along the
// components.
//   rows: out[i] = sum_j x_ij b[j], R rows by C vectors of accumulators, run along the columns of
//   the tile; cols: s[j] += sum_i x_ij a[i],  R columns by C vectors, run along its rows.
// R x C accumulators, C vectors of the operand and one broadcast fill the registers: 8 x 3 of 32, 4
// x 3 of 16. Each element of a result is one chain of multiply-adds in the order of the sum,
// whatever the shape it falls into.
#include "core/kernels/isa/isa.hpp"

namespace assay::kernels::ASSAY_ISA_NS {
namespace {

// Rows whose sum is kept in T before it goes to double.
constexpr int64_t kFlush = 128;

template <class T, int R, int C>
void rows_block(int64_t cols,
                const T* x,
                int64_t ldx,
                const T* b,
                int64_t ldb,
                T* out,
                int64_t ldo,
                bool accumulate) {
  constexpr int L = kLanes<T>;
  Vec<T> sum[R][C];
  ASSAY_UNROLL
  for (int r = 0; r < R; ++r) {
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) sum[r][c] = accumulate ? load(out + r * ldo + c * L) : Vec<T>{};
  }
  for (int64_t j = 0; j < cols; ++j) {
    Vec<T> line[C];
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) line[c] = load(b + j * ldb + c * L);
    ASSAY_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<T> entry = splat(x[r * ldx + j]);
      ASSAY_UNROLL
      for (int c = 0; c < C; ++c) sum[r][c] += entry * line[c];
    }
  }
  ASSAY_UNROLL
  for (int r = 0; r < R; ++r) {
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) store(out + r * ldo + c * L, sum[r][c]);
  }
}

template <class T, int R, int C>
void cols_block(int64_t rows,
                const T* x,
                int64_t ldx,
                const T* a,
                int64_t lda,
                double* s,
                int64_t lds) {
  constexpr int L = kLanes<T>;
  Vec<T> sum[R][C] = {};
  for (int64_t i = 0; i < rows; ++i) {
    Vec<T> line[C];
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) line[c] = load(a + i * lda + c * L);
    const T* entries = x + i * ldx;
    ASSAY_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<T> entry = splat(entries[r]);
      ASSAY_UNROLL
      for (int c = 0; c < C; ++c) sum[r][c] += entry * line[c];
    }
  }
  ASSAY_UNROLL
  for (int r = 0; r < R; ++r) {
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) add_to(s + r * lds + c * L, sum[r][c]);
  }
}

// How many vectors the next block of components takes of `left`: never a lone one at the end of
// several.
int vectors_of(int64_t left) {
  if (left >= kMaxVectors + 2 || left == kMaxVectors) return kMaxVectors;
  return left == 1 ? 1 : 2;
}

template <class T, int R>
void rows_lines(int c,
                int64_t cols,
                const T* x,
                int64_t ldx,
                const T* b,
                int64_t ldb,
                T* out,
                int64_t ldo,
                bool accumulate) {
  if constexpr (kMaxVectors > 2) {
    if (c == 3) return rows_block<T, R, 3>(cols, x, ldx, b, ldb, out, ldo, accumulate);
  }
  if (c == 2) return rows_block<T, R, 2>(cols, x, ldx, b, ldb, out, ldo, accumulate);
  rows_block<T, R, 1>(cols, x, ldx, b, ldb, out, ldo, accumulate);
}

template <class T, int R>
void cols_lines(int c,
                int64_t rows,
                const T* x,
                int64_t ldx,
                const T* a,
                int64_t lda,
                double* s,
                int64_t lds) {
  if constexpr (kMaxVectors > 2) {
    if (c == 3) return cols_block<T, R, 3>(rows, x, ldx, a, lda, s, lds);
  }
  if (c == 2) return cols_block<T, R, 2>(rows, x, ldx, a, lda, s, lds);
  cols_block<T, R, 1>(rows, x, ldx, a, lda, s, lds);
}

}  // namespace

template <class T>
void rows_product(int64_t rows,
                  int64_t cols,
                  const T* x,
                  int64_t ldx,
                  const T* b,
                  int64_t ldb,
                  int64_t kp,
                  T* out,
                  int64_t ldo,
                  bool accumulate) {
  const int64_t vectors = kp / kLanes<T>;
  for (int64_t i = 0; i < rows;) {
    const int lines = lines_of(rows - i);
    for (int64_t v = 0; v < vectors;) {
      const int c = vectors_of(vectors - v);
      const T* xi = x + i * ldx;
      const T* bv = b + v * kLanes<T>;
      T* o = out + i * ldo + v * kLanes<T>;
      switch (lines) {
        case kLines:
          rows_lines<T, kLines>(c, cols, xi, ldx, bv, ldb, o, ldo, accumulate);
          break;
        case 4:
          rows_lines<T, 4>(c, cols, xi, ldx, bv, ldb, o, ldo, accumulate);
          break;
        case 2:
          rows_lines<T, 2>(c, cols, xi, ldx, bv, ldb, o, ldo, accumulate);
          break;
        default:
          rows_lines<T, 1>(c, cols, xi, ldx, bv, ldb, o, ldo, accumulate);
          break;
      }
      v += c;
    }
    i += lines;
  }
}

template <class T>
void cols_product(int64_t rows,
                  int64_t cols,
                  const T* x,
                  int64_t ldx,
                  const T* a,
                  int64_t lda,
                  int64_t kp,
                  double* s,
                  int64_t lds) {
  const int64_t vectors = kp / kLanes<T>;
  for (int64_t i = 0; i < rows; i += kFlush) {
    const int64_t part = rows - i < kFlush ? rows - i : kFlush;
    for (int64_t j = 0; j < cols;) {
      const int lines = lines_of(cols - j);
      for (int64_t v = 0; v < vectors;) {
        const int c = vectors_of(vectors - v);
        const T* xj = x + i * ldx + j;
        const T* av = a + i * lda + v * kLanes<T>;
        double* o = s + j * lds + v * kLanes<T>;
        switch (lines) {
          case kLines:
            cols_lines<T, kLines>(c, part, xj, ldx, av, lda, o, lds);
            break;
          case 4:
            cols_lines<T, 4>(c, part, xj, ldx, av, lda, o, lds);
            break;
          case 2:
            cols_lines<T, 2>(c, part, xj, ldx, av, lda, o, lds);
            break;
          default:
            cols_lines<T, 1>(c, part, xj, ldx, av, lda, o, lds);
            break;
        }
        v += c;
      }
      j += lines;
    }
  }
}

#define ASSAY_PRODUCTS(T)                                                                        \
  template void rows_product<T>(int64_t, int64_t, const T*, int64_t, const T*, int64_t, int64_t, \
                                T*, int64_t, bool);                                              \
  template void cols_product<T>(int64_t, int64_t, const T*, int64_t, const T*, int64_t, int64_t, \
                                double*, int64_t);
ASSAY_PRODUCTS(double)
ASSAY_PRODUCTS(float)

}  // namespace assay::kernels::ASSAY_ISA_NS
