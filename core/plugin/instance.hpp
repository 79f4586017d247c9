// SPDX-License-Identifier: Apache-2.0
// Live plugin instances: a vtable, its self and its facts, owned. What core/graph and core/fit hold
// of a plugin.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "assay/plugin.h"
#include "core/base/expected.hpp"
#include "core/kernels/kernels.hpp"
#include "core/plugin/context.hpp"
#include "core/plugin/options.hpp"
#include "core/plugin/penalty_set.hpp"

namespace assay::plugin {

class Loss {
 public:
  ~Loss();
  Loss(const Loss&) = delete;
  Loss& operator=(const Loss&) = delete;
  // Completes the options; refuses facts that cannot be and functions that contradict each other.
  static Expected<std::shared_ptr<Loss>> create(const Descriptor& d, const Options& options);
  const assay_loss_facts& facts() const { return facts_; }
  const assay_loss* table() const { return table_; }
  void* self() const { return self_; }
  const std::string& id() const { return id_; }
  bool has_mu_split() const;
  bool has_curvature() const;
  // The span functions for kernels of type T (float: f32 twins, or null), behind the exception
  // wall. Valid while this lives.
  template <class T>
  kernels::LossFunctions<T> functions() const;
  // The same with the log density in the value's place; ask only where there is one.
  bool has_log_density() const;
  kernels::LossFunctions<double> density() const;
  // The mean of x is a function of m, not m itself: s(m) of `logistic`, exp(m) of `poisson_log`.
  bool has_link() const;
  // n entries of m become means.
  void to_means(int64_t n, double* m) const;
  // 1/2 (x - mean)^2 in the value's place; ask only where there is a link.
  kernels::LossFunctions<double> squared_at_mean() const;

 private:
  Loss() = default;
  const assay_loss* table_ = nullptr;
  void* self_ = nullptr;
  assay_loss_facts facts_{};
  std::string id_;
};

}  // namespace assay::plugin
