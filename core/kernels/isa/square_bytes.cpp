// SPDX-License-Identifier: Apache-2.0
// X'X of bytes in integers: two rows side by side in words of two 16-bit numbers, products of pairs
// added in 32 bits. Exact for the rows of a tile; twice the entries an instruction that float32
// has.
#include "core/kernels/isa/isa.hpp"

namespace assay::kernels::ASSAY_ISA_NS {
namespace {

typedef int32_t Words __attribute__((vector_size(ASSAY_VECTOR_BYTES)));
typedef int32_t WordsAt __attribute__((vector_size(ASSAY_VECTOR_BYTES), may_alias));
typedef int16_t Pairs __attribute__((vector_size(ASSAY_VECTOR_BYTES)));

constexpr int kWords = ASSAY_VECTOR_BYTES / 4;
// A row of the result: C vectors of columns, `kLines` columns at a time.
constexpr int kVectors = kMaxVectors;

ASSAY_INLINE Words pair_products(Words a, Words b) {
#if defined(__AVX512BW__) && defined(__clang__)
  return (Words)__builtin_ia32_pmaddwd512((Pairs)a, (Pairs)b);
#elif defined(__AVX512BW__)
  return (Words)__builtin_ia32_pmaddwd512_mask((Pairs)a, (Pairs)b, Words{},
                                               static_cast<unsigned short>(-1));
#elif defined(__AVX2__)
  return (Words)__builtin_ia32_pmaddwd256((Pairs)a, (Pairs)b);
#elif defined(__SSE2__)
  return (Words)__builtin_ia32_pmaddwd128((Pairs)a, (Pairs)b);
#else
  return (a & 0xffff) * (b & 0xffff) + (a >> 16) * (b >> 16);
#endif
}

// q[r, 0..cols) += sum over pairs p of words[p, j + r] times words[p, a + 0..cols).
template <int R>
void block(int64_t pairs,
           const int32_t* words_j,
           const int32_t* words_a,
           int64_t ld,
           int64_t cols,
           double* q,
           int64_t ldq) {
  Words sum[R][kVectors] = {};
  for (int64_t p = 0; p < pairs; ++p) {
    Words line[kVectors];
    ASSAY_UNROLL
    for (int c = 0; c < kVectors; ++c)
      line[c] = *reinterpret_cast<const WordsAt*>(words_a + p * ld + c * kWords);
    ASSAY_UNROLL
    for (int r = 0; r < R; ++r) {
      const Words entry = Words{} + words_j[p * ld + r];
      ASSAY_UNROLL
      for (int c = 0; c < kVectors; ++c) sum[r][c] += pair_products(entry, line[c]);
    }
  }
  alignas(ASSAY_VECTOR_BYTES) int32_t total[R][kVectors * kWords];
  ASSAY_UNROLL
  for (int r = 0; r < R; ++r) {
    ASSAY_UNROLL
    for (int c = 0; c < kVectors; ++c)
      *reinterpret_cast<WordsAt*>(total[r] + c * kWords) = sum[r][c];
  }
  for (int r = 0; r < R; ++r)
    for (int64_t c = 0; c < cols; ++c) q[r * ldq + c] += static_cast<double>(total[r][c]);
}

}  // namespace

void square_bytes(int64_t rows,
                  int64_t cols,
                  const uint8_t* x,
                  int64_t ldx,
                  int32_t* words,
                  double* q,
                  int64_t ldq) {
  constexpr int64_t kPanel = kVectors * kWords;
  const int64_t pairs = (rows + 1) / 2, ld = (cols + kPanel - 1) / kPanel * kPanel;
  for (int64_t p = 0; p < pairs; ++p) {
    const uint8_t *first = x + 2 * p * ldx, *second = first + ldx;
    int32_t* to = words + p * ld;
    if (2 * p + 1 < rows)
      for (int64_t j = 0; j < cols; ++j) to[j] = first[j] | second[j] << 16;
    else
      for (int64_t j = 0; j < cols; ++j) to[j] = first[j];
    for (int64_t j = cols; j < ld; ++j) to[j] = 0;
  }
  for (int64_t a = 0; a < cols; a += kPanel) {
    const int64_t wide = cols - a < kPanel ? cols - a : kPanel;
    for (int64_t j = a; j < cols;) {
      const int lines = lines_of(cols - j);
      const int32_t *wj = words + j, *wa = words + a;
      double* to = q + j * ldq + a;
      switch (lines) {
        case kLines:
          block<kLines>(pairs, wj, wa, ld, wide, to, ldq);
          break;
        case 4:
          block<4>(pairs, wj, wa, ld, wide, to, ldq);
          break;
        case 2:
          block<2>(pairs, wj, wa, ld, wide, to, ldq);
          break;
        default:
          block<1>(pairs, wj, wa, ld, wide, to, ldq);
          break;
      }
      j += lines;
    }
  }
}

}  // namespace assay::kernels::ASSAY_ISA_NS
