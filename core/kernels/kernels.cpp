// SPDX-License-Identifier: Apache-2.0
// Which instruction set this machine has, and the tables of each.
#include "core/kernels/kernels.hpp"

#include <cstdlib>
#include <initializer_list>

#include "core/kernels/distances.hpp"
#include "core/kernels/math.hpp"
#include "core/kernels/some_rows.hpp"

namespace assay::kernels {

// Defined once per instruction set in core/kernels/isa.
#define ASSAY_DECLARE_ISA(ns)               \
  namespace ns {                            \
  extern const Kernels<double> kernels_f64; \
  extern const Kernels<float> kernels_f32;  \
  extern const assay_math math;             \
  template <class T>                        \
  void some_rows_product(int64_t,           \
                         const int64_t*,    \
                         int64_t,           \
                         const T*,          \
                         int64_t,           \
                         const T*,          \
                         int64_t,           \
                         int64_t,           \
                         T*,                \
                         int64_t);          \
  template <class T>                        \
  void distances_of(int64_t,                \
                    const int64_t*,         \
                    const int32_t*,         \
                    int64_t,                \
                    const T*,               \
                    int64_t,                \
                    const double*,          \
                    int64_t,                \
                    const double*,          \
                    double*);               \
  void narrow_distances_of(int64_t,         \
                           const int64_t*,  \
                           const int32_t*,  \
                           int64_t,         \
                           const float*,    \
                           int64_t,         \
                           const float*,    \
                           int64_t,         \
                           double*);        \
  template <class T>                        \
  int64_t dense_scratch(int64_t k);         \
  template <class T>                        \
  int64_t sparse_scratch(int64_t k);        \
  }
ASSAY_DECLARE_ISA(isa_baseline)
#if ASSAY_HAVE_X86
ASSAY_DECLARE_ISA(isa_avx2)
ASSAY_DECLARE_ISA(isa_avx512)
#endif

template <>
const Kernels<double>& table<double>(Isa isa) {
#if ASSAY_HAVE_X86
  if (isa == Isa::kAvx512) return isa_avx512::kernels_f64;
  if (isa == Isa::kAvx2) return isa_avx2::kernels_f64;
#endif
  static_cast<void>(isa);
  return isa_baseline::kernels_f64;
}

template <>
const Kernels<float>& table<float>(Isa isa) {
#if ASSAY_HAVE_X86
  if (isa == Isa::kAvx512) return isa_avx512::kernels_f32;
  if (isa == Isa::kAvx2) return isa_avx2::kernels_f32;
#endif
  static_cast<void>(isa);
  return isa_baseline::kernels_f32;
}

template <class T>
SomeRows<T> some_rows(Isa isa) {
#if ASSAY_HAVE_X86
  if (isa == Isa::kAvx512) return isa_avx512::some_rows_product<T>;
  if (isa == Isa::kAvx2) return isa_avx2::some_rows_product<T>;
#endif
  static_cast<void>(isa);
  return isa_baseline::some_rows_product<T>;
}
template SomeRows<double> some_rows<double>(Isa);
template SomeRows<float> some_rows<float>(Isa);

template <class T>
Distances<T> distances(Isa isa) {
#if ASSAY_HAVE_X86
  if (isa == Isa::kAvx512) return isa_avx512::distances_of<T>;
  if (isa == Isa::kAvx2) return isa_avx2::distances_of<T>;
#endif
  static_cast<void>(isa);
  return isa_baseline::distances_of<T>;
}
template Distances<double> distances<double>(Isa);
template Distances<float> distances<float>(Isa);

NarrowDistances narrow_distances(Isa isa) {
#if ASSAY_HAVE_X86
  if (isa == Isa::kAvx512) return isa_avx512::narrow_distances_of;
  if (isa == Isa::kAvx2) return isa_avx2::narrow_distances_of;
#endif
  static_cast<void>(isa);
  return isa_baseline::narrow_distances_of;
}

const assay_math* math_table(Isa isa) {
#if ASSAY_HAVE_X86
  if (isa == Isa::kAvx512) return &isa_avx512::math;
  if (isa == Isa::kAvx2) return &isa_avx2::math;
#endif
  static_cast<void>(isa);
  return &isa_baseline::math;
}

// Sizes are the same for every set.
template <class T>
int64_t terms_scratch(int64_t k) {
  return isa_baseline::dense_scratch<T>(k);
}
template <class T>
int64_t sparse_scratch(int64_t k, int64_t /*longest_line*/) {
  return isa_baseline::sparse_scratch<T>(k);
}
template int64_t terms_scratch<double>(int64_t);
template int64_t terms_scratch<float>(int64_t);
template int64_t sparse_scratch<double>(int64_t, int64_t);
template int64_t sparse_scratch<float>(int64_t, int64_t);

Isa best_isa() {
#if ASSAY_HAVE_X86
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
    return Isa::kAvx512;
  }
  if (avx2) return Isa::kAvx2;
#endif
  return Isa::kBaseline;
}

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx2:
      return "avx2";
    default:
      return "baseline";
  }
}

Expected<Isa> isa_from_name(const std::string& name) {
  const Isa best = best_isa();
  if (name == "auto" || name.empty()) return best;
  for (const Isa isa : {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512}) {
    if (name != isa_name(isa)) continue;
    if (isa > best) {
      return Error(ASSAY_E_ARGUMENT, "E0006", "this machine has no `" + name + "`")
          .with_found("the best it has is `" + std::string(isa_name(best)) + "`")
          .with_help("use `auto`, or `baseline`, which runs everywhere");
    }
    return isa;
  }
  return Error(ASSAY_E_ARGUMENT, "E0006", "unknown instruction set `" + name + "`")
      .with_expected("`auto`, `baseline`, `avx2` or `avx512`")
      .with_help("`auto` takes the best this machine has");
}

Expected<Isa> isa_from_environment() {
  const char* name = std::getenv("ASSAY_ISA");
  auto isa = isa_from_name(name == nullptr ? "auto" : name);
  if (!isa) isa.error().note.push_back("from the environment variable `ASSAY_ISA`");
  return isa;
}

}  // namespace assay::kernels
