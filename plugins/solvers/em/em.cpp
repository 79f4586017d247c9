// SPDX-License-Identifier: Apache-2.0
// Expectation maximisation of a mixture sum_c pi_c p(x | c):
//   E   r_ic = pi_c p(x_i | c) / sum_c' pi_c' p(x_i | c')
//   M   pi_c = N_c / n,  N_c = sum_i r_ic;  parameters of c: the density's, from statistics of rows
//       weighted by r_ic; with a prior the maximum is that of the posterior
// F = -(log-likelihood + log prior) and never rises. Statistics are summed in float64 in the sweep
// that makes the responsibilities, which are stored nowhere: X is read once a step.
// `assignment: hard` takes the largest r as 1 (CEM: F is minus the classification likelihood, its
// limit for equal spherical covariances k-means). Dempster, Laird and Rubin 1977; Celeux and
// Govaert 1992; Ueda and Nakano 1998 (annealing).
#include <assay/author/mixture.hpp>
#include <assay/plugin.hpp>
#include <string>

namespace {

using namespace assay::author;

enum class Start { kMeans, kRandom, kGiven };

class Em : public Mixture<Em> {
 public:
  Em(Call call, const assay_problem& p) : Mixture(call, p), stream_(p.stream) {
    const Options o(call.host, p.options);
    const std::string start = o.text("start").value_or("clusters");
    start_ = start == "random" ? Start::kRandom : start == "means" ? Start::kGiven : Start::kMeans;
    hard_ = o.text("assignment").value_or("soft") == "hard";
    keep_rows_ = o.flag("responsibilities");
    equal_ = o.flag("equal_weights");
    goes_on_ = (p.flags & ASSAY_PROBLEM_GOES_ON) != 0;
    frozen_ = (p.factor_flags[1] & ASSAY_FACTOR_FROZEN) != 0;
    rng_ = call.service<assay_rng>("assay.rng/1");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose == ASSAY_PREPARE && !goes_on_ && !frozen_) begin(b);
    if (purpose == ASSAY_STEP) step(b);
    if (purpose == ASSAY_FINISH) finish(b);
    if (purpose == ASSAY_APPLY) apply(b);
    if (purpose == ASSAY_MEASURE) measure(b);
  }

 private:
  // What the statistics lie in: FREE: stats; LINEAR: N, S and perhaps S2 on COLS.
  struct Statistics {
    assay_buf stats, S, S2;
  };

  // Sums of X and of its squares about the columns' means, then parameters at the means of H.
  void begin(const Builder& b) const {
    Lines m = state(b);
    const assay_buf centre = b.small("centre", 1, d_), spread = b.small("spread", 1, d_);
    column_moments(b, centre, spread);
    b.each<&Em::write_start>("start", ASSAY_ONE,
                             {{b.factor(1), ASSAY_IN},
                              {centre, ASSAY_IN},
                              {spread, ASSAY_IN},
                              {m.params, ASSAY_OUT},
                              {m.shared, ASSAY_OUT},
                              {m.weights, ASSAY_OUT}});
    if (linear_) total_base(b);
    if (start_ == Start::kGiven) return;
    prepare(b, m, "");
    const assay_buf resp = linear_ ? b.local("start_responsibilities", ASSAY_ROWS) : ASSAY_NO;
    const assay_buf stats = statistics_sum(b);
    std::vector<assay_arg> args = {{m.params, ASSAY_IN},    {m.shared, ASSAY_IN},
                                   {m.derived, ASSAY_IN},   {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                   {b.factor(1), ASSAY_IN}, {stats, ASSAY_ADD}};
    if (linear_) {
      args.push_back({resp, ASSAY_OUT});
      if (start_ == Start::kMeans) {
        const assay_buf R = b.local("start_products", ASSAY_ROWS);
        b.times(R, ASSAY_X, b.factor(1));
        args.push_back({R, ASSAY_IN});
      }
    }
    b.each<&Em::first_labels>("first_labels", ASSAY_ROWS, args, 0,
                              linear_ ? 0 : uint32_t{ASSAY_EACH_X});
    maximise(b, m, products(b, stats, resp), ASSAY_NO);
  }

  void step(const Builder& b) const {
    Lines m = state(b);
    prepare(b, m, "");
    Wanted w;
    w.sums = b.sum("sums", 1, kSums);
    w.stats = statistics_sum(b);
    if (linear_) w.resp = b.local("step_responsibilities", ASSAY_ROWS);
    expect(b, m, w, "");
    if (frozen_) return;
    maximise(b, m, products(b, w.stats, w.resp), w.sums);
  }

  void measure(const Builder& b) const {
    Lines m = state(b);
    prepare(b, m, "");
    Wanted w;
    w.sums = b.sum("sums", 1, kSums);
    w.base = linear_;
    expect(b, m, w, "");
    const assay_buf value = b.small("value", 1, 1);
    b.each<&Em::write_objective>("objective", ASSAY_ONE,
                                 {{w.sums, ASSAY_IN}, {m.prior, ASSAY_IN}, {value, ASSAY_OUT}});
    b.report("objective", value);
  }

  void apply(const Builder& b) const {
    Lines m = state(b);
    prepare(b, m, "apply.");
    Wanted w;
    w.resp = b.factor(0);
    w.log_density =
        b.buffer("log_density", ASSAY_ROWS, ASSAY_LOCAL, 0, 1, false, ASSAY_BUFFER_OUTPUT);
    w.sums = b.sum("apply.sums", 1, kSums);
    w.base = linear_;
    expect(b, m, w, "apply.");
  }

  // Covariances of the components, where they are not too many numbers; responsibilities on wish.
  void finish(const Builder& b) const {
    constexpr int64_t kMost = int64_t{1} << 20;
    if (k_ * d_ * d_ <= kMost) {
      const Lines m = state(b);
      const assay_buf covariances =
          b.buffer("covariances", ASSAY_ONE, ASSAY_STATE, k_ * d_, d_, true, ASSAY_BUFFER_OUTPUT);
      const assay_buf derived = b.small("finish.derived", k_, std::max<int64_t>(1, facts_.derived));
      b.each<&Em::write_covariances>("covariances", ASSAY_ONE,
                                     {{m.params, ASSAY_IN},
                                      {m.shared, ASSAY_IN},
                                      {derived, ASSAY_OUT},
                                      {covariances, ASSAY_OUT}});
    }
    if (!keep_rows_) return;
    const assay_buf out =
        b.buffer("responsibilities", ASSAY_ROWS, ASSAY_STATE, 0, 0, true, ASSAY_BUFFER_OUTPUT);
    b.each<&Em::copy_rows>("responsibilities", ASSAY_ROWS,
                           {{b.factor(0), ASSAY_IN}, {out, ASSAY_OUT}});
  }

  assay_buf statistics_sum(const Builder& b) const {
    return b.sum("statistics", k_, linear_ ? 1 : facts_.stats);
  }

  // LINEAR: X' r and X^2' r.
  Statistics products(const Builder& b, assay_buf stats, assay_buf resp) const {
    Statistics s{stats, ASSAY_NO, ASSAY_NO};
    if (!linear_) return s;
    s.S = b.local("S", ASSAY_COLS);
    b.times(s.S, ASSAY_X, resp);
    if (!squares()) return s;
    s.S2 = b.local("S2", ASSAY_COLS);
    b.times(s.S2, ASSAY_X, resp, ASSAY_SQUARE);
    return s;
  }

  void maximise(const Builder& b, const Lines& m, const Statistics& s, assay_buf sums) const {
    const assay_buf means = b.small("means", k_, d_), floored = b.small("floored", 1, 1);
    std::vector<assay_arg> args = {{m.params, ASSAY_INOUT},  {m.shared, ASSAY_INOUT},
                                   {m.weights, ASSAY_INOUT}, {m.derived, ASSAY_IN},
                                   {means, ASSAY_OUT},       {floored, ASSAY_OUT},
                                   {s.stats, ASSAY_IN}};
    if (s.S != ASSAY_NO) args.push_back({s.S, ASSAY_IN});
    if (s.S2 != ASSAY_NO) args.push_back({s.S2, ASSAY_IN});
    assay_buf value = ASSAY_NO;
    if (sums != ASSAY_NO) {  // at what enters the step: before the parameters move
      value = b.small("value", 1, 1);
      std::vector<assay_arg> of_value = {{sums, ASSAY_IN}, {m.prior, ASSAY_IN}, {value, ASSAY_OUT}};
      if (linear_)
        of_value.push_back({b.buffer("base", ASSAY_ONE, ASSAY_STATE, 1, 1, true), ASSAY_IN});
      b.each<&Em::write_objective>("objective", ASSAY_ONE, of_value);
    }
    b.each<&Em::write_parameters>("maximise", ASSAY_ONE, args);
    b.each<&Em::write_means>("means_of_components", ASSAY_COLS,
                             {{means, ASSAY_IN}, {b.factor(1), ASSAY_OUT}});
    if (sums == ASSAY_NO) return;
    b.report("objective", value);
    b.report("floored", floored);
  }

  void column_moments(const Builder& b, assay_buf centre, assay_buf spread) const {
    const assay_buf weights = b.given(ASSAY_ROW_WEIGHTS);
    if (linear_) {
      const assay_buf first = b.local("column_sums", ASSAY_COLS, 1),
                      second = b.local("column_squares", ASSAY_COLS, 1),
                      all = b.sum("all_rows", 1, 1);
      b.times(first, ASSAY_X, weights);
      b.times(second, ASSAY_X, weights, ASSAY_SQUARE);
      b.each<&Em::count_rows>("count_rows", ASSAY_ROWS, {{weights, ASSAY_IN}, {all, ASSAY_ADD}});
      b.each<&Em::moments_of_sums>("column_moments", ASSAY_ONE,
                                   {{first, ASSAY_IN},
                                    {second, ASSAY_IN},
                                    {all, ASSAY_IN},
                                    {centre, ASSAY_OUT},
                                    {spread, ASSAY_OUT}});
      return;
    }
    const assay_buf first = b.sum("column_sums", 2, d_), second = b.sum("column_squares", 1, d_);
    b.each<&Em::add_columns>("column_sums", ASSAY_ROWS, {{weights, ASSAY_IN}, {first, ASSAY_ADD}},
                             0, ASSAY_EACH_X);
    b.each<&Em::write_centre>("column_means", ASSAY_ONE, {{first, ASSAY_IN}, {centre, ASSAY_OUT}});
    b.each<&Em::add_columns>("column_squares", ASSAY_ROWS,
                             {{weights, ASSAY_IN}, {second, ASSAY_ADD}, {centre, ASSAY_IN}}, 1,
                             ASSAY_EACH_X);
    b.each<&Em::write_spread>("column_variances", ASSAY_ONE,
                              {{first, ASSAY_IN}, {second, ASSAY_IN}, {spread, ASSAY_OUT}});
  }

  void total_base(const Builder& b) const {
    const assay_buf sum = b.sum("base_sum", 1, 1),
                    base = b.buffer("base", ASSAY_ONE, ASSAY_STATE, 1, 1, true);
    b.each<&Em::add_base_of>("base_rows", ASSAY_ROWS,
                             {{b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN}, {sum, ASSAY_ADD}}, 0,
                             ASSAY_EACH_X);
    b.each<&Em::copy_number>("base_total", ASSAY_ONE, {{sum, ASSAY_IN}, {base, ASSAY_OUT}});
  }

  // ---- functions of blocks ----

  // {row weights, sums (2 x d: of x, of weights; second pass 1 x d), [centre]}
  void add_columns(const Block& b) const {
    const Matrix weights = b.matrix(0), sums = b.matrix(1);
    const double* centre = b.tag() == 1 ? b.matrix(2).row(0).data() : nullptr;
    Rows rows(*this, b);
    for (int64_t first = 0; first < b.count(); first += ASSAY_DENSITY_ROWS) {
      const int64_t n = std::min<int64_t>(ASSAY_DENSITY_ROWS, b.count() - first);
      const assay_density_rows& x = rows.take(first, n);
      for (int64_t i = 0; i < n; ++i) {
        const double w = weights(first + i, 0);
        const double* at = x.x + i * x.ld;
        const uint8_t* seen = x.seen ? x.seen + i * d_ : nullptr;
        for (int64_t j = 0; j < d_; ++j) {
          if (seen && !seen[j]) continue;
          const double z = centre ? at[j] - centre[j] : at[j];
          sums(0, j) += centre ? w * z * z : w * z;
          if (!centre) sums(1, j) += w;
        }
      }
    }
  }
  void write_centre(const Block& b) const {
    const Matrix sums = b.matrix(0), centre = b.matrix(1);
    for (int64_t j = 0; j < d_; ++j) centre(0, j) = sums(1, j) > 0 ? sums(0, j) / sums(1, j) : 0;
  }
  void write_spread(const Block& b) const {
    const Matrix sums = b.matrix(0), squares = b.matrix(1), spread = b.matrix(2);
    for (int64_t j = 0; j < d_; ++j) spread(0, j) = sums(1, j) > 0 ? squares(0, j) / sums(1, j) : 0;
  }
  void count_rows(const Block& b) const {
    const Matrix weights = b.matrix(0);
    for (int64_t i = 0; i < b.count(); ++i) b.number(1) += weights(i, 0);
  }
  // {sums, squares (COLS), rows, centre, spread}
  void moments_of_sums(const Block& b) const {
    const Matrix first = b.matrix(0), second = b.matrix(1), centre = b.matrix(3),
                 spread = b.matrix(4);
    const double n = b.number(2);
    for (int64_t j = 0; j < d_; ++j) {
      const double mean = n > 0 ? first(j, 0) / n : 0;
      centre(0, j) = mean;
      spread(0, j) = n > 0 ? std::max(0.0, second(j, 0) / n - mean * mean) : 0;
    }
  }
  void add_base_of(const Block& b) const {
    const Matrix weights = b.matrix(0);
    for (int64_t i = 0; i < b.count(); ++i) {
      assay_line line{};
      line.struct_size = sizeof line;
      Call::check(tile_->line(b.call().ctx, i, &line));
      double base = 0;
      Call::check(density_->base(b.call().ctx, line.n, line.x, &base));
      b.number(1) += weights(i, 0) * base;
    }
  }
  void copy_number(const Block& b) const { b.number(1) = b.number(0); }
  void copy_rows(const Block& b) const {
    const Matrix from = b.matrix(0), to = b.matrix(1);
    for (int64_t i = 0; i < b.count(); ++i)
      for (int64_t c = 0; c < k_; ++c) to(i, c) = from(i, c);
  }

  // {H, centre, spread, params, shared, weights}
  void write_start(const Block& b) const {
    const Matrix H = b.matrix(0), centre = b.matrix(1), spread = b.matrix(2), weights = b.matrix(5);
    const auto means = b.call().scratch<double>(k_ * d_);
    for (int64_t c = 0; c < k_; ++c) {
      weights(0, c) = 1 / static_cast<double>(k_);
      for (int64_t j = 0; j < d_; ++j)
        means[static_cast<size_t>(c * d_ + j)] = start_ == Start::kRandom ? centre(0, j) : H(j, c);
    }
    const assay_view of_means = {means.data(), k_, d_, d_, 0, ASSAY_F64, 0};
    assay_density_model m = model(b.view(3), b.view(4), assay_view{});
    Call::check(
        density_->start(b.call().ctx, &of_means, centre.row(0).data(), spread.row(0).data(), &m));
  }

  // {params, shared, derived, row weights, H, stats, [resp], [X H]}: each row to the nearest mean,
  // or responsibilities drawn from a flat Dirichlet law.
  void first_labels(const Block& b) const {
    const assay_density_model m = model(b.view(0), b.view(1), b.view(2));
    const Matrix weights = b.matrix(3), H = b.matrix(4);
    const auto r = b.call().scratch<double>(k_ * ASSAY_DENSITY_ROWS);
    const auto near = b.call().scratch<double>(std::max(k_, int64_t{1}));
    const auto half = b.call().scratch<double>(k_);
    if (linear_ && start_ == Start::kMeans) half_squares(H, half);
    Rows rows(*this, b);
    for (int64_t first = 0; first < b.count(); first += ASSAY_DENSITY_ROWS) {
      const int64_t n = std::min<int64_t>(ASSAY_DENSITY_ROWS, b.count() - first);
      const assay_density_rows* x = linear_ ? nullptr : &rows.take(first, n);
      for (int64_t i = 0; i < n; ++i) {
        if (start_ == Start::kRandom) {
          draw(b.index(first + i), near);
        } else {
          if (linear_)
            for (int64_t c = 0; c < k_; ++c)
              near[static_cast<size_t>(c)] =
                  b.matrix(7)(first + i, c) - half[static_cast<size_t>(c)];
          else
            distances(*x, i, H, near);
          one_hot(near);
        }
        for (int64_t c = 0; c < k_; ++c)
          r[static_cast<size_t>(c * ASSAY_DENSITY_ROWS + i)] =
              near[static_cast<size_t>(c)] * weights(first + i, 0);
      }
      if (linear_) put(b.matrix(6), first, n, r.data());
      add(b, x, m, r.data(), n, 5);
    }
  }
  void half_squares(const Matrix& H, std::span<double> half) const {
    std::fill(half.begin(), half.end(), 0.0);
    for (int64_t j = 0; j < d_; ++j)
      for (int64_t c = 0; c < k_; ++c) half[static_cast<size_t>(c)] += 0.5 * H(j, c) * H(j, c);
  }
  // Minus the squared distance of row i to every mean, over its observed entries.
  void distances(const assay_density_rows& x,
                 int64_t i,
                 const Matrix& H,
                 std::span<double> near) const {
    std::fill(near.begin(), near.end(), 0.0);
    for (int64_t j = 0; j < d_; ++j) {
      if (x.seen && !x.seen[i * d_ + j]) continue;
      const double at = x.x[i * x.ld + j];
      for (int64_t c = 0; c < k_; ++c) {
        const double apart = at - H(j, c);
        near[static_cast<size_t>(c)] -= apart * apart;
      }
    }
  }
  static void one_hot(std::span<double> near) {
    const auto best =
        static_cast<size_t>(std::max_element(near.begin(), near.end()) - near.begin());
    std::fill(near.begin(), near.end(), 0.0);
    near[best] = 1;
  }
  void draw(int64_t row, std::span<double> r) const {
    rng_->uniform(stream_, static_cast<uint64_t>(row * k_), k_, r.data());
    double sum = 0;
    for (double& v : r) sum += v = -std::log(v);
    for (double& v : r) v /= sum;
  }

  // {sums, prior, value, [base]}
  void write_objective(const Block& b) const {
    const Matrix sums = b.matrix(0);
    double likelihood = sums(0, hard_ ? kHard : kLogLikelihood);
    if (b.views() > 3) likelihood += b.number(3);
    b.number(2) = -likelihood - b.number(1);
  }

  // {params, shared, weights, derived, means, floored, stats, [S], [S2]}
  void write_parameters(const Block& b) const {
    assay_ctx* ctx = b.call().ctx;
    assay_density_model m = model(b.view(0), b.view(1), b.view(3));
    const Matrix weights = b.matrix(2);
    assay_view stats = b.view(6);
    std::vector<double> joined;
    if (linear_) stats = join(b, joined);
    const Matrix lines(stats);
    std::vector<int32_t> notes(static_cast<size_t>(k_) + 1, 0);
    Call::check(density_->maximise(ctx, &stats, 0, k_, &m, notes.data()));
    Call::check(density_->maximise_shared(ctx, &stats, &m, &notes.back()));
    double all = 0, floored = 0;
    for (const int32_t note : notes) floored += note != 0 ? 1 : 0;
    for (int64_t c = 0; c < k_; ++c) {
      const bool gone = notes[static_cast<size_t>(c)] == ASSAY_DENSITY_REMOVE;
      const double w = gone ? 0 : std::max(0.0, lines(c, 0) + facts_.dirichlet - 1);
      if (!equal_ || gone) weights(0, c) = w;
      all += weights(0, c);
    }
    if (!(all > 0))
      throw Failure(ASSAY_E_SINGULAR, "no component is left")
          .help("fewer components, or `on_singular: floor` of the density");
    for (int64_t c = 0; c < k_; ++c) weights(0, c) /= all;
    assay_view means = b.view(4);
    Call::check(density_->moments(ctx, &m, &means, nullptr));
    b.number(5) = floored;
  }
  // LINEAR: lines of N, sum r x, sum r x^2.
  assay_view join(const Block& b, std::vector<double>& out) const {
    const int64_t width = 1 + d_ * (squares() ? 2 : 1);
    const Matrix N = b.matrix(6), S = b.matrix(7);
    out.resize(static_cast<size_t>(k_ * width));
    for (int64_t c = 0; c < k_; ++c) {
      double* line = out.data() + c * width;
      line[0] = N(c, 0);
      for (int64_t j = 0; j < d_; ++j) {
        line[1 + j] = S(j, c);
        if (squares()) line[1 + d_ + j] = b.matrix(8)(j, c);
      }
    }
    return {out.data(), k_, width, width, 0, ASSAY_F64, 0};
  }
  void write_means(const Block& b) const {
    const Matrix means = b.matrix(0), H = b.matrix(1);
    for (int64_t j = 0; j < b.count(); ++j)
      for (int64_t c = 0; c < k_; ++c) H(j, c) = means(c, b.first() + j);
  }
  // {params, shared, derived, covariances}
  void write_covariances(const Block& b) const {
    assay_density_model m = model(b.view(0), b.view(1), b.view(2));
    Call::check(density_->prepare(b.call().ctx, 0, k_, &m));
    assay_view covariances = b.view(3);
    Call::check(density_->moments(b.call().ctx, &m, nullptr, &covariances));
  }

  double temperature(const Block&) const override { return hard_ ? 0 : 1; }

  Start start_ = Start::kMeans;
  bool hard_ = false, keep_rows_ = false, equal_ = false, goes_on_ = false, frozen_ = false;
  uint64_t stream_;
  const assay_rng* rng_ = nullptr;
};

constexpr const char* kStarts[] = {"clusters", "random", "means", nullptr};
constexpr const char* kAssignments[] = {"soft", "hard", nullptr};
constexpr assay_option options[] = {
    enum_option("start",
                "clusters: each row to the nearest row of H; random: responsibilities from a flat "
                "Dirichlet law; means: H with the variances of all data",
                "clusters",
                kStarts),
    enum_option("assignment",
                "soft, or hard: each row counts for its likeliest component alone",
                "soft",
                kAssignments),
    bool_option("equal_weights", "components keep equal weights", false),
    bool_option("responsibilities", "keep them as an array of the result, n x k", false),
    {nullptr, nullptr, 0, 0, 0, 0, 0, nullptr, nullptr}};
constexpr assay_solver vtable = solver_table<Em>(
    0,
    ASSAY_NEEDS_NO_PENALTY,
    ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK | ASSAY_TAKES_LINE_WEIGHTS | ASSAY_TAKES_UNOBSERVED,
    nullptr,
    ASSAY_FITS_MIXTURE | ASSAY_SOLVER_MAKES_W | ASSAY_SOLVER_NO_RESIDUAL,
    nullptr,
    "kmeans_plus_plus");
constexpr assay_plugin plugin =
    describe("assay.solver/1",
             "em",
             "expectation maximisation of a mixture of any density",
             "Dempster, Laird and Rubin 1977",
             "E: r_ic = pi_c p(x_i | c) / sum_c' pi_c' p(x_i | c')\n"
             "M: pi_c = sum_i r_ic / n; parameters of c: the density's maximum over rows weighted\n"
             "   by r_ic, with a prior that of the posterior\n"
             "F = -(log-likelihood + log prior), all constants included\n"
             "guarantee: F never rises; a floor keeps covariances from shrinking to a point\n"
             "cost: what the density asks for, and one read of X",
             options,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.em", "1.0", plugin)
