// SPDX-License-Identifier: Apache-2.0
// A spec that is right gives the experiment it says; one that is wrong gives every fault at its
// place.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/unit/spec_fakes.hpp"

using fakes::codes;
using fakes::drawn;
using fakes::kGood;
using fakes::parse;

TEST_CASE("the least spec is filled in with defaults") {
  const auto result = parse(kGood);
  REQUIRE_MESSAGE(result.ok(), drawn(result));
  const auto& e = *result.experiment;
  REQUIRE(e.trials.size() == 1);
  const auto& t = e.trials[0];
  CHECK(e.name == "small");
  CHECK(t.data.path == "specs/x.tab");
  CHECK(t.init.id == "dice");
  CHECK(t.model.rank == std::vector<int64_t>{4});
  CHECK(t.solver.options.values.at("inner").number == 1);
  CHECK(t.model.W.constraint->id == "pos");
  CHECK(t.model.W.constraint_implied);
  CHECK(t.stop.max_iter == 500);
  CHECK(t.stop.rel_tol == 1e-5);
  CHECK_FALSE(t.deterministic);
  REQUIRE(t.measure.metrics.size() == 1);
  CHECK(t.measure.metrics[0].id == "fit");
  CHECK(t.label == "gentle, rank 4");
}

TEST_CASE("the configuration does not depend on the folder, and says where values come from") {
  const auto here = assay::spec::parse("small.yaml", kGood, {}, *fakes::registry());
  const auto there = parse(kGood);
  REQUIRE(here.ok());
  REQUIRE(there.ok());
  CHECK(here.experiment->trials[0].config_json == there.experiment->trials[0].config_json);
  const auto config = nlohmann::json::parse(there.experiment->trials[0].config_json);
  CHECK(config["data"]["path"] == "x.tab");
  const auto& origins = there.experiment->trials[0].origins;
  const auto origin = [&](const std::string& path) {
    for (const auto& [p, where] : origins) {
      if (p == path) return where;
    }
    return std::string("missing");
  };
  CHECK(origin("model.rank") == "specs/small.yaml:4:16");
  CHECK(origin("solver.use") == "specs/small.yaml:5:9");
  CHECK(origin("solver.inner") == "default");
  CHECK(origin("model.W.constraint.use") == "implied by solver gentle");
}

TEST_CASE("overrides go before the file, make maps and keep their place") {
  const auto result =
      parse(kGood, {{"model.rank=8", "solver.inner=3", "stop.max_iter=1e2"}, {}, false});
  REQUIRE_MESSAGE(result.ok(), drawn(result));
  const auto& t = result.experiment->trials[0];
  CHECK(t.model.rank[0] == 8);
  CHECK(t.solver.id == "gentle");
  CHECK(t.solver.options.values.at("inner").number == 3);
  CHECK(t.stop.max_iter == 100);
  const auto wrong = parse(kGood, {{"stop.max_iter=5OO"}, {}, false});
  CHECK(drawn(wrong) ==
        "error[E0112]: `stop.max_iter` must be an integer, found the text `5OO`\n"
        "  --> command line\n"
        "   |\n"
        "   | stop.max_iter=5OO\n"
        "   |               ^^^ letter O, not the digit 0\n"
        "   = expected: integer, at least 0 (default 500)\n");
  CHECK(codes(parse(kGood, {{"stop.max_itr=5"}, {}, false})) == "E0102");
  CHECK(codes(parse(kGood, {{"rank"}, {}, false})) == "E0003");
  CHECK(codes(parse(kGood, {{"assay.x.y=1"}, {}, false})) != "");
}

TEST_CASE("a sweep is every combination, minus the excluded ones, times the repeats") {
  const std::string spec =
      std::string(kGood) +
      "matrix:\n"
      "  model.rank: [2, 4, 8]\n"
      "  solver: [gentle, { use: gentle, inner: 2 }, { use: wild, label: free }]\n"
      "repeats: 2\n"
      "exclude: [{ solver: free, model.rank: 8 }]\n";
  const auto result = parse(spec);
  REQUIRE_MESSAGE(result.ok(), drawn(result));
  const auto& trials = result.experiment->trials;
  REQUIRE(trials.size() == 16);
  CHECK(trials[0].repeat == 0);
  CHECK(trials[15].repeat == 1);
  CHECK(trials[1].cell[1].second == "gentle(inner=2)");
  CHECK(trials[2].cell[1].second == "free");
  CHECK(trials[2].solver.id == "wild");
  CHECK(trials[0].config_json != trials[8].config_json);
  CHECK(trials[2].label == "free, rank 2");
}

TEST_CASE("cases add to the matrix, a grid argument sweeps, seeds stand for repeats") {
  const auto cases =
      parse(std::string(kGood) +
            "cases:\n  - { model.rank: 3 }\n  - { model.rank: 5, solver.inner: 4 }\n");
  REQUIRE_MESSAGE(cases.ok(), drawn(cases));
  REQUIRE(cases.experiment->trials.size() == 2);
  CHECK(cases.experiment->trials[1].solver.options.values.at("inner").number == 4);
  const auto grid = parse(kGood, {{}, {"model.rank=2,3,4"}, false});
  REQUIRE_MESSAGE(grid.ok(), drawn(grid));
  CHECK(grid.experiment->trials.size() == 3);
  const auto seeds = parse(std::string(kGood) + "seeds: [7, 9]\n");
  REQUIRE_MESSAGE(seeds.ok(), drawn(seeds));
  REQUIRE(seeds.experiment->trials.size() == 2);
  CHECK(seeds.experiment->trials[1].seed == 9);
  CHECK(seeds.experiment->trials[1].repeat == 0);
  CHECK(codes(parse(std::string(kGood) + "seeds: [7]\nrepeats: 2\n")) == "E0120");
}

TEST_CASE("a trial without random numbers runs once") {
  const auto result = parse(std::string(kGood) + "init: file\nrepeats: 5\n");
  REQUIRE(result.ok());
  REQUIRE(result.experiment->trials.size() == 1);
  CHECK(result.experiment->trials[0].deterministic);
}

TEST_CASE("pairs that cannot work are errors, or are left out of a sweep") {
  const std::string spec =
      "assay: 1\n"
      "data: { use: table, path: x.tab }\n"
      "model:\n"
      "  rank: 4\n"
      "  loss: far\n"
      "solver: { use: gentle, inner: 2 }\n";
  CHECK(drawn(parse(spec)) ==
        "error[E0204]: solver `gentle` cannot minimise loss `far`\n"
        "  --> specs/small.yaml:6:16\n"
        "   |\n"
        " 5 |   loss: far\n"
        "   |         --- chosen here\n"
        " 6 | solver: { use: gentle, inner: 2 }\n"
        "   |                ^^^^^^ needs a squared loss\n"
        "   = help: solvers that take `far`: `wild`\n"
        "   = note: in a sweep, `on_incompatible: skip` leaves such pairs out and lists them\n");
  const auto sweep = parse(spec + "matrix: { solver: [gentle, wild] }\non_incompatible: skip\n");
  REQUIRE_MESSAGE(sweep.ok(), drawn(sweep));
  CHECK(sweep.experiment->trials.size() == 1);
  REQUIRE(sweep.experiment->skipped.size() == 1);
  CHECK(sweep.experiment->skipped[0].reason ==
        "solver `gentle` cannot minimise loss `far`; it needs a squared loss");
  CHECK(codes(parse(spec + "matrix: { solver: [gentle] }\non_incompatible: skip\n")) == "E0210");
}

TEST_CASE("a metric with options is a column of its own, by its label or by what is given") {
  const auto result = parse(std::string(kGood) +
                            "measure: { metrics: [fit, { use: fit, label: other }] }\n"
                            "stop: { watch: other }\n");
  REQUIRE_MESSAGE(result.ok(), drawn(result));
  const auto& t = result.experiment->trials[0];
  REQUIRE(t.measure.metrics.size() == 2);
  CHECK(t.measure.metrics[1].text == "other");
  CHECK(t.measure.metrics[1].id == "fit");
  CHECK(t.stop.watch == "other");
  CHECK(t.config_json.find("{\"label\":\"other\",\"use\":\"fit\"}") != std::string::npos);
}

TEST_CASE("penalties, constraints, masks and metrics are checked against the solver") {
  const std::string good = kGood;
  const auto with = [&](const std::string& model, const std::string& rest) {
    return codes(parse("assay: 1\ndata: { use: table, path: x.tab }\nmodel: { rank: 4" + model +
                       " }\n" + rest));
  };
  CHECK(with(", H: { penalties: [{ use: ridge, weight: 1 }] }", "solver: gentle\n") == "");
  CHECK(with(", H: { penalties: [{ use: ridge, weight: 1 }] }", "solver: wild\n") == "E0205");
  CHECK(with(", H: { penalties: [pos] }", "solver: wild\n") == "E0207");
  CHECK(with(", H: { constraint: { use: ridge, weight: 1 } }", "solver: gentle\n") == "E0207");
  CHECK(with(", H: { penalties: [{ use: ridge, weight: 1 }, { use: ridge, weight: 2 }] }",
             "solver: gentle\n") == "E0208");
  CHECK(with(", H: { penalties: [{ use: ridge }] }", "solver: gentle\n") == "E0111");
  CHECK(with("", "solver: gentle\nsplit: { use: entries, test: 0.1 }\n") == "E0206");
  CHECK(with("",
             "solver: wild\nsplit: { use: entries, test: 0.1 }\nmeasure: { metrics: [heldout.fit] "
             "}\n") == "");
  CHECK(with("", "solver: wild\nmeasure: { metrics: [heldout.fit] }\n") == "E0209");
  CHECK(with("", "solver: wild\nmeasure: { metrics: [share] }\n") == "E0117");
  CHECK(with("", "solver: wild\nmeasure: { metrics: [share.H, acme.share.W] }\n") == "");
  CHECK(with("", "solver: wild\nmeasure: { metrics: [fit.H] }\n") == "E0117");
  CHECK(with("", "solver: wild\nmeasure: { metrics: [fitt] }\n") == "E0101");
  CHECK(with("", "solver: wild\nmeasure: { metrics: [{ fit: 1 }] }\n") == "E0104");
  CHECK(with("", "solver: wild\nmeasure: { metrics: [{ use: fit, none: 1 }] }\n") == "E0110");
  CHECK(with("", "solver: wild\nmeasure: { metrics: [fit, { use: fit, label: a }] }\n") == "");
  CHECK(with("", "solver: wild\nmeasure: { metrics: [fit, { use: fit }] }\n") == "E0117");
  CHECK(with("", "solver: wild\nmeasure: { metrics: [{ use: fit, label: 'a,b' }] }\n") == "E0117");
}

TEST_CASE("folds are trials, each once in every repeat of every combination") {
  const auto result = parse(std::string(kGood) + "split: { use: folds, count: 3 }\nrepeats: 2\n");
  REQUIRE(result.ok());
  const auto& trials = result.experiment->trials;
  REQUIRE(trials.size() == 6);
  std::set<std::string> configurations;
  for (size_t t = 0; t < 6; ++t) {
    CHECK(trials[t].repeat == static_cast<int64_t>(t / 3));
    CHECK(trials[t].split.fold == static_cast<int64_t>(t % 3));
    CHECK(trials[t].cell.back() ==
          std::pair<std::string, std::string>("fold", std::to_string(t % 3 + 1)));
    configurations.insert(trials[t].config_json);
  }
  CHECK(configurations.size() == 6);
  const auto with = [&](const std::string& split) { return codes(parse(kGood + split)); };
  CHECK(with("split: { use: folds }\n") == "E0104");
  CHECK(with("split: { use: rows }\n") == "E0104");
  CHECK(with("split: { use: rows, test: 0 }\n") == "E0113");
  CHECK(with("split: { use: entries, test: 0 }\n") == "E0113");
  CHECK(with("split: { use: rows, test: some }\n") == "E0112");
  CHECK(with("split: { use: folds, count: 1 }\n") == "E0113");
  CHECK(with("split: { use: rows, count: 3 }\n").find("E0120") != std::string::npos);
  CHECK(with("split: { use: rows, test: 0.2 }\n") == "");
}

TEST_CASE("what later versions bring is refused by name") {
  const auto with = [&](const std::string& rest) { return codes(parse(kGood + rest)); };
  CHECK(with("keep: best\n") == "E0116");
  CHECK(with("threads: { per_trial: 2, trials: 2 }\n") == "E0116");
  CHECK(with("threads: { per_trial: 2 }\n") == "");
  CHECK(codes(parse("assay: 1\nsolver: mu\nmodel: { kind: neighbourhood }\ndata: { use: "
                    "table, path: x.tab }\n"))
            .find("E0116") != std::string::npos);
}

TEST_CASE("every fault of a file is shown at once, in order") {
  const auto result = parse(
      "assay: 1\n"
      "data: { use: tabel, path: x.tab }\n"
      "model: { rank: four }\n"
      "solvr: gentle\n"
      "stop: { max_iter: 010, rel_tol: 1e-3 }\n");
  CHECK(codes(result) == "E0104 E0101 E0112 E0102 E0115");
  CHECK(drawn(result).find("a reader with a similar name exists: `table`") != std::string::npos);
  CHECK(drawn(result).find("a key with a similar name exists: `solver`") != std::string::npos);
  CHECK(drawn(result).find("write `10`") != std::string::npos);
}

TEST_CASE("data from memory need no data section") {
  const std::string spec = "assay: 1\nmodel: { rank: 2 }\nsolver: gentle\n";
  CHECK(codes(parse(spec)) == "E0104");
  const auto result = parse(spec, {{}, {}, true});
  REQUIRE_MESSAGE(result.ok(), drawn(result));
  CHECK(result.experiment->trials[0].data.from_memory);
}

TEST_CASE("the reader may be known by the file's suffix") {
  CHECK(codes(parse("assay: 1\nmodel: { rank: 2 }\nsolver: gentle\ndata: { path: a.tab.gz }\n")) ==
        "");
  CHECK(codes(parse("assay: 1\nmodel: { rank: 2 }\nsolver: gentle\ndata: { path: a.xyz }\n")) ==
        "E0104");
}

TEST_CASE("an error of a later stage is drawn at its key") {
  const auto result = parse(kGood);
  REQUIRE(result.ok());
  assay::Error error(ASSAY_E_NO_FILE, "", "data file not found");
  error.key = "data.path";
  error.help.emplace_back("check the name");
  CHECK(assay::spec::render_text(assay::spec::diagnose(error, *result.document),
                                 result.document->sources, false) ==
        "error[E0301]: data file not found\n"
        "  --> specs/small.yaml:3:27\n"
        "   |\n"
        " 3 | data: { use: table, path: x.tab }\n"
        "   |                           ^^^^^\n"
        "   = help: check the name\n");
  error = assay::Error(ASSAY_E_DOMAIN, "", "data has negative values");
  error.key = "data.path";
  error.file = "specs/x.tab";
  error.place = "12:3";
  error.found.emplace_back("-1");
  CHECK(assay::spec::render_text(assay::spec::diagnose(error, *result.document),
                                 result.document->sources, false) ==
        "error[E0310]: data has negative values\n"
        "  --> specs/small.yaml:3:27 (specs/x.tab:12:3)\n"
        "   = found: -1\n");
}
