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

  void measure(const Builder& b) const {
    Lines m = state(b);
    prepare(b, m, "");
    Wanted w;
    w.sums = b.sum("sums", 1, kSums);
    w.base = linear_;
    expect(b, m, w, "");
    b.report("objective", objective(b, m, w.sums, false, ""));
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
      b.template each<&Fitted::write_covariances, T>("covariances", ASSAY_ONE,
                                                     {{m.params, ASSAY_IN},
                                                      {m.shared, ASSAY_IN},
                                                      {derived, ASSAY_OUT},
                                                      {covariances, ASSAY_OUT}});
    }
    if (!keep_rows_) return;
    const assay_buf out =
        b.buffer("responsibilities", ASSAY_ROWS, ASSAY_STATE, 0, 0, true, ASSAY_BUFFER_OUTPUT);
    b.template each<&Fitted::copy_rows, T>("responsibilities", ASSAY_ROWS,
                                           {{b.factor(0), ASSAY_IN}, {out, ASSAY_OUT}});
  }

 public:
  void copy_rows(const Block& b) const {
    const Matrix from = b.matrix(0), to = b.matrix(1);
    for (int64_t i = 0; i < b.count(); ++i)
      for (int64_t c = 0; c < k_; ++c) to(i, c) = from(i, c);
  }

  // {params, shared, derived, covariances}
  void write_covariances(const Block& b) const {
    assay_density_model m = model(b.view(0), b.view(1), b.view(2));
    Call::check(density_->prepare(b.call().ctx, 0, k_, &m));
    assay_view covariances = b.view(3);
    Call::check(density_->moments(b.call().ctx, &m, nullptr, &covariances));
  }

 protected:
  bool keep_rows_ = false, frozen_ = false;
};

}  // namespace em
