// SPDX-License-Identifier: Apache-2.0
// Every solver of the registry with every loss it takes, posed as the solver wants it: which
// factors are non-negative, how many ranks, a square symmetric X or any. Nothing here knows a
// plugin by name: a pose is tried, and the first that nothing refuses is the one.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/data/observe.hpp"
#include "core/spec/capabilities.hpp"
#include "core/spec/parse.hpp"
#include "core/spec/uses.hpp"
#include "tests/fit/support.hpp"

namespace assay::test {

using DataPtr = std::shared_ptr<const data::Data>;

struct Posed {
  const plugin::Descriptor* solver = nullptr;
  std::string loss;
  assay_loss_facts facts{};
  bool symmetric = false;  // takes a symmetric X only
  spec::Trial trial;

  bool takes(uint32_t bit) const {
    return (static_cast<const assay_solver*>(solver->plugin->vtable)->takes_data & bit) != 0;
  }
  bool deterministic() const { return !spec::draws_numbers(*solver, trial.solver); }
  // Whether a value lies in the loss's domain.
  bool holds(double x) const {
    const bool low = x < facts.x_lo || ((facts.flags & ASSAY_LOSS_X_LO_OPEN) && x <= facts.x_lo);
    const bool high = x > facts.x_hi || ((facts.flags & ASSAY_LOSS_X_HI_OPEN) && x >= facts.x_hi);
    return !low && !high;
  }
  bool holds(const Problem& p) const {
    return std::all_of(p.x.begin(), p.x.end(), [this](double x) { return holds(x); });
  }
};

// What a solver or the host says no to, as opposed to what fails.
inline bool refusal(const Error& e) {
  return e.status == ASSAY_E_COMBINATION || e.status == ASSAY_E_SPEC || e.status == ASSAY_E_SHAPE ||
         e.status == ASSAY_E_DOMAIN;
}

// X brought into a loss's domain: zeros become small numbers where 0 is outside, large values 1
// where only 0 to 1 is inside.
inline Problem suited(Problem p, const Posed& posed) {
  double mean = 0;
  for (double v : p.x) mean += v / static_cast<double>(p.x.size());
  for (double& v : p.x) {
    if (std::isfinite(posed.facts.x_hi)) v = v > mean ? posed.facts.x_hi : posed.facts.x_lo;
    if (!posed.holds(v)) v = 0.03;
  }
  return p;
}

inline Problem symmetric_problem(int64_t n, int64_t k) {
  const Problem half = random_problem(n, k, k);
  Problem p{n, n, k, std::vector<double>(static_cast<size_t>(n * n))};
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      for (int64_t a = 0; a < k; ++a)
        p.x[static_cast<size_t>(i * n + j)] +=
            half.x[static_cast<size_t>(i * k + a)] * half.x[static_cast<size_t>(j * k + a)];
  return p;
}

// A small X that suits the pose.
inline Problem small_problem(const Posed& posed, int64_t n = 14, int64_t d = 11, int64_t k = 3) {
  return suited(posed.symmetric ? symmetric_problem(n, k) : random_problem(n, d, k), posed);
}

// Factors, or why there are none.
struct Outcome {
  std::unique_ptr<graph::Model> model;
  experiment::Prepared data;
  fit::Result result;
  std::vector<double> factor[3];
};

using Change = std::function<void(fit::Task&, graph::Model&)>;

inline Expected<Outcome> attempt(const spec::Trial& trial,
                                 DataPtr x,
                                 const Change& change = {},
                                 int threads = 1,
                                 const std::string& plan = "auto") {
  auto runtime = experiment::Runtime::create(registry(), threads, "auto", plan);
  if (!runtime) return std::move(runtime.error());
  Outcome out;
  auto prepared = experiment::prepare(trial, std::move(x), *runtime);
  if (!prepared) return std::move(prepared.error());
  out.data = std::move(*prepared);
  auto model = experiment::make_model(trial, out.data, *runtime);
  if (!model) return std::move(model.error());
  out.model = std::move(*model);
  auto task = experiment::make_task(trial, out.data, *out.model, *runtime);
  if (!task) return std::move(task.error());
  if (change) change(*task, *out.model);
  auto result = fit::fit(*task);
  if (!result) return std::move(result.error());
  out.result = std::move(*result);
  for (int side = 0; side < out.model->n_factors; ++side) {
    const graph::Buffer& b = out.model->factor[side];
    for (int64_t i = 0; i < b.rows; ++i)
      for (int64_t a = 0; a < b.width; ++a) out.factor[side].push_back(b.get(i, a));
  }
  return out;
}

// A fit that must work.
inline Outcome fitted(const spec::Trial& trial,
                      DataPtr x,
                      const Change& change = {},
                      int threads = 1,
                      const std::string& plan = "auto") {
  auto out = attempt(trial, std::move(x), change, threads, plan);
  REQUIRE_MESSAGE(out.ok(), out.error().message);
  return std::move(*out);
}

inline std::string pose_text(const std::string& solver,
                             const std::string& loss,
                             const std::string& rank,
                             const std::string& w,
                             const std::string& h) {
  return "assay: 1\nname: law\nmodel: { rank: " + rank + ", loss: " + loss + ", W: {" + w +
         "}, H: {" + h + "} }\ninit: random\nsolver: " + solver +
         "\nstop: { max_iter: 12, rel_tol: 0, patience: 0 }\nmeasure: { every: 4, metrics: [] }\n";
}

inline std::optional<Posed> pose(const plugin::Descriptor* solver, const plugin::Descriptor* loss) {
  static const char* const kSigns[][2] = {{"constraint: nonneg", "constraint: nonneg"},
                                          {"", "constraint: nonneg"},
                                          {"constraint: nonneg", ""},
                                          {"", ""}};
  const auto instance = plugin::Loss::create(*loss, {});
  if (!instance) return {};
  for (const char* rank : {"3", "[3, 2]"}) {
    for (const auto& signs : kSigns) {
      auto parsed =
          spec::parse("law.yaml", pose_text(solver->id, loss->id, rank, signs[0], signs[1]),
                      {{}, {}, true}, *registry());
      if (!parsed.ok()) continue;
      for (const bool symmetric : {false, true}) {
        Posed p;
        p.solver = solver;
        p.loss = loss->id;
        p.facts = (*instance)->facts();
        p.symmetric = symmetric;
        p.trial = parsed.experiment->trials[0];
        spec::Trial one = p.trial;
        one.stop.max_iter = 1;
        const auto tried = attempt(one, dense(small_problem(p)));
        if (tried || !refusal(tried.error())) return p;
      }
    }
  }
  return {};
}

// All that go together; every solver of factors does with some loss.
inline const std::vector<Posed>& all_posed() {
  static const std::vector<Posed> all = [] {
    std::vector<Posed> out;
    for (const plugin::Descriptor* solver : registry()->all("solver")) {
      const auto& table = *static_cast<const assay_solver*>(solver->plugin->vtable);
      if (!spec::takes_factors(table, 2) && !spec::takes_factors(table, 3)) continue;
      const size_t before = out.size();
      for (const plugin::Descriptor* loss : registry()->all("loss"))
        if (auto p = pose(solver, loss)) out.push_back(std::move(*p));
      CHECK_MESSAGE(out.size() > before, solver->id, " takes no loss that is there");
    }
    REQUIRE(!out.empty());
    return out;
  }();
  return all;
}

inline void for_every_solver(const std::function<void(const Posed&)>& law) {
  for (const Posed& p : all_posed()) {
    CAPTURE(p.solver->id);
    CAPTURE(p.loss);
    law(p);
  }
}

// A random start that depends on row, column and component only. order[i]: the row of W's start
// that row i takes.
inline Change start_by_hand(std::vector<int64_t> order = {}) {
  return [order = std::move(order)](fit::Task& task, graph::Model& model) {
    task.init.reset();
    for (int side = 0; side < model.n_factors; ++side) {
      graph::Buffer& b = model.factor[side];
      for (int64_t i = 0; i < b.rows; ++i) {
        const int64_t from = side == 0 && !order.empty() ? order[static_cast<size_t>(i)] : i;
        for (int64_t a = 0; a < b.width; ++a) {
          const double t = std::sin(static_cast<double>(1 + side + 7 * from + 13 * a));
          b.set(i, a, 0.1 + t * t);
        }
      }
    }
  };
}

// Some entries hidden: all bits of (row, column) for which `which` holds.
inline DataPtr hide_where(const DataPtr& x, const std::function<bool(int64_t, int64_t)>& which) {
  auto out = data::hide(*x, [&](int64_t row, uint64_t* words) {
    for (int64_t j = 0; j < x->cols; ++j)
      if (which(row, j)) words[j / 64] |= uint64_t{1} << (j % 64);
  });
  REQUIRE(out.ok());
  out->id = x->id;
  return std::make_shared<const data::Data>(std::move(*out));
}

// A fixed scatter of hidden entries, about one in seven, the same above and below the diagonal; no
// row or column loses all.
inline bool scattered(int64_t i, int64_t j) {
  return (3 * std::min(i, j) + 5 * std::max(i, j)) % 7 == 1;
}

}  // namespace assay::test
