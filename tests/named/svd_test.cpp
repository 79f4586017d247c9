// SPDX-License-Identifier: Apache-2.0
// Singular values and vectors against LAPACK's, by every method: small matrices known by hand, rank
// deficiency, dense and sparse, tall and wide, and what Eckart and Young promise.
#include <algorithm>
#include <cmath>

#include "core/kernels/linalg.hpp"
#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

const char* const kMethods[] = {"randomized", "subspace", "lanczos", "gram", "lapack", "power"};

// U n x k and V d x k row by row, s; of LAPACK all of them.
struct Triplets {
  int64_t n, d, k;
  std::vector<double> U, s, V;
  double& u(int64_t i, int64_t a) { return U[static_cast<size_t>(i * k + a)]; }
  double& v(int64_t j, int64_t a) { return V[static_cast<size_t>(j * k + a)]; }
};

std::vector<double> numbers(const graph::Buffer& b) {
  std::vector<double> out;
  for (int64_t i = 0; i < b.rows; ++i)
    for (int64_t a = 0; a < b.width; ++a) out.push_back(b.get(i, a));
  return out;
}

spec::Trial trial(const std::string& method, int64_t k, int64_t steps) {
  spec::Trial t = mu_trial("squared", k);
  t.model.W.constraint = t.model.H.constraint = {};
  t.solver = use("solver", "svd");
  t.solver.options.values["method"].text = method;
  t.stop.max_iter = steps;
  return t;
}

Triplets fitted(std::shared_ptr<const data::Data> x, const spec::Trial& t) {
  const int64_t n = x->rows, d = x->cols;
  Fixture f(std::move(x), t);
  const fit::Result result = f.run();
  CHECK(result.stop != fit::Stop::kNonFinite);
  const auto array = [&](const char* name) {
    return numbers(f.model->state.at(f.model->results.at(name)));
  };
  Triplets out{n, d, t.model.rank[0], array("U"), array("s"), array("V")};
  // W and H are the same triplets.
  const std::vector<double> W = f.factor(0), H = f.factor(1);
  for (size_t i = 0; i < W.size(); ++i)
    CHECK(W[i] == out.U[i] * out.s[i % static_cast<size_t>(out.k)]);
  CHECK(H == out.V);
  return out;
}

Triplets lapack(const Problem& p) {
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

double worst_product(const std::vector<double>& F, int64_t rows, int64_t k) {
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

void orthonormal_and_signed(Triplets& t) {
  CHECK(worst_product(t.U, t.n, t.k) < 1e-13);
  CHECK(worst_product(t.V, t.d, t.k) < 1e-13);
  for (int64_t a = 0; a < t.k; ++a) {
    double least = 0, most = 0;
    for (int64_t j = 0; j < t.d; ++j) {
      least = std::min(least, t.v(j, a));
      most = std::max(most, t.v(j, a));
    }
    CHECK(most >= -least);
    if (a > 0) CHECK(t.s[static_cast<size_t>(a)] <= t.s[static_cast<size_t>(a - 1)]);
  }
}

// Entries spread by a slow spectrum: s_a = 1 / (1 + a), random vectors.
Problem slow(int64_t n, int64_t d) {
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

}  // namespace

TEST_CASE("svd: the matrix worked out by hand") {
  const Problem p{2, 2, 2, {3, 2, 2, 3}};
  for (const char* method : kMethods) {
    CAPTURE(method);
    Triplets t = fitted(dense(p), trial(method, 2, 50));
    CHECK(std::abs(t.s[0] - 5) < 1e-13);
    CHECK(std::abs(t.s[1] - 1) < 1e-13);
    const double half = std::sqrt(0.5);
    CHECK(std::abs(t.v(0, 0) - half) + std::abs(t.v(1, 0) - half) < 1e-13);
    CHECK(std::abs(std::abs(t.v(0, 1)) - half) < 1e-13);
    CHECK(std::abs(t.v(0, 1) + t.v(1, 1)) < 1e-13);
    orthonormal_and_signed(t);
  }
}

TEST_CASE("svd: singular values of zero have finite, orthonormal vectors") {
  const Problem p{
      4, 6, 4, {1, 2, 3, 4, 3, 3, 1, 2, 3, 4, 3, 3, 3, 3, 3, 1, 4, 5, 3, 3, 3, 1, 4, 5}};
  const Problem none{5, 3, 3, std::vector<double>(15, 0.0)};
  for (const char* method : kMethods) {
    CAPTURE(method);
    Triplets t = fitted(dense(p), trial(method, 4, 50));
    CHECK(std::abs(t.s[0] - 14.74) < 0.005);
    CHECK(std::abs(t.s[1] - 4.1) < 0.05);
    CHECK(t.s[2] < 1e-7);
    CHECK(t.s[3] < 1e-7);
    orthonormal_and_signed(t);
    t = fitted(dense(none), trial(method, 3, 5));
    orthonormal_and_signed(t);
    CHECK(t.s == std::vector<double>(3, 0.0));
  }
}

TEST_CASE("svd: the values of LAPACK and its leading vectors, tall, wide, dense, sparse") {
  for (const auto& [n, d] : {std::pair<int64_t, int64_t>{150, 40}, {37, 120}}) {
    const Problem p = slow(n, d);
    Triplets truth = lapack(p);
    for (const char* method : kMethods) {
      for (const bool as_sparse : {false, true}) {
        CAPTURE(method);
        CAPTURE(n);
        CAPTURE(as_sparse);
        const bool exact = std::string(method) != "randomized";
        spec::Trial run = trial(method, 6, 400);
        run.solver.options.values["power"].number = 20;
        Triplets t = fitted(as_sparse ? sparse(p) : dense(p), run);
        orthonormal_and_signed(t);
        for (int64_t a = 0; a < t.k; ++a) {
          const auto at = static_cast<size_t>(a);
          CHECK(std::abs(t.s[at] / truth.s[at] - 1) < 1e-10);
          double product = 0;
          for (int64_t j = 0; j < d; ++j) product += t.v(j, a) * truth.v(j, a);
          CHECK(1 - std::abs(product) < (exact ? 1e-12 : 1e-8));
        }
      }
    }
  }
}

TEST_CASE("svd: equal singular values are all found") {
  // Twice the same block: every singular value is there twice, which one Krylov sequence does not
  // see.
  const Problem half = slow(12, 9);
  Problem p{24, 18, 6, std::vector<double>(24 * 18)};
  for (int64_t i = 0; i < 24; ++i)
    for (int64_t j = 0; j < 18; ++j)
      if ((i < 12) == (j < 9))
        p.x[static_cast<size_t>(i * 18 + j)] = half.x[static_cast<size_t>(i % 12 * 9 + j % 9)];
  for (const char* method : kMethods) {
    CAPTURE(method);
    spec::Trial run = trial(method, 6, 400);
    run.solver.options.values["power"].number = 20;
    Triplets t = fitted(dense(p), run);
    for (int64_t a = 0; a < 6; ++a)
      CHECK(std::abs(t.s[static_cast<size_t>(a)] * static_cast<double>(1 + a / 2) - 1) < 1e-8);
    orthonormal_and_signed(t);
  }
}

TEST_CASE("svd: the error of rank k is that of Eckart and Young, and no other W H is nearer") {
  const Problem p = random_problem(60, 23, 8);
  const Triplets truth = lapack(p);
  for (const int64_t k : {1, 4, 7}) {
    double beyond = 0;
    for (size_t a = static_cast<size_t>(k); a < truth.s.size(); ++a)
      beyond += truth.s[a] * truth.s[a];
    Fixture best(dense(p), trial("lanczos", k, 400)), nonneg(dense(p), mu_trial("squared", k));
    const double F = best.run().certificate.loss;
    CHECK(std::abs(2 * F - beyond) < 1e-10 * beyond);
    CHECK(nonneg.run().certificate.loss >= F);
  }
}
