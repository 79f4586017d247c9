// SPDX-License-Identifier: Apache-2.0
// Checkpoint: all a fit needs to go on with the same bits: FACTOR and STATE buffers, and what the
// loop remembers.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/expected.hpp"
#include "core/fit/stopping.hpp"
#include "core/fit/trace.hpp"
#include "core/graph/model.hpp"
#include "core/kernels/npy.hpp"

namespace assay::fit {

// Members of a .npz.
using Checkpoint = std::vector<kernels::Member>;

// Of a watched metric: the iterate it was best at.
struct Best {
  double value = kNotMeasured;
  int64_t iteration = -1, rows_since = 0;  // measured rows
  Checkpoint arrays;                       // factors and state
};

// What the loop remembers between steps.
struct Progress {
  int64_t iteration = 0;
  double seconds = 0;
  bool exact = false;                          // the loss is summed from residuals now
  StopMemory memory;
  Trace trace;
  Best best;
};

Checkpoint capture(const graph::Model& model, const Progress& progress);

// FACTOR and STATE buffers alone, and back into a model that has them, plans or not.
Checkpoint capture_arrays(const graph::Model& model);
Expected<void> restore_arrays(const Checkpoint& arrays, graph::Model& model);

// Into a model of the same shapes, before its plans are made; the columns of the trace must be the
// same.
Expected<void> restore(const Checkpoint& checkpoint, graph::Model& model, Progress& progress);

// A buffer as a member (rows without padding), and back into a buffer of the same shape.
kernels::Member to_member(const std::string& name, const graph::Buffer& buffer);
Expected<void> from_member(const kernels::Member& member, graph::Buffer& buffer);

}  // namespace assay::fit
