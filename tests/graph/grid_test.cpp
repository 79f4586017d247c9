// SPDX-License-Identifier: Apache-2.0
// Grids: every observed entry once, no row and no column shared within a round, bits that depend on
// the cut and never on threads, and finite factors whatever a block does.
#include "core/graph/grid.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>

#include "tests/graph/support.hpp"

namespace assay::test {
namespace {

const assay_tile& tile() {
  return *static_cast<const assay_tile*>(plugin::host()->service("assay.tile/1"));
}
double& at(const assay_view& v, int64_t i, int64_t j) {
  return static_cast<double*>(v.data)[i * v.stride + j];
}

// Column 0 of W counts a row's entries, column 1 adds x, column 2 hashes the order of visits; the
// same for H. {W io, H io, ADD entries, ADD weights}
int32_t count(void*, const assay_block* b) {
  assay_entries e{};
  e.struct_size = sizeof e;
  if (const int32_t bad = tile().entries(b->ctx, &e)) return bad;
  for (int64_t p = 0; p < e.n; ++p) {
    const double w = e.w ? e.w[p] : 1;
    for (const int side : {0, 1}) {
      const assay_view& f = b->arg[side];
      const int64_t i = side == 0 ? e.row[p] : e.col[p];
      if (i < 0 || i >= f.rows) return ASSAY_E_INTERNAL;
      at(f, i, 0) += 1;
      at(f, i, 1) += e.x[p];
      at(f, i, 2) = std::fmod(at(f, i, 2) * 31 + 1 + (side == 0 ? e.col[p] : e.row[p]), 65521);
    }
    at(b->arg[2], 0, 0) += 1;
    at(b->arg[3], 0, 0) += w;
  }
  return 0;
}

// Blocks right of the first rows go wrong.
int32_t spoil(void*, const assay_block* b) {
  at(b->arg[0], 0, 0) = b->first == 0 ? 7 : std::numeric_limits<double>::quiet_NaN();
  return 0;
}

int32_t build(assay_builder* b, assay_fn fn, int32_t blocks) {
  const assay_buf entries = assay_sum(b, "entries", 1, 1), weights = assay_sum(b, "weights", 1, 1);
  const assay_arg args[] = {{b->factor(b, 0), ASSAY_INOUT},
                            {b->factor(b, 1), ASSAY_INOUT},
                            {entries, ASSAY_ADD},
                            {weights, ASSAY_ADD}};
  const assay_grid g = {sizeof g, 0, "visit", blocks, 4, fn, args, 99, 0, 0};
  b->grid(b, &g);
  b->report(b, "entries", entries);
  b->report(b, "weights", weights);
  return b->status(b);
}

std::vector<Shape> shapes() {
  Shape s;
  s.n = 70;
  s.d = 45;
  s.k = 3;
  std::vector<Shape> all = {s};
  s.mask = s.poison = true;
  all.push_back(s);
  s.mask = s.poison = false;
  s.row_weights = s.col_weights = s.entry_weights = true;
  all.push_back(s);
  s.row_weights = s.col_weights = s.entry_weights = false;
  s.dtype = ASSAY_U8;
  all.push_back(s);
  s.dtype = ASSAY_F64;
  s.zeros = 0.7;
  s.sparse = s.unobserved = true;
  all.push_back(s);
  s.dtype = ASSAY_F32;
  all.push_back(s);
  return all;
}

void clear(graph::Model& m) {
  for (const int side : {0, 1})
    for (int64_t i = 0; i < m.factor[side].rows; ++i)
      for (int64_t a = 0; a < m.factor[side].width; ++a) m.factor[side].set(i, a, 0);
}

graph::StepResult visit(graph::Model& m,
                        int32_t blocks,
                        const graph::PlanOptions& o,
                        int64_t step) {
  clear(m);
  auto plan = plan_of(
      m, [&](assay_builder* b) { return build(b, count, blocks); }, o);
  REQUIRE_MESSAGE(plan.ok(), plan.error().message);
  auto r = (*plan)->run(false, step);
  REQUIRE_MESSAGE(r.ok(), r.error().message);
  return *r;
}

}  // namespace

TEST_CASE("a shuffle is a bijection, and another one for another key") {
  for (const uint64_t n : {1, 2, 3, 7, 64, 65, 1000, 4097}) {
    const graph::Shuffle a(n, 5), b(n, 6);
    std::set<uint64_t> seen;
    int64_t moved = 0, apart = 0;
    for (uint64_t i = 0; i < n; ++i) {
      CHECK(a(i) < n);
      seen.insert(a(i));
      moved += a(i) != i;
      apart += a(i) != b(i);
    }
    CHECK(seen.size() == n);
    if (n >= 64) {
      CHECK(moved > static_cast<int64_t>(n * 8 / 10));
      CHECK(apart > static_cast<int64_t>(n * 8 / 10));
    }
  }
}

TEST_CASE("a grid visits every observed entry once, for any cut") {
  for (const Shape& s : shapes()) {
    const Stored p = make_stored(s);
    for (const int32_t compute : {ASSAY_F64, ASSAY_F32}) {
      graph::Model m = make_model(p, "squared", compute);
      for (const int32_t blocks : {0, 1, 2, 5, 8, 64}) {
        CAPTURE(blocks);
        const auto r = visit(m, blocks, default_options(), 0);
        double entries = 0, weights = 0;
        std::vector<double> rows(static_cast<size_t>(s.n)), sums(rows),
            cols(static_cast<size_t>(s.d));
        for (int64_t i = 0; i < s.n; ++i)
          for (int64_t j = 0; j < s.d; ++j) {
            const auto e = static_cast<size_t>(i * s.d + j);
            if (!(p.weight[e] > 0)) continue;
            ++entries;
            weights += p.weight[e];
            ++rows[static_cast<size_t>(i)];
            ++cols[static_cast<size_t>(j)];
            sums[static_cast<size_t>(i)] += p.x[e];
          }
        CHECK(r.reports.at("entries") == entries);
        CHECK(r.reports.at("weights") == doctest::Approx(weights).epsilon(1e-6));
        for (int64_t i = 0; i < s.n; ++i) {
          CHECK(m.factor[0].get(i, 0) == rows[static_cast<size_t>(i)]);
          CHECK(m.factor[0].get(i, 1) ==
                doctest::Approx(sums[static_cast<size_t>(i)]).epsilon(1e-5));
        }
        for (int64_t j = 0; j < s.d; ++j)
          CHECK(m.factor[1].get(j, 0) == cols[static_cast<size_t>(j)]);
      }
    }
  }
}

TEST_CASE("threads do not change a bit of a grid; the cut and the step do change the order") {
  for (const Shape& s : shapes()) {
    const Stored p = make_stored(s);
    graph::Model want = make_model(p, "squared"), m = want;
    const auto r = visit(want, 4, default_options(), 3);
    for (const int threads : {1, 2, 4, 7}) {
      graph::PlanOptions o = default_options();
      o.arena = *graph::Arena::create(threads);
      o.force.run = graph::Force::Run::kGraph;
      const auto again = visit(m, 4, o, 3);
      CHECK(same_bits(m.factor[0], want.factor[0]));
      CHECK(same_bits(m.factor[1], want.factor[1]));
      CHECK(again.reports.at("weights") == r.reports.at("weights"));
    }
    visit(m, 4, default_options(), 4);
    CHECK_FALSE(same_bits(m.factor[0], want.factor[0]));
    visit(m, 2, default_options(), 3);
    CHECK_FALSE(same_bits(m.factor[0], want.factor[0]));
  }
}

TEST_CASE("a frozen factor is left alone, and a block that is not finite is not committed") {
  const Stored p = make_stored(shapes()[0]);
  graph::Model m = make_model(p, "squared");
  clear(m);
  m.frozen[1] = true;
  const graph::Buffer H = m.factor[1];
  auto plan = plan_of(
      m, [](assay_builder* b) { return build(b, count, 3); }, default_options());
  REQUIRE(plan.ok());
  REQUIRE((*plan)->run(false).ok());
  CHECK(same_bits(m.factor[1], H));
  CHECK(m.factor[0].get(0, 0) == 45);
  m.frozen[1] = false;
  clear(m);
  plan = plan_of(
      m, [](assay_builder* b) { return build(b, spoil, 3); }, default_options());
  REQUIRE(plan.ok());
  const auto r = (*plan)->run(false);
  REQUIRE_FALSE(r.ok());
  CHECK(r.error().status == ASSAY_E_NUMERIC);
  for (int64_t i = 0; i < 70; ++i) CHECK(std::isfinite(m.factor[0].get(i, 0)));
}

TEST_CASE("the plan's words say how X is cut and what is copied") {
  for (const Shape& s : {shapes()[0], shapes()[4]}) {
    graph::Model m = make_model(make_stored(s), "squared");
    auto plan = plan_of(
        m, [](assay_builder* b) { return build(b, count, 4); }, default_options());
    REQUIRE(plan.ok());
    const std::string words = (*plan)->words();
    CHECK(words.find("4 rounds of 4 blocks that share no row and no column") != std::string::npos);
    CHECK((words.find("copied the stored entries") != std::string::npos) == s.sparse);
    CHECK((*plan)->dot().find("round 4 of 4") != std::string::npos);
  }
}

}  // namespace assay::test
