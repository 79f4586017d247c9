// SPDX-License-Identifier: Apache-2.0
// model.npz: arrays anybody can open, and model.json, which says how they were made. Nothing in it
// depends on time, threads or place: equal results are equal files. Format 1 is read for ever.
#pragma once

#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/data/data.hpp"
#include "core/experiment/prepare.hpp"
#include "core/experiment/resolve.hpp"
#include "core/fit/fit.hpp"
#include "core/kernels/npy.hpp"

namespace assay::experiment {

// The array of weights of columns, d x 1.
inline constexpr const char* kColumnWeights = "data.column_weights";
// Before the name of what a solver keeps beside the factors: its STATE on COLS and ONE, with which a
// fit can go on over other rows.
inline constexpr const char* kState = "state.";
// Key of model.json: names of arrays a solver keeps on the rows, with which a fit of the same rows
// can go on.
inline constexpr const char* kRowArrays = "row_arrays";
// Arrays of the result that are state of the columns or of the whole: keys of model.json.
inline constexpr const char* kStateArrays = "state_arrays";

struct SavedModel {
  Json about;  // model.json
  // W n x k, H k x d, weights of columns where there are any, then what transforms learnt.
  std::vector<kernels::Member> arrays;
  const kernels::Member* find(const std::string& name) const;
};

// `trial_id` may be empty (an application's fit has none).
SavedModel save(const spec::Trial& trial,
                const std::string& trial_id,
                const graph::Model& model,
                const Prepared& data,
                const fit::Result& result,
                const plugin::Registry& registry);

Expected<void> write_model(const std::string& path, const SavedModel& model);
// E0301, E0306: no file, or no model of a format we know.
Expected<SavedModel> read_model(const std::string& path);

// A factor as users see it: W n x k, H k x d.
kernels::Member user_view(const graph::Buffer& factor, int side);
// And back into storage (long side first).
graph::Buffer storage_view(const kernels::Member& member, int side);

// A member as plugins see it; borrowed.
assay_dense view_of(const kernels::Member& member);

// Names of rows and columns, empty where there are none.
data::Names names_of(const SavedModel& model);

}  // namespace assay::experiment
