// SPDX-License-Identifier: Apache-2.0
// Gamma and Poisson variates from the draws of one stream.
#pragma once

#include <assay/plugin.h>

#include <cmath>

namespace synthetic {

class Draws {
 public:
  Draws(const assay_rng& rng, uint64_t stream) : rng_(rng), stream_(stream) {}

  // Marsaglia and Tsang 2000; shape below 1 through shape + 1.
  double gamma(double shape) {
    if (shape < 1) {
      const double g = gamma(shape + 1);
      return g * std::pow(uniform(), 1 / shape);
    }
    const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
    for (;;) {
      const double z = normal(), v = std::pow(1 + c * z, 3);
      if (v > 0 && std::log(uniform()) < 0.5 * z * z + d - d * v + d * std::log(v)) return d * v;
    }
  }

  // Inversion below 10; above it the transformed rejection PTRS (Hoermann 1993).
  double poisson(double mean) {
    if (!(mean > 0)) return 0;
    if (mean < 10) return inverted(mean);
    const double b = 0.931 + 2.53 * std::sqrt(mean), a = -0.059 + 0.02483 * b;
    const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
      const double u = uniform() - 0.5, v = uniform(), us = 0.5 - std::fabs(u);
      const double k = std::floor((2 * a / us + b) * u + mean + 0.43);
      if (us >= 0.07 && v <= v_r) return k;
      if (k < 0 || (us < 0.013 && v > us)) continue;
      if (std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b) <=
          k * std::log(mean) - mean - std::lgamma(k + 1))
        return k;
    }
  }

 private:
  double inverted(double mean) {
    const double u = uniform();
    double p = std::exp(-mean), sum = p, k = 0;
    while (u > sum && k < 200) {
      k += 1;
      p *= mean / k;
      sum += p;
    }
    return k;
  }
  double uniform() {
    double u = 0;
    rng_.uniform(stream_, 2 * next_++, 1, &u);
    return u;
  }
  double normal() {
    double z = 0;
    rng_.normal(stream_, 2 * next_++ + 1, 1, &z);
    return z;
  }

  const assay_rng& rng_;
  uint64_t stream_, next_ = 0;
};

}  // namespace synthetic
