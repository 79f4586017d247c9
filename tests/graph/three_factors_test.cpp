// SPDX-License-Identifier: Apache-2.0
// Words for models of three factors: small products with a transposed operand, and W S as the left
// side of the model, on every plan against plain loops.
#include <doctest/doctest.h>

#include "tests/graph/support.hpp"

namespace assay::test {
namespace {

constexpr int64_t kRows = 3, kCols = 5;  // S

graph::Model three_factors(const Stored& p, const std::string& loss) {
  graph::Model m = make_model(p, loss);
  m.n_factors = 3;
  Random r(5);
  m.factor[0] = graph::Buffer::make(ASSAY_F64, p.shape.n, kRows);
  m.factor[1] = graph::Buffer::make(ASSAY_F64, p.shape.d, kCols);
  m.factor[2] = graph::Buffer::make(ASSAY_F64, kRows, kCols);
  for (graph::Buffer& f : m.factor)
    for (int64_t i = 0; i < f.rows; ++i)
      for (int64_t j = 0; j < f.width; ++j) f.set(i, j, 0.2 + r.uniform());
  return m;
}

assay_buf output(assay_builder* b, const char* name, int32_t axis, int64_t width) {
  assay_buffer d{};
  d.struct_size = sizeof d;
  d.flags = ASSAY_BUFFER_OUTPUT;
  d.name = name;
  d.axis = axis;
  d.role = ASSAY_LOCAL;
  d.width = width;
  return b->buffer(b, &d);
}

// H S', its gradient terms for W, and the loss at (W S) H'.
int32_t build(assay_builder* b) {
  const assay_buf B = output(b, "B", ASSAY_COLS, kRows), num = output(b, "num", ASSAY_ROWS, kRows),
                  den = output(b, "den", ASSAY_ROWS, kRows), loss = assay_sum(b, "loss", 1, 1);
  b->times(b, B, b->factor(b, 1), b->factor(b, 2), ASSAY_TRANSPOSED);
  assay_terms t{};
  t.struct_size = sizeof t;
  t.what = ASSAY_MU;
  t.axis = ASSAY_ROWS;
  t.left = b->factor(b, 0);
  t.right = B;
  t.out0 = num;
  t.out1 = den;
  t.value = ASSAY_NO;
  b->terms(b, &t);
  t.what = ASSAY_VALUE;
  t.left = b->factor(b, ASSAY_LEFT);
  t.right = b->factor(b, 1);
  t.out0 = t.out1 = ASSAY_NO;
  t.value = loss;
  b->terms(b, &t);
  b->report(b, "loss", loss);
  return b->status(b);
}

double product(const graph::Model& m, int64_t i, int64_t j) {
  double sum = 0;
  for (int64_t a = 0; a < kRows; ++a)
    for (int64_t c = 0; c < kCols; ++c)
      sum += m.factor[0].get(i, a) * m.factor[2].get(a, c) * m.factor[1].get(j, c);
  return sum;
}

}  // namespace

TEST_CASE("three factors: transposed small products and W S agree with plain loops on every plan") {
  for (const std::string loss : {"squared", "kl"}) {
    for (const bool is_sparse : {false, true}) {
      for (const bool tall : {true, false}) {
        Shape shape;
        shape.n = tall ? 90 : 31;
        shape.d = tall ? 31 : 90;
        shape.zeros = 0.5;
        shape.sparse = is_sparse;
        const Stored p = make_stored(shape);
        graph::Model m = three_factors(p, loss);
        double value = 0;
        std::vector<double> num(static_cast<size_t>(shape.n * kRows)), den(num.size());
        for (int64_t i = 0; i < shape.n; ++i)
          for (int64_t j = 0; j < shape.d; ++j) {
            const double x = p.x[static_cast<size_t>(i * shape.d + j)], y = product(m, i, j);
            value +=
                loss == "kl" ? (x > 0 ? x * std::log(x / y) : 0) - x + y : 0.5 * (x - y) * (x - y);
            for (int64_t a = 0; a < kRows; ++a) {
              double o = 0;
              for (int64_t c = 0; c < kCols; ++c)
                o += m.factor[2].get(a, c) * m.factor[1].get(j, c);
              num[static_cast<size_t>(i * kRows + a)] += (loss == "kl" ? x / y : x) * o;
              den[static_cast<size_t>(i * kRows + a)] += (loss == "kl" ? 1 : y) * o;
            }
          }
        for (const auto carry : {graph::Force::Carry::kAuto, graph::Force::Carry::kNever,
                                 graph::Force::Carry::kAlways}) {
          for (const bool fuse : {true, false}) {
            graph::PlanOptions o = default_options();
            o.force.carry = carry;
            o.force.fuse = fuse;
            o.force.tile_rows = 8;
            auto plan = plan_of(m, build, o);
            REQUIRE_MESSAGE(plan.ok(), plan.error().message);
            const auto step = (*plan)->run(true);
            REQUIRE(step.ok());
            CHECK(step->reports.at("loss") == doctest::Approx(value).epsilon(1e-11));
            REQUIRE(step->has_loss);  // at W (H S')', which is the model
            CHECK(step->loss == doctest::Approx(value).epsilon(1e-11));
            const auto N = (*plan)->output("num"), D = (*plan)->output("den");
            REQUIRE(N.ok());
            REQUIRE(D.ok());
            for (int64_t i = 0; i < shape.n; ++i)
              for (int64_t a = 0; a < kRows; ++a) {
                const auto at = static_cast<size_t>(i * kRows + a);
                CHECK(N->get(i, a) == doctest::Approx(num[at]).epsilon(1e-11));
                CHECK(D->get(i, a) == doctest::Approx(den[at]).epsilon(1e-11));
              }
          }
        }
      }
    }
  }
}

TEST_CASE("three factors: shapes of transposed products are checked") {
  const Stored p = make_stored({});
  graph::Model m = three_factors(p, "squared");
  const auto wrong = plan_of(
      m,
      [](assay_builder* b) {
        const assay_buf B = assay_local(b, "B", ASSAY_COLS, kCols);
        b->times(b, B, b->factor(b, 1), b->factor(b, 2), ASSAY_TRANSPOSED);
        return b->status(b);
      },
      default_options());
  CHECK_FALSE(wrong.ok());
  const auto of_x = plan_of(
      m,
      [](assay_builder* b) {
        const assay_buf P = assay_local(b, "P", ASSAY_ROWS, kCols);
        b->times(b, P, ASSAY_X, b->factor(b, 1), ASSAY_TRANSPOSED);
        return b->status(b);
      },
      default_options());
  CHECK_FALSE(of_x.ok());
}

}  // namespace assay::test
