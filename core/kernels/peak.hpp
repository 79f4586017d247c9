// SPDX-License-Identifier: Apache-2.0
// Two loops whose speed is the machine's: `assay bench` compares plans with them.
#pragma once

#include <cstdint>

#include "core/kernels/kernels.hpp"

namespace assay::kernels {

// Multiply-adds on registers alone; *flops: how many operations that was (two each). The result
// depends on all of them.
double multiply_adds(Isa isa, int64_t rounds, double start, int64_t* flops);

// Reads n doubles once, in order; the last n % 64 are left out.
double read_sum(Isa isa, const double* x, int64_t n);

}  // namespace assay::kernels
