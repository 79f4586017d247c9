/* SPDX-License-Identifier: Apache-2.0 */
/* Multiplicative updates for the squared loss as one person writes them in C for one rank: no
 * library, one thread, all three matrices row-major. The yardstick for the cost of the general
 * machinery on small problems.
 *
 *   mu_digits N D STEPS REPEATS X.f64 W.f64 H.f64    (raw doubles; rank 16)
 *
 * prints the median seconds per step over the repeats and the objective 1/2 |X - W H|^2 after STEPS
 * steps. */
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { K = 16 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double* load(const char* path, size_t count) {
  double* values = aligned_alloc(64, (count * sizeof(double) + 63) / 64 * 64);
  FILE* file = fopen(path, "rb");
  if (!values || !file || fread(values, sizeof(double), count, file) != count) {
    fprintf(stderr, "mu_digits: cannot read %s\n", path);
    exit(2);
  }
  fclose(file);
  return values;
}

typedef double vec __attribute__((vector_size(64), may_alias)); /* half a row of K components */
enum { ROWS = 4 }; /* rows of X at a time: 8 sums stay in registers */

/* One step: W, then H. While four rows of X are in the first-level cache they give X H', and with
 * their new W also their part of W'X. Ht is H transposed (d x k), S the sum W'X (d x k, as Ht). */
static void step(long n,
                 long d,
                 const double* restrict X,
                 double* restrict W,
                 double* restrict H,
                 vec* restrict Ht,
                 vec* restrict S) {
  vec G[K][2], Q[K][2];
  memset(G, 0, sizeof G);
  memset(Q, 0, sizeof Q);
  memset(S, 0, (size_t)(d * K) * sizeof(double));
  for (long a = 0; a < K; a++)
    for (long j = 0; j < d; j++) ((double*)Ht)[j * K + a] = H[a * d + j];
  for (long j = 0; j < d; j++)
    for (long a = 0; a < K; a++)
      for (long h = 0; h < 2; h++) G[a][h] += H[a * d + j] * Ht[2 * j + h];
  for (long i = 0; i < n; i += ROWS) {
    const long rows = n - i < ROWS ? n - i : ROWS;
    const double* x[ROWS]; /* past the end the last row is read again, with weight 0 below */
    vec num[ROWS][2] = {{{0}}}, w[ROWS][2] = {{{0}}};
    for (long r = 0; r < ROWS; r++) x[r] = X + (i + (r < rows ? r : rows - 1)) * d;
    for (long j = 0; j < d; j++)
      for (long r = 0; r < ROWS; r++)
        for (long h = 0; h < 2; h++) num[r][h] += x[r][j] * Ht[2 * j + h];
    for (long r = 0; r < rows; r++) {
      vec *row = (vec*)(W + (i + r) * K),
          den[2] = {{1e-16, 1e-16, 1e-16, 1e-16, 1e-16, 1e-16, 1e-16, 1e-16}};
      den[1] = den[0];
      for (long b = 0; b < K; b++)
        for (long h = 0; h < 2; h++) den[h] += W[(i + r) * K + b] * G[b][h];
      for (long h = 0; h < 2; h++) w[r][h] = row[h] *= num[r][h] / den[h];
      for (long b = 0; b < K; b++)
        for (long h = 0; h < 2; h++) Q[b][h] += W[(i + r) * K + b] * w[r][h];
    }
    for (long j = 0; j < d; j++)
      for (long h = 0; h < 2; h++) {
        vec sum = S[2 * j + h];
        for (long r = 0; r < ROWS; r++) sum += x[r][j] * w[r][h];
        S[2 * j + h] = sum;
      }
  }
  for (long j = 0; j < d; j++) {
    const double *h = (const double*)(Ht + 2 * j), *s = (const double*)(S + 2 * j);
    double den[K] = {0};
    for (long b = 0; b < K; b++)
      for (long a = 0; a < K; a++) den[a] += h[b] * ((const double*)Q[b])[a];
    for (long a = 0; a < K; a++) H[a * d + j] *= s[a] / (den[a] + 1e-16);
  }
}

static double objective(long n, long d, const double* X, const double* W, const double* H) {
  double sum = 0;
  for (long i = 0; i < n; i++)
    for (long j = 0; j < d; j++) {
      double r = X[i * d + j];
      for (long a = 0; a < K; a++) r -= W[i * K + a] * H[a * d + j];
      sum += r * r;
    }
  return 0.5 * sum;
}

static int by_value(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

int main(int argc, char** argv) {
  if (argc != 8) {
    fprintf(stderr, "usage: mu_digits N D STEPS REPEATS X.f64 W.f64 H.f64\n");
    return 2;
  }
  const long n = atol(argv[1]), d = atol(argv[2]), steps = atol(argv[3]), repeats = atol(argv[4]);
  const size_t w_bytes = (size_t)(n * K) * sizeof(double),
               h_bytes = (size_t)(d * K) * sizeof(double);
  double* X = load(argv[5], (size_t)(n * d));
  double *W0 = load(argv[6], (size_t)(n * K)), *H0 = load(argv[7], (size_t)(d * K));
  double *W = aligned_alloc(64, w_bytes), *H = aligned_alloc(64, h_bytes);
  vec *Ht = aligned_alloc(64, h_bytes), *S = aligned_alloc(64, h_bytes);
  double* seconds = malloc((size_t)repeats * sizeof(double));
  if (!W || !H || !Ht || !S || !seconds) return 2;
  for (long r = 0; r < repeats; r++) {
    memcpy(W, W0, w_bytes);
    memcpy(H, H0, h_bytes);
    const double start = now();
    for (long s = 0; s < steps; s++) step(n, d, X, W, H, Ht, S);
    seconds[r] = (now() - start) / (double)steps;
  }
  qsort(seconds, (size_t)repeats, sizeof(double), by_value);
  printf("%.9g %.17g\n", seconds[repeats / 2], objective(n, d, X, W, H));
  return 0;
}
