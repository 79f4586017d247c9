// SPDX-License-Identifier: Apache-2.0
// What a denoising autoencoder does to its input (Vincent, Larochelle, Bengio and Manzagol 2008).
// An entry's noise is a function of (epoch, row, column) only.
#pragma once

#include <assay/plugin.h>

#include <cstdint>
#include <span>
#include <string>

namespace assay::autoencoder {

struct Noise {
  std::string kind = "none";
  double level = 0;             // gaussian: its deviation; else the share of entries
  double lowest = 0, most = 1;  // what salt and pepper are: the ends of X

  bool any() const { return kind != "none"; }
  bool is_share() const { return any() && kind != "gaussian"; }

  // A row of X in place; `scratch` is as long.
  void corrupt(const assay_rng& rng,
               uint64_t stream,
               int64_t row,
               std::span<double> x,
               std::span<double> scratch) const {
    const auto d = static_cast<int64_t>(x.size());
    const auto at = static_cast<uint64_t>(row * d);
    if (kind == "gaussian") {
      rng.normal(stream, at, d, scratch.data());
      for (size_t j = 0; j < x.size(); ++j) x[j] += level * scratch[j];
      return;
    }
    rng.uniform(stream, at, d, scratch.data());
    for (size_t j = 0; j < x.size(); ++j) {
      if (scratch[j] >= level) continue;
      x[j] = kind == "masking" ? 0.0 : scratch[j] < 0.5 * level ? lowest : most;
    }
  }
};

}  // namespace assay::autoencoder
