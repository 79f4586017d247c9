// SPDX-License-Identifier: Apache-2.0
// Data through reader plugins: opened, mapped or pushed into storage, given their meaning, checked.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/data/data.hpp"
#include "core/data/observe.hpp"
#include "core/plugin/context.hpp"
#include "core/plugin/options.hpp"
#include "core/plugin/registry.hpp"

namespace assay::plugin {

// The keys of `data` that say what a file's entries mean; paths are resolved already.
struct LoadOptions {
  std::string label_column;          // handed to readers with an option of this name
  std::vector<std::string> columns;  // names, indices or ranges; empty: all
  std::string rows;                  // "0:1000"; empty: all
  std::string mask_path, weights_path, row_weights_path, col_weights_path;
  std::string unstored;  // "zero", "unobserved"; empty: what the reader says
  bool missing_nan = false;
  std::string compute;  // "f32": float64 entries that a reader pushes are kept as float32
  std::string row_names_path, col_names_path;  // one name a line
  std::vector<std::string> model_columns;  // of a fitted model: told to a reader that can use them
  bool for_model = false;    // rows for a fitted model: that columns are empty is no news
  bool to_be_split = false;  // whether entries are finite is asked of what the split leaves
  const LogSink* log = nullptr;
  const std::atomic<bool>* cancel = nullptr;
};

// X of `path` (empty for readers that need none) with names, masks, weights and identity. Errors
// carry the file, the place in it and the key of the spec ("data.path", "data.mask.path" ...).
Expected<data::Data> load(const Descriptor& reader,
                          const Options& options,
                          const std::string& path,
                          const LoadOptions& how);

// The same for data that are in memory already: selection, missing entries, mask, weights, checks,
// identity.
Expected<data::Data> give_meaning(data::Data raw, const LoadOptions& how);

// The reader that is surest of a file by its name's ending and its first bytes; nullptr when none
// is.
const Descriptor* find_reader(const Registry& registry, const std::string& path);

// Whether a reader claims the path: a folder by its flag, a file by its name's ending.
bool claims(const Descriptor& reader, const std::string& path);

// A matrix of numbers from a .npy, .npz or .csv file.
Expected<data::Matrix> load_matrix(const std::string& path);

// The type a run computes in: `compute` ("f64", "f32") when it is said, else by the entries.
int32_t compute_type(const data::Data& x, const std::string& compute);

}  // namespace assay::plugin
