// SPDX-License-Identifier: Apache-2.0
// What plugins say of random numbers holds: where a flag or a table's value promises that they do
// not matter, two seeds end in the same bits.
#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

spec::Trial trial_of(const std::string& solver, int seed) {
  const std::string text =
      "assay: 1\nname: seeds\nmodel: { rank: 3, loss: squared }\nsolver: " + solver +
      "\nstop: { max_iter: 5 }\nmeasure: { metrics: [] }\nrepeats: 2\nseed: " +
      std::to_string(seed) + "\n";
  auto parsed = spec::parse("seeds.yaml", text, {{}, {}, true}, *registry());
  REQUIRE_MESSAGE(parsed.ok(), parsed.diagnostics.front().message);
  const auto& trials = parsed.experiment->trials;
  CHECK(trials.size() == (trials[0].deterministic ? 1 : 2));
  return trials[0];
}

void same_for_all_seeds(const std::string& solver, const DataPtr& x) {
  CAPTURE(solver);
  CHECK(trial_of(solver, 1).deterministic);
  const Outcome one = fitted(trial_of(solver, 1), x), two = fitted(trial_of(solver, 2), x);
  for (int side = 0; side < one.model->n_factors; ++side)
    CHECK(one.factor[side] == two.factor[side]);
}

}  // namespace

TEST_CASE("law: a value that settles the result leaves nothing to seed and start") {
  Problem flat = random_problem(20, 9, 3);
  for (size_t i = 0; i < flat.x.size(); ++i) flat.x[i] = static_cast<double>(i / 9);  // of rank 1
  int settling = 0;
  for (const plugin::Descriptor* d : registry()->all("solver")) {
    for (const assay_option* o = d->plugin->options; o && o->name; ++o) {
      if (o->type != ASSAY_OPT_ENUM) continue;
      for (uint32_t v = 0; v < 12 && o->values[v]; ++v) {
        if ((o->flags & ASSAY_OPT_SETTLES(v)) == 0) continue;
        const std::string solver = "{ use: " + d->id + ", " + o->name + ": " + o->values[v] + " }";
        same_for_all_seeds(solver, dense(random_problem(20, 9, 3)));
        same_for_all_seeds(solver, dense(flat));
        ++settling;
      }
    }
  }
  CHECK(settling > 0);
}

TEST_CASE("law: a seed changes nothing for a solver that draws nothing") {
  for_every_solver([](const Posed& posed) {
    if (!posed.deterministic()) return;
    spec::Trial other = posed.trial;
    other.seed += 1;
    const DataPtr x = dense(small_problem(posed));
    const Outcome one = fitted(posed.trial, x, start_by_hand());
    const Outcome two = fitted(other, x, start_by_hand());
    for (int side = 0; side < one.model->n_factors; ++side)
      CHECK(one.factor[side] == two.factor[side]);
  });
}

TEST_CASE("svd and pca: `auto` settles where it takes random columns, and a draw takes it back") {
  Problem wide{2001, 2001, 3, std::vector<double>(2001 * 2001)};
  for (size_t i = 0; i < 2001; ++i) wide.x[i * 2001 + (i * i) % 2001] = static_cast<double>(i % 97);
  same_for_all_seeds("{ use: svd, method: auto }", sparse(wide));
  for (const std::string solver :
       {"{ use: svd, method: randomized }", "{ use: svd, method: power }",
        "{ use: pca, keep: parallel }", "{ use: pca, method: subspace }"}) {
    CAPTURE(solver);
    CHECK_FALSE(trial_of(solver, 1).deterministic);
  }
}
