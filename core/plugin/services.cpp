// SPDX-License-Identifier: Apache-2.0
// Services that core/kernels implements: span mathematics for the ISA in use and small dense
// algebra.
#include "core/plugin/services.hpp"

#include "core/kernels/kernels.hpp"
#include "core/kernels/linalg.hpp"
#include "core/kernels/math.hpp"

namespace assay::plugin {

const assay_math* math_service() {
  // A wrong ASSAY_ISA is refused by whoever starts a run; plugins created without one get the
  // machine's best.
  static const assay_math* const table = [] {
    const Expected<kernels::Isa> isa = kernels::isa_from_environment();
    return kernels::math_table(isa ? *isa : kernels::best_isa());
  }();
  return table;
}

const assay_la* la_service() { return kernels::la_table(); }

}  // namespace assay::plugin
