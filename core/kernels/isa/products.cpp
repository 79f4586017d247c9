// SPDX-License-Identifier: Apache-2.0
// The two register shapes behind all dense products: broadcast one entry of X, vectors along the
// components.
//   rows: out[i] = sum_j x_ij b[j], R rows by C vectors of accumulators, run along the columns of
//   the tile; cols: s[j] += sum_i x_ij a[i],  R columns by C vectors, run along its rows.
// R x C accumulators, C vectors of the operand and one broadcast fill the registers: 8 x 3 of 32, 6
// x 2 of 16. The last vector of the components is half a one where that is enough. Each element of
// a result is one chain of multiply-adds in the order of the sum, whatever the shape it falls into.
#include "core/kernels/isa/isa.hpp"

namespace assay::kernels::ASSAY_ISA_NS {
namespace {

// Rows whose sum is kept in T before it goes to double.
constexpr int64_t kFlush = 128;

// C whole vectors of components and, with kHalf, half a one behind them.
template <class T, int R, int C, bool kHalf>
struct Accumulators {
  static constexpr int L = kLanes<T>;
  Vec<T> whole[R][C > 0 ? C : 1] = {};
  HalfVec<T> half[R] = {};

  // whole[r], half[r] += x[r * ldx] times the line.
  __attribute__((always_inline)) void add(const T* x, int64_t ldx, const T* line) {
    Vec<T> wide[C > 0 ? C : 1];
    HalfVec<T> narrow{};
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) wide[c] = load(line + c * L);
    if constexpr (kHalf) narrow = load_half(line + C * L);
    ASSAY_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<T> entry = splat(x[r * ldx]);
      ASSAY_UNROLL
      for (int c = 0; c < C; ++c) whole[r][c] += entry * wide[c];
      if constexpr (kHalf) half[r] += splat_half(x[r * ldx]) * narrow;
    }
  }

  // The same of x[r][j].
  __attribute__((always_inline)) void add_lines(const T* const* x, int64_t j, const T* line) {
    Vec<T> wide[C > 0 ? C : 1];
    HalfVec<T> narrow{};
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) wide[c] = load(line + c * L);
    if constexpr (kHalf) narrow = load_half(line + C * L);
    ASSAY_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<T> entry = splat(x[r][j]);
      ASSAY_UNROLL
      for (int c = 0; c < C; ++c) whole[r][c] += entry * wide[c];
      if constexpr (kHalf) half[r] += splat_half(x[r][j]) * narrow;
    }
  }
};

template <class T, int R, int C, bool kHalf>
void rows_block(int64_t cols,
                const T* x,
                int64_t ldx,
                const T* b,
                int64_t ldb,
                T* out,
                int64_t ldo,
                bool accumulate) {
  constexpr int L = kLanes<T>;
  Accumulators<T, R, C, kHalf> sum;
  if (accumulate) {
    ASSAY_UNROLL
    for (int r = 0; r < R; ++r) {
      ASSAY_UNROLL
      for (int c = 0; c < C; ++c) sum.whole[r][c] = load(out + r * ldo + c * L);
      if constexpr (kHalf) sum.half[r] = load_half(out + r * ldo + C * L);
    }
  }
  for (int64_t j = 0; j < cols; ++j) sum.add(x + j, ldx, b + j * ldb);
  ASSAY_UNROLL
  for (int r = 0; r < R; ++r) {
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) store(out + r * ldo + c * L, sum.whole[r][c]);
    if constexpr (kHalf) {
      store_half(out + r * ldo + C * L, sum.half[r]);
      store_half(out + r * ldo + C * L + L / 2, HalfVec<T>{});
    }
  }
}

// R rows anywhere.
template <class T, int R, int C, bool kHalf>
void some_rows_block(int64_t cols,
                     const T* const* x,
                     const T* b,
                     int64_t ldb,
                     T* out,
                     int64_t ldo) {
  constexpr int L = kLanes<T>;
  const T* line[R];
  ASSAY_UNROLL
  for (int r = 0; r < R; ++r) line[r] = x[r];
  Accumulators<T, R, C, kHalf> sum;
  for (int64_t j = 0; j < cols; ++j) sum.add_lines(line, j, b + j * ldb);
  ASSAY_UNROLL
  for (int r = 0; r < R; ++r) {
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) store(out + r * ldo + c * L, sum.whole[r][c]);
    if constexpr (kHalf) {
      store_half(out + r * ldo + C * L, sum.half[r]);
      store_half(out + r * ldo + C * L + L / 2, HalfVec<T>{});
    }
  }
}

template <class T, int R, int C, bool kHalf>
void cols_block(int64_t rows,
                const T* x,
                int64_t ldx,
                const T* a,
                int64_t lda,
                double* s,
                int64_t lds) {
  constexpr int L = kLanes<T>;
  Accumulators<T, R, C, kHalf> sum;
  for (int64_t i = 0; i < rows; ++i) sum.add(x + i * ldx, 1, a + i * lda);
  ASSAY_UNROLL
  for (int r = 0; r < R; ++r) {
    ASSAY_UNROLL
    for (int c = 0; c < C; ++c) add_to(s + r * lds + c * L, sum.whole[r][c]);
    if constexpr (kHalf) add_half_to(s + r * lds + C * L, sum.half[r]);
  }
}

// How k components are taken: blocks of whole vectors, at most kMaxVectors of them, never a lone
// one at the end of several; the last vector is half a one where that is enough.
template <class T>
class Components {
 public:
  explicit __attribute__((always_inline)) Components(int64_t k)
      : vectors_((k + kLanes<T> - 1) / kLanes<T>),
        half_(k > 0 && (k - 1) % kLanes<T> < kLanes<T> / 2) {}

  // Calls body with the first component of each block, its whole vectors and whether half a one
  // follows, both constants.
  template <class Body>
  __attribute__((always_inline)) void each(const Body& body) const {
    for (int64_t v = 0; v < vectors_;) {
      const int c = taken(vectors_ - v);
      const int64_t at = v * kLanes<T>;
      v += c;
      const bool half = half_ && v == vectors_;
      if (c == 1) {
        half ? body(at, Block<0, true>{}) : body(at, Block<1, false>{});
      } else if (c == 2) {
        half ? body(at, Block<1, true>{}) : body(at, Block<2, false>{});
      } else if constexpr (kMaxVectors > 2) {
        half ? body(at, Block<2, true>{}) : body(at, Block<3, false>{});
      }
    }
  }

 private:
  template <int C, bool kHalf>
  struct Block {
    static constexpr int whole = C;
    static constexpr bool half = kHalf;
  };
  static int taken(int64_t left) {
    if (left >= kMaxVectors + 2 || left == kMaxVectors) return kMaxVectors;
    return left == 1 ? 1 : 2;
  }

  int64_t vectors_;
  bool half_;
};

template <class T, int R>
void rows_lines(const Components<T>& components,
                int64_t cols,
                const T* x,
                int64_t ldx,
                const T* b,
                int64_t ldb,
                T* out,
                int64_t ldo,
                bool accumulate) {
  components.each([&](int64_t at, auto block) __attribute__((always_inline)) {
    using Block = decltype(block);
    rows_block<T, R, Block::whole, Block::half>(cols, x, ldx, b + at, ldb, out + at, ldo,
                                                accumulate);
  });
}

template <class T, int R>
void some_rows_lines(const Components<T>& components,
                     int64_t cols,
                     const T* const* x,
                     const T* b,
                     int64_t ldb,
                     T* out,
                     int64_t ldo) {
  components.each([&](int64_t at, auto block) __attribute__((always_inline)) {
    using Block = decltype(block);
    some_rows_block<T, R, Block::whole, Block::half>(cols, x, b + at, ldb, out + at, ldo);
  });
}

template <class T, int R>
void cols_lines(const Components<T>& components,
                int64_t rows,
                const T* x,
                int64_t ldx,
                const T* a,
                int64_t lda,
                double* s,
                int64_t lds) {
  components.each([&](int64_t at, auto block) __attribute__((always_inline)) {
    using Block = decltype(block);
    cols_block<T, R, Block::whole, Block::half>(rows, x, ldx, a + at, lda, s + at, lds);
  });
}

}  // namespace

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
                  bool accumulate) {
  const Components<T> components(k);
  for (int64_t i = 0; i < rows;) {
    const int lines = lines_of(rows - i);
    const T* xi = x + i * ldx;
    T* o = out + i * ldo;
    switch (lines) {
      case kLines:
        rows_lines<T, kLines>(components, cols, xi, ldx, b, ldb, o, ldo, accumulate);
        break;
      case 4:
        rows_lines<T, 4>(components, cols, xi, ldx, b, ldb, o, ldo, accumulate);
        break;
      case 2:
        rows_lines<T, 2>(components, cols, xi, ldx, b, ldb, o, ldo, accumulate);
        break;
      default:
        rows_lines<T, 1>(components, cols, xi, ldx, b, ldb, o, ldo, accumulate);
        break;
    }
    i += lines;
  }
}

template <class T>
void some_rows_product(int64_t count,
                       const int64_t* rows,
                       int64_t cols,
                       const T* x,
                       int64_t ldx,
                       const T* b,
                       int64_t ldb,
                       int64_t k,
                       T* out,
                       int64_t ldo) {
  const Components<T> components(k);
  for (int64_t i = 0; i < count;) {
    const int lines = lines_of(count - i);
    const T* x_of[kLines];
    for (int r = 0; r < lines; ++r) x_of[r] = x + rows[i + r] * ldx;
    T* o = out + i * ldo;
    switch (lines) {
      case kLines:
        some_rows_lines<T, kLines>(components, cols, x_of, b, ldb, o, ldo);
        break;
      case 4:
        some_rows_lines<T, 4>(components, cols, x_of, b, ldb, o, ldo);
        break;
      case 2:
        some_rows_lines<T, 2>(components, cols, x_of, b, ldb, o, ldo);
        break;
      default:
        some_rows_lines<T, 1>(components, cols, x_of, b, ldb, o, ldo);
        break;
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
                  int64_t k,
                  double* s,
                  int64_t lds) {
  const Components<T> components(k);
  for (int64_t i = 0; i < rows; i += kFlush) {
    const int64_t part = rows - i < kFlush ? rows - i : kFlush;
    for (int64_t j = 0; j < cols;) {
      const int lines = lines_of(cols - j);
      const T* xj = x + i * ldx + j;
      const T* ai = a + i * lda;
      double* o = s + j * lds;
      switch (lines) {
        case kLines:
          cols_lines<T, kLines>(components, part, xj, ldx, ai, lda, o, lds);
          break;
        case 4:
          cols_lines<T, 4>(components, part, xj, ldx, ai, lda, o, lds);
          break;
        case 2:
          cols_lines<T, 2>(components, part, xj, ldx, ai, lda, o, lds);
          break;
        default:
          cols_lines<T, 1>(components, part, xj, ldx, ai, lda, o, lds);
          break;
      }
      j += lines;
    }
  }
}

template <class T>
void square(int64_t rows, int64_t cols, const T* x, int64_t ldx, double* q, int64_t ldq) {
  // A panel of this many columns of `kFlush` rows stays in the first-level cache.
  constexpr int64_t kPanel = kMaxVectors * kLanes<T>;
  for (int64_t i = 0; i < rows; i += kFlush) {
    const int64_t part = rows - i < kFlush ? rows - i : kFlush;
    const T* xi = x + i * ldx;
    for (int64_t a = 0; a < cols; a += kPanel)
      cols_product(part, cols - a, xi + a, ldx, xi + a, ldx, cols - a < kPanel ? cols - a : kPanel,
                   q + a * ldq + a, ldq);
  }
}

#define ASSAY_PRODUCTS(T)                                                                        \
  template void rows_product<T>(int64_t, int64_t, const T*, int64_t, const T*, int64_t, int64_t, \
                                T*, int64_t, bool);                                              \
  template void cols_product<T>(int64_t, int64_t, const T*, int64_t, const T*, int64_t, int64_t, \
                                double*, int64_t);                                               \
  template void some_rows_product<T>(int64_t, const int64_t*, int64_t, const T*, int64_t,        \
                                     const T*, int64_t, int64_t, T*, int64_t);                   \
  template void square<T>(int64_t, int64_t, const T*, int64_t, double*, int64_t);
ASSAY_PRODUCTS(double)
ASSAY_PRODUCTS(float)

}  // namespace assay::kernels::ASSAY_ISA_NS
