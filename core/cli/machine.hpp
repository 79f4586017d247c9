// SPDX-License-Identifier: Apache-2.0
// The machine's limits, measured: bytes per second from memory and multiply-adds per second, on a
// number of threads.
#pragma once

#include "core/kernels/kernels.hpp"

namespace assay::cli {

struct Machine {
  double bytes_per_second = 0;
  double flops_per_second = 0;
};

// Each the best of several passes within about `seconds`.
Machine measure_machine(kernels::Isa isa, int threads, double seconds);

}  // namespace assay::cli
