// SPDX-License-Identifier: Apache-2.0
// How weights follow their gradients: Adam (Kingma and Ba 2015) and stochastic gradient with
// momentum (Polyak 1964), and how the learning rate changes from epoch to epoch.
#pragma once

#include <assay/plugin.h>

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>

namespace assay::autoencoder {

// Numbers of one update, the same for all weights.
struct Update {
  double rate, per_row;       // learning rate; 1 / rows of the batch
  double mean_up, square_up;  // Adam: 1 / (1 - decay^t) of both averages
};

struct Optimiser {
  bool adam = true;
  double rate = 1e-3, momentum = 0.9, second = 0.999, epsilon = 1e-8;
  std::string schedule = "constant";
  double decay = 0.1;
  double period = 100;  // epochs

  double rate_at(double epoch) const {
    if (schedule == "cosine")
      return rate * 0.5 * (1 + std::cos(std::numbers::pi * std::min(1.0, epoch / period)));
    if (schedule == "step") return rate * std::pow(decay, std::floor(epoch / period));
    if (schedule == "exponential") return rate * std::pow(decay, epoch / period);
    return rate;
  }

  // The t-th update, from 1.
  Update at(double t, double epoch, double rows) const {
    return {rate_at(epoch), 1 / rows, 1 / (1 - std::pow(momentum, t)),
            1 / (1 - std::pow(second, t))};
  }
};

// m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  w <- w - rate m^ / (sqrt(v^) + epsilon)
ASSAY_SIMD inline void adam_row(int64_t n,
                                double b1,
                                double b2,
                                double epsilon,
                                const Update& u,
                                const double* __restrict g,
                                double* __restrict m,
                                double* __restrict v,
                                double* __restrict w) {
  for (int64_t j = 0; j < n; ++j) {
    const double mean = g[j] * u.per_row;
    m[j] = b1 * m[j] + (1 - b1) * mean;
    v[j] = b2 * v[j] + (1 - b2) * mean * mean;
    w[j] -= u.rate * (m[j] * u.mean_up) / (std::sqrt(v[j] * u.square_up) + epsilon);
  }
}

// m <- momentum m - rate g;  w <- w + m
ASSAY_SIMD inline void momentum_row(int64_t n,
                                    double momentum,
                                    const Update& u,
                                    const double* __restrict g,
                                    double* __restrict m,
                                    double* __restrict w) {
  for (int64_t j = 0; j < n; ++j) {
    m[j] = momentum * m[j] - u.rate * (g[j] * u.per_row);
    w[j] += m[j];
  }
}

}  // namespace assay::autoencoder
