// SPDX-License-Identifier: Apache-2.0
// Whether data suit the density of a mixture.
#pragma once

#include "core/experiment/prepare.hpp"
#include "core/plugin/density.hpp"

namespace assay::experiment {

// E0310 for entries outside the density's domain; E0206 for entries missing where it takes none,
// and for weights other than those of rows.
Expected<void> check_family(const spec::Trial& trial,
                            const plugin::Density& density,
                            const data::Data& x,
                            const data::Facts& facts,
                            const Runtime& runtime);

}  // namespace assay::experiment
