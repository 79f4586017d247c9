// SPDX-License-Identifier: Apache-2.0
// A saved model on new data: transform (W of new rows, with H frozen) and reconstruct (W H,
// transforms undone).
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/fit/trace.hpp"
#include "core/kernels/npy.hpp"
#include "core/plugin/context.hpp"
#include "core/plugin/registry.hpp"

namespace assay::experiment {

struct ApplyOptions {
  std::string reader;  // id; empty: the reader of the training data if it takes the file, else by
                       // suffix and content
  std::string mask;    // file with what is observed of the data; empty: all
  int threads = 0;
  const std::atomic<bool>* cancel = nullptr;
  plugin::LogSink log;  // what readers and transforms have to say
};

struct Applied {
  int64_t rows = 0, cols = 0;  // of what was written
  fit::Stop stop = fit::Stop::kNone;
  int64_t iterations = 0;
  double objective = 0;  // of the new rows, H fixed
  std::string file;
  std::string units{};  // reconstruct: the transform without an inverse behind which numbers stay
};

// A matrix into a file: .npy, .npz or .csv, there with the names of its columns, if it has any.
Expected<void> write_array(const std::string& path,
                           const kernels::Member& m,
                           const std::vector<std::string>& col_names);

// W of the rows of `data_path` under the model in `model_path`, written to `out_path` (.npy, .npz
// or .csv).
Expected<Applied> transform(const std::string& model_path,
                            const std::string& data_path,
                            const std::string& out_path,
                            std::shared_ptr<plugin::Registry> registry,
                            const ApplyOptions& options);

// Goes on fitting the model in `model_path` over the rows of `data_path`; the new model to
// `out_path` (.npz). steps 0: the model's own stop tests.
Expected<Applied> partial_fit(const std::string& model_path,
                              const std::string& data_path,
                              const std::string& out_path,
                              int64_t steps,
                              std::shared_ptr<plugin::Registry> registry,
                              const ApplyOptions& options);

// W H of the model itself, in the units of the data as read as far as transforms have inverses
// (Applied::units), written to `out_path`.
Expected<Applied> reconstruct(const std::string& model_path,
                              const std::string& out_path,
                              std::shared_ptr<plugin::Registry> registry,
                              const ApplyOptions& options);

}  // namespace assay::experiment
