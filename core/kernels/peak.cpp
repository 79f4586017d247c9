// SPDX-License-Identifier: Apache-2.0
// The peak loops of the chosen instruction set.
#include "core/kernels/peak.hpp"

namespace assay::kernels {

#define ASSAY_DECLARE_PEAK(ns)                                        \
  namespace ns {                                                      \
  double multiply_adds(int64_t rounds, double start, int64_t* flops); \
  double read_sum(const double* x, int64_t n);                        \
  }
ASSAY_DECLARE_PEAK(isa_baseline)
#if ASSAY_HAVE_X86
ASSAY_DECLARE_PEAK(isa_avx2)
ASSAY_DECLARE_PEAK(isa_avx512)
#endif

double multiply_adds(Isa isa, int64_t rounds, double start, int64_t* flops) {
#if ASSAY_HAVE_X86
  if (isa == Isa::kAvx512) return isa_avx512::multiply_adds(rounds, start, flops);
  if (isa == Isa::kAvx2) return isa_avx2::multiply_adds(rounds, start, flops);
#endif
  static_cast<void>(isa);
  return isa_baseline::multiply_adds(rounds, start, flops);
}

double read_sum(Isa isa, const double* x, int64_t n) {
#if ASSAY_HAVE_X86
  if (isa == Isa::kAvx512) return isa_avx512::read_sum(x, n);
  if (isa == Isa::kAvx2) return isa_avx2::read_sum(x, n);
#endif
  static_cast<void>(isa);
  return isa_baseline::read_sum(x, n);
}

}  // namespace assay::kernels
