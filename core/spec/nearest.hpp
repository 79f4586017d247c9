// SPDX-License-Identifier: Apache-2.0
// The known name a mistyped one was probably meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace assay::spec {

// Insertions, deletions, substitutions and swaps of neighbours that turn a into b.
size_t edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `name`, or empty when none is near: at most a third of its letters, and
// at least one, differ.
std::string nearest(const std::string& name, const std::vector<std::string>& candidates);

// "`a`, `b`, `c`"; at most `limit` of them, then "and 3 more".
std::string quoted_list(const std::vector<std::string>& names, size_t limit = 12);

}  // namespace assay::spec
