// SPDX-License-Identifier: Apache-2.0
// Laws of what data mean, for every solver: different ways of saying the same give the same
// factors, and what is held out has no influence at all.
#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

constexpr double kSame = 1e-7;

// Equal ids: the random streams of both are the same.
DataPtr as(const data::Data& x) {
  auto out = std::make_shared<data::Data>(x);
  out->id = "the same for all";
  return out;
}

void agree(const Posed& posed, const DataPtr& x, const DataPtr& y, const Change& start) {
  auto a = attempt(posed.trial, as(*x), start), b = attempt(posed.trial, as(*y), start);
  if (!a || !b) {
    for (const auto* o : {&a, &b})
      if (!*o) CHECK_MESSAGE(refusal(o->error()), o->error().message);
    return;
  }
  // Entries drawn one by one come in another order out of another storage.
  if (!posed.deterministic() && x->sparse != y->sparse &&
      worst_relative(a->factor[0], b->factor[0]) >= kSame) {
    CHECK(a->result.certificate.loss ==
          doctest::Approx(b->result.certificate.loss).epsilon(0.5).scale(1e-12));
    return;
  }
  for (int side = 0; side < a->model->n_factors; ++side) {
    CAPTURE(side);
    CHECK(worst_relative(a->factor[side], b->factor[side]) < kSame);
  }
  CHECK(a->result.certificate.loss ==
        doctest::Approx(b->result.certificate.loss).epsilon(1e-6).scale(1e-12));
}

// Each column of a factor over its largest entry.
std::vector<double> of_unit_size(std::vector<double> F, int64_t k) {
  std::vector<double> most(static_cast<size_t>(k));
  for (size_t i = 0; i < F.size(); ++i) {
    double& m = most[i % most.size()];
    m = std::max(m, std::abs(F[i]));
  }
  for (size_t i = 0; i < F.size(); ++i)
    if (most[i % most.size()] > 0) F[i] /= most[i % most.size()];
  return F;
}

data::Matrix matrix(int64_t rows, int64_t cols, const std::function<double(int64_t, int64_t)>& f) {
  data::Matrix m{rows, cols, {}};
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j) m.values.push_back(f(i, j));
  return m;
}

}  // namespace

TEST_CASE("law: sparse means what dense means") {
  for_every_solver([](const Posed& posed) {
    const Problem p = small_problem(posed, 30, posed.symmetric ? 30 : 17);
    if (posed.takes(ASSAY_TAKES_SPARSE)) agree(posed, dense(p), sparse(p), start_by_hand());
  });
}

TEST_CASE("law: sparse X that a transform shifts means what dense X shifted means") {
  for_every_solver([](const Posed& posed) {
    if (!posed.takes(ASSAY_TAKES_SPARSE) || !posed.holds(0.7)) return;
    const Problem p = small_problem(posed, 30, posed.symmetric ? 30 : 17);
    const auto shifted = [&](const DataPtr& x) {
      data::Data out = *x;
      AlignedArray<double> by(p.d);
      for (int64_t j = 0; j < p.d; ++j) by[j] = 0.5;
      out.shift = std::make_shared<const AlignedArray<double>>(std::move(by));
      out.same_view = true;
      return std::make_shared<const data::Data>(std::move(out));
    };
    agree(posed, shifted(dense(p)), shifted(sparse(p)), start_by_hand());
  });
}

TEST_CASE("law: hidden by a mask is hidden by a weight of 0, dense and sparse") {
  for_every_solver([](const Posed& posed) {
    if (!posed.takes(ASSAY_TAKES_MASK)) return;
    const Problem p = small_problem(posed);
    const DataPtr masked = hide_where(dense(p), scattered);
    if (posed.takes(ASSAY_TAKES_WEIGHTS)) {
      const auto weighed = data::weigh_entries(
          *dense(p),
          matrix(p.n, p.d, [](int64_t i, int64_t j) { return scattered(i, j) ? 0.0 : 1.0; }));
      REQUIRE(weighed.ok());
      agree(posed, masked, as(*weighed), start_by_hand());
    }
    if (posed.takes(ASSAY_TAKES_SPARSE))
      agree(posed, masked, hide_where(sparse(p), scattered), start_by_hand());
  });
}

TEST_CASE("law: unobserved because it is not stored is hidden by a mask") {
  for_every_solver([](const Posed& posed) {
    if (!posed.takes(ASSAY_TAKES_MASK) || !posed.takes(ASSAY_TAKES_UNOBSERVED)) return;
    if (!posed.deterministic()) return;  // another storage may be visited in another order
    Problem p = small_problem(posed);
    for (double& v : p.x)
      if (v == 0) v = std::isfinite(posed.facts.x_hi) ? posed.facts.x_hi : 0.25;
    Problem few = p;
    for (int64_t i = 0; i < p.n; ++i)
      for (int64_t j = 0; j < p.d; ++j)
        if (scattered(i, j)) few.x[static_cast<size_t>(i * p.d + j)] = 0;
    data::Data x = *sparse(few);
    x.unstored_zero = false;
    agree(posed, hide_where(dense(p), scattered), as(x), start_by_hand());
  });
}

TEST_CASE("law: entry, row and column weights multiply") {
  for_every_solver([](const Posed& posed) {
    if (!posed.takes(ASSAY_TAKES_WEIGHTS)) return;
    const Problem p = small_problem(posed);
    // Eighths are exact in the float32 that entry weights are kept in.
    const auto row = [](int64_t i) { return 0.5 + static_cast<double>(i % 3); };
    const auto col = [](int64_t j) { return 0.25 + 0.5 * static_cast<double>(j % 2); };
    for (const DataPtr& base : {dense(p), sparse(p)}) {
      if (base->sparse && !posed.takes(ASSAY_TAKES_SPARSE)) continue;
      const auto entries = data::weigh_entries(
          *dense(p), matrix(p.n, p.d, [&](int64_t i, int64_t j) { return row(i) * col(j); }));
      auto both =
          data::weigh_rows(*base, matrix(p.n, 1, [&](int64_t i, int64_t) { return row(i); }));
      REQUIRE(both.ok());
      both = data::weigh_cols(*both, matrix(1, p.d, [&](int64_t, int64_t j) { return col(j); }));
      REQUIRE(entries.ok());
      REQUIRE(both.ok());
      agree(posed, as(*entries), as(*both), start_by_hand());
    }
  });
}

TEST_CASE("law: a row of weight 2 is the row twice") {
  for_every_solver([](const Posed& posed) {
    if (!posed.takes(ASSAY_TAKES_WEIGHTS) || posed.symmetric || !posed.deterministic()) return;
    const Problem p = small_problem(posed);
    Problem q = p;
    q.n += 1;
    q.x.insert(q.x.end(), p.x.begin() + 5 * p.d, p.x.begin() + 6 * p.d);
    std::vector<int64_t> order(static_cast<size_t>(q.n));
    for (int64_t i = 0; i < p.n; ++i) order[static_cast<size_t>(i)] = i;
    order.back() = 5;
    const auto weighed = data::weigh_rows(
        *dense(p), matrix(p.n, 1, [](int64_t i, int64_t) { return i == 5 ? 2 : 1; }));
    REQUIRE(weighed.ok());
    auto a = attempt(posed.trial, as(*weighed), start_by_hand());
    auto b = attempt(posed.trial, as(*dense(q)), start_by_hand(order));
    if (!a || !b) return;
    CHECK(a->result.trace.rows.front().objective ==
          doctest::Approx(b->result.trace.rows.front().objective).epsilon(1e-12));
    // One bound for all rows, of a gradient's length or of a curvature times the largest weight,
    // makes steps shorter under a weight: the same problem on another way.
    const uint32_t needs =
        static_cast<const assay_solver*>(posed.solver->plugin->vtable)->needs_loss;
    const bool majorises =
        posed.facts.tag != ASSAY_TAG_SQUARED && (needs & ASSAY_NEEDS_CURVATURE) != 0;
    if ((needs & ASSAY_NEEDS_GRAD) || majorises) return;
    // Up to the scale of components: W'W = I counts the row twice, whatever it weighs.
    std::vector<double> W = b->factor[0];
    W.resize(a->factor[0].size());
    for (int side : {0, 1}) {
      const int64_t k = a->model->factor[side].width;
      CHECK(worst_relative(of_unit_size(a->factor[side], k),
                           of_unit_size(side ? b->factor[1] : W, k)) < kSame);
    }
    CHECK(a->result.certificate.loss ==
          doctest::Approx(b->result.certificate.loss).epsilon(1e-7).scale(1e-12));
  });
}

TEST_CASE("law: held-out entries change no bit of any fit, not by their values, not by NaN") {
  for_every_solver([](const Posed& posed) {
    if (!posed.takes(ASSAY_TAKES_MASK)) return;
    const Problem p = small_problem(posed);
    spec::Trial trial = posed.trial;
    trial.split.kind = spec::SplitSpec::Kind::kEntries;
    trial.split.test = 0.2;
    trial.split.keep_per_row = 2;
    for (const bool is_sparse : {false, true}) {
      if (is_sparse && !posed.takes(ASSAY_TAKES_SPARSE)) continue;
      const auto storage = [&](const Problem& q) { return is_sparse ? sparse(q) : dense(q); };
      auto base = attempt(trial, storage(p));
      if (!base) {
        CHECK_MESSAGE(refusal(base.error()), base.error().message);
        continue;
      }
      for (const double other : {77.0, -1e300, std::numeric_limits<double>::quiet_NaN()}) {
        Problem q = p;
        int64_t changed = 0;
        for (int64_t i = 0; i < p.n; ++i)
          for (int64_t j = 0; j < p.d; ++j) {
            double& v = q.x[static_cast<size_t>(i * p.d + j)];
            // A stored zero of sparse X is another pattern than an unstored one.
            if (base->data.heldout->weight(i, j) == 0 || (is_sparse && v == 0)) continue;
            v = other;
            ++changed;
          }
        REQUIRE(changed > 0);
        const Outcome b = fitted(trial, storage(q));
        for (int side = 0; side < base->model->n_factors; ++side)
          CHECK(base->factor[side] == b.factor[side]);
        CHECK(base->result.trace.rows.back().objective == b.result.trace.rows.back().objective);
      }
    }
  });
}

TEST_CASE("law: held-out entries change no bit of any init and any transform") {
  const auto& all = all_posed();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [](const Posed& p) { return p.takes(ASSAY_TAKES_MASK); });
  REQUIRE(found != all.end());
  std::vector<std::pair<const char*, const plugin::Descriptor*>> varied;
  for (const char* kind : {"init", "transform"})
    for (const plugin::Descriptor* d : registry()->all(kind)) varied.emplace_back(kind, d);
  for (const auto& [kind, d] : varied) {
    CAPTURE(d->id);
    const Problem p = small_problem(*found);
    spec::Trial trial = found->trial;
    trial.split.kind = spec::SplitSpec::Kind::kEntries;
    trial.split.test = 0.2;
    trial.split.keep_per_row = 2;
    auto options = plugin::Options::complete(d->plugin->options, {}, d->id);
    if (!options) continue;
    spec::Use use;
    use.id = d->id;
    use.key = kind;
    use.options = *options;
    if (std::string(kind) == "init")
      trial.init = use;
    else
      trial.data.transforms = {use};
    auto a = attempt(trial, dense(p));
    if (!a) continue;  // needs an option, or leaves the domain
    for (const double other : {77.0, std::numeric_limits<double>::quiet_NaN()}) {
      Problem q = p;
      for (int64_t i = 0; i < p.n; ++i)
        for (int64_t j = 0; j < p.d; ++j)
          if (a->data.heldout->weight(i, j) > 0) q.x[static_cast<size_t>(i * p.d + j)] = other;
      auto b = attempt(trial, dense(q));
      if (!b && std::isnan(other) && refusal(b.error()))
        continue;  // outside the transform's domain
      REQUIRE_MESSAGE(b.ok(), b.error().message);
      CHECK(a->factor[0] == b->factor[0]);
      CHECK(a->factor[1] == b->factor[1]);
    }
  }
}
