// SPDX-License-Identifier: Apache-2.0
// What the machine can do at most with these instructions: multiply-adds in registers, and a sum
// read from memory.
#include "core/kernels/isa/vector.hpp"

namespace assay::kernels::ASSAY_ISA_NS {

// 12 independent chains hide the latency of the multiply-add (4 cycles, two per cycle) and fit 16
// registers.
constexpr int kChains = 12;

double multiply_adds(int64_t rounds, double start, int64_t* flops) {
  using V = Vec<double>;
  V chain[kChains];
  const V factor = splat<double>(0.999), addend = splat<double>(1e-3);
  for (int c = 0; c < kChains; ++c) chain[c] = splat<double>(start + c);
  for (int64_t r = 0; r < rounds; ++r) {
    ASSAY_UNROLL
    for (int c = 0; c < kChains; ++c) chain[c] = chain[c] * factor + addend;
  }
  V sum = chain[0];
  for (int c = 1; c < kChains; ++c) sum += chain[c];
  *flops = rounds * kChains * kLanes<double> * 2;
  return sum[0];
}

double read_sum(const double* x, int64_t n) {
  using V = Vec<double>;
  constexpr int kRun = 8;
  V part[kRun];
  for (int c = 0; c < kRun; ++c) part[c] = splat<double>(0);
  const int64_t step = kRun * kLanes<double>;
  for (int64_t i = 0; i + step <= n; i += step) {
    ASSAY_UNROLL
    for (int c = 0; c < kRun; ++c) part[c] += load<double>(x + i + c * kLanes<double>);
  }
  double sum = 0;
  for (int c = 0; c < kRun; ++c) {
    for (int l = 0; l < kLanes<double>; ++l) sum += part[c][l];
  }
  return sum;
}

}  // namespace assay::kernels::ASSAY_ISA_NS
