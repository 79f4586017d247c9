// SPDX-License-Identifier: Apache-2.0
// The relatives of Lloyd's algorithm: row by row, by batches, by the angle, and starts drawn in
// parallel.
#include "core/data/observe.hpp"
#include "tests/named/kmeans.hpp"

using namespace assay;
using namespace assay::test;

TEST_CASE("sequential k-means with step 1/N: a centroid is the running mean of its points") {
  const Problem p = random_problem(200, 7, 4);
  spec::Trial t = kmeans(3, "random_rows", "sequential_kmeans");
  t.stop.max_iter = 1;
  Fixture f(dense(p), t);
  std::vector<std::vector<double>> centres;
  for (int64_t a = 0; a < 3; ++a)
    centres.emplace_back(p.x.begin() + a * 50 * p.d, p.x.begin() + (a * 50 + 1) * p.d);
  start_at(f, centres);
  f.run();
  std::vector<std::vector<double>> sums(3, std::vector<double>(7));
  std::vector<double> counts(3);
  for (int64_t i = 0; i < p.n; ++i) {
    const double* x = p.x.data() + i * p.d;
    size_t best = 0;
    double least = INFINITY;
    for (size_t a = 0; a < 3; ++a) {
      double apart = 0;
      for (size_t j = 0; j < 7; ++j) apart += (x[j] - centres[a][j]) * (x[j] - centres[a][j]);
      if (apart >= least) continue;
      least = apart;
      best = a;
    }
    counts[best] += 1;
    for (size_t j = 0; j < 7; ++j) {
      sums[best][j] += x[j];
      centres[best][j] = sums[best][j] / counts[best];
    }
  }
  for (size_t a = 0; a < 3; ++a)
    for (size_t j = 0; j < 7; ++j)
      CHECK(f.model->factor[1].get(static_cast<int64_t>(j), static_cast<int64_t>(a)) ==
            doctest::Approx(centres[a][j]).epsilon(1e-12));
}

TEST_CASE("sequential k-means with a given step: Robbins and Monro's rule") {
  const Problem p{3, 1, 2, {0, 1, 4}};
  spec::Trial t = kmeans(1, "random_rows", "sequential_kmeans");
  t.solver.options.values["step"].text = "constant";
  t.solver.options.values["eta"].number = 0.25;
  t.stop.max_iter = 1;
  Fixture f(dense(p), t);
  start_at(f, {{2}});
  f.run();
  double mu = 2;
  for (const double x : p.x) mu += 0.25 * (x - mu);
  CHECK(f.model->factor[1].get(0, 0) == doctest::Approx(mu));
}

TEST_CASE("every row is walked once an epoch, in order or shuffled") {
  // One centroid with step 1/N ends at the mean of all rows, whatever their order.
  const Problem p = random_problem(1030, 5, 3);
  for (const bool shuffle : {false, true}) {
    spec::Trial t = kmeans(1, "random_rows", "sequential_kmeans");
    t.solver.options.values["shuffle"].number = shuffle;
    t.stop.max_iter = 1;
    Fixture f(dense(p), t);
    f.run();
    for (int64_t j = 0; j < p.d; ++j) {
      double mean = 0;
      for (int64_t i = 0; i < p.n; ++i)
        mean += p.x[static_cast<size_t>(i * p.d + j)] / static_cast<double>(p.n);
      CHECK(f.model->factor[1].get(j, 0) == doctest::Approx(mean).epsilon(1e-12));
    }
  }
}

TEST_CASE("minibatch k-means in one batch is a step of Lloyd's; small ones come close") {
  const Problem p = random_problem(600, 9, 5);
  spec::Trial exact = kmeans(5, "random_rows"),
              whole = kmeans(5, "random_rows", "minibatch_kmeans");
  exact.stop.max_iter = whole.stop.max_iter = 1;
  whole.solver.options.values["batch"].number = 600;
  Fixture a(dense(p), exact), b(dense(p), whole);
  a.run();
  b.run();
  CHECK(worst_relative(a.factor(1), b.factor(1)) < 1e-12);

  spec::Trial many = kmeans(5, "kmeans_plus_plus", "minibatch_kmeans");
  many.solver.options.values["batch"].number = 64;
  many.stop.max_iter = 30;
  Fixture lloyd(dense(p), kmeans(5)), small(dense(p), many);
  CHECK(small.run().trace.rows.back().objective < 1.05 * lloyd.run().trace.rows.back().objective);
}

TEST_CASE("spherical k-means: centroids of length one, half the squared distance is 1 - cos") {
  Problem p = random_problem(200, 9, 5);
  for (double& v : p.x) v += 0.01;
  spec::Trial t = kmeans(4);
  t.solver.options.values["spherical"].number = 1;
  t.data.transforms = {use("transform", "normalise")};
  Fixture f(dense(p), t);
  const fit::Result r = f.run();
  never_rises(r.trace);
  CHECK(r.stop == fit::Stop::kConverged);
  CHECK(r.trace.rows.back().kkt < 1e-12);
  double sum = 0;
  for (int64_t i = 0; i < p.n; ++i) {
    double dot = 0, length = 0, size = 0;
    for (int64_t j = 0; j < p.d; ++j) {
      const double x = p.x[static_cast<size_t>(i * p.d + j)],
                   h = f.model->factor[1].get(j, label(*f.model, i));
      dot += x * h;
      length += x * x;
      size += h * h;
    }
    CHECK(size == doctest::Approx(1).epsilon(1e-12));
    sum += 1 - dot / std::sqrt(length);
  }
  CHECK(r.trace.rows.back().objective == doctest::Approx(sum).epsilon(1e-9));
}

TEST_CASE("spherical k-means takes a given start by its directions") {
  const Problem p = random_problem(200, 9, 5);
  std::vector<double> first;
  for (const double factor : {1.0, 30.0}) {
    spec::Trial t = kmeans(4);
    t.solver.options.values["spherical"].number = 1;
    t.data.transforms = {use("transform", "normalise")};
    Fixture f(dense(p), t);
    std::vector<std::vector<double>> centres;
    for (int64_t a = 0; a < 4; ++a) {
      centres.emplace_back(p.x.begin() + a * 40 * p.d, p.x.begin() + (a * 40 + 1) * p.d);
      for (double& h : centres.back()) h *= a == 2 ? factor : 1;
    }
    start_at(f, centres);
    const fit::Result r = f.run();
    never_rises(r.trace);
    first.push_back(r.trace.rows.front().objective);
  }
  CHECK(first[0] == doctest::Approx(first[1]).epsilon(1e-12));
}

TEST_CASE("k-means starts are rows of X, the same for any tiles, and better the more is drawn") {
  Problem p = random_problem(900, 8, 8);
  for (int64_t i = 0; i < p.n; ++i) p.x[static_cast<size_t>(i * p.d + i % 8)] += 10;  // 8 heaps
  const auto cost = [&](const std::string& init, int64_t tile, std::vector<double>* kept) {
    spec::Trial t = kmeans(8, init);
    t.stop.max_iter = 1;
    Fixture f(dense(p), t);
    f.task.plan.force.tile_rows = tile;
    const double start = f.run().trace.rows.front().objective;
    if (kept) *kept = f.factor(1);
    return start;
  };
  std::vector<double> a, b;
  for (const char* init : {"kmeans_plus_plus", "kmeans_parallel", "random_rows"}) {
    CAPTURE(init);
    CHECK(cost(init, 0, &a) == doctest::Approx(cost(init, 24, &b)).epsilon(1e-12));
    CHECK(worst_relative(a, b) < 1e-12);
  }
  CHECK(cost("kmeans_plus_plus", 0, nullptr) < cost("random_rows", 0, nullptr));
  CHECK(cost("kmeans_parallel", 0, nullptr) < cost("random_rows", 0, nullptr));
}

TEST_CASE("k-means starts draw rows in proportion to their weights") {
  // One row has half of the weight.
  auto x = data::weigh_rows(*dense(Problem{4, 1, 1, {0, 1, 2, 3}}), {4, 1, {1, 1, 3, 1}});
  REQUIRE(x.ok());
  const auto weighted = std::make_shared<const data::Data>(std::move(*x));
  int64_t hits = 0;
  for (uint64_t s = 0; s < 400; ++s) {
    Fixture one(weighted, kmeans(1, "random_rows"));
    one.task.init->stream = s * 77777 + 5;
    one.task.stop.max_iter = 1;
    // 1/2 sum w (x - h)^2 is 3 at h = 2 alone.
    hits += one.run().trace.rows.front().objective == doctest::Approx(3);
  }
  // Half of 400, within five standard errors.
  CHECK(hits > 150);
  CHECK(hits < 250);
}

TEST_CASE("k-means by bounds is k-means: the same bits in every step, whatever the arithmetic") {
  // Bounds of each centroid, of a few, of groups by products.
  const std::pair<int64_t, int64_t> shapes[] = {{40, 3}, {40, 17}, {40, 40}, {200, 17}};
  for (const auto& [d, k] : shapes) {
    Problem p = random_problem(700, d, 12);
    for (int64_t i = 0; i < p.n; i += 7)  // ties between equal rows
      std::copy_n(p.x.begin(), p.d, p.x.begin() + i * p.d);
    for (const int32_t dtype : {ASSAY_F64, ASSAY_F32}) {
      CAPTURE(dtype);
      CAPTURE(k);
      for (const int64_t steps : {1, 2, 3, 5, 8, 40}) {
        std::vector<double> centroids[2];
        fit::Trace traces[2];
        for (const bool bounded : {false, true}) {
          spec::Trial t = kmeans(k, "random_rows");
          t.solver.options.values["bounds"].text = bounded ? "on" : "off";
          t.stop.max_iter = steps;
          Fixture f(dense(p, dtype), t);
          traces[bounded] = f.run().trace;
          centroids[bounded] = f.factor(1);
        }
        CHECK(centroids[0] == centroids[1]);
        REQUIRE(traces[0].rows.size() == traces[1].rows.size());
        for (size_t r = 0; r < traces[0].rows.size(); ++r)
          CHECK(traces[0].rows[r].objective == traces[1].rows[r].objective);
      }
    }
  }
}

TEST_CASE("k-means by bounds is right where digits are lost") {
  Problem p = random_problem(500, 40, 8);
  for (double& v : p.x) v += 30000;
  for (const int32_t dtype : {ASSAY_F64, ASSAY_F32}) {
    std::vector<double> centroids[2];
    for (const bool bounded : {false, true}) {
      spec::Trial t = kmeans(20, "random_rows");
      t.solver.options.values["bounds"].text = bounded ? "on" : "off";
      t.stop.max_iter = 12;
      Fixture f(dense(p, dtype), t);
      f.run();
      centroids[bounded] = f.factor(1);
    }
    CHECK(centroids[0] == centroids[1]);
  }
}

TEST_CASE("k-means of equal rows ends at 0") {
  Problem p{50, 3, 0, {}};
  for (int64_t i = 0; i < p.n; ++i) p.x.insert(p.x.end(), {0.1, -7.3, 1e5});
  for (const int64_t k : {1, 2, 5}) {
    Fixture f(dense(p), kmeans(k, "kmeans_plus_plus"));
    const fit::Result r = f.run();
    CHECK(r.stop == fit::Stop::kConverged);
    CHECK(r.trace.rows.back().objective == doctest::Approx(0));
  }
}

TEST_CASE("k-means keeps its digits: a row far away, clusters far apart, squares beyond float32") {
  Problem outlier = random_problem(200, 6, 2);
  for (int64_t j = 0; j < outlier.d; ++j) outlier.x[static_cast<size_t>(j)] = 1e8;
  Problem apart = random_problem(300, 6, 2);
  for (int64_t i = 0; i < apart.n; ++i)
    for (int64_t j = 0; j < apart.d; ++j) {
      double& v = apart.x[static_cast<size_t>(i * apart.d + j)];
      v = static_cast<double>(static_cast<float>(v + 1e6 * static_cast<double>(i % 3)));
    }
  Problem huge = random_problem(200, 6, 2), tiny = huge;
  for (double& v : huge.x) v *= 1e20;
  for (double& v : tiny.x) v *= 1e-22;
  for (const Problem* p : {&outlier, &apart, &huge, &tiny})
    for (const int32_t dtype : {ASSAY_F64, ASSAY_F32})
      for (const bool bounded : {false, true}) {
        CAPTURE(dtype);
        CAPTURE(bounded);
        Problem stored = *p;
        if (dtype == ASSAY_F32)
          for (double& v : stored.x) v = static_cast<double>(static_cast<float>(v));
        spec::Trial t = kmeans(4, "kmeans_plus_plus");
        t.solver.options.values["bounds"].text = bounded ? "on" : "off";
        Fixture f(dense(stored, dtype), t);
        const fit::Result r = f.run();
        CHECK(r.stop == fit::Stop::kConverged);
        never_rises(r.trace, 1e-9);
        CHECK(2 * r.trace.rows.back().objective ==
              doctest::Approx(inertia(*f.model, stored)).epsilon(1e-9));
        for (int64_t i = 0; i < stored.n; ++i) {
          std::vector<double> square(4);
          for (int64_t a = 0; a < 4; ++a)
            for (int64_t j = 0; j < stored.d; ++j) {
              const double from =
                  stored.x[static_cast<size_t>(i * stored.d + j)] - f.model->factor[1].get(j, a);
              square[static_cast<size_t>(a)] += from * from;
            }
          const double least = *std::min_element(square.begin(), square.end());
          CHECK(square[static_cast<size_t>(label(*f.model, i))] <= least * (1 + 1e-12));
        }
      }
}

TEST_CASE(
    "k-medians: centroids are medians, labels the nearest in the l1 norm, zeros stored or not") {
  const Problem p = random_problem(151, 8, 4);
  std::vector<double> expected;
  for (const auto& x : {dense(p), sparse(p)}) {
    spec::Trial t = kmeans(4, "kmeans_plus_plus", "k_medians");
    t.model.loss = use("loss", "l1");
    Fixture f(x, t);
    std::vector<std::vector<double>> centres;
    for (int64_t a = 0; a < 4; ++a)
      centres.emplace_back(p.x.begin() + a * 30 * p.d, p.x.begin() + (a * 30 + 1) * p.d);
    start_at(f, centres);
    const fit::Result r = f.run();
    never_rises(r.trace);
    CHECK(r.stop == fit::Stop::kConverged);
    double sum = 0;
    for (int64_t a = 0; a < 4; ++a)
      for (int64_t j = 0; j < p.d; ++j) {
        std::vector<double> values;
        for (int64_t i = 0; i < p.n; ++i)
          if (label(*f.model, i) == a) values.push_back(p.x[static_cast<size_t>(i * p.d + j)]);
        std::sort(values.begin(), values.end());
        REQUIRE(!values.empty());
        const double low = values[(values.size() - 1) / 2], high = values[values.size() / 2];
        CHECK(f.model->factor[1].get(j, a) == doctest::Approx((low + high) / 2));
        for (const double v : values) sum += std::abs(v - f.model->factor[1].get(j, a));
      }
    CHECK(r.trace.rows.back().objective == doctest::Approx(sum).epsilon(1e-10));
    if (expected.empty()) expected = f.factor(1);
    CHECK(worst_relative(expected, f.factor(1)) < 1e-12);
  }
}
