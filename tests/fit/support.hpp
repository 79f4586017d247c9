// SPDX-License-Identifier: Apache-2.0
// Small problems for the tests of the loop: data from memory, a trial in words, one fit.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/data/memory.hpp"
#include "core/experiment/prepare.hpp"
#include "core/experiment/runtime.hpp"
#include "core/experiment/trial.hpp"
#include "core/fit/fit.hpp"

namespace assay::test {

inline std::shared_ptr<plugin::Registry> registry() {
  static auto shared = [] {
    auto r = plugin::Registry::open({});
    REQUIRE(r.ok());
    return *r;
  }();
  return shared;
}

struct Problem {
  int64_t n = 60, d = 23, k = 4;
  std::vector<double> x;  // n x d
};

// A random non-negative matrix of rank about k with noise, some zeros; the same every time.
inline Problem random_problem(int64_t n = 60, int64_t d = 23, int64_t k = 4, uint64_t seed = 3) {
  Problem p{n, d, k, std::vector<double>(static_cast<size_t>(n * d))};
  uint64_t state = seed * 2654435761u + 12345;
  const auto next = [&state] {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<double>(state >> 11) / 9007199254740992.0;
  };
  std::vector<double> a(static_cast<size_t>(n * k)), b(static_cast<size_t>(k * d));
  for (double& v : a) v = next() < 0.4 ? 0 : next();
  for (double& v : b) v = next() < 0.4 ? 0 : next();
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < d; ++j) {
      double sum = 0;
      for (int64_t c = 0; c < k; ++c)
        sum += a[static_cast<size_t>(i * k + c)] * b[static_cast<size_t>(c * d + j)];
      const double noise = 0.05 * next();
      p.x[static_cast<size_t>(i * d + j)] = sum + (next() < 0.1 ? 0 : noise);
    }
  }
  return p;
}

inline std::shared_ptr<const data::Data> dense(const Problem& p, int32_t dtype = ASSAY_F64) {
  auto values = std::make_shared<std::vector<double>>(p.x);
  auto narrow = std::make_shared<std::vector<float>>(p.x.begin(), p.x.end());
  assay_dense view{};
  view.data = dtype == ASSAY_F32 ? static_cast<void*>(narrow->data()) : values->data();
  view.dtype = dtype;
  view.rows = p.n;
  view.cols = p.d;
  view.row_stride = p.d;
  view.col_stride = 1;
  std::shared_ptr<const void> owner =
      dtype == ASSAY_F32 ? std::shared_ptr<const void>(narrow) : values;
  auto x = data::from_dense(view, owner);
  REQUIRE(x.ok());
  if (x->id.empty()) x->id = data::identify(*x);
  return std::make_shared<const data::Data>(std::move(*x));
}

// CSR with every zero left out.
inline std::shared_ptr<const data::Data> sparse(const Problem& p) {
  struct Store {
    std::vector<double> values;
    std::vector<int64_t> indices, indptr{0};
  };
  auto s = std::make_shared<Store>();
  for (int64_t i = 0; i < p.n; ++i) {
    for (int64_t j = 0; j < p.d; ++j) {
      const double v = p.x[static_cast<size_t>(i * p.d + j)];
      if (v == 0) continue;
      s->values.push_back(v);
      s->indices.push_back(j);
    }
    s->indptr.push_back(static_cast<int64_t>(s->values.size()));
  }
  assay_sparse view{};
  view.values = s->values.data();
  view.indices = s->indices.data();
  view.indptr = s->indptr.data();
  view.dtype = ASSAY_F64;
  view.index_dtype = ASSAY_I64;
  view.layout = ASSAY_CSR;
  view.flags = ASSAY_SORTED | ASSAY_UNIQUE;
  view.rows = p.n;
  view.cols = p.d;
  view.nnz = static_cast<int64_t>(s->values.size());
  auto x = data::from_sparse(view, s);
  REQUIRE(x.ok());
  if (x->id.empty()) x->id = data::identify(*x);
  return std::make_shared<const data::Data>(std::move(*x));
}

inline spec::Use use(const std::string& kind, const std::string& id) {
  const plugin::Descriptor* d = registry()->find(kind, id);
  REQUIRE_MESSAGE(d != nullptr, kind, " ", id);
  auto options = plugin::Options::complete(d->plugin->options, {}, id);
  REQUIRE(options.ok());
  spec::Use u;
  u.id = id;
  u.options = *options;
  u.key = kind;
  return u;
}

// Non-negative factorization by multiplicative updates from a random start.
inline spec::Trial mu_trial(const std::string& loss, int64_t k) {
  spec::Trial t;
  t.model.rank = {k};
  t.model.loss = use("loss", loss);
  t.model.W.constraint = use("penalty", "nonneg");
  t.model.H.constraint = use("penalty", "nonneg");
  t.init = use("init", "random");
  t.solver = use("solver", "mu");
  t.stop.rel_tol = 0;
  t.stop.patience = 0;
  t.stop.max_iter = 30;
  t.measure.every = 1;
  return t;
}

// The largest difference, relative to the largest value of a.
inline double worst_relative(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double scale = std::numeric_limits<double>::min(), worst = 0;
  for (double v : a) scale = std::max(scale, std::abs(v));
  for (size_t i = 0; i < a.size(); ++i) {
    const double apart = std::abs(a[i] - b[i]);
    if (!(apart <= worst)) worst = apart;  // NaN stays
  }
  return worst / scale;
}

// The same penalty on both factors.
inline void penalise(spec::Trial& t, const std::string& id, double weight) {
  spec::Use u = use("penalty", id);
  u.options.values["weight"].number = weight;
  t.model.W.penalties = t.model.H.penalties = {u};
}

// A trial alive: the model's factors hold the result after run().
struct Fixture {
  experiment::Runtime runtime;
  experiment::Prepared data;
  spec::Trial trial;
  std::unique_ptr<graph::Model> model;
  fit::Task task;

  Fixture(std::shared_ptr<const data::Data> x,
          const spec::Trial& t,
          int threads = 2,
          std::shared_ptr<plugin::Registry> plugins = registry())
      : trial(t) {
    auto made = experiment::Runtime::create(std::move(plugins), threads, "auto", "auto");
    REQUIRE(made.ok());
    runtime = std::move(*made);
    auto prepared = experiment::prepare(trial, std::move(x), runtime);
    REQUIRE_MESSAGE(prepared.ok(), prepared.error().message);
    data = std::move(*prepared);
    auto m = experiment::make_model(trial, data, runtime);
    REQUIRE_MESSAGE(m.ok(), m.error().message);
    model = std::move(*m);
    auto made_task = experiment::make_task(trial, data, *model, runtime);
    REQUIRE_MESSAGE(made_task.ok(), made_task.error().message);
    task = std::move(*made_task);
  }

  fit::Result run() {
    auto result = fit::fit(task);
    REQUIRE_MESSAGE(result.ok(), result.error().message);
    return std::move(*result);
  }

  // On the task graph, however small the step is.
  void force_graph() {
    runtime.force.run = graph::Force::Run::kGraph;
    task.plan = runtime.plan_options();
  }

  // Ends the run after `iteration` steps; what a resumed run is given.
  fit::Checkpoint cut(int64_t iteration) {
    std::vector<fit::Checkpoint> saved;
    std::atomic<bool> cancel{false};
    task.plan.cancel = &cancel;
    task.on_step = [&](int64_t done, double) { cancel = done == iteration; };
    task.save = [&saved](const fit::Checkpoint& c) -> Expected<void> {
      saved.push_back(c);
      return {};
    };
    CHECK(run().stop == fit::Stop::kInterrupted);
    REQUIRE(saved.size() == 1);
    return std::move(saved.front());
  }

  // Factors set by hand: the start depends on row, column and component only. order[i]: which row
  // of W's start row i takes.
  void set_start(const std::vector<int64_t>& order = {}) {
    task.init.reset();
    for (const int side : {0, 1}) {
      graph::Buffer& b = model->factor[side];
      for (int64_t i = 0; i < b.rows; ++i) {
        const int64_t from = side == 0 && !order.empty() ? order[static_cast<size_t>(i)] : i;
        for (int64_t a = 0; a < b.width; ++a) {
          const double t = std::sin(static_cast<double>(1 + side + 7 * from + 13 * a));
          b.set(i, a, 0.1 + t * t);
        }
      }
    }
  }

  // Rows of a factor without padding, as doubles.
  std::vector<double> factor(int side) const {
    const graph::Buffer& b = model->factor[side];
    std::vector<double> out;
    for (int64_t i = 0; i < b.rows; ++i) {
      for (int64_t a = 0; a < b.width; ++a) out.push_back(b.get(i, a));
    }
    return out;
  }
};

}  // namespace assay::test
