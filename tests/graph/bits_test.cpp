// SPDX-License-Identifier: Apache-2.0
// Laws of the lanes: the same bits for any number of threads, on the calling thread or as a task
// graph, and for any number of simulated ranks that cut at lane borders.
#include <doctest/doctest.h>

#include "tests/graph/support.hpp"

namespace assay::test {
namespace {

struct Case {
  const char* loss;
  Shape shape;
};
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char* loss : {"squared", "kl"}) {
    Shape s;
    s.n = 1500;
    s.d = 60;
    s.k = 9;
    all.push_back({loss, s});
    s.mask = s.poison = true;
    all.push_back({loss, s});
    s.mask = s.poison = false;
    s.sparse = true;
    s.zeros = 0.9;
    all.push_back({loss, s});
    std::swap(s.n, s.d);
    all.push_back({loss, s});
  }
  return all;
}

graph::Model run(const Stored& p, const char* loss, int32_t compute, const graph::PlanOptions& o) {
  graph::Model m = make_model(p, loss, compute);
  auto plan = plan_of(m, build_mu, o);
  REQUIRE(plan.ok());
  for (int i = 0; i < 3; ++i) REQUIRE((*plan)->run(i == 1).ok());
  return m;
}

}  // namespace

TEST_CASE("threads do not change a bit") {
  for (const Case& c : cases())
    for (const int32_t compute : {ASSAY_F64, ASSAY_F32}) {
      const Stored p = make_stored(c.shape);
      const graph::Model want = run(p, c.loss, compute, default_options());
      for (const int threads : {1, 2, 4, 7}) {
        graph::PlanOptions o = default_options();
        o.arena = *graph::Arena::create(threads);
        o.force.run = graph::Force::Run::kGraph;
        const graph::Model got = run(p, c.loss, compute, o);
        CAPTURE(c.loss);
        CAPTURE(threads);
        CHECK(same_bits(got.factor[0], want.factor[0]));
        CHECK(same_bits(got.factor[1], want.factor[1]));
      }
    }
}

TEST_CASE("simulated ranks do not change a bit") {
  for (const Case& c : cases()) {
    const Stored p = make_stored(c.shape);
    graph::PlanOptions one = default_options();
    one.force.lanes = 8;
    const graph::Model want = run(p, c.loss, ASSAY_F64, one);
    for (const int ranks : {2, 3, 4}) {
      graph::PlanOptions o = one;
      o.force.ranks = ranks;
      const graph::Model got = run(p, c.loss, ASSAY_F64, o);
      CAPTURE(c.loss);
      CAPTURE(ranks);
      CHECK(same_bits(got.factor[0], want.factor[0]));
      CHECK(same_bits(got.factor[1], want.factor[1]));
    }
  }
}

TEST_CASE("few partials live at a time") {
  Shape s;
  s.n = 6000;
  s.d = 40;
  const Stored p = make_stored(s);
  graph::Model m = make_model(p, "squared");
  graph::PlanOptions o = default_options();
  o.force.lanes = 64;
  o.force.tile_rows = 8;
  auto plan = plan_of(m, build_mu, o);
  REQUIRE(plan.ok());
  REQUIRE((*plan)->run(false).ok());
  CHECK((*plan)->live_partials() == 7);  // log2(64) and the root
}

}  // namespace assay::test
