// SPDX-License-Identifier: Apache-2.0
// What the tests about singular vectors share: LAPACK's triplets of a small matrix, and matrices of
// a known spectrum.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/kernels/linalg.hpp"
#include "tests/fit/support.hpp"

namespace assay::test {

// U n x k and V d x k row by row, s; of LAPACK all of them.
struct Triplets {
  int64_t n, d, k;
  std::vector<double> U, s, V;
  double& u(int64_t i, int64_t a) { return U[static_cast<size_t>(i * k + a)]; }
  double& v(int64_t j, int64_t a) { return V[static_cast<size_t>(j * k + a)]; }
};

inline std::vector<double> numbers(const graph::Buffer& b) {
  std::vector<double> out;
  for (int64_t i = 0; i < b.rows; ++i)
    for (int64_t a = 0; a < b.width; ++a) out.push_back(b.get(i, a));
  return out;
}

inline Triplets lapack(const Problem& p) {
  const int64_t r = std::min(p.n, p.d);
  Triplets t{p.n, p.d, r, {}, {}, {}};
  std::vector<double> a = p.x, vt(static_cast<size_t>(r * p.d));
  t.U.resize(static_cast<size_t>(p.n * r));
  t.V.resize(static_cast<size_t>(p.d * r));
  t.s.resize(static_cast<size_t>(r));
  const auto svd = kernels::la_table()->svd;
  REQUIRE(svd(p.n, p.d, a.data(), p.d, t.U.data(), r, t.s.data(), vt.data(), p.d) == ASSAY_OK);
  for (int64_t j = 0; j < p.d; ++j)
    for (int64_t c = 0; c < r; ++c) t.v(j, c) = vt[static_cast<size_t>(c * p.d + j)];
  return t;
}

// The largest entry of F'F - I.
inline double worst_product(const std::vector<double>& F, int64_t rows, int64_t k) {
  double worst = 0;
  for (int64_t a = 0; a < k; ++a)
    for (int64_t c = 0; c < k; ++c) {
      double sum = a == c ? -1 : 0;
      for (int64_t i = 0; i < rows; ++i)
        sum += F[static_cast<size_t>(i * k + a)] * F[static_cast<size_t>(i * k + c)];
      worst = std::max(worst, std::abs(sum));
    }
  return worst;
}

// Entries spread by a slow spectrum: s_a = 1 / (1 + a), random vectors.
inline Problem slow(int64_t n, int64_t d) {
  Problem p = random_problem(n, d, std::min(n, d), 5);
  for (double& v : p.x) v -= 2;
  Triplets t = lapack(p);
  std::fill(p.x.begin(), p.x.end(), 0.0);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < d; ++j)
      for (int64_t a = 0; a < t.k; ++a)
        p.x[static_cast<size_t>(i * d + j)] += t.u(i, a) * t.v(j, a) / static_cast<double>(1 + a);
  return p;
}

}  // namespace assay::test
