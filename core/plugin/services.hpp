// SPDX-License-Identifier: Apache-2.0
// The service tables behind host()->service(id), one file each where they are implemented here.
#pragma once

#include "assay/density.h"

namespace assay::plugin {

const assay_math* math_service();  // SLEEF, in core/kernels
const assay_la* la_service();      // LAPACK, in core/kernels
const assay_rng* rng_service();    // philox.cpp
const assay_penalty_calls*
penalty_service();                       // penalty_calls.cpp: the penalties of the call's context
const assay_files* files_service();      // files.cpp
const assay_tile* tile_service();        // model_calls.cpp: X and the loss of the call's context
const assay_loss_calls* loss_service();  // model_calls.cpp
const assay_density_calls* density_service();  // density.cpp: the density of the call's context

}  // namespace assay::plugin
