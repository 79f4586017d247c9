// SPDX-License-Identifier: Apache-2.0
// Ridge on both factors is the nuclear norm on their product (Srebro, Rennie and Jaakkola 2005):
// the minimum of 1/2 |X - W H|^2 + lambda/2 (|W|^2 + |H|^2) over k components is that of
// 1/2 |X - M|^2 + lambda |M|_*, M = U soft(s, lambda) V' of the first k triplets (Hastie et al.
// 2015).
#include "tests/named/spectral.hpp"

using namespace assay;
using namespace assay::test;

namespace {

// A third of the entries, so that a sparse file makes sense.
Problem spotted() {
  Problem p = random_problem(40, 25, 6, 9);
  for (double& v : p.x)
    if (v < 0.5) v = 0;
  return p;
}

// Rank, lambda: where every component survives, and where soft-thresholding leaves fewer.
struct Ridge {
  int64_t k;
  double lambda;
};
std::vector<Ridge> ridges(const Triplets& t) {
  size_t widest = 3;  // gap below which iterations are few; some components, of either sign
  for (size_t a = 3; a < 8; ++a)
    if (t.s[a - 1] * t.s[widest] > t.s[widest - 1] * t.s[a]) widest = a;
  const auto k = static_cast<int64_t>(widest);
  return {{k, 0.5 * t.s[widest]}, {k + 3, std::sqrt(t.s[widest - 1] * t.s[widest])}};
}

struct Closed {
  double objective = 0, nuclear = 0;
  std::vector<double> M;
};
Closed closed(Triplets t, const Ridge& r) {
  Closed c;
  c.M.assign(static_cast<size_t>(t.n * t.d), 0.0);
  for (int64_t a = 0; a < t.k; ++a) {
    const double s = t.s[static_cast<size_t>(a)];
    const double soft = a < r.k ? std::max(s - r.lambda, 0.0) : 0;
    c.objective += 0.5 * (s - soft) * (s - soft) + r.lambda * soft;
    c.nuclear += soft;
    for (int64_t i = 0; i < t.n; ++i)
      for (int64_t j = 0; j < t.d; ++j)
        c.M[static_cast<size_t>(i * t.d + j)] += t.u(i, a) * soft * t.v(j, a);
  }
  return c;
}

// By alternating ridge regression: exact rows of `anls_bpp` in a box that no entry reaches, which
// leaves signs free; `admm` and `palm` leave a factor without a constraint free by themselves.
spec::Trial ridge(const std::string& solver, const Ridge& r) {
  spec::Trial t = mu_trial("squared", r.k);
  t.model.W.constraint = t.model.H.constraint = {};
  if (solver == "anls_bpp") {
    spec::Use box = use("penalty", "box");
    box.options.values["lower"].number = -1e300;
    box.options.values["upper"].number = 1e300;
    t.model.W.constraint = t.model.H.constraint = box;
  }
  penalise(t, "l2", r.lambda);
  t.solver = use("solver", solver);
  t.stop.max_iter = 4000;
  t.stop.kkt_tol = 1e-12;
  t.measure.every = 20;
  return t;
}

double squares(const std::vector<double>& f) {
  double sum = 0;
  for (const double v : f) sum += v * v;
  return sum;
}

}  // namespace

TEST_CASE("ridge on both factors is soft-thresholding of singular values") {
  for (const bool is_sparse : {false, true}) {
    const Problem p = is_sparse ? spotted() : slow(40, 25);
    const Triplets t = lapack(p);
    for (const Ridge& r : ridges(t)) {
      const Closed known = closed(t, r);
      for (const std::string solver : {"anls_bpp", "admm", "palm"}) {
        CAPTURE(is_sparse);
        CAPTURE(r.k);
        CAPTURE(solver);
        Fixture f(is_sparse ? sparse(p) : dense(p), ridge(solver, r));
        const fit::Result done = f.run();
        const double objective = done.trace.rows.back().objective;
        CHECK(objective == doctest::Approx(known.objective).epsilon(1e-9));
        const std::vector<double> W = f.factor(0), H = f.factor(1);
        std::vector<double> M(known.M.size(), 0.0);
        for (int64_t i = 0; i < p.n; ++i)
          for (int64_t j = 0; j < p.d; ++j)
            for (int64_t a = 0; a < r.k; ++a)
              M[static_cast<size_t>(i * p.d + j)] +=
                  W[static_cast<size_t>(i * r.k + a)] * H[static_cast<size_t>(j * r.k + a)];
        CHECK(worst_relative(known.M, M) < 1e-6);
        // Each factor has taken its half of the nuclear norm.
        CHECK(squares(W) == doctest::Approx(known.nuclear).epsilon(1e-6));
        CHECK(squares(H) == doctest::Approx(known.nuclear).epsilon(1e-6));
        CHECK(*std::min_element(W.begin(), W.end()) < 0);
      }
    }
  }
}
