// SPDX-License-Identifier: Apache-2.0
// hals and cd with `shuffle`: the order of the components comes from the seed, not from threads or
// tiles, changes the path, and never the descent.
#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

spec::Trial trial_of(const std::string& solver, int seed) {
  const std::string text =
      "assay: 1\nname: order\nmodel: { rank: 6, loss: squared, W: { constraint: nonneg }, H: { "
      "constraint: nonneg } }\ninit: nndsvd\nsolver: " +
      solver +
      "\nstop: { max_iter: 40, rel_tol: 0, patience: 0 }\nmeasure: { every: 1, metrics: [] }\n"
      "seed: " +
      std::to_string(seed) + "\n";
  auto parsed = spec::parse("order.yaml", text, {{}, {}, true}, *registry());
  REQUIRE_MESSAGE(parsed.ok(), parsed.diagnostics.front().message);
  return parsed.experiment->trials[0];
}

}  // namespace

TEST_CASE("hals and cd: a drawn order is the seed's, and every order descends") {
  const DataPtr x = dense(random_problem(200, 40, 6));
  for (const std::string id : {"hals", "cd"}) {
    CAPTURE(id);
    const std::string drawn = "{ use: " + id + ", shuffle: true, inner: 2 }";
    const Outcome in_turn = fitted(trial_of("{ use: " + id + ", inner: 2 }", 1), x);
    const Outcome one = fitted(trial_of(drawn, 1), x);
    CHECK(one.factor[0] != in_turn.factor[0]);
    CHECK(fitted(trial_of(drawn, 2), x).factor[0] != one.factor[0]);
    CHECK(fitted(trial_of(drawn, 1), x, {}, 4).factor[0] == one.factor[0]);
    const auto& rows = one.result.trace.rows;
    for (size_t t = 1; t < rows.size(); ++t)
      CHECK(rows[t].objective <= rows[t - 1].objective * (1 + 1e-12));
    CHECK(rows.back().objective < 1.1 * in_turn.result.trace.rows.back().objective);
  }
}

TEST_CASE("hals and cd: repeats stand for one another until the order is drawn") {
  for (const std::string id : {"hals", "cd"}) {
    CHECK(trial_of(id, 1).deterministic ==
          trial_of("{ use: " + id + ", shuffle: false }", 1).deterministic);
    CHECK_FALSE(trial_of("{ use: " + id + ", shuffle: true }", 1).deterministic);
  }
}
