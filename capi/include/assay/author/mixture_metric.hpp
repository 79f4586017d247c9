// SPDX-License-Identifier: Apache-2.0
// A metric that is a function of the E-step's sums over rows: log-likelihood, information criteria, entropy.
#ifndef ASSAY_AUTHOR_MIXTURE_METRIC_HPP
#define ASSAY_AUTHOR_MIXTURE_METRIC_HPP

#include "mixture.hpp"

namespace assay::author {

// T has double value(const double *sums, double parameters) const; sums: kSums numbers of mixture.hpp; parameters: how many
// numbers of the model are free to move, the density's and weights that sum to 1.
template <class T>
class MixtureMetric : public Mixture<T> {
 public:
  using Mixture<T>::Mixture;

  void build(const Builder &b, int32_t purpose) const {
    if (purpose == ASSAY_MEASURE) sums_over_rows(b);
  }

  // {sums, equal weights, value}
  void write_value(const Block &b) const {
    const double weights = b.number(1) > 0 ? 0 : static_cast<double>(this->k_ - 1);
    b.number(2) = static_cast<const T *>(this)->value(b.matrix(0).row(0).data(),
                                                      this->facts_.free_parameters + weights);
  }

 protected:
  void sums_over_rows(const Builder &b) const {
    auto m = this->state(b);
    this->prepare(b, m, "metric.");
    typename Mixture<T>::Wanted w;
    w.sums = b.sum("metric.sums", 1, kSums);
    w.base = this->linear_;
    this->expect(b, m, w, "metric.");
    const assay_buf value = b.small("metric.value", 1, 1);
    b.each<&MixtureMetric::write_value, T>(
        "metric.value", ASSAY_ONE, {{w.sums, ASSAY_IN}, {m.equal, ASSAY_IN}, {value, ASSAY_OUT}});
    b.report("value", value);
  }
};

}  // namespace assay::author

#endif
