// SPDX-License-Identifier: Apache-2.0
// Loops, batches, and values per row and column: what plain loops give, for every plan, any number
// of threads and every storage.
#include <doctest/doctest.h>

#include <numeric>
#include <set>

#include "tests/graph/support.hpp"

namespace assay::test {
namespace {

using Carry = graph::Force::Carry;
using Run = graph::Force::Run;

double at(const assay_view& v, int64_t i = 0, int64_t j = 0) {
  return static_cast<double*>(v.data)[i * v.stride + j];
}
double& put(const assay_view& v, int64_t i = 0, int64_t j = 0) {
  return static_cast<double*>(v.data)[i * v.stride + j];
}

assay_buf state(assay_builder* b, const char* name, int32_t axis, int64_t width = 1) {
  const assay_buffer d = {sizeof d, 0, name, axis, ASSAY_STATE, ASSAY_F64, 1, 1, width};
  return b->buffer(b, &d);
}

void add_terms(assay_builder* b,
               int32_t what,
               int32_t axis,
               assay_buf left,
               assay_buf right,
               assay_buf out0,
               assay_buf value) {
  const assay_terms t = {sizeof t, 0, what, axis, left, right, out0, ASSAY_NO, value, 0};
  b->terms(b, &t);
}

std::vector<Shape> storages(int64_t n, int64_t d) {
  std::vector<Shape> all;
  const auto add = [&](auto change) {
    Shape s;
    s.n = n;
    s.d = d;
    s.k = 3;
    s.seed = 40 + all.size();
    change(s);
    all.push_back(s);
  };
  add([](Shape&) {});
  add([](Shape& s) { s.mask = s.poison = true; });
  add([](Shape& s) { s.entry_weights = s.row_weights = s.col_weights = true; });
  add([](Shape& s) {
    s.sparse = true;
    s.zeros = 0.7;
  });
  add([](Shape& s) {
    s.sparse = s.unobserved = true;
    s.zeros = 0.7;
  });
  add([](Shape& s) {
    s.sparse = s.row_weights = s.col_weights = true;
    s.zeros = 0.7;
  });
  return all;
}

double elementwise(const std::string& loss, double x, double m) {
  if (loss == "squared") return 0.5 * (x - m) * (x - m);
  return (x > 0 ? x * std::log(x / m) : 0.0) - x + m;
}
double slope(const std::string& loss, double x, double m) {
  return loss == "squared" ? m - x : 1 - x / m;
}

// ---- values per row and per column ----

int32_t keep_value(void*, const assay_block* b) {
  for (int64_t i = 0; i < b->count; ++i) put(b->arg[1], i) = at(b->arg[0], i);
  return 0;
}

template <int kWhat>
int32_t build_values(assay_builder* b) {
  for (int32_t axis = 0; axis < 2; ++axis) {
    const assay_buf v = assay_local(b, axis ? "vc" : "vr", axis, 1);
    const assay_buf g =
        kWhat == ASSAY_VALUE ? ASSAY_NO : assay_local(b, axis ? "gc" : "gr", axis, 0);
    add_terms(b, kWhat, axis, b->factor(b, 0), b->factor(b, 1), g, v);
    ASSAY_EACH(b, "keep", axis, keep_value, {v, ASSAY_IN},
               {state(b, axis ? "columns" : "rows", axis), ASSAY_OUT});
  }
  return b->status(b);
}

void check_values(const Stored& p, const graph::Model& m, const std::string& loss, double tol) {
  std::vector<double> rows(static_cast<size_t>(p.shape.n)), cols(static_cast<size_t>(p.shape.d));
  for (int64_t i = 0; i < p.shape.n; ++i)
    for (int64_t j = 0; j < p.shape.d; ++j) {
      const auto e = static_cast<size_t>(i * p.shape.d + j);
      if (p.weight[e] == 0) continue;
      double model = 0;
      for (int64_t a = 0; a < p.shape.k; ++a)
        model += m.factor[0].get(i, a) * m.factor[1].get(j, a);
      const double v = p.weight[e] * elementwise(loss, p.x[e], model);
      rows[static_cast<size_t>(i)] += v;
      cols[static_cast<size_t>(j)] += v;
    }
  for (int64_t i = 0; i < p.shape.n; ++i)
    CHECK(m.state.at("rows.rows").get(i, 0) ==
          doctest::Approx(rows[static_cast<size_t>(i)]).epsilon(tol));
  for (int64_t j = 0; j < p.shape.d; ++j)
    CHECK(m.state.at("columns").get(j, 0) ==
          doctest::Approx(cols[static_cast<size_t>(j)]).epsilon(tol));
}

}  // namespace

TEST_CASE("the value of each row and of each column is what plain loops give") {
  for (const bool tall : {true, false})
    for (const Shape& shape : storages(tall ? 150 : 20, tall ? 20 : 150))
      for (const char* loss : {"squared", "kl"})
        for (const int32_t compute : {ASSAY_F64, ASSAY_F32}) {
          const Stored p = make_stored(shape);
          for (const auto carry : {Carry::kAuto, Carry::kNever, Carry::kAlways})
            for (const bool fuse : {true, false})
              for (const bool alone : {true, false}) {
                CAPTURE(shape.seed);
                CAPTURE(loss);
                CAPTURE(compute);
                graph::Model m = make_model(p, loss, compute);
                graph::PlanOptions o = default_options();
                o.force.carry = carry;
                o.force.fuse = fuse;
                auto plan =
                    plan_of(m, alone ? build_values<ASSAY_VALUE> : build_values<ASSAY_GRAD>, o);
                REQUIRE(plan.ok());
                REQUIRE((*plan)->run(false).ok());
                check_values(p, m, loss, compute == ASSAY_F64 ? 1e-10 : 2e-4);
              }
        }
}

// ---- loops ----

namespace {

// Steps down the gradient of W, as many turns as it takes to bring the loss below `enough`.
struct Descent {
  double step = 0.001, enough = 0;
};
int32_t go_down(void* self, const assay_block* b) {
  const double s = static_cast<Descent*>(self)->step;
  for (int64_t i = 0; i < b->count; ++i)
    for (int64_t a = 0; a < b->arg[0].cols; ++a)
      put(b->arg[0], i, a) = std::max(0.01, at(b->arg[0], i, a) - s * at(b->arg[1], i, a));
  return 0;
}
int32_t is_enough(void* self, const assay_block* b) {
  put(b->arg[1]) = at(b->arg[0]) < static_cast<Descent*>(self)->enough;
  put(b->arg[2]) += 1;
  put(b->arg[3]) = static_cast<double>(b->turn + 100 * b->step);
  return 0;
}
int32_t build_descent(assay_builder* b) {
  const assay_buf W = b->factor(b, 0), H = b->factor(b, 1);
  const assay_buf g = assay_local(b, "g", ASSAY_ROWS, 0), v = assay_sum(b, "v", 1, 1);
  const assay_buf until = state(b, "until", ASSAY_ONE), turns = state(b, "turns", ASSAY_ONE),
                  seen = state(b, "seen", ASSAY_ONE);
  b->loop(b, 7, until);
  add_terms(b, ASSAY_GRAD, ASSAY_ROWS, W, H, g, v);
  ASSAY_EACH(b, "down", ASSAY_ROWS, go_down, {W, ASSAY_INOUT}, {g, ASSAY_IN});
  ASSAY_EACH(b, "enough", ASSAY_ONE, is_enough, {v, ASSAY_IN}, {until, ASSAY_OUT},
             {turns, ASSAY_INOUT}, {seen, ASSAY_OUT});
  b->end(b);
  return b->status(b);
}

// Turns taken, and W after them.
int64_t naive_descent(const Stored& p,
                      graph::Model& m,
                      const std::string& loss,
                      const Descent& how) {
  for (int64_t turn = 0; turn < 7; ++turn) {
    double value = 0;
    std::vector<double> g(static_cast<size_t>(p.shape.n * p.shape.k));
    for (int64_t i = 0; i < p.shape.n; ++i)
      for (int64_t j = 0; j < p.shape.d; ++j) {
        const auto e = static_cast<size_t>(i * p.shape.d + j);
        if (p.weight[e] == 0) continue;
        double model = 0;
        for (int64_t a = 0; a < p.shape.k; ++a)
          model += m.factor[0].get(i, a) * m.factor[1].get(j, a);
        value += p.weight[e] * elementwise(loss, p.x[e], model);
        for (int64_t a = 0; a < p.shape.k; ++a)
          g[static_cast<size_t>(i * p.shape.k + a)] +=
              p.weight[e] * slope(loss, p.x[e], model) * m.factor[1].get(j, a);
      }
    for (int64_t i = 0; i < p.shape.n; ++i)
      for (int64_t a = 0; a < p.shape.k; ++a)
        m.factor[0].set(i, a,
                        std::max(0.01, m.factor[0].get(i, a) -
                                           how.step * g[static_cast<size_t>(i * p.shape.k + a)]));
    if (value < how.enough) return turn + 1;
  }
  return 7;
}

}  // namespace

TEST_CASE("a loop gives what a plain loop gives and ends when its predicate says so") {
  for (const Shape& shape : storages(60, 20))
    for (const char* loss : {"squared", "kl"}) {
      const Stored p = make_stored(shape);
      double first = 0;
      {
        graph::Model m = make_model(p, loss);
        first = (*plan_of(m, build_mu, default_options()))->run(true)->loss;
      }
      for (const double share : {2.0, 0.93, 0.0}) {  // one turn, some, all
        Descent how;
        how.enough = share * first;
        graph::Model want = make_model(p, loss);
        const int64_t turns = naive_descent(p, want, loss, how);
        if (share == 2.0) CHECK(turns == 1);
        if (share == 0.0) CHECK(turns == 7);
        for (const auto carry : {Carry::kAuto, Carry::kNever})
          for (const bool fuse : {true, false})
            for (const auto run : {Run::kSerial, Run::kGraph}) {
              CAPTURE(shape.seed);
              CAPTURE(loss);
              CAPTURE(share);
              graph::Model m = make_model(p, loss);
              graph::PlanOptions o = default_options();
              o.repeated = true;
              o.force.carry = carry;
              o.force.fuse = fuse;
              o.force.run = run;
              o.arena = *graph::Arena::create(2);
              auto plan = plan_of(m, build_descent, o, &how);
              REQUIRE(plan.ok());
              REQUIRE((*plan)->run(false, 3).ok());
              CHECK(difference(m.factor[0], want.factor[0]) < 1e-11);
              CHECK(m.state.at("turns").get(0, 0) == static_cast<double>(turns));
              CHECK(m.state.at("seen").get(0, 0) == static_cast<double>(turns - 1 + 300));
            }
      }
    }
}

namespace {
int32_t count_turn(void*, const assay_block* b) {
  put(b->arg[0]) += 1;
  put(b->arg[1]) = 10 * at(b->arg[1]) + static_cast<double>(b->turn);
  return 0;
}
int32_t build_nested(assay_builder* b) {
  const assay_buf inner = state(b, "inner", ASSAY_ONE), outer = state(b, "outer", ASSAY_ONE);
  const assay_buf seen_in = state(b, "seen_in", ASSAY_ONE),
                  seen_out = state(b, "seen_out", ASSAY_ONE);
  b->loop(b, 2, ASSAY_NO);
  b->loop(b, 3, ASSAY_NO);
  ASSAY_EACH(b, "inner", ASSAY_ONE, count_turn, {inner, ASSAY_INOUT}, {seen_in, ASSAY_INOUT});
  b->end(b);
  ASSAY_EACH(b, "outer", ASSAY_ONE, count_turn, {outer, ASSAY_INOUT}, {seen_out, ASSAY_INOUT});
  b->end(b);
  return b->status(b);
}
}  // namespace

TEST_CASE("loops nest, and a block sees the turn of the innermost") {
  const Stored p = make_stored(Shape{});
  graph::Model m = make_model(p, "squared");
  auto plan = plan_of(m, build_nested, default_options());
  REQUIRE(plan.ok());
  REQUIRE((*plan)->run(false).ok());
  CHECK(m.state.at("inner").get(0, 0) == 6);
  CHECK(m.state.at("outer").get(0, 0) == 2);
  CHECK(m.state.at("seen_in").get(0, 0) == 12012);
  CHECK(m.state.at("seen_out").get(0, 0) == 1);
  CHECK((*plan)->words().find("at most 2 times") != std::string::npos);
  CHECK((*plan)->dot().find("subgraph cluster") != std::string::npos);
}

// ---- batches ----

namespace {

// Per batch: one step of W, then sums of W and one step of H, with a number drawn into the order.
struct Epoch {
  int64_t size = 0;
  int32_t order = ASSAY_NATURAL;
  int64_t turns = 1;
};
int32_t note_batch(void*, const assay_block* b) {
  put(b->arg[0]) = 7 * at(b->arg[0]) + at(b->arg[1]);  // depends on the order
  put(b->arg[2]) += 1;
  return static_cast<double>(b->arg[3].rows) == at(b->arg[1]) ? 0 : ASSAY_E_INTERNAL;
}
int32_t count_rows(void*, const assay_block* b) {
  put(b->arg[0]) += static_cast<double>(b->count);
  return 0;
}
int32_t build_epoch(assay_builder* b, const Epoch& e) {
  b->batches(b, e.size, e.order, 5);
  b->loop(b, e.turns, ASSAY_NO);
  build_mu(b);
  b->end(b);
  const assay_buf rows = assay_sum(b, "rows", 1, 1);
  ASSAY_EACH(b, "count", ASSAY_ROWS, count_rows, {rows, ASSAY_ADD});
  ASSAY_EACH(b, "note", ASSAY_ONE, note_batch, {state(b, "order", ASSAY_ONE), ASSAY_INOUT},
             {rows, ASSAY_IN}, {state(b, "batches", ASSAY_ONE), ASSAY_INOUT},
             {b->factor(b, 0), ASSAY_IN});
  b->end(b);
  return b->status(b);
}
graph::Program::Build build_of(const Epoch& e) {
  return [e](assay_builder* b) { return build_epoch(b, e); };
}

// The rows first .. first + count - 1 of a problem as a model of their own.
void naive_batch(const Stored& p,
                 graph::Model& m,
                 const std::string& loss,
                 int64_t first,
                 int64_t count) {
  const int64_t d = p.shape.d, k = p.shape.k;
  for (int side = 0; side < 2; ++side) {
    graph::Buffer& f = m.factor[side];
    std::vector<double> num(static_cast<size_t>(f.rows * k)), den(num.size());
    for (int64_t i = first; i < first + count; ++i)
      for (int64_t j = 0; j < d; ++j) {
        const auto e = static_cast<size_t>(i * d + j);
        if (p.weight[e] == 0) continue;
        double model = 0;
        for (int64_t a = 0; a < k; ++a) model += m.factor[0].get(i, a) * m.factor[1].get(j, a);
        for (int64_t a = 0; a < k; ++a) {
          const auto own = static_cast<size_t>((side ? j : i) * k + a);
          const double o = side ? m.factor[0].get(i, a) : m.factor[1].get(j, a);
          num[own] += p.weight[e] * (loss == "squared" ? p.x[e] : p.x[e] / model) * o;
          den[own] += p.weight[e] * (loss == "squared" ? model : 1.0) * o;
        }
      }
    const int64_t from = side ? 0 : first, to = side ? d : first + count;
    for (int64_t i = from; i < to; ++i)
      for (int64_t a = 0; a < k; ++a)
        f.set(i, a,
              f.get(i, a) * num[static_cast<size_t>(i * k + a)] /
                  (den[static_cast<size_t>(i * k + a)] + 1e-16));
  }
}

}  // namespace

TEST_CASE("batches give what plain loops over runs of rows give") {
  for (const bool tall : {true, false})
    for (const Shape& shape : storages(tall ? 130 : 33, tall ? 20 : 120))
      for (const char* loss : {"squared", "kl"})
        for (const int64_t size : {1, 32, 500}) {
          const Stored p = make_stored(shape);
          graph::Model want = make_model(p, loss);
          for (int64_t first = 0; first < shape.n; first += size)
            naive_batch(p, want, loss, first, std::min(size, shape.n - first));
          for (const auto carry : {Carry::kAuto, Carry::kNever})
            for (const bool fuse : {true, false}) {
              CAPTURE(shape.seed);
              CAPTURE(loss);
              CAPTURE(size);
              CAPTURE(fuse);
              graph::Model m = make_model(p, loss);
              graph::PlanOptions o = default_options();
              o.repeated = true;
              o.force.carry = carry;
              o.force.fuse = fuse;
              auto plan = plan_of(m, build_of({size, ASSAY_NATURAL}), o);
              REQUIRE(plan.ok());
              const auto r = (*plan)->run(true);
              REQUIRE(r.ok());
              CHECK_FALSE(r->has_loss);
              CHECK(difference(m.factor[0], want.factor[0]) < 1e-10);
              CHECK(difference(m.factor[1], want.factor[1]) < 1e-10);
              CHECK(m.state.at("batches").get(0, 0) ==
                    static_cast<double>((shape.n + size - 1) / size));
            }
        }
}

TEST_CASE("a loop inside batches runs over the batch") {
  for (const Shape& shape : storages(70, 20))
    for (const char* loss : {"squared", "kl"}) {
      const Stored p = make_stored(shape);
      graph::Model want = make_model(p, loss), m = make_model(p, loss);
      for (int64_t first = 0; first < shape.n; first += 32)
        for (int turn = 0; turn < 3; ++turn)
          naive_batch(p, want, loss, first, std::min<int64_t>(32, shape.n - first));
      auto plan = plan_of(m, build_of({32, ASSAY_NATURAL, 3}), default_options());
      REQUIRE(plan.ok());
      REQUIRE((*plan)->run(false).ok());
      CHECK(difference(m.factor[0], want.factor[0]) < 1e-10);
      CHECK(difference(m.factor[1], want.factor[1]) < 1e-10);
    }
}

TEST_CASE("columns of X inside batches of rows are refused, not misread") {
  Shape s;
  s.sparse = true;
  s.zeros = 0.5;
  const Stored p = make_stored(s);
  graph::Model m = make_model(p, "squared");
  auto plan = plan_of(
      m,
      [](assay_builder* b) {
        b->batches(b, 16, ASSAY_NATURAL, 0);
        build_values<ASSAY_VALUE>(b);
        b->end(b);
        return b->status(b);
      },
      default_options());
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().code == "E0410");
}

TEST_CASE("float32 batches follow the double ones") {
  Shape s;
  s.n = 130;
  s.d = 20;
  s.k = 3;
  s.dtype = ASSAY_F32;
  const Stored p = make_stored(s);
  for (const char* loss : {"squared", "kl"}) {
    graph::Model want = make_model(p, loss), m = make_model(p, loss, ASSAY_F32);
    for (int64_t first = 0; first < s.n; first += 32)
      naive_batch(p, want, loss, first, std::min<int64_t>(32, s.n - first));
    auto plan = plan_of(m, build_of({32, ASSAY_NATURAL}), default_options());
    REQUIRE(plan.ok());
    REQUIRE((*plan)->run(false).ok());
    CHECK(difference(m.factor[0], want.factor[0]) < 1e-4);
    CHECK(difference(m.factor[1], want.factor[1]) < 1e-4);
  }
}

TEST_CASE("shuffled batches are drawn by step: anew each, and the same for the same step") {
  Shape s;
  s.n = 95;  // ten runs, the last shorter: the order shows in what is noted
  s.d = 8;
  s.k = 2;
  const Stored p = make_stored(s);
  std::set<double> orders;
  for (const int64_t step : {0, 1, 2, 3, 0}) {
    graph::Model m = make_model(p, "squared");
    auto plan = plan_of(m, build_of({10, ASSAY_SHUFFLED}), default_options());
    REQUIRE(plan.ok());
    REQUIRE((*plan)->run(false, step).ok());
    CHECK(m.state.at("batches").get(0, 0) == 10);
    orders.insert(m.state.at("order").get(0, 0) + 1e9 * m.factor[1].get(0, 0));
  }
  CHECK(orders.size() == 4);
}

TEST_CASE("threads do not change a bit of loops and batches") {
  for (const bool sparse : {false, true})
    for (const char* loss : {"squared", "kl"}) {
      Shape s;
      s.n = 1500;
      s.d = 60;
      s.k = 9;
      s.sparse = sparse;
      s.zeros = sparse ? 0.9 : 0.0;
      const Stored p = make_stored(s);
      Descent how;
      const auto run = [&](const graph::Program::Build& build, graph::PlanOptions o) {
        graph::Model m = make_model(p, loss);
        auto plan = plan_of(m, build, std::move(o), &how);
        REQUIRE(plan.ok());
        for (int64_t i = 0; i < 2; ++i) REQUIRE((*plan)->run(false, i).ok());
        return m;
      };
      for (const graph::Program::Build& build :
           {graph::Program::Build(build_descent), build_of({400, ASSAY_SHUFFLED})}) {
        const graph::Model want = run(build, default_options());
        for (const int threads : {1, 2, 4, 7}) {
          CAPTURE(threads);
          graph::PlanOptions o = default_options();
          o.arena = *graph::Arena::create(threads);
          o.force.run = Run::kGraph;
          const graph::Model got = run(build, o);
          CHECK(same_bits(got.factor[0], want.factor[0]));
          CHECK(same_bits(got.factor[1], want.factor[1]));
        }
      }
    }
}

TEST_CASE("freezing prunes inside loops and batches, and loops with nothing left") {
  const Stored p = make_stored(Shape{});
  graph::Model m = make_model(p, "squared");
  const graph::Buffer H = m.factor[1];
  m.frozen[1] = true;
  auto plan = plan_of(m, build_of({16, ASSAY_NATURAL}), default_options());
  REQUIRE(plan.ok());
  REQUIRE((*plan)->run(false).ok());
  CHECK(same_bits(m.factor[1], H));
  CHECK((*plan)->words().find("uw") != std::string::npos);
  CHECK((*plan)->words().find("uh") == std::string::npos);
  graph::Model g = make_model(p, "squared");
  g.frozen[0] = g.frozen[1] = true;
  auto nothing = plan_of(
      g,
      [](assay_builder* b) {
        b->loop(b, 3, ASSAY_NO);
        build_mu(b);
        b->end(b);
        return b->status(b);
      },
      default_options());
  REQUIRE(nothing.ok());
  CHECK((*nothing)->words().find("times") == std::string::npos);
  CHECK((*nothing)->run(false).ok());
}

}  // namespace assay::test
