// SPDX-License-Identifier: Apache-2.0
// Bisecting k-means: splits that can be found by hand, and what its definition says of any fit.
#include <algorithm>

#include "core/data/observe.hpp"
#include "tests/named/kmeans.hpp"

using namespace assay;
using namespace assay::test;

namespace {

spec::Trial bisecting(int64_t k, const std::string& split = "inertia") {
  spec::Trial t = kmeans(k, "random_rows", "bisecting_kmeans");
  t.solver.options.values["split"].text = split;
  t.solver.options.values["tries"].number = 20;
  return t;
}

// The rows of each cluster, in the order of their first rows.
std::vector<std::vector<int64_t>> clusters(const graph::Model& m) {
  std::vector<std::vector<int64_t>> out;
  std::vector<int32_t> names;
  for (int64_t i = 0; i < m.n(); ++i) {
    const auto at = std::find(names.begin(), names.end(), label(m, i)) - names.begin();
    if (at == static_cast<std::ptrdiff_t>(names.size())) {
      names.push_back(label(m, i));
      out.emplace_back();
    }
    out[static_cast<size_t>(at)].push_back(i);
  }
  return out;
}

double squares_within(const Problem& p, const std::vector<int64_t>& rows) {
  double sum = 0;
  for (int64_t j = 0; j < p.d; ++j) {
    double mean = 0;
    for (const int64_t i : rows)
      mean += p.x[static_cast<size_t>(i * p.d + j)] / static_cast<double>(rows.size());
    for (const int64_t i : rows) sum += std::pow(p.x[static_cast<size_t>(i * p.d + j)] - mean, 2);
  }
  return sum;
}

double apart(const Problem& p, int64_t i, const graph::Model& m, int64_t cluster) {
  double sum = 0;
  for (int64_t j = 0; j < p.d; ++j)
    sum += std::pow(p.x[static_cast<size_t>(i * p.d + j)] - m.factor[1].get(j, cluster), 2);
  return sum;
}

using Sets = std::vector<std::vector<int64_t>>;

}  // namespace

TEST_CASE("bisecting k-means: the splits of seven numbers, by hand") {
  const Problem p{7, 1, 4, {0, 1, 10, 11, 40, 41, 42}};
  for (const auto& x : {dense(p), sparse(p), dense(p, ASSAY_F32)}) {
    Fixture f(x, bisecting(4));
    const fit::Result r = f.run();
    // All: mean 145 / 7. Then {0, 1, 10, 11 | 40, 41, 42}: 101 + 2; {0, 1 | 10, 11}: 1 + 2;
    // and one of 40 and 42 alone: 1 + .5.
    REQUIRE(r.trace.rows.size() == 4);
    CHECK(r.trace.rows[0].objective == doctest::Approx((5267 - 145.0 * 145 / 7) / 2));
    CHECK(r.trace.rows[1].objective == doctest::Approx(51.5));
    CHECK(r.trace.rows[2].objective == doctest::Approx(1.5));
    CHECK(r.trace.rows[3].objective == doctest::Approx(0.75));
    CHECK(r.stop == fit::Stop::kConverged);
    CHECK(r.trace.rows.back().kkt < 1e-12);
    const Sets found = clusters(*f.model);
    REQUIRE(found.size() == 4);
    CHECK(found[0] == std::vector<int64_t>{0, 1});
    CHECK(found[1] == std::vector<int64_t>{2, 3});
  }
}

TEST_CASE("bisecting k-means: `split` chooses by the sum of squares or by the weight") {
  const Problem p{6, 1, 3, {0, 1, 2, 3, 100, 110}};
  Fixture inertia(dense(p), bisecting(3)), size(dense(p), bisecting(3, "size"));
  inertia.run();
  size.run();
  CHECK(clusters(*inertia.model) == Sets{{0, 1, 2, 3}, {4}, {5}});
  CHECK(clusters(*size.model) == Sets{{0, 1}, {2, 3}, {4, 5}});
}

TEST_CASE("bisecting k-means: each step splits the one cluster it should, by 2-means of its rows") {
  const Problem p = random_problem(300, 7, 5);
  Sets before;
  double objective = INFINITY;
  for (int64_t step = 0; step < 9; ++step) {
    spec::Trial t = bisecting(9);
    t.stop.max_iter = std::max<int64_t>(step, 1);
    Fixture f(dense(p), t);
    const fit::Result r = f.run();
    if (step == 0) {
      before = {{}};
      for (int64_t i = 0; i < p.n; ++i) before[0].push_back(i);
      continue;
    }
    const Sets now = clusters(*f.model);
    REQUIRE(now.size() == static_cast<size_t>(step) + 1);
    const auto largest = *std::max_element(before.begin(), before.end(), [&](auto& a, auto& b) {
      return squares_within(p, a) < squares_within(p, b);
    });
    double sum = 0;
    Sets parts;
    for (const auto& rows : now) {
      sum += squares_within(p, rows);
      if (std::find(before.begin(), before.end(), rows) == before.end()) parts.push_back(rows);
    }
    REQUIRE(parts.size() == 2);
    std::vector<int64_t> both = parts[0];
    both.insert(both.end(), parts[1].begin(), parts[1].end());
    std::sort(both.begin(), both.end());
    CHECK(both == largest);
    for (size_t s = 0; s < 2; ++s)
      for (const int64_t i : parts[s])
        CHECK(apart(p, i, *f.model, label(*f.model, i)) <=
              apart(p, i, *f.model, label(*f.model, parts[1 - s][0])) * (1 + 1e-12));
    CHECK(r.trace.rows.back().objective == doctest::Approx(sum / 2).epsilon(1e-12));
    CHECK(inertia(*f.model, p) == doctest::Approx(sum).epsilon(1e-12));
    CHECK(r.trace.rows.back().metrics[0] == doctest::Approx(sum).epsilon(1e-12));
    CHECK(sum < objective);
    objective = sum;
    before = now;
  }
}

TEST_CASE("bisecting k-means: weights of rows count as repeated rows") {
  const Problem p{6, 1, 3, {0, 1, 10, 12, 30, 31}};
  const std::vector<double> weights = {1, 3, 2, 1, 4, 1};
  auto weighed = data::weigh_rows(*dense(p), {6, 1, weights});
  REQUIRE(weighed.ok());
  Problem repeated{0, 1, 3, {}};
  for (size_t i = 0; i < weights.size(); ++i)
    for (double w = 0; w < weights[i]; ++w, ++repeated.n) repeated.x.push_back(p.x[i]);
  Fixture one(std::make_shared<const data::Data>(std::move(*weighed)), bisecting(3)),
      other(dense(repeated), bisecting(3));
  CHECK(one.run().trace.rows.back().objective ==
        doctest::Approx(other.run().trace.rows.back().objective).epsilon(1e-12));
  CHECK(clusters(*one.model) == Sets{{0, 1}, {2, 3}, {4, 5}});
}

TEST_CASE("bisecting k-means: fewer distinct rows than clusters end with these") {
  const Problem p{9, 2, 5, {1, 0, 1, 0, 1, 0, 0, 2, 0, 2, 0, 2, 5, 5, 5, 5, 5, 5}};
  Fixture f(dense(p), bisecting(5));
  const fit::Result r = f.run();
  CHECK(r.stop == fit::Stop::kConverged);
  CHECK(clusters(*f.model) == Sets{{0, 1, 2}, {3, 4, 5}, {6, 7, 8}});
  CHECK(r.trace.rows.back().objective < 1e-20);
}

TEST_CASE("bisecting k-means keeps digits far from the origin, and beside a row far away") {
  Problem p = random_problem(200, 5, 4);
  double plain = 0;
  for (const double far : {0.0, 1e6}) {
    Problem q = p;
    for (double& v : q.x) v += far;
    Fixture f(dense(q), bisecting(6));
    const double objective = f.run().trace.rows.back().objective;
    if (far == 0) plain = objective;
    CHECK(objective == doctest::Approx(plain).epsilon(1e-8));
  }
  for (int64_t j = 0; j < p.d; ++j) p.x[static_cast<size_t>(j)] = 1e8;
  Fixture f(dense(p), bisecting(6));
  const fit::Result r = f.run();
  double sum = 0;
  for (const auto& rows : clusters(*f.model)) sum += squares_within(p, rows);
  CHECK(clusters(*f.model)[0] == std::vector<int64_t>{0});
  CHECK(r.trace.rows.back().objective == doctest::Approx(sum / 2).epsilon(1e-9));
}
