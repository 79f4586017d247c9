// SPDX-License-Identifier: Apache-2.0
// Activations of an autoencoder's layers: values in place, and derivatives from the values.
#pragma once

#include <assay/plugin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

namespace assay::autoencoder {

enum class Activation { kIdentity, kRelu, kTanh, kSigmoid, kSoftplus };

inline Activation activation_of(const std::string& name) {
  if (name == "relu") return Activation::kRelu;
  if (name == "tanh") return Activation::kTanh;
  if (name == "sigmoid") return Activation::kSigmoid;
  if (name == "softplus") return Activation::kSoftplus;
  return Activation::kIdentity;
}

// z = f(z), n of them.
inline void activate(Activation f, const assay_math& math, int64_t n, double* z) {
  switch (f) {
    case Activation::kIdentity:
      return;
    case Activation::kRelu:
      for (int64_t i = 0; i < n; ++i) z[i] = std::max(z[i], 0.0);
      return;
    case Activation::kTanh:  // 1 - 2 / (e^2z + 1)
      for (int64_t i = 0; i < n; ++i) z[i] = 2 * std::clamp(z[i], -20.0, 20.0);
      math.expm1(n, z, z);
      for (int64_t i = 0; i < n; ++i) z[i] = z[i] / (z[i] + 2);
      return;
    case Activation::kSigmoid:
      for (int64_t i = 0; i < n; ++i) z[i] = -std::max(z[i], -700.0);
      math.exp(n, z, z);
      for (int64_t i = 0; i < n; ++i) z[i] = 1 / (1 + z[i]);
      return;
    case Activation::kSoftplus:  // log(1 + e^z); beyond 40 that is z to the last bit
      constexpr int64_t kChunk = 64;
      double t[kChunk];
      for (int64_t first = 0; first < n; first += kChunk) {
        const int64_t count = std::min(kChunk, n - first);
        double* at = z + first;
        for (int64_t i = 0; i < count; ++i) t[i] = -std::abs(at[i]);
        math.exp(count, t, t);
        math.log1p(count, t, t);
        for (int64_t i = 0; i < count; ++i) at[i] = std::max(at[i], 0.0) + t[i];
      }
  }
}

// d *= f'(z), a = f(z).
inline void chain(Activation f, const assay_math& math, int64_t n, const double* a, double* d) {
  switch (f) {
    case Activation::kIdentity:
      return;
    case Activation::kRelu:
      for (int64_t i = 0; i < n; ++i) d[i] = a[i] > 0 ? d[i] : 0.0;
      return;
    case Activation::kTanh:
      for (int64_t i = 0; i < n; ++i) d[i] *= 1 - a[i] * a[i];
      return;
    case Activation::kSigmoid:
      for (int64_t i = 0; i < n; ++i) d[i] *= a[i] * (1 - a[i]);
      return;
    case Activation::kSoftplus:  // f' = 1 - e^-f
      constexpr int64_t kChunk = 64;
      double t[kChunk];
      for (int64_t first = 0; first < n; first += kChunk) {
        const int64_t count = std::min(kChunk, n - first);
        for (int64_t i = 0; i < count; ++i) t[i] = -a[first + i];
        math.expm1(count, t, t);
        for (int64_t i = 0; i < count; ++i) d[first + i] *= -t[i];
      }
  }
}

}  // namespace assay::autoencoder
