// SPDX-License-Identifier: Apache-2.0
// Plugins that misbehave in the middle of a run: the run ends with their message, and the factors
// stay as they were.
#include "core/graph/plan.hpp"
#include "tests/laws/program_support.hpp"
#include "tests/unit/data_samples.hpp"

namespace assay::programs {

namespace {

std::shared_ptr<plugin::Registry> faulty() {
  const char* folder = std::getenv("ASSAY_TEST_MODULES");
  REQUIRE(folder != nullptr);
  plugin::SearchOptions o;
  for (const char* name :
       {"loss-span_error", "loss-throws_raw", "loss-throws", "solver-undeclared"})
    o.explicit_files.push_back(std::string(folder) + "/" + name + ".so");
  const auto r = plugin::Registry::open(o);
  REQUIRE(r);
  return *r;
}

// The error of one step of mu on a model with the given loss.
Error step_error(const std::string& id, graph::Model& m) {
  const auto r = faulty();
  plugin::Options late;
  if (id != "span_error") {
    late.values["late"].type = ASSAY_OPT_BOOL;
    late.values["late"].number = 1;
    late.values["late"].given = true;
  }
  const auto loss = plugin::Loss::create(*r->find("loss", id), late);
  REQUIRE(loss);
  m.loss = *loss;
  const auto result = run(m, "solver", "mu", ASSAY_STEP);
  m.loss.reset();
  REQUIRE(!result);
  return result.error();
}

}  // namespace

TEST_CASE(
    "a loss that fails or throws in a span ends the step with its message, and no factor changes") {
  for (const std::string id : {"span_error", "throws_raw"}) {
    CAPTURE(id);
    graph::Model m = model(samples::pixels<double>(64, 20), 3);
    init(m, "random");
    const graph::Model before = m;
    const Error e = step_error(id, m);
    const std::string expected =
        id == "span_error" ? "this loss fails on purpose" : "thrown from a span";
    CHECK(e.message.find(expected) != std::string::npos);
    for (int side : {0, 1})
      for (int64_t i = 0; i < m.factor[side].rows; ++i)
        for (int64_t a = 0; a < 3; ++a)
          CHECK(m.factor[side].get(i, a) == before.factor[side].get(i, a));
  }
}

TEST_CASE("a solver that uses a buffer it did not declare is refused when its program is built") {
  const auto r = faulty();
  graph::Model m = model(samples::pixels<double>(64, 20), 3);
  const auto method = fit::Method::create({r->find("solver", "undeclared"), {}, 1}, m, -1, nullptr);
  REQUIRE(method);
  const auto plan = (*method)->plan(ASSAY_STEP, m, plan_options());
  REQUIRE(!plan);
  CHECK(plan.error().status == ASSAY_E_PLUGIN);
  CHECK(plan.error().message.find("undeclared") != std::string::npos);
  CHECK(plan.error().message.find("buffer 99") != std::string::npos);
}

}  // namespace assay::programs
