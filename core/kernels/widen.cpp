// SPDX-License-Identifier: Apache-2.0
// Picks the widening table of the instruction set in use.
#include "core/kernels/widen.hpp"

#include "core/kernels/kernels.hpp"

namespace assay::kernels {

#define ASSAY_WIDEN_TABLES(ns)          \
  namespace ns {                        \
  extern const Widen<double> widen_f64; \
  extern const Widen<float> widen_f32;  \
  }
ASSAY_WIDEN_TABLES(isa_baseline)
#if ASSAY_HAVE_X86
ASSAY_WIDEN_TABLES(isa_avx2)
ASSAY_WIDEN_TABLES(isa_avx512)
#endif
#undef ASSAY_WIDEN_TABLES

namespace {

struct Tables {
  const Widen<double>* f64;
  const Widen<float>* f32;
};

Tables tables_in_use() {
  const auto isa = isa_from_environment();
  const Isa level = isa ? *isa : Isa::kBaseline;
#if ASSAY_HAVE_X86
  if (level == Isa::kAvx512) return {&isa_avx512::widen_f64, &isa_avx512::widen_f32};
  if (level == Isa::kAvx2) return {&isa_avx2::widen_f64, &isa_avx2::widen_f32};
#endif
  static_cast<void>(level);
  return {&isa_baseline::widen_f64, &isa_baseline::widen_f32};
}

const Tables& tables() {
  static const Tables in_use = tables_in_use();
  return in_use;
}

}  // namespace

template <>
const Widen<double>& widen<double>() {
  return *tables().f64;
}
template <>
const Widen<float>& widen<float>() {
  return *tables().f32;
}

}  // namespace assay::kernels
