// SPDX-License-Identifier: Apache-2.0
// The compute kernels as tables of functions, one table per instruction set and element type, chosen at run time. All work
// on one tile, on the calling thread, without allocation; results depend on the ISA and the arguments only.
//
// Operands are "long side first" and padded: a factor block is rows x kp, kp a multiple of pad<T>() (64 bytes), columns
// k..kp-1 zero, rows 64-byte aligned. Sums that outlive a tile are double.
#pragma once

#include <cstdint>
#include <string>

#include "assay/plugin.h"
#include "core/base/expected.hpp"
#include "core/kernels/tiles.hpp"

namespace assay::kernels {

enum class Isa { kBaseline, kAvx2, kAvx512 };

template <class T>
constexpr int64_t pad() { return 64 / static_cast<int64_t>(sizeof(T)); }
template <class T>
constexpr int64_t padded(int64_t k) { return (k + pad<T>() - 1) / pad<T>() * pad<T>(); }

template <class T>
const Kernels<T>& table(Isa isa);

// Scratch elements a terms kernel needs.
template <class T>
int64_t terms_scratch(int64_t k);
template <class T>
int64_t sparse_scratch(int64_t k, int64_t longest_line);

// The best ISA of this machine; the one in use: ASSAY_ISA (baseline, avx2, avx512) or the best; and by name ("auto" = best).
Isa best_isa();
Expected<Isa> isa_from_environment();
Expected<Isa> isa_from_name(const std::string& name);
const char* isa_name(Isa isa);

}  // namespace assay::kernels
