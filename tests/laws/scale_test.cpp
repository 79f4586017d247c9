// SPDX-License-Identifier: Apache-2.0
// Law: X in other units takes the same steps. Multiplying X by a power of four multiplies both
// factors by its root, to rounding.
#include <doctest/doctest.h>

#include "core/fit/certificate.hpp"
#include "core/fit/fit.hpp"
#include "tests/graph/support.hpp"

namespace assay::test {
namespace {

fit::Result fit_scaled(double scale, const char* loss, graph::Model& model) {
  Shape shape;
  shape.n = 80;
  shape.d = 30;
  shape.k = 4;
  Stored p = make_stored(shape);
  std::vector<double> x = p.x;
  for (double& v : x) v *= scale;
  p.data->dense.owner = keep(std::move(x), &p.data->dense.data);
  model = make_model(p, loss);
  const double root = std::sqrt(scale);
  for (graph::Buffer* f : {&model.factor[0], &model.factor[1]})
    for (int64_t i = 0; i < f->rows; ++i)
      for (int64_t j = 0; j < f->width; ++j) f->set(i, j, f->get(i, j) * root);
  const plugin::Descriptor* d = all_plugins()->find("solver", "mu");
  REQUIRE(d);
  fit::Task task;
  task.model = &model;
  task.solver.descriptor = d;
  task.solver.options = *plugin::Options::complete(d->plugin->options, {}, "mu");
  task.stop.max_iter = 50;
  task.stop.rel_tol = 0;
  task.plan = default_options();
  auto r = fit::fit(task);
  REQUIRE(r.ok());
  return *r;
}

}  // namespace

TEST_CASE("units of X do not matter") {
  for (const char* loss : {"squared", "kl"}) {
    graph::Model base, scaled;
    (void)fit_scaled(1, loss, base);
    for (const double scale : {0x1p-60, 0x1p-40, 0x1p40}) {
      CAPTURE(loss);
      CAPTURE(scale);
      const fit::Result r = fit_scaled(scale, loss, scaled);
      CHECK(r.iterations == 50);
      for (const int side : {0, 1})
        for (int64_t i = 0; i < base.factor[side].rows; ++i)
          for (int64_t a = 0; a < 4; ++a)
            CHECK(scaled.factor[side].get(i, a) / std::sqrt(scale) ==
                  doctest::Approx(base.factor[side].get(i, a)).epsilon(1e-9));
    }
  }
}

}  // namespace assay::test
