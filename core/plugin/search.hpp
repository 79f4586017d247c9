// SPDX-License-Identifier: Apache-2.0
// Where modules are looked for, and which folders and files are not trusted.
#pragma once

#include <string>
#include <vector>

#include "core/base/expected.hpp"

namespace assay::plugin {

// Absolute components of ASSAY_PLUGIN_PATH; none when the process runs with raised rights.
std::vector<std::string> folders_of_environment();
// assay/plugins beside the real path of the library or tool this code is in; empty when there is
// none.
std::string builtin_folder();
// The real path of a folder or file; refuses what is missing and what anybody may write to.
Expected<std::string> checked_folder(const std::string& path);
Expected<std::string> checked_file(const std::string& path);

}  // namespace assay::plugin
