// SPDX-License-Identifier: Apache-2.0
// Robust principal components: the loss huber is a sparse part taken out of X, so a fit under it
// finds the low-rank part beside gross errors, and `assay residual` the errors.
#include <cmath>
#include <map>
#include <random>

#include "core/base/number.hpp"
#include "core/experiment/model_file.hpp"
#include "core/experiment/residual.hpp"
#include "core/plugin/instance.hpp"
#include "tests/named/spectral.hpp"
#include "tests/unit/reader_files.hpp"

using namespace assay;
using namespace assay::test;

namespace {

double soft(double r, double delta) {
  return std::abs(r) > delta ? std::copysign(std::abs(r) - delta, r) : 0;
}

// X = L + noise + E: L of rank 2 with entries of both signs, E one entry in twenty, far from 0.
struct Spoilt {
  Problem clean, x;
  std::map<size_t, double> errors;
};
Spoilt spoilt() {
  constexpr int64_t n = 70, d = 20, k = 2;
  std::mt19937 random(11);
  const auto uniform = [&random] { return static_cast<double>(random()) / 4294967296.0; };
  std::vector<double> A(n * k), B(k * d);
  for (double& v : A) v = 2 * uniform() - 1;
  for (double& v : B) v = 4 * uniform() - 2;
  Spoilt s{{n, d, k, std::vector<double>(n * d)}, {n, d, k, {}}, {}};
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < d; ++j)
      for (size_t c = 0; c < k; ++c) s.clean.x[i * d + j] += A[i * k + c] * B[c * d + j];
  s.x.x = s.clean.x;
  for (double& v : s.x.x) v += 0.04 * (uniform() - 0.5);
  while (s.errors.size() < n * d / 20) {
    const size_t at = random() % (n * d);
    if (s.errors.count(at) == 0) s.errors[at] = (uniform() < 0.5 ? -1 : 1) * (4 + 6 * uniform());
  }
  for (const auto& [at, error] : s.errors) s.x.x[at] += error;
  return s;
}

constexpr double kDelta = 0.2;

spec::Trial trial(const std::string& solver, const std::string& loss) {
  spec::Trial t = mu_trial(loss, 2);
  t.model.W.constraint = t.model.H.constraint = {};
  if (loss == "huber") t.model.loss.options.values["delta"].number = kDelta;
  t.solver = use("solver", solver);
  t.stop.max_iter = 1000;
  t.stop.rel_tol = 1e-11;
  return t;
}

std::vector<double> model_of(const Fixture& f) {
  const graph::Buffer &W = f.model->factor[0], &H = f.model->factor[1];
  std::vector<double> m;
  for (int64_t i = 0; i < W.rows; ++i)
    for (int64_t j = 0; j < H.rows; ++j) {
      double sum = 0;
      for (int64_t a = 0; a < W.width; ++a) sum += W.get(i, a) * H.get(j, a);
      m.push_back(sum);
    }
  return m;
}

double root_mean_square(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t at = 0; at < a.size(); ++at) sum += (a[at] - b[at]) * (a[at] - b[at]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

std::string csv_text(const Problem& p) {
  std::string text;
  for (size_t at = 0; at < p.x.size(); ++at)
    text += format_shortest(p.x[at]) + ((at + 1) % static_cast<size_t>(p.d) ? "," : "\n");
  return text;
}

std::string mtx_text(const Problem& p) {
  std::string body;
  int64_t stored = 0;
  for (size_t at = 0; at < p.x.size(); ++at) {
    if (p.x[at] == 0) continue;
    const auto d = static_cast<size_t>(p.d);
    body += std::to_string(at / d + 1) + " " + std::to_string(at % d + 1) + " " +
            format_shortest(p.x[at]) + "\n";
    ++stored;
  }
  return "%%MatrixMarket matrix coordinate real general\n" + std::to_string(p.n) + " " +
         std::to_string(p.d) + " " + std::to_string(stored) + "\n" + body;
}

struct Kept {
  std::map<size_t, double> entries;
  int64_t seen = 0;
  bool folded_in = false;
};
Kept residual(const std::string& model,
              const std::string& data,
              std::optional<double> threshold,
              const std::string& mask = "") {
  experiment::ApplyOptions options;
  options.threads = 1;
  options.mask = mask;
  const auto opened = experiment::Residual::open(model, data, threshold, registry(), options);
  REQUIRE_MESSAGE(opened.ok(), opened.error().message);
  Kept kept;
  const auto seen = opened->each(
      [&](const std::vector<experiment::Entry>& block) -> Expected<void> {
        for (const auto& e : block) {
          const auto at = static_cast<size_t>(e.row * opened->cols() + e.col);
          CHECK((kept.entries.empty() || kept.entries.rbegin()->first < at));
          kept.entries[at] = e.value;
        }
        return {};
      },
      nullptr);
  REQUIRE(seen.ok());
  kept.seen = *seen;
  kept.folded_in = opened->folded_in();
  return kept;
}

}  // namespace

TEST_CASE("robust: huber is the least of a square and an absolute value, at the soft threshold") {
  for (const double delta : {0.1, 1.0, 2.5}) {
    spec::Use huber = use("loss", "huber");
    huber.options.values["delta"].number = delta;
    const auto loss = plugin::Loss::create(*registry()->find("loss", "huber"), huber.options);
    REQUIRE(loss.ok());
    const auto value = (*loss)->functions<double>();
    for (double r = -5; r <= 5; r += 0.125) {
      const double x = 1.5 + r, m = 1.5;
      double huber_of_r = 0, slope = 0;
      REQUIRE(value.value(value.self, nullptr, 1, &x, &m, &huber_of_r) == ASSAY_OK);
      REQUIRE(value.grad(value.self, nullptr, 1, &x, &m, &slope) == ASSAY_OK);
      const auto split = [&](double s) { return 0.5 * (r - s) * (r - s) + delta * std::abs(s); };
      const double s = soft(r, delta);
      CHECK(split(s) == doctest::Approx(huber_of_r).epsilon(1e-13));
      // What the model sees of X is X - S: the same derivative in m.
      CHECK(m - (x - s) == doctest::Approx(slope).epsilon(1e-13));
      for (double other = -6; other <= 6; other += 0.0625)
        CHECK(split(other) >= huber_of_r - 1e-13);
    }
  }
}

TEST_CASE("robust: the low-rank part beside gross errors, and the errors") {
  const Spoilt s = spoilt();
  Fixture plain(dense(s.x), trial("svd", "squared"));
  plain.run();
  const double off = root_mean_square(model_of(plain), s.clean.x);
  for (const char* solver : {"palm", "hals"}) {
    CAPTURE(std::string(solver));
    Fixture robust(dense(s.x), trial(solver, "huber"));
    robust.run();
    const std::vector<double> m = model_of(robust);
    CHECK(root_mean_square(m, s.clean.x) < 0.05);
    CHECK(off > 10 * root_mean_square(m, s.clean.x));
    for (size_t at = 0; at < m.size(); ++at) {
      const double left = soft(s.x.x[at] - m[at], kDelta);
      const auto error = s.errors.find(at);
      CHECK((left != 0) == (error != s.errors.end()));
      if (error != s.errors.end()) CHECK(std::abs(left - error->second) < 2 * kDelta);
    }
  }
}

TEST_CASE("robust: the residual of a saved model, entry by entry") {
  Spoilt s = spoilt();
  for (size_t at = 0; at < s.x.x.size(); at += 7) s.x.x[at] = 0;
  const samples::Folder folder;
  for (const bool compressed : {false, true}) {
    CAPTURE(compressed);
    const spec::Trial t = trial("palm", "huber");
    Fixture f(compressed ? sparse(s.x) : dense(s.x), t);
    const fit::Result result = f.run();
    const std::string model = folder.path("model.npz");
    REQUIRE(experiment::write_model(model,
                                    experiment::save(t, "", *f.model, f.data, result, *registry()))
                .ok());
    const std::string data =
        compressed ? folder.file("x.mtx", mtx_text(s.x)) : folder.file("x.csv", csv_text(s.x));
    const std::vector<double> m = model_of(f);
    for (const std::optional<double> threshold : {std::optional<double>{}, {0.0}, {1.5}}) {
      const Kept kept = residual(model, data, threshold);
      CHECK_FALSE(kept.folded_in);
      CHECK(kept.seen == s.x.n * s.x.d);
      for (size_t at = 0; at < m.size(); ++at) {
        const double want = soft(s.x.x[at] - m[at], threshold.value_or(kDelta));
        const auto found = kept.entries.find(at);
        if (found == kept.entries.end()) {
          CHECK(std::abs(want) < 1e-12);
        } else {
          CHECK(std::abs(found->second - want) < 1e-12);
        }
      }
    }
    // Rows of their own are folded in: under a convex loss and the same H, as the fit had them.
    Problem few = s.x;
    few.n -= 5;
    few.x.resize(static_cast<size_t>(few.n * few.d));
    const std::string rows =
        compressed ? folder.file("few.mtx", mtx_text(few)) : folder.file("few.csv", csv_text(few));
    const Kept kept = residual(model, rows, {});
    CHECK(kept.folded_in);
    for (size_t at = 0; at < few.x.size(); ++at) {
      const auto found = kept.entries.find(at);
      const double got = found == kept.entries.end() ? 0 : found->second;
      CHECK(std::abs(got - soft(s.x.x[at] - m[at], kDelta)) < 1e-3);
    }
  }
  // Hidden entries have no residual.
  std::string mask;
  int64_t hidden = 0;
  for (size_t at = 0; at < s.x.x.size(); ++at) {
    const bool here = at % 5 != 0;
    hidden += !here;
    mask += std::string(here ? "1" : "0") + ((at + 1) % static_cast<size_t>(s.x.d) ? "," : "\n");
  }
  const Kept kept =
      residual(folder.path("model.npz"), folder.path("x.csv"), 0.0, folder.file("mask.csv", mask));
  CHECK(kept.folded_in);
  CHECK(kept.seen == s.x.n * s.x.d - hidden);
  for (const auto& [at, value] : kept.entries) CHECK(at % 5 != 0);
}

TEST_CASE("robust: under a link the residual is about the mean") {
  Problem p = spoilt().x;
  for (double& v : p.x) v = v > 0 ? 1 : 0;
  const spec::Trial t = trial("palm", "logistic");
  Fixture f(dense(p), t);
  const fit::Result result = f.run();
  const samples::Folder folder;
  const std::string model = folder.path("model.npz");
  REQUIRE(
      experiment::write_model(model, experiment::save(t, "", *f.model, f.data, result, *registry()))
          .ok());
  const Kept kept = residual(model, folder.file("x.csv", csv_text(p)), 0.0);
  const std::vector<double> m = model_of(f);
  CHECK(kept.entries.size() > m.size() / 2);
  for (size_t at = 0; at < m.size(); ++at) {
    const auto found = kept.entries.find(at);
    const double left = found == kept.entries.end() ? 0 : found->second;
    CHECK(std::abs(left - (p.x[at] - 1 / (1 + std::exp(-m[at])))) < 1e-9);
  }
}
