// SPDX-License-Identifier: Apache-2.0
// From codes to rows of X's shape, for pictures: the layers behind the code, H, and the mean that
// the loss sees in its model.
#pragma once

#include <assay/plugin.hpp>
#include <span>
#include <vector>

#include "settings.hpp"

namespace assay::autoencoder {

// Arguments of the block: {rows, H, codes, weights (and biases) of the layers behind the code}.
struct Decoder {
  const assay_la& la;
  const assay_math& math;
  const author::Block& b;
  const Settings& s;
  int32_t loss;  // its tag

  void run(std::span<const double> z) const {
    const author::Matrix out = b.matrix(0), H = b.matrix(1);
    const int64_t m = out.rows();
    std::vector<double> a(z.begin(), z.end());
    int32_t arg = 3;
    for (size_t l = s.code + 1; l < s.layers.size(); ++l) {
      const Layer& layer = s.layers[l];
      const author::Matrix weights = b.matrix(arg++);
      std::vector<double> next(static_cast<size_t>(m * layer.out));
      author::Call::check(la.gemm(0, 0, m, layer.out, layer.in, 1, a.data(), layer.in,
                                  weights.data(), weights.stride(), 0, next.data(), layer.out));
      if (s.bias) {
        const double* bias = b.matrix(arg++).data();
        for (int64_t i = 0; i < m * layer.out; ++i)
          next[static_cast<size_t>(i)] += bias[i % layer.out];
      }
      activate(layer.f, math, m * layer.out, next.data());
      a = std::move(next);
    }
    const int64_t width = s.layers[s.last()].out;
    author::Call::check(la.gemm(0, 1, m, out.cols(), width, 1, a.data(), width, H.data(),
                                H.stride(), 0, out.data(), out.stride()));
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; H.cols() > width && j < out.cols(); ++j) out(i, j) += H(j, width);
      mean(out.row(i));
    }
  }

 private:
  void mean(std::span<double> m) const {
    const auto n = static_cast<int64_t>(m.size());
    if (loss == ASSAY_TAG_LOGISTIC) activate(Activation::kSigmoid, math, n, m.data());
    if (loss == ASSAY_TAG_POISSON_LOG) math.exp(n, m.data(), m.data());
  }
};

}  // namespace assay::autoencoder
