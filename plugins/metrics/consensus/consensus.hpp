// SPDX-License-Identifier: Apache-2.0
// The consensus matrix of a set of fits (Monti et al. 2003, Brunet et al. 2004). A fit assigns row
// i of X (column j for H) to the component that explains most of it: argmax over a of W_ia times
// the sum of row a of H, which does not change when a component's scale moves from W to H. C_ij is
// the share of the fits that put i and j together.
#pragma once

#include <assay/plugin.h>

#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>
#include <string>
#include <vector>

namespace consensus {

using assay::author::Failure;

// More objects than this have no place for their consensus matrix (512 MiB of numbers).
inline constexpr int64_t kMostObjects = 8192;

inline double entry(const assay_dense& v, int64_t i, int64_t j) {
  const int64_t at = i * v.row_stride + j * v.col_stride;
  return v.dtype == ASSAY_F32 ? static_cast<double>(static_cast<const float*>(v.data)[at])
                              : static_cast<const double*>(v.data)[at];
}

inline const assay_dense& array(const assay_results& results, const std::string& name) {
  for (int64_t a = 0; a < results.n_arrays; ++a)
    if (name == results.arrays[a].name) return results.arrays[a].view;
  throw Failure(ASSAY_E_NOT_FOUND, "the model has no array `" + name + "`");
}

// Total weight of each component in the other factor.
inline std::vector<double> scales(const assay_dense& other, bool by_rows) {
  std::vector<double> sums(static_cast<size_t>(by_rows ? other.rows : other.cols), 0.0);
  for (int64_t i = 0; i < other.rows; ++i)
    for (int64_t j = 0; j < other.cols; ++j)
      sums[static_cast<size_t>(by_rows ? i : j)] += std::abs(entry(other, i, j));
  return sums;
}

// Component of each row (side 0) or column (side 1) of X.
inline std::vector<int64_t> assignment(const assay_results& results, int32_t side) {
  const bool of_rows = side == 0;
  const assay_dense& own = array(results, of_rows ? "W" : "H");
  const std::vector<double> scale = scales(array(results, of_rows ? "H" : "W"), of_rows);
  const int64_t objects = of_rows ? own.rows : own.cols;
  std::vector<int64_t> out(static_cast<size_t>(objects), 0);
  for (int64_t i = 0; i < objects; ++i) {
    double best = -1;
    for (size_t a = 0; a < scale.size(); ++a) {
      const auto c = static_cast<int64_t>(a);
      const double share = scale[a] * std::abs(of_rows ? entry(own, i, c) : entry(own, c, i));
      if (share <= best) continue;
      best = share;
      out[static_cast<size_t>(i)] = c;
    }
  }
  return out;
}

// Row-major, objects x objects, ones on the diagonal.
struct Matrix {
  int64_t size = 0;
  std::vector<double> values;
  double& operator()(int64_t i, int64_t j) { return values[static_cast<size_t>(i * size + j)]; }
  double operator()(int64_t i, int64_t j) const {
    return values[static_cast<size_t>(i * size + j)];
  }
};

inline Matrix of(const assay_trials& trials) {
  Matrix c;
  for (int64_t t = 0; t < trials.n_trials; ++t) {
    const std::vector<int64_t> cluster = assignment(*trials.results[t], trials.side);
    if (t == 0) {
      c.size = static_cast<int64_t>(cluster.size());
      if (c.size > kMostObjects)
        throw Failure(ASSAY_E_RESOURCE,
                      "a consensus matrix of " + std::to_string(c.size) + " objects is too large")
            .help("the largest is " + std::to_string(kMostObjects) +
                  "; name the other factor, or read part of the rows");
      c.values.assign(static_cast<size_t>(c.size * c.size), 0.0);
    }
    for (int64_t i = 0; i < c.size; ++i)
      for (int64_t j = 0; j < c.size; ++j)
        c(i, j) += cluster[static_cast<size_t>(i)] == cluster[static_cast<size_t>(j)] ? 1 : 0;
  }
  for (double& v : c.values) v /= static_cast<double>(trials.n_trials);
  return c;
}

}  // namespace consensus
