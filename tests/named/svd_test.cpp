// SPDX-License-Identifier: Apache-2.0
// Singular values and vectors against LAPACK's, by every method: small matrices known by hand, rank
// deficiency, dense and sparse, tall and wide, and what Eckart and Young promise.
#include <fstream>

#include "core/experiment/session.hpp"
#include "tests/named/spectral.hpp"

using namespace assay;
using namespace assay::test;

namespace {

const char* const kMethods[] = {"randomized", "subspace", "lanczos", "gram", "lapack", "power"};

spec::Trial trial(const std::string& method, int64_t k, int64_t steps) {
  spec::Trial t = mu_trial("squared", k);
  t.model.W.constraint = t.model.H.constraint = {};
  t.solver = use("solver", "svd");
  t.solver.options.values["method"].text = method;
  t.stop.max_iter = steps;
  return t;
}

std::vector<double> array(const Fixture& f, const char* name) {
  return numbers(f.model->state.at(f.model->results.at(name)));
}

Triplets fitted(std::shared_ptr<const data::Data> x, const spec::Trial& t) {
  const int64_t n = x->rows, d = x->cols;
  Fixture f(std::move(x), t);
  const fit::Result result = f.run();
  CHECK(result.stop != fit::Stop::kNonFinite);
  Triplets out{n, d, t.model.rank[0], array(f, "U"), array(f, "s"), array(f, "V")};
  // W and H are the same triplets.
  const std::vector<double> W = f.factor(0), H = f.factor(1);
  for (size_t i = 0; i < W.size(); ++i)
    CHECK(W[i] == out.U[i] * out.s[i % static_cast<size_t>(out.k)]);
  CHECK(H == out.V);
  return out;
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
  for (const auto& shape : {std::pair<int64_t, int64_t>{150, 40}, {37, 120}}) {
    const int64_t n = shape.first, d = shape.second;
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
    CHECK(nonneg.run().certificate.loss >= F * (1 - 1e-12));
  }
}

TEST_CASE("svd: power iteration with deflation, from the notes' starts") {
  // The second start, (.5, .5), is the first vector: A - 5 v v' maps it to rounding noise.
  const Problem p{2, 2, 2, {3, 2, 2, 3}};
  const double half = std::sqrt(0.5);
  for (const bool symmetric : {false, true}) {
    CAPTURE(symmetric);
    spec::Trial run = trial("power", 2, 50);
    run.solver.options.values["start"].list = {1, 0, 0.5, 0.5};
    run.solver.options.values["symmetric"].number = symmetric ? 1 : 0;
    Fixture f(dense(p), run);
    std::vector<std::string> log;
    const plugin::LogSink sink = [&log](int32_t, const std::string& text) { log.push_back(text); };
    f.task.plan.log = &sink;
    const fit::Result result = f.run();
    CHECK(result.stop == fit::Stop::kConverged);
    CHECK(result.iterations == 2);
    CHECK(std::count_if(log.begin(), log.end(), [](const std::string& line) {
            return line.find("drawn anew") != std::string::npos;
          }) == 1);
    const std::vector<double> s = array(f, "s"), V = array(f, "V");
    CHECK(worst_relative(s, {5, 1}) < 1e-13);
    CHECK(std::abs(V[0] - half) + std::abs(V[2] - half) < 1e-13);
    CHECK(std::abs(std::abs(V[1]) - half) + std::abs(V[1] + V[3]) < 1e-13);
    if (symmetric) CHECK(worst_relative(array(f, "eigenvalues"), {5, 1}) < 1e-13);
  }
}

TEST_CASE("svd: eigenvalues of symmetric matrices with their signs") {
  Problem p = random_problem(17, 17, 6, 9);
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j <= i; ++j) {
      const double mean = p.x[static_cast<size_t>(i * 17 + j)] - 0.4;
      p.x[static_cast<size_t>(i * 17 + j)] = p.x[static_cast<size_t>(j * 17 + i)] = mean;
    }
  std::vector<double> A = p.x, w(17);
  REQUIRE(kernels::la_table()->eigh(17, A.data(), 17, w.data()) == ASSAY_OK);
  std::sort(w.begin(), w.end(), [](double a, double c) { return std::abs(a) > std::abs(c); });
  w.resize(5);
  REQUIRE(*std::min_element(w.begin(), w.end()) < 0);
  const Problem swap{2, 2, 2, {0, 1, 1, 0}};  // 1 and -1: equal singular values
  for (const char* method : {"power", "lapack"}) {
    CAPTURE(method);
    spec::Trial run = trial(method, 5, 50);
    run.solver.options.values["symmetric"].number = 1;
    Fixture f(dense(p), run);
    f.run();
    CHECK(worst_relative(array(f, "eigenvalues"), w) < 1e-9);
    run.model.rank = {2};
    Fixture pair(dense(swap), run);
    pair.run();
    std::vector<double> both = array(pair, "eigenvalues");
    std::sort(both.begin(), both.end());
    CHECK(worst_relative(both, {-1, 1}) < 1e-13);
    CHECK(pair.run().certificate.loss < 1e-28);
  }
}

TEST_CASE("svd: the whole bases of the matrix of rank two") {
  const Problem p{
      4, 6, 4, {1, 2, 3, 4, 3, 3, 1, 2, 3, 4, 3, 3, 3, 3, 3, 1, 4, 5, 3, 3, 3, 1, 4, 5}};
  for (const char* method : kMethods) {
    CAPTURE(method);
    spec::Trial run = trial(method, 4, 50);
    run.solver.options.values["basis"].text = "full";
    Fixture f(dense(p), run);
    f.run();
    const std::vector<double> U = array(f, "U_full"), V = array(f, "V_full"), s = array(f, "s");
    REQUIRE(U.size() == 16);
    REQUIRE(V.size() == 36);
    CHECK(worst_product(U, 4, 4) < 1e-13);
    CHECK(worst_product(V, 6, 6) < 1e-13);
    std::vector<double> A(24, 0.0);
    for (size_t i = 0; i < 4; ++i)
      for (size_t j = 0; j < 6; ++j)
        for (size_t a = 0; a < 4; ++a) A[i * 6 + j] += U[i * 4 + a] * s[a] * V[j * 6 + a];
    CHECK(worst_relative(A, p.x) < 1e-13);
  }
}

TEST_CASE("svd: what A'A costs: gram is right to the square of the ratio, lapack to rounding") {
  // s_a = 10^-a.
  Problem p = random_problem(40, 12, 12, 5);
  for (double& v : p.x) v -= 1;
  Triplets t = lapack(p);
  std::fill(p.x.begin(), p.x.end(), 0.0);
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j < p.d; ++j)
      for (int64_t a = 0; a < t.k; ++a)
        p.x[static_cast<size_t>(i * p.d + j)] += t.u(i, a) * t.v(j, a) * std::pow(10.0, -a);
  const Triplets truth = lapack(p);
  for (const char* method : {"gram", "lanczos", "lapack"}) {
    CAPTURE(method);
    Triplets got = fitted(dense(p), trial(method, 10, 400));
    orthonormal_and_signed(got);
    for (size_t a = 0; a < 10; ++a) {
      CAPTURE(a);
      const double apart = std::abs(got.s[a] / truth.s[a] - 1);
      if (std::string(method) == "lapack") CHECK(apart < 1e-6);
      if (a <= 4) CHECK(apart < 1e-10);
    }
  }
}

TEST_CASE("svd: in float32 every method has the values to float32") {
  const Problem p = slow(150, 40);
  const Triplets truth = lapack(p);
  for (const char* method : kMethods) {
    CAPTURE(method);
    spec::Trial run = trial(method, 6, 60);
    run.solver.options.values["tolerance"].number = 1e-6;
    Fixture f(dense(p, ASSAY_F32), run);
    f.run();
    const std::vector<double> s = array(f, "s");
    for (size_t a = 0; a < 6; ++a) CHECK(std::abs(s[a] / truth.s[a] - 1) < 1e-5);
  }
}

TEST_CASE("svd: block Krylov keeps what subspace iteration throws away") {
  // Four powers of ten columns on a flat spectrum: the angle to the six leading right vectors.
  const Problem p = slow(400, 300);
  Triplets truth = lapack(p);
  spec::Trial run = trial("randomized", 6, 1);
  Triplets t = fitted(dense(p), run);
  double worst = 0;
  for (int64_t a = 0; a < 6; ++a) {
    double inside = 0;
    for (int64_t c = 0; c < 6; ++c) {
      double product = 0;
      for (int64_t j = 0; j < p.d; ++j) product += t.v(j, a) * truth.v(j, c);
      inside += product * product;
    }
    worst = std::max(worst, 1 - inside);
  }
  CHECK(worst < 1e-12);
}

TEST_CASE("svd: a steep spectrum of low rank, whose later directions are drawn and drawn again") {
  const int64_t n = 80, d = 30;
  Triplets truth = lapack(random_problem(n, d, d, 3));
  Problem p{n, d, d, std::vector<double>(static_cast<size_t>(n * d), 0.0)};
  const double s[] = {1, 1e-5, 5e-6, 3e-6};
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < d; ++j)
      for (int64_t a = 0; a < 4; ++a)
        p.x[static_cast<size_t>(i * d + j)] += truth.u(i, a) * s[a] * truth.v(j, a);
  for (const char* method : kMethods) {
    CAPTURE(method);
    Triplets got = fitted(dense(p), trial(method, 3, 400));
    orthonormal_and_signed(got);
    for (size_t a = 0; a < 3; ++a) CHECK(std::abs(got.s[a] / s[a] - 1) < 1e-6);
  }
}

TEST_CASE("svd: the unit of X does not matter, in float32 neither") {
  const Problem p = slow(150, 40);
  const Triplets truth = lapack(p);
  for (const double unit : {1e-12, 1e9})
    for (const char* method : kMethods) {
      CAPTURE(unit);
      CAPTURE(method);
      Problem scaled = p;
      for (double& v : scaled.x) v *= unit;
      spec::Trial run = trial(method, 6, 60);
      run.solver.options.values["tolerance"].number = 1e-6;
      Fixture f(dense(scaled, ASSAY_F32), run);
      f.run();
      const std::vector<double> s = array(f, "s");
      for (size_t a = 0; a < 6; ++a) CHECK(std::abs(s[a] / (unit * truth.s[a]) - 1) < 1e-5);
    }
}

TEST_CASE("svd: signed eigenvalues are of symmetric X only") {
  const Problem p = random_problem(9, 9, 9, 4);
  for (const char* method : {"power", "lapack"}) {
    CAPTURE(method);
    spec::Trial run = trial(method, 3, 50);
    run.solver.options.values["symmetric"].number = 1;
    Fixture f(dense(p), run);
    const auto result = fit::fit(f.task);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().message.find("not symmetric") != std::string::npos);
  }
}

TEST_CASE("svd: four powers find fifty directions of the clothes to an angle of 1e-6" *
          doctest::test_suite("long")) {
  const std::string path = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz";
  if (!std::ifstream(path)) {
    MESSAGE("skipped: " << path << " is not there (Debian's dataset-fashion-mnist)");
    return;
  }
  std::vector<double> V[2];
  for (const bool random : {false, true}) {
    auto runtime = experiment::Runtime::create(registry(), 2, "auto", "auto");
    REQUIRE(runtime.ok());
    experiment::Session session(*runtime);
    spec::Trial run = trial(random ? "randomized" : "gram", 50, 1);
    run.data.reader = use("reader", "idx");
    run.data.path = path;
    run.data.transforms = {use("transform", "centre")};
    run.solver.options.values["oversample"].number = 100;
    auto x = session.load(run);
    REQUIRE_MESSAGE(x.ok(), x.error().message);
    Fixture f(*x, run);
    f.run();
    V[random ? 1 : 0] = array(f, "V");
  }
  // The sine of the largest angle: the largest singular value of V1 - V0 V0'V1.
  const assay_la* la = kernels::la_table();
  std::vector<double> overlap(50 * 50), rest = V[1], U(784 * 50), s(50), Vt(50 * 50);
  REQUIRE(la->gemm(1, 0, 50, 50, 784, 1, V[0].data(), 50, V[1].data(), 50, 0, overlap.data(), 50) ==
          ASSAY_OK);
  REQUIRE(la->gemm(0, 0, 784, 50, 50, -1, V[0].data(), 50, overlap.data(), 50, 1, rest.data(),
                   50) == ASSAY_OK);
  REQUIRE(la->svd(784, 50, rest.data(), 50, U.data(), 50, s.data(), Vt.data(), 50) == ASSAY_OK);
  CHECK(s[0] < 1e-6);
}
