// SPDX-License-Identifier: Apache-2.0
// The code of a variational autoencoder (Kingma and Welling 2014): q(z | x) = N(mu, diag(e^v)),
// drawn as z = mu + e^(v/2) eps, and KL(q | N(0, I)) = 1/2 sum (mu^2 + e^v - 1 - v). A row of the
// layer is [mu v].
#pragma once

#include <assay/plugin.h>

#include <cmath>
#include <cstdint>
#include <span>

namespace assay::autoencoder {

// z from [mu v], in which eps stands.
inline void draw_code(std::span<const double> mu_v, std::span<double> z) {
  const size_t h = z.size();
  for (size_t j = 0; j < h; ++j) z[j] = mu_v[j] + std::exp(0.5 * mu_v[h + j]) * z[j];
}

inline double divergence(std::span<const double> mu_v) {
  const size_t h = mu_v.size() / 2;
  double sum = 0;
  for (size_t j = 0; j < h; ++j) {
    const double mu = mu_v[j], v = mu_v[h + j];
    sum += mu * mu + std::expm1(v) - v;
  }
  return 0.5 * sum;
}

// The gradient by [mu v] of loss + beta KL, from the loss's by z.
inline void chain_code(double beta,
                       std::span<const double> mu_v,
                       const double* z,
                       const double* by_z,
                       std::span<double> out) {
  const size_t h = mu_v.size() / 2;
  for (size_t j = 0; j < h; ++j) {
    const double mu = mu_v[j], v = mu_v[h + j];
    out[j] = by_z[j] + beta * mu;
    out[h + j] = 0.5 * (by_z[j] * (z[j] - mu) + beta * std::expm1(v));
  }
}

}  // namespace assay::autoencoder
