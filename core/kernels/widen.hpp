// SPDX-License-Identifier: Apache-2.0
// Widening of stored entries to the type a run computes in, through the data view. One table per
// instruction set; all of them give the same bits, since no multiply-add is fused here: what an
// entry is does not depend on the machine.
//
// No header with inline functions may be included here: objects of every instruction set include
// this file.
#pragma once

#include <stdint.h>

namespace assay::kernels {

// x' = scale * table[x] + shift; nulls are the identity. `same`: scale and shift point to one
// number for all entries.
struct EntryView {
  const double* table;  // 256 entries, for uint8 storage only
  const double* scale;
  const double* shift;
  bool same;
};

template <class T>
struct Widen {
  // out[j] = x'[j] for n entries of dtype F64, F32, U8 or U16; scale and shift begin at the first
  // entry.
  void (*entries)(int32_t dtype, int64_t n, const void* x, const EntryView& view, T* out);
  // out[j] = 0 where bit first + j of words is clear (bit b % 64 of word b / 64).
  void (*hide)(int64_t n, const uint64_t* words, int64_t first, T* out);
};

// The table of the instruction set in use (ASSAY_ISA, or the best).
template <class T>
const Widen<T>& widen();

}  // namespace assay::kernels
