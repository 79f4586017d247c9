// SPDX-License-Identifier: Apache-2.0
// Laws of the planner: every plan of a program gives the same step to rounding, and what a step
// gives is what plain loops over the dense matrix say.
#include <doctest/doctest.h>

#include "tests/graph/support.hpp"

namespace assay::test {
namespace {

// One step of multiplicative updates by plain loops: exponent 1, weights and hidden entries by
// weight.
struct Naive {
  std::vector<double> w, h;
  double loss = 0;  // at the start
};
double elementwise(const std::string& loss, double x, double m) {
  if (loss == "squared") return 0.5 * (x - m) * (x - m);
  return (x > 0 ? x * std::log(x / m) : 0.0) - x + m;
}
Naive naive_step(const Stored& p, const graph::Model& m, const std::string& loss) {
  const auto n = p.shape.n, d = p.shape.d, k = p.shape.k;
  Naive out;
  out.w.resize(static_cast<size_t>(n * k));
  out.h.resize(static_cast<size_t>(d * k));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t a = 0; a < k; ++a) out.w[static_cast<size_t>(i * k + a)] = m.factor[0].get(i, a);
  for (int64_t j = 0; j < d; ++j)
    for (int64_t a = 0; a < k; ++a) out.h[static_cast<size_t>(j * k + a)] = m.factor[1].get(j, a);
  for (int side = 0; side < 2; ++side) {
    std::vector<double> num(side ? out.h.size() : out.w.size()), den(num.size());
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < d; ++j) {
        const auto at = static_cast<size_t>(i * d + j);
        if (p.weight[at] == 0) continue;
        double model = 0;
        for (int64_t a = 0; a < k; ++a)
          model += out.w[static_cast<size_t>(i * k + a)] * out.h[static_cast<size_t>(j * k + a)];
        const double x = p.x[at];
        const double en = p.weight[at] * (loss == "squared" ? x : x / model),
                     ed = p.weight[at] * (loss == "squared" ? model : 1.0);
        if (side == 0) out.loss += p.weight[at] * elementwise(loss, x, model);
        for (int64_t a = 0; a < k; ++a) {
          const auto own = static_cast<size_t>((side ? j : i) * k + a);
          const double other =
              side ? out.w[static_cast<size_t>(i * k + a)] : out.h[static_cast<size_t>(j * k + a)];
          num[own] += en * other;
          den[own] += ed * other;
        }
      }
    std::vector<double>& f = side ? out.h : out.w;
    for (size_t i = 0; i < f.size(); ++i) f[i] *= num[i] / (den[i] + 1e-16);
  }
  return out;
}
double difference(const graph::Buffer& b, const std::vector<double>& v) {
  double worst = 0;
  for (int64_t i = 0; i < b.rows; ++i)
    for (int64_t a = 0; a < b.width; ++a) {
      const double want = v[static_cast<size_t>(i * b.width + a)];
      worst = std::max(worst, std::abs(b.get(i, a) - want) / (std::abs(want) + 1e-3));
    }
  return worst;
}

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  const auto add = [&all](int64_t n, int64_t d, int64_t k, auto change) {
    Shape s;
    s.n = n;
    s.d = d;
    s.k = k;
    s.seed = all.size() + 1;
    change(s);
    all.push_back(s);
  };
  add(60, 40, 5, [](Shape&) {});
  add(700, 33, 16, [](Shape&) {});
  add(33, 700, 7, [](Shape&) {});
  add(1, 9, 1, [](Shape&) {});
  add(9, 1, 1, [](Shape&) {});
  add(301, 130, 17, [](Shape& s) { s.zeros = 0.5; });
  add(301, 70, 4, [](Shape& s) {
    s.mask = true;
    s.poison = true;
  });
  add(70, 301, 4, [](Shape& s) {
    s.mask = true;
    s.poison = true;
  });
  add(150, 60, 6, [](Shape& s) {
    s.entry_weights = true;
    s.row_weights = true;
    s.col_weights = true;
  });
  add(150, 60, 6, [](Shape& s) { s.dtype = ASSAY_U8; });
  for (const bool tall : {true, false}) {
    const int64_t n = tall ? 400 : 50, d = tall ? 50 : 400;
    add(n, d, 5, [](Shape& s) {
      s.zeros = 0.8;
      s.sparse = true;
    });
    add(n, d, 5, [](Shape& s) {
      s.zeros = 0.8;
      s.sparse = true;
      s.unobserved = true;
    });
    add(n, d, 5, [](Shape& s) {
      s.zeros = 0.8;
      s.sparse = true;
      s.mask = true;
      s.poison = true;
    });
    add(n, d, 5, [](Shape& s) {
      s.zeros = 0.8;
      s.sparse = true;
      s.entry_weights = true;
    });
    add(n, d, 5, [](Shape& s) {
      s.zeros = 0.8;
      s.sparse = true;
      s.row_weights = true;
      s.col_weights = true;
    });
  }
  return all;
}

std::string name_of(const Shape& s) {
  return std::to_string(s.n) + "x" + std::to_string(s.d) + " k" + std::to_string(s.k) +
         (s.sparse ? " sparse" : " dense") + (s.unobserved ? " unobserved" : "") +
         (s.mask ? " mask" : "") + (s.entry_weights ? " entry weights" : "") +
         (s.row_weights ? " row and column weights" : "") + (s.dtype == ASSAY_U8 ? " uint8" : "");
}

}  // namespace

TEST_CASE("every plan gives the step that plain loops give") {
  for (const Shape& shape : shapes())
    for (const char* loss : {"squared", "kl"}) {
      const Stored p = make_stored(shape);
      const graph::Model start = make_model(p, loss);
      const Naive want = naive_step(p, start, loss);
      int plans = 0;
      for (const auto carry :
           {graph::Force::Carry::kAuto, graph::Force::Carry::kNever, graph::Force::Carry::kAlways})
        for (const bool fuse : {true, false})
          for (const int64_t lanes : {0, 1, 4}) {
            CAPTURE(name_of(shape));
            CAPTURE(loss);
            CAPTURE(static_cast<int>(carry));
            CAPTURE(fuse);
            CAPTURE(lanes);
            graph::Model m = make_model(p, loss);
            graph::PlanOptions o = default_options();
            o.force.carry = carry;
            o.force.fuse = fuse;
            o.force.lanes = lanes;
            auto plan = plan_of(m, build_mu, o);
            REQUIRE(plan.ok());
            const auto r = (*plan)->run(true);
            REQUIRE(r.ok());
            CHECK(difference(m.factor[0], want.w) < 1e-11);
            CHECK(difference(m.factor[1], want.h) < 1e-11);
            REQUIRE(r->has_loss);
            CHECK(r->loss == doctest::Approx(want.loss).epsilon(1e-9));
            ++plans;
          }
      CHECK(plans == 18);
    }
}

TEST_CASE("a first sweep that rides at the end of the step before changes nothing") {
  for (const Shape& shape : shapes())
    for (const char* loss : {"squared", "kl"})
      for (const auto carry : {graph::Force::Carry::kAuto, graph::Force::Carry::kAlways}) {
        CAPTURE(name_of(shape));
        CAPTURE(loss);
        const Stored p = make_stored(shape);
        graph::Model rides = make_model(p, loss), plain = make_model(p, loss);
        graph::PlanOptions o = default_options();
        o.force.carry = carry;
        auto b = plan_of(plain, build_mu, o);
        o.repeated = true;
        auto a = plan_of(rides, build_mu, o);
        REQUIRE(a.ok());
        REQUIRE(b.ok());
        for (int i = 0; i < 4; ++i) {
          const auto ra = (*a)->run(i != 1), rb = (*b)->run(i != 1);
          REQUIRE(ra.ok());
          REQUIRE(rb.ok());
          if (i != 1) CHECK(ra->loss == doctest::Approx(rb->loss).epsilon(1e-9));
        }
        CHECK(test::difference(rides.factor[0], plain.factor[0]) < 1e-10);
        CHECK(test::difference(rides.factor[1], plain.factor[1]) < 1e-10);
      }
}

TEST_CASE("float32 data give the double step within float32's rounding") {
  Shape s;
  s.n = 300;
  s.d = 90;
  s.k = 6;
  s.dtype = ASSAY_F32;
  const Stored p = make_stored(s);
  for (const char* loss : {"squared", "kl"})
    for (const auto carry : {graph::Force::Carry::kAuto, graph::Force::Carry::kNever}) {
      graph::Model f = make_model(p, loss, ASSAY_F32);
      const Naive want = naive_step(p, f, loss);
      graph::PlanOptions o = default_options();
      o.force.carry = carry;
      auto plan = plan_of(f, build_mu, o);
      REQUIRE(plan.ok());
      REQUIRE((*plan)->run(true).ok());
      CHECK(difference(f.factor[0], want.w) < 2e-5);
      CHECK(difference(f.factor[1], want.h) < 2e-5);
    }
}

TEST_CASE("dense X is read once in a step, whatever the loss and the longer side") {
  for (const bool tall : {true, false}) {
    Shape s;
    s.n = tall ? 3000 : 64;
    s.d = tall ? 64 : 3000;
    const Stored p = make_stored(s);
    for (const char* loss : {"squared", "kl"}) {
      graph::Model m = make_model(p, loss);
      graph::PlanOptions o = default_options();
      o.repeated = true;
      auto plan = plan_of(m, build_mu, o);
      REQUIRE(plan.ok());
      CHECK((*plan)->estimate().reads_of_x == 1);
      CHECK((*plan)->estimate().bytes_of_x ==
            doctest::Approx(static_cast<double>(p.data->bytes())));
    }
  }
}

}  // namespace assay::test
