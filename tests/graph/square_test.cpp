// SPDX-License-Identifier: Apache-2.0
// X'X and X X', and products of sparse X whose zeros the view shifts, against plain loops over the
// same numbers.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/graph/support.hpp"

namespace assay::test {
namespace {

// Scale and shift of the columns; hidden entries keep none.
Stored with_view(Stored p, double shift_size) {
  auto x = std::make_shared<data::Data>(*p.data);
  const auto scale = std::make_shared<AlignedArray<double>>(x->cols),
             shift = std::make_shared<AlignedArray<double>>(x->cols);
  Random r(p.shape.seed + 5);
  for (int64_t j = 0; j < x->cols; ++j) {
    (*scale)[j] = 0.5 + r.uniform();
    (*shift)[j] = shift_size * (r.uniform() - 0.7);
  }
  x->scale = scale;
  if (shift_size != 0) x->shift = shift;
  for (int64_t i = 0; i < x->rows; ++i)
    for (int64_t j = 0; j < x->cols; ++j) {
      double& v = p.x[static_cast<size_t>(i * x->cols + j)];
      v = (*scale)[j] * v + (x->shift ? (*shift)[j] : 0.0);
    }
  p.data = x;
  return p;
}

double entry(const Stored& p, int64_t i, int64_t j) {
  const auto at = static_cast<size_t>(i * p.shape.d + j);
  return p.weight[at] == 0 ? 0 : p.x[at];
}

int32_t copy(void*, const assay_block* b) {
  const assay_view &from = b->arg[0], &to = b->arg[1];
  for (int64_t i = 0; i < from.rows; ++i)
    for (int64_t j = 0; j < from.cols; ++j)
      static_cast<double*>(to.data)[i * to.stride + j] =
          static_cast<const double*>(from.data)[i * from.stride + j];
  return 0;
}

assay_buf output(assay_builder* b, const char* name, int32_t axis, int64_t rows, int64_t width) {
  const assay_buffer d = {
      sizeof d, ASSAY_BUFFER_OUTPUT, name, axis, ASSAY_LOCAL, ASSAY_F64, 0, rows, width};
  return b->buffer(b, &d);
}

int32_t build_square(assay_builder* b, int64_t size, uint32_t flags) {
  const assay_buf Q = assay_sum(b, "square", size, size),
                  out = output(b, "out", ASSAY_ONE, size, size);
  b->times(b, Q, ASSAY_X, ASSAY_X, flags);
  ASSAY_EACH(b, "copy", ASSAY_ONE, copy, {Q, ASSAY_IN}, {out, ASSAY_OUT});
  return b->status(b);
}

graph::Buffer square_of(const Stored& p, bool turned, graph::PlanOptions options, int32_t compute) {
  graph::Model m = make_model(p, "squared", compute);
  const int64_t size = turned ? p.shape.n : p.shape.d;
  auto plan = plan_of(
      m,
      [=](assay_builder* b) {
        return build_square(b, size, turned ? uint32_t{ASSAY_TRANSPOSED} : 0u);
      },
      options);
  REQUIRE(plan.ok());
  REQUIRE((*plan)->run(false).ok());
  auto out = (*plan)->output("out");
  REQUIRE(out.ok());
  return std::move(*out);
}

void compare_square(const Stored& p, double tolerance, int32_t compute = ASSAY_F64) {
  for (const bool turned : {false, true})
    for (const int64_t tile : {0, 8}) {
      CAPTURE(turned);
      CAPTURE(tile);
      graph::PlanOptions options = default_options();
      options.force.tile_rows = tile;
      const graph::Buffer got = square_of(p, turned, options, compute);
      const int64_t size = turned ? p.shape.n : p.shape.d, length = turned ? p.shape.d : p.shape.n;
      double worst = 0, most = 0;
      int64_t odd = 0;
      for (int64_t a = 0; a < size; ++a)
        for (int64_t c = 0; c < size; ++c) {
          double sum = 0;
          for (int64_t i = 0; i < length; ++i)
            sum += turned ? entry(p, a, i) * entry(p, c, i) : entry(p, i, a) * entry(p, i, c);
          worst = std::max(worst, std::abs(got.get(a, c) - sum));
          most = std::max(most, std::abs(sum));
          odd += got.get(a, c) == got.get(c, a) ? 0 : 1;
        }
      CHECK(worst < tolerance * most);
      CHECK(odd == 0);
    }
}

Stored sample(int64_t n, int64_t d, bool sparse, int32_t dtype, bool mask) {
  Shape s;
  s.n = n;
  s.d = d;
  s.sparse = sparse;
  s.zeros = sparse ? 0.8 : 0.0;
  s.dtype = dtype;
  s.mask = s.poison = mask;
  s.seed = static_cast<uint64_t>(n + d);
  return make_stored(s);
}

// {B on COLS, A on ROWS}: X B and X'A; the gradient of the squared loss and its value at W H.
int32_t build_products(assay_builder* b) {
  for (int32_t side = 0; side < 2; ++side) {
    const assay_buf P = output(b, side ? "product_h" : "product_w", side, 0, 0),
                    g = output(b, side ? "gradient_h" : "gradient_w", side, 0, 0),
                    v = assay_sum(b, side ? "value_h" : "value_w", 1, 1);
    b->times(b, P, ASSAY_X, b->factor(b, 1 - side), 0);
    const assay_terms t = {sizeof t,        0, ASSAY_GRAD, side, b->factor(b, 0),
                           b->factor(b, 1), g, ASSAY_NO,   v,    0};
    b->terms(b, &t);
    b->report(b, side ? "loss_h" : "loss_w", v);
  }
  const assay_buf v = assay_sum(b, "value", 1, 1);
  const assay_terms t = {sizeof t,        0,        ASSAY_VALUE, ASSAY_ROWS, b->factor(b, 0),
                         b->factor(b, 1), ASSAY_NO, ASSAY_NO,    v,          0};
  b->terms(b, &t);
  b->report(b, "loss", v);
  return b->status(b);
}

struct Products {
  graph::Buffer product[2], gradient[2];
  double loss[3];
};
Products products_of(const Stored& p, const graph::PlanOptions& options) {
  graph::Model m = make_model(p, "squared");
  auto plan = plan_of(m, build_products, options);
  REQUIRE(plan.ok());
  auto step = (*plan)->run(true);
  REQUIRE(step.ok());
  Products out;
  for (int side = 0; side < 2; ++side) {
    out.product[side] = *(*plan)->output(side ? "product_h" : "product_w");
    out.gradient[side] = *(*plan)->output(side ? "gradient_h" : "gradient_w");
  }
  out.loss[0] = step->reports.at("loss_w");
  out.loss[1] = step->reports.at("loss_h");
  out.loss[2] = step->reports.at("loss");
  return out;
}

// The same numbers stored one by one.
Stored dense_twin(const Stored& p) {
  Stored twin = p;
  auto x = std::make_shared<data::Data>();
  x->rows = p.data->rows;
  x->cols = p.data->cols;
  x->dense.stride = x->cols;
  x->dense.owner = keep(p.x, &x->dense.data);
  twin.data = x;
  return twin;
}

}  // namespace

TEST_CASE("X'X and X X' are those of plain loops, in every storage and view") {
  for (const auto& sides : {std::pair<int64_t, int64_t>{150, 37}, {41, 120}, {3, 2}, {300, 49}}) {
    const auto n = sides.first, d = sides.second;
    CAPTURE(n);
    compare_square(sample(n, d, false, ASSAY_F64, false), 1e-13);
    compare_square(sample(n, d, false, ASSAY_F32, false), 1e-5, ASSAY_F32);
    compare_square(sample(n, d, false, ASSAY_F64, true), 1e-13);
    compare_square(sample(n, d, false, ASSAY_U8, false), 1e-13);
    compare_square(sample(n, d, false, ASSAY_U8, false), 1e-5, ASSAY_F32);
    compare_square(sample(n, d, true, ASSAY_F64, false), 1e-13);
    compare_square(sample(n, d, true, ASSAY_F64, true), 1e-13);
    for (const double shift : {0.0, 1.0}) {
      compare_square(with_view(sample(n, d, false, ASSAY_F64, false), shift), 1e-13);
      compare_square(with_view(sample(n, d, false, ASSAY_F64, true), shift), 1e-13);
      compare_square(with_view(sample(n, d, false, ASSAY_U8, false), 100 * shift), 1e-12);
      compare_square(with_view(sample(n, d, true, ASSAY_F64, false), shift), 1e-13);
    }
  }
}

TEST_CASE("X'X gives the same bits on any number of threads") {
  for (const bool sparse : {false, true}) {
    const Stored p = sample(900, 33, sparse, ASSAY_F64, false);
    const graph::Buffer alone = square_of(p, false, default_options(), ASSAY_F64);
    for (const int threads : {1, 2, 4, 7}) {
      graph::PlanOptions options = default_options();
      auto arena = graph::Arena::create(threads);
      REQUIRE(arena.ok());
      options.arena = *arena;
      options.force.run = graph::Force::Run::kGraph;
      CHECK(same_bits(square_of(p, false, options, ASSAY_F64), alone));
    }
  }
}

TEST_CASE("shifted zeros of sparse X cost what is stored, and give what dense X gives") {
  for (const auto& sides : {std::pair<int64_t, int64_t>{150, 37}, {41, 120}})
    for (const auto carry :
         {graph::Force::Carry::kAuto, graph::Force::Carry::kAlways, graph::Force::Carry::kNever})
      for (const bool fuse : {true, false}) {
        const auto n = sides.first, d = sides.second;
        CAPTURE(n);
        CAPTURE(fuse);
        const Stored p = with_view(sample(n, d, true, ASSAY_F64, false), 1.0);
        graph::PlanOptions options = default_options();
        options.force.carry = carry;
        options.force.fuse = fuse;
        std::string said;
        const plugin::LogSink log = [&said](int32_t, const std::string& line) { said += line; };
        options.log = &log;
        const Products got = products_of(p, options);
        CHECK(said.find("dense") == std::string::npos);
        const Products want = products_of(dense_twin(p), default_options());
        for (int side = 0; side < 2; ++side) {
          CHECK(difference(got.product[side], want.product[side]) < 1e-12);
          CHECK(difference(got.gradient[side], want.gradient[side]) < 1e-12);
        }
        for (int i = 0; i < 3; ++i)
          CHECK(got.loss[i] == doctest::Approx(want.loss[i]).epsilon(1e-11));
      }
}

TEST_CASE("X'X is refused where it means nothing") {
  const Stored p = sample(30, 7, false, ASSAY_F64, false);
  graph::Model m = make_model(p, "squared");
  const auto refused = [&](const graph::Program::Build& build) {
    return !plan_of(m, build, default_options()).ok();
  };
  CHECK(refused([](assay_builder* b) { return build_square(b, 8, 0); }));
  CHECK(refused([](assay_builder* b) { return build_square(b, 7, ASSAY_SQUARE); }));
  CHECK(refused([](assay_builder* b) {
    b->batches(b, 5, ASSAY_NATURAL, 0);
    build_square(b, 7, 0);
    b->end(b);
    return b->status(b);
  }));
  CHECK_FALSE(refused([](assay_builder* b) { return build_square(b, 7, 0); }));
}

}  // namespace assay::test
