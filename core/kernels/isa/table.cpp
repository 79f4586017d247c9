// SPDX-License-Identifier: Apache-2.0
// The tables of one instruction set.
#include "core/kernels/isa/isa.hpp"

namespace assay::kernels::ASSAY_ISA_NS {

#define ASSAY_TABLE(T)                                                                            \
  {                                                                                               \
    rows_product<T>, cols_product<T>, gram<T>, square<T>, square_bytes, add_row<T>, dot<T>, image<T>, terms_dense<T>, terms_sparse<T>, \
        sparse_rows_product<T>, sparse_cols_product<T>                                            \
  }
extern const Kernels<double> kernels_f64 = ASSAY_TABLE(double);
extern const Kernels<float> kernels_f32 = ASSAY_TABLE(float);

}  // namespace assay::kernels::ASSAY_ISA_NS
