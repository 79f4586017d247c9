// SPDX-License-Identifier: Apache-2.0
// Span mathematics on SLEEF (1.0 ulp), the table behind the service "assay.math/1". Dispatches on the ISA; a span gives the
// same bits however it is cut (tails use the same vector code).
#pragma once

#include "assay/plugin.h"
#include "core/kernels/kernels.hpp"

namespace assay::kernels {

const assay_math* math_table(Isa isa);

}  // namespace assay::kernels
