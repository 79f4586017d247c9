// SPDX-License-Identifier: Apache-2.0
// Laws of whole fits for every solver and every penalty or constraint it takes, on either factor:
// each iterate is feasible, the objective falls, bits do not depend on threads, a fit resumed is
// the fit, and new rows are fitted.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "core/experiment/new_rows.hpp"
#include "core/fit/certificate.hpp"
#include "core/spec/capabilities.hpp"
#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

constexpr int64_t kN = 26, kD = 15, kK = 3;

std::shared_ptr<plugin::Registry> solvers() {
  static const auto r = [] {
    plugin::SearchOptions o;
    if (const char* folder = std::getenv("ASSAY_TEST_MODULES")) o.plugin_dirs.emplace_back(folder);
    return *plugin::Registry::open(o);
  }();
  return r;
}

std::string example_file(const std::string& id, int side) {
  const std::string name = "assay-fit-" + std::to_string(getpid()) + "-" + id;
  const auto path = std::filesystem::temp_directory_path() / (name + (side ? "-h.csv" : "-w.csv"));
  std::ofstream out(path);
  if (id == "fixed") {
    const int64_t rows = side ? kK : kN, cols = side ? kD : kK;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j)
        out << ((i + j) % 4 == 0 ? "0.125" : "nan") << (j + 1 == cols ? "\n" : ",");
  } else {
    for (int64_t i = 0; i + 1 < (side ? kD : kN); ++i) out << i << "," << i + 1 << ",1\n";
    out << "0,5,2\n";
  }
  return path.string();
}

spec::Use penalty(const std::string& id, int side, const std::string& word = "") {
  const plugin::Descriptor* d = solvers()->find("penalty", id);
  REQUIRE(d != nullptr);
  plugin::Options given;
  for (const assay_option* o = d->plugin->options; o && o->name; ++o) {
    plugin::OptionValue v;
    v.type = o->type;
    if (o->type == ASSAY_OPT_PATH) v.text = example_file(id, side);
    const bool named = o->type == ASSAY_OPT_ENUM && !word.empty();
    for (const char* const* w = o->values; named && w && *w; ++w)
      if (word == *w) v.text = word;
    v.has_text = v.given = !v.text.empty();
    if (v.given) given.values[o->name] = v;
  }
  auto options = plugin::Options::complete(d->plugin->options, given, id);
  REQUIRE(options.ok());
  spec::Use u;
  u.id = id;
  u.options = *options;
  u.key = "penalty";
  return u;
}

struct Case {
  std::string solver, penalty;
  int side;
  bool convex;
  spec::Trial trial;
};

const assay_plugin& plugin_of(const std::string& solver) {
  return *solvers()->find("solver", solver)->plugin;
}

// Descent in every step is what a solver's card claims, for all penalties or for convex ones; the
// others fall from start to end.
bool monotone(const Case& c) {
  const char* maths = plugin_of(c.solver).maths;
  const std::string card = maths ? maths : "";
  const auto says = [&card](const char* words) { return card.find(words) != std::string::npos; };
  if (!says("the objective never rises") && !says("no step raises the objective")) return false;
  return c.convex || !says("with convex penalties");
}

// Some solvers want X, or the factors' signs, otherwise; they say so before the first step. One of
// the tests' own states no step at all.
bool refused(spec::Trial t) {
  t.stop.max_iter = 1;
  Fixture f(dense(random_problem(kN, kD, kK)), t, 1, solvers());
  const auto tried = fit::fit(f.task);
  if (tried) return false;
  const Error& e = tried.error();
  return e.status == ASSAY_E_COMBINATION || e.status == ASSAY_E_SHAPE ||
         e.message.find("states no step") != std::string::npos;
}

bool has_residual(const std::string& solver) {
  const auto* table = static_cast<const assay_solver*>(plugin_of(solver).vtable);
  return (table->flags & ASSAY_SOLVER_NO_RESIDUAL) == 0;
}

// The squared loss, or kl for who takes no squared; the other factor is non-negative.
void for_every_pair(const std::function<void(const Case&)>& law) {
  for (const plugin::Descriptor* s : solvers()->all("solver")) {
    const auto& table = *static_cast<const assay_solver*>(s->plugin->vtable);
    if (table.needs_penalty == 0) continue;
    if (!spec::takes_factors(table, 2)) continue;
    std::string loss;
    for (const char* id : {"kl", "squared"}) {
      const auto made = plugin::Loss::create(*solvers()->find("loss", id), {});
      REQUIRE(made.ok());
      if (spec::takes_loss(table, **made)) loss = id;
    }
    if (loss.empty()) continue;
    for (const plugin::Descriptor* d : solvers()->all("penalty")) {
      for (const int side : {0, 1}) {
        std::vector<std::string> words = {""};
        for (const assay_option* o = d->plugin->options; o && o->name; ++o)
          for (const char* const* w = o->values; w && *w; ++w) words.emplace_back(*w);
        for (const std::string& word : words) {
          const spec::Use u = penalty(d->id, side, word);
          const auto set = plugin::PenaltySet::create({{d, u.options}}, side);
          REQUIRE(set);
          const auto& item = (*set)->items().front();
          if (!spec::takes_penalty(table, item, side == 0 ? "W" : "H")) continue;
          CAPTURE(s->id);
          CAPTURE(d->id);
          CAPTURE(side);
          CAPTURE(word);
          spec::Trial t = mu_trial(loss, kK);
          t.solver.id = s->id;
          t.solver.options = *plugin::Options::complete(s->plugin->options, {}, s->id);
          spec::FactorSpec& factor = side ? t.model.H : t.model.W;
          (item.set() ? factor.constraint = u, void() : factor.penalties.push_back(u));
          if (!refused(t))
            law({s->id, d->id, side, (item.facts.flags & ASSAY_PENALTY_CONVEX) != 0, t});
        }
      }
    }
  }
}

struct Fitted : Fixture {
  Fitted(const spec::Trial& t, int threads = 1, int32_t dtype = ASSAY_F64)
      : Fixture(dense(random_problem(kN, kD, kK), dtype), t, threads, solvers()) {}
};

}  // namespace

TEST_CASE("law: with every penalty a solver takes, iterates are feasible and the objective falls") {
  for_every_pair([](const Case& c) {
    spec::Trial t = c.trial;
    t.stop.max_iter = 25;
    t.stop.kkt_tol = 1e-300;  // every row from an exact sweep
    Fitted f(t);
    const fit::Result r = f.run();
    const auto& rows = r.trace.rows;
    for (size_t i = 0; i < rows.size(); ++i) {
      CHECK(std::isfinite(rows[i].penalty));  // infinite outside a set
      CHECK((std::isfinite(rows[i].kkt) || !has_residual(c.solver)));
      if (i > 0 && monotone(c))
        CHECK(rows[i].objective <=
              rows[i - 1].objective + 1e-11 * (1 + std::abs(rows[i - 1].objective)));
    }
    CHECK(rows.back().objective < rows.front().objective);
  });
}

TEST_CASE(
    "law: with every penalty, bits are the same for any number of threads, and every plan agrees") {
  for_every_pair([](const Case& c) {
    spec::Trial t = c.trial;
    t.stop.max_iter = 6;
    Fitted one(t);
    one.run();
    Fitted many(t, 3);
    many.force_graph();
    many.run();
    Fitted unfused(t);
    unfused.runtime.force.fuse = false;
    unfused.task.plan = unfused.runtime.plan_options();
    unfused.run();
    for (const int side : {0, 1}) {
      CHECK(one.factor(side) == many.factor(side));
      const auto a = one.factor(side), b = unfused.factor(side);
      for (size_t i = 0; i < a.size(); ++i)
        CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-7).scale(1));
    }
  });
}

TEST_CASE("law: float32 factors are feasible too") {
  for_every_pair([](const Case& c) {
    spec::Trial t = c.trial;
    t.stop.max_iter = 10;
    Fitted f(t, 1, ASSAY_F32);
    const fit::Result r = f.run();
    for (const auto& row : r.trace.rows) CHECK(std::isfinite(row.penalty));
  });
}

TEST_CASE("law: a fit resumed in the middle is the fit, with every penalty") {
  for_every_pair([](const Case& c) {
    spec::Trial t = c.trial;
    t.stop.max_iter = 8;
    Fitted whole(t);
    std::optional<fit::Checkpoint> kept;
    whole.task.checkpoint_iterations = 4;
    whole.task.save = [&](const fit::Checkpoint& saved) -> Expected<void> {
      if (!kept) kept = saved;
      return {};
    };
    if (whole.run().iterations <= 4) return;
    REQUIRE(kept);
    Fitted again(t);
    again.task.resume = &*kept;
    again.run();
    for (const int side : {0, 1}) CHECK(whole.factor(side) == again.factor(side));
  });
}

TEST_CASE("law: new rows of a model are fitted under what does not tie the rows of W together") {
  for_every_pair([](const Case& c) {
    if (c.side != 0) return;
    spec::Trial t = c.trial;
    t.stop.max_iter = 10;
    Fitted trained(t);
    trained.run();
    Problem rows = random_problem(9, kD, kK, 8);
    experiment::Prepared data;
    data.train = dense(rows);
    data.facts = data::measure(*data.train);
    data.data_id = data.stream_id = data.train->id;
    data.new_rows = true;
    auto model = experiment::make_model(t, data, trained.runtime);
    REQUIRE_MESSAGE(model.ok(), model.error().message);
    if ((*model)->factor[0].rows == 0) return;  // made of the rows, not fitted
    (*model)->factor[1] = trained.model->factor[1];
    (*model)->frozen[1] = true;
    for (int64_t i = 0; i < rows.n; ++i)
      for (int64_t a = 0; a < kK; ++a) (*model)->factor[0].set(i, a, 0.3);
    t.init.id.clear();
    auto task = experiment::make_task(t, data, **model, trained.runtime);
    REQUIRE_MESSAGE(task.ok(), task.error().message);
    const auto result = fit::fit(*task);
    REQUIRE_MESSAGE(result.ok(), result.error().message);
    for (const auto& row : result->trace.rows) CHECK(std::isfinite(row.objective));
    CHECK(result->trace.rows.back().objective <= result->trace.rows.front().objective);
    CHECK_FALSE((*model)->penalties[0]->couples());
    CHECK_FALSE((*model)->penalties[0]->sees_whole());
    if (trained.model->penalties[0]->nonneg())
      for (int64_t i = 0; i < rows.n; ++i)
        for (int64_t a = 0; a < kK; ++a) CHECK((*model)->factor[0].get(i, a) >= 0);
  });
}

// scikit-learn 1.x, NMF: 1/2 |X - WH|^2 + alpha_W l1_ratio n_features |W|_1
//   + alpha_H l1_ratio n_samples |H|_1 + 1/2 alpha_W (1 - l1_ratio) n_features |W|^2 + ...
TEST_CASE("elastic_net adds what scikit-learn's NMF adds for alpha_W, alpha_H and l1_ratio") {
  const auto with = [](std::map<std::string, double> numbers) {
    spec::Use u = penalty("elastic_net", 0);
    for (const auto& [name, v] : numbers) {
      u.options.values[name].number = v;
      u.options.values[name].given = true;
    }
    return u;
  };
  const auto penalty_of = [](const spec::Use& W, const spec::Use& H, double sums[4]) {
    spec::Trial t = mu_trial("squared", kK);
    t.model.W.penalties = {W};
    t.model.H.penalties = {H};
    Fitted f(t);
    for (const int side : {0, 1}) {
      graph::Buffer& b = f.model->factor[side];
      for (int64_t i = 0; i < b.rows; ++i) {
        for (int64_t a = 0; a < b.width; ++a) {
          const double v = 0.1 * static_cast<double>((3 * i + a + side) % 7);
          b.set(i, a, v);
          sums[2 * side] += v;
          sums[2 * side + 1] += v * v;
        }
      }
    }
    const auto value = fit::penalty_value(*f.model);
    REQUIRE(value.ok());
    return *value;
  };
  const double n = kN, d = kD, r = 0.3;
  double s[4] = {};
  const double both = penalty_of(with({{"alpha_W", 0.02}, {"l1_ratio", r}}),
                                 with({{"alpha_H", 0.05}, {"l1_ratio", r}}), s);
  CHECK(both == doctest::Approx(0.02 * d * (r * s[0] + 0.5 * (1 - r) * s[1]) +
                                0.05 * n * (r * s[2] + 0.5 * (1 - r) * s[3]))
                    .epsilon(1e-13));
  double same[4] = {};  // alpha_H = "same"
  const spec::Use one = with({{"alpha_W", 0.02}, {"l1_ratio", r}});
  CHECK(penalty_of(one, one, same) == doctest::Approx(0.02 * d * (r * s[0] + 0.5 * (1 - r) * s[1]) +
                                                      0.02 * n * (r * s[2] + 0.5 * (1 - r) * s[3]))
                                          .epsilon(1e-13));
}

TEST_CASE("multiplicative updates fall where a quartic penalty outweighs the loss") {
  for (const char* loss : {"squared", "kl"}) {
    for (const double weight : {1.0, 30.0, 1000.0}) {
      CAPTURE(loss);
      CAPTURE(weight);
      spec::Trial t = mu_trial(loss, kK);
      spec::Use u = penalty("orthogonal", 0, "identity");
      u.options.values["weight"].number = weight;
      t.model.W.penalties = {u};
      t.stop.max_iter = 40;
      t.stop.kkt_tol = 1e-300;
      Fitted f(t);
      const fit::Result r = f.run();
      const auto& rows = r.trace.rows;
      for (size_t i = 1; i < rows.size(); ++i)
        CHECK(rows[i].objective <= rows[i - 1].objective * (1 + 1e-13));
    }
  }
}
