// SPDX-License-Identifier: Apache-2.0
// Principal components against LAPACK's triplets of the centred matrix: variances, likelihood, both
// objectives, whitening, the choice of their number, batches, and the way back to the units of the
// data.
#include "core/experiment/going_on.hpp"
#include "core/experiment/new_rows.hpp"
#include "core/spec/parse.hpp"
#include "tests/named/spectral.hpp"

using namespace assay;
using namespace assay::test;

namespace {

using Settings = std::vector<std::pair<std::string, double>>;

spec::Trial trial(const std::string& method, int64_t k, const Settings& settings = {}) {
  spec::Trial t = mu_trial("squared", k);
  t.model.W.constraint = t.model.H.constraint = {};
  t.solver = use("solver", "pca");
  auto& options = t.solver.options.values;
  options["method"].text = method;
  for (const auto& [name, value] : settings) options[name].number = value;
  t.stop.max_iter = 400;
  for (const char* id : {"standardise", "centre"})
    if (options[id].number != 0) t.data.transforms.push_back(use("transform", id));
  return t;
}

std::vector<double> array(const Fixture& f, const char* name) {
  return numbers(f.model->state.at(f.model->results.at(name)));
}

std::vector<double> means_of(const Problem& p) {
  std::vector<double> means(static_cast<size_t>(p.d), 0.0);
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j < p.d; ++j)
      means[static_cast<size_t>(j)] +=
          p.x[static_cast<size_t>(i * p.d + j)] / static_cast<double>(p.n);
  return means;
}
Problem centred(Problem p) {
  const std::vector<double> means = means_of(p);
  for (size_t at = 0; at < p.x.size(); ++at) p.x[at] -= means[at % static_cast<size_t>(p.d)];
  return p;
}

double total_variance(const Triplets& t) {
  double sum = 0;
  for (const double s : t.s) sum += s * s;
  return sum / static_cast<double>(t.n - 1);
}

// log N(rows; mean, C), C from k triplets and noise, by Cholesky of C.
double density(const Problem& x, Triplets& t, int64_t k, double noise) {
  const int64_t d = x.d;
  std::vector<double> C(static_cast<size_t>(d * d), 0.0), rows;
  for (int64_t i = 0; i < d; ++i)
    for (int64_t j = 0; j < d; ++j) {
      double& c = C[static_cast<size_t>(i * d + j)];
      c = i == j ? noise : 0;
      for (int64_t a = 0; a < k; ++a) {
        const double s = t.s[static_cast<size_t>(a)];
        c += t.v(i, a) * t.v(j, a) * (s * s / static_cast<double>(x.n - 1) - noise);
      }
    }
  const assay_la* la = kernels::la_table();
  REQUIRE(la->potrf(d, C.data(), d) == ASSAY_OK);
  double log_det = 0, squares = 0;
  for (int64_t i = 0; i < d; ++i) log_det += 2 * std::log(C[static_cast<size_t>(i * d + i)]);
  for (int64_t i = 0; i < x.n; ++i) {
    std::vector<double> row(x.x.begin() + i * d, x.x.begin() + (i + 1) * d), solved = row;
    REQUIRE(la->potrs(d, 1, C.data(), d, solved.data(), 1) == ASSAY_OK);
    for (size_t j = 0; j < row.size(); ++j) squares += row[j] * solved[j];
  }
  const auto n = static_cast<double>(x.n);
  return -0.5 *
         (n * static_cast<double>(d) * std::log(2 * std::acos(-1.0)) + n * log_det + squares);
}

// n rows in d columns that vary in m common orthogonal directions and by noise; the same every
// time.
Problem of_rank(int64_t n, int64_t d, int64_t m, double noise) {
  uint64_t state = 77;
  const auto next = [&state] {  // sum of uniforms: nearly normal
    double sum = -6;
    for (int i = 0; i < 12; ++i) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      sum += static_cast<double>(state >> 11) / 9007199254740992.0;
    }
    return sum;
  };
  std::vector<double> A(static_cast<size_t>(m * d));
  for (int64_t a = 0; a < m; ++a)
    for (int64_t j = 0; j < d; ++j)
      A[static_cast<size_t>(a * d + j)] =
          std::cos(std::acos(-1.0) * static_cast<double>(a + 1) * (static_cast<double>(j) + 0.5) /
                   static_cast<double>(d));
  Problem p{n, d, m, std::vector<double>(static_cast<size_t>(n * d))};
  for (int64_t i = 0; i < n; ++i) {
    std::vector<double> z(static_cast<size_t>(m));
    for (double& v : z) v = 2 * next();
    for (int64_t j = 0; j < d; ++j) {
      double x = 3 + noise * next();
      for (int64_t a = 0; a < m; ++a)
        x += z[static_cast<size_t>(a)] * A[static_cast<size_t>(a * d + j)];
      p.x[static_cast<size_t>(i * d + j)] = x;
    }
  }
  return p;
}

}  // namespace

TEST_CASE("pca: variances, scores, components and likelihood by every method") {
  for (const auto& shape : {std::pair<int64_t, int64_t>{90, 20}, {25, 40}}) {
    const int64_t n = shape.first, d = shape.second;
    Problem p = slow(n, d);
    for (size_t at = 0; at < p.x.size(); ++at) p.x[at] += static_cast<double>(at % 3);
    for (size_t at = 0; at < p.x.size(); at += 4) p.x[at] = 0;
    const Problem x = centred(p);
    Triplets truth = lapack(x);
    for (const char* method :
         {"auto", "gram", "randomized", "lanczos", "subspace", "lapack", "power"}) {
      for (const bool as_sparse : {false, true}) {
        CAPTURE(method);
        CAPTURE(n);
        CAPTURE(as_sparse);
        constexpr int64_t k = 3;
        Fixture f(as_sparse ? sparse(p) : dense(p), trial(method, k, {{"turns", 20000}}));
        f.run();
        const double total = total_variance(truth);
        const std::vector<double> variances = array(f, "explained_variance"),
                                  ratio = array(f, "explained_variance_ratio"),
                                  components = array(f, "components"), H = f.factor(1),
                                  W = f.factor(0);
        double rest = total;
        for (int64_t a = 0; a < k; ++a) {
          const auto at = static_cast<size_t>(a);
          const double expected = truth.s[at] * truth.s[at] / static_cast<double>(n - 1);
          rest -= expected;
          CHECK(std::abs(variances[at] / expected - 1) < 1e-9);
          CHECK(std::abs(ratio[at] * total / expected - 1) < 1e-9);
          double product = 0, scores = 0;
          for (int64_t j = 0; j < d; ++j) {
            CHECK(components[static_cast<size_t>(a * d + j)] == H[static_cast<size_t>(j * k + a)]);
            product += components[static_cast<size_t>(a * d + j)] * truth.v(j, a);
          }
          CHECK(1 - std::abs(product) < 1e-9);
          for (int64_t i = 0; i < n; ++i)
            scores += W[static_cast<size_t>(i * k + a)] * truth.u(i, a);
          CHECK(std::abs(std::abs(scores) / truth.s[at] - 1) < 1e-9);
        }
        const double noise = array(f, "noise_variance")[0];
        CHECK(std::abs(noise / (rest / static_cast<double>(d - k)) - 1) < 1e-9);
        CHECK(array(f, "n_components")[0] == k);
        CHECK(std::abs(array(f, "log_likelihood")[0] / density(x, truth, k, noise) - 1) < 1e-8);
      }
    }
  }
}

TEST_CASE("pca: in float32 variances and scores are right to float32") {
  Problem p = slow(90, 20);
  for (size_t at = 0; at < p.x.size(); ++at) p.x[at] += static_cast<double>(at % 3);
  const Triplets truth = lapack(centred(p));
  for (const char* method : {"gram", "randomized", "lanczos", "lapack", "incremental"}) {
    CAPTURE(method);
    spec::Trial run = trial(method, 20, {{"tolerance", 1e-6}, {"whiten", 1}});
    run.data.compute = "f32";
    Fixture f(dense(p, ASSAY_F32), run);
    f.run();
    const std::vector<double> variances = array(f, "explained_variance");
    for (size_t a = 0; a < 5; ++a)
      CHECK(std::abs(variances[a] * 89 / (truth.s[a] * truth.s[a]) - 1) < 1e-4);
    double product = 0;
    const std::vector<double> W = f.factor(0);
    for (size_t i = 0; i < 90; ++i) product += W[i * 20] * W[i * 20] / 89;
    CHECK(std::abs(product - 1) < 1e-4);
  }
}

TEST_CASE("pca: most spread is least distance, centred or not") {
  const Problem p = random_problem(70, 9, 4);
  for (const bool centre : {true, false}) {
    CAPTURE(centre);
    const Problem x = centre ? centred(p) : p;
    Fixture f(dense(p), trial("gram", 1, {{"centre", centre ? 1 : 0}}));
    f.run();
    double norm = 0;
    for (const double v : x.x) norm += v * v;
    const auto objectives = [&](const std::vector<double>& w) {
      double spread = 0, distance = 0;
      for (int64_t i = 0; i < x.n; ++i) {
        double score = 0;
        for (int64_t j = 0; j < x.d; ++j)
          score += x.x[static_cast<size_t>(i * x.d + j)] * w[static_cast<size_t>(j)];
        for (int64_t j = 0; j < x.d; ++j) {
          const double r =
              x.x[static_cast<size_t>(i * x.d + j)] - score * w[static_cast<size_t>(j)];
          distance += r * r;
        }
        spread += score * score;
      }
      CHECK(std::abs(spread + distance - norm) < 1e-10 * norm);
      return std::pair{spread, distance};
    };
    const std::vector<double> H = f.factor(1);
    const auto best = objectives(H);
    const double s = array(f, "singular_values")[0];
    CHECK(std::abs(best.first / (s * s) - 1) < 1e-10);
    for (int t = 1; t <= 50; ++t) {
      std::vector<double> w = H;
      double length = 0;
      for (size_t j = 0; j < w.size(); ++j)
        w[j] += 0.02 * t * std::sin(static_cast<double>(t) + 3 * static_cast<double>(j));
      for (const double v : w) length += v * v;
      for (double& v : w) v /= std::sqrt(length);
      const auto other = objectives(w);
      CHECK(other.first < best.first);
      CHECK(other.second > best.second);
    }
  }
}

TEST_CASE("pca: whitened scores have variance 1, and model, new rows and units come back") {
  const Problem p = slow(60, 12);
  for (const bool whiten : {false, true}) {
    for (const bool standardise : {false, true}) {
      CAPTURE(whiten);
      CAPTURE(standardise);
      const spec::Trial run =
          trial("gram", 12, {{"whiten", whiten ? 1 : 0}, {"standardise", standardise ? 1 : 0}});
      Fixture f(dense(p), run);
      const fit::Result result = f.run();
      const std::vector<double> W = f.factor(0), H = f.factor(1);
      if (whiten) {
        std::vector<double> scaled = W;
        for (double& v : scaled) v /= std::sqrt(59.0);
        CHECK(worst_product(scaled, 60, 12) < 1e-10);
      }
      const auto saved = experiment::save(run, "", *f.model, f.data, result, *registry());
      const auto rows = experiment::transform_rows(saved, dense(p), f.runtime);
      REQUIRE_MESSAGE(rows.ok(), rows.error().message);
      const auto* again = reinterpret_cast<const double*>(rows->W.bytes.data());
      CHECK(worst_relative(W, std::vector<double>(again, again + W.size())) < 1e-9);
      std::vector<double> X(p.x.size(), 0.0);
      for (size_t i = 0; i < 60; ++i)
        for (size_t j = 0; j < 12; ++j)
          for (size_t a = 0; a < 12; ++a) X[i * 12 + j] += W[i * 12 + a] * H[j * 12 + a];
      REQUIRE(experiment::undo_learnt(f.data.transforms, X.data(), 60, 12, f.runtime).ok());
      CHECK(worst_relative(p.x, X) < 1e-10);
    }
  }
}

TEST_CASE("pca: standardised, the total variance is the number of columns") {
  Problem p = random_problem(50, 8, 3);
  for (int64_t i = 0; i < p.n; ++i) p.x[static_cast<size_t>(i * p.d + 2)] = 0.3;  // constant
  for (const bool as_sparse : {false, true}) {
    for (const bool centred_first : {false, true}) {
      CAPTURE(as_sparse);
      CAPTURE(centred_first);
      spec::Trial run = trial("gram", 8, {{"standardise", 1}});
      if (centred_first) std::swap(run.data.transforms[0], run.data.transforms[1]);
      Fixture f(as_sparse ? sparse(p) : dense(p), run);
      f.run();
      double sum = 0;
      for (const double v : array(f, "explained_variance")) sum += v;
      CHECK(std::abs(sum - 7) < 1e-10);
    }
  }
}

TEST_CASE(
    "standardise: a column far from 0 counts by its own deviation, a constant one not at all") {
  Problem p = random_problem(50, 8, 3);
  for (int64_t i = 0; i < p.n; ++i) {
    double* row = &p.x[static_cast<size_t>(i * p.d)];
    row[2] = 1.7e9 + 0.3;  // constant
    row[4] = 1.7e9 + 1e3 * row[4];
    row[5] = 1e-9 * row[5];
  }
  std::string said;
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  runtime->log = [&said](int32_t, const std::string& line) { said += line + "; "; };
  const spec::Trial run = trial("gram", 8, {{"standardise", 1}});
  const auto prepared = experiment::prepare(run, dense(p), *runtime);
  REQUIRE(prepared.ok());
  const auto* learnt =
      reinterpret_cast<const double*>(prepared->transforms[0].learnt[0].bytes.data());
  const std::vector<double> means = means_of(p);
  for (int64_t j = 0; j < p.d; ++j) {
    CAPTURE(j);
    double squares = 0;
    for (int64_t i = 0; i < p.n; ++i) {
      const double away = p.x[static_cast<size_t>(i * p.d + j)] - means[static_cast<size_t>(j)];
      squares += away * away;
    }
    const double deviation = j == 2 ? 1 : std::sqrt(squares / 49);
    CHECK(std::abs(learnt[j] / deviation - 1) < 1e-9);
  }
  CHECK(said.find("`standardise` left 1 constant column as it is: column 3") != std::string::npos);
  Fixture f(dense(p), run);
  f.run();
  double sum = 0;
  for (const double v : array(f, "explained_variance")) sum += v;
  CHECK(std::abs(sum - 7) < 1e-6);
}

TEST_CASE("pca: directions stay orthonormal where no variance is left, and scores are 0") {
  for (const auto& shape : {std::pair<int64_t, int64_t>{40, 9}, {7, 12}}) {
    Problem p = random_problem(shape.first, shape.second, 3);
    for (size_t i = 0; i < static_cast<size_t>(p.n); ++i)  // two kinds of rows
      for (size_t j = 0; j < static_cast<size_t>(p.d); ++j)
        p.x[i * static_cast<size_t>(p.d) + j] = i % 2 == 0 ? 1 : static_cast<double>(j);
    for (const char* method : {"gram", "randomized", "lanczos", "subspace", "lapack"}) {
      CAPTURE(method);
      CAPTURE(p.n);
      Fixture f(dense(p), trial(method, 4));
      f.run();
      CHECK(worst_product(f.factor(1), p.d, 4) < 1e-8);
      const std::vector<double> W = f.factor(0);
      for (size_t at = 0; at < W.size(); ++at)
        if (at % 4 != 0) CHECK(std::abs(W[at]) < 1e-6);
    }
  }
}

TEST_CASE("pca: the number of components by fraction, evidence and parallel analysis") {
  const Problem p = of_rank(300, 15, 4, 0.5);
  for (const char* keep : {"mle", "parallel", "fraction", "all"}) {
    CAPTURE(keep);
    spec::Trial run = trial("gram", 10, {{"fraction", 0.9}});
    run.solver.options.values["keep"].text = keep;
    Fixture f(dense(p), run);
    f.run();
    const std::vector<double> ratio = array(f, "explained_variance_ratio");
    const double m = array(f, "n_components")[0];
    if (std::string(keep) == "mle" || std::string(keep) == "parallel") CHECK(m == 4);
    if (std::string(keep) == "all") CHECK(m == 10);
    double sum = 0;
    for (size_t a = 0; a < ratio.size(); ++a) {
      CHECK((ratio[a] > 0) == (static_cast<double>(a) < m));
      sum += ratio[a];
    }
    if (std::string(keep) == "fraction") {
      CHECK(sum >= 0.9);
      CHECK(sum - ratio[static_cast<size_t>(m) - 1] < 0.9);
    }
    const std::vector<double> H = f.factor(1);
    for (size_t at = 0; at < H.size(); ++at)
      if (static_cast<double>(at % 10) >= m) CHECK(H[at] == 0);
  }
  // Columns that have nothing in common.
  spec::Trial run = trial("gram", 5);
  run.solver.options.values["keep"].text = "parallel";
  for (const int64_t n : {300, 12}) {
    Fixture f(dense(of_rank(n, 15, 0, 0.5)), run);
    f.run();
    CHECK(array(f, "n_components")[0] <= 1);
  }
}

TEST_CASE("pca: batches that are exact give what all rows give") {
  // Rank 4 and a mean, kept whole by 5 components.
  const Problem p = of_rank(120, 15, 4, 0);
  for (const bool centre : {true, false}) {
    CAPTURE(centre);
    const double on = centre ? 1 : 0;
    Fixture all(dense(p), trial("gram", 5, {{"centre", on}}));
    all.run();
    for (const double batch : {7.0, 50.0, 1000.0}) {
      CAPTURE(batch);
      Fixture f(dense(p), trial("incremental", 5, {{"centre", on}, {"batch", batch}}));
      CHECK(f.run().iterations == 1);
      for (const char* name : {"singular_values", "explained_variance", "explained_variance_ratio"})
        CHECK(worst_relative(array(all, name), array(f, name)) < 1e-7);
      const std::vector<double> H = all.factor(1), other = f.factor(1);
      for (int64_t a = 0; a < 4; ++a) {
        double product = 0;
        for (int64_t j = 0; j < p.d; ++j)
          product += H[static_cast<size_t>(j * 5 + a)] * other[static_cast<size_t>(j * 5 + a)];
        CHECK(std::abs(product - 1) < 1e-10);
      }
    }
  }
}

TEST_CASE("pca: a saved incremental model goes on with the next rows, about the mean of all") {
  Problem p = of_rank(120, 15, 4, 0);
  for (size_t at = 80 * 15; at < p.x.size(); ++at) p.x[at] += static_cast<double>(at % 15 % 4);
  const auto rows = [&p](int64_t first, int64_t last) {
    return Problem{last - first, 15, 4, {p.x.begin() + first * 15, p.x.begin() + last * 15}};
  };
  for (const bool standardise : {false, true}) {
    CAPTURE(standardise);
    const spec::Trial run =
        trial("incremental", 5, {{"batch", 30}, {"standardise", standardise ? 1 : 0}});
    Fixture first(dense(rows(0, 80)), run);
    const fit::Result result = first.run();
    const auto saved = experiment::save(run, "", *first.model, first.data, result, *registry());
    auto more = experiment::partial_fit(saved, dense(rows(80, 100)), 1, first.runtime);
    REQUIRE_MESSAGE(more.ok(), more.error().message);
    more = experiment::partial_fit(more->model, dense(rows(100, 120)), 1, first.runtime);
    REQUIRE_MESSAGE(more.ok(), more.error().message);
    const auto values = [&more](const std::string& name) {
      const auto* m = more->model.find(name);
      REQUIRE(m != nullptr);
      const auto* at = reinterpret_cast<const double*>(m->bytes.data());
      return std::vector<double>(at, at + m->rows * m->cols);
    };
    const std::vector<double> W = values("W"), H = values("H"), means = means_of(p);
    const auto now = experiment::transforms_of(more->model, *registry());
    REQUIRE(now.ok());
    std::vector<double> back(20 * 15, 0.0), zero(15, 0.0);
    for (size_t i = 0; i < 20; ++i)
      for (size_t j = 0; j < 15; ++j)
        for (size_t a = 0; a < 5; ++a) back[i * 15 + j] += W[i * 5 + a] * H[a * 15 + j];
    REQUIRE(experiment::undo_learnt(*now, zero.data(), 1, 15, first.runtime).ok());
    CHECK(worst_relative(means, zero) < 1e-10);
    REQUIRE(experiment::undo_learnt(*now, back.data(), 20, 15, first.runtime).ok());
    CHECK(worst_relative(rows(100, 120).x, back) < 1e-6);
    CHECK(more->fitted.certificate.loss < 1e-6);
    if (standardise) continue;
    Fixture all(dense(p), run);
    all.run();
    CHECK(worst_relative(array(all, "singular_values"), values("singular_values")) < 1e-7);
    const std::vector<double> scores = all.factor(0);
    CHECK(worst_relative({scores.begin() + 100 * 5, scores.end()}, W) < 1e-6);
  }
}

TEST_CASE("pca: the solver's transforms stand behind the data's own and say whose they are") {
  const auto parsed = [](const std::string& solver) {
    auto out = spec::parse(
        "spec",
        "assay: 1\nname: t\ndata: { transforms: [log1p] }\nmodel: { rank: 2 "
        "}\nsolver: " +
            solver + "\n",
        [] {
          spec::Overrides o;
          o.from_memory = true;
          return o;
        }(),
        *registry());
    REQUIRE(out.ok());
    return out.experiment->trials.at(0);
  };
  const auto ids = [](const spec::Trial& t) {
    std::string all;
    for (const spec::Use& u : t.data.transforms) all += u.id + " ";
    return all;
  };
  CHECK(ids(parsed("pca")) == "log1p centre ");
  CHECK(ids(parsed("{ use: pca, centre: false }")) == "log1p ");
  const spec::Trial both = parsed("{ use: pca, standardise: true }");
  CHECK(ids(both) == "log1p standardise centre ");
  CHECK(both.config_json.find("\"standardise\"") != std::string::npos);
  const auto origin = [&](const std::string& path) {
    for (const auto& [key, from] : both.origins)
      if (key == path) return from;
    return std::string("missing");
  };
  CHECK(origin("data.transforms[2].use") == "brought by solver pca");
  CHECK(origin("data.transforms[1].ddof") == "brought by solver pca");
  CHECK(origin("data.transforms[0].use") != "brought by solver pca");
}

TEST_CASE("pca: what finds its directions in the rows at hand does not go on with others") {
  const Problem p = slow(60, 8), more = slow(20, 8);
  spec::Trial run = trial("gram", 3);
  Fixture first(dense(p), run);
  const fit::Result result = first.run();
  const auto saved = experiment::save(run, "", *first.model, first.data, result, *registry());
  const auto refused = experiment::partial_fit(saved, dense(more), 1, first.runtime);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message.find("cannot go on") != std::string::npos);
}
