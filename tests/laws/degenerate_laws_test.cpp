// SPDX-License-Identifier: Apache-2.0
// Law: whatever X degenerates to, every solver ends with finite, feasible factors and says why it
// stopped.
#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

// A case that lies outside the loss's domain, or that the solver says no to, is not one.
void ends_well(const Posed& posed, const char* about, const Problem& p, const DataPtr& x) {
  CAPTURE(about);
  spec::Trial trial = posed.trial;
  if (trial.model.rank[0] != p.k)
    for (int64_t& k : trial.model.rank) k = p.k;
  auto out = attempt(trial, x);
  if (!out) {
    CHECK_MESSAGE(refusal(out.error()), out.error().message);
    return;
  }
  CHECK(out->result.stop != fit::Stop::kNone);
  CHECK(out->result.stop != fit::Stop::kNonFinite);
  CHECK(out->result.stop != fit::Stop::kDiverged);
  CHECK(std::isfinite(out->result.trace.rows.back().objective));
  for (int side = 0; side < out->model->n_factors; ++side) {
    const auto& penalties = out->model->penalties[side];
    const bool nonneg = penalties && penalties->nonneg();
    int64_t infinite = 0, negative = 0;
    for (double v : out->factor[side]) {
      infinite += !std::isfinite(v);
      negative += v < 0;
    }
    CAPTURE(side);
    CHECK(infinite == 0);
    if (nonneg) CHECK(negative == 0);
  }
}

void ends_well(const Posed& posed, const char* about, const Problem& p) {
  if (!posed.holds(p)) return;
  ends_well(posed, about, p, dense(p));
  const bool some = std::any_of(p.x.begin(), p.x.end(), [](double v) { return v != 0; });
  if (posed.takes(ASSAY_TAKES_SPARSE) && some) ends_well(posed, about, p, sparse(p));
}

double& at(Problem& p, int64_t i, int64_t j) { return p.x[static_cast<size_t>(i * p.d + j)]; }

void blank(Problem& p, int64_t row, int64_t col) {
  for (int64_t j = 0; j < p.d; ++j) at(p, row, j) = 0;
  for (int64_t i = 0; i < p.n; ++i) at(p, i, col) = 0;
}

}  // namespace

TEST_CASE("law: zero rows and columns, and X = 0") {
  for_every_solver([](const Posed& posed) {
    Problem p = small_problem(posed);
    blank(p, 5, 5);
    ends_well(posed, "a zero row and column", p);
    std::fill(p.x.begin(), p.x.end(), 0.0);
    ends_well(posed, "X = 0", p);
  });
}

TEST_CASE("law: rank above n and d, one row, one column, one entry") {
  for_every_solver([](const Posed& posed) {
    Problem p = small_problem(posed, 5, posed.symmetric ? 5 : 4, 2);
    p.k = 7;
    ends_well(posed, "rank above n and d", p);
    if (!posed.symmetric) {
      p = suited(random_problem(1, 9, 2), posed);
      ends_well(posed, "one row", p);
      p = suited(random_problem(9, 1, 2), posed);
      ends_well(posed, "one column", p);
    }
    p = suited(Problem{1, 1, 1, {2.0}}, posed);
    ends_well(posed, "one entry", p);
  });
}

TEST_CASE("law: duplicate rows and columns") {
  for_every_solver([](const Posed& posed) {
    Problem p = small_problem(posed);
    for (int64_t i = 0; i < p.n; ++i)
      for (int64_t j = 0; j < p.d; ++j) at(p, i, j) = at(p, i % 2, j % 2);
    ends_well(posed, "rank two as rows", p);
    const double value = at(p, 0, 0);
    std::fill(p.x.begin(), p.x.end(), posed.holds(value) && value > 0 ? value : 1.0);
    ends_well(posed, "all entries equal", p);
  });
}

TEST_CASE("law: a row and a column without an observed entry") {
  for_every_solver([](const Posed& posed) {
    const Problem p = small_problem(posed);
    const auto hidden = [](int64_t i, int64_t j) { return i == 4 || j == 4; };
    if (posed.takes(ASSAY_TAKES_MASK)) {
      ends_well(posed, "masked", p, hide_where(dense(p), hidden));
      if (posed.takes(ASSAY_TAKES_SPARSE))
        ends_well(posed, "masked, sparse", p, hide_where(sparse(p), hidden));
    }
    if (posed.takes(ASSAY_TAKES_UNOBSERVED)) {
      Problem few = p;
      blank(few, 4, 4);
      auto x = std::make_shared<data::Data>(*sparse(few));
      x->unstored_zero = false;
      ends_well(posed, "unobserved", p, x);
    }
  });
}

TEST_CASE("law: values as small as floating point has them") {
  for_every_solver([](const Posed& posed) {
    if (std::isfinite(posed.facts.x_hi)) return;
    for (const double scale : {1e-310, 5e-324, 1e-160, 1e-30}) {
      CAPTURE(scale);
      Problem p = small_problem(posed);
      for (double& v : p.x) v *= scale;
      ends_well(posed, "scaled", p);
    }
  });
}
