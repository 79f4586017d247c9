// SPDX-License-Identifier: Apache-2.0
// Batches of shuffled rows: each row once a step, with all that belongs to it.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/graph/support.hpp"

namespace assay::test {
namespace {

double& at(const assay_view& v, int64_t i, int64_t j) {
  return static_cast<double*>(v.data)[i * v.stride + j];
}

// {product IN, gradient IN, weights IN, W OUT, visits INOUT}: visits holds how often a row was
// seen, its index, its weight, the sum of its gradient, the place it came at.
int32_t visit(void*, const assay_block* b) {
  for (int64_t i = 0; i < b->count; ++i) {
    at(b->arg[4], i, 0) += 1;
    at(b->arg[4], i, 1) = static_cast<double>(b->row ? b->row[i] : b->first + i);
    at(b->arg[4], i, 2) = at(b->arg[2], i, 0);
    at(b->arg[4], i, 3) = 0;
    at(b->arg[4], i, 4) = static_cast<double>(b->turn * 1000 + b->first + i);
    for (int64_t a = 0; a < b->arg[0].cols; ++a) {
      at(b->arg[3], i, a) = at(b->arg[0], i, a);
      at(b->arg[4], i, 3) += at(b->arg[1], i, a);
    }
  }
  return 0;
}
int32_t add(void*, const assay_block* b) {
  for (int64_t i = 0; i < b->arg[0].rows; ++i)
    for (int64_t a = 0; a < b->arg[0].cols; ++a) at(b->arg[1], i, a) += at(b->arg[0], i, a);
  return 0;
}

assay_buf state(assay_builder* b, const char* name, int32_t axis, int64_t width) {
  const assay_buffer d = {sizeof d, ASSAY_BUFFER_OUTPUT, name, axis, ASSAY_STATE, ASSAY_F64, 1, 0,
                          width};
  return b->buffer(b, &d);
}

int32_t build(assay_builder* b, int32_t order, int64_t size) {
  const assay_buf W = b->factor(b, 0), H = b->factor(b, 1);
  const assay_buf P = assay_local(b, "product", ASSAY_ROWS, 0),
                  g = assay_local(b, "gradient", ASSAY_ROWS, 0),
                  S = assay_local(b, "carried", ASSAY_COLS, 0),
                  visits = state(b, "visits", ASSAY_ROWS, 5),
                  total = state(b, "total", ASSAY_COLS, 0);
  const assay_terms t = {sizeof t, 0, ASSAY_GRAD, ASSAY_ROWS, W, H, g, ASSAY_NO, ASSAY_NO, 0};
  b->batches(b, size, order, 3);
  b->terms(b, &t);
  b->times(b, P, ASSAY_X, H, 0);
  ASSAY_EACH(b, "visit", ASSAY_ROWS, visit, {P, ASSAY_IN}, {g, ASSAY_IN},
             {b->given(b, ASSAY_ROW_WEIGHTS), ASSAY_IN}, {W, ASSAY_OUT}, {visits, ASSAY_INOUT});
  b->times(b, S, ASSAY_X, W, 0);
  ASSAY_EACH(b, "add", ASSAY_COLS, add, {S, ASSAY_IN}, {total, ASSAY_INOUT});
  b->end(b);
  return b->status(b);
}

struct Run {
  graph::Buffer W, visits, total;
};
Run run(const Stored& p, int32_t order, int64_t size, int threads, int steps, int32_t compute) {
  graph::Model m = make_model(p, "squared", compute);
  graph::PlanOptions options = default_options();
  if (threads > 0) {
    options.arena = *graph::Arena::create(threads);
    options.force.run = graph::Force::Run::kGraph;
  }
  auto plan = plan_of(
      m, [=](assay_builder* b) { return build(b, order, size); }, options);
  REQUIRE(plan.ok());
  for (int i = 0; i < steps; ++i) REQUIRE((*plan)->run(false, i).ok());
  return {m.factor[0], m.state.at("rows.visits"), m.state.at("total")};
}

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (int kind = 0; kind < 6; ++kind) {
    Shape s;
    s.n = 101;
    s.d = 37;
    s.seed = 40 + static_cast<uint64_t>(kind);
    s.mask = s.poison = kind == 1 || kind == 4;
    s.entry_weights = s.row_weights = kind == 2 || kind == 4;
    s.sparse = kind >= 3;
    s.zeros = s.sparse ? 0.7 : 0.0;
    s.unobserved = kind == 5;
    all.push_back(s);
  }
  return all;
}

}  // namespace

TEST_CASE("shuffled rows come once each, with their data, weights and factors") {
  for (const Shape& s : shapes())
    for (const int64_t size : {1, 16, 101, 500}) {
      CAPTURE(s.seed);
      CAPTURE(size);
      const Stored p = make_stored(s);
      const Run all = run(p, ASSAY_NATURAL, 101, 0, 1, ASSAY_F64),
                shuffled = run(p, ASSAY_SHUFFLED_ROWS, size, 0, 1, ASSAY_F64);
      CHECK(same_bits(shuffled.W, all.W));
      CHECK(difference(shuffled.total, all.total) < 1e-12);
      std::vector<double> places;
      for (int64_t i = 0; i < s.n; ++i) {
        CHECK(shuffled.visits.get(i, 0) == 1);
        CHECK(shuffled.visits.get(i, 1) == static_cast<double>(i));
        CHECK(shuffled.visits.get(i, 2) == all.visits.get(i, 2));
        CHECK(shuffled.visits.get(i, 3) == doctest::Approx(all.visits.get(i, 3)).epsilon(1e-10));
        places.push_back(shuffled.visits.get(i, 4));
      }
      CHECK_FALSE(std::is_sorted(places.begin(), places.end()));
      std::sort(places.begin(), places.end());
      CHECK(std::unique(places.begin(), places.end()) == places.end());
    }
}

TEST_CASE("shuffled rows: an order of its own every step, the same bits on any threads") {
  for (const bool sparse : {false, true}) {
    Shape s;
    s.n = 301;
    s.sparse = sparse;
    s.zeros = sparse ? 0.7 : 0;
    const Stored p = make_stored(s);
    for (const int32_t compute : {ASSAY_F64, ASSAY_F32}) {
      const Run once = run(p, ASSAY_SHUFFLED_ROWS, 64, 0, 1, compute),
                twice = run(p, ASSAY_SHUFFLED_ROWS, 64, 0, 2, compute);
      int64_t moved = 0;
      for (int64_t i = 0; i < s.n; ++i) moved += once.visits.get(i, 4) != twice.visits.get(i, 4);
      CHECK(moved > 250);
      for (const int threads : {1, 2, 4}) {
        const Run other = run(p, ASSAY_SHUFFLED_ROWS, 64, threads, 2, compute);
        CHECK(same_bits(other.W, twice.W));
        CHECK(same_bits(other.total, twice.total));
        CHECK(same_bits(other.visits, twice.visits));
      }
    }
  }
}

}  // namespace assay::test
