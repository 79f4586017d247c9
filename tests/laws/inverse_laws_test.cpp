// SPDX-License-Identifier: Apache-2.0
// Laws of going back: what a transform did to X its inverse undoes to rounding, alone and in a row,
// and W H comes back in the units of the data as read.
#include "core/data/tile.hpp"
#include "core/experiment/prepare.hpp"
#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

spec::Trial trial_of(const std::string& transforms) {
  const std::string text =
      "assay: 1\nname: inverse\ndata: { use: synthetic, rows: 9, columns: 5, rank: 2, transforms: "
      "[" +
      transforms +
      "] }\nmodel: { rank: 3, loss: squared, W: {}, H: {} }\ninit: random\nsolver: gradient\n"
      "stop: { max_iter: 1 }\nmeasure: { metrics: [] }\n";
  auto parsed = spec::parse("inverse.yaml", text, {{}, {}, true}, *registry());
  REQUIRE_MESSAGE(parsed.ok(), parsed.diagnostics.front().message);
  return parsed.experiment->trials[0];
}

// Transforms of the registry by themselves, with options where they need one, and several in a row.
const std::vector<std::string>& chains() {
  static const std::vector<std::string> all = {
      "{ use: scale, by: 0.25 }",
      "{ use: shift, by: 3 }",
      "centre",
      "log1p",
      "{ use: scale, by: 7 }, log1p, centre, { use: shift, by: -0.5 }",
  };
  return all;
}

}  // namespace

TEST_CASE("law: x, transformed and back, is x to rounding") {
  const Problem p = random_problem(40, 17, 3);
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  for (const std::string& chain : chains()) {
    CAPTURE(chain);
    const auto data = experiment::prepare(trial_of(chain), dense(p), *runtime);
    REQUIRE_MESSAGE(data.ok(), data.error().message);
    std::vector<double> x(p.x.size());
    data::load<double>(*data->train, 0, p.n, 0, p.d, x.data(), p.d);
    CHECK(worst_relative(p.x, x) > 1e-2);  // it did something
    const auto undone = experiment::undo_learnt(data->transforms, x.data(), p.n, p.d, *runtime);
    REQUIRE_MESSAGE(undone.ok(), undone.error().message);
    CHECK(undone->empty());
    CHECK(worst_relative(p.x, x) < 1e-13);
    // The same transforms as learnt, on the same rows.
    const auto again = experiment::apply_learnt(data->transforms, dense(p), *runtime);
    REQUIRE(again.ok());
    for (int64_t i = 0; i < p.n; i += 7)
      for (int64_t j = 0; j < p.d; ++j)
        CHECK((*again)->value(i, j) == doctest::Approx(data->train->value(i, j)).epsilon(1e-13));
  }
}

TEST_CASE("law: every transform of the registry goes back, or says that it cannot") {
  const Problem p = random_problem(40, 17, 3);
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  for (const plugin::Descriptor* d : registry()->all("transform")) {
    CAPTURE(d->id);
    const std::string id = d->id;
    const auto data = experiment::prepare(
        trial_of(id == "scale" || id == "shift" ? "{ use: " + id + ", by: 2 }" : id), dense(p),
        *runtime);
    REQUIRE_MESSAGE(data.ok(), data.error().message);
    std::vector<double> x(p.x.size());
    data::load<double>(*data->train, 0, p.n, 0, p.d, x.data(), p.d);
    const std::vector<double> transformed = x;
    const auto undone = experiment::undo_learnt(data->transforms, x.data(), p.n, p.d, *runtime);
    REQUIRE_MESSAGE(undone.ok(), undone.error().message);
    if (undone->empty()) {
      CHECK(worst_relative(p.x, x) < 1e-13);
    } else {
      CHECK(*undone == id);
      CHECK(x == transformed);
    }
  }
}
