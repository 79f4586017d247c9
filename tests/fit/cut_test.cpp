// SPDX-License-Identifier: Apache-2.0
// A fit that is to stop in the middle of a long step: the step did not happen, and the fit ends for
// the reason it would have ended for between steps.
#include <assay/plugin.hpp>
#include <cmath>
#include <functional>

#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

// Ten turns a step, which a test can look into.
class Turns {
 public:
  static inline std::function<void(int64_t step, int64_t turn)> look;

  Turns(author::Call, const assay_problem&) {}
  void build(const author::Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_STEP) return;
    const assay_buf kept = b.buffer("kept", ASSAY_COLS, ASSAY_STATE, 0, 1, true);
    b.loop(10, ASSAY_NO);
    b.each<&Turns::grow>("grow_w", ASSAY_ROWS, {{b.factor(0), ASSAY_INOUT}});
    b.each<&Turns::grow>("grow_h", ASSAY_COLS, {{b.factor(1), ASSAY_INOUT}});
    b.each<&Turns::count>("count", ASSAY_COLS, {{kept, ASSAY_INOUT}});
    b.end();
  }

 private:
  void grow(const author::Block& b) const {
    const author::Matrix F = b.matrix(0);
    for (int64_t i = 0; i < F.rows(); ++i)
      for (int64_t a = 0; a < F.cols(); ++a) F(i, a) *= 1.01;
  }
  void count(const author::Block& b) const {
    for (int64_t j = 0; j < b.count(); ++j) b.matrix(0)(j, 0) += 1;
    if (b.first() == 0 && look) look(b.step(), std::lround(b.number(0)) - 1 - 10 * b.step());
  }
};

const assay_solver kTable = author::solver_table<Turns>(0, 0, 0, nullptr);
const assay_plugin kPlugin =
    author::describe("assay.solver/1", "turns", "", nullptr, nullptr, nullptr, &kTable);

plugin::Descriptor turns_solver() {
  plugin::Descriptor d;
  d.plugin = &kPlugin;
  d.kind = "solver";
  d.id = "turns";
  return d;
}

// A fit by Turns from a start that is always the same.
struct Slow : Fixture {
  plugin::Descriptor descriptor = turns_solver();
  explicit Slow(const spec::Trial& over) : Fixture(dense(random_problem(30, 12, 3)), over, 1) {
    task.solver.descriptor = &descriptor;
    task.solver.options = {};
    set_start();
  }
  std::vector<double> kept() const {
    const graph::Buffer& b = model->state.at("kept");
    std::vector<double> out;
    for (int64_t j = 0; j < b.rows; ++j) out.push_back(b.get(j, 0));
    return out;
  }
};

spec::Trial some_steps(int64_t steps) {
  spec::Trial t = mu_trial("squared", 3);
  t.stop.max_iter = steps;
  return t;
}

// Cut in the given step; what a resumed run is given.
fit::Checkpoint cut_in(Slow& slow, int64_t step, fit::Result& result) {
  std::vector<fit::Checkpoint> saved;
  std::atomic<bool> cancel{false};
  int64_t turns_after = 0;
  slow.task.plan.cancel = &cancel;
  slow.task.save = [&saved](const fit::Checkpoint& c) -> Expected<void> {
    saved.push_back(c);
    return {};
  };
  Turns::look = [&](int64_t s, int64_t turn) {
    turns_after += cancel;
    if (s == step && turn == 4) cancel = true;
  };
  result = slow.run();
  Turns::look = nullptr;
  CHECK(turns_after == 0);
  REQUIRE(saved.size() == 1);
  slow.task.plan.cancel = nullptr;
  return std::move(saved.front());
}

}  // namespace

TEST_CASE("a step that is interrupted leaves factors and state as it found them") {
  Slow two(some_steps(2)), five(some_steps(5)), slow(some_steps(5));
  two.run();
  const fit::Result uncut = five.run();
  fit::Result cut;
  const fit::Checkpoint saved = cut_in(slow, 2, cut);
  CHECK(cut.stop == fit::Stop::kInterrupted);
  CHECK(cut.iterations == 2);
  CHECK(cut.trace.rows.back().iteration == 2);
  for (const int side : {0, 1}) CHECK(slow.factor(side) == two.factor(side));
  CHECK(slow.kept() == two.kept());

  Slow again(some_steps(5));
  again.task.resume = &saved;
  const fit::Result resumed = again.run();
  CHECK(resumed.iterations == 5);
  CHECK(resumed.trace.rows.size() == uncut.trace.rows.size());
  for (const int side : {0, 1}) CHECK(again.factor(side) == five.factor(side));
  CHECK(again.kept() == five.kept());
}

TEST_CASE("a watched metric counts the row before a step that was cut once") {
  spec::Trial trial = some_steps(100);
  spec::Metric metric;
  metric.text = metric.id = "rel_error";
  trial.measure.metrics = {metric};
  trial.stop.watch = "rel_error";
  trial.stop.patience = 6;
  Slow whole(trial);
  const fit::Result uncut = whole.run();
  CHECK(uncut.stop == fit::Stop::kStalled);
  for (const int64_t step : {0, 1, 3}) {
    CAPTURE(step);
    Slow slow(trial), again(trial);
    fit::Result cut;
    const fit::Checkpoint saved = cut_in(slow, step, cut);
    CHECK(cut.iterations == step);
    again.task.resume = &saved;
    const fit::Result resumed = again.run();
    CHECK(resumed.iterations == uncut.iterations);
    CHECK(again.factor(0) == whole.factor(0));
  }
}

TEST_CASE("no time for a turn: max_seconds ends the fit inside its first step") {
  const auto no_time = [](const spec::Trial& trial) {
    Fixture f(dense(random_problem(40, 12, 3)), trial);
    f.task.stop.max_seconds = 1e-12;
    const fit::Result result = f.run();
    CHECK(result.stop == fit::Stop::kMaxSeconds);
    CHECK(result.iterations == 0);
    for (const int side : {0, 1})
      for (const double v : f.factor(side)) CHECK(std::isfinite(v));
  };
  spec::Trial online = mu_trial("squared", 3);
  online.solver = use("solver", "online");
  no_time(online);
  spec::Trial power = mu_trial("squared", 3);
  power.model.W.constraint = power.model.H.constraint = {};
  power.solver = use("solver", "svd");
  power.solver.options.values["method"].text = "power";
  no_time(power);
}
