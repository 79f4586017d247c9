// SPDX-License-Identifier: Apache-2.0
// A LOCAL of the shape of X in X's place.
#include <doctest/doctest.h>

#include "tests/graph/support.hpp"

namespace assay::test {
namespace {

double& at(const assay_view& v, int64_t i, int64_t j) {
  return static_cast<double*>(v.data)[i * v.stride + j];
}

const assay_tile* tile() {
  return static_cast<const assay_tile*>(plugin::host()->service("assay.tile/1"));
}

// {copy of X OUT}
int32_t copy(void*, const assay_block* b) {
  for (int64_t i = 0; i < b->count; ++i) {
    assay_line line{};
    line.struct_size = sizeof line;
    if (const int32_t status = tile()->line(b->ctx, i, &line); status != 0) return status;
    for (int64_t j = 0; j < b->arg[0].cols; ++j) at(b->arg[0], i, j) = 0;
    for (int64_t e = 0; e < line.n; ++e) at(b->arg[0], i, line.idx ? line.idx[e] : e) = line.x[e];
  }
  return 0;
}
int32_t assign(void*, const assay_block* b) {
  for (int64_t i = 0; i < b->arg[0].rows; ++i)
    for (int64_t a = 0; a < b->arg[0].cols; ++a) at(b->arg[1], i, a) = at(b->arg[0], i, a);
  return 0;
}
int32_t add(void*, const assay_block* b) {
  for (int64_t i = 0; i < b->arg[0].rows; ++i)
    for (int64_t a = 0; a < b->arg[0].cols; ++a) at(b->arg[1], i, a) += at(b->arg[0], i, a);
  return 0;
}

assay_buf state(assay_builder* b, const char* name, int32_t axis) {
  const assay_buffer d = {sizeof d, 0, name, axis, ASSAY_STATE, ASSAY_F64, 1, 0, 0};
  return b->buffer(b, &d);
}

// rows = X H, columns = X' W, with a copy of X in its place or X itself.
int32_t products(assay_builder* b, bool shaped, int64_t size) {
  if (size > 0) b->batches(b, size, ASSAY_SHUFFLED_ROWS, 3);
  assay_buf X = ASSAY_X;
  if (shaped) {
    X = assay_local(b, "copy", ASSAY_ROWS, 37);
    const assay_arg arg = {X, ASSAY_OUT};
    const assay_each e = {sizeof e, ASSAY_EACH_X, "copy", ASSAY_ROWS, 1, copy, &arg, 0, 0};
    b->each(b, &e);
  }
  const assay_buf P = assay_local(b, "p", ASSAY_ROWS, 0), S = assay_local(b, "s", ASSAY_COLS, 0);
  b->times(b, P, X, b->factor(b, 1), 0);
  b->times(b, S, X, b->factor(b, 0), 0);
  ASSAY_EACH(b, "keep_rows", ASSAY_ROWS, assign, {P, ASSAY_IN},
             {state(b, "rows", ASSAY_ROWS), ASSAY_OUT});
  ASSAY_EACH(b, "add_columns", ASSAY_COLS, add, {S, ASSAY_IN},
             {state(b, "columns", ASSAY_COLS), ASSAY_INOUT});
  if (size > 0) b->end(b);
  return b->status(b);
}

struct Result {
  graph::Buffer rows, columns;
};
Result run(const Stored& p,
           const std::string& loss,
           const graph::Program::Build& build,
           int threads = 0,
           int32_t compute = ASSAY_F64) {
  graph::Model m = make_model(p, loss, compute);
  graph::PlanOptions options = default_options();
  if (threads > 0) {
    options.arena = *graph::Arena::create(threads);
    options.force.run = graph::Force::Run::kGraph;
  }
  auto plan = plan_of(m, build, options);
  REQUIRE_MESSAGE(plan.ok(), plan.error().message);
  REQUIRE((*plan)->run(false).ok());
  return {m.state.at("rows.rows"), m.state.at("columns")};
}

Stored stored(bool mask, int32_t dtype = ASSAY_F64) {
  Shape s;
  s.n = 101;
  s.d = 37;
  s.mask = s.poison = mask;
  s.dtype = dtype;
  return make_stored(s);
}

}  // namespace

TEST_CASE("a copy of X in X's place gives X's products, to the bit for any number of threads") {
  for (const bool mask : {false, true})
    for (const int64_t size : {0, 16, 101}) {
      CAPTURE(mask);
      CAPTURE(size);
      const Stored p = stored(mask);
      const Result plain =
                       run(p, "squared", [=](assay_builder*b) { return products(b, false, size); }),
                   shaped =
                       run(p, "squared", [=](assay_builder*b) { return products(b, true, size); });
      CHECK(difference(shaped.rows, plain.rows) < 1e-14);
      CHECK(difference(shaped.columns, plain.columns) < 1e-14);
      for (const int threads : {1, 3}) {
        const Result many = run(
            p, "squared", [=](assay_builder* b) { return products(b, true, size); }, threads);
        CHECK(same_bits(many.rows, shaped.rows));
        CHECK(same_bits(many.columns, shaped.columns));
      }
    }
}

TEST_CASE("a copy of X in X's place works in float32") {
  const Stored p = stored(false, ASSAY_F32);
  const Result plain = run(
                   p, "squared", [](assay_builder*b) { return products(b, false, 32); }, 0,
                   ASSAY_F32),
               shaped = run(
                   p, "squared", [](assay_builder*b) { return products(b, true, 32); }, 0,
                   ASSAY_F32);
  CHECK(difference(shaped.rows, plain.rows) < 1e-5);
  CHECK(difference(shaped.columns, plain.columns) < 1e-5);
}

TEST_CASE("shapes that do not stand in X's place are refused") {
  const Stored p = stored(false);
  graph::Model m = make_model(p, "squared");
  for (const int wrong : {0, 1, 2}) {
    auto plan = plan_of(
        m,
        [wrong](assay_builder* b) {
          const assay_buf X = assay_local(b, "x", ASSAY_ROWS, wrong == 0 ? 36 : 37);
          const assay_arg arg = {X, ASSAY_OUT};
          const assay_each e = {sizeof e, 0, "fill", ASSAY_ROWS, 1, copy, &arg, 0, 0};
          b->each(b, &e);
          const assay_buf out =
              assay_local(b, "out", wrong == 1 ? ASSAY_COLS : ASSAY_ROWS, wrong == 2 ? 4 : 0);
          b->times(b, out, X, b->factor(b, 1), 0);
          return b->status(b);
        },
        default_options());
    CHECK(!plan.ok());
  }
}

TEST_CASE("a copy of X that would have to be stored is refused") {
  const Stored p = stored(false);
  graph::Model m = make_model(p, "squared");
  auto plan = plan_of(
      m,
      [](assay_builder* b) {
        const assay_buf X = assay_local(b, "x", ASSAY_ROWS, 37),
                        S = assay_local(b, "s", ASSAY_COLS, 0),
                        P = assay_local(b, "p", ASSAY_ROWS, 0);
        const assay_arg arg = {X, ASSAY_OUT};
        const assay_each e = {sizeof e, ASSAY_EACH_X, "copy", ASSAY_ROWS, 1, copy, &arg, 0, 0};
        b->each(b, &e);
        b->times(b, S, X, b->factor(b, 0), 0);
        b->times(b, P, X, S, 0);  // needs S of all rows
        ASSAY_EACH(b, "keep", ASSAY_ROWS, assign, {P, ASSAY_IN},
                   {state(b, "rows", ASSAY_ROWS), ASSAY_OUT});
        return b->status(b);
      },
      default_options());
  REQUIRE(!plan.ok());
  CHECK(plan.error().message.find("stored whole") != std::string::npos);
}

}  // namespace assay::test
