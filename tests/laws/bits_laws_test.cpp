// SPDX-License-Identifier: Apache-2.0
// Laws of reproducibility, for every solver: equal bits for any number of threads and after a
// resume; the order of rows is a name and nothing more.
#include <numeric>

#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

TEST_CASE("law: every solver gives equal bits for 1, 2, 4 and 7 threads") {
  for_every_solver([](const Posed& posed) {
    const Problem p = small_problem(posed, 90, posed.symmetric ? 90 : 40);
    spec::Trial trial = posed.trial;
    trial.stop.max_iter = 4;
    for (const bool is_sparse : {false, true}) {
      if (is_sparse && !posed.takes(ASSAY_TAKES_SPARSE) && !posed.takes(ASSAY_TAKES_UNOBSERVED))
        continue;
      CAPTURE(is_sparse);
      DataPtr x = is_sparse ? sparse(p) : dense(p);
      if (is_sparse && !posed.takes(ASSAY_TAKES_SPARSE)) {
        auto few = std::make_shared<data::Data>(*x);
        few->unstored_zero = false;
        x = few;
      }
      auto one = attempt(trial, x, {}, 1, "graph");
      if (!one) continue;
      for (const int threads : {2, 4, 7}) {
        CAPTURE(threads);
        const Outcome many = fitted(trial, x, {}, threads, "graph");
        for (int side = 0; side < many.model->n_factors; ++side)
          CHECK(many.factor[side] == one->factor[side]);
        CHECK(many.result.certificate.loss == one->result.certificate.loss);
      }
      const Outcome serial = fitted(trial, x, {}, 1, "serial");
      for (int side = 0; side < serial.model->n_factors; ++side)
        CHECK(serial.factor[side] == one->factor[side]);
    }
  });
}

TEST_CASE("law: every solver resumes to the bits of a fit that was never cut") {
  for_every_solver([](const Posed& posed) {
    const DataPtr x = dense(small_problem(posed, 40, posed.symmetric ? 40 : 18));
    const Outcome whole = fitted(posed.trial, x);
    for (const int64_t cut : {1, 5, 11}) {
      CAPTURE(cut);
      std::vector<fit::Checkpoint> saved;
      std::atomic<bool> cancel{false};
      auto first = fitted(posed.trial, x, [&](fit::Task& task, graph::Model&) {
        task.plan.cancel = &cancel;
        task.on_step = [&](int64_t iteration, double) { cancel = iteration == cut; };
        task.save = [&saved](const fit::Checkpoint& c) -> Expected<void> {
          saved.push_back(c);
          return {};
        };
      });
      if (first.result.stop != fit::Stop::kInterrupted) continue;  // it was done by then
      REQUIRE(saved.size() == 1);
      const Outcome second =
          fitted(posed.trial, x, [&](fit::Task& task, graph::Model&) { task.resume = &saved[0]; });
      CHECK(second.result.stop == whole.result.stop);
      CHECK(second.result.iterations == whole.result.iterations);
      for (int side = 0; side < whole.model->n_factors; ++side)
        CHECK(second.factor[side] == whole.factor[side]);
    }
  });
}

TEST_CASE("law: permuting rows permutes W and leaves H, for every deterministic solver") {
  for_every_solver([](const Posed& posed) {
    if (!posed.deterministic() || posed.symmetric) return;
    const Problem p = small_problem(posed, 40, 18);
    std::vector<int64_t> order(static_cast<size_t>(p.n));
    std::iota(order.begin(), order.end(), 0);
    for (size_t i = 0; i < order.size(); ++i)
      std::swap(order[i], order[(i * 37 + 11) % order.size()]);
    Problem q = p;
    for (int64_t i = 0; i < p.n; ++i)
      std::copy_n(p.x.begin() + order[static_cast<size_t>(i)] * p.d, p.d, q.x.begin() + i * p.d);
    auto a = attempt(posed.trial, dense(p), start_by_hand());
    auto b = attempt(posed.trial, dense(q), start_by_hand(order));
    REQUIRE(a.ok());
    REQUIRE(b.ok());
    if (a->factor[0].empty()) {  // made of rows, and so are results
      for (const auto& [name, key] : a->model->results) {
        CAPTURE(name);
        const graph::Buffer &one = a->model->state.at(key), &other = b->model->state.at(key);
        if (one.rows != p.n) continue;
        for (int64_t i = 0; i < p.n; ++i)
          for (int64_t j = 0; j < one.width; ++j)
            CHECK(one.get(order[static_cast<size_t>(i)], j) ==
                  doctest::Approx(other.get(i, j)).epsilon(1e-7));
      }
    } else {
      const int64_t k = a->model->factor[0].width;
      std::vector<double> permuted;
      for (int64_t i : order)
        permuted.insert(permuted.end(), a->factor[0].begin() + i * k,
                        a->factor[0].begin() + (i + 1) * k);
      CHECK(worst_relative(permuted, b->factor[0]) < 1e-7);
    }
    for (int side = 1; side < a->model->n_factors; ++side)
      CHECK(worst_relative(a->factor[side], b->factor[side]) < 1e-7);
  });
}
