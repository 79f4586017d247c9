// SPDX-License-Identifier: Apache-2.0
// Where EM begins: parameters at the rows' clusters about H, at random responsibilities, or at H
// itself; of several starts the one that is best after a few steps (Biernacki, Celeux and Govaert
// 2003); steps at falling temperatures, r_c proportional to exp(a_c / T), before the plain ones
// (Ueda and Nakano 1998).
#pragma once

#include "maximise.hpp"
#include "moments.hpp"

namespace em {

enum class From { kClusters, kRandom, kMeans };

template <class T>
class Starter : public Moments<T> {
 public:
  using Lines = typename Mixture<T>::Lines;
  Starter(Call call, const assay_problem& p)
      : Moments<T>(call, p), stream_(p.stream), rng_(call.service<assay_rng>("assay.rng/1")) {
    const Options o(call.host, p.options);
    const std::string start = o.text("start").value_or("clusters");
    from_ = start == "random" ? From::kRandom : start == "means" ? From::kMeans : From::kClusters;
    restarts_ = o.integer("restarts");
    restart_steps_ = o.integer("restart_steps");
  }

  // Those of the init: responsibilities are drawn without one.
  int64_t starts() const { return from_ == From::kRandom ? 1 : restarts_; }

 protected:
  using Mixture<T>::linear_;
  using Mixture<T>::d_;
  using Mixture<T>::k_;
  using Mixture<T>::facts_;
  using Mixture<T>::density_;
  using Mixture<T>::tile_;
  using Mixture<T>::squares;
  using Mixture<T>::model;
  using Maximiser<T>::statistics_sum;
  using Maximiser<T>::products;
  using Maximiser<T>::maximise;
  using Maximiser<T>::show_means;
  using Maximiser<T>::objective;

  void begin(const Builder& b) const {
    const Lines m = this->state(b);
    const assay_buf centre = b.small("centre", 1, d_), spread = b.small("spread", 1, d_);
    this->column_moments(b, centre, spread);
    if (linear_) this->total_base(b);
    if (restarts_ > 1) {
      b.loop(restarts_, ASSAY_NO);
      one_start(b, m, centre, spread);
      b.loop(restart_steps_, ASSAY_NO);
      one_step(b, m, "restart.", 0);
      b.end();
      keep_best(b, m);
      b.end();
      take_best(b, m);
    } else {
      one_start(b, m, centre, spread);
    }
    if (temperature_ > 1) {
      b.loop(cooling_, ASSAY_NO);
      one_step(b, m, "cooling.", kCooling);
      b.end();
    }
    Lines shown = m;
    this->prepare(b, shown, "shown.");
    show_means(b, shown, "shown.");
  }

  int64_t cooling_ = 0;
  double temperature_ = 1;  // where annealing begins; 1: none

  static constexpr int32_t kCooling = 1 << 16;

  // From T0 down to 1 in equal ratios.
  double temperature(const Block& b) const override {
    if ((b.tag() & kCooling) == 0) return this->hard_ ? 0 : 1;
    const double left = 1 - static_cast<double>(b.turn()) / static_cast<double>(cooling_);
    return std::pow(temperature_, left);
  }

 private:
  // The means to start from, of several starts those of this turn; then labels and their M-step.
  void one_start(const Builder& b, const Lines& state, assay_buf centre, assay_buf spread) const {
    const bool several = restarts_ > 1 && from_ != From::kRandom;
    const assay_buf H = several
                            ? b.buffer("restarts", ASSAY_COLS, ASSAY_STATE, 0, k_ * restarts_, true)
                            : b.factor(1),
                    means = b.buffer("start.means", ASSAY_COLS, ASSAY_LOCAL, 0, k_);
    b.template each<&Starter::pick_start, T>("start.pick", ASSAY_COLS,
                                             {{H, ASSAY_IN}, {means, ASSAY_OUT}});
    b.template each<&Starter::write_start, T>("start", ASSAY_ONE,
                                              {{means, ASSAY_IN},
                                               {centre, ASSAY_IN},
                                               {spread, ASSAY_IN},
                                               {state.params, ASSAY_OUT},
                                               {state.shared, ASSAY_OUT},
                                               {state.weights, ASSAY_OUT},
                                               {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                                               {state.equal, ASSAY_OUT}});
    if (from_ == From::kMeans) return;
    Lines m = state;
    this->prepare(b, m, "start.");
    const assay_buf resp = linear_ ? b.local("start.responsibilities", ASSAY_ROWS) : ASSAY_NO;
    const assay_buf stats = statistics_sum(b, "start.");
    std::vector<assay_arg> args = {{m.params, ASSAY_IN},  {m.shared, ASSAY_IN},
                                   {m.derived, ASSAY_IN}, {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                   {means, ASSAY_IN},     {stats, ASSAY_ADD}};
    if (linear_) {
      args.push_back({resp, ASSAY_OUT});
      if (from_ == From::kClusters) {
        const assay_buf R = b.local("start.products", ASSAY_ROWS);
        b.times(R, ASSAY_X, means);
        args.push_back({R, ASSAY_IN});
      }
    }
    b.template each<&Starter::first_labels, T>("start.labels", ASSAY_ROWS, args, 0,
                                               linear_ ? 0 : uint32_t{ASSAY_EACH_X});
    (void)maximise(b, m, products(b, stats, resp, "start."), "start.");
  }

  void one_step(const Builder& b,
                const Lines& state,
                const std::string& prefix,
                int32_t tag) const {
    Lines m = state;
    this->prepare(b, m, prefix);
    typename Mixture<T>::Wanted w;
    w.sums = b.sum((prefix + "sums").c_str(), 1, kSums);
    w.stats = statistics_sum(b, prefix);
    w.tag = tag;
    if (linear_) w.resp = b.local((prefix + "responsibilities").c_str(), ASSAY_ROWS);
    this->expect(b, m, w, prefix);
    (void)maximise(b, m, products(b, w.stats, w.resp, prefix), prefix);
  }

  struct Best {
    assay_buf value, weights, params, shared;
  };
  Best best(const Builder& b, const Lines& m) const {
    (void)m;
    const auto state = [&](const char* name, int64_t rows, int64_t width) {
      return b.buffer(name, ASSAY_ONE, ASSAY_STATE, rows, width, true);
    };
    return {state("start.best.value", 1, 2), state("start.best.weights", 1, k_),
            state("start.best.parameters", k_, facts_.params),
            state("start.best.shared", 1, std::max<int64_t>(1, facts_.shared))};
  }
  // The model, where it is better than what other starts gave.
  void keep_best(const Builder& b, const Lines& state) const {
    Lines m = state;
    this->prepare(b, m, "tried.");
    typename Mixture<T>::Wanted w;
    w.sums = b.sum("tried.sums", 1, kSums);
    this->expect(b, m, w, "tried.");
    const assay_buf value = objective(b, m, w.sums, linear_, "tried.").objective;
    const Best kept = best(b, m);
    b.template each<&Starter::compare, T>("tried.compare", ASSAY_ONE,
                                          {{value, ASSAY_IN},
                                           {m.weights, ASSAY_IN},
                                           {m.params, ASSAY_IN},
                                           {m.shared, ASSAY_IN},
                                           {kept.value, ASSAY_INOUT},
                                           {kept.weights, ASSAY_INOUT},
                                           {kept.params, ASSAY_INOUT},
                                           {kept.shared, ASSAY_INOUT}});
  }
  void take_best(const Builder& b, const Lines& m) const {
    const Best kept = best(b, m);
    b.template each<&Starter::copy_model, T>("best.take", ASSAY_ONE,
                                             {{kept.weights, ASSAY_IN},
                                              {kept.params, ASSAY_IN},
                                              {kept.shared, ASSAY_IN},
                                              {m.weights, ASSAY_OUT},
                                              {m.params, ASSAY_OUT},
                                              {m.shared, ASSAY_OUT},
                                              {kept.value, ASSAY_IN}});
  }

 public:
  // {H of all starts, means}
  void pick_start(const Block& b) const {
    const Matrix from = b.matrix(0), to = b.matrix(1);
    const int64_t first = from.cols() > k_ ? b.turn() * k_ : 0;
    for (int64_t j = 0; j < b.count(); ++j)
      for (int64_t c = 0; c < k_; ++c) to(j, c) = from(j, first + c);
  }
  // {value, weights, params, shared, best value and whether there is one, ...}
  void compare(const Block& b) const {
    const Matrix known = b.matrix(4);
    if (known(0, 1) > 0 && !(b.number(0) < known(0, 0))) return;
    known(0, 0) = b.number(0);
    known(0, 1) = static_cast<double>(b.turn() + 1);
    for (int32_t i = 1; i <= 3; ++i) copy(b.matrix(i), b.matrix(4 + i));
  }
  // {best weights, params, shared, weights, params, shared, best value and its start from 1}
  void copy_model(const Block& b) const {
    for (int32_t i = 0; i < 3; ++i) copy(b.matrix(i), b.matrix(3 + i));
    const Matrix best = b.matrix(6);
    b.call().log(std::to_string(restarts_) + " starts of " + std::to_string(restart_steps_) +
                 " steps each: start " + std::to_string(static_cast<int64_t>(best(0, 1))) +
                 " goes on, F = " + std::to_string(best(0, 0)));
  }
  // {H, centre, spread, params, shared, weights, weights of columns, equal}
  void write_start(const Block& b) const {
    const Matrix H = b.matrix(0), centre = b.matrix(1), spread = b.matrix(2), weights = b.matrix(5);
    check_columns(b.matrix(6));
    b.number(7) = this->equal_ ? 1 : 0;
    const auto means = b.call().scratch<double>(k_ * d_);
    for (int64_t c = 0; c < k_; ++c) {
      weights(0, c) = 1 / static_cast<double>(k_);
      for (int64_t j = 0; j < d_; ++j)
        means[static_cast<size_t>(c * d_ + j)] = from_ == From::kRandom ? centre(0, j) : H(j, c);
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
    if (linear_ && from_ == From::kClusters) half_squares(H, half);
    typename Mixture<T>::Rows rows(*this, b);
    for (int64_t first = 0; first < b.count(); first += ASSAY_DENSITY_ROWS) {
      const int64_t n = std::min<int64_t>(ASSAY_DENSITY_ROWS, b.count() - first);
      const assay_density_rows* x = linear_ ? nullptr : &rows.take(first, n);
      for (int64_t i = 0; i < n; ++i) {
        if (from_ == From::kRandom) {
          draw(b.turn(), b.index(first + i), near);
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
      if (linear_) this->put(b.matrix(6), first, n, r.data());
      this->add(b, x, m, r.data(), n, 5);
    }
  }

 private:
  static void check_columns(const Matrix& weights) {
    for (int64_t j = 0; j < weights.rows(); ++j)
      if (weights(j, 0) != 1)
        throw Failure(ASSAY_E_COMBINATION, "columns of a mixture weigh alike: a row counts whole")
            .help("leave `data.weights.column_path` out, or scale the columns with a transform");
  }
  static void copy(const Matrix& from, const Matrix& to) {
    for (int64_t i = 0; i < from.rows(); ++i)
      for (int64_t j = 0; j < from.cols(); ++j) to(i, j) = from(i, j);
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
  void draw(int64_t turn, int64_t row, std::span<double> r) const {
    rng_->uniform(rng_->split(stream_, static_cast<uint64_t>(turn)),
                  static_cast<uint64_t>(row * k_), k_, r.data());
    double sum = 0;
    for (double& v : r) sum += v = -std::log(v);
    for (double& v : r) v /= sum;
  }

  From from_ = From::kClusters;
  int64_t restarts_ = 1, restart_steps_ = 0;
  uint64_t stream_;
  const assay_rng* rng_;
};

// Options of every solver that starts so, and what of data it takes.
inline constexpr const char* kStarts[] = {"clusters", "random", "means", nullptr};
inline constexpr assay_option kStartOption =
    enum_option("start",
                "clusters: each row to the nearest row of H; random: responsibilities from a flat "
                "Dirichlet law; means: H with the variances of all data",
                "clusters",
                kStarts);
inline constexpr assay_option kRestartsOption =
    integer_option("restarts",
                   "starts tried, of which the best goes on; of `clusters` and `means` each by the "
                   "init in a stream of its own",
                   1,
                   1,
                   1000);
inline constexpr assay_option kEqualWeightsOption =
    bool_option("equal_weights", "components keep equal weights", false);
inline constexpr assay_option kResponsibilitiesOption =
    bool_option("responsibilities", "keep them as an array of the result, n x k", false);
inline constexpr uint32_t kTakes =
    ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK | ASSAY_TAKES_LINE_WEIGHTS | ASSAY_TAKES_UNOBSERVED;

}  // namespace em
