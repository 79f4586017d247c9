// SPDX-License-Identifier: Apache-2.0
// What a block function sees and what becomes of what it writes.
#include <doctest/doctest.h>

#include <limits>

#include "tests/graph/support.hpp"

namespace assay::test {
namespace {

Stored tall() {
  Shape s;
  s.n = 500;
  s.d = 20;
  s.k = 3;
  return make_stored(s);
}
double at(const assay_view& v, int64_t i, int64_t j) {
  return static_cast<const double*>(v.data)[i * v.stride + j];
}

int32_t by_component(
    void*,
    const assay_block* b) {  // W by component: rows fastest; W[i, a] becomes i + 1000 a
  const assay_view& w = b->arg[0];
  for (int64_t a = 0; a < w.rows; ++a)
    for (int64_t i = 0; i < w.cols; ++i)
      static_cast<double*>(w.data)[a * w.stride + i] = static_cast<double>(b->first + i + 1000 * a);
  return w.rows == 3 && w.cols == b->count ? 0 : -1;
}
int32_t counted(void*, const assay_block* b) {
  const assay_view& w = b->arg[0];
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t a = 0; a < w.cols; ++a)
      static_cast<double*>(w.data)[i * w.stride + a] = static_cast<double>(b->first + i + 1000 * a);
  return 0;
}
int32_t statistics(void*, const assay_block* b) {
  const assay_view& w = b->arg[0];
  double *sum = static_cast<double*>(b->arg[1].data), *low = static_cast<double*>(b->arg[2].data),
         *high = static_cast<double*>(b->arg[3].data);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t a = 0; a < w.cols; ++a) {
      sum[a] += at(w, i, a);
      low[a] = std::min(low[a], at(w, i, a));
      high[a] = std::max(high[a], at(w, i, a));
    }
  return 0;
}
int32_t range(void*, const assay_block* b) {
  *static_cast<double*>(b->arg[2].data) = at(b->arg[1], 0, 2) - at(b->arg[0], 0, 2);
  return 0;
}
int32_t spoil(void*, const assay_block* b) {  // the second block goes wrong
  const assay_view& w = b->arg[0];
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t a = 0; a < w.cols; ++a)
      static_cast<double*>(w.data)[i * w.stride + a] =
          b->first == 0 ? 7.0 : std::numeric_limits<double>::infinity();
  return 0;
}
int32_t refuse(void*, const assay_block* b) {
  static_cast<double*>(b->arg[0].data)[0] = -5;
  return ASSAY_E_NUMERIC;
}
int32_t thrower(void*, const assay_block*) { throw std::runtime_error("thrown in a block"); }

assay_buf scalar(assay_builder* b, const char* name, int32_t role, int64_t width) {
  const assay_buffer d = {sizeof d, 0, name, ASSAY_ONE, role, ASSAY_F64, 1, 1, width};
  return b->buffer(b, &d);
}

}  // namespace

TEST_CASE("blocks by component, in every element type of the factor") {
  for (const int32_t compute : {ASSAY_F64, ASSAY_F32}) {
    const Stored p = tall();
    graph::Model m = make_model(p, "squared", compute);
    auto plan = plan_of(
        m,
        [](assay_builder* b) {
          ASSAY_EACH(b, "f", ASSAY_ROWS, by_component,
                     {b->factor(b, 0), ASSAY_INOUT | ASSAY_BY_COMPONENT});
          return b->status(b);
        },
        default_options());
    REQUIRE(plan.ok());
    REQUIRE((*plan)->run(false).ok());
    for (int64_t i = 0; i < 500; ++i)
      for (int64_t a = 0; a < 3; ++a)
        CHECK(m.factor[0].get(i, a) == static_cast<double>(i + 1000 * a));
  }
}

TEST_CASE("sums, minima and maxima over lanes, read by a later line and reported") {
  const Stored p = tall();
  graph::Model m = make_model(p, "squared");
  auto plan = plan_of(
      m,
      [](assay_builder* b) {
        const assay_buf s = scalar(b, "sum", ASSAY_SUM, 3), lo = scalar(b, "min", ASSAY_MIN, 3),
                        hi = scalar(b, "max", ASSAY_MAX, 3);
        ASSAY_EACH(b, "stats", ASSAY_ROWS, statistics, {b->factor(b, 0), ASSAY_IN}, {s, ASSAY_ADD},
                   {lo, ASSAY_ADD}, {hi, ASSAY_ADD});
        const assay_buf r = scalar(b, "range", ASSAY_STATE, 1);
        ASSAY_EACH(b, "range", ASSAY_ONE, range, {lo, ASSAY_IN}, {hi, ASSAY_IN}, {r, ASSAY_OUT});
        b->report(b, "range", r);
        return b->status(b);
      },
      default_options());
  REQUIRE(plan.ok());
  const auto result = (*plan)->run(false);
  REQUIRE(result.ok());
  double sum = 0, lo = 1e9, hi = -1e9;
  for (int64_t i = 0; i < 500; ++i) {
    sum += m.factor[0].get(i, 2);
    lo = std::min(lo, m.factor[0].get(i, 2));
    hi = std::max(hi, m.factor[0].get(i, 2));
  }
  CHECK(result->reports.at("range") == hi - lo);
  const auto out = (*plan)->output("sum");
  REQUIRE(out.ok());
  CHECK(out->get(0, 2) == doctest::Approx(sum).epsilon(1e-14));
}

TEST_CASE("a narrow state on the rows is packed") {
  const Stored p = tall();
  graph::Model m = make_model(p, "squared");
  const auto state = [](assay_builder* b) {
    const assay_buffer d = {sizeof d, 0, "narrow", ASSAY_ROWS, ASSAY_STATE, ASSAY_F64, 1, 0, 3};
    return b->buffer(b, &d);
  };
  auto count = plan_of(
      m,
      [&](assay_builder* b) {
        ASSAY_EACH(b, "count", ASSAY_ROWS, counted, {state(b), ASSAY_INOUT});
        return b->status(b);
      },
      default_options());
  REQUIRE(count.ok());
  REQUIRE((*count)->run(false).ok());
  const graph::Buffer& narrow = m.state.at("rows.narrow");
  CHECK(narrow.ld == 4);
  CHECK(narrow.bytes.size() == 500 * 4 * 8);
  CHECK(narrow.get(499, 2) == 499 + 2000);
}

TEST_CASE("a block that is not finite is not committed, and the step says so") {
  const Stored p = tall();
  graph::Model m = make_model(p, "squared");
  const graph::Buffer before = m.factor[0];
  auto plan = plan_of(
      m,
      [](assay_builder* b) {
        ASSAY_EACH(b, "spoil", ASSAY_ROWS, spoil, {b->factor(b, 0), ASSAY_INOUT});
        return b->status(b);
      },
      default_options());
  REQUIRE(plan.ok());
  const auto r = (*plan)->run(false);
  REQUIRE_FALSE(r.ok());
  CHECK(r.error().status == ASSAY_E_NUMERIC);
  CHECK(m.factor[0].get(0, 0) == 7.0);
  CHECK(m.factor[0].get(499, 0) == before.get(499, 0));
}

TEST_CASE("a status or an exception of a block function stops the step with its text") {
  for (const assay_fn fn : {refuse, thrower}) {
    const Stored p = tall();
    graph::Model m = make_model(p, "squared");
    const graph::Buffer before = m.factor[0];
    auto plan = plan_of(
        m,
        [fn](assay_builder* b) {
          ASSAY_EACH(b, "bad", ASSAY_ROWS, fn, {b->factor(b, 0), ASSAY_INOUT});
          return b->status(b);
        },
        default_options());
    REQUIRE(plan.ok());
    const auto r = (*plan)->run(false);
    REQUIRE_FALSE(r.ok());
    CHECK(r.error().message.find("test") != std::string::npos);
    CHECK(same_bits(m.factor[0], before));
  }
}

TEST_CASE("frozen factors stay, and lines nothing needs are dropped") {
  const Stored p = tall();
  for (const int frozen : {0, 1}) {
    graph::Model m = make_model(p, "kl"), free = make_model(p, "kl");
    m.frozen[frozen] = true;
    const graph::Buffer before = m.factor[frozen];
    auto plan = plan_of(m, build_mu, default_options());
    auto all = plan_of(free, build_mu, default_options());
    REQUIRE(plan.ok());
    REQUIRE(all.ok());
    CHECK((*plan)->estimate().flops < 0.6 * (*all)->estimate().flops);
    REQUIRE((*plan)->run(true).ok());
    CHECK(same_bits(m.factor[frozen], before));
    CHECK_FALSE(same_bits(m.factor[1 - frozen], free.factor[1 - frozen]));
  }
}

TEST_CASE("the plan can be read in words, as DOT and as a trace") {
  const Stored p = tall();
  graph::Model m = make_model(p, "squared");
  graph::PlanOptions o = default_options();
  o.timing = true;
  auto plan = plan_of(m, build_mu, o);
  REQUIRE(plan.ok());
  REQUIRE((*plan)->run(false).ok());
  CHECK((*plan)->words().find("sweep over 500 rows") != std::string::npos);
  CHECK((*plan)->words().find("(carried)") != std::string::npos);
  CHECK((*plan)->dot().find("digraph") == 0);
  CHECK((*plan)->chrome_trace().find("\"ph\":\"X\"") != std::string::npos);
}

}  // namespace assay::test
