// SPDX-License-Identifier: Apache-2.0
// The density of a mixture in use: created, described, checked.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "assay/density.h"
#include "core/base/expected.hpp"
#include "core/plugin/options.hpp"
#include "core/plugin/registry.hpp"

namespace assay::plugin {

class Density {
 public:
  ~Density();
  Density(const Density&) = delete;
  Density& operator=(const Density&) = delete;
  // For the shape and the components (k[0]) of `problem`, whose other fields are filled in here.
  // dirichlet: the prior of the weights, 1 for none; compute: ASSAY_F64 or ASSAY_F32; saved:
  // numbers of a component's parameters in the model it was saved in, 0 for a new one; most: the
  // largest entry of each column, or empty where that is not known.
  static Expected<std::shared_ptr<Density>> create(const Descriptor& d,
                                                   const Options& options,
                                                   const assay_problem& problem,
                                                   double dirichlet,
                                                   int32_t compute = ASSAY_F64,
                                                   int64_t saved = 0,
                                                   std::vector<double> most = {});
  const assay_density_facts& facts() const { return facts_; }
  const std::vector<double>& most() const { return most_; }
  const assay_density& table() const { return *table_; }
  void* self() const { return self_; }
  const std::string& id() const { return id_; }

 private:
  Density() = default;
  const assay_density* table_ = nullptr;
  void* self_ = nullptr;
  bool created_ = false;
  assay_density_facts facts_{};
  std::string id_;
  std::vector<double> most_;
};

}  // namespace assay::plugin
