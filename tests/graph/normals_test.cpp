// SPDX-License-Identifier: Apache-2.0
// Normal equations of rows and of columns against plain loops, for shared and own Gram matrices.
#include <doctest/doctest.h>

#include "tests/graph/support.hpp"

namespace assay::test {
namespace {

struct Asked {
  uint32_t flags = 0;
};

// Copies G (k x k, shared or one a row) and r into one row of k k + k numbers.
int32_t copy(void*, const assay_block* b) {
  const assay_view &G = b->arg[0], &r = b->arg[1], &out = b->arg[2];
  for (int64_t i = 0; i < b->count; ++i) {
    double* row = static_cast<double*>(out.data) + i * out.stride;
    for (int64_t p = 0; p < G.rows; ++p)
      for (int64_t q = 0; q < G.cols; ++q)
        row[p * G.cols + q] = static_cast<const double*>(G.data)[i * G.step + p * G.stride + q];
    for (int64_t p = 0; p < r.cols; ++p)
      row[G.rows * G.cols + p] = static_cast<const double*>(r.data)[i * r.stride + p];
  }
  return 0;
}

int32_t build_normals(assay_builder* b, uint32_t flags, int64_t k) {
  for (int32_t side = 0; side < 2; ++side) {
    const assay_buf G = assay_local(b, side ? "gram_h" : "gram_w", side, k * k),
                    r = assay_local(b, side ? "rhs_h" : "rhs_w", side, 0);
    const assay_normals n = {sizeof n, flags, side, b->factor(b, 0), b->factor(b, 1), G, r, 0};
    b->normals(b, &n);
    assay_buffer d = {
        sizeof d, ASSAY_BUFFER_OUTPUT, side ? "out_h" : "out_w", side, ASSAY_LOCAL, ASSAY_F64, 0, 0,
        k * k + k};
    const assay_buf out = b->buffer(b, &d);
    ASSAY_EACH(b, side ? "copy_h" : "copy_w", side, copy, {G, ASSAY_IN}, {r, ASSAY_IN},
               {out, ASSAY_OUT});
  }
  return b->status(b);
}

// By plain loops. bound > 0: that curvature everywhere, also at hidden entries.
std::vector<double> naive(const Stored& p,
                          const graph::Model& m,
                          const std::string& loss,
                          int side,
                          double bound) {
  const int64_t n = p.shape.n, d = p.shape.d, k = p.shape.k, row = k * k + k;
  std::vector<double> out(static_cast<size_t>((side ? d : n) * row), 0.0);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < d; ++j) {
      const double w = p.weight[static_cast<size_t>(i * d + j)],
                   x = p.x[static_cast<size_t>(i * d + j)];
      double model = 0;
      for (int64_t a = 0; a < k; ++a) model += m.factor[0].get(i, a) * m.factor[1].get(j, a);
      const double g = w == 0 ? 0 : w * (loss == "squared" ? model - x : 1 - x / model);
      const double v = bound > 0 ? bound
                       : w == 0  ? 0
                                 : w * (loss == "squared" ? 1 : x / (model * model));
      const graph::Buffer& o = m.factor[side ? 0 : 1];
      const int64_t at = side ? j : i, other = side ? i : j;
      double* to = out.data() + at * row;
      for (int64_t a = 0; a < k; ++a) {
        for (int64_t b = 0; b < k; ++b) to[a * k + b] += v * o.get(other, a) * o.get(other, b);
        to[k * k + a] += (v * model - g) * o.get(other, a);
      }
    }
  return out;
}

void compare(const Stored& p,
             const std::string& loss,
             uint32_t flags,
             double bound,
             int32_t compute,
             double tolerance) {
  for (const bool fuse : {true, false})
    for (const auto carry : {graph::Force::Carry::kAuto, graph::Force::Carry::kAlways}) {
      graph::Model m = make_model(p, loss, compute);
      graph::PlanOptions o = default_options();
      o.force.fuse = fuse;
      o.force.carry = carry;
      const int64_t k = p.shape.k;
      auto plan = plan_of(
          m, [flags, k](assay_builder* b) { return build_normals(b, flags, k); }, o);
      REQUIRE(plan.ok());
      REQUIRE((*plan)->run(true).ok());
      for (int side = 0; side < 2; ++side) {
        CAPTURE(side);
        CAPTURE(fuse);
        const auto got = (*plan)->output(side ? "out_h" : "out_w");
        REQUIRE(got.ok());
        const std::vector<double> want = naive(p, m, loss, side, bound);
        double worst = 0;
        for (int64_t i = 0; i < got->rows; ++i)
          for (int64_t a = 0; a < got->width; ++a) {
            const double w = want[static_cast<size_t>(i * got->width + a)];
            worst = std::max(worst, std::abs(got->get(i, a) - w) / (std::abs(w) + 1));
          }
        CHECK(worst < tolerance);
      }
    }
}

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const bool tall : {true, false})
    for (const int kind : {0, 1, 2, 3, 4, 5, 6}) {
      Shape s;
      s.n = tall ? 150 : 37;
      s.d = tall ? 37 : 150;
      s.k = 5;
      s.seed = 10 + static_cast<uint64_t>(kind);
      s.mask = s.poison = kind == 1 || kind == 5;
      s.entry_weights = s.row_weights = s.col_weights = kind == 2;
      s.sparse = kind >= 3;
      s.zeros = s.sparse ? 0.7 : 0.0;
      s.unobserved = kind == 4;
      if (kind == 6) s.row_weights = s.col_weights = true;
      all.push_back(s);
    }
  return all;
}

}  // namespace

TEST_CASE("normal equations are those of plain loops") {
  for (const Shape& s : shapes())
    for (const char* loss : {"squared", "kl"}) {
      CAPTURE(s.seed);
      CAPTURE(s.n);
      CAPTURE(loss);
      compare(make_stored(s), loss, 0, 0, ASSAY_F64, 1e-11);
    }
}

TEST_CASE("uniform curvature gives one matrix that bounds every row's own") {
  for (const Shape& s : shapes()) {
    const Stored p = make_stored(s);
    const bool plain = !s.mask && !s.entry_weights && !s.row_weights && !s.unobserved;
    double most = 1;
    if (s.entry_weights || s.row_weights) {
      double e = s.entry_weights ? 0 : 1, r = 0, c = 0;
      if (p.data->entry_weights)
        for (const float w : *p.data->entry_weights) e = std::max(e, static_cast<double>(w));
      for (const double w : *p.data->row_weights) r = std::max(r, w);
      for (const double w : *p.data->col_weights) c = std::max(c, w);
      most = e * r * c;
    }
    CAPTURE(s.seed);
    CAPTURE(s.n);
    compare(p, "squared", ASSAY_NORMALS_UNIFORM, plain ? 1.0 : most, ASSAY_F64, 1e-11);
  }
}

TEST_CASE("float32 normal equations agree within float32's rounding") {
  for (const Shape& s : shapes()) {
    Shape narrow = s;
    if (!s.sparse) narrow.dtype = ASSAY_F32;
    CAPTURE(s.seed);
    compare(make_stored(narrow), "squared", 0, 0, ASSAY_F32, 1e-4);
  }
}

namespace lines {

struct Sums {
  const assay_tile* tile;
};
// Of each line: entries, sum of w x, sum of place.
int32_t walk(void* self, const assay_block* b) {
  const auto* s = static_cast<const Sums*>(self);
  const assay_view& out = b->arg[0];
  for (int64_t i = 0; i < b->count; ++i) {
    assay_line line;
    const int32_t bad = s->tile->line(b->ctx, i, &line);
    if (bad) return bad;
    double* to = static_cast<double*>(out.data) + i * out.stride;
    to[0] = static_cast<double>(line.n);
    to[1] = to[2] = 0;
    for (int64_t e = 0; e < line.n; ++e) {
      to[1] += (line.w ? line.w[e] : 1.0) * line.x[e];
      to[2] += static_cast<double>(line.idx ? line.idx[e] : e);
    }
  }
  return 0;
}
int32_t build(assay_builder* b) {
  for (int32_t side = 0; side < 2; ++side) {
    assay_buffer d = {
        sizeof d, ASSAY_BUFFER_OUTPUT, side ? "out_h" : "out_w", side, ASSAY_LOCAL, ASSAY_F64, 0, 0,
        3};
    const assay_arg args[] = {{b->buffer(b, &d), ASSAY_OUT}};
    const assay_each e = {
        sizeof e, ASSAY_EACH_X, side ? "walk_h" : "walk_w", side, 1, walk, args, 0, 0};
    b->each(b, &e);
  }
  return b->status(b);
}

}  // namespace lines

TEST_CASE("a block function sees the observed entries of its lines of X") {
  for (const Shape& s : shapes()) {
    const Stored p = make_stored(s);
    CAPTURE(s.seed);
    CAPTURE(s.n);
    graph::Model m = make_model(p, "squared");
    lines::Sums sums = {static_cast<const assay_tile*>(plugin::host()->service("assay.tile/1"))};
    auto plan = plan_of(m, lines::build, default_options(), &sums);
    REQUIRE(plan.ok());
    REQUIRE((*plan)->run(false).ok());
    for (int side = 0; side < 2; ++side) {
      const auto got = (*plan)->output(side ? "out_h" : "out_w");
      REQUIRE(got.ok());
      for (int64_t at = 0; at < got->rows; ++at) {
        double n = 0, sum = 0, places = 0;
        for (int64_t other = 0; other < (side ? s.n : s.d); ++other) {
          const int64_t i = side ? other : at, j = side ? at : other;
          const auto e = static_cast<size_t>(i * s.d + j);
          const bool zeros = s.sparse && !s.unobserved;  // then hidden entries are listed, weight 0
          if (zeros ? p.x[e] == 0 && p.weight[e] != 0 : p.weight[e] == 0) continue;
          n += 1;
          sum += p.weight[e] * p.x[e];
          places += static_cast<double>(other);
        }
        CHECK(got->get(at, 0) == n);
        CHECK(got->get(at, 1) == doctest::Approx(sum));
        CHECK(got->get(at, 2) == places);
      }
    }
  }
}

}  // namespace assay::test
