// SPDX-License-Identifier: Apache-2.0
// The call of a plugin's block function: what all blocks have in common, and the wall that no
// exception crosses.
#pragma once

#include "core/graph/tile.hpp"

namespace assay::graph {

// A block of `line` with these views of its arguments; its place is the caller's to set.
assay_block block_of(const Frame& frame, const Line& line, Worker& worker, const assay_view* views);

// The status of the line's function; what it throws is recorded with the worker.
int32_t call_function(const Frame& frame,
                      const Line& line,
                      Worker& worker,
                      const assay_block& block);

// Whether all entries of a float64 view are finite in the precision they are kept in.
bool all_finite(const assay_view& v, int32_t dtype);

// Records that the function left a value that is not finite.
int32_t not_finite(const Frame& frame, const Line& line, Worker& worker);

}  // namespace assay::graph
