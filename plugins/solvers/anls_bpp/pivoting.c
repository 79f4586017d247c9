/* SPDX-License-Identifier: Apache-2.0 */
/* Block principal pivoting with one Cholesky factor for all rows of a pattern. */
#include "pivoting.h"

#include <assay/plugin.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* IDLE: nothing but its penalties speaks for the component; it stays where it is. */
enum { LOWER, FREE, UPPER, IDLE };
enum { PATIENCE = 3 };
/* Pivots below this share of the largest make G singular: 100 roundings of its entries. */
static const double kSingular = 100 * DBL_EPSILON;
/* Then q gets kRidge max(G) / 2 |w - start|^2, whose minimiser is unique and not above the start.
 */
static const double kRidge = 1e-10;
/* A bound is left, and a free component is out, by more than rounding only. */
static const double kSlack = 32 * DBL_EPSILON;

typedef struct {
  const least_squares* p;
  double *A, *b, *start, *slope; /* k x k, k, n x k, k */
  double ridge;
  int64_t *free, *rows;     /* indices of free components; rows of a pattern */
  uint64_t* hash;           /* of a row's pattern */
  int32_t *best, *patience; /* of a row: fewest exchanges so far; rounds left without progress */
  uint8_t *state, *done;    /* n x k; n */
} work;

static int64_t lines(int64_t bytes) { return (bytes + 63) / 64 * 64; }

int64_t least_squares_bytes(int64_t n, int64_t k) {
  const int64_t real = sizeof(double);
  return lines(k * k * real) + 3 * lines(k * real) + lines(n * k * real) + 2 * lines(n * real) +
         2 * lines(n * (int64_t)sizeof(int32_t)) + lines(n * k) + lines(n);
}

static void* take(char** at, int64_t bytes) {
  void* p = *at;
  *at += lines(bytes);
  return p;
}

/* A (m x m, upper triangle, row-major) = U'U in place; the smallest pivot, or one <= 0 at once. */
ASSAY_SIMD static double cholesky(int64_t m, double* A) {
  double smallest = INFINITY;
  for (int64_t j = 0; j < m; j++) {
    double* restrict row = A + j * m;
    if (!(row[j] > 0)) return 0;
    smallest = row[j] < smallest ? row[j] : smallest;
    const double root = __builtin_sqrt(row[j]), inverse = 1 / root;
    row[j] = root;
    for (int64_t c = j + 1; c < m; c++) row[c] *= inverse;
    for (int64_t i = j + 1; i < m; i++) {
      double* restrict below = A + i * m;
      const double f = row[i];
      for (int64_t c = i; c < m; c++) below[c] -= f * row[c];
    }
  }
  return smallest;
}

/* U'U x = b in place of b. */
ASSAY_SIMD static void solve(int64_t m, const double* U, double* restrict b) {
  for (int64_t j = 0; j < m; j++) {
    const double* row = U + j * m;
    b[j] /= row[j];
    for (int64_t c = j + 1; c < m; c++) b[c] -= b[j] * row[c];
  }
  for (int64_t j = m - 1; j >= 0; j--) {
    const double* row = U + j * m;
    double part[4] = {b[j], 0, 0, 0};
    int64_t c = j + 1;
    for (; c + 4 <= m; c += 4)
      for (int64_t l = 0; l < 4; l++) part[l] -= row[c + l] * b[c + l];
    for (; c < m; c++) part[0] -= row[c] * b[c];
    b[j] = ((part[0] + part[1]) + (part[2] + part[3])) / row[j];
  }
}

/* slope = (G + D) w - r: the gradient of q. */
ASSAY_SIMD static void gradient(const least_squares* p,
                                const double* restrict r,
                                const double* restrict w,
                                double* restrict slope) {
  const int64_t k = p->k;
  const double* restrict diag = p->diag;
  for (int64_t c = 0; c < k; c++) slope[c] = diag[c] * w[c] - r[c];
  for (int64_t a = 0; a < k; a++) {
    if (w[a] == 0) continue;
    const double f = w[a], *restrict g = p->G + a * p->ldg;
    for (int64_t c = 0; c < k; c++) slope[c] += f * g[c];
  }
}

static double clip(double v, double lower, double upper) {
  v = v > lower ? v : lower;
  return v < upper ? v : upper;
}

/* Feasible starts, and free whatever lies between its bounds there: near the solution the pattern
 * is right at once. */
static void set_out(work* s) {
  const least_squares* p = s->p;
  for (int64_t i = 0; i < p->n; i++) {
    const double *r = p->R + i * p->ld, *lower = p->lower + i * p->ld,
                 *upper = p->upper + i * p->ld;
    double *w = p->W + i * p->ld, *start = s->start + i * p->k;
    uint8_t* state = s->state + i * p->k;
    for (int64_t a = 0; a < p->k; a++) {
      w[a] = clip(w[a], lower[a], upper[a]);
      state[a] = w[a] <= lower[a] ? LOWER : w[a] >= upper[a] ? UPPER : FREE;
      if (!(p->G[a * p->ldg + a] + p->diag[a] >= DBL_MIN)) {
        const double cheapest = r[a] < 0 ? lower[a] : r[a] > 0 ? upper[a] : w[a];
        if (isfinite(cheapest)) w[a] = cheapest;
        state[a] = IDLE;
      }
      start[a] = w[a];
    }
    s->best[i] = INT32_MAX;
    s->patience[i] = PATIENCE;
    s->done[i] = 0;
  }
}

/* 0, or the weight of the proximal term that a singular G needs. */
static double ridge_of(const work* s) {
  const least_squares* p = s->p;
  double largest = 0;
  int64_t m = 0;
  for (int64_t a = 0; a < p->k; a++) {
    if (s->state[a] == IDLE) continue;
    s->free[m++] = a;
    const double own = p->G[a * p->ldg + a] + p->diag[a];
    largest = own > largest ? own : largest;
  }
  for (int64_t i = 0; i < m; i++) {
    for (int64_t j = 0; j < m; j++) s->A[i * m + j] = p->G[s->free[i] * p->ldg + s->free[j]];
    s->A[i * m + i] += p->diag[s->free[i]];
  }
  return m == 0 || cholesky(m, s->A) > kSingular * (double)p->k * largest ? 0 : kRidge * largest;
}

/* The solution of row i for its pattern, whose free components are s->free and whose factor is
 * s->A. */
static void solve_row(const work* s, int64_t i, int64_t m) {
  const least_squares* p = s->p;
  double* w = p->W + i * p->ld;
  const uint8_t* state = s->state + i * p->k;
  const double *r = p->R + i * p->ld, *start = s->start + i * p->k;
  for (int64_t j = 0; j < m; j++) {
    const int64_t a = s->free[j];
    s->b[j] = r[a] + s->ridge * start[a];
  }
  for (int64_t c = 0; c < p->k; c++) {
    if (state[c] == FREE) continue;
    if (state[c] != IDLE) w[c] = (state[c] == LOWER ? p->lower : p->upper)[i * p->ld + c];
    if (w[c] == 0) continue;
    for (int64_t j = 0; j < m; j++) s->b[j] -= w[c] * p->G[s->free[j] * p->ldg + c];
  }
  solve(m, s->A, s->b);
  for (int64_t j = 0; j < m; j++) w[s->free[j]] = s->b[j];
}

/* Marks what row i would exchange by the sign of its change: 0 nothing is left to do. */
static int64_t exchange(work* s, int64_t i) {
  const least_squares* p = s->p;
  const double *w = p->W + i * p->ld, *r = p->R + i * p->ld, *start = s->start + i * p->k;
  const double *lower = p->lower + i * p->ld, *upper = p->upper + i * p->ld;
  uint8_t* state = s->state + i * p->k;
  double size = 0, pull = 0;
  gradient(p, r, w, s->slope);
  for (int64_t a = 0; a < p->k; a++) {
    s->slope[a] += s->ridge * (w[a] - start[a]);
    size = fabs(w[a]) > size ? fabs(w[a]) : size;
    pull = fabs(r[a]) > pull ? fabs(r[a]) : pull;
  }
  int64_t wrong = 0, last = -1;
  uint8_t next = FREE;
  for (int pass = 0; pass < 2; pass++) { /* count them, then exchange all of them or the last */
    for (int64_t a = 0; a < p->k; a++) {
      uint8_t to = state[a];
      if (state[a] == FREE)
        to = w[a] < lower[a] - kSlack * size   ? LOWER
             : w[a] > upper[a] + kSlack * size ? UPPER
                                               : FREE;
      else if ((state[a] == LOWER && s->slope[a] < -kSlack * pull) ||
               (state[a] == UPPER && s->slope[a] > kSlack * pull))
        to = FREE;
      if (to == state[a]) continue;
      if (pass == 1) {
        state[a] = to;
      } else {
        wrong++;
        last = a;
        next = to;
      }
    }
    if (pass == 1 || wrong == 0) break;
    if (wrong < s->best[i]) {
      s->best[i] = (int32_t)wrong;
      s->patience[i] = PATIENCE;
    } else if (s->patience[i]-- <= 0) {
      state[last] = next;
      break;
    }
  }
  return wrong;
}

static uint64_t hash_of(const uint8_t* state, int64_t k) {
  uint64_t h = 1469598103934665603u;
  for (int64_t a = 0; a < k; a++) h = (h ^ state[a]) * 1099511628211u;
  return h;
}

/* One round: patterns one after another, each factored once. The number of rows that are not done;
   -1 when a pattern's matrix has no factor. */
static int64_t round_of(work* s) {
  const least_squares* p = s->p;
  const int64_t n = p->n, k = p->k;
  int64_t left = 0;
  for (int64_t i = 0; i < n; i++) s->hash[i] = s->done[i] ? 0 : hash_of(s->state + i * k, k);
  for (int64_t first = 0; first < n; first++) {
    if (s->done[first]) continue;
    int64_t m = 0, count = 0;
    const uint8_t* state = s->state + first * k;
    for (int64_t i = first; i < n; i++)
      if (!s->done[i] && s->hash[i] == s->hash[first] &&
          memcmp(s->state + i * k, state, (size_t)k) == 0)
        s->rows[count++] = i;
    for (int64_t a = 0; a < k; a++)
      if (state[a] == FREE) s->free[m++] = a;
    for (int64_t i = 0; i < m; i++) {
      const double* g = p->G + s->free[i] * p->ldg;
      for (int64_t j = i; j < m; j++) s->A[i * m + j] = g[s->free[j]];
      s->A[i * m + i] += p->diag[s->free[i]] + s->ridge;
    }
    if (m > 0 && !(cholesky(m, s->A) > 0)) {
      left = -1;
      break;
    }
    for (int64_t j = 0; j < count; j++) {
      solve_row(s, s->rows[j], m);
      const int64_t wrong = exchange(s, s->rows[j]);
      s->done[s->rows[j]] = wrong == 0 ? 1 : 2; /* 2: seen in this round */
      left += wrong != 0;
    }
  }
  for (int64_t i = 0; i < n; i++) s->done[i] = s->done[i] == 1;
  return left;
}

/* What is left when pivoting does not end: exact minimisers of one component after another, from
 * the start. */
static void descend(const work* s, int64_t i) {
  const least_squares* p = s->p;
  double* w = p->W + i * p->ld;
  memcpy(w, s->start + i * p->k, (size_t)p->k * sizeof *w);
  for (int64_t turn = 0; turn < 3 * p->k; turn++) {
    const int64_t a = turn % p->k;
    const double own = p->G[a * p->ldg + a] + p->diag[a];
    if (!(own >= DBL_MIN)) continue;
    gradient(p, p->R + i * p->ld, w, s->slope);
    w[a] = clip(w[a] - s->slope[a] / own, p->lower[i * p->ld + a], p->upper[i * p->ld + a]);
  }
}

/* Keeps the start of a row where the change d = w - start does not pay: q(w) - q(start) = d'(slope
   + 1/2 (G + D) d), whose rounding vanishes with d. */
static void keep_the_better(const work* s, int64_t i) {
  const least_squares* p = s->p;
  const double* start = s->start + i * p->k;
  double *w = p->W + i * p->ld, *d = s->b, *middle = s->A, gain = 0;
  int moved = 0;
  for (int64_t a = 0; a < p->k; a++) {
    w[a] = clip(w[a], p->lower[i * p->ld + a], p->upper[i * p->ld + a]);
    d[a] = w[a] - start[a];
    moved = moved || d[a] != 0;
    middle[a] = start[a] + 0.5 * d[a];
  }
  if (!moved) return;
  gradient(p, p->R + i * p->ld, middle, s->slope); /* slope + 1/2 (G + D) d */
  for (int64_t a = 0; a < p->k; a++) gain += d[a] * s->slope[a];
  if (!(gain <= 0)) memcpy(w, start, (size_t)p->k * sizeof *w);
}

void least_squares_solve(const least_squares* p, void* memory) {
  const int64_t n = p->n, k = p->k, real = sizeof(double);
  char* at = memory;
  work s = {.p = p};
  s.A = take(&at, k * k * real);
  s.b = take(&at, k * real);
  s.slope = take(&at, k * real);
  s.free = take(&at, k * real);
  s.start = take(&at, n * k * real);
  s.rows = take(&at, n * real);
  s.hash = take(&at, n * real);
  s.best = take(&at, n * (int64_t)sizeof(int32_t));
  s.patience = take(&at, n * (int64_t)sizeof(int32_t));
  s.state = take(&at, n * k);
  s.done = take(&at, n);
  set_out(&s);
  s.ridge = ridge_of(&s);
  int64_t left = n;
  for (int64_t rounds = 10 * k + 20; left > 0 && rounds > 0; rounds--) left = round_of(&s);
  for (int64_t i = 0; i < n; i++) {
    if (!s.done[i]) descend(&s, i);
    keep_the_better(&s, i);
  }
}
