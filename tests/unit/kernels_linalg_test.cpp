// SPDX-License-Identifier: Apache-2.0
// The dense algebra service: each factorization multiplies back, with rows longer than the matrix.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/kernels/linalg.hpp"

namespace {

// Row-major, four unused elements at the end of each row.
struct Dense {
  Dense(int64_t m_, int64_t n_, uint32_t seed = 0) : m(m_), n(n_), ld(n_ + 4) {
    a.assign(static_cast<size_t>(m * ld), -7.0);
    std::mt19937 engine(seed);
    std::normal_distribution<double> normal;
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) (*this)(i, j) = seed == 0 ? 0.0 : normal(engine);
    }
  }
  double& operator()(int64_t i, int64_t j) { return a[static_cast<size_t>(i * ld + j)]; }
  double operator()(int64_t i, int64_t j) const { return a[static_cast<size_t>(i * ld + j)]; }
  double* data() { return a.data(); }
  bool untouched() const {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = n; j < ld; ++j) {
        if ((*this)(i, j) != -7.0) return false;
      }
    }
    return true;
  }

  int64_t m, n, ld;
  std::vector<double> a;
};

Dense product(const Dense& a, const Dense& b, bool transpose_a = false, bool transpose_b = false) {
  const int64_t m = transpose_a ? a.n : a.m, k = transpose_a ? a.m : a.n;
  const int64_t n = transpose_b ? b.m : b.n;
  Dense c(m, n);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t p = 0; p < k; ++p) {
        c(i, j) += (transpose_a ? a(p, i) : a(i, p)) * (transpose_b ? b(j, p) : b(p, j));
      }
    }
  }
  return c;
}

double distance(const Dense& a, const Dense& b) {
  double worst = 0;
  for (int64_t i = 0; i < a.m; ++i) {
    for (int64_t j = 0; j < a.n; ++j) worst = std::max(worst, std::fabs(a(i, j) - b(i, j)));
  }
  return worst;
}

Dense identity(int64_t n) {
  Dense e(n, n);
  for (int64_t i = 0; i < n; ++i) e(i, i) = 1;
  return e;
}

Dense positive(int64_t n) {
  const Dense a(n + 3, n, 9);
  return product(a, a, true);
}

const assay_la& la() { return *assay::kernels::la_table(); }

}  // namespace

TEST_CASE("gemm in all four orientations") {
  for (const int32_t ta : {0, 1}) {
    for (const int32_t tb : {0, 1}) {
      Dense a(ta ? 4 : 5, ta ? 5 : 4, 1), b(tb ? 3 : 4, tb ? 4 : 3, 2), c(5, 3, 3);
      const Dense old = c, want = product(a, b, ta != 0, tb != 0);
      REQUIRE(la().gemm(ta, tb, 5, 3, 4, 2.0, a.data(), a.ld, b.data(), b.ld, -1.0, c.data(),
                        c.ld) == ASSAY_OK);
      Dense expected = want;
      for (int64_t i = 0; i < 5; ++i) {
        for (int64_t j = 0; j < 3; ++j) expected(i, j) = 2 * want(i, j) - old(i, j);
      }
      CHECK(distance(c, expected) < 1e-13);
      CHECK(c.untouched());
    }
  }
  double c = 5;
  CHECK(la().gemm(0, 0, 1, 1, 3, 1.0, &c, 2, &c, 1, 0.0, &c, 1) == ASSAY_E_ARGUMENT);
}

TEST_CASE("cholesky, its solve and its inverse") {
  const Dense a = positive(6);
  Dense l = a;
  REQUIRE(la().potrf(6, l.data(), l.ld) == ASSAY_OK);
  CHECK(l(0, 5) == 0);
  CHECK(l.untouched());
  CHECK(distance(product(l, l, false, true), a) < 1e-12);
  Dense x(6, 2, 4);
  const Dense b = x;
  REQUIRE(la().potrs(6, 2, l.data(), l.ld, x.data(), x.ld) == ASSAY_OK);
  CHECK(distance(product(a, x), b) < 1e-11);
  Dense inverse = l;
  REQUIRE(la().trtri(6, inverse.data(), inverse.ld) == ASSAY_OK);
  CHECK(distance(product(l, inverse), identity(6)) < 1e-12);

  Dense negative = identity(3);
  negative(1, 1) = -1;
  CHECK(la().potrf(3, negative.data(), negative.ld) == ASSAY_E_SINGULAR);
  negative(1, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK(la().potrf(3, negative.data(), negative.ld) == ASSAY_E_NUMERIC);
}

TEST_CASE("eigenvalues rise and eigenvectors are columns") {
  const Dense a = positive(7);
  Dense v = a;
  std::vector<double> w(7);
  REQUIRE(la().eigh(7, v.data(), v.ld, w.data()) == ASSAY_OK);
  CHECK(v.untouched());
  CHECK(std::is_sorted(w.begin(), w.end()));
  Dense scaled = v;
  for (int64_t i = 0; i < 7; ++i) {
    for (int64_t j = 0; j < 7; ++j) scaled(i, j) *= w[static_cast<size_t>(j)];
  }
  CHECK(distance(product(scaled, v, false, true), a) < 1e-11);
  CHECK(distance(product(v, v, true), identity(7)) < 1e-13);

  Dense notes(2, 2);  // [[3, 2], [2, 3]]: 1 and 5
  notes(0, 0) = notes(1, 1) = 3;
  notes(0, 1) = notes(1, 0) = 2;
  REQUIRE(la().eigh(2, notes.data(), notes.ld, w.data()) == ASSAY_OK);
  CHECK(w[0] == doctest::Approx(1));
  CHECK(w[1] == doctest::Approx(5));
}

TEST_CASE("svd of tall, wide and square matrices") {
  for (const auto& [m, n] : {std::pair<int64_t, int64_t>{7, 3}, {3, 7}, {4, 4}, {1, 5}}) {
    const int64_t r = std::min(m, n);
    const Dense a(m, n, 5);
    Dense work = a, u(m, r), vt(r, n);
    std::vector<double> s(static_cast<size_t>(r));
    REQUIRE(la().svd(m, n, work.data(), work.ld, u.data(), u.ld, s.data(), vt.data(), vt.ld) ==
            ASSAY_OK);
    CHECK(u.untouched());
    CHECK(vt.untouched());
    CHECK(std::is_sorted(s.rbegin(), s.rend()));
    CHECK(distance(product(u, u, true), identity(r)) < 1e-13);
    CHECK(distance(product(vt, vt, false, true), identity(r)) < 1e-13);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t p = 0; p < r; ++p) u(i, p) *= s[static_cast<size_t>(p)];
    }
    CHECK(distance(product(u, vt), a) < 1e-12);
  }
}

TEST_CASE("qr has orthonormal columns and a non-negative diagonal") {
  for (const int64_t n : {1, 3, 8}) {
    const Dense a(8, n, 6);
    Dense q = a, r(n, n);
    REQUIRE(la().qr(8, n, q.data(), q.ld, r.data(), r.ld) == ASSAY_OK);
    CHECK(q.untouched());
    CHECK(distance(product(q, r), a) < 1e-12);
    CHECK(distance(product(q, q, true), identity(n)) < 1e-13);
    for (int64_t i = 0; i < n; ++i) {
      CHECK(r(i, i) >= 0);
      for (int64_t j = 0; j < i; ++j) CHECK(r(i, j) == 0);
    }
  }
  Dense wide(2, 3, 7), r(3, 3);
  CHECK(la().qr(2, 3, wide.data(), wide.ld, r.data(), r.ld) == ASSAY_E_ARGUMENT);
}

TEST_CASE("the BLAS in use has a name") {
  CHECK(std::string(assay::kernels::blas_name()).size() > 3);
}
