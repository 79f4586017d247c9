/* SPDX-License-Identifier: Apache-2.0 */
/* Both loops keep 8 x 16 sums in registers and take a row's entry times two vectors of columns: no
   sums across a vector but one per row, no transposed copies. */
#include "kernel.h"

#include <assay/host.h>
#include <string.h>

typedef double vec __attribute__((vector_size(64), aligned(8), may_alias));

static inline __attribute__((always_inline)) double across(const vec* v) {
  double s[8];
  memcpy(s, v, sizeof s);
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* Columns a .. a + 8 V - 1 of the 8 rows from z on: their squares are added to q. */
#define SQUARES_OF(V)                                                     \
  do {                                                                    \
    vec sum[8][V] = {{{0}}};                                              \
    for (int64_t b = 0; b < a + 8 * V; b++) {                             \
      const vec* t = (const vec*)(T + b * wide + a);                      \
      for (int i = 0; i < 8; i++)                                         \
        for (int v = 0; v < V; v++) sum[i][v] += at[i * wide + b] * t[v]; \
    }                                                                     \
    for (int i = 0; i < 8; i++) {                                         \
      vec square = sum[i][0] * sum[i][0];                                 \
      for (int v = 1; v < V; v++) square += sum[i][v] * sum[i][v];        \
      q[row + i] += across(&square);                                      \
    }                                                                     \
  } while (0)

ASSAY_SIMD void gaussian_squares(int64_t rows,
                                 int64_t wide,
                                 const double* restrict z,
                                 const double* restrict T,
                                 double* restrict q) {
  for (int64_t row = 0; row < rows; row += 8) {
    const double* at = z + row * wide;
    int64_t a = 0;
    for (int i = 0; i < 8; i++) q[row + i] = 0;
    for (; a + 16 <= wide; a += 16) SQUARES_OF(2);
    if (a < wide) SQUARES_OF(1);
  }
}

/* Rows a .. a + 7 and columns c .. c + 8 V - 1 of S. */
#define SCATTER_OF(V)                                                               \
  do {                                                                              \
    vec sum[8][V] = {{{0}}};                                                        \
    for (int64_t i = 0; i < rows; i++) {                                            \
      const double* s = scaled + i * wide + a;                                      \
      const vec* x = (const vec*)(z + i * wide + c);                                \
      for (int j = 0; j < 8; j++)                                                   \
        for (int v = 0; v < V; v++) sum[j][v] += s[j] * x[v];                       \
    }                                                                               \
    for (int j = 0; j < 8; j++)                                                     \
      for (int v = 0; v < V; v++) ((vec*)(S + (a + j) * wide + c))[v] += sum[j][v]; \
  } while (0)

ASSAY_SIMD void gaussian_scatter(int64_t rows,
                                 int64_t wide,
                                 const double* restrict z,
                                 const double* restrict r,
                                 double* restrict scaled,
                                 double* restrict first,
                                 double* restrict S) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < wide; j++) {
      scaled[i * wide + j] = r[i] * z[i * wide + j];
      first[j] += scaled[i * wide + j];
    }
  for (int64_t a = 0; a < wide; a += 8) {
    int64_t c = 0;
    for (; c + 16 <= wide && c <= a; c += 16) SCATTER_OF(2);
    if (c <= a) SCATTER_OF(1);
  }
}
