// SPDX-License-Identifier: Apache-2.0
// Version and build id as the build system gave them.
#include "core/base/version.hpp"

namespace assay {

const char* version() { return ASSAY_VERSION; }
const char* build_id() { return ASSAY_BUILD_ID; }

}  // namespace assay
