// SPDX-License-Identifier: Apache-2.0
// admm: losses by their prox, zeros in closed form, and |r| without smoothing.
#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

spec::Trial trial_of(const std::string& solver, const std::string& loss, int steps, int rank = 3) {
  const std::string text =
      "assay: 1\nname: admm\nmodel: { rank: " + std::to_string(rank) + ", loss: " + loss +
      ", W: { constraint: nonneg }, H: { constraint: nonneg } }\ninit: random\nsolver: " + solver +
      "\nstop: { max_iter: " + std::to_string(steps) +
      ", rel_tol: 0, patience: 0 }\nmeasure: { every: 1, metrics: [] }\n";
  auto parsed = spec::parse("admm.yaml", text, {{}, {}, true}, *registry());
  REQUIRE_MESSAGE(parsed.ok(), parsed.diagnostics.front().message);
  return parsed.experiment->trials[0];
}

double last(const Outcome& o) { return o.result.trace.rows.back().objective; }

double absolute_error(const Outcome& o, const Problem& p) {
  double sum = 0;
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j < p.d; ++j) {
      double m = 0;
      for (int64_t a = 0; a < p.k; ++a)
        m += o.factor[0][static_cast<size_t>(i * p.k + a)] *
             o.factor[1][static_cast<size_t>(j * p.k + a)];
      sum += std::abs(p.x[static_cast<size_t>(i * p.d + j)] - m);
    }
  return sum;
}

// W H of positive factors, and one entry in `every` of it made far too large.
struct Spoilt {
  Problem clean{60, 40, 3, {}}, x{60, 40, 3, {}};
  double added = 0;
};
Spoilt spoilt(int64_t every) {
  Spoilt s;
  uint64_t state = 99;
  const auto next = [&state] {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<double>(state >> 11) / 9007199254740992.0;
  };
  std::vector<double> W(60 * 3), H(3 * 40);
  for (auto* f : {&W, &H})
    for (double& v : *f) v = next() < 0.2 ? 0 : next();
  for (size_t i = 0; i < 60; ++i)
    for (size_t j = 0; j < 40; ++j) {
      double m = 0;
      for (size_t a = 0; a < 3; ++a) m += W[i * 3 + a] * H[a * 40 + j];
      const double error = next() < 1.0 / static_cast<double>(every) ? 3 * next() : 0;
      s.clean.x.push_back(m);
      s.x.x.push_back(m + error);
      s.added += error;
    }
  return s;
}

}  // namespace

TEST_CASE("admm: l1 without smoothing finds what a twentieth of gross errors hides") {
  const Spoilt s = spoilt(20);
  const auto x = dense(s.x);
  const Outcome exact = fitted(trial_of("admm", "{ use: l1, smoothing: 0 }", 320), x);
  const Outcome smooth = fitted(trial_of("hals", "{ use: l1, smoothing: 1.0e-3 }", 320), x);
  const Outcome square = fitted(trial_of("hals", "squared", 320), x);
  // The objective is the sum of |r| itself, and no worse than the smoothed one's or the truth's.
  CHECK(last(exact) == doctest::Approx(absolute_error(exact, s.x)).epsilon(1e-9));
  CHECK(last(exact) <= absolute_error(smooth, s.x));
  CHECK(last(exact) <= s.added * (1 + 1e-3));
  // All entries, those with errors too, come out as they were before.
  double size = 0;
  for (double v : s.clean.x) size += v;
  CHECK(absolute_error(exact, s.clean) < 1e-3 * size);
  CHECK(absolute_error(square, s.clean) > 0.05 * size);
}

TEST_CASE("admm: l1 without smoothing is refused where a majoriser is needed") {
  const std::string text =
      "assay: 1\nname: l1\nmodel: { rank: 3, loss: { use: l1, smoothing: 0 }, W: { constraint: "
      "nonneg }, H: { constraint: nonneg } }\nsolver: hals\n";
  const auto parsed = spec::parse("l1.yaml", text, {{}, {}, true}, *registry());
  const bool refused =
      !parsed.ok() || !attempt(parsed.experiment->trials[0], dense(spoilt(20).x)).ok();
  CHECK(refused);
}

TEST_CASE("admm: the loss by its prox falls every step and ends where the majoriser does") {
  for (const char* loss : {"squared", "huber"}) {
    CAPTURE(loss);
    for (const bool is_sparse : {false, true}) {
      CAPTURE(is_sparse);
      const Problem p = random_problem(50, 30, 3);
      const auto x = is_sparse ? sparse(p) : dense(p);
      const Outcome a = fitted(trial_of("admm", loss, 150), x);
      const Outcome b = fitted(trial_of("{ use: admm, auxiliaries: always }", loss, 150), x);
      CHECK(last(b) == doctest::Approx(last(a)).epsilon(0.02));
      const auto& rows = b.result.trace.rows;
      for (size_t t = 1; t < rows.size(); ++t)
        CHECK(rows[t].objective <= rows[t - 1].objective * (1 + 1e-12));
    }
  }
}

TEST_CASE("admm: zeros of sparse X in closed form are the zeros of dense X, weighted or hidden") {
  const Problem p = random_problem(50, 30, 3);
  const auto change = start_by_hand();
  for (const char* loss : {"squared", "kl"}) {
    CAPTURE(loss);
    const spec::Trial trial = trial_of("{ use: admm, auxiliaries: always }", loss, 20);
    for (const bool hides : {false, true}) {
      CAPTURE(hides);
      const auto shown = [&](const DataPtr& x) {
        data::Data out = hides ? *hide_where(x, scattered) : *x;
        AlignedArray<double> rows(p.n), cols(p.d);
        for (int64_t i = 0; i < p.n; ++i) rows[i] = 1 + 0.1 * static_cast<double>(i % 7);
        for (int64_t j = 0; j < p.d; ++j) cols[j] = 2 - 0.2 * static_cast<double>(j % 5);
        out.row_weights = std::make_shared<const AlignedArray<double>>(std::move(rows));
        out.col_weights = std::make_shared<const AlignedArray<double>>(std::move(cols));
        return std::make_shared<const data::Data>(std::move(out));
      };
      const Outcome a = fitted(trial, shown(dense(p)), change);
      const Outcome b = fitted(trial, shown(sparse(p)), change);
      for (const int side : {0, 1}) CHECK(worst_relative(a.factor[side], b.factor[side]) < 1e-6);
      CHECK(last(a) < 0.5 * a.result.trace.rows.front().objective);
    }
  }
}
