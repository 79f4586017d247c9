// SPDX-License-Identifier: Apache-2.0
// Lines that stand apart join one sweep where nothing between depends on them, and mean the same.
#include <doctest/doctest.h>

#include "tests/graph/support.hpp"

namespace assay::test {
namespace {

double& at(const assay_view& v, int64_t i, int64_t j) {
  return static_cast<double*>(v.data)[i * v.stride + j];
}
// {from IN ..., to OUT}: their sum.
int32_t add(void*, const assay_block* b) {
  const assay_view& to = b->arg[b->n_args - 1];
  for (int64_t i = 0; i < to.rows; ++i)
    for (int64_t a = 0; a < to.cols; ++a) {
      double sum = 0;
      for (int32_t from = 0; from + 1 < b->n_args; ++from) sum += at(b->arg[from], i, a);
      at(to, i, a) = sum;
    }
  return 0;
}

assay_buf output(assay_builder* b, const char* name, int32_t axis) {
  const assay_buffer d = {sizeof d, ASSAY_BUFFER_OUTPUT, name, axis, ASSAY_LOCAL, ASSAY_F64, 0, 0,
                          0};
  return b->buffer(b, &d);
}
assay_buf terms(assay_builder* b, const char* name, int32_t axis) {
  const assay_buf g = assay_local(b, name, axis, 0);
  const assay_terms t = {sizeof t,        0, ASSAY_GRAD, axis,     b->factor(b, 0),
                         b->factor(b, 1), g, ASSAY_NO,   ASSAY_NO, 0};
  b->terms(b, &t);
  return g;
}

// Rows, columns, rows again: the second lines on the rows need nothing of the columns'. `writes`:
// the columns' lines write H, which the second lines on the rows read.
int32_t build(assay_builder* b, bool writes) {
  const assay_buf P = assay_local(b, "product", ASSAY_ROWS, 0),
                  rows = output(b, "rows", ASSAY_ROWS), cols = output(b, "cols", ASSAY_COLS);
  b->times(b, P, ASSAY_X, b->factor(b, 1), 0);
  const assay_buf gw = terms(b, "gradient_w", ASSAY_ROWS), gh = terms(b, "gradient_h", ASSAY_COLS);
  ASSAY_EACH(b, "add_cols", ASSAY_COLS, add, {gh, ASSAY_IN},
             {writes ? b->factor(b, 1) : cols, ASSAY_OUT});
  if (writes)
    ASSAY_EACH(b, "copy_cols", ASSAY_COLS, add, {b->factor(b, 1), ASSAY_IN}, {cols, ASSAY_OUT});
  const assay_buf again = assay_local(b, "again", ASSAY_ROWS, 0);
  b->times(b, again, ASSAY_X, b->factor(b, 1), 0);
  ASSAY_EACH(b, "add_rows", ASSAY_ROWS, add, {P, ASSAY_IN}, {gw, ASSAY_IN}, {again, ASSAY_IN},
             {rows, ASSAY_OUT});
  return b->status(b);
}

struct Ran {
  graph::Buffer rows, cols;
  int64_t row_sweeps;
};
Ran run(const Stored& p, bool writes, bool fuse) {
  graph::Model m = make_model(p, "squared");
  graph::PlanOptions options = default_options();
  options.force.fuse = fuse;
  auto plan = plan_of(
      m, [writes](assay_builder* b) { return build(b, writes); }, options);
  REQUIRE(plan.ok());
  REQUIRE((*plan)->run(false).ok());
  const std::string words = (*plan)->words();
  int64_t sweeps = 0;
  for (size_t from = words.find("rows: "); from != std::string::npos;
       from = words.find("rows: ", from + 1))
    ++sweeps;
  return {*(*plan)->output("rows"), *(*plan)->output("cols"), sweeps};
}

}  // namespace

TEST_CASE("lines join an earlier sweep unless one between depends on them") {
  for (const bool sparse : {false, true}) {
    Shape s;
    s.n = 200;
    s.sparse = sparse;
    s.zeros = sparse ? 0.7 : 0;
    const Stored p = make_stored(s);
    for (const bool writes : {false, true}) {
      CAPTURE(writes);
      const Ran joined = run(p, writes, true), apart = run(p, writes, false);
      CHECK(difference(joined.rows, apart.rows) < 1e-12);
      CHECK(difference(joined.cols, apart.cols) < 1e-12);
      CHECK(joined.row_sweeps == (writes ? 2 : 1));
      CHECK(apart.row_sweeps > 2);
    }
  }
}

}  // namespace assay::test
