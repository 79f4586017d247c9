// SPDX-License-Identifier: Apache-2.0
// What the solvers are for: planted structure is found, exact promises hold to rounding, new rows
// are fitted, and combinations that cannot work are refused.
#include <set>

#include "core/experiment/model_file.hpp"
#include "core/experiment/new_rows.hpp"
#include "core/spec/parse.hpp"
#include "tests/factors/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

int64_t largest(const Mat& F, int64_t i) {
  int64_t best = 0;
  for (int64_t a = 1; a < F.cols; ++a)
    if (F(i, a) > F(i, best)) best = a;
  return best;
}

// Whether rows of F have their largest entry in one component per group of `size` rows, each
// group's its own.
bool separates(const Mat& F, int64_t size) {
  std::set<int64_t> used;
  for (int64_t first = 0; first < F.rows; first += size) {
    const int64_t a = largest(F, first);
    for (int64_t i = first; i < first + size; ++i)
      if (largest(F, i) != a) return false;
    if (!used.insert(a).second) return false;
  }
  return true;
}

// The lowest objective of a few starts.
std::unique_ptr<Fixture> best_of(const Case& c, int starts) {
  std::unique_ptr<Fixture> best;
  double lowest = 0;
  for (int s = 0; s < starts; ++s) {
    spec::Trial trial = c.trial;
    trial.seed = static_cast<uint64_t>(s);
    auto f = std::make_unique<Fixture>(dense(c.problem), trial);
    const double objective = f->run().trace.rows.back().objective;
    if (!best || objective < lowest) best = std::move(f), lowest = objective;
  }
  return best;
}

Error error_of(const Case& c, std::shared_ptr<const data::Data> x = nullptr) {
  Fixture f(x ? x : dense(c.problem), c.trial);
  auto result = fit::fit(f.task);
  REQUIRE_FALSE(result.ok());
  return result.error();
}

}  // namespace

TEST_CASE("tri: planted biclusters are found") {
  // 3 groups of rows by 3 of columns, a level for each pair (Ding et al. 2006, section 6).
  const double level[3][3] = {{5, 0.5, 0.5}, {0.5, 4, 0.5}, {0.5, 0.5, 6}};
  Problem p{45, 24, 3, std::vector<double>(45 * 24)};
  const Problem noise = random_problem(45, 24, 3);
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j < p.d; ++j) {
      const auto at = static_cast<size_t>(i * p.d + j);
      p.x[at] = level[i / 15][j / 8] + 0.1 * noise.x[at];
    }
  for (const char* orthogonal : {"none", "both"}) {
    CAPTURE(orthogonal);
    Case c{"tri", trial_of("tri", {3, 3}), p};
    set_option(c.trial, "orthogonal", orthogonal);
    c.trial.stop.max_iter = 1500;
    c.trial.measure.every = 100;
    const auto f = best_of(c, 4);
    const Mat W = factor(*f, 0), H = factor(*f, 1), S = factor(*f, 2);
    CHECK(half_squares(matrix(p) - W * S * t(H)) < 0.01 * half_squares(matrix(p)));
    if (std::string(orthogonal) == "both") {
      CHECK(separates(W, 15));
      CHECK(separates(H, 8));
    }
  }
}

TEST_CASE("symmetric: planted blocks of a similarity are found") {
  Problem p{36, 36, 3, std::vector<double>(36 * 36)};
  const Problem noise = random_problem(36, 36, 3);
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j <= i; ++j)
      p.x[static_cast<size_t>(i * p.d + j)] = p.x[static_cast<size_t>(j * p.d + i)] =
          (i / 12 == j / 12 ? 1 : 0.05) + 0.1 * noise.x[static_cast<size_t>(i * p.d + j)];
  for (const char* rule : {"monotone", "damped"}) {
    for (const std::vector<int64_t>& rank : {std::vector<int64_t>{3}, std::vector<int64_t>{3, 3}}) {
      Case c{"symmetric", trial_of("symmetric", rank), p};
      set_option(c.trial, "rule", rule);
      c.trial.stop.max_iter = 400;
      c.trial.measure.every = 100;
      const auto f = best_of(c, 3);
      CHECK(separates(factor(*f, 0), 12));
      CHECK(f->factor(0) == f->factor(1));
    }
  }
}

TEST_CASE("onmf: W'W = I to rounding and one component per row, whatever the data") {
  struct Data {
    int64_t n, d, k;
    bool zeros, equal;
  };
  for (const Data& data : {Data{60, 23, 4, false, false}, Data{40, 10, 7, true, false},
                           Data{12, 9, 5, false, true}, Data{6, 8, 6, false, false}}) {
    Problem p = random_problem(data.n, data.d, data.k);
    for (int64_t i = 0; i < p.n; ++i)
      for (int64_t j = 0; j < p.d; ++j) {
        double& x = p.x[static_cast<size_t>(i * p.d + j)];
        if (data.zeros && i % 2) x = 0;
        if (data.equal) x = 1 + static_cast<double>(j);
      }
    for (const int64_t steps : {1, 2, 25}) {
      Case c{"onmf", trial_of("onmf", {data.k}), p};
      c.trial.stop.max_iter = steps;
      Fixture f(dense(p), c.trial);
      f.run();
      const Mat W = factor(f, 0), G = t(W) * W;
      for (int64_t a = 0; a < G.rows; ++a)
        for (int64_t b = 0; b < G.cols; ++b) CHECK(std::abs(G(a, b) - (a == b ? 1 : 0)) < 1e-13);
      for (int64_t i = 0; i < W.rows; ++i) {
        int positive = 0;
        for (int64_t a = 0; a < W.cols; ++a) positive += W(i, a) > 0;
        CHECK(positive <= 1);
      }
    }
  }
}

TEST_CASE("convex: H is A'X with A >= 0, and A is part of the result") {
  for (const Case& c : cases()) {
    if (c.name.rfind("convex", 0) != 0) continue;
    CAPTURE(c.name);
    Fixture f(dense(c.problem), c.trial);
    const fit::Result r = f.run();
    REQUIRE(f.model->results.count("A") == 1);
    const graph::Buffer& b = f.model->state.at(f.model->results.at("A"));
    Mat A(b.rows, b.width);
    for (int64_t i = 0; i < b.rows; ++i)
      for (int64_t a = 0; a < b.width; ++a) {
        A(i, a) = b.get(i, a);
        CHECK(A(i, a) >= 0);
      }
    CHECK(distance(factor(f, 1), t(matrix(c.problem)) * A) < 1e-13);
    CHECK(std::isfinite(r.trace.rows.back().kkt));
    const auto saved = experiment::save(c.trial, "", *f.model, f.data, r, *f.runtime.registry);
    REQUIRE(saved.find("A") != nullptr);
    CHECK(saved.find("A")->rows == c.problem.n);
  }
}

TEST_CASE(
    "convex, onmf, symmetric: the residual is that of what they minimise, and stops the fit") {
  const auto norm = [](const Mat& a) { return std::sqrt(2 * half_squares(a)); };
  const auto relative = [&norm](const Mat& F, const Mat& n, const Mat& d) {
    Mat g = d - n;
    for (size_t i = 0; i < g.v.size(); ++i)
      if (F.v[i] <= 1e-14) g.v[i] = std::min(g.v[i], 0.0);
    return norm(g) / (norm(n) + norm(d));
  };
  for (const char* name : {"convex", "symmetric", "onmf"}) {
    CAPTURE(name);
    const bool is_convex = std::string(name) == "convex", even = std::string(name) == "symmetric";
    Case c{name, trial_of(name, {3}, is_convex ? "nf" : "nn"),
           even ? symmetric_problem(30, 3) : random_problem(30, 17, 3)};
    std::vector<Form> forms = unequal_forms(c.problem);
    forms.push_back(
        {"all alike", dense(c.problem), map(matrix(c.problem), [](double) { return 1.0; })});
    for (const Form& form : forms) {
      CAPTURE(form.name);
      Fixture f(form.x, c.trial);
      const double kkt = f.run().certificate.kkt;
      const Mat X = matrix(c.problem), W = factor(f, 0), H = factor(f, 1), &w = form.weights;
      const auto weighed = [&w](const Mat& m) {
        return zip(w, m, [](double v, double x) { return v * x; });
      };
      const Mat wx = weighed(X), wm = weighed(W * t(H));
      if (is_convex) {
        const Mat Y = zip(X, w, [](double x, double v) { return v > 0 ? x : 0; });
        const graph::Buffer& b = f.model->state.at(f.model->results.at("A"));
        Mat A(b.rows, b.width);
        for (int64_t i = 0; i < b.rows; ++i)
          for (int64_t a = 0; a < b.width; ++a) A(i, a) = b.get(i, a);
        CHECK(kkt == doctest::Approx(std::max(relative(W, wx * H, wm * H),
                                              relative(A, Y * (t(wx) * W), Y * (t(wm) * W))))
                         .epsilon(1e-7));
      } else if (even) {
        CHECK(kkt ==
              doctest::Approx(relative(W, wx * W + t(wx) * W, wm * W + t(wm) * W)).epsilon(1e-7));
      } else {
        const Mat P = wx * H, Q = w * map(H, [](double h) { return h * h; });
        Mat V(W.rows, W.cols);
        for (int64_t i = 0; i < V.rows; ++i) {
          int64_t best = 0;
          for (int64_t a = 1; a < V.cols; ++a)
            if (P(i, a) * P(i, a) / Q(i, a) > P(i, best) * P(i, best) / Q(i, best)) best = a;
          V(i, best) = P(i, best) / Q(i, best);
        }
        const Mat G = t(V) * V;
        for (int64_t i = 0; i < V.rows; ++i)
          for (int64_t a = 0; a < V.cols; ++a) V(i, a) /= std::sqrt(G(a, a));
        CHECK(kkt == doctest::Approx(norm(V - W) / std::sqrt(3.0)).epsilon(1e-6).scale(1e-9));
      }
      spec::Trial longer = c.trial;
      longer.stop.max_iter = 20000;
      longer.stop.kkt_tol = 1e-3;
      longer.measure.every = 50;
      Fixture g(form.x, longer);
      const fit::Result r = g.run();
      CHECK(r.stop == fit::Stop::kConverged);
      CHECK(r.certificate.kkt <= 1e-3);
    }
  }
}

TEST_CASE("three factors: the certificate's residual is that of the three gradients") {
  const Case c{"tri", trial_of("tri", {4, 3}), random_problem(60, 23, 4)};
  Fixture f(dense(c.problem), c.trial);
  const fit::Result r = f.run();
  const Mat X = matrix(c.problem), W = factor(f, 0), H = factor(f, 1), S = factor(f, 2),
            M = W * S * t(H);
  const std::pair<Mat, Mat> halves[3] = {
      {X * H * t(S), M * H * t(S)}, {t(X) * W * S, t(M) * W * S}, {t(W) * X * H, t(W) * M * H}};
  const Mat* const F[3] = {&W, &H, &S};
  double worst = 0;
  for (size_t s = 0; s < 3; ++s) {
    const auto norm = [](const Mat& a) { return std::sqrt(2 * half_squares(a)); };
    Mat g = halves[s].second - halves[s].first;
    for (size_t i = 0; i < g.v.size(); ++i)
      if (F[s]->v[i] <= 1e-14) g.v[i] = std::min(g.v[i], 0.0);
    worst = std::max(worst, norm(g) / (norm(halves[s].first) + norm(halves[s].second)));
  }
  CHECK(r.certificate.kkt == doctest::Approx(worst).epsilon(1e-8));
  CHECK(r.certificate.loss == doctest::Approx(half_squares(X - M)).epsilon(1e-12));
  // The loss of the step's own products is the certificate's.
  CHECK(r.trace.rows[5].objective > r.certificate.loss);
  spec::Trial longer = c.trial;
  longer.stop.max_iter = 20000;
  longer.stop.kkt_tol = 1e-4;
  longer.measure.every = 200;
  Fixture g(dense(c.problem), longer);
  CHECK(g.run().stop == fit::Stop::kConverged);
}

TEST_CASE("new rows: transform of the training rows fits no worse than the model did") {
  for (const Case& c : cases()) {
    if (c.name.rfind("semi, W", 0) == 0) continue;
    CAPTURE(c.name);
    spec::Trial trial = c.trial;
    trial.stop.max_iter = 3000;
    trial.stop.rel_tol = 1e-12;
    trial.measure.every = 50;
    Fixture f(dense(c.problem), trial);
    const fit::Result r = f.run();
    auto saved = experiment::save(trial, "", *f.model, f.data, r, *f.runtime.registry);
    auto rows = experiment::transform_rows(saved, dense(c.problem), f.runtime);
    REQUIRE_MESSAGE(rows.ok(), rows.error().message);
    // Multiplicative steps from another start come close to the least loss, not onto it.
    CHECK(rows->fitted.certificate.loss <= r.certificate.loss * (1 + 1e-4) + 1e-12);
  }
}

TEST_CASE("refused: what these solvers cannot do, in words") {
  Case rectangular{"symmetric", trial_of("symmetric", {3}), random_problem(12, 9, 3)};
  CHECK(error_of(rectangular).message.find("square") != std::string::npos);
  Case uneven{"symmetric", trial_of("symmetric", {3}), random_problem(12, 12, 3)};
  CHECK(error_of(uneven).message.find("not symmetric") != std::string::npos);
  Case both{"semi", trial_of("semi", {3}, "nn"), random_problem()};
  CHECK(error_of(both).message.find("may be negative") != std::string::npos);
  Case kl{"tri", trial_of("tri", {3, 3}, "nnn", "kl"), random_problem()};
  set_option(kl.trial, "orthogonal", "w");
  CHECK(error_of(kl).message.find("squared loss") != std::string::npos);
  Case negative{"onmf", trial_of("onmf", {3}), signed_problem(12, 9, 3)};
  CHECK(error_of(negative).message.find("X >= 0") != std::string::npos);
  Case penalised{"convex", trial_of("convex", {3}, "nf"), random_problem()};
  penalised.trial.model.H.penalties = {use("penalty", "l2")};
  CHECK(error_of(penalised).message.find("no penalties on H") != std::string::npos);
}

TEST_CASE("refused before data are read: what the spec alone shows") {
  const auto codes = [](const std::string& model, const std::string& solver,
                        const std::string& more = "") {
    std::string found;
    const auto parsed = spec::parse("refused.yaml",
                                    "assay: 1\nname: refused\nmodel: { " + model +
                                        " }\ninit: random\nsolver: " + solver + "\n" + more,
                                    {{}, {}, true}, *registry());
    for (const auto& d : parsed.diagnostics) found += d.code + " ";
    return found;
  };
  const std::string nonneg = "{ constraint: nonneg }",
                    l2 = "{ penalties: [{ use: l2, weight: 1 }] }";
  CHECK(codes("rank: 3, W: " + nonneg, "semi") == "");
  CHECK(codes("rank: 3", "semi") == "");
  CHECK(codes("rank: 3, W: " + nonneg + ", H: " + nonneg, "semi") == "E0212 ");
  CHECK(codes("rank: 3, W: " + nonneg + ", H: " + l2, "semi") == "E0212 ");
  CHECK(codes("rank: 3, W: " + nonneg, "convex") == "");
  CHECK(codes("rank: 3, W: " + nonneg + ", H: " + l2, "convex") == "E0212 ");
  CHECK(codes("rank: 3, H: " + nonneg, "convex") == "E0212 ");
  CHECK(codes("rank: 3", "onmf") == "");
  CHECK(codes("rank: 3, W: { fixed: w.csv }", "onmf") == "E0212 ");
  CHECK(codes("rank: [3, 3]", "symmetric") == "");
  CHECK(codes("rank: [3, 4]", "symmetric") == "E0212 ");
  CHECK(codes("rank: 3, W: { fixed: w.csv }", "symmetric") == "E0212 ");
  const std::string kept = "{ use: tri, orthogonal: both }",
                    split = "split: { use: entries, test: 0.1 }\n";
  CHECK(codes("rank: [3, 4]", kept) == "");
  CHECK(codes("rank: [3, 4], loss: kl", kept) == "E0212 ");
  CHECK(codes("rank: [3, 4]", kept, split) == "E0212 ");
  CHECK(codes("rank: [3, 4]", "tri", split) == "");
  const std::string additive = "{ use: gradient, step: lee_seung }";
  CHECK(codes("rank: 3, H: " + nonneg, additive) == "");
  for (const char* set : {"box", "simplex", "unit_norm"})
    CHECK(codes(std::string("rank: 3, H: { constraint: ") + set + " }", additive) == "E0212 ");
}

TEST_CASE("a refusal points at what stands in the way and says what would be taken") {
  const auto refusal = [](const std::string& model, const std::string& solver) {
    const auto parsed = spec::parse("refused.yaml",
                                    "assay: 1\nname: refused\nmodel: { rank: 3, " + model +
                                        " }\ninit: random\nsolver: " + solver + "\n",
                                    {{}, {}, true}, *registry());
    REQUIRE(parsed.diagnostics.size() == 1);
    return parsed.diagnostics.front();
  };
  const auto tied = refusal("H: { constraint: unit_norm }", "sgd");
  CHECK(tied.code == "E0212");
  CHECK(tied.path == "model.H.constraint");
  REQUIRE(!tied.help.empty());
  const auto bare = refusal("loss: { use: l1, smoothing: 0 }", "hals");
  CHECK(bare.code == "E0204");
  REQUIRE(!bare.help.empty());
  CHECK(bare.help.front() == "leave `smoothing` out: `hals` takes `l1` with its default");
}
