// SPDX-License-Identifier: Apache-2.0
// What this build is: the version of CMakeLists.txt, and with the commit it was made from.
#pragma once

namespace assay {

const char* version();   // "0.1.0"
const char* build_id();  // "0.1.0+19d22dcb3d1c"

}  // namespace assay
