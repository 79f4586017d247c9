// SPDX-License-Identifier: Apache-2.0
// Solvers that go wrong in the middle of a fit: NaN, an error, an exception, convergence of their
// own.
#include <cmath>
#include <limits>
#include <stdexcept>

#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;
using fit::Stop;

namespace {

enum Fault { kNone, kNan, kError, kThrow, kConverge };

// Halves W each step; at the fifth call it does what it is told.
struct Self {
  const assay_host* host = nullptr;
  int calls = 0;
};
Fault g_fault = kNone;

int32_t halve(void* self, const assay_block* b) {
  auto* s = static_cast<Self*>(self);
  auto* W = static_cast<double*>(b->arg[0].data);
  const bool fifth = b->first == 0 && ++s->calls == 5;
  for (int64_t i = 0; i < b->arg[0].rows; ++i) {
    for (int64_t a = 0; a < b->arg[0].cols; ++a) W[i * b->arg[0].stride + a] *= 0.5;
  }
  if (!fifth) return 0;
  if (g_fault == kNan) W[0] = std::numeric_limits<double>::quiet_NaN();
  if (g_fault == kError) return s->host->set_error(b->ctx, ASSAY_E_PLUGIN, "the fifth call fails");
  if (g_fault == kThrow) throw std::runtime_error("thrown in the fifth call");
  return 0;
}

int32_t converge(void* self, const assay_block* b) {
  static_cast<double*>(b->arg[0].data)[0] = static_cast<Self*>(self)->calls >= 5 ? 1 : 0;
  return 0;
}

int32_t create(const assay_host* host, assay_ctx*, const assay_problem*, void** self) {
  *self = new Self{host};
  return 0;
}

int32_t build(void*, assay_builder* b, int32_t purpose) {
  if (purpose != ASSAY_STEP) return 0;
  ASSAY_EACH(b, "halve", ASSAY_ROWS, halve, {b->factor(b, 0), ASSAY_INOUT});
  if (g_fault == kConverge) {
    assay_buffer d{};
    d.struct_size = sizeof d;
    d.name = "done";
    d.axis = ASSAY_ONE;
    d.role = ASSAY_LOCAL;
    d.dtype = ASSAY_F64;
    d.rows = d.width = 1;
    const assay_buf done = b->buffer(b, &d);
    ASSAY_EACH(b, "ended", ASSAY_ONE, converge, {done, ASSAY_OUT});
    b->report(b, "converged", done);
  }
  return b->status(b);
}

void destroy(void* self) { delete static_cast<Self*>(self); }

const plugin::Descriptor* faulty_solver() {
  static const assay_solver table = {sizeof table, 0, 0,     0,       0,       0,
                                     nullptr,      create, build, destroy, nullptr, nullptr, nullptr};
  static assay_plugin p{};
  p.struct_size = sizeof p;
  p.kind = "assay.solver/1";
  p.id = "test.faulty";
  p.summary = "halves W until it fails";
  p.vtable = &table;
  static const bool added = registry()->add(&p).ok();
  REQUIRE(added);
  return registry()->find("solver", "test.faulty");
}

// One thread and one lane: the calls are counted.
Expected<fit::Result> run_with(Fault fault, Fixture& f) {
  g_fault = fault;
  f.task.solver.descriptor = faulty_solver();
  f.task.solver.options = {};
  return fit::fit(f.task);
}

}  // namespace

TEST_CASE(
    "NaN from a solver: stop reason non_finite, the last finite factors and their certificate") {
  const Problem p = random_problem();
  Fixture f(dense(p), mu_trial("squared", p.k), 1);
  auto r = run_with(kNan, f);
  REQUIRE_MESSAGE(r.ok(), r.error().message);
  CHECK(r->stop == Stop::kNonFinite);
  CHECK(r->iterations == 4);
  REQUIRE(r->numeric.has_value());
  for (double v : f.factor(0)) CHECK(std::isfinite(v));
  CHECK(std::isfinite(r->trace.rows.back().objective));
  CHECK(r->trace.rows.back().iteration == 4);
}

TEST_CASE("an error or an exception of a solver is the fit's error") {
  const Problem p = random_problem();
  for (const Fault fault : {kError, kThrow}) {
    Fixture f(dense(p), mu_trial("squared", p.k), 1);
    auto r = run_with(fault, f);
    REQUIRE_FALSE(r.ok());
    CHECK(r.error().message.find(fault == kError
                                     ? "the fifth call fails"
                                     : "thrown in the fifth call") != std::string::npos);
  }
}

TEST_CASE("a solver may report that its method has ended") {
  const Problem p = random_problem();
  Fixture f(dense(p), mu_trial("squared", p.k), 1);
  auto r = run_with(kConverge, f);
  REQUIRE_MESSAGE(r.ok(), r.error().message);
  CHECK(r->stop == Stop::kConverged);
  CHECK(r->iterations == 5);
}

namespace {

// Stopped for overflow, with a model: factors are finite, and what is not a number is left out.
void check_overflow(Fixture& f) {
  const fit::Result r = f.run();
  CHECK(r.stop == Stop::kNonFinite);
  CHECK(r.numeric.has_value());
  REQUIRE_FALSE(r.trace.rows.empty());
  CHECK_FALSE(std::isinf(r.trace.rows.back().kkt));
  for (int side = 0; side < 2; ++side) {
    for (double v : f.factor(side)) REQUIRE(std::isfinite(v));
  }
}

Problem scaled(double by) {
  Problem p = random_problem();
  for (double& v : p.x) v *= by;
  return p;
}

}  // namespace

TEST_CASE("overflow in the certificate: non_finite, with the objective and without the residual") {
  const Problem p = scaled(1e150);
  spec::Trial trial = mu_trial("squared", p.k);
  trial.stop.max_iter = 5;
  Fixture f(dense(p), trial);
  check_overflow(f);
  auto again = fit::fit(f.task);
  REQUIRE(again.ok());
  CHECK(std::isfinite(again->trace.rows.back().objective));
  CHECK(std::isnan(again->trace.rows.back().kkt));
}

TEST_CASE("overflow in the first evaluation: non_finite before any step, the start is kept") {
  const Problem p = scaled(1e200);
  Fixture f(dense(p), mu_trial("squared", p.k));
  check_overflow(f);
  auto again = fit::fit(f.task);
  REQUIRE(again.ok());
  CHECK(again->iterations == 0);
  CHECK(std::isnan(again->trace.rows.back().objective));
}

TEST_CASE("kl of entries of 1e200 ends with finite factors, whatever can be said of them") {
  const Problem p = scaled(1e200);
  spec::Trial trial = mu_trial("kl", p.k);
  trial.stop.max_iter = 5;
  Fixture f(dense(p), trial);
  const fit::Result r = f.run();
  CHECK((r.stop == Stop::kNonFinite) == std::isnan(r.trace.rows.back().kkt));
  for (double v : f.factor(0)) REQUIRE(std::isfinite(v));
}

TEST_CASE("a fit with both factors fixed has a loss on every row and does not diverge") {
  const Problem p = random_problem();
  spec::Trial trial = mu_trial("squared", p.k);
  trial.init = {};
  Fixture f(dense(p), trial);
  for (int side = 0; side < 2; ++side) {
    graph::Buffer& b = f.model->factor[side];
    for (int64_t i = 0; i < b.rows; ++i)
      for (int64_t a = 0; a < b.width; ++a) b.set(i, a, 0.5);
    f.model->frozen[side] = true;
  }
  const fit::Result r = f.run();
  CHECK(r.stop == Stop::kMaxIter);
  for (const fit::TraceRow& row : r.trace.rows) CHECK(std::isfinite(row.objective));
}
