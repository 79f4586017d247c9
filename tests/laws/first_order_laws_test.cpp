// SPDX-License-Identifier: Apache-2.0
// Laws of the solvers that walk by gradients (gradient, palm) and of minibatches (online): descent
// where it is claimed, the same answer for every storage and any number of threads, resume to the
// bit, and an end with a stated reason on data that say little.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/spec/parse.hpp"
#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

using Words = std::vector<std::pair<std::string, std::string>>;
using Numbers = std::vector<std::pair<std::string, double>>;

struct Method {
  std::string id;
  Words words;
  Numbers numbers;
};

spec::Trial trial_of(const std::string& loss, int64_t k, const Method& method) {
  spec::Trial t = mu_trial(loss, k);
  t.solver = use("solver", method.id);
  for (const auto& [name, word] : method.words) {
    plugin::OptionValue& v = t.solver.options.values[name];
    v.text = word;
    v.has_text = v.given = true;
  }
  for (const auto& [name, number] : method.numbers) {
    plugin::OptionValue& v = t.solver.options.values[name];
    v.number = number;
    v.given = true;
  }
  return t;
}

const std::vector<Method>& methods() {
  static const std::vector<Method> all = {
      {"gradient", {{"step", "lipschitz"}}, {}},
      {"gradient", {{"step", "backtracking"}}, {}},
      {"gradient", {{"step", "lipschitz"}}, {{"accelerated", 1}}},
      {"gradient", {{"step", "backtracking"}}, {{"accelerated", 1}}},
      {"gradient", {{"step", "lee_seung"}}, {}},
      {"palm", {{"step", "lipschitz"}}, {}},
      {"palm", {{"step", "backtracking"}}, {}},
      {"palm", {{"step", "backtracking"}}, {{"inertia", 0.8}}},
      {"online", {}, {{"batch_size", 25}}},
  };
  return all;
}

bool takes(const Method& m, const std::string& loss) {
  return m.words.empty() || m.words[0].second != "lipschitz" || loss == "squared";
}
bool descends(const Method& m) { return m.id != "online" && m.numbers.empty(); }

std::string name_of(const Method& m) {
  std::string name = m.id;
  for (const auto& w : m.words) name += " " + w.second;
  for (const auto& v : m.numbers) name += " " + v.first;
  return name;
}

template <class Fn>
void for_all(const Fn& fn) {
  for (const char* loss : {"squared", "kl"})
    for (const Method& m : methods()) {
      if (!takes(m, loss)) continue;
      CAPTURE(loss);
      const std::string name = name_of(m);
      CAPTURE(name);
      fn(std::string(loss), m);
    }
}

}  // namespace

TEST_CASE("law: first-order steps that claim it never raise the objective, with penalties too") {
  const Problem p = random_problem(70, 31, 4);
  for_all([&](const std::string& loss, const Method& m) {
    for (const char* penalty : {"", "l1", "l2"}) {
      CAPTURE(penalty);
      spec::Trial trial = trial_of(loss, p.k, m);
      trial.stop.max_iter = 60;
      trial.stop.kkt_tol = 1e-300;  // every row from an exact sweep
      if (*penalty) penalise(trial, penalty, 0.1);
      Fixture f(dense(p), trial);
      const fit::Result r = f.run();
      const auto& rows = r.trace.rows;
      REQUIRE(rows.size() == 61);
      if (descends(m))
        for (size_t t = 1; t < rows.size(); ++t)
          CHECK(rows[t].objective <=
                rows[t - 1].objective + 2e-13 * std::abs(rows[t - 1].objective));
      CHECK(rows.back().objective < 0.9 * rows.front().objective);
      for (const int side : {0, 1})
        for (const double v : f.factor(side)) CHECK((std::isfinite(v) && v >= 0));
    }
  });
}

TEST_CASE("law: gradients and minibatches read sparse X as the dense one") {
  const Problem p = random_problem(60, 45, 4);
  for_all([&](const std::string& loss, const Method& m) {
    spec::Trial trial = trial_of(loss, p.k, m);
    trial.stop.max_iter = 15;
    // Drawn orders depend on the data's id, which knows the storage.
    if (m.id == "online") trial.solver.options.values["shuffle"].number = 0;
    Fixture a(dense(p), trial), b(sparse(p), trial);
    a.set_start();
    b.set_start();
    const fit::Result ra = a.run(), rb = b.run();
    CHECK(worst_relative(a.factor(0), b.factor(0)) < 1e-6);
    CHECK(worst_relative(a.factor(1), b.factor(1)) < 1e-6);
    CHECK(ra.certificate.loss == doctest::Approx(rb.certificate.loss).epsilon(1e-8));
  });
}

TEST_CASE("law: threads change no bit of gradients and minibatches") {
  const Problem p = random_problem(900, 60, 5);
  for_all([&](const std::string& loss, const Method& m) {
    for (const bool is_sparse : {false, true}) {
      const auto x = is_sparse ? sparse(p) : dense(p);
      spec::Trial trial = trial_of(loss, p.k, m);
      trial.stop.max_iter = 4;
      Fixture one(x, trial, 1);
      one.run();
      for (const int threads : {2, 7}) {
        CAPTURE(threads);
        Fixture many(x, trial, threads);
        many.force_graph();
        many.run();
        CHECK(many.factor(0) == one.factor(0));
        CHECK(many.factor(1) == one.factor(1));
      }
    }
  });
}

TEST_CASE("law: gradients and minibatches resume to the bit") {
  const Problem p = random_problem(90, 40, 5);
  for_all([&](const std::string& loss, const Method& m) {
    spec::Trial trial = trial_of(loss, p.k, m);
    trial.stop.max_iter = 12;
    Fixture whole(dense(p), trial);
    whole.run();
    for (const int64_t cut : {1, 5}) {
      CAPTURE(cut);
      Fixture first(dense(p), trial);
      const fit::Checkpoint saved = first.cut(cut);
      Fixture second(dense(p), trial, 1);
      second.task.resume = &saved;
      second.run();
      CHECK(second.factor(0) == whole.factor(0));
      CHECK(second.factor(1) == whole.factor(1));
    }
  });
}

TEST_CASE("law: gradients and minibatches end well on data that say little") {
  std::vector<Problem> problems;
  Problem zero_lines = random_problem(40, 17, 3);
  for (int64_t j = 0; j < zero_lines.d; ++j)
    zero_lines.x[static_cast<size_t>(5 * zero_lines.d + j)] = 0;
  for (int64_t i = 0; i < zero_lines.n; ++i)
    zero_lines.x[static_cast<size_t>(i * zero_lines.d + 7)] = 0;
  problems.push_back(zero_lines);
  Problem nothing = random_problem(12, 9, 2);
  std::fill(nothing.x.begin(), nothing.x.end(), 0.0);
  problems.push_back(nothing);
  problems.push_back(random_problem(1, 9, 1));
  problems.push_back(random_problem(9, 1, 1));
  problems.push_back({5, 4, 7, random_problem(5, 4, 2).x});  // rank above both
  Problem tiny = random_problem(12, 9, 2);
  for (double& v : tiny.x) v *= 1e-300;
  problems.push_back(tiny);
  for_all([&](const std::string& loss, const Method& m) {
    for (size_t i = 0; i < problems.size(); ++i) {
      CAPTURE(i);
      for (const bool is_sparse : {false, true}) {
        spec::Trial trial = trial_of(loss, problems[i].k, m);
        Fixture f(is_sparse ? sparse(problems[i]) : dense(problems[i]), trial);
        const fit::Result r = f.run();
        CHECK(r.stop != fit::Stop::kNone);
        CHECK(r.stop != fit::Stop::kNonFinite);
        for (const int side : {0, 1})
          for (const double v : f.factor(side)) CHECK((std::isfinite(v) && v >= 0));
      }
    }
  });
}

TEST_CASE("law: a fixed step that is too long ends as diverged, with finite factors") {
  const Problem p = random_problem(60, 23, 4);
  for (const double size : {3.0, 10.0, 1e6})
    for (const char* step : {"fixed", "lipschitz"}) {
      CAPTURE(size);
      CAPTURE(step);
      spec::Trial trial =
          trial_of("squared", p.k, {"gradient", {{"step", step}}, {{"step_size", size}}});
      trial.model.W.constraint.reset();
      trial.model.H.constraint.reset();
      trial.stop.max_iter = 5000;
      trial.stop.patience = 10;
      Fixture f(dense(p), trial);
      const fit::Result r = f.run();
      CHECK(r.stop == fit::Stop::kDiverged);
      for (const int side : {0, 1})
        for (const double v : f.factor(side)) CHECK(std::isfinite(v));
    }
}

TEST_CASE(
    "law: a step that is too long ends the fit in any units, in float32 too, with finite factors") {
  const Problem p = random_problem(40, 21, 3);
  const auto end = [&](double unit, int32_t dtype) {
    Problem q = p;
    for (double& v : q.x) v *= unit;
    spec::Trial trial =
        trial_of("squared", p.k, {"gradient", {{"step", "fixed"}}, {{"step_size", 0.5 / unit}}});
    trial.stop.max_iter = 5000;
    Fixture f(dense(q, dtype), trial);
    const fit::Result r = f.run();
    for (const int side : {0, 1})
      for (const double v : f.factor(side)) CHECK(std::isfinite(v));
    return r.stop;
  };
  for (const double unit : {1.0, 0x1p-200, 0x1p+200})
    CHECK(end(unit, ASSAY_F64) == fit::Stop::kDiverged);
  // A product of three such entries may leave float32 first.
  for (const double unit : {1.0, 0x1p-40, 0x1p+40}) {
    const fit::Stop stop = end(unit, ASSAY_F32);
    CHECK((stop == fit::Stop::kDiverged || stop == fit::Stop::kNonFinite));
  }
}

TEST_CASE("law: the step chosen by itself gets as far as that of the curvature's bound") {
  const Problem p = random_problem(60, 23, 4);
  for (const char* id : {"gradient", "palm"})
    for (const char* loss : {"squared", "huber", "l1"}) {
      CAPTURE(id);
      CAPTURE(loss);
      const auto end = [&](const char* step) {
        Fixture f(dense(p), trial_of(loss, p.k, {id, {{"step", step}}, {}}));
        const fit::Result r = f.run();
        return std::pair(r.trace.rows.front().objective, r.trace.rows.back().objective);
      };
      const auto [start, chosen] = end("auto");
      CHECK(chosen <= end("lipschitz").second * 1.1);
      // The bound of a loss that is nearly |r| is far above what is met on the way.
      CHECK(chosen < 0.7 * start);
    }
}

TEST_CASE("law: the additive rule with Lee and Seung's step is the multiplicative update") {
  const Problem p = random_problem(60, 23, 4);
  for (const char* loss : {"squared", "kl"})
    for (const bool is_sparse : {false, true}) {
      const auto x = is_sparse ? sparse(p) : dense(p);
      spec::Trial additive = trial_of(loss, p.k, {"gradient", {{"step", "lee_seung"}}, {}});
      spec::Use l1 = use("penalty", "l1");
      l1.options.values["weight"].number = 0.1;
      additive.model.H.penalties = {l1};
      spec::Trial multiplicative = additive;
      multiplicative.solver = use("solver", "mu");
      Fixture a(x, additive), b(x, multiplicative);
      a.run();
      b.run();
      // F + (F / D) (N - D) and F (N / D) differ by a few roundings a step.
      CHECK(worst_relative(a.factor(0), b.factor(0)) < 1e-12);
      CHECK(worst_relative(a.factor(1), b.factor(1)) < 1e-12);
    }
}

TEST_CASE("law: one batch that forgets everything is a step of mu, or of hals") {
  const Problem p = random_problem(60, 23, 4);
  for (const char* update : {"multiplicative", "coordinate"})
    for (const char* loss : {"squared", "kl"})
      for (const bool is_sparse : {false, true}) {
        const bool coordinate = *update == 'c';
        if (coordinate && std::string(loss) == "kl") continue;
        CAPTURE(update);
        CAPTURE(is_sparse);
        const auto x = is_sparse ? sparse(p) : dense(p);
        spec::Trial batches =
            trial_of(loss, p.k,
                     {"online",
                      {{"update", update}},
                      {{"batch_size", 60}, {"forgetting", 0}, {"final_steps", 0}}});
        spec::Trial whole = mu_trial(loss, p.k);
        if (coordinate) whole.solver = use("solver", "hals");
        for (spec::Trial* t : {&batches, &whole}) {
          spec::Use l1 = use("penalty", "l1");
          l1.options.values["weight"].number = 0.1;
          t->model.H.penalties = t->model.W.penalties = {l1};
        }
        Fixture a(x, batches), b(x, whole);
        a.set_start();
        b.set_start();
        a.run();
        b.run();
        CHECK(worst_relative(a.factor(0), b.factor(0)) < 1e-11);
        CHECK(worst_relative(a.factor(1), b.factor(1)) < 1e-11);
      }
}

TEST_CASE("online: squared loss by coordinate descent ends near the fit of all rows at once") {
  const Problem p = random_problem(300, 40, 4);
  spec::Trial all = mu_trial("squared", p.k);
  all.solver = use("solver", "hals");
  all.stop.max_iter = 60;
  Fixture whole(dense(p), all);
  const double best = whole.run().trace.rows.back().objective;
  spec::Trial t = trial_of("squared", p.k, {"online", {}, {{"batch_size", 30}}});
  t.stop.max_iter = 60;
  for (const bool is_sparse : {false, true}) {
    Fixture f(is_sparse ? sparse(p) : dense(p), t);
    const fit::Result r = f.run();
    CHECK(r.trace.rows.back().objective < 1.02 * best);
    for (const int side : {0, 1})
      for (const double v : f.factor(side)) CHECK((std::isfinite(v) && v >= 0));
  }
}

TEST_CASE("online: coordinate descent is refused where entries do not count alike") {
  const Problem p = random_problem(60, 23, 4);
  auto x = std::make_shared<data::Data>(*dense(p));
  AlignedArray<double> rows(p.n);
  for (int64_t i = 0; i < p.n; ++i) rows[i] = 1 + static_cast<double>(i % 3);
  x->row_weights = std::make_shared<const AlignedArray<double>>(std::move(rows));
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  for (const char* update : {"auto", "coordinate"}) {
    const spec::Trial t = trial_of("squared", p.k, {"online", {{"update", update}}, {}});
    auto data = experiment::prepare(t, x, *runtime);
    REQUIRE(data.ok());
    auto model = experiment::make_model(t, *data, *runtime);
    REQUIRE(model.ok());
    auto task = experiment::make_task(t, *data, **model, *runtime);
    const bool fits = task.ok() && fit::fit(*task).ok();
    CHECK(fits == (*update == 'a'));
  }
}

TEST_CASE(
    "online: penalties without a quadratic form are multiplied in, or refused at validation") {
  const auto parsed = [](const std::string& update) {
    return spec::parse("law.yaml",
                       "assay: 1\nmodel: { rank: 3, W: { constraint: nonneg }, H: { constraint: "
                       "nonneg, penalties: [{ use: orthogonal, weight: 0.1 }] } }\n"
                       "solver: { use: online, batch_size: 20" +
                           update + " }\nstop: { max_iter: 20 }\nmeasure: { metrics: [] }\n",
                       {{}, {}, true}, *registry());
  };
  const auto refused = parsed(", update: coordinate");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.diagnostics[0].code == "E0212");
  const auto taken = parsed("");
  REQUIRE(taken.ok());
  Fixture f(dense(random_problem(60, 23, 3)), taken.experiment->trials[0]);
  const fit::Result r = f.run();
  CHECK(r.trace.rows.back().objective < r.trace.rows.front().objective);
}
