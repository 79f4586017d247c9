// SPDX-License-Identifier: Apache-2.0
// Session: the data side of a run: each distinct data spec is read once, each distinct split and
// transform made once in a row.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/experiment/prepare.hpp"
#include "core/experiment/runtime.hpp"
#include "core/spec/experiment.hpp"

namespace assay::experiment {

class Session {
 public:
  explicit Session(const Runtime& runtime) : runtime_(runtime) {}

  // Data as read, with masks, weights and names.
  Expected<std::shared_ptr<const data::Data>> load(const spec::Trial& trial);
  // Hands in what an application holds, for specs whose data come from memory.
  void give(std::shared_ptr<const data::Data> x) { given_ = std::move(x); }
  // Split and transformed; the last one is kept for the next trial.
  Expected<std::shared_ptr<const Prepared>> prepare(const spec::Trial& trial);
  // Hashes of all data read so far.
  std::vector<std::string> data_ids() const;

 private:
  const Runtime& runtime_;
  std::shared_ptr<const data::Data> given_;
  std::map<std::string, std::shared_ptr<const data::Data>> loaded_;
  std::string prepared_key_;
  std::shared_ptr<const Prepared> prepared_;
};

}  // namespace assay::experiment
