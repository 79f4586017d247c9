// SPDX-License-Identifier: Apache-2.0
// k-means against published optima and against itself as a factorization: iris, digits, weights,
// empty clusters, duplicate rows, restarts.
#include "tests/named/kmeans.hpp"

#include "core/data/observe.hpp"

using namespace assay;
using namespace assay::test;

namespace {

const Problem kFour{4, 2, 2, {0, 0, .5, 0, .5, 1, 1, 1}};

}  // namespace

TEST_CASE("k-means: iris in three clusters, the proven optimum") {
  const Problem p = table("iris.csv", 4);
  REQUIRE(p.n == 150);
  Fixture f(dense(p), with_restarts(kmeans(3), 20));
  const fit::Result r = f.run();
  CHECK(r.stop == fit::Stop::kConverged);
  CHECK(2 * r.trace.rows.back().objective == doctest::Approx(78.85144).epsilon(1e-7));
  CHECK(inertia(*f.model, p) == doctest::Approx(78.85144).epsilon(1e-7));
  CHECK(r.trace.rows.back().kkt < 1e-14);
}

TEST_CASE("k-means: weights of rows") {
  auto x = data::weigh_rows(*dense(kFour), {4, 1, {3, 1, 1, 3}});
  REQUIRE(x.ok());
  Fixture f(std::make_shared<const data::Data>(std::move(*x)), kmeans(2));
  start_at(f, {{0, 0}, {1, 1}});
  const fit::Result r = f.run();
  CHECK(2 * r.trace.rows.back().objective == doctest::Approx(.375));
  const double expected[2][2] = {{.125, 0}, {.875, 1}};
  for (int64_t a = 0; a < 2; ++a)
    for (int64_t j = 0; j < 2; ++j)
      CHECK(f.model->factor[1].get(j, a) == doctest::Approx(expected[a][j]));
  for (int64_t i = 0; i < 4; ++i) CHECK(label(*f.model, i) == (i < 2 ? 0 : 1));
}

TEST_CASE("k-means: an empty cluster takes the farthest row") {
  Fixture f(dense(kFour), kmeans(2));
  start_at(f, {{.5, .5}, {3, 3}});
  const fit::Result r = f.run();
  never_rises(r.trace);
  CHECK(2 * r.trace.rows.back().objective == doctest::Approx(.25));
  // Rows 0 and 3 are equally far: the first moves, so that the second cluster has rows 0 and 1.
  const double expected[2][2] = {{.75, 1}, {.25, 0}};
  for (int64_t a = 0; a < 2; ++a)
    for (int64_t j = 0; j < 2; ++j)
      CHECK(f.model->factor[1].get(j, a) == doctest::Approx(expected[a][j]));
}

TEST_CASE("k-means: a cluster whose rows weigh nothing is empty") {
  auto x = data::weigh_rows(*dense(Problem{5, 1, 3, {0, 1, 10, 12, 100}}), {5, 1, {1, 1, 1, 1, 0}});
  REQUIRE(x.ok());
  Fixture f(std::make_shared<const data::Data>(std::move(*x)), kmeans(3));
  start_at(f, {{.5}, {11}, {100}});
  // Of the rows that weigh something 10 is the first of the farthest.
  CHECK(f.run().trace.rows.back().objective == doctest::Approx(.25));
  CHECK(f.model->factor[1].get(0, 1) == doctest::Approx(12));
  CHECK(f.model->factor[1].get(0, 2) == doctest::Approx(10));
}

TEST_CASE("k-means: fewer distinct rows than clusters leave clusters empty, and are reported") {
  Problem p{30, 2, 5, {}};
  for (int64_t i = 0; i < p.n; ++i) {
    p.x.push_back(static_cast<double>(i % 3));
    p.x.push_back(static_cast<double>(i % 3 == 1));
  }
  for (const char* init : {"kmeans_plus_plus", "random_rows", "random"}) {
    CAPTURE(init);
    Fixture f(dense(p), kmeans(5, init));
    std::vector<std::string> said;
    const plugin::LogSink log = [&said](int32_t level, const std::string& text) {
      if (level == ASSAY_LOG_WARNING) said.push_back(text);
    };
    f.task.plan.log = &log;
    const fit::Result r = f.run();
    CHECK(r.stop == fit::Stop::kConverged);
    CHECK(r.trace.rows.back().objective < 1e-12);
    CHECK(std::any_of(said.begin(), said.end(), [](const std::string& text) {
      return text.find("2 of 5 clusters have no rows") != std::string::npos;
    }));
  }
}

TEST_CASE("k-means: inertia is the squared norm of X - WH, in every storage") {
  const Problem p = random_problem(200, 17, 5);
  const std::vector<std::vector<double>> start = {
      std::vector<double>(p.x.begin(), p.x.begin() + 17),
      std::vector<double>(p.x.begin() + 17 * 50, p.x.begin() + 17 * 51),
      std::vector<double>(p.x.begin() + 17 * 90, p.x.begin() + 17 * 91)};
  std::vector<double> centres;
  for (const auto& x : {dense(p), sparse(p), dense(p, ASSAY_F32)}) {
    Fixture f(x, kmeans(3));
    start_at(f, start);
    const fit::Result r = f.run();
    never_rises(r.trace, f.model->compute == ASSAY_F32 ? 1e-5 : 1e-12);
    CHECK(2 * r.trace.rows.back().objective == doctest::Approx(inertia(*f.model, p)).epsilon(1e-6));
    if (centres.empty()) centres = f.factor(1);
    CHECK(worst_relative(centres, f.factor(1)) < 1e-6);
    // The host's own product of the one-hot W and H.
    CHECK(r.trace.rows.back().metrics.at(0) ==
          doctest::Approx(2 * r.trace.rows.back().objective).epsilon(1e-6));
  }
}

TEST_CASE("k-means: data far from the origin lose no digits") {
  const double far_away = 1048576;
  Problem near = random_problem(300, 6, 3), far = near;
  for (size_t e = 0; e < near.x.size(); ++e) {
    far.x[e] += far_away;
    near.x[e] = far.x[e] - far_away;  // to the digits that far.x keeps
  }
  const auto start = [](const Problem& p) {
    std::vector<std::vector<double>> rows;
    for (int64_t a = 0; a < 4; ++a)
      rows.emplace_back(p.x.begin() + a * 70 * p.d, p.x.begin() + (a * 70 + 1) * p.d);
    return rows;
  };
  Fixture here(dense(near), kmeans(4)), there(dense(far), kmeans(4));
  start_at(here, start(near));
  start_at(there, start(far));
  const double expected = here.run().trace.rows.back().objective;
  CHECK(there.run().trace.rows.back().objective == doctest::Approx(expected).epsilon(1e-8));
}

TEST_CASE("inertia of sparse X far from the origin is summed by differences") {
  Problem p = random_problem(120, 9, 4);
  for (double& v : p.x) v += 1e6;
  for (int64_t i = 0; i < p.n; ++i) p.x[static_cast<size_t>(i * p.d + 5)] = 0;  // not stored
  Fixture f(sparse(p), kmeans(4));
  const fit::Result r = f.run();
  CHECK(r.trace.rows.back().metrics[0] == doctest::Approx(inertia(*f.model, p)).epsilon(1e-9));
}

TEST_CASE("k-means: labels are those of the final centroids, wherever the fit ends") {
  const Problem p = random_problem(400, 9, 4);
  spec::Trial t = kmeans(7);
  for (const int64_t steps : {1, 2, 3, 100}) {
    t.stop.max_iter = steps;
    Fixture f(dense(p), t);
    f.run();
    for (int64_t i = 0; i < p.n; ++i) {
      double best = INFINITY;
      int64_t nearest = -1;
      for (int64_t a = 0; a < 7; ++a) {
        double sum = 0;
        for (int64_t j = 0; j < p.d; ++j) {
          const double from = p.x[static_cast<size_t>(i * p.d + j)] - f.model->factor[1].get(j, a);
          sum += from * from;
        }
        if (sum < best - 1e-12) {
          best = sum;
          nearest = a;
        }
      }
      CHECK(label(*f.model, i) == nearest);
    }
  }
}

TEST_CASE("k-means: restarts end where single starts do, and the best is kept") {
  const Problem p = random_problem(300, 8, 6);
  Fixture one(dense(p), kmeans(6)), many(dense(p), with_restarts(kmeans(6), 8));
  const double single = one.run().trace.rows.back().objective;
  const fit::Result r = many.run();
  never_rises(r.trace);
  CHECK(r.trace.rows.back().objective <= single * (1 + 1e-12));
  CHECK(r.trace.rows.back().objective == doctest::Approx(inertia(*many.model, p) / 2));
  // The starts that lost are no part of the model.
  CHECK(many.model->state.count("restarts") == 0);
}

TEST_CASE("k-means: the same bits for any number of threads") {
  const Problem p = random_problem(2000, 24, 6);
  std::vector<double> expected;
  for (const int threads : {1, 2, 7}) {
    Fixture f(dense(p), with_restarts(kmeans(10), 3), threads);
    f.force_graph();
    f.run();
    if (expected.empty()) expected = f.factor(1);
    CHECK(expected == f.factor(1));
  }
}

TEST_SUITE("long") {
  TEST_CASE("k-means: digits, standardised, best of 300 starts") {
    const Problem p = standardised(table("digits.csv", 64));
    double best = INFINITY;
    for (int group = 0; group < 10; ++group) {
      Fixture f(dense(p), with_restarts(kmeans(10), 30));
      f.task.init->stream += static_cast<uint64_t>(group) * 1000003;
      best = std::min(best, 2 * f.run().trace.rows.back().objective);
    }
    MESSAGE("best inertia ", best);
    CHECK(best <= 69432);
    CHECK(best >= 69404.7);
  }
}
