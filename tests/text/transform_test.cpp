// SPDX-License-Identifier: Apache-2.0
// tfidf against its formulas by hand, normalise as whole rows, both alike on dense and sparse data,
// on rows to come and on any number of threads.
#include "core/data/observe.hpp"
#include "core/data/tile.hpp"
#include "core/experiment/prepare.hpp"
#include "core/spec/parse.hpp"
#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

spec::Trial trial_of(const std::string& transforms) {
  const std::string text =
      "assay: 1\nname: text\ndata: { use: synthetic, rows: 4, columns: 4, " +
      std::string("rank: 2, transforms: [") + transforms +
      "] }\nmodel: { rank: 2, W: {}, H: {} }\ninit: random\nsolver: gradient\n" +
      "measure: { metrics: [] }\n";
  auto parsed = spec::parse("text.yaml", text, {{}, {}, true}, *registry());
  REQUIRE_MESSAGE(parsed.ok(), parsed.diagnostics.front().message);
  return parsed.experiment->trials[0];
}

experiment::Prepared prepared(const std::string& transforms,
                              std::shared_ptr<const data::Data> x,
                              int threads = 1) {
  auto runtime = experiment::Runtime::create(registry(), threads, "auto", "auto");
  REQUIRE(runtime.ok());
  auto out = experiment::prepare(trial_of(transforms), std::move(x), *runtime);
  REQUIRE_MESSAGE(out.ok(), out.error().message);
  return std::move(*out);
}

std::vector<double> shown(const data::Data& x) {
  std::vector<double> out(static_cast<size_t>(x.rows * x.cols));
  data::load<double>(x, 0, x.rows, 0, x.cols, out.data(), x.cols);
  return out;
}
std::vector<double> shown(const std::string& transforms, std::shared_ptr<const data::Data> x) {
  return shown(*prepared(transforms, std::move(x)).train);
}

// Documents over four terms, in 3, 2, 1 and 0 of them.
Problem counts() { return {3, 4, 1, {2, 1, 0, 0, 1, 0, 0, 0, 3, 4, 5, 0}}; }

void close(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  for (size_t e = 0; e < got.size(); ++e)
    CHECK(got[e] == doctest::Approx(expected[e]).epsilon(1e-14));
}

}  // namespace

TEST_CASE("tfidf is its formulas, on dense and on sparse counts") {
  const Problem p = counts();
  const double smooth[] = {1, std::log(4.0 / 3) + 1, std::log(2.0) + 1};
  const double plain[] = {0, std::log(1.5), std::log(3.0)};
  for (const auto& x : {dense(p), sparse(p), dense(p, ASSAY_F32)}) {
    CAPTURE(x->sparse);
    close(shown("tfidf", x), {2, smooth[1], 0, 0, 1, 0, 0, 0, 3, 4 * smooth[1], 5 * smooth[2], 0});
    close(shown("{ use: tfidf, idf: plain }", x),
          {0, plain[1], 0, 0, 0, 0, 0, 0, 0, 4 * plain[1], 5 * plain[2], 0});
    close(shown("{ use: tfidf, idf: none }", x), p.x);
    close(shown("{ use: tfidf, tf: binary, idf: probabilistic }", x),
          {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, std::log(2.0), 0});
    if (x->sparse || x->dense.dtype == ASSAY_F64)
      close(shown("{ use: tfidf, tf: log, idf: none }", x),
            {1 + std::log(2.0), 1, 0, 0, 1, 0, 0, 0, 1 + std::log(3.0), 1 + std::log(4.0),
             1 + std::log(5.0), 0});
    if (x->sparse || x->dense.dtype == ASSAY_F64)
      close(shown("{ use: tfidf, tf: log }", x),
            {1 + std::log(2.0), smooth[1], 0, 0, 1, 0, 0, 0, 1 + std::log(3.0),
             (1 + std::log(4.0)) * smooth[1], (1 + std::log(5.0)) * smooth[2], 0});
  }
}

TEST_CASE("raw counts stay where they are: idf is a change of the view") {
  const auto x = sparse(counts());
  CHECK(prepared("tfidf", x).train->csr.values == x->csr.values);
  CHECK(prepared("{ use: tfidf, tf: raw, idf: plain }", x).train->csr.values == x->csr.values);
  CHECK(prepared("{ use: tfidf, tf: log }", x).train->csr.values != x->csr.values);
  CHECK(prepared("{ use: tfidf, tf: log }", x).train->csr.indices == x->csr.indices);
}

TEST_CASE("tfidf refuses what is no count") {
  Problem p = counts();
  p.x[5] = -1;
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  for (const char* how : {"tfidf", "{ use: tfidf, tf: log, idf: none }"}) {
    const auto out = experiment::prepare(trial_of(how), dense(p), *runtime);
    REQUIRE(!out.ok());
    CHECK(out.error().status == ASSAY_E_DOMAIN);
    CHECK(out.error().message == "transform `tfidf` needs counts, and one is negative");
  }
}

TEST_CASE("normalise divides whole rows by their norms, rows of zeros stay") {
  const Problem p{3, 3, 1, {3, 0, -4, 0, 0, 0, 0, 2, 0}};
  for (const auto& x : {dense(p), sparse(p), dense(p, ASSAY_F32)}) {
    CAPTURE(x->sparse);
    const double eps = x->sparse || x->dense.dtype == ASSAY_F64 ? 1e-15 : 1e-7;
    const auto near = [&](const std::string& norm, const std::vector<double>& expected) {
      const auto got = shown("{ use: normalise, norm: " + norm + " }", x);
      for (size_t e = 0; e < got.size(); ++e)
        CHECK(got[e] == doctest::Approx(expected[e]).epsilon(eps));
    };
    near("l2", {0.6, 0, -0.8, 0, 0, 0, 0, 1, 0});
    near("l1", {3.0 / 7, 0, -4.0 / 7, 0, 0, 0, 0, 1, 0});
    near("max", {0.75, 0, -1, 0, 0, 0, 0, 1, 0});
  }
  const Problem huge{1, 2, 1, {3e200, 4e200}};
  close(shown("normalise", dense(huge)), {0.6, 0.8});
}

TEST_CASE("hidden entries are no part of their row") {
  Problem p{2, 3, 1, {3, std::nan(""), 4, 1, 1, std::nan("")}};
  auto x = data::hide_nan(*dense(p));
  REQUIRE(x.ok());
  const auto out = prepared("normalise", std::make_shared<const data::Data>(*x));
  CHECK(out.train->value(0, 0) == doctest::Approx(0.6));
  CHECK(out.train->value(0, 2) == doctest::Approx(0.8));
  CHECK(out.train->weight(0, 1) == 0);
  CHECK(out.train->value(1, 1) == doctest::Approx(std::sqrt(0.5)));
}

TEST_CASE("rows to come are treated as those of the fit, on any number of threads") {
  Problem p = random_problem(120, 40, 5);
  for (double& v : p.x) v = std::floor(4 * v);
  for (const char* chain :
       {"tfidf, normalise", "{ use: tfidf, tf: log }, { use: normalise, norm: l1 }", "normalise"}) {
    CAPTURE(chain);
    const auto first = prepared(chain, sparse(p), 1);
    const auto x = shown(*first.train);
    CHECK(shown(*prepared(chain, sparse(p), 3).train) == x);
    const auto as_dense = shown(*prepared(chain, dense(p), 2).train);
    for (size_t e = 0; e < x.size(); ++e)
      CHECK(x[e] == doctest::Approx(as_dense[e]).epsilon(1e-14));
    Problem some = p;
    some.n = 7;
    some.x.resize(static_cast<size_t>(some.n * some.d));
    auto runtime = experiment::Runtime::create(registry(), 2, "auto", "auto");
    const auto rows = experiment::apply_learnt(first.transforms, sparse(some), *runtime);
    REQUIRE(rows.ok());
    const auto again = shown(**rows);
    CHECK(std::equal(again.begin(), again.end(), x.begin()));
  }
}

TEST_CASE("whole rows and single held-out entries do not go together") {
  const auto codes = [](const std::string& metric) {
    const std::string text =
        "assay: 1\ndata: { use: synthetic, rows: 9, columns: 4, rank: 2, transforms: [tfidf, "
        "normalise] }\nsplit: { use: entries, test: 0.2 }\nmodel: { rank: 2, W: {}, H: {} }\n"
        "solver: gradient\nmeasure: { metrics: [" +
        metric + "] }\n";
    std::vector<std::string> out;
    for (const auto& d : spec::parse("text.yaml", text, {}, *registry()).diagnostics)
      out.push_back(d.code + " " + d.path);
    return out;
  };
  CHECK(codes("rmse").empty());
  CHECK(codes("heldout.rmse") == std::vector<std::string>{"E0214 data.transforms[1]"});
}
