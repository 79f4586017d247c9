// SPDX-License-Identifier: Apache-2.0
// The M-step as lines: statistics of the E-step to parameters, weights and the means in H.
#pragma once

#include <assay/author/mixture.hpp>
#include <string>
#include <vector>

namespace em {

using namespace assay::author;

template <class T>
class Maximiser : public Mixture<T> {
 public:
  using Lines = typename Mixture<T>::Lines;
  using Mixture<T>::Mixture;

 protected:
  using Mixture<T>::d_;
  using Mixture<T>::k_;
  using Mixture<T>::linear_;
  using Mixture<T>::facts_;
  using Mixture<T>::density_;
  using Mixture<T>::tile_;
  using Mixture<T>::squares;
  using Mixture<T>::model;

  // What the statistics lie in: FREE: stats; LINEAR: N, S and perhaps S2 on COLS.
  struct Statistics {
    assay_buf stats, S, S2;
  };

  assay_buf statistics_sum(const Builder& b, const std::string& prefix) const {
    return b.sum((prefix + "statistics").c_str(), k_, linear_ ? 1 : facts_.stats);
  }

  // LINEAR: X' r and X^2' r.
  Statistics products(const Builder& b,
                      assay_buf stats,
                      assay_buf resp,
                      const std::string& prefix) const {
    Statistics s{stats, ASSAY_NO, ASSAY_NO};
    if (!linear_) return s;
    s.S = b.local((prefix + "S").c_str(), ASSAY_COLS);
    b.times(s.S, ASSAY_X, resp);
    if (!squares()) return s;
    s.S2 = b.local((prefix + "S2").c_str(), ASSAY_COLS);
    b.times(s.S2, ASSAY_X, resp, ASSAY_SQUARE);
    return s;
  }

  // How many components are held away from being singular.
  assay_buf maximise(const Builder& b,
                     const Lines& m,
                     const Statistics& s,
                     const std::string& prefix) const {
    const assay_buf floored = b.small((prefix + "floored").c_str(), 1, 1);
    std::vector<assay_arg> args = {{m.params, ASSAY_INOUT},  {m.shared, ASSAY_INOUT},
                                   {m.weights, ASSAY_INOUT}, {m.derived, ASSAY_IN},
                                   {floored, ASSAY_OUT},     {s.stats, ASSAY_IN}};
    if (s.S != ASSAY_NO) args.push_back({s.S, ASSAY_IN});
    if (s.S2 != ASSAY_NO) args.push_back({s.S2, ASSAY_IN});
    b.template each<&Maximiser::write_parameters, T>((prefix + "maximise").c_str(), ASSAY_ONE,
                                                     args);
    return floored;
  }

  // H = the means of the components.
  void show_means(const Builder& b, const Lines& m, const std::string& prefix) const {
    const assay_buf means = b.small((prefix + "means").c_str(), k_, d_);
    b.template each<&Maximiser::take_means, T>(
        (prefix + "means").c_str(), ASSAY_ONE,
        {{m.params, ASSAY_IN}, {m.shared, ASSAY_IN}, {m.derived, ASSAY_IN}, {means, ASSAY_OUT}});
    b.template each<&Maximiser::write_means, T>((prefix + "H").c_str(), ASSAY_COLS,
                                                {{means, ASSAY_IN}, {b.factor(1), ASSAY_OUT}});
  }

  // F at what the E-step saw, before the parameters move, and minus the log prior in it.
  struct Value {
    assay_buf objective, penalty;
  };
  Value objective(const Builder& b,
                  const Lines& m,
                  assay_buf sums,
                  bool with_base,
                  const std::string& prefix) const {
    const Value value = {b.small((prefix + "value").c_str(), 1, 1),
                         b.small((prefix + "penalty").c_str(), 1, 1)};
    std::vector<assay_arg> args = {{sums, ASSAY_IN},
                                   {m.prior, ASSAY_IN},
                                   {value.objective, ASSAY_OUT},
                                   {value.penalty, ASSAY_OUT}};
    if (with_base) args.push_back({base(b), ASSAY_IN});
    b.template each<&Maximiser::write_objective, T>((prefix + "objective").c_str(), ASSAY_ONE,
                                                    args);
    return value;
  }
  void report(const Builder& b, const Value& value) const {
    b.report("objective", value.objective);
    b.report("penalty", value.penalty);
  }

  // The sum of base(x) over all rows.
  static assay_buf base(const Builder& b) {
    return b.buffer("base", ASSAY_ONE, ASSAY_STATE, 1, 1, true);
  }

  bool hard_ = false, equal_ = false;

 public:
  // {sums, prior, value, penalty, [base]}
  void write_objective(const Block& b) const {
    const Matrix sums = b.matrix(0);
    double likelihood = sums(0, hard_ ? kHard : kLogLikelihood);
    if (b.views() > 4) likelihood += b.number(4);
    b.number(2) = -likelihood - b.number(1);
    b.number(3) = 0 - b.number(1);
  }

  // {params, shared, weights, derived, floored, stats, [S], [S2]}
  void write_parameters(const Block& b) const {
    assay_ctx* ctx = b.call().ctx;
    assay_density_model m = model(b.view(0), b.view(1), b.view(3));
    const Matrix weights = b.matrix(2);
    assay_view stats = b.view(5);
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
    b.number(4) = floored;
  }
  // {params, shared, derived, means}
  void take_means(const Block& b) const {
    const assay_density_model m = model(b.view(0), b.view(1), b.view(2));
    assay_view means = b.view(3);
    Call::check(density_->moments(b.call().ctx, &m, &means, nullptr));
  }
  void write_means(const Block& b) const {
    const Matrix means = b.matrix(0), H = b.matrix(1);
    for (int64_t j = 0; j < b.count(); ++j)
      for (int64_t c = 0; c < k_; ++c) H(j, c) = means(c, b.first() + j);
  }

 private:
  // LINEAR: lines of N, sum r x, sum r x^2.
  assay_view join(const Block& b, std::vector<double>& out) const {
    const int64_t width = 1 + d_ * (squares() ? 2 : 1);
    const Matrix N = b.matrix(5), S = b.matrix(6);
    out.resize(static_cast<size_t>(k_ * width));
    for (int64_t c = 0; c < k_; ++c) {
      double* line = out.data() + c * width;
      line[0] = N(c, 0);
      for (int64_t j = 0; j < d_; ++j) {
        line[1 + j] = S(j, c);
        if (squares()) line[1 + d_ + j] = b.matrix(7)(j, c);
      }
    }
    return {out.data(), k_, width, width, 0, ASSAY_F64, 0};
  }
};

}  // namespace em
