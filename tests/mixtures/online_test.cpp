// SPDX-License-Identifier: Apache-2.0
// EM by batches: with all rows in one batch and a step of 1 it is EM, statistics move with the
// means they are about, it ends where EM does on measured data, it goes on over new rows.
#include "core/experiment/going_on.hpp"
#include "core/experiment/model_file.hpp"
#include "core/plugin/context.hpp"
#include "core/plugin/density.hpp"
#include "tests/mixtures/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

const std::pair<const char*, double> kFamilies[] = {{"{ use: gaussian, covariance: full }", 0},
                                                    {"{ use: gaussian, covariance: tied }", 0},
                                                    {"{ use: gaussian, covariance: diag }", 0},
                                                    {"{ use: gaussian, covariance: spherical }", 0},
                                                    {"{ use: gaussian, covariance: identity }", 0},
                                                    {"bernoulli", 1},
                                                    {"poisson", 5},
                                                    {"multinomial", 5},
                                                    {"categorical", 3}};

Problem rows_for(double top, uint64_t seed) {
  Problem p = blobs(150, 4, 2, 3, 1, seed);
  if (top > 0)
    for (double& v : p.x) v = std::clamp(std::floor(std::abs(v)), 0.0, top);
  return p;
}

const graph::Buffer& state(const Mixed& m, const std::string& name) {
  return m.model->state.at(name);
}

void check_same(const graph::Buffer& a, const graph::Buffer& b, double tolerance) {
  REQUIRE(a.rows == b.rows);
  REQUIRE(a.width == b.width);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.width; ++j)
      CHECK(std::abs(a.get(i, j) - b.get(i, j)) <= tolerance * (1 + std::abs(b.get(i, j))));
}

}  // namespace

TEST_CASE("one batch of all rows at a step of 1 is the step of em, for every family") {
  for (const auto& [family, top] : kFamilies)
    for (const bool thin : {false, true}) {
      CAPTURE(family);
      CAPTURE(thin);
      Problem p = rows_for(top, 7);
      if (thin)  // few entries that are not 0: linear forms where there are
        for (size_t i = 0; i < p.x.size(); ++i)
          if (i % 7 != 0) p.x[i] = 0;
      const auto fit = [&](const std::string& solver) {
        return fitted_mixture(mixture(std::string("components: 2, density: ") + family, solver,
                                      "init: random_rows\nstop: { max_iter: 1, rel_tol: 0 }\n"),
                              thin ? sparse(p) : dense(p));
      };
      const Mixed em = fit("em"), online = fit("{ use: online_em, batch: 1000, offset: 1 }");
      check_same(state(online, "parameters"), state(em, "parameters"), 1e-12);
      check_same(state(online, "shared"), state(em, "shared"), 1e-12);
      check_same(state(online, "weights"), state(em, "weights"), 1e-12);
      CHECK(online.F() == doctest::Approx(em.F()).epsilon(1e-12));
      CHECK(online.result->trace.rows[0].objective ==
            doctest::Approx(em.result->trace.rows[0].objective).epsilon(1e-12));
    }
}

TEST_CASE("statistics about old means, re-centred, are those about the new ones") {
  const Problem p = blobs(40, 3, 1, 0, 5, 3);
  for (const auto& [family, top] : kFamilies) {
    CAPTURE(family);
    if (top > 0) continue;  // sums of x as they are, which hold for any means
    const Mixed m = fitted_mixture(mixture(std::string("components: 1, density: ") + family, "em",
                                           "init: random\nstop: { max_iter: 2, rel_tol: 0 }\n"),
                                   dense(p));
    const plugin::Density& density = *m.model->density;
    const assay_density_facts& facts = density.facts();
    const bool moves = density.table().recentre != nullptr;
    REQUIRE(moves);
    graph::Buffer params = state(m, "parameters"), shared = state(m, "shared");
    graph::Buffer before = params;
    for (int64_t j = 0; j < 3; ++j)
      before.set(0, j, params.get(0, j) + 0.3 * static_cast<double>(j) - 0.5);
    const auto view = [](graph::Buffer& b) {
      return assay_view{b.bytes.data(), b.rows, b.width, b.ld, 0, ASSAY_F64, 0};
    };
    assay_ctx ctx;
    const auto statistics = [&](graph::Buffer& about, graph::Buffer& out) {
      assay_density_model model{sizeof model, 0, 3, 1, view(about), view(shared), {}, 0, facts.f32};
      out = graph::Buffer::make(ASSAY_F64, 1, facts.stats);
      graph::Buffer work = graph::Buffer::make(ASSAY_F64, 1, facts.work);
      assay_density_rows rows{};
      rows.struct_size = sizeof rows;
      rows.n = 40;
      rows.d = rows.ld = 3;
      rows.x = p.x.data();
      rows.work = reinterpret_cast<double*>(work.bytes.data());
      std::vector<double> r(64);
      for (size_t i = 0; i < 40; ++i) r[i] = 0.1 + static_cast<double>(i % 5);
      assay_view to = view(out);
      REQUIRE(density.table().accumulate(density.self(), &ctx, &rows, &model, r.data(), 64, 0, 1,
                                         &to) == ASSAY_OK);
    };
    graph::Buffer moved, there;
    statistics(before, moved);
    statistics(params, there);
    assay_density_model model{sizeof model, 0, 3, 1, view(params), view(shared), {}, 0, facts.f32};
    const assay_view old = view(before);
    assay_view stats = view(moved);
    REQUIRE(density.table().recentre(density.self(), &ctx, &old, &model, &stats) == ASSAY_OK);
    // Of a matrix (rows 8 apart, behind N and sum r z of 8 each) the lower triangle counts.
    const bool matrix = facts.stats > 16;
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t j = i + 1; matrix && j < 3; ++j)
        moved.set(0, 16 + 8 * i + j, there.get(0, 16 + 8 * i + j));
    check_same(moved, there, 1e-11);
  }
}

TEST_CASE("batches far from 0 lose no digits: a mean of 1e6 beside a variance of 1") {
  const Problem p = blobs(2000, 3, 2, 3, 1e6, 4);
  for (const char* kind : {"full", "tied", "diag", "spherical"}) {
    CAPTURE(kind);
    const auto fit = [&](double shift) {
      Problem moved = p;
      for (double& v : moved.x) v -= shift;
      return fitted_mixture(
          mixture(
              std::string("components: 2, density: { use: gaussian, covariance: ") + kind + " }",
              "{ use: online_em, batch: 2000 }",
              "stop: { max_iter: 6, rel_tol: 0, patience: 0 }\n"),
          dense(moved), 1, std::vector<double>(moved.x.begin(), moved.x.begin() + 6));
    };
    const Mixed far = fit(0), near = fit(1e6);
    for (int64_t c = 0; c < 2; ++c)
      for (int64_t j = 0; j < 3; ++j) {
        CHECK(std::abs(far.mean(c, j) - 1e6 - near.mean(c, j)) < 1e-8);
        for (int64_t l = 0; l < 3; ++l)
          CHECK(std::abs(far.covariance(c, j, l) - near.covariance(c, j, l)) < 1e-6);
      }
  }
}

TEST_CASE("online_em ends near em's likelihood: digits_binary, iris") {
  struct Case {
    const char *path, *density, *k;
    double share;  // of F
  };
  const Case cases[] = {{"digits/digits_binary.csv", "bernoulli", "10", 0.004},
                        {"tabular/iris.csv", "gaussian", "3", 0.004}};
  for (const Case& c : cases) {
    CAPTURE(c.path);
    std::vector<int> labels;
    const auto p = data_file(c.path, &labels);
    if (!p) {
      MESSAGE("skipped: no " << c.path << " below $ASSAY_DATA");
      continue;
    }
    const std::string model = std::string("components: ") + c.k + ", density: " + c.density;
    const Mixed online =
        fitted_mixture(mixture(model, "{ use: online_em, batch: 50 }",
                               "stop: { max_iter: 100, rel_tol: 0, patience: 0 }\n"),
                       dense(*p));
    const Mixed full = fitted_mixture(
        mixture(model, "em", "stop: { max_iter: 1000, rel_tol: 1e-10, patience: 0 }\n"), dense(*p));
    CHECK(online.F() < full.F() + c.share * std::abs(full.F()));
    double weights = 0;
    for (int64_t a = 0; a < online.k(); ++a) weights += online.weight(a);
    CHECK(weights == doctest::Approx(1).epsilon(1e-12));
  }
}

TEST_CASE("online_em goes on over new rows: statistics of the old ones keep their share") {
  for (const char* family : {"gaussian", "bernoulli", "categorical"}) {
    CAPTURE(family);
    Problem old = rows_for(family[0] == 'g' ? 0 : 1, 11),
            more = rows_for(family[0] == 'g' ? 0 : 1, 12);
    more.n = 60;
    more.x.resize(static_cast<size_t>(more.n * more.d));
    const Mixed m = fitted_mixture(
        mixture(std::string("components: 1, density: ") + family,
                "{ use: online_em, batch: 64, kappa: 0.6, offset: 3 }",
                "init: random_rows\nstop: { max_iter: 4, rel_tol: 0, patience: 0 }\n"),
        dense(old));
    const auto saved = experiment::save(m.trial, "", *m.model, m.data, *m.result, *registry());
    auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
    REQUIRE(runtime.ok());
    const double taken = state(m, "clock").get(0, 0);
    CHECK(taken == 4 * 3);
    CHECK(state(m, "clock").get(0, 1) == 150);
    const auto next = experiment::partial_fit(saved, dense(more), 1, *runtime);
    REQUIRE_MESSAGE(next.ok(), next.error().message);
    const kernels::Member* H = next->model.find("H");
    REQUIRE(H != nullptr);
    std::vector<double> moved(4);
    kernels::widen(*H, moved.data());
    const double eta = std::pow(taken + 3, -0.6);
    for (int64_t j = 0; j < 4; ++j) {
      double mean = 0;
      for (int64_t i = 0; i < more.n; ++i)
        mean += more.x[static_cast<size_t>(i * 4 + j)] / static_cast<double>(more.n);
      CHECK(moved[static_cast<size_t>(j)] ==
            doctest::Approx((1 - eta) * m.mean(0, j) + eta * mean).epsilon(1e-10));
    }
  }
}

TEST_CASE("online_em: the same bits on 1, 2 and 4 threads, dense and sparse") {
  for (const char* family : {"gaussian", "bernoulli"}) {
    CAPTURE(family);
    Problem p = blobs(700, 4, 3, 2, 0, 5);
    if (family[0] == 'b')
      for (double& v : p.x) v = v > 1 ? 1 : 0;
    const spec::Trial t =
        mixture(std::string("components: 3, density: ") + family, "{ use: online_em, batch: 128 }",
                "stop: { max_iter: 3, rel_tol: 0 }\n");
    for (const auto& x : {dense(p), sparse(p)}) {
      const Mixed one = fitted_mixture(t, x);
      for (const int threads : {2, 4}) {
        const Mixed other = fitted_mixture(t, x, threads);
        CHECK(one.F() == other.F());
        check_same(state(one, "parameters"), state(other, "parameters"), 0);
      }
    }
  }
}
