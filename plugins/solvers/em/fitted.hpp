// SPDX-License-Identifier: Apache-2.0
// What a fitted mixture is asked for, whoever fitted it: F, responsibilities and log-densities of
// rows, covariances.
#pragma once

#include "start.hpp"

namespace em {

template <class T>
class Fitted : public Starter<T> {
 public:
  using Lines = typename Mixture<T>::Lines;
  using Wanted = typename Mixture<T>::Wanted;
  Fitted(Call call, const assay_problem& p) : Starter<T>(call, p) {
    const Options o(call.host, p.options);
    keep_rows_ = o.flag("responsibilities");
    this->equal_ = o.flag("equal_weights");
    frozen_ = (p.factor_flags[1] & ASSAY_FACTOR_FROZEN) != 0;
  }

 protected:
  using Mixture<T>::linear_;
  using Mixture<T>::d_;
  using Mixture<T>::k_;
  using Mixture<T>::facts_;
  using Mixture<T>::density_;
  using Mixture<T>::model;
  using Mixture<T>::state;
  using Mixture<T>::prepare;
  using Mixture<T>::expect;
  using Maximiser<T>::objective;
  using Maximiser<T>::report;

  void measure(const Builder& b) const {
    Lines m = state(b);
    prepare(b, m, "");
    Wanted w;
    w.sums = b.sum("sums", 1, kSums);
    w.base = linear_;
    expect(b, m, w, "");
    report(b, objective(b, m, w.sums, false, ""));
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

  // Covariances of the components, where they are not too many numbers; mean and covariance of the
  // mixture; parameters under a name of the density's; responsibilities on wish.
  void finish(const Builder& b) const {
    constexpr int64_t kMost = int64_t{1} << 20;
    if (k_ * d_ * d_ <= kMost) {
      const Lines m = state(b);
      const assay_buf covariances =
          b.buffer("covariances", ASSAY_ONE, ASSAY_STATE, k_ * d_, d_, true, ASSAY_BUFFER_OUTPUT);
      const assay_buf derived = b.small("finish.derived", k_, std::max<int64_t>(1, facts_.derived));
      b.template each<&Fitted::write_covariances, T>("covariances", ASSAY_ONE,
                                                     {{m.params, ASSAY_IN},
                                                      {m.shared, ASSAY_IN},
                                                      {derived, ASSAY_OUT},
                                                      {covariances, ASSAY_OUT}});
    }
    write_moments(b);
    if (facts_.shown) {
      const assay_buf out = b.buffer(facts_.shown, ASSAY_ONE, ASSAY_STATE, k_, facts_.params, true,
                                     ASSAY_BUFFER_OUTPUT);
      b.template each<&Fitted::copy_parameters, T>(facts_.shown, ASSAY_ONE,
                                                   {{state(b).params, ASSAY_IN}, {out, ASSAY_OUT}});
    }
    if (!keep_rows_) return;
    const assay_buf out =
        b.buffer("responsibilities", ASSAY_ROWS, ASSAY_STATE, 0, 0, true, ASSAY_BUFFER_OUTPUT);
    b.template each<&Fitted::copy_rows, T>("responsibilities", ASSAY_ROWS,
                                           {{b.factor(0), ASSAY_IN}, {out, ASSAY_OUT}});
  }

  void write_moments(const Builder& b) const {
    constexpr int64_t kMost = int64_t{1} << 20, kMostAtOnce = int64_t{1} << 25;
    const Lines m = state(b);
    const auto result = [&](const char* name, int64_t rows) {
      return b.buffer(name, ASSAY_ONE, ASSAY_STATE, rows, d_, true, ASSAY_BUFFER_OUTPUT);
    };
    const assay_buf derived = b.small("moments.derived", k_, std::max<int64_t>(1, facts_.derived));
    std::vector<assay_arg> args = {{m.params, ASSAY_IN},
                                   {m.shared, ASSAY_IN},
                                   {derived, ASSAY_OUT},
                                   {m.weights, ASSAY_IN},
                                   {result("mixture_mean", 1), ASSAY_OUT}};
    if (d_ * d_ <= kMost && k_ * d_ * d_ <= kMostAtOnce)
      args.push_back({result("mixture_covariance", d_), ASSAY_OUT});
    b.template each<&Fitted::mix_moments, T>("mixture_moments", ASSAY_ONE, args);
  }

 public:
  // {params, shared, derived, weights, mean, [covariance]}: E x = sum pi mu; the covariance is
  // sum pi (C + (mu - E x)(mu - E x)'), in which nothing cancels.
  void mix_moments(const Block& b) const {
    assay_density_model m = model(b.view(0), b.view(1), b.view(2));
    Call::check(density_->prepare(b.call().ctx, 0, k_, &m));
    const Matrix weights = b.matrix(3), mean = b.matrix(4);
    const bool second = b.views() > 5;
    const auto means = b.call().template scratch<double>(k_ * d_);
    const auto C = b.call().template scratch<double>(second ? k_ * d_ * d_ : 1);
    assay_view to_means = {means.data(), k_, d_, d_, 0, ASSAY_F64, 0},
               to_C = {C.data(), k_ * d_, d_, d_, 0, ASSAY_F64, 0};
    Call::check(density_->moments(b.call().ctx, &m, &to_means, second ? &to_C : nullptr));
    for (int64_t j = 0; j < d_; ++j) mean(0, j) = 0;
    for (int64_t c = 0; c < k_; ++c)
      for (int64_t j = 0; j < d_; ++j) mean(0, j) += weights(0, c) * means[at(c, j)];
    for (int64_t i = 0; second && i < d_; ++i)
      for (int64_t j = 0; j < d_; ++j) {
        double sum = 0;
        for (int64_t c = 0; c < k_; ++c)
          sum += weights(0, c) * (C[at(c * d_ + i, j)] +
                                  (means[at(c, i)] - mean(0, i)) * (means[at(c, j)] - mean(0, j)));
        b.matrix(5)(i, j) = sum;
      }
  }
  void copy_rows(const Block& b) const {
    const Matrix from = b.matrix(0), to = b.matrix(1);
    for (int64_t i = 0; i < b.count(); ++i)
      for (int64_t c = 0; c < k_; ++c) to(i, c) = from(i, c);
  }

  void copy_parameters(const Block& b) const {
    const Matrix from = b.matrix(0), to = b.matrix(1);
    for (int64_t c = 0; c < k_; ++c)
      for (int64_t j = 0; j < facts_.params; ++j) to(c, j) = from(c, j);
  }

  // {params, shared, derived, covariances}
  void write_covariances(const Block& b) const {
    assay_density_model m = model(b.view(0), b.view(1), b.view(2));
    Call::check(density_->prepare(b.call().ctx, 0, k_, &m));
    assay_view covariances = b.view(3);
    Call::check(density_->moments(b.call().ctx, &m, nullptr, &covariances));
  }

 private:
  size_t at(int64_t row, int64_t col) const { return static_cast<size_t>(row * d_ + col); }

 protected:
  bool keep_rows_ = false, frozen_ = false;
};

}  // namespace em
