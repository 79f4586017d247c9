// SPDX-License-Identifier: Apache-2.0
// Small dense algebra on row-major float64 (xtensor-blas over LAPACK), and the table behind the service "assay.la/1".
// OpenBLAS is set to one thread through its own call before the first use.
#pragma once

#include "assay/plugin.h"

namespace assay::kernels {

const assay_la* la_table();
// Name and version of the BLAS in use and its kernel, for environment.json.
const char* blas_name();

}  // namespace assay::kernels
