// SPDX-License-Identifier: Apache-2.0
// EM by batches of rows: statistics S of all rows are a running mean of those of batches, each at
// the parameters of its time,
//   S <- (1 - eta_t) S + eta_t (n / batch) S(batch),   eta_t = (t + offset)^-kappa,
// and every batch ends with the M-step of S. S begins with a sweep over all rows at the start. An
// epoch begins with a sweep that measures F, and takes the rows in an order drawn anew. Statistics
// about means (density.h: FREE) move with the means before the next ones are added, so nothing is
// lost far from 0. S, t and the rows it stands for are state: new rows go on from there. Cappe and
// Moulines 2009; Liang and Klein 2009.
#include <assay/plugin.hpp>

#include "fitted.hpp"

namespace {

using namespace assay::author;

class OnlineEm : public em::Fitted<OnlineEm> {
 public:
  OnlineEm(Call call, const assay_problem& p)
      : Fitted(call, p),
        stream_(call.service<assay_rng>("assay.rng/1")->split(p.stream, 1)),
        goes_on_((p.flags & ASSAY_PROBLEM_GOES_ON) != 0) {
    const Options o(call.host, p.options);
    batch_ = std::min(o.integer("batch"), p.n);
    kappa_ = o.number("kappa");
    offset_ = o.number("offset");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose == ASSAY_PREPARE && !frozen_) goes_on_ ? go_on(b) : first(b);
    if (purpose == ASSAY_STEP) step(b);
    if (purpose == ASSAY_FINISH) finish(b);
    if (purpose == ASSAY_APPLY) apply(b);
    if (purpose == ASSAY_MEASURE) measure(b);
  }

 private:
  // Running statistics; clock: batches taken, rows that the statistics stand for.
  struct Running {
    Statistics of;
    assay_buf clock;
  };
  Running running(const Builder& b) const {
    const auto columns = [&](const char* name) {
      return b.buffer(name, ASSAY_COLS, ASSAY_STATE, 0, k_, true);
    };
    Running r{};
    r.of.stats = b.buffer("running", ASSAY_ONE, ASSAY_STATE, k_, linear_ ? 1 : facts_.stats, true);
    r.of.S = linear_ ? columns("running.sums") : ASSAY_NO;
    r.of.S2 = linear_ && squares() ? columns("running.squares") : ASSAY_NO;
    r.clock = b.buffer("clock", ASSAY_ONE, ASSAY_STATE, 1, 2, true);
    return r;
  }

  // What the rows at hand add, at the parameters as they stand.
  struct Seen {
    Lines m;
    assay_buf sums;
    Statistics of;
  };
  Seen see(const Builder& b, const std::string& prefix) const {
    Seen s{state(b), b.sum((prefix + "sums").c_str(), 1, kSums), {}};
    prepare(b, s.m, prefix);
    Wanted w;
    w.sums = s.sums;
    w.stats = statistics_sum(b, prefix);
    if (linear_) w.resp = b.local((prefix + "responsibilities").c_str(), ASSAY_ROWS);
    expect(b, s.m, w, prefix);
    s.of = products(b, w.stats, w.resp, prefix);
    return s;
  }

  // to = rates[0] to + rates[1] from.
  void mix(const Builder& b, assay_buf rates, const Statistics& from, const Statistics& to) const {
    const auto one = [&](const char* name, int32_t axis, assay_buf add, assay_buf sum) {
      if (sum != ASSAY_NO)
        b.each<&OnlineEm::add_lines>(name, axis,
                                     {{rates, ASSAY_IN}, {add, ASSAY_IN}, {sum, ASSAY_INOUT}});
    };
    one("mix", ASSAY_ONE, from.stats, to.stats);
    one("mix_sums", ASSAY_COLS, from.S, to.S);
    one("mix_squares", ASSAY_COLS, from.S2, to.S2);
  }

  void first(const Builder& b) const {
    begin(b);
    const Seen all = see(b, "first.");
    const Running r = running(b);
    const assay_buf rates = b.small("first.rates", 1, 2);
    b.each<&OnlineEm::start_clock>(
        "start_clock", ASSAY_ONE, {{all.sums, ASSAY_IN}, {r.clock, ASSAY_OUT}, {rates, ASSAY_OUT}});
    mix(b, rates, all.of, r.of);
  }

  // The statistics come to stand for the new rows, too.
  void go_on(const Builder& b) const {
    if (linear_) total_base(b);
    const Running r = running(b);
    const assay_buf rows = b.sum("new_rows", 1, 1), rates = b.small("new_rates", 1, 2);
    b.each<&OnlineEm::add_rows>("new_rows", ASSAY_ROWS,
                                {{b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN}, {rows, ASSAY_ADD}});
    b.each<&OnlineEm::widen_clock>("widen_clock", ASSAY_ONE,
                                   {{rows, ASSAY_IN}, {r.clock, ASSAY_INOUT}, {rates, ASSAY_OUT}});
    const auto scale = [&](const char* name, int32_t axis, assay_buf sum) {
      if (sum != ASSAY_NO)
        b.each<&OnlineEm::scale_lines>(name, axis, {{rates, ASSAY_IN}, {sum, ASSAY_INOUT}});
    };
    scale("scale", ASSAY_ONE, r.of.stats);
    scale("scale_sums", ASSAY_COLS, r.of.S);
    scale("scale_squares", ASSAY_COLS, r.of.S2);
  }

  void step(const Builder& b) const {
    Lines m = state(b);
    prepare(b, m, "");
    Wanted w;
    w.sums = b.sum("sums", 1, kSums);
    expect(b, m, w, "");
    if (frozen_) return;
    report(b, objective(b, m, w.sums, linear_, ""));
    const Running r = running(b);
    const assay_buf rates = b.small("rates", 1, 2), before = b.small("before", k_, facts_.params);
    b.batches(batch_, ASSAY_SHUFFLED_ROWS, stream_);
    const Seen batch = see(b, "batch.");
    b.each<&OnlineEm::tick>("tick", ASSAY_ONE,
                            {{batch.sums, ASSAY_IN}, {r.clock, ASSAY_INOUT}, {rates, ASSAY_OUT}});
    mix(b, rates, batch.of, r.of);
    b.each<&OnlineEm::keep>("before", ASSAY_ONE, {{m.params, ASSAY_IN}, {before, ASSAY_OUT}});
    const assay_buf floored = maximise(b, batch.m, r.of, "batch.");
    if (!linear_)
      b.each<&OnlineEm::recentre>("recentre", ASSAY_ONE,
                                  {{before, ASSAY_IN},
                                   {m.params, ASSAY_IN},
                                   {m.shared, ASSAY_IN},
                                   {batch.m.derived, ASSAY_IN},
                                   {r.of.stats, ASSAY_INOUT}});
    b.end();
    show_means(b, m, "");
    b.report("floored", floored);
  }

 public:
  // {rates, what comes, what is there}
  void add_lines(const Block& b) const {
    const Matrix rates = b.matrix(0), from = b.matrix(1), to = b.matrix(2);
    for (int64_t i = 0; i < to.rows(); ++i)
      for (int64_t j = 0; j < to.cols(); ++j)
        to(i, j) = (rates(0, 0) == 0 ? 0 : rates(0, 0) * to(i, j)) + rates(0, 1) * from(i, j);
  }
  void scale_lines(const Block& b) const {
    const Matrix rates = b.matrix(0), to = b.matrix(1);
    for (int64_t i = 0; i < to.rows(); ++i)
      for (int64_t j = 0; j < to.cols(); ++j) to(i, j) *= rates(0, 0);
  }
  void add_rows(const Block& b) const {
    for (int64_t i = 0; i < b.count(); ++i) b.number(1) += b.matrix(0)(i, 0);
  }
  // {sums, clock, rates}
  void start_clock(const Block& b) const {
    const Matrix clock = b.matrix(1), rates = b.matrix(2);
    clock(0, 0) = rates(0, 0) = 0;
    clock(0, 1) = b.matrix(0)(0, kRows);
    rates(0, 1) = 1;
  }
  // {rows, clock, rates}
  void widen_clock(const Block& b) const {
    const Matrix clock = b.matrix(1);
    const double rows = clock(0, 1) + b.number(0);
    b.matrix(2)(0, 0) = clock(0, 1) > 0 ? rows / clock(0, 1) : 1;
    clock(0, 1) = rows;
  }
  // {sums, clock, rates}; rows of weight 0 alone say nothing.
  void tick(const Block& b) const {
    const Matrix clock = b.matrix(1), rates = b.matrix(2);
    const double rows = b.matrix(0)(0, kRows);
    const double eta = rows > 0 ? std::pow(clock(0, 0) + offset_, -kappa_) : 0;
    rates(0, 0) = 1 - eta;
    rates(0, 1) = rows > 0 ? eta * (clock(0, 1) / rows) : 0;
    clock(0, 0) += 1;
  }
  void keep(const Block& b) const {
    const Matrix from = b.matrix(0), to = b.matrix(1);
    for (int64_t i = 0; i < to.rows(); ++i)
      for (int64_t j = 0; j < to.cols(); ++j) to(i, j) = from(i, j);
  }
  // {params before, params, shared, derived, statistics}
  void recentre(const Block& b) const {
    const assay_density_model m = model(b.view(1), b.view(2), b.view(3));
    const assay_view before = b.view(0);
    assay_view stats = b.view(4);
    Call::check(density_->recentre(b.call().ctx, &before, &m, &stats));
  }

 private:
  uint64_t stream_;
  bool goes_on_;
  int64_t batch_ = 0;
  double kappa_ = 0, offset_ = 0;
};

constexpr assay_option options[] = {
    integer_option("batch", "rows of a batch", 1000, 1, 1 << 24),
    {"kappa", "steps fall as t^-kappa: near 0.5 the start is soon forgotten, near 1 little is",
     ASSAY_OPT_FLOAT, ASSAY_OPT_LO_OPEN, 0.7, 0.5, 1, nullptr, nullptr},
    number_option("offset",
                  "batches that count as taken at the start; 1: the first step is 1",
                  2,
                  1,
                  1e9),
    em::kStartOption,
    em::kRestartsOption,
    integer_option("restart_steps", "steps over all rows each start is tried for", 10, 1, 100000),
    em::kEqualWeightsOption,
    em::kResponsibilitiesOption,
    {nullptr, nullptr, 0, 0, 0, 0, 0, nullptr, nullptr}};
constexpr assay_solver vtable =
    solver_table<OnlineEm>(0,
                           ASSAY_NEEDS_NO_PENALTY,
                           em::kTakes,
                           nullptr,
                           ASSAY_FITS_MIXTURE | ASSAY_SOLVER_MAKES_W | ASSAY_SOLVER_NO_RESIDUAL,
                           nullptr,
                           "kmeans_plus_plus");
constexpr assay_plugin plugin = describe(
    "assay.solver/1",
    "online_em",
    "EM of a mixture by batches of rows; goes on with new rows",
    "Cappe and Moulines 2009; Liang and Klein 2009",
    "E: r_ic of the rows of a batch\n"
    "S <- (1 - eta) S + eta (n / batch) (statistics of the batch),  eta = (t + offset)^-kappa\n"
    "M: parameters from S, after each batch\n"
    "F = -(log-likelihood + log prior) of all rows, measured as an epoch begins\n"
    "guarantee: none of descent; steps fall, so the fit settles where EM's would\n"
    "cost: what em asks for per epoch, once more without statistics to measure F; and a\n"
    "   sweep before the first",
    options,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.online_em", "1.0", plugin)
